"""Jupyter notebooks: their code cells, and new text of a cell put back without touching anything else.

A notebook is JSON that other programs wrote, each with its own indentation, order of keys and way to escape.
It is never dumped anew: the places of the cells' sources are looked up in the JSON text, and only the
characters of changed lines are replaced there. So outputs, metadata and the newline at the end stay byte for
byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detachlint.cells import CellsChanged, Program
from detachlint.differences import Change, differences
from detachlint.positions import split_lines
from detachlint.sources import MARK, Source, SourceError

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
_FORMAT = 4  # the format of notebooks since 2014


@dataclass(frozen=True, slots=True)
class Span:
    """A value in a JSON text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NotebookSource(Source):
    """A notebook: `text` is the program of its cells, `content` the JSON, `spans` where the sources stand."""

    content: str = ""
    spans: Mapping[int, Span] = field(default_factory=dict)

    def document(self, text: str) -> str:
        """The JSON with a new text of the program in its cells."""
        if self.program is None or text == self.program.text:
            return self.content
        try:
            changed = self.program.changed(text)
        except CellsChanged as error:
            raise SourceError(self.filename, f"cannot be changed: {error}") from error
        pieces, done = [], 0
        for number, new in sorted(changed.items()):
            span = self.spans[number]
            pieces += [self.content[done : span.start], _rewritten(self.content[span.start : span.end], new)]
            done = span.end
        content = "".join([*pieces, self.content[done:]])
        if not _is_changed_only_in(changed, self.content, content):
            raise SourceError(self.filename, "cannot be changed: more than its cells would change")
        return content

    def changed(self, text: str) -> Source:
        """The notebook with a new text of the program; its JSON is read anew."""
        return _source(self.filename, self.document(text), self.mark)


def decode(filename: str, data: bytes) -> Source:
    """The program of a notebook's code cells; it has none if the notebook is in another language."""
    mark = data.startswith(MARK)
    try:
        content = (data[len(MARK) :] if mark else data).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError(filename, f"cannot be decoded as utf-8: line {line}: {error.reason}") from error
    return _source(filename, content, mark)


def _source(filename: str, content: str, mark: bool) -> Source:
    notebook = _notebook(filename, content)
    cells = _cells(filename, notebook) if _is_python(notebook) else {}
    program = Program.of(cells.items())
    spans = _spans(content, [cell.number for cell in program.cells])
    return NotebookSource(filename, program.text, "utf-8", mark, program, content, spans)


def _notebook(filename: str, content: str) -> dict[str, Any]:
    try:
        notebook = json.loads(content)
    except RecursionError as error:
        raise SourceError(filename, "is no notebook: nested too deeply") from error
    except ValueError as error:
        raise SourceError(filename, f"is no notebook: invalid JSON: {_uncapitalized(str(error))}") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise SourceError(filename, "is no notebook: it has no `nbformat`")
    if notebook["nbformat"] < _FORMAT:
        reason = f"is a notebook of format {notebook['nbformat']}; `jupyter nbconvert` renews it"
        raise SourceError(filename, reason)
    if not isinstance(notebook.get("cells"), list):
        raise SourceError(filename, "is no notebook: it has no list of `cells`")
    return notebook


def _uncapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


def _cells(filename: str, notebook: dict[str, Any]) -> dict[int, str]:
    """The texts of the code cells in Python, by their numbers among all cells."""
    texts = {}
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
            raise SourceError(filename, f"is no notebook: cell {number} has no `cell_type`")
        if cell["cell_type"] != "code" or _language(cell, "metadata", "vscode", "languageId") != "python":
            continue
        source = cell.get("source")
        lines: list[Any] = source if isinstance(source, list) else [source]
        if not all(isinstance(line, str) for line in lines):
            raise SourceError(filename, f"is no notebook: the source of cell {number} is not text")
        texts[number] = "".join(lines)
    return texts


def _is_python(notebook: dict[str, Any]) -> bool:
    kernel = _language(notebook, "metadata", "kernelspec", "language")
    return _language(notebook, "metadata", "language_info", "name", default=kernel) == "python"


def _language(node: Any, *path: str, default: str = "python") -> str:
    """The language named at the end of a path of keys; Python where none is named."""
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node.lower().rstrip("0123456789") if isinstance(node, str) and node else default


# --- where things stand in the JSON text; it has been parsed before, so it is known to be right


def _spans(content: str, numbers: Sequence[int]) -> dict[int, Span]:
    if not numbers:
        return {}
    cells = list(_items(content, _member(content, _SPACE.match(content, 0).end(), "cells").start))  # type: ignore[union-attr]
    return {number: _member(content, cells[number - 1].start, "source") for number in numbers}


def _member(content: str, start: int, key: str) -> Span:
    """The value of a key of the object that begins at `start`; the last one, as `json` has it."""
    return dict(_members(content, start))[key]


def _members(content: str, start: int) -> Iterator[tuple[str, Span]]:
    at = _after(content, start + 1)
    while content[at] != "}":
        name, end = _DECODER.raw_decode(content, at)
        begin = _after(content, _after(content, end) + 1)
        _, end = _DECODER.raw_decode(content, begin)
        yield name, Span(begin, end)
        at = _after(content, end, ",")


def _items(content: str, start: int) -> Iterator[Span]:
    at = _after(content, start + 1)
    while content[at] != "]":
        _, end = _DECODER.raw_decode(content, at)
        yield Span(at, end)
        at = _after(content, end, ",")


def _after(content: str, at: int, separator: str = "") -> int:
    """The next place that is no white space, behind a separator if there is one."""
    at = _SPACE.match(content, at).end()  # type: ignore[union-attr]
    if separator and content[at] == separator:
        return _SPACE.match(content, at + 1).end()  # type: ignore[union-attr]
    return at


# --- new text in place of old ------------------------------------------------------------------


def _rewritten(literal: str, new: str) -> str:
    """The JSON of a cell's source with a new text: a string, or a list of strings, as it was before."""
    spans = list(_items(literal, 0)) if literal.startswith("[") else [Span(0, len(literal))]
    parts = [json.loads(literal[span.start : span.end]) for span in spans]
    old = "".join(parts)
    if literal.startswith("[") and len(split_lines(old)) != len(split_lines(new)):
        return _list(literal, spans, split_lines(new))
    waiting = differences(old, new)
    pieces, done, at = [], 0, 0
    for span, part in zip(spans, parts, strict=True):
        end = at + len(part)
        inside = [item for item in waiting if at <= item.start < end + (end == len(old)) and item.end <= end]
        waiting = [item for item in waiting if item not in inside]
        pieces += [literal[done : span.start], _string(literal[span.start : span.end], at, inside)]
        done, at = span.end, end
    return _list(literal, spans, split_lines(new)) if waiting else "".join([*pieces, literal[done:]])


def _list(literal: str, spans: Sequence[Span], lines: Sequence[str]) -> str:
    """A list of other strings, laid out as the one before; lines that were there keep their JSON."""
    if not spans or not lines:
        return "[]"
    between = literal[spans[0].end : spans[1].start] if len(spans) > 1 else "," + literal[1 : spans[0].start]
    written = [literal[span.start : span.end] for span in spans]
    known = {json.loads(string): string for string in written}
    strings = (known.get(line) or json.dumps(line, ensure_ascii=literal.isascii()) for line in lines)
    return literal[: spans[0].start] + between.join(strings) + literal[spans[-1].end :]


def _string(literal: str, at: int, changes: Sequence[Change]) -> str:
    """A string's JSON after changes, whose places count from `at`: what stays keeps the way it is escaped."""
    if not changes:
        return literal
    characters = [found.group() for found in _CHARACTER.finditer(literal, 1, len(literal) - 1)]
    for change in reversed(changes):
        new = json.dumps(change.text, ensure_ascii=literal.isascii())[1:-1]
        characters[change.start - at : change.end - at] = [new]
    return '"' + "".join(characters) + '"'


def _is_changed_only_in(changed: Mapping[int, str], before: str, after: str) -> bool:
    """Whether two JSON texts differ in nothing but these cells' sources."""
    old, new = json.loads(before), json.loads(after)
    for number, text in changed.items():
        source = new["cells"][number - 1]["source"]
        if ("".join(source) if isinstance(source, list) else source) != text:
            return False
        old["cells"][number - 1]["source"] = source
    return bool(json.dumps(old) == json.dumps(new))
