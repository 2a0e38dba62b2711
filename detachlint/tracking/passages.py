"""Into a call and out of it: whose finding a kept value is.

A value that entered through a call's argument and is kept by the callee is the caller's to detach: the
finding stands at the call, where a person would put the `.detach()`. A value whose graph a function has
spent and returns, and which its caller keeps, is told at the return.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from detachlint.tracking import containers, tracked
from detachlint.tracking.analysis import Frame
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import (
    Container,
    Entry,
    Exit,
    Lineage,
    Tensor,
    Tuple,
    Value,
    lineage_of,
    tracks,
    with_lineage,
)


def exit_of(lineage: Lineage | None) -> Exit | None:
    return next((ancestor.left for ancestor in ancestors(lineage) if ancestor.left is not None), None)


def leaving(frame: Frame, node: ast.AST, value: Value, written: ast.expr | None) -> Value:
    """A value returned to a caller in sight: it remembers if this function has spent its graph."""
    if frame.caller is None or len(frame.live.spent) <= frame.spent_before:
        return value
    leaf = tracked.tracking_leaf(frame, value)
    if leaf is None or not _is_spent_here(frame, lineage_of(leaf)):
        return value
    detach, unfixable = detachable(frame, written)
    name = frame.definition.name if frame.definition is not None else ""
    return _left(frame, value, Exit(name, frame.module.path, node, detach, unfixable))


def _is_spent_here(frame: Frame, lineage: Lineage | None) -> bool:
    """Whether this function itself, or one that it called, backpropagated the value."""
    here = set(list(frame.live.spent)[frame.spent_before :])
    return any(ancestor in here for ancestor in ancestors(lineage))


def _left(frame: Frame, value: Value, exit_: Exit) -> Value:
    if isinstance(value, Tensor):
        if not tracks(value) or not _is_spent_here(frame, value.lineage):
            return value
        parents = (value.lineage,) if value.lineage is not None else ()
        return with_lineage(value, Lineage(frame.analysis.keys("returned", exit_.node), parents, left=exit_))
    if isinstance(value, Tuple):
        return replace(value, items=tuple(_left(frame, part, exit_) for part in value.items))
    if isinstance(value, Container):
        for place in containers.places(frame, value):
            held = frame.get(place)
            if isinstance(held, (Tensor, Tuple)):
                frame.put(place, _left(frame, held, exit_))
    return value


def entry_of(frame: Frame, lineage: Lineage | None, path: str | None = None) -> Entry | None:
    """The outermost running call (in the file `path`) through whose argument the value came in."""
    contexts: dict[int, int] = {}
    current: Frame | None = frame
    while current is not None:
        contexts[current.context] = current.level
        current = current.caller
    found: Entry | None = None
    for ancestor in same_value(frame, lineage):
        entry = ancestor.entered
        if entry is None or not entry.tracked or entry.context not in contexts:
            continue
        if entry.path != path if path is not None else not entry.only_taken:
            continue
        if found is None or contexts[entry.context] < contexts[found.context]:
            found = entry
    return found


def is_inside(frame: Frame, base: int, context: int) -> bool:
    """Whether a place belongs to a call: it was made in it, and goes with it."""
    entered: Frame | None = frame
    while entered is not None and entered.context != context:
        entered = entered.caller
    if entered is None or frame.born(base) < entered.entry_depth:
        return False
    current = frame.analysis.keys.thing(base)[-1]
    while isinstance(current, int) and current > 0:
        if current == context:
            return True
        parent = frame.analysis.keys.thing(current)
        current = parent[1] if parent[0] == "context" else 0
    return False


def same_value(frame: Frame, lineage: Lineage | None, ends: tuple[str, ...] = ("call",)) -> Iterator[Lineage]:
    """The definitions from which this value came by operators and passing on, not by another call."""
    stack = [lineage] if lineage is not None else []
    seen: set[Lineage] = set()
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        if current.key < 0 or frame.analysis.keys.thing(current.key)[0] not in ends:
            stack.extend(current.parents)
