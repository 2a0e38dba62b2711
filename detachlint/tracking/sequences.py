"""Methods of lists, dicts, sets and tuples; putting something into an unknown object's list."""

from __future__ import annotations

import ast
import collections

from detachlint.tracking import containers, expressions, keeping, library
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.places import element
from detachlint.tracking.values import (
    NONE,
    PLAIN,
    Container,
    Doubt,
    Plain,
    Sequence,
    Tuple,
    Unknown,
    Value,
    doubted,
    join,
    join_all,
)

_ADD_LAST = frozenset({"append", "add", "appendleft", "put", "push", "put_nowait", "insert"})
_ADD_MANY = frozenset({"extend", "extendleft"})
_TAKE = frozenset({"pop", "popleft", "get", "get_nowait"})


def call(
    frame: Frame, node: ast.AST, receiver: Container | Tuple | Sequence, name: str, arguments: Arguments
) -> Value:
    """`receiver.name(...)` for Python's own containers."""
    if isinstance(receiver, Container):
        return _container(frame, node, receiver, name, arguments)
    if name in ("items", "values", "keys") or name.startswith("__"):
        return receiver
    for value in arguments.values():
        expressions.measure(frame, value, node)
    return receiver if name in ("copy", "__iter__") else PLAIN


def _container(frame: Frame, node: ast.AST, receiver: Container, name: str, arguments: Arguments) -> Value:
    if name in _ADD_LAST and arguments.positional:
        index = len(arguments.positional) - 1 if name == "insert" else 0
        _add(frame, node, receiver, name, arguments, index)
        return NONE
    if name in _ADD_MANY and arguments.positional:
        _extend(frame, node, receiver, name, arguments)
        return NONE
    if name == "update":
        _update(frame, node, receiver, arguments)
        return NONE
    if name == "setdefault":
        return _setdefault(frame, node, receiver, arguments)
    if name == "clear":
        for site in receiver.sites:
            containers.clear(frame, site)
        return NONE
    if name in _TAKE:
        return _take(frame, node, receiver, name, arguments)
    return _view(frame, node, receiver, name, arguments)


def _add(
    frame: Frame, node: ast.AST, receiver: Container, name: str, arguments: Arguments, index: int
) -> None:
    value = arguments.positional[index]
    written = arguments.expressions[index] if index < len(arguments.expressions) else None
    if name in ("insert", "appendleft"):
        containers.mix(frame, receiver, value)
    for site in receiver.sites:
        # A deque with a bound holds its last graphs and no more.
        if receiver.kind != "ring":
            born, seen = frame.born(site), not receiver.open
            keeping.collected(frame, node, name, value, written, element(site), born, seen)
        frame.add(element(site), keeping.marked(frame, node, value, element(site)))


def _extend(frame: Frame, node: ast.AST, receiver: Container, name: str, arguments: Arguments) -> None:
    value = expressions.iterate(frame, arguments.positional[0], node)
    written = arguments.expressions[0] if arguments.expressions else None
    for site in receiver.sites:
        born, seen = frame.born(site), not receiver.open
        keeping.collected(frame, node, name, value, written, element(site), born, seen)
        frame.add(element(site), keeping.marked(frame, node, value, element(site)))


def _update(frame: Frame, node: ast.AST, receiver: Container, arguments: Arguments) -> None:
    for other in arguments.positional:
        containers.update(frame, receiver, other)
    for key, value in arguments.keywords.items():
        containers.put(frame, receiver, Plain(key), value)


def _setdefault(frame: Frame, node: ast.AST, receiver: Container, arguments: Arguments) -> Value:
    key = arguments.get(0) or PLAIN
    default = arguments.get(1) or NONE
    found = [frame.get(expressions.item_place(site, key)) for site in receiver.sites]
    old = join_all(value for value in found if value is not None)
    value = default if old is None else join(old, default)
    if isinstance(default, Container):
        # The default list was not made for this iteration if an earlier one put it there: it lives as
        # long as the dict does.
        for site in default.sites:
            frame.live.born[site] = min(frame.born(owner) for owner in receiver.sites)
    containers.put(frame, receiver, key, value)
    return value


def _take(frame: Frame, node: ast.AST, receiver: Container, name: str, arguments: Arguments) -> Value:
    if receiver.kind == "dict":
        index = arguments.get(0) or PLAIN
        found = containers.item_of(frame, receiver, index, node)
        default = arguments.get(1)
        if default is None:
            return doubted(found, Doubt.PATH) if name == "get" else found
        return join(found, default)
    return containers.iterate(frame, receiver)


def _view(frame: Frame, node: ast.AST, receiver: Container, name: str, arguments: Arguments) -> Value:
    if name == "items":
        return Sequence(Tuple((PLAIN, containers.values_of(frame, receiver))))
    if name == "values":
        return Sequence(containers.values_of(frame, receiver))
    if name in ("copy", "__iter__", "union", "most_common"):
        return receiver
    for value in arguments.values():
        expressions.measure(frame, value, node)
    return PLAIN


_OF_COLLECTIONS = frozenset(
    {
        *dir(list),
        *dir(dict),
        *dir(set),
        *dir(collections.deque),
        *_ADD_LAST,
        *_ADD_MANY,
        "get",
        "qsize",
        "empty",
    }
)


def _is_object_of_its_own(frame: Frame, node: ast.AST) -> bool:
    """`record.append(x)` beside `record.batch_size`: its class does with it what it likes."""
    method = node.func if isinstance(node, ast.Call) else None
    owner = method.value if isinstance(method, ast.Attribute) else None
    if not isinstance(owner, ast.Name) or frame.definition is None:
        return False
    return any(
        isinstance(part, ast.Attribute)
        and isinstance(part.value, ast.Name)
        and part.value.id == owner.id
        and part.attr not in _OF_COLLECTIONS
        for part in ast.walk(frame.definition.node)
    )


def store_unknown(frame: Frame, node: ast.AST, receiver: Unknown, name: str, arguments: Arguments) -> Value:
    """`something.append(x)` where nothing is known of `something`: it outlives, and it has escaped."""
    if name not in _ADD_LAST and name not in _ADD_MANY:
        return PLAIN
    if _is_object_of_its_own(frame, node):
        library.escape(frame, node, arguments.values())
        return NONE
    index = len(arguments.positional) - 1 if name == "insert" else 0
    value = arguments.positional[index]
    if name in _ADD_MANY:
        value = expressions.iterate(frame, value, node)
    written = arguments.expressions[index] if index < len(arguments.expressions) else None
    place = element(receiver.key)
    keeping.collected(frame, node, name, value, written, place, frame.born(receiver.key), seen=False)
    frame.add(place, keeping.marked(frame, node, value, place))
    return NONE
