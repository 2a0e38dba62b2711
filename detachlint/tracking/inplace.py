"""Writing into a tensor's memory: outside of no_grad the tensor becomes part of the graph.

`buffer.mul_(m).add_(x)`, `buffer[i] = x`, `buffer.copy_(x)`: a buffer that outlives the iteration chains the
graphs of all of them.
"""

from __future__ import annotations

import ast

from detachlint.tracking import (
    accumulation,
    consumption,
    containers,
    expressions,
    keeping,
    passages,
    targets,
    tracked,
)
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.definitions import FunctionDefinition
from detachlint.tracking.places import OUTSIDE, Place
from detachlint.tracking.values import (
    CLEAR,
    NONE,
    Container,
    Grad,
    Instance,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    grad_of,
    lineage_of,
    tracks,
)


def into(frame: Frame, node: ast.AST, name: str, receiver: Value | None, arguments: Arguments) -> Value:
    """An in-place operation: the receiver starts to track if an argument does."""
    values = arguments.values()
    if not isinstance(receiver, Tensor):
        return receiver or (values[0] if values else NONE)
    position = max(range(len(values)), key=lambda index: grad_of(values[index]), default=None)
    incoming = None if position is None else values[position]
    given = [*arguments.expressions, *arguments.keyword_expressions.values()]
    written = given[position] if position is not None and position < len(given) else None
    method = name.rpartition(".")[2]
    return written_into(frame, node, receiver, incoming or NONE, written, f".{method}")


def written_into(
    frame: Frame, node: ast.AST, receiver: Tensor, value: Value, written: ast.expr | None, how: str
) -> Value:
    """A tensor's memory is written: outside of no_grad it becomes part of the graph."""
    if not frame.grad_on:
        return receiver
    _averaged(frame, node, receiver, how)
    leaf = tracked.tracking_leaf(frame, value) or layer_input(frame, node, value)
    if leaf is None:
        return receiver
    base = _base(frame, node)
    place = targets.place_of(frame, base) if base is not None else None
    if base is None or place is None or _is_view_of_data(base):
        return expressions.derive(frame, node, [receiver, leaf])
    if not tracked.tracking_leaf(frame, value) and place not in frame.analysis.buffers:
        return expressions.derive(frame, node, [receiver, value])
    born = born_of(frame, place)
    result = expressions.derive(frame, node, [receiver, leaf])
    # Only a tensor that did not track is changed; one of which nothing is known is somebody else's.
    own = receiver.grad is Grad.CLEAR or place in frame.analysis.buffers
    own = own and not accumulation.only_itself(frame, base, written)
    own = own and not _is_made_this_turn(frame, node)
    if own and not receiver.leaf and (born < frame.depth or born == OUTSIDE):
        outside = place[1][0] in ".[" and frame.born(place[0]) == OUTSIDE
        sink = "statistic" if outside or _is_running(how) else "collect"
        text = f"{ast.unparse(base)}{how}"
        keeping.keep(frame, _statement(frame, node), sink, text, leaf, written, place, born)
    frame.put(place, keeping.marked(frame, node, result, place))
    return result


def _is_made_this_turn(frame: Frame, node: ast.AST) -> bool:
    """Whether this turn of the loop has put a new one there: `rows[i] = zeros(n)`, then `rows[i][at] = x`."""
    loop = frame.loops[-1].node if frame.loops else None
    if not isinstance(node, ast.Subscript) or not isinstance(loop, (ast.For, ast.AsyncFor, ast.While)):
        return False
    before = (part for part in loop.body if isinstance(part, ast.Assign) and part.lineno < node.lineno)
    made = {ast.unparse(target) for part in before for target in part.targets}
    whole: ast.expr = node.value
    while isinstance(whole, ast.Subscript) and ast.unparse(whole) not in made:
        whole = whole.value
    return isinstance(whole, ast.Subscript)


def cut_elements(frame: Frame, loop: ast.For | ast.AsyncFor) -> None:
    """After `for h in hidden: h.detach_()` nothing that `hidden` holds has a graph."""
    name, place = loop.target, targets.place_of(frame, loop.iter)
    if not isinstance(name, ast.Name) or place is None:
        return
    cuts = [
        part
        for statement in loop.body
        for part in ast.walk(statement)
        if isinstance(part, ast.Attribute) and part.attr == "detach_"
    ]
    element = frame.get(targets.name_place(frame, name.id))
    held = frame.get(place)
    if not cuts or held is None or element is None or grad_of(element) is not Grad.CLEAR:
        return
    if isinstance(held, Container):
        for inner in containers.places(frame, held):
            frame.put(inner, CLEAR)
    elif isinstance(held, (Tuple, Sequence, Tensor, Unknown)):
        frame.put(place, consumption.each(held, lambda _: CLEAR))


def _averaged(frame: Frame, node: ast.AST, receiver: Tensor, how: str) -> None:
    """A kept copy of a parameter is blended in place: told where it was kept, with its graph."""
    if how not in _BLENDING or receiver.leaf or not tracks(receiver):
        return
    if not keeping.is_weight(frame, receiver.lineage):
        return
    for ancestor in passages.same_value(frame, receiver.lineage, ("call", "operation")):
        stored = frame.analysis.keys.thing(ancestor.key)[1] if ancestor.place is not None else None
        if ancestor.place is None or not isinstance(stored, ast.expr):
            continue
        born = frame.born(ancestor.place[0])
        written = _stored_expression(frame, stored)
        if written is not None and (born < frame.depth or born == OUTSIDE):
            text = f"{ast.unparse(node)}" if isinstance(node, ast.expr) else how
            keeping.keep(frame, stored, "statistic", text, receiver, written, ancestor.place, born)


_BLENDING = frozenset({".add_", ".sub_", ".mul_", ".div_", ".lerp_", ".copy_", ".addcmul_", ".addcdiv_"})


def _stored_expression(frame: Frame, stored: ast.expr) -> ast.expr | None:
    """What `stored`, a comprehension, the target of an assignment or a call, kept; in this file only."""
    for part in ast.walk(frame.module.tree):
        if part is stored and isinstance(part, (ast.ListComp, ast.DictComp)):
            return part.value if isinstance(part, ast.DictComp) else part.elt
        if isinstance(part, ast.Assign) and part.targets[0] is stored:
            return part.value
        if part is stored and isinstance(part, ast.Call) and part.args:
            return part.args[-1]
    return None


def registered(frame: Frame, node: ast.AST, place: Place, value: Value, arguments: Arguments) -> Value:
    """`register_buffer(name, value)`: a buffer that takes on a graph hands it to every later iteration.

    What it begins with is no running value.
    """
    if frame.constructs:
        return value
    written = [expression for position, expression, _ in arguments.pairs() if position in (1, "tensor")]
    stands: ast.AST = node
    blend = accumulation.computed(frame, written[0]) if written else None
    leaf = tracked.tracking_leaf(frame, value)
    whole = blend or (written[0] if written else None)
    if leaf is None and whole is not None and _is_weighted(whole):
        # A running statistic stands in the middle of a network; a table of positions stands before it.
        leaf = layer_input(frame, node, value)
    if leaf is None or not frame.grad_on or tracked.is_leaf(leaf):
        return value
    if blend is not None and _is_weighted(blend) and accumulation.is_only_stored(frame, written[0]):
        stands, written = blend, [blend]
    text = "register_buffer"
    keeping.keep(frame, stands, "statistic", text, leaf, written[0] if written else None, place, OUTSIDE)
    return keeping.marked(frame, node, value, place)


def _is_weighted(blend: ast.expr) -> bool:
    """`m * old + (1 - m) * new`: what is registered is the old value, moved on."""
    sides = (blend.left, blend.right) if isinstance(blend, ast.BinOp) else ()
    added = isinstance(blend, ast.BinOp) and isinstance(blend.op, (ast.Add, ast.Sub))
    return added and all(isinstance(s, ast.BinOp) and isinstance(s.op, ast.Mult) for s in sides)


def _base(frame: Frame, node: ast.AST) -> ast.expr | None:
    """What is written: a view's memory is that of the tensor it was taken of."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return targets.base_of(frame, node.func.value, "same", "into", "view")
    if isinstance(node, ast.Subscript):
        return targets.base_of(frame, node.value, "same", "into", "view")
    return node if isinstance(node, ast.expr) else None


def layer_input(frame: Frame, node: ast.AST, value: Value) -> Value | None:
    """A value that a layer's forward computed from its inputs.

    Whether these track is up to the layers before it; behind one that is trained they do. That is enough
    where a registered buffer is concerned, which must never take on a graph, and nowhere else. What gives
    no output is no layer.
    """
    layer = _layer(frame)
    if layer is None or grad_of(value) is not Grad.UNKNOWN:
        return None
    own = set(layer.node.args.args[1:])
    made_of = passages.same_value(frame, lineage_of(value), ("call", "part", "element"))
    things = (frame.analysis.keys.thing(ancestor.key) for ancestor in made_of if ancestor.key >= 0)
    if not any(thing[0] == "arg" and thing[1] in own for thing in things):
        return None
    origin = frame.origin(
        node, "it is computed from the inputs of `forward`, which track behind trained layers"
    )
    return Tensor(Grad.TRACKS, origin, lineage_of(value))


def _layer(frame: Frame) -> FunctionDefinition | None:
    """The `forward` that runs here, or that called this method of its own object."""
    current: Frame | None = frame
    while current is not None and current.receiver == frame.receiver:
        definition = current.definition
        if definition is not None and definition.owner is not None and definition.name == "forward":
            is_layer = definition.owner.is_module and definition.body.gives and not _is_frozen(frame)
            return definition if is_layer else None
        current = current.caller
    return None


def _is_frozen(frame: Frame) -> bool:
    """A layer that freezes its own parameters learns by rules of its own, and so do those before it."""
    return isinstance(frame.receiver, Instance) and any(map(frame.is_frozen, frame.receiver.sites))


def _is_running(how: str) -> bool:
    return how not in ("[...] =", ".index_copy_", ".scatter_")


def _statement(frame: Frame, node: ast.AST) -> ast.AST:
    return frame.statement if frame.statement is not None and isinstance(node, ast.Subscript) else node


def _is_view_of_data(base: ast.expr) -> bool:
    return isinstance(base, ast.Attribute) and base.attr == "data"


def born_of(frame: Frame, place: Place) -> int:
    return frame.born(place[0]) if place[1][0] in ".[" else frame.born(place)
