"""What is kept beyond its time.

Putting a value into a place that outlives it is not wrong by itself: the keep is written down and waits for
the fate of its place (`fates`). A row (a tuple, a dict, a named tuple) is written down field by field,
because one may be needed while another is not. What a module collects for its own output is not kept.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from detachlint.tracking import containers, inplace, passages, pieces, tracked
from detachlint.tracking.analysis import Frame
from detachlint.tracking.fates import Keep, Use, is_spent
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.places import OUTSIDE, PARAMETERS, Place
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import (
    NONE,
    Container,
    Grad,
    GradMode,
    Instance,
    Lineage,
    Object,
    Origin,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    grad_of,
    lineage_of,
    origin_of,
    tracks,
    with_lineage,
)


def marked(frame: Frame, node: ast.AST, value: Value, place: Place, limit: int = 4) -> Value:
    """The value as it is read back from `place`: it remembers where it was kept."""
    if isinstance(value, (Tensor, Unknown, Object)):
        if value.lineage is None and not tracks(value):
            return value
        parents = (value.lineage,) if value.lineage is not None else ()
        return with_lineage(value, Lineage(frame.analysis.keys("kept", node), parents, place))
    if isinstance(value, Tuple):
        items = enumerate(value.items)
        inner = [marked(frame, node, part, (place[0], f"{place[1]}.{index}")) for index, part in items]
        return replace(value, items=tuple(inner))
    if isinstance(value, Sequence):
        return Sequence(marked(frame, node, value.element, place))
    if isinstance(value, Container) and value.kind == "dict" and len(value.sites) == 1:
        return _marked_row(frame, node, value, place, limit)
    if isinstance(value, Container):
        for cell in containers.places(frame, value):
            held = frame.get(cell)
            if isinstance(held, (Tensor, Unknown, Tuple)):
                frame.put(cell, marked(frame, node, held, place))
    if isinstance(value, Instance):
        for site in value.sites:
            for offset in frame.analysis.offsets_of(site):
                held = frame.get((site, offset))
                if isinstance(held, Tensor):
                    frame.put((site, offset), marked(frame, node, held, place))
    return value


def _marked_row(frame: Frame, node: ast.AST, value: Container, place: Place, limit: int) -> Container:
    """A dict as it is read back: a copy, because the one at hand is not read from the place."""
    if limit == 0:
        return value
    copy = frame.analysis.keys("row", node, value.sites[0], frame.context)
    frame.live.born[copy] = frame.born(value.sites[0])
    for cell in containers.places(frame, value):
        held = frame.get(cell)
        if held is not None:
            frame.put((copy, cell[1]), marked(frame, node, held, (place[0], place[1] + cell[1]), limit - 1))
    return replace(value, sites=(copy,))


def collected(
    frame: Frame,
    node: ast.AST,
    name: str,
    value: Value,
    written: ast.expr | None,
    place: Place,
    born: int,
    seen: bool = True,
) -> None:
    """A container got one more element; `seen` says that nobody else can hold the container unseen."""
    if born >= frame.depth and born != OUTSIDE:
        return
    in_loop = frame.depth > frame.entry_depth
    how = "collect" if in_loop else "store"
    callee = _receiver_text(node, name)
    keep(frame, node, how, callee, value, written, place, born, seen)


def _is_of_layer(frame: Frame, born: int) -> bool:
    """Whether a method of a module collects what it gives back: a part of the module's output."""
    definition = frame.definition
    owner = definition.owner if definition is not None else None
    return owner is not None and owner.is_module and born >= frame.entry_depth


def _is_chained(frame: Frame, lineage: Lineage | None) -> bool:
    """Whether each value is computed from the one before: the last one holds the graphs of all anyway."""
    made = next((a.key for a in ancestors(lineage) if _is_made(frame, a)), None)
    return made is not None and sum(a.key == made for a in ancestors(lineage)) > 1


def _is_made(frame: Frame, lineage: Lineage) -> bool:
    return lineage.key >= 0 and frame.analysis.keys.thing(lineage.key)[0] in ("call", "operation")


def _receiver_text(node: ast.AST, name: str) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return ast.unparse(node.func)
    if isinstance(node, ast.Subscript):
        return f"{ast.unparse(node.value)}{name}"
    return name


def keep(
    frame: Frame,
    node: ast.AST,
    how: str,
    callee: str,
    value: Value,
    written: ast.expr | None,
    place: Place,
    born: int,
    seen: bool = True,
    read: bool = False,
) -> None:
    """`value` is kept in `place`, which outlives it; `read`: the place must be read to be reported."""
    if _is_local_to_forward(frame, born) or (how in ("collect", "store") and place in _read_from(value)):
        return
    if _is_gathered(frame, born):
        return
    for part, expression, suffix in _parts(frame, value, written):
        leaf = _kept_leaf(frame, part)
        if leaf is None or (how == "collect" and _is_one_per_weight(frame, leaf, born)):
            continue
        if not _is_cleared_state(frame, node, how, place):
            place_of_part = (place[0], place[1] + suffix)
            _keep_leaf(frame, node, how, callee, leaf, expression, place_of_part, born, seen, read, suffix)
    if not seen:
        frame.analysis.fates.use_place(place, Use.ESCAPED, node)


def _is_local_to_forward(frame: Frame, born: int) -> bool:
    """Whether a module computes its output here: what it collects on the way is for its output."""
    current: Frame | None = frame
    while current is not None:
        definition = current.definition
        owner = definition.owner if definition is not None else None
        if owner is not None and owner.is_module and born >= current.entry_depth:
            assert definition is not None
            if definition.name in owner.of_forward:
                return True
        current = current.caller
    return False


def _is_gathered(frame: Frame, born: int) -> bool:
    """Whether a list of this call takes up, in a loop without grad, what others hold anyway."""
    own = born != OUTSIDE and born >= frame.entry_depth
    return own and bool(frame.loops) and all(loop.mode is GradMode.OFF for loop in frame.loops)


def _is_cleared_state(frame: Frame, node: ast.AST, how: str, place: Place) -> bool:
    """Whether a module's forward goes on with a state, or a cache, that its users clear between sequences.

    A registered buffer is none: it is there for good. Nor is what is only written down, for others to read.
    """
    definition = frame.definition
    owner = definition.owner if definition is not None else None
    if how not in ("statistic", "store") or place in frame.analysis.buffers:
        return False
    if definition is None or owner is None or not owner.is_module or definition.name not in owner.of_forward:
        return False
    written = {part.attr for part in ast.walk(_target(node)) if isinstance(part, ast.Attribute)}
    states = owner.cleared if how == "statistic" else owner.cleared & owner.read_in_forward
    return not written.isdisjoint(states)


def _target(node: ast.AST) -> ast.AST:
    """What is written: the target of an assignment, the object whose method takes the value."""
    if isinstance(node, ast.Assign):
        return node.targets[0]
    return node.func if isinstance(node, ast.Call) else node


def _is_one_per_weight(frame: Frame, leaf: Value, born: int) -> bool:
    """Whether values of weights alone are collected while nothing trains: as many as there are weights."""
    if born < frame.entry_depth or not is_weight(frame, lineage_of(leaf)):
        return False
    around = frame.loops[born - frame.entry_depth :]
    return all(loop.trained == frame.analysis.training_calls for loop in around)


def _read_from(value: Value) -> set[Place]:
    """The places that this very value was read from: `means.append(means[-1])` keeps nothing new."""
    found: set[Place] = set()
    current = lineage_of(value)
    while current is not None and current.place is not None:
        found.add(current.place)
        current = current.parents[0] if current.parents else None
    return found


def _parts(
    frame: Frame, value: Value, written: ast.expr | None
) -> Iterator[tuple[Value, ast.expr | None, str]]:
    """The fields of a kept row, each with its expression: one may be needed while another is not."""
    if isinstance(value, Tuple):
        for position, item in enumerate(value.items):
            yield item, _field_expression(value, written, position), f".{position}"
    elif isinstance(value, Container) and value.kind == "dict" and len(value.sites) == 1:
        for place in containers.places(frame, value):
            yield frame.get(place) or NONE, _key_expression(written, place[1]), place[1]
    else:
        yield value, written, ""


def _field_expression(value: Tuple, written: ast.expr | None, position: int) -> ast.expr | None:
    if isinstance(written, ast.Tuple) and len(written.elts) == len(value.items):
        return written.elts[position]
    if isinstance(written, ast.Call) and value.fields:
        named = {keyword.arg: keyword.value for keyword in written.keywords}
        if value.fields[position] in named:
            return named[value.fields[position]]
        return written.args[position] if position < len(written.args) else None
    return written


def _key_expression(written: ast.expr | None, offset: str) -> ast.expr | None:
    if not isinstance(written, ast.Dict):
        return written
    for key, value in zip(written.keys, written.values, strict=True):
        if isinstance(key, ast.Constant) and f"[{key.value!r}]" == offset:
            return value
    return written


def _keep_leaf(
    frame: Frame,
    node: ast.AST,
    how: str,
    callee: str,
    leaf: Value,
    written: ast.expr | None,
    place: Place,
    born: int,
    seen: bool,
    read: bool,
    part: str,
) -> None:
    lineage, name = lineage_of(leaf), getattr(written, "id", "")
    entry, exit_ = passages.entry_of(frame, lineage), passages.exit_of(lineage)
    if entry is not None and passages.is_inside(frame, place[0], entry.context):
        entry = None
    path, stands, sink = frame.module.path, node, how
    if entry is not None:
        path, stands, written, callee = entry.path, entry.call, entry.argument, entry.callee
        sink = "store" if how != "add" and _is_collection(frame) else "logger"
    detach, unfixable = detachable(frame, written)
    if entry is None and exit_ is not None:
        path, stands, sink, callee = exit_.path, exit_.node, "step", exit_.function
        detach, unfixable = exit_.detach, exit_.unfixable
    frame.analysis.fates.keeps.append(
        Keep(
            place=place,
            how=sink,
            callee=callee,
            path=path,
            node=stands,
            detach=detach,
            origin=origin_of(leaf),
            lineage=lineage,
            outlives="the call" if born == OUTSIDE else "the iteration",
            depth=frame.depth,
            born=born,
            unfixable=unfixable,
            spent=is_spent(lineage, frame.live),
            private=seen and not read and born != OUTSIDE,
            bracketed=_is_inference(frame, lineage),
            weights=how == "statistic" and is_weight(frame, lineage),
            chained=how == "collect" and born >= frame.entry_depth and _is_chained(frame, lineage),
            of_layer=_is_of_layer(frame, born),
            of_one=how in ("collect", "add") and pieces.is_piece(frame, lineage, written, born),
            part=part,
            name=name,
        )
    )


def is_weight(frame: Frame, lineage: Lineage | None) -> bool:
    """Whether a value is a module's parameter, copied or scaled, and nothing that a network gave."""
    keys = frame.analysis.keys
    kinds = {keys.thing(ancestor.key)[0] for ancestor in ancestors(lineage) if ancestor.key >= 0}
    return PARAMETERS in kinds and not kinds & {"call", "hook"}


def _is_inference(frame: Frame, lineage: Lineage | None) -> bool:
    """Whether a module that was put into eval mode here made the value, from inputs that do not track."""
    evaluating = frame.live.evaluating
    if not evaluating:
        return False
    return any(a.call is not None and a.call.key in evaluating for a in ancestors(lineage))


def _is_collection(frame: Frame) -> bool:
    """Whether the object that keeps is there to be read from: a data set, a buffer that is sampled."""
    owner = frame.definition.owner if frame.definition is not None else None
    if owner is None:
        return False
    names = ("__getitem__", "__iter__", "sample", "pop")
    return any(owner.method(name) is not None for name in names) or any(
        name.endswith("Dataset") for name in owner.libraries()
    )


def _kept_leaf(frame: Frame, value: Value) -> Value | None:
    leaf = tracked.tracking_leaf(frame, value)
    if leaf is not None and not tracked.is_leaf(leaf):
        return leaf
    if isinstance(value, Unknown):
        for offset, note in frame.analysis.facts.parts.get(value.key, {}).items():
            part = frame.get((value.key, offset))
            if part is None or tracks(part):
                return Tensor(Grad.TRACKS, Origin(note.path, note.node, note.text), value.lineage)
    if grad_of(value) is Grad.UNKNOWN:
        frame.leave_open(lineage_of(value), kept=True)
    return None


def comprehension(frame: Frame, node: ast.expr, body: ast.expr, value: Value, place: Place) -> None:
    """`losses = [f(x) for x in xs]` collects what `f` makes, if the list gets a name."""
    statement = frame.statement
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Return)) or statement.value is not node:
        return
    if _was_kept(lineage_of(value)) or _takes_pieces(body):
        return
    keep(frame, node, "collect", "the comprehension", value, body, place, frame.depth, read=True)


def _takes_pieces(body: ast.expr) -> bool:
    """`[cdf[i][index] for ...]`: what is there is taken apart, nothing is made."""
    return isinstance(body, ast.Subscript) and not any(isinstance(part, ast.Call) for part in ast.walk(body))


def _was_kept(lineage: Lineage | None) -> bool:
    """Whether the value was read from a place that keeps it anyway."""
    stack, seen = [lineage], set[Lineage]()
    while stack:
        current = stack.pop()
        if current is None or (current.key >= 0 and current.place is None):
            return False
        if current.place is None and current not in seen:
            seen.add(current)
            stack.extend(current.parents)
    return True


def accumulated(
    frame: Frame,
    node: ast.AST,
    target: ast.expr,
    value: Value,
    written: ast.expr,
    place: Place | None,
    how: str,
) -> Value:
    """A place took on a value computed from its own old one: the graphs of all iterations are chained."""
    if place is None:
        return value
    born = inplace.born_of(frame, place)
    if born >= frame.depth and born != OUTSIDE:
        return value
    if born == frame.depth - 1 and _is_named_by_loop(frame, target) and is_weight(frame, lineage_of(value)):
        return value  # one slot for each weight, written once: nothing is chained
    keep(frame, node, how, f"{ast.unparse(target)}", value, written, place, born)
    return marked(frame, node, value, place)


def _is_named_by_loop(frame: Frame, target: ast.expr) -> bool:
    """Whether each turn of the loop writes an item of its own: `for name in blend: blend[name] = ...`."""
    loop = frame.loops[-1].node if frame.loops else None
    if not isinstance(loop, ast.For) or not isinstance(target, ast.Subscript):
        return False
    names = {part.id for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
    return isinstance(target.slice, ast.Name) and target.slice.id in names
