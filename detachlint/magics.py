"""What IPython adds to Python, and what of a cell is left when it is taken away.

    %matplotlib inline      !pip install torch      model?          hidden: `pass` stands in for it
    files = !ls data        x = %timeit -o step()                   hidden: some call that nobody knows
    %time loss = step()                                             `loss = step()`, its left part hidden
    %%capture                                                       a cell magic whose cell is Python
    %%bash                                                          a cell that is not Python at all

A line counts as IPython's only where a statement can begin: inside brackets, strings and behind a backslash
`%` and `!` are Python's. The number of lines never changes, so that rows stay rows.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detachlint.positions import split_lines

_PYTHON_CELLS = frozenset(
    "capture debug ipytest memit mprun prun pyinstrument scalene time timeit wandb".split()
)
_CELL_MAGIC = re.compile(r"%%(\S*)")
_LINE_TIMED = re.compile(r"[ \t]*(%time[ \t]+)(?=\S)")
_ASSIGNED = re.compile(r"([ \t]*[^\W\d][\w \t,.*\[\]]*=[ \t]*)[!%]")
_ESCAPES = tuple("%!?,;/")  # no statement of Python begins with one of these
_TOKEN = re.compile(r"#[^\r\n]*|\"\"\"|'''|\"|'|[(\[{]|[)\]}]|\\(?=\r?\n?\Z)")
_STRING_ENDS = {
    quote: re.compile(rf"(?:\\.|(?!{quote}).)*?{quote}", re.DOTALL) for quote in ('"""', "'''", '"', "'")
}
# Magics that people write without the `%`; looked at only where a cell can't be parsed otherwise.
_BARE_MAGICS = (
    "alias autoreload bookmark cat cd clear conda cp env less load load_ext ls lsmagic mamba man matplotlib "
    "micromamba mkdir more mv pip pwd pylab reload_ext rm rmdir run uv who whos"
)
_BARE = re.compile(rf"[ \t]*(?:{'|'.join(_BARE_MAGICS.split())})(?![\w.(=,\[])(?![ \t]*=)")


@dataclass(frozen=True, slots=True)
class Line:
    """What Python sees of a line. `at` is where `hidden` text was taken out; None: all of it was replaced."""

    python: str
    hidden: str = ""
    at: int | None = 0


def translate(text: str) -> list[Line] | None:
    """The lines of a cell as Python sees them; None for a cell in another language."""
    lines = split_lines(text)
    indents = [_indent(line) for line in lines if line.strip()]
    indent = os.path.commonprefix(indents)  # noqa: RUF071 - these are no paths
    if not indent:
        return _translated(lines)
    short = _translated([line.removeprefix(indent) for line in lines])  # as IPython has it
    return None if short is None else [_indented(new, old) for new, old in zip(short, lines, strict=True)]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _indented(line: Line, old: str) -> Line:
    """A line that was translated without its cell's indentation."""
    if line.hidden:
        return Line(line.python, old.rstrip("\r\n"), None)
    return Line(line.python, old[: len(old) - len(line.python)], 0)


def _translated(lines: Sequence[str]) -> list[Line] | None:
    first = _cell_magics(lines)
    if first is None:
        return None
    head = [Line(line) if line.lstrip().startswith("#") else _replaced(line) for line in lines[:first]]
    body = list(_lines(lines[first:]))
    if not _parses(body) and any(_BARE.match(line) for line in lines[first:]):
        guessed = list(_lines(lines[first:], bare=True))
        body = guessed if _parses(guessed) else body
    return head + body


def _cell_magics(lines: Sequence[str]) -> int | None:
    """How many lines go to cell magics, which stand first, behind comments; None if it is no Python."""
    first = 0
    for number, line in enumerate(lines):
        magic = _CELL_MAGIC.match(line)
        if magic is None:
            if line.strip() and not line.lstrip().startswith("#"):
                break
            continue
        if magic[1] not in _PYTHON_CELLS:
            return None
        first = number + 1
    return first


def _lines(lines: Sequence[str], bare: bool = False) -> Iterator[Line]:
    scanner = _Scanner()
    hidden = False  # whether a backslash carries a hidden line on
    for line in lines:
        if hidden or (scanner.between_statements and _is_hidden(line, bare)):
            yield _replaced(line, "" if hidden else "pass")
            hidden = line.rstrip("\r\n").endswith("\\")
            continue
        timed = _LINE_TIMED.match(line) if scanner.between_statements else None
        if timed is not None and _parses([Line(line[timed.end() :])]):
            yield Line(line[: timed.start(1)] + line[timed.end() :], timed[1], timed.start(1))
            continue
        assigned = _ASSIGNED.match(line) if scanner.between_statements else None
        if timed is not None or assigned is not None:
            yield _replaced(line, f"{assigned[1].strip()} get_ipython().getoutput()" if assigned else "pass")
            hidden = line.rstrip("\r\n").endswith("\\")
            continue
        fresh = scanner.between_statements
        asks = scanner.read(line).rstrip().endswith("?")
        yield _replaced(line) if fresh and asks else Line(line)


def _is_hidden(line: str, bare: bool) -> bool:
    if _LINE_TIMED.match(line):
        return False
    return line.lstrip().startswith(_ESCAPES) or (bare and _BARE.match(line) is not None)


def _replaced(line: str, stand_in: str = "pass") -> Line:
    body = line.rstrip("\r\n")
    return Line(_indent(body) + stand_in + line[len(body) :], body, None) if body.strip() else Line(line)


def _parses(lines: Sequence[Line]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("".join(line.python for line in lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class _Scanner:
    """Follows brackets, strings and backslashes from line to line, to tell where statements begin.

    Python's own tokenizer is no help: it stops at the first character that is not Python.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._quote = ""
        self._continued = False

    @property
    def between_statements(self) -> bool:
        """Whether the next line begins a statement."""
        return not (self._depth or self._quote or self._continued)

    def read(self, line: str) -> str:
        """Take a line in; gives its code without strings and comments."""
        code = []
        at = 0
        self._continued = False
        while at < len(line):
            if self._quote:
                at = self._in_string(line, at)
                continue
            token = _TOKEN.search(line, at)
            if token is None:
                code.append(line[at:])
                break
            code.append(line[at : token.start()])
            at = token.end()
            self._take(token.group())
            code.append("" if token.group().startswith(("#", '"', "'")) else token.group())
        return "".join(code)

    def _take(self, token: str) -> None:
        if token in _STRING_ENDS:
            self._quote = token
        elif token in "([{":
            self._depth += 1
        elif token in ")]}":
            self._depth = max(0, self._depth - 1)
        elif token == "\\":
            self._continued = True

    def _in_string(self, line: str, at: int) -> int:
        end = _STRING_ENDS[self._quote].match(line, at)
        if end is not None:
            self._quote = ""
            return end.end()
        if len(self._quote) == 1 and not line.rstrip("\r\n").endswith("\\"):
            self._quote = ""  # it is never closed, and the parser will say so
        return len(line)
