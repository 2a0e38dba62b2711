"""Which expression to detach.

`.detach()` goes where it costs least and cuts most: around the smallest expression that tracks, before moves
between devices and types (`x.detach().cpu().numpy()`), on the elements of a display, on the element
expression of a comprehension. Where the value arrives in a container that was filled elsewhere there is
nothing to detach here, and the reason is told. So it is where the value may be no tensor: an output of code
out of sight may be a tuple or a dict, if nothing is done with it that tells.
"""

from __future__ import annotations

import ast

from detachlint.tracking.analysis import Frame
from detachlint.tracking.values import (
    Container,
    Doubt,
    Instance,
    Object,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    doubt_of,
    tracks,
)

CUTS = frozenset({"detach", "data", "item"})  # what is read so has no graph
_MOVES = frozenset({"cpu", "cuda", "to", "float", "double", "half", "type", "contiguous", "clone"})
_FILLED_ELSEWHERE = "the tensors are kept in a container: detach them where they are put into it"


def detachable(frame: Frame, node: ast.expr | None) -> tuple[tuple[ast.expr, ...], str | None]:
    """The expressions below `node` to detach, and, where there are none, why."""
    if node is None:
        return (), "the value has no expression of its own here"
    found: list[ast.expr] = []
    reason = _collect(frame, node, found)
    if not found and isinstance(frame.analysis.seen.get(node), (Tensor, Unknown)):
        found = [node]  # it tracks in another call of the function than the last that was seen
    if not found:
        return (), reason or _FILLED_ELSEWHERE
    doubts = (doubt for doubt in (_doubt(frame, part) for part in found) if doubt is not None)
    doubt = next(doubts, None)
    return (tuple(found), None) if doubt is None else ((), doubt)


def _doubt(frame: Frame, node: ast.expr) -> str | None:
    """Why an expression may be no tensor, if neither its value nor what is done with it says that it is."""
    value = frame.analysis.seen.get(node)
    if value is None or not (doubt_of(value) or isinstance(value, Unknown)):
        return None
    if Doubt.SEVERAL in doubt_of(value):
        return f"`{ast.unparse(node)}` is a tuple of tensors: detach each of them"
    if Doubt.PATH in doubt_of(value):
        return f"`{ast.unparse(node)}` may be something else than a tensor on another path"
    if frame.analysis.uses(frame.module).show_tensor(node):
        return None
    return f"nothing here shows that `{ast.unparse(node)}` is a tensor, and no tuple or dict of them"


def _collect(frame: Frame, node: ast.expr, found: list[ast.expr]) -> str | None:
    value = frame.analysis.seen.get(node)
    if value is not None and isinstance(value, (Container, Sequence, Tuple, Instance)):
        return _collect_inside(frame, node, value, found)
    if not _may_track(value):
        return None
    if isinstance(value, Object):
        return _collect_text(frame, node, found)
    found.append(_smallest(frame, node))
    return None


def _collect_text(frame: Frame, node: ast.expr, found: list[ast.expr]) -> str | None:
    """The tensors that a text was made of, where it was made right here."""
    for part in ast.iter_child_nodes(node):
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.expr) and _is_tracking(frame, inner):
            _collect(frame, inner, found)
    return "the text was made elsewhere: detach the tensor there"


def _collect_inside(frame: Frame, node: ast.expr, value: Value, found: list[ast.expr]) -> str | None:
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        for part in node.elts:
            _collect(frame, part.value if isinstance(part, ast.Starred) else part, found)
        return _FILLED_ELSEWHERE
    if isinstance(node, ast.Dict):
        for part in node.values:
            _collect(frame, part, found)
        return _FILLED_ELSEWHERE
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        return _collect(frame, node.elt, found)
    if isinstance(node, ast.DictComp):
        return _collect(frame, node.value, found)
    if isinstance(node, ast.Call):
        return _collect_arguments(frame, node, found)
    return _FILLED_ELSEWHERE


def _collect_arguments(frame: Frame, node: ast.Call, found: list[ast.expr]) -> str | None:
    for part in (*node.args, *(keyword.value for keyword in node.keywords)):
        inner = part.value if isinstance(part, ast.Starred) else part
        _collect(frame, inner, found)
    return _FILLED_ELSEWHERE


def _may_track(value: Value | None) -> bool:
    return value is None or tracks(value)


def _smallest(frame: Frame, node: ast.expr) -> ast.expr:
    while True:
        inner = _inner(frame, node)
        if inner is None:
            return node
        node = inner


def _inner(frame: Frame, node: ast.expr) -> ast.expr | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MOVES:
        return node.func.value if _is_tracking_tensor(frame, node.func.value) else None
    if isinstance(node, (ast.BinOp, ast.IfExp)):
        # `loss if step else 0`: a number has no `detach()`, and needs none.
        both = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.body, node.orelse)
        sides = [part for part in both if _is_tracking(frame, part)]
        return sides[0] if len(sides) == 1 and _is_tracking_tensor(frame, sides[0]) else None
    if isinstance(node, ast.UnaryOp) and _is_tracking_tensor(frame, node.operand):
        return node.operand
    return None


def _is_tracking(frame: Frame, node: ast.expr) -> bool:
    value = frame.analysis.seen.get(node)
    return value is not None and tracks(value)


def _is_tracking_tensor(frame: Frame, node: ast.expr) -> bool:
    value = frame.analysis.seen.get(node)
    return isinstance(value, Tensor) and tracks(value)
