"""Findings as one page that needs nothing else: no server, no network, no other file.

Findings are grouped by file. Each shows its code with the steps of its trace numbered beside the lines they
speak of, the lines of other files first where the trace begins there, and what the fix would make of it. The
page follows the reader's choice of light or dark, prints, and works without its script, which only filters.

All that comes from the linted project is escaped, and the page forbids the browser every script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path

from detachlint import __version__
from detachlint.findings import Finding, Step
from detachlint.fingerprints import path_in
from detachlint.reports.context import Context
from detachlint.reports.highlight import Looks, looks, parts
from detachlint.reports.plain import plain
from detachlint.reports.text import mended, summary

_ASSETS = Path(__file__).parent / "assets"
_CONTEXT = 1  # rows shown before and after each that is spoken of
_HOME = "https://github.com/detachlint/detachlint"


def render(findings: Sequence[Finding], context: Context) -> str:
    """The whole page."""
    style, script = (_ASSETS / name for name in ("report.css", "report.js"))
    code = script.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>detachlint: {len(findings)} findings</title>\n",
            f"<style>\n{style.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n",
            *_Page(context).body(findings),
            f"<script>{code}</script>\n</body>\n</html>\n",
        )
    )


@dataclass
class _Page:
    context: Context
    _looks: dict[tuple[str, int | None], Looks] = field(default_factory=dict)

    def body(self, findings: Sequence[Finding]) -> Iterator[str]:
        said = summary(findings) if findings else "Nothing to detach."
        yield f"<header>\n<h1>detachlint</h1>\n<p>{_safe(said)}</p>\n"
        yield from self._filters(findings)
        yield "</header>\n<main>\n"
        for error in self.context.errors:
            yield f'<p class="failed">{_safe(error)}</p>\n'
        for filename, group in groupby(findings, key=lambda finding: finding.filename):
            found = list(group)
            path = _safe(path_in(self.context.base, filename))
            count = f"{len(found)} {'finding' if len(found) == 1 else 'findings'}"
            yield f'<section class="file">\n<h2>{path} <small>{count}</small></h2>\n'
            for finding in found:
                yield from self._finding(finding)
            yield "</section>\n"
        yield "</main>\n"
        yield f'<footer>written by <a href="{_HOME}">detachlint</a> {__version__}</footer>\n'

    def _filters(self, findings: Sequence[Finding]) -> Iterator[str]:
        counted = Counter((finding.code, finding.name) for finding in findings)
        if len(counted) < 2:
            return
        yield '<nav aria-label="Rules to show">\n'
        for (code, name), number in sorted(counted.items()):
            box = f'<input type="checkbox" checked value="{_safe(code)}">'
            yield f"<label>{box}<b>{_safe(code)}</b> {_safe(name)} <i>{number}</i></label>\n"
        yield "</nav>\n"

    def _finding(self, finding: Finding) -> Iterator[str]:
        level = self.context.level(finding)
        code = f'<b class="code {level}">{_safe(finding.code)}</b>'
        if finding.url:
            title = _safe(f"{finding.name}: what it means and when to ignore it")
            code = f'<a href="{_safe(finding.url)}" title="{title}">{code}</a>'
        cell = "" if finding.cell is None else f"cell {finding.cell}, "
        place = f"{cell}line {finding.location.row}" + (f" in {finding.scope}" if finding.scope else "")
        yield f'<article data-code="{_safe(finding.code)}">\n<h3>{code} {_marked_up(finding.message)}</h3>\n'
        yield f'<p class="place">{_safe(place)}</p>\n'
        steps = list(enumerate(finding.trace, 1))
        own = (finding.filename, finding.cell)
        seen = dict.fromkeys((step.filename, step.cell) for _, step in steps)
        places = [place for place in seen if place != own]
        for place_of in [*places, own]:
            if places:  # one listing alone needs no name: the heading has just said it
                yield f'<p class="elsewhere">{_safe(self._name(place_of))}</p>\n'
            here = [(number, step) for number, step in steps if (step.filename, step.cell) == place_of]
            yield from self._listing(place_of, here, finding if place_of == own else None)
        yield from self._help(finding)
        yield "</article>\n"

    def _name(self, place: tuple[str, int | None]) -> str:
        filename, cell = place
        return path_in(self.context.base, filename) + ("" if cell is None else f", cell {cell}")

    def _listing(
        self, place: tuple[str, int | None], steps: Sequence[tuple[int, Step]], finding: Finding | None
    ) -> Iterator[str]:
        lines = self.context.lines_of(*place)
        rows = {step.location.row for _, step in steps}
        if finding is not None:
            rows |= set(range(finding.location.row, finding.end_location.row + 1))
        shown = _with_context(rows, lines)
        yield '<div class="listing">\n'
        before = 0
        for row in shown:
            if before and row > before + 1:
                yield '<div class="gap"></div>\n'
            yield self._row(place, row, lines[row - 1] if row <= len(lines) else "", steps, finding)
            before = row
        yield "</div>\n"

    def _row(
        self,
        place: tuple[str, int | None],
        row: int,
        line: str,
        steps: Sequence[tuple[int, Step]],
        finding: Finding | None,
    ) -> str:
        line = line.rstrip("\r\n")
        marked = _meant(finding, row, line) if finding is not None else range(0)
        painted = self._looks_of(place).get(row, [])
        code = "".join(_part(*part) for part in parts(line, painted, marked))
        notes = "".join(
            f'<li value="{number}">{_marked_up(step.text)}</li>'
            for number, step in steps
            if step.location.row == row
        )
        told = f'<ol class="steps">{notes}</ol>' if notes else ""
        kind = "row meant" if marked else "row told" if notes else "row"
        return f'<div class="{kind}"><span class="number">{row}</span><code>{code}</code>{told}</div>\n'

    def _looks_of(self, place: tuple[str, int | None]) -> Looks:
        if place not in self._looks:
            self._looks[place] = looks(self.context.lines_of(*place))
        return self._looks[place]

    def _help(self, finding: Finding) -> Iterator[str]:
        if finding.fix is None:
            if finding.unfixable:
                yield f'<p class="help">{_marked_up(finding.unfixable)} (no automatic fix)</p>\n'
            return
        option = "--fix" if finding.fix.applicability == "safe" else "--fix --unsafe-fixes"
        yield f'<p class="help">{_marked_up(finding.fix.message)} <kbd>{option}</kbd></p>\n'
        source = self.context.lines_of(finding.filename, finding.cell)
        lines = [line for line, _ in mended(finding.fix.edits, finding.cell, source)]
        if lines:
            yield f'<pre class="mended">{_safe(_dedented(lines))}</pre>\n'


def _with_context(rows: set[int], lines: Sequence[str]) -> list[int]:
    """The rows to show: those spoken of, their neighbours that say something, and gaps of a single row."""
    near = {row + step for row in rows for step in (-_CONTEXT, _CONTEXT)}
    shown = rows | {row for row in near if 0 < row <= len(lines) and lines[row - 1].strip()}
    between = {row + 1 for row in shown if row + 1 not in shown and row + 2 in shown}
    return sorted(shown | between)


def _safe(text: str) -> str:
    """Text for a page: what could be taken for markup escaped, what could move other text replaced."""
    return escape("\n".join(plain(line) for line in text.split("\n")), quote=True)


def _marked_up(text: str) -> str:
    """A sentence with its `code` as code."""
    said = _safe(text).split("`")
    if len(said) % 2 == 0:  # a backtick without its like
        return _safe(text)
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(said))


def _part(text: str, look: str, meant: bool) -> str:
    safe = _safe(text)
    if look:
        safe = f'<span class="{look}">{safe}</span>'
    return f"<mark>{safe}</mark>" if meant else safe


def _meant(finding: Finding, row: int, line: str) -> range:
    """The columns of a row that the finding speaks of, from 0."""
    first, last = finding.location, finding.end_location
    if not first.row <= row <= last.row:
        return range(0)
    start = first.column - 1 if row == first.row else len(line) - len(line.lstrip())
    return range(start, last.column - 1 if row == last.row else len(line.rstrip()))


def _dedented(lines: Sequence[str]) -> str:
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join(line[indent:] for line in lines)
