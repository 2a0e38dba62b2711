"""From the places Python's parser names to the places an editor shows.

`ast` counts columns in UTF-8 bytes from 0; findings count code points from 1. Lines end where Python says
they end: at a line feed, a carriage return, or both together. `str.splitlines` knows more ends (form feeds,
separators from Unicode) which are ordinary characters in Python source.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Sequence

from detachlint.findings import Location


def split_lines(text: str) -> list[str]:
    """The lines of a text, each with its own line end kept."""
    return list(io.StringIO(text, newline=""))


def column(line: str, offset: int) -> int:
    """The column, from 1 in code points, of a byte offset into a line."""
    if line.isascii():
        return offset + 1
    return len(line.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore")) + 1


def location(lines: Sequence[str], row: int, offset: int) -> Location:
    """The place of the parser's row and byte offset."""
    line = lines[row - 1] if 0 < row <= len(lines) else ""
    return Location(row, column(line, offset))


def span(lines: Sequence[str], node: ast.AST) -> tuple[Location, Location]:
    """Where a node starts and ends; the start of the file for nodes that have no place (a module)."""
    row = getattr(node, "lineno", None)
    if row is None:
        return Location(1, 1), Location(1, 1)
    offset: int = getattr(node, "col_offset", 0)
    end_row: int = getattr(node, "end_lineno", None) or row
    end_offset: int | None = getattr(node, "end_col_offset", None)
    start = location(lines, row, offset)
    return start, start if end_offset is None else location(lines, end_row, end_offset)


def text_between(lines: Sequence[str], start: Location, end: Location) -> str:
    """The source text from `start` up to `end`."""
    if start.row == end.row:
        return lines[start.row - 1][start.column - 1 : end.column - 1] if start.row <= len(lines) else ""
    middle = lines[start.row : end.row - 1]
    return "".join([lines[start.row - 1][start.column - 1 :], *middle, lines[end.row - 1][: end.column - 1]])
