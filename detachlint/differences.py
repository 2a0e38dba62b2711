"""What is different between two texts, in places that are as small as people would make them.

Lines are compared first, then the characters of lines that changed. Who puts new text where old text was,
in an editor or in the strings of a notebook, disturbs nothing between these places.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate

from detachlint.positions import split_lines

_LONG_LINE = 2_000  # characters beyond which nobody wrote a line by hand, and comparing takes long
_MANY_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Change:
    """Text that comes in the place of what stood from `start` to `end`."""

    start: int
    end: int
    text: str


def differences(old: str, new: str) -> list[Change]:
    """What leads from one text to another; line by line where there are as many as before."""
    before, after = split_lines(old), split_lines(new)
    starts = [0, *accumulate(map(len, before))]
    if len(before) == len(after):
        lines = zip(starts, before, after)  # noqa: B905 - one start more than lines: the end
        return [change for start, first, second in lines for change in _within(start, first, second)]
    head = _shared(before, after)
    tail = min(_shared(before[::-1], after[::-1]), len(before) - head, len(after) - head)
    mine, other = before[head : len(before) - tail], after[head : len(after) - tail]
    if max(len(mine), len(other)) > _MANY_LINES:
        return [Change(starts[head], starts[len(before) - tail], "".join(other))]
    return [
        Change(starts[head + first], starts[head + last], "".join(other[begin:end]))
        for kind, first, last, begin, end in SequenceMatcher(None, mine, other, autojunk=False).get_opcodes()
        if kind != "equal"
    ]


def _shared(first: Sequence[str], second: Sequence[str]) -> int:
    """How many lines two texts begin with together."""
    most = min(len(first), len(second))
    return next((index for index in range(most) if first[index] != second[index]), most)


def _within(start: int, old: str, new: str) -> Iterator[Change]:
    """What leads from one line to another."""
    if old == new:
        return
    if len(old) > _LONG_LINE:
        yield Change(start, start + len(old), new)
        return
    head = len(os.path.commonprefix([old, new]))  # noqa: RUF071 - these are no paths
    matcher = SequenceMatcher(None, old[head:], new[head:], autojunk=False)
    for kind, first, last, begin, end in matcher.get_opcodes():
        if kind != "equal":
            yield Change(start + head + first, start + head + last, new[head + begin : head + end])
