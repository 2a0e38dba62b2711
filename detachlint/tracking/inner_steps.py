"""A backward inside of a module's `forward`, and what `forward` gives back.

A layer may train a part of itself while it is called: a codebook is moved towards what came in, by a loss, a
backward and a step of its own. If that backward runs through what the layer computes its output from, the
graph of the output is consumed before anybody has it, and the backward of the model around it raises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from detachlint.tracking.analysis import Frame
from detachlint.tracking.carrying import is_passage
from detachlint.tracking.consumption import parts
from detachlint.tracking.definitions import FunctionDefinition
from detachlint.tracking.environment import Pending
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.selection import detachable
from detachlint.tracking.terms import written_in
from detachlint.tracking.values import Lineage, Value, lineage_of, origin_of, tracks


def returned(frame: Frame, definition: FunctionDefinition, value: Value) -> None:
    """`forward` gives this back: its own backwards must not have come by."""
    owner, live = definition.owner, frame.state
    if owner is None or not owner.is_module or definition.name != "forward" or live is None:
        return
    if not live.spent or definition.module.path != frame.analysis.target:
        return
    losses = {waiting.lineage for waiting in live.pending.values()}
    if len(losses) > 1:
        return  # several losses, each with a step of its own: all is trained here, and what comes of it told
    consumed = {met for part in parts(value) for met in _nearest(frame, lineage_of(part), losses)}
    for waiting in live.pending.values():
        node = waiting.node
        if consumed and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            _tell(frame, definition, waiting, node.func.value, consumed)


def _nearest(frame: Frame, lineage: Lineage | None, losses: set[Lineage]) -> Iterator[Lineage]:
    """The consumed definitions that a backward from here meets first; losses are given back to be read."""
    stack, seen = [lineage] if lineage is not None else [], losses.copy()
    while stack:
        current = stack.pop()
        if current in seen or current.carried is not None:
            continue
        seen.add(current)
        if frame.live.spent.get(current):
            yield current
        elif not current.opaque:
            stack.extend(current.parents)


def _tell(
    frame: Frame, definition: FunctionDefinition, waiting: Pending, loss: ast.expr, consumed: set[Lineage]
) -> None:
    read = list(_operands(frame, definition, loss))
    found = [(node, value) for node, value in read if consumed & _made_by(value)]
    if not found:
        return
    node, value = found[0]
    detach, unfixable = detachable(frame, node)
    if any(consumed & _graph(other) for part, other in read if ast.unparse(part) != ast.unparse(node)):
        detach, unfixable = (), "other parts of this loss go through it, too"
    origin = origin_of(value)
    notes = notes_of(origin)
    notes.append(Note(waiting.path, waiting.node, "this backward, in `forward` itself, consumes its graph"))
    notes.append(Note(definition.module.path, definition.node, "and what it gives back hangs on that graph"))
    event = Event("feed", "returned", ast.unparse(loss), node, detach, tuple(notes), unfixable=unfixable)
    frame.analysis.emit(event)


def _operands(
    frame: Frame, definition: FunctionDefinition, loss: ast.expr
) -> Iterator[tuple[ast.expr, Value]]:
    """What a loss compares: what its text names, outside of calls of the module's own parts."""
    waiting: list[ast.AST] = [loss]
    if isinstance(loss, ast.Name):
        written = written_in(frame.analysis, definition.node).get(loss.id, ())
        waiting = [w for w in written if isinstance(w, ast.expr) and w.lineno < loss.lineno]
    while waiting:
        node = waiting.pop()
        value = frame.analysis.seen.get(node) if isinstance(node, ast.expr) else None
        if value is not None and not tracks(value) and not isinstance(node, (ast.Tuple, ast.List)):
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("self."):
            continue
        if isinstance(node, (ast.Name, ast.Attribute)) and value is not None:
            yield node, value
        else:
            children = ast.iter_child_nodes(node)
            waiting += [
                part for part in children if not isinstance(node, ast.Subscript) or part is node.value
            ]


def _graph(value: Value) -> set[Lineage]:
    return {ancestor for part in parts(value) for ancestor in ancestors(lineage_of(part))}


def _made_by(value: Value) -> set[Lineage]:
    """What a value is, behind joins and the places and calls that it passed."""
    seen: set[Lineage] = set()
    stack = [lineage for part in parts(value) if (lineage := lineage_of(part)) is not None]
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack.extend(current.parents if is_passage(current) else ())
    return seen
