"""Totals and running values: a place that takes on a value computed from its own old one.

`total += loss` and `total = total + loss` add; `avg = 0.9 * avg + 0.1 * loss`, `best = torch.max(best, loss)`
and the running buffers of a layer blend; `xs = torch.cat([xs, x])` collects. All of them chain the graphs of
all iterations, if the place outlives the iteration and the value tracks.
"""

from __future__ import annotations

import ast

from detachlint.tracking import expressions, inplace, keeping, library, methods, targets, terms
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.fates import Use
from detachlint.tracking.places import OUTSIDE, Place, element
from detachlint.tracking.selection import CUTS
from detachlint.tracking.values import (
    Container,
    Grad,
    Instance,
    Tensor,
    Unknown,
    Value,
    grad_of,
    lineage_of,
    tracks,
)

_COLLECTING = frozenset({"cat", "concat", "concatenate", "hstack", "vstack", "stack"})


def augmented(frame: Frame, node: ast.AugAssign) -> None:
    """`target += value` and its like."""
    old = _load(frame, node.target)
    value = expressions.evaluate(frame, node.value)
    if isinstance(old, Container):
        _extend(frame, node, old, value)
        return
    if isinstance(old, Instance):
        _own_operator(frame, node, old, value)
        return
    if isinstance(old, Tensor) and tracks(old) and not frame.grad_on:
        expressions.measure(frame, value, node)
        return  # in place: the tensor stays the one it was, and keeps the graph it had
    if _is_callers(frame, node.target, old):
        library.use(frame, node, value, Use.ESCAPED)
    new = expressions.operate(frame, node, old, value, node.op)
    place = targets.place_of(frame, node.target)
    if place is None and isinstance(node.target, ast.Name):
        place = targets.name_place(frame, node.target.id)
    if _adds(node.op, value, new):
        new = keeping.accumulated(frame, node, node.target, _incoming(value, new), node.value, place, "add")
        new = _together(frame, node, old, new)
    elif grad_of(new) is Grad.UNKNOWN:
        outlives = place is not None and _outlives(frame, place)
        frame.leave_open(lineage_of(new), kept=outlives)
    if isinstance(node.target, (ast.Attribute, ast.Subscript)):
        owner = frame.analysis.seen.get(node.target.value)
        if isinstance(owner, Unknown):
            library.escape(frame, node, [new, value])
    _store(frame, node.target, new)


def _is_callers(frame: Frame, target: ast.expr, old: Value) -> bool:
    """`loss += penalty` of a tensor that came as argument is done in place: the caller's tensor has it."""
    if not isinstance(target, ast.Name) or frame.definition is None or not isinstance(old, (Tensor, Unknown)):
        return False
    spec = frame.definition.node.args
    return any(target.id == part.arg for part in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs))


def _own_operator(frame: Frame, node: ast.AugAssign, old: Instance, value: Value) -> None:
    """`meter += loss`, of a class of the project that says itself what that does."""
    arguments = Arguments((value,), expressions=(node.value,))
    own = _OPERATORS.get(type(node.op), "")
    name = next((name for name in (f"__i{own}__", f"__{own}__") if old.klass.method(name) is not None), None)
    if name is None:
        library.escape(frame, node, [value])
        return
    _store(frame, node.target, methods.call_method(frame, node, old, name, arguments))


_OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv"}


def _adds(op: ast.operator, value: Value, new: Value) -> bool:
    """Whether a graph comes in; what something is scaled by is a number, if nothing shows that it tracks."""
    unknown = isinstance(value, Unknown) and isinstance(op, (ast.Add, ast.Sub))
    return tracks(new) and (tracks(value) or unknown)


def _incoming(value: Value, new: Value) -> Value:
    return value if tracks(value) else new


def _together(frame: Frame, node: ast.AST, old: Value, new: Value) -> Value:
    if not isinstance(old, (Tensor, Unknown)):
        return new
    return expressions.derive(frame, node, [new, old], summed=True)


def _load(frame: Frame, target: ast.expr) -> Value:
    if isinstance(target, ast.Name):
        return expressions.load_name(frame, target.id)
    return expressions.evaluate(frame, target)


def _extend(frame: Frame, node: ast.AugAssign, old: Container, value: Value) -> None:
    added = expressions.iterate(frame, value, node)
    for site in old.sites:
        place = element(site)
        keeping.collected(frame, node, "+=", added, node.value, place, frame.born(site))
        frame.add(place, keeping.marked(frame, node, added, place))


def _store(frame: Frame, target: ast.expr, value: Value) -> None:
    if isinstance(target, ast.Name):
        born = frame.born(targets.name_place(frame, target.id))
        targets.assign_name(frame, target.id, value, born=born)
        return
    targets.hold(frame, target, value)


def rebound(frame: Frame, node: ast.stmt, target: ast.expr, value: Value, written: ast.expr) -> Value | None:
    """What `target` holds after `target = f(target, ...)`; None if this is an ordinary assignment."""
    if not isinstance(value, Tensor) or not isinstance(target, (ast.Name, ast.Attribute, ast.Subscript)):
        return None
    place = targets.place_of(frame, target)
    if not tracks(value) and (place not in frame.analysis.buffers or not frame.grad_on):
        if grad_of(value) is Grad.UNKNOWN and place is not None and _outlives(frame, place):
            frame.leave_open(value.lineage, kept=True)
        return None
    if place is None or not _outlives(frame, place) or not frame.grad_on:
        return None  # with grad mode off only views track: nothing is added to a graph
    own = _own_text(frame, target)
    blend = written if _mentions(written, own) else computed(frame, written)
    if blend is None or not _goes_on(blend, own):
        return None
    incoming = _parts_beside(frame, blend, own)
    if not incoming:
        return _blended_input(frame, node, target, value, written, place)
    how = _how(blend, own)
    leaf = frame.analysis.seen[incoming[0]]
    stands: ast.AST = node
    if blend is not written:
        alone = is_only_stored(frame, written)
        stands, incoming = (blend, incoming) if alone else (node, [written])
    kept = keeping.accumulated(frame, stands, target, leaf, incoming[0], place, how)
    return expressions.derive(frame, node, [kept, value], summed=how == "add")


def computed(frame: Frame, written: ast.expr | None) -> ast.expr | None:
    """`new` where it stands for `m * old + (1 - m) * x`, and for nothing else in this function."""
    if not isinstance(written, ast.Name):
        return None
    found = terms.written_in(frame.analysis, _body(frame)).get(written.id, [])
    return found[0] if len(found) == 1 and isinstance(found[0], ast.BinOp) else None


def is_only_stored(frame: Frame, written: ast.expr | None) -> bool:
    """Whether a name is read once, to be stored: what it was computed from can be detached instead."""
    name = getattr(written, "id", "")
    parts = terms.own_nodes(_body(frame))
    return sum(isinstance(p, ast.Name) and p.id == name and isinstance(p.ctx, ast.Load) for p in parts) == 1


def _body(frame: Frame) -> ast.AST:
    return frame.module.tree if frame.definition is None else frame.definition.node


def _blended_input(
    frame: Frame, node: ast.stmt, target: ast.expr, value: Tensor, written: ast.expr, place: Place
) -> Value | None:
    """A registered buffer that is blended with what `forward` computes from its inputs."""
    leaf = inplace.layer_input(frame, node, value) if place in frame.analysis.buffers else None
    if leaf is None:
        return None
    return keeping.accumulated(frame, node, target, leaf, written, place, "statistic")


def _outlives(frame: Frame, place: Place) -> bool:
    born = frame.born(place[0]) if place[1][0] in ".[" else frame.born(place)
    return born < frame.depth or born == OUTSIDE


def only_itself(frame: Frame, place: ast.expr, written: ast.expr | None, least: Grad = Grad.UNKNOWN) -> bool:
    """Whether nothing beside the place's own old value in `written` tracks: nothing new comes in."""
    if written is None:
        return False
    own = _own_text(frame, place)
    return _mentions(written, own) and not _parts_beside(frame, written, own, least)


def _own_text(frame: Frame, target: ast.expr) -> str:
    """What reading the target looks like as a tree."""
    texts = frame.analysis.texts
    if target not in texts:
        texts[target] = ast.dump(ast.parse(ast.unparse(target), mode="eval").body)
    return str(texts[target])


def _mentions(node: ast.expr, own: str) -> bool:
    return any(isinstance(part, ast.expr) and _same(part, own) for part in ast.walk(node))


def _goes_on(node: ast.AST, own: str) -> bool:
    """Whether the graph of the place's old value goes on in `node`: where reads cut it, no chain grows."""
    if isinstance(node, ast.Attribute) and node.attr in CUTS and _same(node.value, own):
        return False
    return _same(node, own) or any(_goes_on(part, own) for part in ast.iter_child_nodes(node))


def _same(part: ast.AST, own: str) -> bool:
    if isinstance(part, ast.Call):
        part = _read_by_call(part) or part
    return isinstance(part, (ast.Name, ast.Attribute, ast.Subscript)) and ast.dump(part) == own


def _read_by_call(node: ast.Call) -> ast.expr | None:
    """`stats.get(key, 0)` reads `stats[key]`."""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr == "get" and len(node.args) in (1, 2):
        return ast.Subscript(function.value, node.args[0], ast.Load())
    return None


def _parts_beside(frame: Frame, node: ast.expr, own: str, least: Grad = Grad.TRACKS) -> list[ast.expr]:
    """The largest tracking parts of an expression that do not contain the place itself."""
    if not _mentions(node, own):
        value = frame.analysis.seen.get(node)
        return [node] if value is not None and grad_of(value) >= least else []
    found: list[ast.expr] = []
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.expr):
            found += _parts_beside(frame, part, own, least)
        elif isinstance(part, ast.keyword):
            found += _parts_beside(frame, part.value, own, least)
    return found


def _how(node: ast.expr, own: str) -> str:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        for mine, other in ((node.left, node.right), (node.right, node.left)):
            if _same(mine, own) and not _mentions(other, own):
                return "add"
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _COLLECTING:
            return "collect"
    return "statistic"
