"""Lines of Python as parts of one look each, for reports that have colours of their own.

Words are told apart by the tokenizer, line by line of what it can read: a source that can't be cut into
tokens, or a line of a notebook that is no Python, is shown without colours and loses nothing.
"""

from __future__ import annotations

import keyword
import token
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

_PLAIN = {token.NUMBER: "figure", tokenize.COMMENT: "comment", token.STRING: "string"}
_STRINGS = frozenset(
    number
    for name, number in vars(token).items()
    if name.startswith(("FSTRING_", "TSTRING_")) and isinstance(number, int)
)

Looks = Mapping[int, list[str]]
"""For each row a look for each character; the empty one for what is plain."""


def looks(lines: Sequence[str]) -> Looks:
    """How each character of each row looks."""
    found = {row: [""] * len(line) for row, line in enumerate(lines, 1)}
    waiting = iter(lines)
    try:
        for item in tokenize.generate_tokens(lambda: next(waiting, "")):
            look = _look(item)
            if look:
                _paint(found, item, look)
    except (tokenize.TokenError, SyntaxError, RecursionError):
        pass
    return found


def _look(item: tokenize.TokenInfo) -> str:
    if item.type == token.NAME:
        return "keyword" if keyword.iskeyword(item.string) else ""
    return "string" if item.type in _STRINGS else _PLAIN.get(item.type, "")


def _paint(found: Looks, item: tokenize.TokenInfo, look: str) -> None:
    (first, start), (last, end) = item.start, item.end
    for row in range(first, last + 1):
        painted = found.get(row, [])
        begin, stop = start if row == first else 0, end if row == last else len(painted)
        painted[begin:stop] = [look] * len(painted[begin:stop])


def parts(line: str, painted: Sequence[str], marked: range) -> Iterator[tuple[str, str, bool]]:
    """A line cut where its look changes: text, look, and whether it is the part that is meant."""
    each = [
        (painted[column] if column < len(painted) else "", column in marked) for column in range(len(line))
    ]
    for (look, meant), group in groupby(range(len(line)), key=each.__getitem__):
        columns = list(group)
        yield line[columns[0] : columns[-1] + 1], look, meant
