"""Findings for people.

`concise` is a line a finding, for editors and grep. `full` adds what a finding owes its reader: the code with
carets under the expression, the trace as numbered steps with their places and lines, how to mend it, and
where the rule is explained.

    train.py:14:5: DTL301 [*] `total +=` adds a tensor that still requires grad to a total that is never ...
       |
    14 |     total += loss
       |     ^^^^^^^^^^^^^
      1. line 12: `loss.backward()` has consumed the graph
         loss.backward()
      help: Detach what is added
            total += loss.detach()
      more: detachlint --explain DTL301

Everything fits the width it is given, except the first line, which tools read: only for people it is broken.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import click

from detachlint.findings import Edit, Finding, Step, line_of
from detachlint.reports import LinesOf
from detachlint.reports.plain import cells, plain

_MOST_ROWS = 6
_TAB = "    "
_CUT = "..."
_NARROW = 24  # columns in which no message is begun


def concise(findings: Sequence[Finding], color: bool = False, links: bool = False) -> str:
    """One line a finding."""
    paint = _Paint(color, links)
    return "".join(_headline(finding, paint) + "\n" for finding in findings)


def full(
    findings: Sequence[Finding],
    lines_of: LinesOf,
    color: bool = False,
    width: int = 80,
    links: bool = False,
    broken: bool = False,
) -> str:
    """Each finding with its code, its trace and its fix, an empty line after each.

    `broken` says that even the first line is, which people like and tools don't.
    """
    page = _Page(lines_of, _Paint(color, links), width, broken)
    return "".join("\n".join(page.finding(finding)) + "\n\n" for finding in findings)


def summary(findings: Sequence[Finding], fixed: int = 0, unsafe_fixes: bool = False) -> str:
    """The line at the end: how many, and what `--fix` would do about them."""
    levels = Counter(finding.fix.applicability for finding in findings if finding.fix is not None)
    errors = "error" if len(findings) + fixed == 1 else "errors"
    if fixed:
        line = f"Found {len(findings) + fixed} {errors} ({fixed} fixed, {len(findings)} remaining)."
    else:
        line = f"Found {len(findings)} {errors}"
        fixable = levels["safe"] + (levels["unsafe"] if unsafe_fixes else 0)
        more = 0 if unsafe_fixes else levels["unsafe"]
        if fixable:
            line += f" ({fixable} fixable with --fix" + (
                f", {more} more with --unsafe-fixes)" if more else ")"
            )
        elif more:
            line += f" ({more} fixable with --fix --unsafe-fixes)"
        line += "."
    return line


def statistics(findings: Sequence[Finding]) -> str:
    """How often each rule fired, the most frequent first; `[*]` marks what can be fixed."""
    counted = Counter((finding.code, finding.name) for finding in findings)
    fixable = {finding.code for finding in findings if finding.fix is not None}
    width = len(str(max(counted.values(), default=0)))
    return "".join(
        f"{number:>{width}}  {code}  [{'*' if code in fixable else ' '}]  {name}\n"
        for (code, name), number in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )


class _Paint:
    """Styles that are nothing without colour, links that are nothing where they don't work."""

    def __init__(self, color: bool, links: bool = False) -> None:
        self._color = color
        self._links = links

    def __call__(self, text: str, **style: str | bool) -> str:
        return click.style(text, **style) if self._color else text  # type: ignore[arg-type]

    def link(self, text: str, url: str | None) -> str:
        """Text that leads to a page."""
        return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\" if self._links and url else text


def _headline(finding: Finding, paint: _Paint, width: int | None = None) -> str:
    """Place, code and message; with a width, the message goes on in further lines below itself."""
    inside = plain(line_of(finding)).removeprefix(plain(finding.filename))
    place = f"{paint(plain(finding.filename), bold=True)}{inside}:{finding.location.column}:"
    mark = ""
    if finding.fix is not None:
        mark = " [*]" if finding.fix.applicability == "safe" else " [-]"
    code = paint.link(paint(finding.code, fg="red", bold=True), finding.url)
    message = plain(finding.message)
    if width is not None:
        before = cells(f"{plain(line_of(finding))}:{finding.location.column}: {finding.code}{mark} ")
        message = _below(message, before, width)
    return f"{place} {code}{paint(mark, fg='cyan')} {message}"


def _below(message: str, before: int, width: int) -> str:
    """A message that starts behind something, its further lines set in by as much as leaves them room."""
    room = width - before
    if room < _NARROW:
        return "\n".join(["", *_wrapped(message, width, _TAB, _TAB)])
    indent = " " * (before if before <= width // 2 else len(_TAB))
    return "\n".join(_wrapped(message, width, "." * before, indent))[before:]


def _wrapped(text: str, width: int, first: str, others: str, break_long_words: bool = True) -> list[str]:
    """A text as lines that fit; an option such as `--unsafe-fixes` is never torn apart at a hyphen."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=break_long_words,
        break_on_hyphens=False,
    )


class _Page:
    """Lays findings out in a width."""

    def __init__(self, lines_of: LinesOf, paint: _Paint, width: int, broken: bool = False) -> None:
        self._lines_of = lines_of
        self._paint = paint
        self._width = max(width, 40)
        self._headline_width = self._width if broken else None

    def finding(self, finding: Finding) -> list[str]:
        lines = self._lines_of(finding.filename, finding.cell)
        page = [_headline(finding, self._paint, self._headline_width), *self._frame(finding, lines)]
        for number, step in enumerate(finding.trace, 1):
            page += self._step(number, step, finding)
        page += self._help(finding, lines)
        page.append(f"  {self._paint('more:', fg='cyan')} detachlint --explain {finding.code}")
        return page

    def _frame(self, finding: Finding, lines: Sequence[str]) -> list[str]:
        """The rows of the finding, with carets under what is meant; long ones are cut in the middle."""
        first, last = finding.location.row, finding.end_location.row
        rows = [row for row in range(first, last + 1) if 0 < row <= len(lines)]
        gutter = len(str(last))
        bar = self._paint("|", fg="blue")
        frame = [f" {' ' * gutter} {bar}"]
        for row in _shortened(rows):
            if row is None:
                frame.append(f" {'.' * gutter:>{gutter}} {bar}")
                continue
            line = lines[row - 1].rstrip("\r\n")
            start = finding.location.column if row == first else len(line) - len(line.lstrip()) + 1
            end = finding.end_location.column if row == last else len(line.rstrip()) + 1
            code, before, under = _window(line, start - 1, max(end - 1, start), self._width - gutter - 4)
            frame.append(f" {self._paint(f'{row:>{gutter}}', fg='blue')} {bar} {code}".rstrip())
            carets = self._paint("^" * under, fg="red", bold=True)
            frame.append(f" {' ' * gutter} {bar} {' ' * before}{carets}")
        return frame if rows else []

    def _step(self, number: int, step: Step, finding: Finding) -> list[str]:
        """A step's place and sentence, and its line of source unless the frame has just shown it."""
        head = f"  {number}. "
        indent = " " * len(head)
        place = f"{plain(_place(step, finding))}: "
        wrapped = _wrapped(place + plain(step.text), self._width, head, indent, break_long_words=False)
        shown = line_of(step) == line_of(finding)
        lines = () if shown else self._lines_of(step.filename, step.cell)
        if 0 < step.location.row <= len(lines):
            line = lines[step.location.row - 1].rstrip("\r\n")
            code = _around(line, step.location.column, self._width - len(indent) - 2)
            wrapped.append(f"{indent}  {self._paint(code, dim=True)}")
        return wrapped

    def _help(self, finding: Finding, lines: Sequence[str]) -> list[str]:
        word = self._paint("help:", fg="cyan")
        if finding.fix is None:
            if finding.unfixable is None:
                return []
            return self._said(word, "help:", f"{finding.unfixable} (no automatic fix)")
        option = "--fix" if finding.fix.applicability == "safe" else "--fix --unsafe-fixes"
        said = self._said(word, "help:", f"{finding.fix.message} ({option})")
        return said + [
            f"        {self._paint(_around(line, column, self._width - 8), fg='green')}"
            for line, column in mended(finding.fix.edits, finding.cell, lines)
        ]

    def _said(self, painted: str, word: str, text: str) -> list[str]:
        indent = " " * (len(word) + 3)
        wrapped = _wrapped(plain(text), self._width, indent, indent)
        return [f"  {painted} {wrapped[0].strip()}", *wrapped[1:]] if wrapped else []


def _place(step: Step, finding: Finding) -> str:
    """Where a step is, seen from its finding: other files are named, this one is not said again."""
    if step.filename != finding.filename:
        return line_of(step)
    cell = "" if step.cell == finding.cell else f"cell {step.cell}, "
    return f"{cell}line {step.location.row}"


def _shortened(rows: Sequence[int]) -> list[int | None]:
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    return [*rows[: _MOST_ROWS - 2], None, rows[-1]]


def mended(edits: Sequence[Edit], cell: int | None, lines: Sequence[str]) -> list[tuple[str, int]]:
    """The rows that a fix changes, as they are afterwards, each with the column of its first change.

    Rows that are emptied or joined, or in another cell of a notebook, are not shown.
    """
    rows = {edit.location.row for edit in edits}
    if any(edit.location.row != edit.end_location.row or edit.cell != cell for edit in edits):
        return []
    if max(rows) > len(lines):
        return []
    from detachlint.edits import NotFixable, apply_edits

    rows_after = []
    for row in sorted(rows)[:_MOST_ROWS]:
        here = [_on_first_row(edit) for edit in edits if edit.location.row == row]
        try:
            line = apply_edits(lines[row - 1].rstrip("\r\n"), here)
        except NotFixable:  # the file has changed since it was linted
            return []
        if line.strip():
            rows_after.append((line, min(edit.location.column for edit in here)))
    return rows_after


def _on_first_row(edit: Edit) -> Edit:
    return replace(
        edit,
        location=replace(edit.location, row=1),
        end_location=replace(edit.end_location, row=1),
    )


def _around(line: str, column: int, width: int) -> str:
    """A line without its indentation, cut so that what stands at `column` is seen."""
    indent = len(line) - len(line.lstrip())
    start = max(column - 1 - indent, 0)
    return _window(line.strip(), start, start + len(".detach()"), width)[0]


def _window(line: str, start: int, end: int, width: int) -> tuple[str, int, int]:
    """The part of a line that fits, and where in it, in terminal columns, `start` to `end` stands."""
    parts = (line[:start], line[start:end], line[end:])
    before, marked, after = (plain(part).replace("\t", _TAB) for part in parts)
    if cells(before) + cells(marked) > width and before.strip():
        indented = len(before) - len(before.lstrip())
        room = max(width - min(cells(marked), width // 2) - len(_CUT), 0) // 2
        if cells(before[indented:]) > room:
            before = _CUT + (before[len(before) - room :] if room else "")
    shown = _fitting(before + marked + after, width)
    place = cells(before)
    return shown, place, max(min(cells(marked), width - place), 1)


def _fitting(text: str, width: int) -> str:
    """As much of a text as fits, with an ellipsis if that is not all."""
    if cells(text) <= width:
        return text
    taken = 0
    for number, character in enumerate(text):
        taken += cells(character)
        if taken > width - len(_CUT):
            return text[:number] + _CUT
    return text
