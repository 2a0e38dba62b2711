"""Assigning to names, attributes, items and unpackings; the place an expression denotes."""

from __future__ import annotations

import ast
from dataclasses import replace

from detachlint.tracking import (
    accumulation,
    containers,
    expressions,
    feeding,
    forgetting,
    inlining,
    inplace,
    keeping,
    library,
    methods,
    sinks,
)
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.places import OUTSIDE, UNSEEN, Place, attribute, element
from detachlint.tracking.values import (
    ARRAY,
    Class,
    Container,
    Doubt,
    Function,
    Grad,
    Instance,
    Module,
    Namespace,
    Object,
    Plain,
    Tensor,
    Unknown,
    Value,
    tracks,
)


def assign(frame: Frame, target: ast.expr, value: Value, source: ast.expr | None = None) -> None:
    """`target = value`; `source` is the expression that the value was written as."""
    if isinstance(target, ast.Name):
        assign_name(frame, target.id, value)
    elif isinstance(target, ast.Attribute):
        _assign_attribute(frame, target, value)
        forgetting.stored(frame, target, value)
    elif isinstance(target, ast.Subscript):
        _assign_item(frame, target, value, source)
        forgetting.stored(frame, target, value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(frame, target, value, source)
    elif isinstance(target, ast.Starred):
        found = containers.make(frame, target, [value], keyed=False)
        assign(frame, target.value, found)


def hold(frame: Frame, target: ast.expr, value: Value) -> None:
    """Put a value into the place of `target`; that it is kept there has been told already."""
    place = place_of(frame, target)
    if place is not None:
        frame.put(place, value)
    forgetting.stored(frame, target, value)


def name_place(frame: Frame, name: str) -> Place:
    """The place that assigning to `name` writes: `global` and `nonlocal` look further out."""
    definition = frame.definition
    if definition is None or name not in definition.body.outside_names:
        return (frame.scope, name)
    for scope in frame.scopes[1:]:
        if frame.get((scope, name)) is not None:
            return (scope, name)
    return (frame.scopes[-1], name)


def assign_name(frame: Frame, name: str, value: Value, born: int | None = None) -> None:
    """Bind a name; it is born here unless it goes on living from before."""
    place = name_place(frame, name)
    frame.put(place, value)
    outside = frame.definition is not None and name in frame.definition.body.outside_names
    frame.live.born[place] = OUTSIDE if outside else frame.depth if born is None else born
    for condition in [text for text in frame.live.splits if name in text]:
        del frame.live.splits[condition]
    if frame.live.mode_if is not None and name in frame.live.mode_if.condition:
        frame.live.mode_if = None


def _unpack(frame: Frame, target: ast.Tuple | ast.List, value: Value, source: ast.expr | None) -> None:
    parts = containers.unpack(frame, value, len(target.elts), target)
    starred = any(isinstance(part, ast.Starred) for part in target.elts)
    written = source.elts if isinstance(source, (ast.Tuple, ast.List)) else []
    for position, part in enumerate(target.elts):
        if parts is not None and not starred:
            item = parts[position]
        elif isinstance(value, Unknown):
            item = expressions.part_of(frame, value, f"[{position!r}]")
        elif isinstance(value, Module) and value.name == UNSEEN and position > 0:
            item = frame.analysis.unknown(frame.analysis.keys("beside", value.key, position))
        elif starred:
            item = expressions.iterate(frame, value, target)
        else:
            item = expressions.item_of(frame, value, Plain(position), part)
        assign(frame, part, item, written[position] if position < len(written) else None)


def _assign_attribute(frame: Frame, target: ast.Attribute, value: Value) -> None:
    base = expressions.evaluate(frame, target.value)
    if target.attr == "requires_grad":
        _switch_grad(frame, target, base, value)
        return
    if target.attr == "grad":
        feeding.handled(frame, base)
    if target.attr in ("data", "grad") and isinstance(base, (Tensor, Unknown)):
        if target.attr == "data" and isinstance(base, Unknown):
            _exchange(frame, target, base)
        return
    store_attribute(frame, target, base, target.attr, value)


def _exchange(frame: Frame, target: ast.Attribute, base: Unknown) -> None:
    """`for p in self.parameters: p.data = other.data`: only of a parameter the data alone is exchanged."""
    statement = frame.statement
    written = statement.value if isinstance(statement, ast.Assign) else None
    if written is None or not isinstance(target.value, ast.Name) or base.key < 0:
        return
    reads_data = any(isinstance(part, ast.Attribute) and part.attr == "data" for part in ast.walk(written))
    root, path = _way_to(frame, base.key)
    # A loop gives it, or a loop's row has it as an item.
    if reads_data and any(kind == "element" for kind, _ in path):
        note = frame.note(
            target, f"`{ast.unparse(target)}` is exchanged: it is a parameter, which requires grad"
        )
        facts = frame.analysis.facts
        facts.weights.setdefault(base.key, note)
        facts.weights_in.setdefault(root, {}).setdefault(path, note)


def _way_to(frame: Frame, key: int) -> tuple[int, tuple[tuple[str, str], ...]]:
    """What something is an item of an item of, and the way there."""
    path: list[tuple[str, str]] = []
    kind, *rest = frame.analysis.keys.thing(key)
    while kind in ("part", "element") and isinstance(rest[0], int) and str(rest[1])[0] == "[":
        path.insert(0, (str(kind), str(rest[1])))
        key = rest[0]
        kind, *rest = frame.analysis.keys.thing(key)
    return key, tuple(path)


def _switch_grad(frame: Frame, target: ast.Attribute, base: Value, value: Value) -> None:
    on = methods.switch(frame, base, value)
    if isinstance(base, Tensor):
        flag = Arguments((value,))
        call = methods.call_method(frame, target, base, "requires_grad_", flag)
        place = place_of(frame, target.value)
        if place is not None and (on or not tracks(base) or base.leaf):
            frame.put(place, call)


def store_attribute_named(frame: Frame, base: Value, name: Value, value: Value) -> None:
    """`setattr(base, name, value)`; a computed name says nothing."""
    if isinstance(name, Plain) and isinstance(name.constant, str):
        for place in _attribute_places(frame, base, name.constant):
            frame.put(place, value)


def store_attribute(frame: Frame, node: ast.AST, base: Value, name: str, value: Value) -> None:
    """`base.name = value`, through a property's setter or `__setattr__` where there is one."""
    if isinstance(base, Instance) and _through_setter(frame, node, base, name, value):
        return
    if isinstance(base, Unknown):
        library.escape(frame, node, [value])
    places = _attribute_places(frame, base, name)
    for place in places:
        # An object or container stays itself: the place it is held in says nothing of what it holds.
        alias = isinstance(value, (Container, Instance))
        held = value if alias else keeping.marked(frame, node, value, place)
        if len(places) == 1:
            frame.put(place, held)
        else:
            frame.add(place, held)


def _through_setter(frame: Frame, node: ast.AST, base: Instance, name: str, value: Value) -> bool:
    setter = base.klass.method(name + ".setter")
    if setter is not None:
        inlining.call_function(frame, node, Function(setter, base), Arguments((value,)))
        return True
    # `__setattr__` may detach what it stores; of what does not track there is nothing to learn.
    hook = base.klass.method("__setattr__") if tracks(value) else None
    if hook is None or (frame.definition is not None and frame.definition is hook):
        return False
    inlining.call_function(frame, node, Function(hook, base), Arguments((Plain(name), value)))
    return True


def _attribute_places(frame: Frame, base: Value, name: str) -> list[Place]:
    if isinstance(base, Instance):
        return [attribute(site, name) for site in base.sites]
    if isinstance(base, (Unknown, Module, Object)):
        return [attribute(base.key, name)]
    if isinstance(base, Class):
        return [(base.klass.scope, name)]
    if isinstance(base, Namespace):
        return [(base.scope, name)]
    return []


def _assign_item(frame: Frame, target: ast.Subscript, value: Value, source: ast.expr | None) -> None:
    base = expressions.evaluate(frame, target.value)
    index = expressions.evaluate(frame, target.slice)
    if isinstance(base, Tensor):
        inplace.written_into(frame, target, base, value, source, "[...] =")
    elif isinstance(base, Container):
        _put_item(frame, target, base, index, value, source)
    elif isinstance(base, Unknown) and _is_of_tensor(target.slice):
        if frame.grad_on:  # the tensor has the graph from now on, and who reads of it cannot be seen
            library.escape(frame, target, [value])
        else:
            expressions.measure(frame, value, target)
    elif isinstance(base, Unknown):
        place = expressions.item_place(base.key, index)
        constant = isinstance(index, Plain) and isinstance(index.constant, (str, int))
        # What a call gave is most often made by it, as a display would be: one slot of it does not grow.
        if not (constant and frame.analysis.root_of(base.key)[0] == "call"):
            born = frame.born(base.key)
            keeping.collected(frame, target, "[...] =", value, source, place, born, seen=False)
        (frame.put if constant else frame.add)(place, keeping.marked(frame, target, value, place))
    elif isinstance(base, Object) and base.name == ARRAY:
        sinks.array_item(frame, target, value, source)
    elif isinstance(base, Instance):
        methods.call_method(frame, target, base, "__setitem__", Arguments((index, value)))
    elif isinstance(base, Object):
        sinks.object_item(frame, target, base, value, source)


def _is_of_tensor(index: ast.expr) -> bool:
    """`bank[rows, :]` and `batch[t, rows, 0]` are what only tensors have."""
    if not isinstance(index, ast.Tuple):
        return False
    whole = (isinstance(part, ast.Constant) and isinstance(part.value, int) for part in index.elts)
    return any(whole) or any(isinstance(part, ast.Slice) for part in index.elts)


def _put_item(
    frame: Frame,
    target: ast.Subscript,
    base: Container,
    index: Value,
    value: Value,
    source: ast.expr | None,
) -> None:
    constant = isinstance(index, Plain) and isinstance(index.constant, (str, int))
    for site in base.sites:
        # One slot that is overwritten does not grow; a slot per step does.
        one = constant or _is_written_out(frame, site)
        if not one and not accumulation.only_itself(frame, target, source, Grad.TRACKS):
            keeping.collected(frame, target, "[...] =", value, source, element(site), frame.born(site))
    held = keeping.marked(frame, target, value, expressions.item_place(base.sites[0], index))
    containers.put(frame, base, index, held)


def _is_written_out(frame: Frame, site: int) -> bool:
    """Whether a list is `[low, high]` in the text: writing into its slots does not give it more of them."""
    _, *rest = frame.analysis.keys.thing(site)
    written = rest[0].elts if rest and isinstance(rest[0], ast.List) else []
    return bool(written) and not any(isinstance(part, ast.Starred) for part in written)


def place_of(frame: Frame, node: ast.AST) -> Place | None:
    """The place that an expression denotes: a name, an attribute, an item under a constant key."""
    if isinstance(node, ast.Name):
        return _name_place(frame, node.id)
    if isinstance(node, ast.Attribute):
        places = _attribute_places(frame, _known(frame, node.value), node.attr)
        return places[0] if len(places) == 1 else None
    if isinstance(node, ast.Subscript):
        base, index = _known(frame, node.value), _known(frame, node.slice)
        if isinstance(base, Container) and len(base.sites) == 1:
            return expressions.item_place(base.sites[0], index)
        if isinstance(base, Unknown):
            return expressions.item_place(base.key, index)
        if isinstance(base, Tensor):
            return place_of(frame, node.value)
    return None


def _name_place(frame: Frame, name: str) -> Place | None:
    for scope in frame.scopes:
        if frame.get((scope, name)) is not None:
            return (scope, name)
    return None


def _known(frame: Frame, node: ast.expr) -> Value:
    value = frame.analysis.seen.get(node)
    if value is None or isinstance(node, ast.Name):
        return expressions.evaluate(frame, node)
    return value


def base_of(frame: Frame, receiver: ast.expr, *results: str) -> ast.expr:
    """The expression whose tensor a chain of methods hands on: `x` of `x.mul_(a)` in `x.mul_(a).add_(b)`.

    `results` are the words of the models for methods that hand it on. `x.clone().add_(b)` leaves `x` alone.
    """
    while isinstance(receiver, ast.Call) and isinstance(receiver.func, ast.Attribute):
        call = frame.analysis.models.method("torch.Tensor", receiver.func.attr)
        if call is None or call.result not in results:
            break
        receiver = receiver.func.value
    return receiver


def rebind(frame: Frame, node: ast.AST, value: Value) -> None:
    """An in-place method changed its receiver: the place it stands for holds `value` now."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    place = place_of(frame, base_of(frame, node.func.value, "same", "into"))
    if place is not None:
        frame.put(place, value)


def settle_doubt(frame: Frame, node: ast.AST, value: Tensor) -> None:
    """A method of tensors was called on it: from here on it is one."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    place = place_of(frame, node.func.value)
    if place is not None and frame.live.cells.get(place) is value:
        frame.live.cells[place] = replace(value, doubt=value.doubt & Doubt.PART)


def delete(frame: Frame, target: ast.expr) -> None:
    """`del target`; `del items[:]` empties a list."""
    if isinstance(target, ast.Subscript) and _is_everything(target.slice):
        held = _known(frame, target.value)
        for site in held.sites if isinstance(held, Container) and len(held.sites) == 1 else ():
            containers.clear(frame, site)
        return
    place = place_of(frame, target)
    if place is not None and isinstance(target, ast.Name):
        frame.live.cells.pop(place, None)


def _is_everything(index: ast.expr) -> bool:
    return isinstance(index, ast.Slice) and index.lower is None and index.upper is None
