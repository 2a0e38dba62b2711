"""What a value was computed from: walks over the graph that its lineage is a node of."""

from __future__ import annotations

from collections.abc import Iterable

from detachlint.tracking.values import Lineage


def ancestors(lineage: Lineage | None, until: frozenset[Lineage] = frozenset()) -> Iterable[Lineage]:
    """Every definition that `lineage` was computed from, itself first, down to `until`."""
    seen: set[Lineage] = set(until)
    stack = [lineage] if lineage is not None else []
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        stack.extend(current.parents)


def values_kept(lineage: Lineage | None) -> set[int]:
    """The definitions of what was put somewhere, whatever places and calls it passed on its way."""
    found: set[int] = set()
    stack, seen = [lineage] if lineage is not None else [], set[Lineage]()
    while stack:
        current = stack.pop()
        passed = current.key < 0 or current.place is not None
        if not (passed or current.entered is not None or current.left is not None):
            found.add(current.key)
        elif current not in seen:
            seen.add(current)
            stack.extend(current.parents)
    return found
