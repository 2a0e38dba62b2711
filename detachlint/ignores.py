"""Adding ignore comments: a way to start with an old project, one finding silenced at a time.

The comment goes to the end of the last row of the finding's expression that can bear one (a row inside a
string or before a backslash can't), joins a comment that already names codes, and is believed only when
linting the new text agrees: the findings are gone and no others came.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from detachlint import positions, suppressions
from detachlint.findings import Finding
from detachlint.rulebook import UNUSED_SUPPRESSION
from detachlint.sources import Source


def add_ignores(
    source: Source,
    findings: Sequence[Finding],
    lint: Callable[[Source], list[Finding]],
    reason: str | None = None,
    chosen: Sequence[Finding] | None = None,
) -> tuple[str, list[Finding]]:
    """The text with comments that silence the findings (or the chosen ones), and what is left to report."""
    wanted = [item for item in chosen or findings if item.code != UNUSED_SUPPRESSION]
    lines = positions.split_lines(source.text)
    free = _rows_that_end(lines)
    codes: dict[int, set[str]] = {}
    for finding in wanted:
        rows = [row for row in range(finding.location.row, finding.end_location.row + 1) if row in free]
        if rows:
            codes.setdefault(rows[-1], set()).add(finding.code)
    comments = suppressions.find(lines)
    present = {item.row: item for item in comments if not (item.foreign or item.whole_file)}
    for row, new in codes.items():
        lines[row - 1] = _commented(lines[row - 1], new, present.get(row), f" {reason}" if reason else "")
    text = "".join(lines)
    left = _left(source, text, lint)
    return (
        (source.text, list(findings)) if left is None or _places(left) - _places(findings) else (text, left)
    )


def _left(source: Source, text: str, lint: Callable[[Source], list[Finding]]) -> list[Finding] | None:
    """What the new text still reports; None where it is no longer the same program."""
    if ast.dump(ast.parse(source.text)) != ast.dump(ast.parse(text)):
        return None
    return lint(replace(source, text=text))


def _places(findings: Sequence[Finding]) -> Counter[tuple[int, str]]:
    return Counter((finding.location.row, finding.code) for finding in findings)


def _commented(line: str, codes: set[str], present: suppressions.Suppression | None, reason: str) -> str:
    body = line.rstrip("\r\n")
    if present is None or present.codes is None:
        return f"{body.rstrip()}  # detachlint: ignore[{', '.join(sorted(codes))}]{reason}{line[len(body) :]}"
    start, end = present.codes_at
    return line[:start] + ", ".join(sorted({*present.codes, *codes})) + line[end:]


def _rows_that_end(lines: Sequence[str]) -> frozenset[int]:
    """The rows whose end lies outside of strings and is not escaped: a comment can stand there."""
    ends: set[int] = set()
    text = "".join(line.rstrip("\r\n") + "\n" for line in lines)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.NL):
            ends.add(token.start[0])
    return frozenset(ends)
