"""Library calls that a tracking tensor must not reach, told to the rules at once.

The models say which calls these are and what they do: refuse the tensor, keep it, print it, copy it. Numpy
and its kin refuse only while grad mode is on, and a program that handles the refusal has dealt with it.
"""

from __future__ import annotations

import ast

from detachlint.models import Call
from detachlint.tracking import classes, expressions, keeping, passages, tracked
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.events import Event, EventKind, Note, notes_of
from detachlint.tracking.fates import is_spent
from detachlint.tracking.places import OUTSIDE
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import (
    Doubt,
    Grad,
    Instance,
    Lineage,
    Object,
    Plain,
    Tensor,
    Tuple,
    Unknown,
    Value,
    doubt_of,
    grad_of,
    lineage_of,
    origin_of,
    tracks,
)

_NEED_GRAD_MODE = frozenset({"numpy", "array-library", "number"})
_KINDS: dict[str, EventKind] = {"copy": "copy", "lost": "copy", "keeps": "keep"}


def library_call(
    frame: Frame, node: ast.AST, name: str, call: Call, receiver: Value | None, arguments: Arguments
) -> None:
    """A library function that the models call a sink got these arguments."""
    assert call.sink is not None
    if call.sink in _NEED_GRAD_MODE and (frame.guarded or not frame.grad_on):
        return
    if call.unless is not None and arguments.flag(call.unless) is not False:
        return
    first: Value | None = None
    written: list[ast.expr] = []
    for _, expression, given in _looked_at(node, call, receiver, arguments):
        value = _copied(frame, given) if call.sink == "copy" else given
        if isinstance(value, Tensor) and (not call.direct or name.startswith("dataclasses.")):
            continue  # what `asdict` takes is a record, whatever else it looked like
        leaf = _refused_leaf(frame, value, call)
        if leaf is None:
            in_output = tracks(value) and Doubt.PART in doubt_of(value)
            if isinstance(value, Unknown) or grad_of(value) is Grad.UNKNOWN or in_output:
                frame.leave_open(lineage_of(value))
            continue
        first = first or leaf
        written += [expression] if expression is not None else []
    if first is not None:
        text = call.note or f"`{name}` gets it"
        _emit_call(frame, node, call.sink, name.replace("torch.Tensor", "Tensor"), first, written, text)


def _copied(frame: Frame, value: Value) -> Value:
    """What copying a value copies: of an object its attributes, unless it says otherwise."""
    if isinstance(value, Instance) and value.klass.method("__deepcopy__") is None:
        fresh = all(frame.born(site) != OUTSIDE for site in value.sites)
        return Tuple(tuple(classes.held(frame, value, fresh)))
    return value


def _refused_leaf(frame: Frame, value: Value, call: Call) -> Value | None:
    if call.sink != "copy":
        return tracked.tracking_leaf(frame, value, call.deep, text=call.sink == "text")
    # Leaves of the graph, parameters above all, can be copied.
    leaves = expressions.flatten(frame, value)
    found = (
        leaf for leaf in leaves if tracks(leaf) and not tracked.is_leaf(leaf) and not tracked.is_text(leaf)
    )
    return next((leaf for leaf in found if not _may_be_no_tensor(frame, leaf)), None)


def _may_be_no_tensor(frame: Frame, leaf: Value) -> bool:
    """Whether it stands in an output, or a backward alone speaks for it: of a network or number, too."""
    lineage = lineage_of(leaf)
    while lineage is not None and len(lineage.parents) == 1 and (lineage.place or lineage.entered):
        lineage = lineage.parents[0]
    inferred = lineage is not None and not lineage.tracks and lineage.key in frame.analysis.facts.tracking
    return Doubt.PART in doubt_of(leaf) or inferred


def _looked_at(
    node: ast.AST, call: Call, receiver: Value | None, arguments: Arguments
) -> list[tuple[int | str, ast.expr | None, Value]]:
    found: list[tuple[int | str, ast.expr | None, Value]] = []
    if "self" in call.arguments and receiver is not None:
        function = node.func if isinstance(node, ast.Call) else None
        written = function.value if isinstance(function, ast.Attribute) else None
        found.append(("self", written, receiver))
    for position, written, value in arguments.pairs():
        everything = "*" if isinstance(position, int) else "**"
        if position in call.arguments or everything in call.arguments:
            found.append((position, written, value))
    return found


def _emit_call(
    frame: Frame,
    node: ast.AST,
    sink: str,
    callee: str,
    leaf: Value,
    written: list[ast.expr],
    text: str,
) -> None:
    path = frame.module.path
    if sink in _NEED_GRAD_MODE and _is_asked_for_rank(frame, lineage_of(leaf)):
        return
    if path != frame.analysis.target:
        # The sink stands in another file: this file's part in it is the call that hands the value over.
        entry = passages.entry_of(frame, lineage_of(leaf), frame.analysis.target)
        if entry is None:
            return
        path, node, written, callee = entry.path, entry.call, [entry.argument], entry.callee
        text = f"`{entry.callee}` hands it on to a sink: {text}"
    chosen = [detachable(frame, expression) for expression in written] or [detachable(frame, None)]
    detach = tuple(expression for found, _ in chosen for expression in found)
    unfixable = next((reason for _, reason in chosen if reason is not None), None)
    detach, unfixable = (detach, None) if unfixable is None else ((), unfixable)
    kind = _KINDS.get(sink, "call")
    sink = {"keeps": "logger", "lost": "copy"}.get(sink, sink)
    notes = (*notes_of(origin_of(leaf)), Note(path, node, text))
    spent = is_spent(lineage_of(leaf), frame.live)
    frame.analysis.emit(Event(kind, sink, callee, node, detach, notes, spent, unfixable))


def _is_asked_for_rank(frame: Frame, lineage: Lineage | None) -> bool:
    """Whether a condition around the sink asks how many dimensions the value has: others may get here."""
    same = set(passages.same_value(frame, lineage))
    current: Frame | None = frame
    while current is not None:
        if not same.isdisjoint(current.asked):
            return True
        current = current.caller
    return False


def array_operand(frame: Frame, node: ast.AST, left: Tensor) -> None:
    """`tensor + array`: numpy is asked to convert the tensor."""
    if isinstance(node, ast.BinOp) and tracked.tracking_leaf(frame, left) and frame.grad_on:
        text = "an array operand makes numpy convert the tensor, which raises"
        _emit_call(frame, node, "numpy", "an operator with an array", left, [node.left], text)


def array_item(frame: Frame, node: ast.Subscript, value: Value, source: ast.expr | None) -> None:
    """`array[i] = tensor`: a number warns, more than one raises."""
    leaf = tracked.tracking_leaf(frame, value)
    if leaf is not None and frame.grad_on and not frame.guarded:
        whole = isinstance(node.slice, ast.Slice)
        sink = "numpy" if whole else "number"
        text = "assigning into an array converts the tensor"
        _emit_call(
            frame,
            node,
            sink,
            "an array's item assignment",
            leaf,
            [source] if source is not None else [],
            text,
        )


def formatted_as_number(frame: Frame, node: ast.AST, value: Value) -> None:
    """`"%.3f" % tensor` converts it to a number, with a warning."""
    leaf = tracked.tracking_leaf(frame, value)
    if leaf is not None and frame.grad_on and isinstance(node, ast.BinOp):
        text = "the format converts the tensor to a number"
        _emit_call(frame, node, "number", "%", leaf, [node.right], text)


def object_item(
    frame: Frame, node: ast.Subscript, base: Object, value: Value, source: ast.expr | None
) -> None:
    """`table.loc[i] = [tensor]`: a data frame keeps the tensor itself as an object."""
    if not base.name.startswith("pandas."):
        return
    index = frame.analysis.seen.get(node.slice)
    if isinstance(index, Plain) and isinstance(index.constant, str):
        leaf = tracked.tracking_leaf(frame, value)
        if leaf is not None and frame.grad_on:
            written = [source] if source is not None else []
            _emit_call(
                frame,
                node,
                "array-library",
                "a data frame's column",
                leaf,
                written,
                "pandas converts the tensor to an array, which raises",
            )
        return
    place = (base.key, "[*]")
    keeping.collected(frame, node, "[...] =", value, source, place, frame.born(base.key))
