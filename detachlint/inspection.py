"""One text that somebody is looking at: what is found in it, and what each fix would make of it.

Editors and other linters hand over a text and its name; the project's config decides as it does for the
command. A fix keeps the same promises here as there: its text is parsed, compared and linted again before
anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from detachlint import config, rulebook, tracking
from detachlint.bounds import OutOfTime, deep_calls, time_bound
from detachlint.config import ConfigError
from detachlint.findings import Finding
from detachlint.linter import Linter, Sieve, internal
from detachlint.rulebook import UNUSED_SUPPRESSION, Rulebook, RuleError
from detachlint.sources import Source, SourceError, Walk, is_worth_parsing


class GivenUp(Exception):
    """A text on which this program failed, or that took too long; the text says which."""


@cache
def book() -> Rulebook:
    """All rules."""
    return rulebook.load()


def linter_for(filename: str) -> Linter | None:
    """What lints a file of this name under the config around it; None if that leaves the file out.

    Raises ConfigError or RuleError with what is wrong with the config.
    """
    settings = config.load([filename])
    walk = Walk(settings.root, settings.exclude, settings.respect_gitignore, force_exclude=True)
    if walk.excludes(filename):
        return None
    book().check(settings)
    selected = book().chosen((settings.selection,), settings.preview)
    return Linter(settings, book(), selected, sieves=_sieves(settings.baseline, settings.root))


def _sieves(file: Path | None, root: Path) -> tuple[Sieve, ...]:
    if file is None:
        return ()
    from detachlint import baseline

    return (baseline.read(file, root),)


@dataclass(frozen=True)
class Inspected:
    """A source that was linted. Its findings have their places in its text: in a notebook, its program."""

    source: Source
    linter: Linter
    findings: tuple[Finding, ...] = ()
    _texts: dict[object, str | None] = field(default_factory=dict, repr=False, compare=False)

    def localized(self) -> list[tuple[Finding, Finding]]:
        """Each finding, and the same with its places as the file's owner sees them."""
        return [(finding, self.source.localized(finding)) for finding in self.findings]

    def mended(self, finding: Finding) -> str | None:
        """The text after a finding's fix; None if there is none that keeps its promises."""
        return self._once(("mended", finding), lambda: self._mended(finding))

    def all_mended(self) -> str | None:
        """The text after all fixes that `--fix` would apply; None if there are none."""
        return self._once("all", self._all_mended)

    def ignored(self, finding: Finding) -> str | None:
        """The text with a comment that silences a finding; None if there is no place for one."""
        return self._once(("ignored", finding), lambda: self._ignored(finding))

    def _once(self, key: object, make: Callable[[], str | None]) -> str | None:
        if key not in self._texts:
            text = None
            with suppress(GivenUp, SourceError), _bounded(self.source.filename):
                text = make()
            self._texts[key] = None if text == self.source.text else text
        return self._texts[key]

    def _mended(self, finding: Finding) -> str | None:
        if finding.fix is None or finding.fix.applicability == "display":
            return None
        from detachlint.fixes import repair

        return repair(self.source.text, [finding.fix], self._relint, self._relint(self.source.text)).source

    def _all_mended(self) -> str | None:
        fixing = replace(self.linter, settings=replace(self.linter.settings, fix=True))
        if not any(fixing.applies(finding.fix) for finding in self.findings):
            return None
        return fixing.outcome_of(self.source).fixed

    def _ignored(self, finding: Finding) -> str | None:
        if finding.code == UNUSED_SUPPRESSION:
            return None
        from detachlint.ignores import add_ignores

        text, _ = add_ignores(self.source, self.findings, self.linter.reported, chosen=[finding])
        return text

    def _relint(self, text: str) -> list[Finding]:
        return self.linter.lint(replace(self.source, text=text))

    def documents(self, text: str) -> Mapping[int | None, str]:
        """The texts that a new text of the source changes, by cell; None stands for a file without cells.

        Raises CellsChanged where a notebook's text can't be taken apart.
        """
        program = self.source.program
        return {None: text} if program is None else dict(program.changed(text).items())


def inspect(source: Source) -> Inspected | None:
    """A source's findings under the config around it; None if the config leaves the file out.

    Raises SourceError if it can't be parsed, ConfigError or RuleError if the config is wrong, and GivenUp for
    what goes wrong here.
    """
    linter = linter_for(source.filename)
    if linter is None:
        return None
    if not is_worth_parsing(source.text.encode("utf-8", "surrogatepass")):
        return Inspected(source, linter)
    with _bounded(source.filename):
        return Inspected(source, linter, tuple(linter.reported(source)))


@contextmanager
def _bounded(filename: str) -> Iterator[None]:
    """Bound what a text may cost; an error of this program is its own, too."""
    try:
        with time_bound(), deep_calls():
            yield
    except (SourceError, ConfigError, RuleError):
        raise
    except (Exception, OutOfTime) as error:
        tracking.forget()
        raise GivenUp(internal(filename, error)) from error
