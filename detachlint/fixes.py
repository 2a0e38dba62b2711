"""A file that is better, or untouched: the contract of a fix.

`repair` applies the fixes of one file and believes nothing: the new source must parse, its tree may differ
from the old one by exactly the calls that were asked for, the findings that were fixed must be gone, none may
be new, and nothing may be left that a second run would change. Fixes that break this are found by halving and
refused one by one with the reason; the others stay.

How an expression is detached stands in `edits`, how a file is replaced in `writing`; their doors are open
from here, so that the rest of the program has one place to ask.
"""

from __future__ import annotations

import ast
import bisect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from detachlint.edits import NotFixable, added_calls, apply_edits, detach_edits, inserted_calls, parsed
from detachlint.findings import Applicability, Edit, Finding, Fix
from detachlint.writing import NotWritten, write_atomically

__all__ = [
    "NotFixable",
    "NotWritten",
    "Refusal",
    "Repaired",
    "apply_edits",
    "detach_edits",
    "repair",
    "write_atomically",
]

_MOST_ATTEMPTS = 100
_MOST_ROUNDS = 4
_GIVEN_UP = "too many fixes of this file spoil each other to try them all"
_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fix that was not applied, and the reason in a short clause."""

    fix: Fix
    reason: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """The new source (the old one if nothing could be applied), what was applied and what was refused."""

    source: str
    applied: tuple[Fix, ...]
    refused: tuple[Refusal, ...]


def repair(
    source: str,
    fixes: Sequence[Fix],
    relint: Callable[[str], list[Finding]],
    before: Sequence[Finding] | None = None,
    chosen: Callable[[Sequence[Finding]], Sequence[Finding]] = tuple,
    rounds: int = _MOST_ROUNDS,
) -> Repaired:
    """Apply as many of `fixes` as keep the contract; `relint` gives the findings of a source of this file.

    `before` are the findings of `source` itself, if they are at hand. Fixes are tried together; only if the
    result is not what was promised are they tried in halves, down to the one that is to blame. Fixes that
    only stood in each other's way get a second round on the new source: a second run finds nothing to do.
    `chosen` are those of its findings that are to be fixed. Where fixes spoil each other again and again the
    rest is given up: each attempt costs as much as linting the file.
    """
    wanted = list(dict.fromkeys(fix for fix in fixes if fix.edits))
    old = parsed(source)
    if old is None:
        return Repaired(source, (), tuple(Refusal(fix, "the file can't be parsed") for fix in wanted))
    judge = _Judge(source, old, relint, list(relint(source) if before is None else before))
    first = _settle(judge, wanted)
    if not first.applied or not first.refused:
        return first
    levels = {fix.applicability for fix in fixes}
    rest = relint(first.source)
    again = [
        finding.fix
        for finding in chosen(rest)
        if finding.fix is not None and finding.fix.applicability in levels
    ]
    if rounds <= 1:
        return Repaired(
            first.source, first.applied, (*first.refused, *(Refusal(f, _GIVEN_UP) for f in again))
        )
    second = repair(first.source, again, relint, rest, chosen, rounds - 1)
    return Repaired(second.source, first.applied + second.applied, second.refused)


def _settle(judge: _Judge, wanted: Sequence[Fix]) -> Repaired:
    """All of `wanted` at once, or by halves without those that break a promise."""
    result, applied, refused = judge.source, list[Fix](), list[Refusal]()
    groups = [list(wanted)] if wanted else []
    for _ in range(_MOST_ATTEMPTS):
        if not groups:
            break
        group = groups.pop()
        attempt = judge.attempt([*applied, *group])
        if not isinstance(attempt, _Complaint):
            applied += group
            result = attempt
        elif len(group) == 1:
            refused.append(Refusal(group[0], attempt.reason))
        else:
            middle = len(group) // 2
            groups += [group[middle:], group[:middle]]
    refused += [Refusal(fix, _GIVEN_UP) for group in groups for fix in group]
    return Repaired(result, tuple(applied), tuple(refused))


@dataclass(frozen=True, slots=True)
class _Complaint:
    """Which promise a set of fixes does not keep."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Judge:
    """What the result of fixes is measured against: the file as it was and its findings."""

    source: str
    tree: ast.Module
    relint: Callable[[str], list[Finding]]
    findings: list[Finding]

    def attempt(self, fixes: Sequence[Fix]) -> str | _Complaint:
        """The source after `fixes`, or the first promise that it breaks."""
        edits = [edit for fix in fixes for edit in fix.edits]
        try:
            source = apply_edits(self.source, edits)
            calls = added_calls(edits)
        except NotFixable as error:
            return _Complaint(str(error))
        tree = parsed(source)
        if tree is None:
            return _Complaint("the result could not be parsed")
        if inserted_calls(self.tree, tree) != calls:
            return _Complaint("the result would differ by more than detach() calls")
        return self._complain(set(fixes), _removed_rows(edits), self.relint(source)) or source

    def _complain(
        self, fixes: set[Fix], removed: Sequence[int], after: Sequence[Finding]
    ) -> _Complaint | None:
        left = [finding for finding in self.findings if finding.fix not in fixes]
        expected = Counter(
            (f.code, f.location.row - bisect.bisect_left(removed, f.location.row)) for f in left
        )
        for code, row in Counter((finding.code, finding.location.row) for finding in after) - expected:
            return _Complaint(f"{code} would be reported in line {row} of the result")
        levels = {fix.applicability for fix in fixes}
        if _fixable(after, levels) > _fixable(left, levels):
            return _Complaint("a second run would change the file again")
        return None


def _fixable(findings: Iterable[Finding], levels: set[Applicability]) -> int:
    return sum(finding.fix is not None and finding.fix.applicability in levels for finding in findings)


def _removed_rows(edits: Iterable[Edit]) -> list[int]:
    """The rows whose line ends are removed: a deleted comment may take its whole line along."""
    rows: list[int] = []
    for edit in dict.fromkeys(edits):
        spanned = edit.end_location.row - edit.location.row - len(_NEWLINE.findall(edit.content))
        rows += range(edit.location.row, edit.location.row + spanned)
    return sorted(rows)
