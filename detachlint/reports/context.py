"""What a report may want to know of its run beside the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from detachlint.findings import Finding, Silenced
from detachlint.reports import LinesOf
from detachlint.rulebook import Rule

Level = Literal["error", "warning", "note"]
_LEVELS: dict[str, Level] = {"raises": "error", "lost": "error", "noise": "note", "none": "note"}


def _no_lines(filename: str, cell: int | None = None, /) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Context:
    """One run: its rules, what it did not report and why, what failed.

    `base` is the folder that CI servers count paths from. `compared` says that there was a baseline.
    """

    base: Path = field(default_factory=Path.cwd)
    rules: Sequence[Rule] = ()
    silenced: Sequence[Silenced] = ()
    errors: Sequence[str] = ()
    compared: bool = False
    lines_of: LinesOf = _no_lines

    @cached_property
    def _harms(self) -> dict[str, str]:
        return {rule.code: rule.harm for rule in self.rules}

    def level(self, finding: Finding) -> Level:
        """How bad it is: what raises is an error, what only looks bad a note, all else a warning."""
        return level(self._harms.get(finding.code, ""))


def level(harm: str) -> Level:
    """The level of a rule's harm."""
    return _LEVELS.get(harm, "warning")


def top_of(root: Path) -> Path:
    """The folder of the repository that a project lies in, or the project's own."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
