"""What the rooms hand to each other: a finding, the steps that explain it, the edits that mend it.

Everything here is frozen and free of syntax trees, so that it can be cached, compared, sorted, sent
between processes and printed in any format. Rows and columns count from 1; columns count code points,
as an editor shows them, not bytes.

In a notebook, rows count inside a cell, and `cell` is its number among all cells of the notebook, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Applicability = Literal["safe", "unsafe", "display"]

# What an analysis asks of the project's other files, in words, and the answer: a path or a digest, several
# paths, or nothing.
Question: TypeAlias = tuple[str, ...]
Answer: TypeAlias = "str | tuple[str, ...] | None"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file: row and column, both counted from 1, the column in code points."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace: a place in a file and a short sentence on what happens there."""

    filename: str
    location: Location
    end_location: Location
    text: str
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text from `location` up to `end_location` by `content`; equal ends mean an insertion."""

    location: Location
    end_location: Location
    content: str
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that belong together: all of them are applied or none.

    `safe` cannot change a program that worked; `unsafe` may; `display` is only shown.
    """

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One report of one rule.

    `trace` answers in order: why the value tracks, what the sink does with it, why no backward needs
    it. `fix` is None where `unfixable` says why there is none. `rows` (of its statement), `scope` (the
    qualified name of the function or class around it) and `essence` (its code without what a formatter
    changes) are what it stands in.
    """

    code: str
    name: str
    message: str
    filename: str
    location: Location
    end_location: Location
    trace: tuple[Step, ...] = ()
    fix: Fix | None = None
    unfixable: str | None = None
    url: str | None = None
    cell: int | None = None
    rows: tuple[int, int] = (0, 0)
    scope: str = ""
    essence: str = ""

    def sort_key(self) -> tuple[str, int, Location, str]:
        """Order of reports: by file, place, code."""
        return (self.filename, self.cell or 0, self.location, self.code)


@dataclass(frozen=True, slots=True)
class Silenced:
    """A finding that is not reported: a comment (`inSource`) or a baseline (`external`) says so, and why."""

    finding: Finding
    kind: Literal["inSource", "external"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is to say of a file, before any sieve: its findings, and those that comments silence.

    `answers` are what was asked of the project's other files: while they are the same, so is all of this.
    """

    findings: tuple[Finding, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    answers: Mapping[Question, Answer] = field(default_factory=dict)


def line_of(place: Finding | Step) -> str:
    """The file and line of a finding or step as reports write it: `a.py:3`, `a.ipynb:cell 2:3`."""
    cell = "" if place.cell is None else f"cell {place.cell}:"
    return f"{place.filename}:{cell}{place.location.row}"
