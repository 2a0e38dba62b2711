"""Whether a value hangs on a graph that a backward has consumed.

A second backward that comes there raises. `State.spent` says which definitions were consumed, and of each
whether it surely required grad. That is known per path: after `if last: loss.backward(); h = h.detach()`
the old graph of `h` is spent on the one path, and `h` has it on the other. So where paths meet that differ in
what is spent, a value that was whole on each of them is marked as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from detachlint.tracking.values import (
    Carry,
    Lineage,
    Object,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    lineage_of,
    with_lineage,
)

_WHOLE = Carry(spent=False)


class Consumption:
    """Asks about many values at one point of the program; graphs are walked once.

    `marks`: what was carried over from an earlier iteration counts too.
    """

    def __init__(self, spent: Mapping[Lineage, bool], marks: bool = True) -> None:
        self._spent = spent
        self._marks = marks
        self._whole: set[Lineage] = set()

    def of(self, value: Value) -> bool:
        """Whether differentiating `value`, or one of a tuple's items, would meet a consumed graph."""
        return any(self.of_lineage(lineage_of(part)) for part in parts(value))

    def of_lineage(self, lineage: Lineage | None) -> bool:
        """Whether a backward from here would meet a consumed graph."""
        seen: set[Lineage] = set()
        stack = [lineage] if lineage is not None else []
        while stack:
            current = stack.pop()
            if current in seen or current in self._whole:
                continue
            if self._spent.get(current):
                return True
            if self._marks and current.carried is not None and current.carried.spent:
                return True
            seen.add(current)
            if current.carried is None and not current.opaque:
                stack.extend(current.parents)
        self._whole |= seen
        return False


def parts(value: Value) -> Iterator[Value]:
    """A value's tensors: itself, or the items of tuples.

    What stands in several places is given once: `t = (t, t)`, said often, has more places than can be walked.
    """
    seen: set[int] = set()
    stack = [value]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Tuple):
            stack.extend(reversed(current.items))
        elif isinstance(current, Sequence):
            stack.append(current.element)
        elif isinstance(current, (Tensor, Unknown, Object)):
            yield current


def each(value: Value, change: Callable[[Value], Value]) -> Value:
    """The value with its tensors changed; what stands in several places is changed once."""
    return _each(value, change, {})


def _each(value: Value, change: Callable[[Value], Value], done: dict[int, Value]) -> Value:
    known = done.get(id(value))
    if known is not None:
        return known
    if isinstance(value, Tuple):
        changed: Value = replace(value, items=tuple(_each(item, change, done) for item in value.items))
    elif isinstance(value, Sequence):
        changed = replace(value, element=_each(value.element, change, done))
    else:
        changed = change(value)
    done[id(value)] = changed
    return changed


def whole(value: Value) -> Value:
    """The value, of which it is known that its graph is not consumed on the path where it is held."""
    return each(value, lambda part: carried(part, _WHOLE))


def carried(value: Value, carry: Carry) -> Value:
    """The value with a mark on its way."""
    lineage = lineage_of(value)
    return value if lineage is None else with_lineage(value, Lineage(-1, (lineage,), carried=carry))


def is_carried(lineage: Lineage) -> bool:
    """Whether this is a value as it came from the iteration before, on one path at least."""
    if lineage.key >= 0 and lineage.carried is None:
        return False
    stack, seen = [lineage], set[Lineage]()
    while stack:
        current = stack.pop()
        if current.carried is not None:
            if current.carried.spent:
                lineage.from_before = True
                return True
        elif current.key < 0 and current not in seen:
            if current.from_before:
                lineage.from_before = True
                return True
            seen.add(current)
            if current.from_before is None:
                stack.extend(current.parents)
    for current in seen:
        current.from_before = False
    return False


def comes_from_before(value: Value) -> bool:
    """Whether a value, or one of a tuple's items, came from the iteration before."""
    return any(is_carried(lineage) for part in parts(value) if (lineage := lineage_of(part)) is not None)
