"""One source to findings: parse, track, match with the rules, silence what comments silence.

Nothing here raises for what a file contains. A file that can't be read or parsed, and a
file on which this program itself fails, becomes one clear line in its Outcome while the others go on.

A Linter is small and can be sent to another process; what it loads (the models) each process loads once.
"""

from __future__ import annotations

import ast
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from detachlint import positions, sources, suppressions
from detachlint.bounds import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_SECONDS,
    OutOfTime,
    deep_calls,
    time_bound,
    uncollected,
)
from detachlint.config import Settings
from detachlint.findings import Answer, Finding, Fix, Heard, Question, Silenced, Step
from detachlint.models import Models
from detachlint.models import load as load_models
from detachlint.patterns import compiled
from detachlint.rulebook import UNUSED_SUPPRESSION, Rule, Rulebook
from detachlint.sources import Source, SourceError
from detachlint.surroundings import with_surroundings
from detachlint.uses import Uses

if TYPE_CHECKING:  # the tracker is imported when the first file is worth it
    from detachlint.tracking.events import Event

ISSUES = "https://github.com/detachlint/detachlint/issues"
_LONGEST_VALUE = 60

Tracker: TypeAlias = "Callable[[str, str, ast.Module, Models, Path | None], list[Event]]"


def track(path: str, source: str, tree: ast.Module, models: Models, root: Path | None) -> list[Event]:
    """The program's own tracker, imported when the first file is worth it."""
    from detachlint import tracking

    return tracking.track(path, source, tree, models, root)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one file: what is left to report, the error if there was one, and the repair.

    `fixed` is the new text of `source` where fixes were applied, `before` what there was to report without
    them; `refused` says which fixes were not applied, and why. `silenced` is what comments and sieves hold
    back. `heard` is what a cache may keep of it.
    """

    filename: str
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    fixed: str | None = None
    source: Source | None = None
    before: tuple[Finding, ...] = ()
    fixes: int = 0
    refused: tuple[str, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    heard: Heard | None = None


class Sieve(Protocol):
    """Lets through what of a file's findings this run is to report: what is new, what has changed."""

    def sift(self, findings: list[Finding]) -> tuple[list[Finding], list[Silenced]]:
        """The findings to report, and those of the others that a report may still want to mention."""


@dataclass(frozen=True)
class Linter:
    """The rules that run (`selected` of the whole `book`), under which settings, and the sieves behind them.

    `lint` tells everything; `outcome` and `outcome_of` tell, and repair, what the sieves let through.
    """

    settings: Settings
    book: Rulebook
    selected: Rulebook
    tracker: Tracker = track
    sieves: tuple[Sieve, ...] = ()
    keeps_heard: bool = False

    def lint(self, source: Source) -> list[Finding]:
        """The findings of one source, in order. Raises SourceError if it can't be parsed.

        Their places are those in its text, which in a notebook is the program of all cells.
        """
        return self.heard(source)[0]

    def reported(self, source: Source) -> list[Finding]:
        """The findings of one source that the sieves let through."""
        return self._sifted(source, self.lint(source))[0]

    def heard(self, source: Source) -> tuple[list[Finding], list[Silenced]]:
        """The findings of one source, and those that its comments silence."""
        selected = self.rules_for(source.filename)
        if not selected.rules:
            return [], []
        tree = parse(source)
        models = known_models(self.settings.models)
        events = self.tracker(source.filename, source.text, tree, models, self.settings.root)
        findings = _Findings(source, tree, selected).of(events)
        return self._heard(source, tree, selected, findings)

    def rules_for(self, filename: str) -> Rulebook:
        """The selected rules, less those that the settings ignore in this file."""
        if not self.settings.per_file_ignores:
            return self.selected
        try:
            inside = Path(os.path.realpath(filename)).relative_to(self.settings.root).as_posix()
        except ValueError:
            return self.selected
        ignored = [
            code
            for pattern, codes in self.settings.per_file_ignores
            if compiled((pattern,)).match_file(inside)
            for code in codes
        ]
        return self.selected.without(ignored) if ignored else self.selected

    def _heard(
        self, source: Source, tree: ast.Module, selected: Rulebook, findings: list[Finding]
    ) -> tuple[list[Finding], list[Silenced]]:
        speaking = suppressions.may_hold(source.text)
        lines = positions.split_lines(source.text) if findings or speaking else []
        findings = with_surroundings(findings, tree, lines)
        silenced: list[Silenced] = []
        if speaking:
            found = suppressions.find(lines)
            heard = suppressions.apply(findings, found)
            findings, silenced = heard.kept, heard.silenced
            rule = selected.rule(UNUSED_SUPPRESSION)
            if rule is not None:
                ran = suppressions.Ran(source.filename, lines, rule, selected, self.book)
                useless = suppressions.unused(found, heard.used, ran)
                findings += with_surroundings(suppressions.unsilenced(useless, found), tree, lines)
        return sorted(findings, key=Finding.sort_key), silenced

    def outcome(self, filename: str) -> Outcome:
        """Lint one file; with `fix` in the settings, repair its text as well (nothing is written here)."""
        try:
            return self.outcome_of(sources.read(filename))
        except SourceError as error:
            return Outcome(filename, error=str(error))

    def outcome_of(self, source: Source) -> Outcome:
        """Lint one source; with `fix` in the settings, repair it as well."""
        try:
            with uncollected(), time_bound(), deep_calls():
                return self._outcome_of(source)
        except SourceError as error:
            return Outcome(source.filename, error=str(error))
        except (Exception, OutOfTime) as error:  # neither an error of this program may cost the other files
            _forget()
            return Outcome(source.filename, error=internal(source.filename, error))

    def _outcome_of(self, source: Source) -> Outcome:
        findings, silenced = self.heard(source)
        kept, more = self._sifted(source, findings)
        outcome = Outcome(source.filename, tuple(kept), silenced=(*silenced, *more))
        if self.keeps_heard and source.program is None:
            outcome = replace(outcome, heard=Heard(tuple(findings), tuple(silenced), self._answers()))
        if self.settings.fix:
            outcome = self._repaired(source, findings, outcome)
        return outcome if source.program is None else _localized(outcome, source)

    def _answers(self) -> Mapping[Question, Answer]:
        from detachlint import tracking

        return tracking.answers(known_models(self.settings.models), self.settings.root)

    def recalled(self, filename: str, heard: Heard) -> Outcome | None:
        """The outcome of a file of which everything is known; None if it must be repaired."""
        findings, silenced = list(heard.findings), list(heard.silenced)
        for sieve in self.sieves:
            findings, more = sieve.sift(findings)
            silenced += more
        if self.settings.fix and any(self.applies(finding.fix) for finding in findings):
            return None
        return Outcome(filename, tuple(findings), silenced=tuple(silenced))

    def _sifted(self, source: Source, findings: list[Finding]) -> tuple[list[Finding], list[Silenced]]:
        """The findings that the sieves let through, and what they have to say of others.

        Sieves see findings as the file's owner does, in cells.
        """
        silenced: list[Silenced] = []
        seen = [source.localized(finding) for finding in findings]
        meant = {id(local): finding for local, finding in zip(seen, findings, strict=True)}
        for sieve in self.sieves:
            seen, more = sieve.sift(seen)
            silenced += [replace(item, finding=meant[id(item.finding)]) for item in more]
        return [meant[id(local)] for local in seen], silenced

    def _repaired(self, source: Source, findings: list[Finding], outcome: Outcome) -> Outcome:
        """The outcome after the fixes of what it reports; `findings` are all there were before the sieves."""
        fixes = [finding.fix for finding in outcome.findings if self.applies(finding.fix)]
        wanted = [fix for fix in fixes if fix is not None]
        if not wanted:
            return outcome
        from detachlint.fixes import repair

        def relint(text: str) -> list[Finding]:
            return self.lint(replace(source, text=text))

        held_back = Counter(map(_identity, findings)) - Counter(map(_identity, outcome.findings))
        repaired = repair(source.text, wanted, relint, findings, lambda after: _less(after, held_back))
        refused = tuple(f"{source.filename}: not fixed: {item.reason}" for item in repaired.refused)
        if repaired.source == source.text:
            return replace(outcome, refused=refused)
        return replace(
            outcome,
            findings=tuple(_less(relint(repaired.source), held_back)),
            fixed=repaired.source,
            source=source,
            before=outcome.findings,
            fixes=len(repaired.applied),
            refused=refused,
        )

    def applies(self, fix: Fix | None) -> bool:
        """Whether `--fix` applies this fix under the settings."""
        if fix is None:
            return False
        return fix.applicability == "safe" or (fix.applicability == "unsafe" and self.settings.unsafe_fixes)


def _localized(outcome: Outcome, source: Source) -> Outcome:
    """The outcome with its places as the file's owner sees them."""
    after = source if outcome.fixed is None else source.changed(outcome.fixed)
    return replace(
        outcome,
        findings=tuple(after.localized(finding) for finding in outcome.findings),
        before=tuple(source.localized(finding) for finding in outcome.before),
        silenced=tuple(replace(item, finding=source.localized(item.finding)) for item in outcome.silenced),
    )


def _identity(finding: Finding) -> tuple[str, str, str]:
    """What of a finding stays when other lines of its file change."""
    return finding.code, finding.scope, finding.essence


def _less(findings: Sequence[Finding], held_back: Counter[tuple[str, str, str]]) -> list[Finding]:
    left = held_back.copy()
    kept = []
    for finding in findings:
        if left[_identity(finding)] > 0:
            left[_identity(finding)] -= 1
        else:
            kept.append(finding)
    return kept


@cache
def known_models(tables: str) -> Models:
    """The models that came with the program, and the user's tables (JSON text) on top of them."""
    more = json.loads(tables)
    models = load_models()
    return models.extended(more["call"], more["class"]) if more["call"] or more["class"] else models


def parse(source: Source) -> ast.Module:
    """The tree of a source; SourceError for every way in which Python's parser can refuse it.

    Each cell of a notebook must be whole by itself.
    """
    if len(source.text) > MAX_BYTES:
        raise sources.too_large(source.filename)
    for cell in source.program.cells if source.program is not None else ():
        _parse(cell.python, f"{source.filename}:cell {cell.number}")
    return _parse(source.text, source.filename)


def _parse(text: str, named: str) -> ast.Module:
    """The tree of a text; an error at a line of it names the line behind `named`."""
    try:
        with warnings.catch_warnings():
            # What the linted code's author does with backslashes is not our say.
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        place = f"{named}:{error.lineno}:{error.offset or 1}" if error.lineno else named
        raise SourceError(place, f"cannot be parsed: {error.msg}") from error
    except (RecursionError, MemoryError) as error:
        reason = "cannot be parsed: nested too deeply for Python's parser"
        raise SourceError(named, reason) from error
    except ValueError as error:
        raise SourceError(named, f"cannot be parsed: {error}") from error


def _forget() -> None:
    """What the tracker knew of a file's surroundings when it was interrupted may be half of it."""
    from detachlint import tracking

    tracking.forget()


def internal(filename: str, error: BaseException) -> str:
    """One line on a file that was given up: by which bound, or else by which error of this program.

    Of an error it says what it was, where in the program, and where to report it.
    """
    if isinstance(error, OutOfTime):
        return f"{filename}: took more than {MAX_SECONDS:g} seconds; it was left out"
    if isinstance(error, RecursionError):
        return f"{filename}: nested too deeply: more than {MAX_DEPTH} calls to follow it; it was left out"
    if isinstance(error, MemoryError):
        return f"{filename}: needs more memory than there is; it was left out"
    traceback = error.__traceback__
    place = ""
    while traceback is not None:
        place = f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{filename}: internal error: {said} (in {place}); please report it with the file: {ISSUES}"


@dataclass
class _Findings:
    """Turns the events of one source into findings; positions and edits are computed for these alone."""

    source: Source
    tree: ast.Module
    selected: Rulebook

    def __post_init__(self) -> None:
        self.lines = positions.split_lines(self.source.text)
        self.uses = Uses(self.tree)
        self._others: dict[str, Sequence[str]] = {self.source.filename: self.lines}

    def of(self, events: Sequence[Event]) -> list[Finding]:
        found: dict[tuple[str, ast.AST], Finding] = {}
        for event in events:
            rule = self.selected.rule_for(event)
            if rule is not None and (rule.code, event.node) not in found:
                found[rule.code, event.node] = self._finding(event, rule)
        return list(found.values())

    def _finding(self, event: Event, rule: Rule) -> Finding:
        start, end = positions.span(self.lines, event.node)
        fix, unfixable = self._fix(event, rule)
        return Finding(
            code=rule.code,
            name=rule.name,
            message=rule.says(event.callee, self._value(event)),
            filename=self.source.filename,
            location=start,
            end_location=end,
            trace=tuple(self._step(note.path, note.node, note.text) for note in event.notes),
            fix=fix,
            unfixable=unfixable,
            url=rule.url,
        )

    def _value(self, event: Event) -> str:
        """The source text of the expression that tracks, on one line and not longer than a message bears."""
        node = event.detach[0] if event.detach else event.node
        text = " ".join(positions.text_between(self.lines, *positions.span(self.lines, node)).split())
        return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."

    def _step(self, path: str, node: ast.AST, text: str) -> Step:
        start, end = positions.span(self._lines_of(path), node)
        return Step(path, start, end, text)

    def _lines_of(self, path: str) -> Sequence[str]:
        if path not in self._others:
            try:
                self._others[path] = positions.split_lines(sources.read(path).text)
            except SourceError:
                self._others[path] = ()
        return self._others[path]

    def _fix(self, event: Event, rule: Rule) -> tuple[Fix | None, str | None]:
        if rule.applicability == "none":
            return None, event.unfixable or rule.fix_message or "how to mend it depends on what is meant"
        if not event.detach:
            return None, event.unfixable or "there is no single expression to detach"
        from detachlint.edits import NotFixable, detach_edits

        contradiction = next(filter(None, map(self.uses.contradict, event.detach)), None)
        if contradiction is not None:
            return None, contradiction
        try:
            edits = detach_edits(self.source.text, event.detach)
        except NotFixable as reason:
            return None, str(reason)
        safe = rule.applicability == "safe" or (rule.applicability == "safe-if-spent" and event.spent)
        return Fix("safe" if safe else "unsafe", rule.fix_message or "Detach it first", edits), None
