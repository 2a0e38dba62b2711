"""What a finding stands in: the rows of its statement, the function around it, its code as it is compared.

Rows say where a comment must stand to speak of the finding, and whether a change since a revision touches
it. Scope and code are what stays of a finding when lines above it come and go: a baseline knows it by them.
Code is compared without its comments, white space, kind of quotes and trailing commas, so that a formatter
does not make an old finding new. It is compared as text: what the parser would make of it differs between
versions of Python, and a baseline must not.
"""

from __future__ import annotations

import ast
import bisect
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from detachlint.findings import Finding
from detachlint.positions import text_between

_TRAILING_COMMA = re.compile(r",(?=[)\]}])")


class Statements:
    """The rows of each statement of a tree: all of a simple one, the header of a compound one."""

    def __init__(self, tree: ast.Module) -> None:
        self._spans = sorted(_spans(tree))
        self._starts = [start for start, _ in self._spans]
        self._reached = list(accumulate((end for _, end in self._spans), max))

    def around(self, first: int, last: int) -> tuple[int, int]:
        """The rows of the statements that these rows belong to."""
        starts, ends = [first], [last]
        index = bisect.bisect_right(self._starts, last) - 1
        while index >= 0 and self._reached[index] >= first:
            start, end = self._spans[index]
            if end >= first:
                starts.append(start)
                ends.append(end)
            index -= 1
        return min(starts), max(ends)


def _spans(tree: ast.Module) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt | ast.ExceptHandler):
            continue
        start = _first_row(node)
        end = node.end_lineno or node.lineno
        inner = getattr(node, "body", None) or getattr(node, "cases", None)
        if inner:
            first = inner[0].pattern if isinstance(inner[0], ast.match_case) else inner[0]
            end = max(start, _first_row(first) - 1)
        yield start, end


def _first_row(node: ast.stmt | ast.ExceptHandler | ast.pattern) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(item.lineno for item in decorators)])


def with_surroundings(findings: Sequence[Finding], tree: ast.Module, lines: Sequence[str]) -> list[Finding]:
    """The findings of a source, each told what it stands in."""
    if not findings:
        return []
    statements, scopes = Statements(tree), list(_scopes(tree))
    return [
        replace(
            finding,
            rows=statements.around(finding.location.row, finding.end_location.row),
            scope=_innermost(scopes, finding.location.row),
            essence=essence(text_between(lines, finding.location, finding.end_location)),
        )
        for finding in findings
    ]


def _scopes(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """First row, last row and qualified name of each function and class, outer ones before inner ones."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, around = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{around}.{child.name}" if around else child.name
                yield _first_row(child), child.end_lineno or child.lineno, name
                waiting.append((child, name))
            elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                waiting.append((child, around))


def _innermost(scopes: Sequence[tuple[int, int, str]], row: int) -> str:
    around = [(start, -end, name) for start, end, name in scopes if start <= row <= end]
    return max(around, default=(0, 0, ""))[2]


def essence(code: str) -> str:
    """Code without what a formatter changes."""
    bare = "".join("".join(_without_comments(code)).split()).replace("'", '"')
    return _TRAILING_COMMA.sub("", bare)


def _without_comments(code: str) -> Iterator[str]:
    if "#" not in code:
        yield code
        return
    # In parentheses, any part of a program is something that the tokenizer takes.
    lines = [line + "\n" for line in f"({code})".replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    try:
        for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError, RecursionError):
        yield code
        return
    yield "".join(lines).strip()[1:-1]
