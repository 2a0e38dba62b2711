"""What one iteration hands on to the next, and a backward that comes back for it.

A recurrent state, a memory, a total: at the end of an iteration a name, an attribute or an item holds a
value whose graph this iteration's backward has consumed. That alone is no harm. It is marked, and the next
iteration goes on; if its own backward comes by the mark, it runs into the consumed graph and raises. The mark
is gone where the state was detached, made anew, or given to code that may have reset it; a value made before
the loop is no carried state.

The finding stands where the carried value enters the next iteration's graph: at the argument of the call that
the loop hands it to. There the `.detach()` goes too, if that place is reached once per backward: in a loop of
steps within one backward it would cut the gradient through time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from detachlint.tracking import targets
from detachlint.tracking.analysis import Frame
from detachlint.tracking.consumption import Consumption, carried, comes_from_before, each, parts, whole
from detachlint.tracking.definitions import FunctionDefinition, FunctionNode
from detachlint.tracking.environment import State, differing
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.places import ELEMENT, Place
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import (
    Carry,
    Container,
    Instance,
    Lineage,
    Origin,
    Tensor,
    Tuple,
    Value,
    lineage_of,
    origin_of,
    tracks,
)

_LOOPS = (ast.For, ast.AsyncFor, ast.While)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a backward comes to a carried value: the mark, and the last thing that it passed before."""

    mark: Lineage
    last: Lineage | None


def hand_on(frame: Frame, loop: ast.AST, head: State, end: State) -> None:
    """At the end of an iteration: mark what holds a graph that a backward has consumed."""
    spent = {lineage: sure for lineage, sure in end.spent.items() if sure and lineage not in head.spent}
    if not spent:
        return
    consumption = Consumption(spent, marks=False)
    for place in _reachable(frame, end, _anew(frame, loop)):
        if not _is_passed_by(frame, end, place):
            _mark(frame, place, head.cells.get(place), consumption, loop, end)


def _anew(frame: Frame, loop: ast.AST) -> set[Place]:
    """The names that each iteration gives a new value before it reads them: `rollout = Rollout()`."""
    read: set[str] = set()
    anew: set[str] = set()
    for statement in _always_run(getattr(loop, "body", [])):
        names = [part for part in ast.walk(statement) if isinstance(part, ast.Name)]
        read.update(part.id for part in names if not isinstance(part.ctx, ast.Store))
        if isinstance(statement, ast.Assign):
            anew.update(part.id for part in names if isinstance(part.ctx, ast.Store) and part.id not in read)
    return {targets.name_place(frame, name) for name in anew}


def _always_run(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements of a body in order, those of its blocks and loops among them."""
    for statement in body:
        if isinstance(statement, (ast.For, ast.With)):
            headers = [statement.iter] if isinstance(statement, ast.For) else statement.items
            yield from headers
            yield from _always_run(statement.body)
        else:
            yield statement


def _reachable(frame: Frame, end: State, anew: set[Place]) -> list[Place]:
    """The names, and the attributes and items of what they lead to: lists of calls that are over are gone."""
    found = [place for place in end.cells if place[1][0] not in ".[" and place not in anew]
    found += [place for place in end.cells if place[1][0] in ".[" and place[0] not in end.born]
    seen = {place[0] for place in found if place[1][0] in ".["}
    for place in found:  # grows while it is walked
        for site in getattr(end.cells[place], "sites", ()):
            if site not in seen:
                seen.add(site)
                inner = ((site, offset) for offset in frame.analysis.offsets_of(site))
                found += [place for place in inner if place in end.cells]
    return found


def leave(frame: Frame, definition: FunctionDefinition, end: State) -> None:
    """At the end of a method that is called again and again: mark what it leaves in its object."""
    spent = {lineage: sure for lineage, sure in end.spent.items() if sure}
    receiver = frame.receiver
    if not spent or not isinstance(receiver, Instance) or not _is_step(definition.node):
        return
    consumption = Consumption(spent, marks=False)
    for place in end.cells:
        if place[0] in receiver.sites and not _is_written_elsewhere(definition, place[1].lstrip(".")):
            _mark(frame, place, frame.analysis.base.get(place), consumption, definition.node, end)


def _is_step(node: FunctionNode) -> bool:
    """Whether a method does one step: what loops by itself is called once."""
    return getattr(node, "name", "") != "__init__" and not any(
        isinstance(part, _LOOPS) for part in ast.walk(node)
    )


def _is_written_elsewhere(step: FunctionDefinition, name: str) -> bool:
    """Whether other code of the file may reset the attribute between two calls of a step.

    What the step itself calls has been looked at.
    """
    called = {"forward", "__init__", getattr(step.node, "name", "")} | {
        getattr(part.func, "attr", getattr(part.func, "id", ""))
        for part in ast.walk(step.node)
        if isinstance(part, ast.Call)
    }
    stack: list[ast.AST] = [step.module.tree]
    while stack:
        current = stack.pop()
        if isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef)) and current.name in called:
            continue
        if isinstance(current, ast.Attribute) and current.attr == name and isinstance(current.ctx, ast.Store):
            return True
        stack.extend(ast.iter_child_nodes(current))
    return False


def _mark(
    frame: Frame, place: Place, before: Value | None, consumption: Consumption, node: ast.AST, end: State
) -> None:
    value = end.cells[place]
    if before is not value and any(map(consumption.of_lineage, _made_since(before, value))):
        carry = Carry(True, _name(frame, place), frame.module.path, node)
        end.cells[place] = _marked(value, carry, consumption)


def _is_passed_by(frame: Frame, end: State, place: Place) -> bool:
    """Whether the place is any item of a list that was there before the iteration, or a registered buffer.

    Which of a list's items are old is not known: it may have been emptied in between. A buffer should never
    have taken on a graph: that is told where it did.
    """
    if place in frame.analysis.buffers:
        return True
    return place[1] == ELEMENT and end.born.get(place[0], -1) < frame.depth


def _made_since(before: Value | None, value: Value) -> set[Lineage]:
    """What the iteration itself put into a place, on one of its paths.

    `if tuned: self.scale = self.log_scale.exp()` leaves the old one on the other path: it may be a number.
    """
    old = (
        {lineage for part in parts(before) for lineage in _alternatives(part)}
        if before is not None
        else set()
    )
    return {lineage for part in parts(value) for lineage in _alternatives(part)} - old


def _alternatives(value: Value) -> set[Lineage]:
    """What a value is on the paths that met: the definitions behind joins."""
    first = lineage_of(value)
    seen: set[Lineage] = set()
    stack = [first] if first is not None else []
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack.extend(current.parents if _is_join(current) else ())
    return {lineage for lineage in seen if not _is_join(lineage)}


def _is_join(lineage: Lineage) -> bool:
    return lineage.key < 0 and lineage.carried is None


def left_behind(value: Value, marks: Consumption) -> Value:
    """The value as others find it who run later: the iteration that it was carried over is no longer near."""
    if not marks.of(value):
        return value
    return each(value, lambda part: whole(part) if _is_of_a_loop(lineage_of(part)) else part)


def _is_of_a_loop(lineage: Lineage | None) -> bool:
    marks = (ancestor.carried for ancestor in ancestors(lineage))
    return any(mark is not None and mark.spent and isinstance(mark.node, _LOOPS) for mark in marks)


def _marked(value: Value, carry: Carry, consumption: Consumption) -> Value:
    def mark(part: Value) -> Value:
        held = isinstance(part, Tensor) and tracks(part) and not part.leaf and consumption.of(part)
        return carried(part, carry) if held else part

    return each(value, mark)


def _name(frame: Frame, place: Place) -> str:
    return place[1].lstrip(".")


def expose(frame: Frame, value: Value, limit: int = 3) -> None:
    """Code out of sight got this object: it may have reset what it holds."""
    if not frame.live.spent or limit == 0:
        return
    sites = value.sites if isinstance(value, (Instance, Container)) else ()
    for site in sites:
        for offset in frame.analysis.offsets_of(site):
            held = frame.live.cells.get((site, offset))
            if held is not None:
                frame.live.cells[site, offset] = whole(held)
                expose(frame, held, limit - 1)
    if isinstance(value, Tuple):
        for item in value.items:
            expose(frame, item, limit - 1)


def returned_to(frame: Frame, node: ast.AST, value: Value, until: frozenset[Lineage]) -> None:
    """`value` is backpropagated at `node`, down to `until`: tell of the carried values that this meets."""
    for way in _ways(frame, lineage_of(value), until):
        _tell(frame, node, value, way)


def _ways(frame: Frame, lineage: Lineage | None, until: frozenset[Lineage]) -> list[_Way]:
    found: list[_Way] = []
    seen: set[Lineage] = set(until)
    stack: list[tuple[Lineage, Lineage | None, bool]] = [(lineage, None, True)] if lineage is not None else []
    while stack:
        current, last, at_loss = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.carried is not None:
            if current.carried.spent:
                found.append(_Way(current, last))
            continue
        if current.opaque:
            if at_loss and _is_loss(frame, current):
                stack.append((current.parents[0], current, True))
            continue
        is_step = current.entered is not None or not is_passage(current)
        at_loss = at_loss and not (is_step and current.tracks)
        stack += [(parent, current if is_step else last, at_loss) for parent in current.parents]
    return found


def _is_loss(frame: Frame, lineage: Lineage) -> bool:
    """Whether this is what a loss function out of sight gave: they take their input first."""
    callee = lineage.call.key if lineage.call is not None else None
    is_module = callee is not None and callee in frame.analysis.facts.modules
    return bool(lineage.parents) and lineage.arity > 1 and not lineage.tracks and not is_module


def _tell(frame: Frame, node: ast.AST, value: Value, way: _Way) -> None:
    carry = way.mark.carried
    assert carry is not None
    if not _goes_on(frame, carry.node):
        return
    path, stands = _place_of(frame, way)
    if path != frame.analysis.target or stands is None:
        return
    held = frame.analysis.seen.get(stands) if isinstance(stands, ast.expr) else None
    origin = origin_of(held) if held is not None else None
    steps = origin.steps() if origin is not None else []
    if steps and _is_inferred(frame, steps[0]):
        return
    detach, unfixable = _fix(frame, stands, carry)
    name = carry.name if held is None else ast.unparse(stands)
    notes = notes_of(origin)
    stale = any(ancestor in frame.analysis.stale for ancestor in ancestors(way.mark))
    before, now = _RETAINED if stale else _CONSUMED
    notes.append(Note(path, stands, f"`{carry.name}` comes from the iteration before, {before}"))
    notes.append(Note(frame.module.path, node, now))
    frame.analysis.emit(Event("carry", "state", name, stands, detach, tuple(notes), True, unfixable))


_CONSUMED = (
    "whose backward has consumed its graph",
    "this backward runs into the consumed graph and raises",
)
_RETAINED = (
    "whose graph was retained, though its weights have been stepped since",
    "this backward runs through all iterations before, with weights that have changed, and raises",
)


def _is_inferred(frame: Frame, origin: Origin) -> bool:
    """Whether all that shows that a value tracks is a backward of something that it may be a part of."""
    notes = frame.analysis.facts.tracking.values()
    return any(note.node is origin.node and note.text == origin.text for note in notes)


def forget_stale(test: ast.expr, left: State | None, right: State | None) -> None:
    """Where the paths of a condition meet: what one of them makes anew is not taken to be old on the other.

    `if kind == 1: y = f(x)` and `elif kind == 2: y = g(x)` leave nothing over, and one condition often stands
    for another. Whether the state is there yet, `if h is None`, is a question about itself.
    """
    if left is None or right is None or not (left.spent and right.spent):
        return
    places = differing(right.cells, left.cells)
    asked = {getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(test)} if places else set()
    for place in places:
        value, other = left.cells[place], right.cells.get(place)
        if other is None or place[1].lstrip(".") in asked:
            continue
        old, old_there = comes_from_before(value), comes_from_before(other)
        if old and not old_there:
            left.cells[place] = other
        elif old_there and not old:
            right.cells[place] = value


def renewed(entry: State, end: State, depth: int) -> list[Place]:
    """The names that each iteration of a loop in `depth` loops binds anew, on all of its paths."""
    return [
        key
        for key, born in end.born.items()
        if born > depth >= entry.born.get(key, depth + 1) and isinstance(key, tuple) and key in end.cells
    ]


def _goes_on(frame: Frame, node: ast.AST | None) -> bool:
    """Whether the loop, or the method that is called again and again, runs now."""
    outermost = frame
    while outermost.caller is not None:
        if any(loop.node is node for loop in outermost.loops):
            return True
        outermost = outermost.caller
    is_step = outermost.definition is not None and outermost.definition.node is node
    return is_step or any(loop.node is node for loop in outermost.loops)


def _place_of(frame: Frame, way: _Way) -> tuple[str, ast.AST | None]:
    """The expression through which the carried value comes in, and its file."""
    last = way.last
    if last is None:
        return "", None
    if last.entered is not None:
        return last.entered.path, last.entered.argument
    thing = frame.analysis.keys.thing(last.key)
    node = thing[1] if len(thing) > 1 else None
    if not isinstance(node, ast.AST):
        return "", None
    linted = next(m for m in frame.analysis.modules.values() if m.path == frame.analysis.target)
    if not any(part is node for part in ast.walk(linted.tree)):
        return "", None
    return linted.path, _operand(frame, node, way.mark) or node


def _operand(frame: Frame, node: ast.AST, mark: Lineage) -> ast.expr | None:
    """The operand or argument of `node` that holds the carried value."""
    for child in ast.iter_child_nodes(node):
        part = child.value if isinstance(child, (ast.keyword, ast.Starred)) else child
        if isinstance(part, ast.Attribute) and isinstance(node, ast.Call) and part is node.func:
            part = part.value
        inner = _operand(frame, part, mark) if isinstance(part, (ast.Tuple, ast.List)) else None
        if inner is not None:
            return inner
        if isinstance(part, ast.expr) and _holds(frame.analysis.seen.get(part), mark):
            return part
    return None


def _holds(value: Value | None, mark: Lineage) -> bool:
    """Whether a value is the marked one, passed on and nothing else."""
    stack = [lineage_of(part) for part in parts(value)] if value is not None else []
    seen: set[Lineage] = set()
    while stack:
        current = stack.pop()
        if current is mark:
            return True
        if current is not None and current not in seen and is_passage(current):
            seen.add(current)
            stack.extend(current.parents)
    return False


def is_passage(lineage: Lineage) -> bool:
    """Whether the value only passed here: through a join, a place, into a call, out of one."""
    passed = (lineage.place, lineage.entered, lineage.left)
    return lineage.key < 0 or any(part is not None for part in passed)


_NO_PLACE = "detach the state where the iteration ends"


def _fix(frame: Frame, stands: ast.AST, carry: Carry) -> tuple[tuple[ast.expr, ...], str | None]:
    if not isinstance(stands, ast.expr):
        return (), _NO_PLACE
    if carry.node is None or not _once_per_iteration(frame, stands, carry.node):
        return (), _NO_PLACE
    held = frame.analysis.seen.get(stands)
    if not isinstance(held, Tensor) or _may_be_pair(frame, held):
        return (), f"`{ast.unparse(stands)}` is made of several tensors: detach each of them"
    return detachable(frame, stands)


def _once_per_iteration(frame: Frame, stands: ast.AST, loop: ast.AST) -> bool:
    """Whether the place is reached at most once between two ends of the loop's iterations."""
    inner = [part for part in ast.walk(loop) if isinstance(part, _LOOPS) and part is not loop]
    if any(part is stands for part in ast.walk(loop)):
        return not any(part is stands for each_loop in inner for part in ast.walk(each_loop))
    return not inner


def _may_be_pair(frame: Frame, value: Tensor) -> bool:
    """Whether this may be the state of an LSTM, or of a module that nothing is known of."""
    stack, seen = [value.lineage], set[Lineage]()
    while stack:
        current = stack.pop()
        if current is None or current in seen:
            continue
        seen.add(current)
        if current.call is not None and not _is_own(frame, current.call.key):
            if not _gives_tensors(frame, current.call.key):
                return True
        elif current.opaque:
            return True
        elif current.call is not None or is_passage(current):
            stack.extend(current.parents)
    return False


def _is_own(frame: Frame, module: int) -> bool:
    """Whether this is a module of the project: what its forward gives stands in its lineage."""
    return frame.analysis.keys.thing(module)[0] in ("object", "self")


def _gives_tensors(frame: Frame, module: int) -> bool:
    thing = frame.analysis.keys.thing(module)
    made = thing[1] if thing[0] == "module" else None
    if not isinstance(made, ast.Call):
        return False
    name = made.func.attr if isinstance(made.func, ast.Attribute) else getattr(made.func, "id", "")
    return "LSTM" not in name
