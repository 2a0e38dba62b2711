"""Where values end up: what a call does with a tracking tensor, and what is kept beyond its time.

Calls are told to the rules at once. Keeps are written down and wait for the fate of their place (`fates`).
A value that entered through a call's argument and is kept by the callee is the caller's to detach: the
finding stands at the call, where a person would put the `.detach()`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from detachlint.models import Call
from detachlint.tracking import classes, containers, expressions, targets
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.events import Event, EventKind, Note
from detachlint.tracking.fates import Keep, Use, ancestors, is_spent
from detachlint.tracking.places import OUTSIDE, Place
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import (
    NONE,
    TEXT,
    Container,
    Entry,
    Exit,
    Grad,
    Instance,
    Lineage,
    Object,
    Origin,
    Plain,
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

_NEED_GRAD_MODE = frozenset({"numpy", "array-library", "number"})
_KINDS: dict[str, EventKind] = {"copy": "copy", "lost": "copy", "keeps": "keep"}


def tracking_leaf(frame: Frame, value: Value, deep: bool = True, text: bool = False) -> Value | None:
    """The first part of a value that requires grad; `text` made of a tensor counts where it is asked for."""
    leaves = expressions.flatten(frame, value) if deep else [value]
    return next((leaf for leaf in leaves if tracks(leaf) and (text or not _is_text(leaf))), None)


def _is_text(value: Value) -> bool:
    return isinstance(value, Object) and value.name == TEXT


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
    for _, expression, value in _looked_at(node, call, receiver, arguments):
        if call.sink == "copy" and isinstance(value, Instance) and value.klass.method("__deepcopy__") is None:
            value = Tuple(tuple(classes.held(frame, value)))
        if not call.direct and isinstance(value, Tensor):
            continue
        leaf = _refused_leaf(frame, value, call)
        if leaf is None:
            continue
        first = first or leaf
        written += [expression] if expression is not None else []
    if first is not None:
        text = call.note or f"`{name}` gets it"
        _emit_call(frame, node, call.sink, name.replace("torch.Tensor", "Tensor"), first, written, text)


def _refused_leaf(frame: Frame, value: Value, call: Call) -> Value | None:
    if call.sink != "copy":
        return tracking_leaf(frame, value, call.deep, text=call.sink == "text")
    # Leaves of the graph, parameters above all, can be copied.
    leaves = expressions.flatten(frame, value)
    found = (leaf for leaf in leaves if tracks(leaf) and not _is_leaf(leaf) and not _is_text(leaf))
    return next(found, None)


def _is_leaf(value: Value) -> bool:
    return isinstance(value, Tensor) and value.leaf


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
    if path != frame.analysis.target:
        # The sink stands in another file: this file's part in it is the call that hands the value over.
        entry = _entry(frame, lineage_of(leaf), frame.analysis.target)
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
    notes = (*_why(frame, origin_of(leaf)), Note(path, node, text))
    spent = is_spent(lineage_of(leaf), frame.live)
    frame.analysis.emit(Event(kind, sink, callee, node, detach, notes, spent, unfixable))


def _why(frame: Frame, origin: Origin | None) -> list[Note]:
    steps = origin.steps() if origin is not None else []
    return [Note(step.path, step.node, step.text) for step in steps]


def array_operand(frame: Frame, node: ast.AST, left: Tensor) -> None:
    """`tensor + array`: numpy is asked to convert the tensor."""
    if isinstance(node, ast.BinOp) and tracks(left) and frame.grad_on:
        text = "an array operand makes numpy convert the tensor, which raises"
        _emit_call(frame, node, "numpy", "an operator with an array", left, [node.left], text)


def array_item(frame: Frame, node: ast.Subscript, value: Value, source: ast.expr | None) -> None:
    """`array[i] = tensor`: a number warns, more than one raises."""
    leaf = tracking_leaf(frame, value)
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
    leaf = tracking_leaf(frame, value)
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
        leaf = tracking_leaf(frame, value)
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
    collected(frame, node, "[...] =", value, source, place, frame.born(base.key))


def marked(frame: Frame, node: ast.AST, value: Value, place: Place) -> Value:
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
        return _marked_row(frame, node, value, place)
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


def _marked_row(frame: Frame, node: ast.AST, value: Container, place: Place) -> Container:
    """A dict as it is read back: a copy, because the one at hand is not read from the place."""
    copy = frame.analysis.keys("row", node, value.sites[0], frame.context)
    frame.live.born[copy] = frame.born(value.sites[0])
    for cell in containers.places(frame, value):
        held = frame.get(cell)
        if held is not None:
            frame.put((copy, cell[1]), marked(frame, node, held, (place[0], place[1] + cell[1])))
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
    if _is_local_to_forward(frame, born) and not _is_spent_already(frame, value):
        return
    for part, expression, suffix in _parts(frame, value, written):
        leaf = _kept_leaf(frame, part)
        if leaf is not None:
            place_of_part = (place[0], place[1] + suffix)
            _keep_leaf(frame, node, how, callee, leaf, expression, place_of_part, born, seen, read, suffix)
    if not seen:
        frame.analysis.fates.use_place(place, Use.ESCAPED, node)


def _is_local_to_forward(frame: Frame, born: int) -> bool:
    """Whether a module computes its output here: what it collects on the way is for its output."""
    current: Frame | None = frame
    while current is not None:
        definition = current.definition
        if definition is not None and definition.owner is not None and definition.owner.is_module:
            if definition.name in ("forward", "__call__") and born >= current.entry_depth:
                return True
        current = current.caller
    return False


def _is_spent_already(frame: Frame, value: Value) -> bool:
    """Whether a backward has consumed the value's graph already."""
    leaf = tracking_leaf(frame, value)
    return leaf is not None and is_spent(lineage_of(leaf), frame.live)


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
    lineage = lineage_of(leaf)
    entry, exit_ = _entry(frame, lineage), _exit(lineage)
    if entry is not None and _is_inside(frame, place[0], entry.context):
        entry = None
    path, stands, sink = frame.module.path, node, how
    if entry is not None:
        path, stands, written, callee = entry.path, entry.call, entry.argument, entry.callee
        sink = "store" if how != "add" and _is_collection(frame) else "logger"
    detach, unfixable = detachable(frame, written)
    if not detach and written is not None and not tracks(frame.analysis.seen.get(written, NONE)):
        detach, unfixable = (written,), None
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
            part=part,
        )
    )


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


def _exit(lineage: Lineage | None) -> Exit | None:
    return next((ancestor.left for ancestor in ancestors(lineage) if ancestor.left is not None), None)


def leaving(frame: Frame, node: ast.AST, value: Value, written: ast.expr | None) -> Value:
    """A value returned to a caller in sight: it remembers if this function has spent its graph."""
    if frame.caller is None or len(frame.live.spent) <= frame.spent_before:
        return value
    leaf = tracking_leaf(frame, value)
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


def _kept_leaf(frame: Frame, value: Value) -> Value | None:
    leaf = tracking_leaf(frame, value)
    if leaf is not None and not _is_leaf(leaf):
        return leaf
    if isinstance(value, Unknown):
        for offset, note in frame.analysis.facts.parts.get(value.key, {}).items():
            part = frame.get((value.key, offset))
            if part is None or tracks(part):
                return Tensor(Grad.TRACKS, Origin(note.path, note.node, note.text), value.lineage)
    return None


def _entry(frame: Frame, lineage: Lineage | None, path: str | None = None) -> Entry | None:
    """The outermost call, still running (and in the file `path`), through whose argument the value came in."""
    contexts: dict[int, int] = {}
    current: Frame | None = frame
    while current is not None:
        contexts[current.context] = current.level
        current = current.caller
    found: Entry | None = None
    for ancestor in _same_value(frame, lineage):
        entry = ancestor.entered
        if entry is None or not entry.tracked or entry.context not in contexts:
            continue
        if entry.path != path if path is not None else not entry.only_taken:
            continue
        if found is None or contexts[entry.context] < contexts[found.context]:
            found = entry
    return found


def _is_inside(frame: Frame, base: int, context: int) -> bool:
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


def _same_value(frame: Frame, lineage: Lineage | None) -> Iterator[Lineage]:
    """The definitions from which this value came by operators and passing on, not by another call's making."""
    stack = [lineage] if lineage is not None else []
    seen: set[Lineage] = set()
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        if current.key < 0 or frame.analysis.keys.thing(current.key)[0] != "call":
            stack.extend(current.parents)


def comprehension(frame: Frame, node: ast.expr, body: ast.expr, value: Value, place: Place) -> None:
    """`losses = [f(x) for x in xs]` collects a value per iteration, if `f` makes it and the list has a name."""
    statement = frame.statement
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Return)) or statement.value is not node:
        return
    if _was_kept(lineage_of(value)):
        return
    keep(frame, node, "collect", "the comprehension", value, body, place, frame.depth, read=True)


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
    leaf = tracking_leaf(frame, value) or layer_input(frame, node, value)
    if leaf is None:
        return receiver
    base = targets.base_of(frame, node.value if isinstance(node, ast.Subscript) else node)
    place = targets.place_of(frame, base) if base is not None else None
    if place is None or _is_view_of_data(base):
        return expressions.derive(frame, node, [receiver, leaf])
    if not tracking_leaf(frame, value) and place not in frame.analysis.buffers:
        return expressions.derive(frame, node, [receiver, value])
    born = _born_of(frame, place)
    result = expressions.derive(frame, node, [receiver, leaf])
    if not receiver.leaf and (born < frame.depth or born == OUTSIDE):
        outside = place[1][0] in ".[" and frame.born(place[0]) == OUTSIDE
        sink = "statistic" if outside or _is_running(how) else "collect"
        text = f"{ast.unparse(base) if base is not None else ''}{how}"
        keep(frame, _statement(frame, node), sink, text, leaf, written, place, born)
    frame.put(place, marked(frame, node, result, place))
    return result


def layer_input(frame: Frame, node: ast.AST, value: Value) -> Value | None:
    """A value that a layer's forward computed from its inputs.

    Whether these track is up to the layers before it; behind one that is trained they do. That is enough
    where a registered buffer is concerned, which must never take on a graph, and nowhere else.
    """
    definition = frame.definition
    if definition is None or definition.owner is None or not definition.owner.is_module:
        return None
    if definition.name != "forward" or grad_of(value) is not Grad.UNKNOWN:
        return None
    own = {parameter for parameter in definition.node.args.args[1:]}
    things = (frame.analysis.keys.thing(a.key) for a in ancestors(lineage_of(value)) if a.key >= 0)
    if not any(thing[0] == "arg" and thing[1] in own for thing in things):
        return None
    origin = frame.origin(
        node, "it is computed from the inputs of `forward`, which track behind trained layers"
    )
    return Tensor(Grad.TRACKS, origin, lineage_of(value))


def _is_running(how: str) -> bool:
    return how not in ("[...] =", ".index_copy_", ".scatter_")


def _statement(frame: Frame, node: ast.AST) -> ast.AST:
    return frame.statement if frame.statement is not None and isinstance(node, ast.Subscript) else node


def _is_view_of_data(base: ast.expr | None) -> bool:
    return isinstance(base, ast.Attribute) and base.attr == "data"


def _born_of(frame: Frame, place: Place) -> int:
    return frame.born(place[0]) if place[1][0] in ".[" else frame.born(place)


def accumulated(
    frame: Frame,
    node: ast.stmt,
    target: ast.expr,
    value: Value,
    written: ast.expr,
    place: Place | None,
    how: str,
) -> Value:
    """A place took on a value computed from its own old one: the graphs of all iterations are chained."""
    if place is None:
        return value
    born = _born_of(frame, place)
    if born >= frame.depth and born != OUTSIDE:
        return value
    keep(frame, node, how, f"{ast.unparse(target)}", value, written, place, born)
    return marked(frame, node, value, place)
