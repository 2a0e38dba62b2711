"""The code cells of a notebook as one program, and the way back from its places and its text.

The cells run in one namespace, in order, so the tracker reads them as one source. Before each stands a
comment that no cell contains, which tells where it begins even after fixes have changed the text. A line of
IPython's bears such a comment too: by it the line is found again and gets back what was hidden.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from detachlint.findings import Edit, Finding, Location, Step
from detachlint.magics import Line, translate
from detachlint.positions import split_lines

_Placed = TypeVar("_Placed", Edit, Step)


class CellsChanged(Exception):
    """A new text of the program that can't be taken apart into cells again."""


@dataclass(frozen=True)
class Cell:
    """One code cell: its number in the notebook, its text, and its lines as Python sees them."""

    number: int
    text: str
    lines: tuple[Line, ...]

    @property
    def python(self) -> str:
        """What Python sees of the cell, line by line."""
        return "".join(line.python for line in self.lines)


@dataclass(frozen=True)
class Program:
    """The Python cells of a notebook, in order. `sign` begins the comments that are the program's own."""

    cells: tuple[Cell, ...]
    sign: str

    @classmethod
    def of(cls, texts: Iterable[tuple[int, str]]) -> Program:
        """The program of these cells, given by number and text; those in other languages are left out."""
        texts = list(texts)
        sign = "# %% cell "
        while any(sign in text for _, text in texts):
            sign = "#" + sign
        translated = ((number, text, translate(text)) for number, text in texts)
        return cls(
            tuple(
                Cell(number, text, tuple(lines)) for number, text, lines in translated if lines is not None
            ),
            sign,
        )

    @cached_property
    def text(self) -> str:
        """All cells as one source. A cell gets a line end at its end, which is none of its own."""
        return "".join(f"{self.sign}{cell.number}\n{self._marked(cell)}\n" for cell in self.cells)

    def _marked(self, cell: Cell) -> str:
        lines = []
        for row, line in enumerate(cell.lines, 1):
            body = line.python.rstrip("\r\n")
            mark = f"  {self.sign}{cell.number}:{row}" if line.hidden else ""
            lines.append(body + mark + line.python[len(body) :])
        return "".join(lines)

    # --- from places in the program to places in cells --------------------------------------------------

    @cached_property
    def _starts(self) -> list[int]:
        """The row of the program before the first row of each cell."""
        starts, row = [], 1
        for cell in self.cells:
            starts.append(row)
            row += 1 + len(split_lines(cell.python + "\n"))
        return starts

    def localized(self, finding: Finding) -> Finding:
        """The finding with every place of it in its cell."""
        cell, base = self._at(finding.location)
        fix = finding.fix and replace(finding.fix, edits=tuple(map(self._placed, finding.fix.edits)))
        return replace(
            finding,
            cell=cell.number,
            location=self._inside(cell, base, finding.location),
            end_location=self._inside(cell, base, finding.end_location),
            rows=(finding.rows[0] - base, finding.rows[1] - base),
            trace=tuple(
                self._placed(step) if step.filename == finding.filename else step for step in finding.trace
            ),
            fix=fix,
        )

    def _placed(self, place: _Placed) -> _Placed:
        cell, base = self._at(place.location)
        return replace(
            place,
            cell=cell.number,
            location=self._inside(cell, base, place.location),
            end_location=self._inside(cell, base, place.end_location),
        )

    def _at(self, location: Location) -> tuple[Cell, int]:
        index = max(0, bisect.bisect_left(self._starts, location.row) - 1)
        return self.cells[index], self._starts[index]

    def _inside(self, cell: Cell, base: int, location: Location) -> Location:
        row = max(1, location.row - base)
        line = cell.lines[row - 1] if row <= len(cell.lines) else Line("")
        shift = len(line.hidden) if line.at is not None and location.column > line.at else 0
        return Location(row, location.column + shift)

    def lines(self, number: int) -> Sequence[str]:
        """The lines of a cell as they stand in the notebook."""
        text = next((cell.text for cell in self.cells if cell.number == number), "")
        return split_lines(text)

    # --- from a new text of the program to new texts of cells -------------------------------------------

    def changed(self, text: str) -> Mapping[int, str]:
        """The new texts of those cells that a new text of the program changes, by their numbers."""
        pieces = re.split(rf"^{re.escape(self.sign)}(\d+)\n", text, flags=re.MULTILINE)
        if pieces[0] or pieces[1::2] != [str(cell.number) for cell in self.cells]:
            raise CellsChanged("its cells can't be told apart any more")
        changed = {}
        for cell, piece in zip(self.cells, pieces[2::2], strict=True):
            if piece != self._marked(cell) + "\n":
                changed[cell.number] = self._restored(cell, piece.removesuffix("\n"))
        return changed

    def _restored(self, cell: Cell, python: str) -> str:
        """A cell's text from what Python is to see of it: marked lines get back what was hidden."""
        mark = re.compile(rf"[ \t]*{re.escape(self.sign)}{cell.number}:(\d+)")
        seen, lines = [], []
        for line in split_lines(python):
            found = mark.search(line)
            seen.append(line if found is None else line[: found.start()] + line[found.end() :])
            lines.append(seen[-1] if found is None else _with_hidden(seen[-1], cell.lines[int(found[1]) - 1]))
        text = "".join(lines)
        if "".join(line.python for line in translate(text) or ()) != "".join(seen):
            raise CellsChanged("a line of IPython's would not stay what it is")
        return text


def _with_hidden(python: str, line: Line) -> str:
    """A line with what IPython alone sees of it, which `line` knows."""
    if line.at is not None:
        return python[: line.at] + line.hidden + python[line.at :]
    return line.hidden + python[len(line.python.rstrip("\r\n")) :]
