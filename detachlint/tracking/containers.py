"""Lists, dicts, sets and tuples: what is put in comes out again.

A container is a reference to its sites; what it holds lives in the environment, under constant keys where
they are known and under one common place where not. Keys and positions matter: `{"loss": loss, "n": 3}`
gives a number for `"n"`, and a loss for `"loss"` until it is overwritten by a detached one.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence as Many

from detachlint.tracking import consumption
from detachlint.tracking.analysis import Frame
from detachlint.tracking.places import ELEMENT, element, item
from detachlint.tracking.values import (
    PLAIN,
    Container,
    Plain,
    Sequence,
    Tensor,
    Tuple,
    Value,
    join_all,
)


def make(
    frame: Frame, node: ast.AST, values: Many[Value], kind: str = "list", keyed: bool = True
) -> Container:
    """A container that `node` allocates here, with these first items."""
    site = _site(frame, node)
    clear(frame, site)
    for position, value in enumerate(values):
        frame.put(item(site, position) if keyed else element(site), value)
    return Container((site,), kind)


def _site(frame: Frame, node: ast.AST) -> int:
    """A new number, or the one of the list that `node` made in an earlier iteration, if that one is gone.

    A list of states that is handed on lives beside the new one: the two need numbers of their own.
    """
    first = frame.site(node)
    if not frame.live.spent or not _is_handed_on(frame, first):
        return first
    second = frame.site(node, "other site")
    return first if _is_handed_on(frame, second) else second


def _is_handed_on(frame: Frame, site: int) -> bool:
    held = (frame.live.cells.get((site, offset)) for offset in frame.analysis.offsets_of(site))
    return any(consumption.comes_from_before(value) for value in held if value is not None)


def clear(frame: Frame, site: int) -> None:
    """The container at `site` is empty from here on."""
    for offset in frame.analysis.offsets_of(site):
        frame.live.cells.pop((site, offset), None)


def places(frame: Frame, container: Container) -> list[tuple[int, str]]:
    """The places inside a container that hold something here."""
    found = []
    for site in container.sites:
        for offset in frame.analysis.offsets_of(site):
            if offset[0] == "[" and frame.get((site, offset)) is not None:
                found.append((site, offset))
    return found


def contents(frame: Frame, container: Container) -> list[Value]:
    """All that a container may hold here."""
    values = (frame.get(place) for place in places(frame, container))
    return [value for value in values if value is not None]


def put(frame: Frame, container: Container, key: Value, value: Value) -> None:
    """`container[key] = value`: the old item is gone if there is one container and the key is constant."""
    constant = key.constant if isinstance(key, Plain) else ...
    for site in container.sites:
        if isinstance(constant, (str, int)) and len(container.sites) == 1:
            frame.put(item(site, constant), value)
        elif isinstance(constant, (str, int)):
            frame.add(item(site, constant), value)
        else:
            frame.add(element(site), value)


def add(frame: Frame, container: Container, value: Value) -> None:
    """The container may hold `value` too, at a position that is not known."""
    for site in container.sites:
        frame.add(element(site), value)


def mix(frame: Frame, container: Container, value: Value) -> None:
    """`value` comes in somewhere and the items move: each position may hold any of them."""
    held = join_all([*contents(frame, container), value])
    for place in places(frame, container):
        if held is not None:
            frame.add(place, held)


def update(frame: Frame, container: Container, other: Value) -> None:
    """`container.update(other)`, with the keys kept where they are known."""
    if isinstance(other, Container):
        for place in places(frame, other):
            value = frame.get(place)
            if value is not None:
                for site in container.sites:
                    frame.add((site, place[1]), value)
        return
    if isinstance(other, (Tuple, Sequence)):
        add(frame, container, iterate(frame, other))


def item_of(frame: Frame, base: Value, index: Value, node: ast.AST) -> Value:
    """What indexing a tuple, sequence, list or dict gives; a slice gives one of the same kind."""
    if isinstance(index, Plain) and index.constant is slice:
        return Sequence(iterate(frame, base)) if isinstance(base, Tuple) else base
    constant = index.constant if isinstance(index, Plain) else ...
    if isinstance(base, Tuple):
        if isinstance(constant, int) and -len(base.items) <= constant < len(base.items):
            return base.items[constant]
        return join_all(base.items) or PLAIN
    if isinstance(base, Sequence):
        return base.element
    assert isinstance(base, Container)
    return _stored(frame, base, _from_front(frame, base, constant), node)


def _from_front(frame: Frame, base: Container, constant: object) -> object:
    """The position that a negative index means, where all items stand at known positions."""
    if not isinstance(constant, int) or constant >= 0 or base.kind == "dict" or len(base.sites) != 1:
        return constant
    if frame.get(element(base.sites[0])) is not None:
        return constant
    return max(constant + len(places(frame, base)), 0)


def _stored(frame: Frame, base: Container, constant: object, node: ast.AST) -> Value:
    found: list[Value] = []
    for site in base.sites:
        exact = frame.get(item(site, constant)) if isinstance(constant, (str, int)) else None
        common = frame.get(element(site))
        from_behind = isinstance(constant, int) and constant < 0 and base.kind != "dict"
        if exact is not None:
            found.append(exact)
        elif from_behind:  # the list has grown, or not: its last item is any of them
            found += contents(frame, Container((site,), base.kind))
        elif isinstance(constant, (str, int)) and (base.kind == "dict" or common is not None):
            found += [common] if common is not None else []
        else:
            found += contents(frame, Container((site,), base.kind))
    joined = join_all(found)
    if joined is not None:
        return joined
    return frame.analysis.unknown(frame.analysis.keys("item", node))


def iterate(frame: Frame, value: Value) -> Value:
    """What a loop variable over a container holds: a dict gives its keys."""
    if isinstance(value, Tuple):
        return join_all(value.items) or PLAIN
    if isinstance(value, Sequence):
        return value.element
    assert isinstance(value, Container)
    if value.kind == "dict":
        return PLAIN
    joined = join_all(contents(frame, value))
    return joined if joined is not None else frame.analysis.unknown(frame.analysis.keys("site", *value.sites))


def operate(frame: Frame, node: ast.AST, left: Value, right: Value) -> Value:
    """`left + right` of sequences, or `left * number`: something that holds the elements of both."""
    if isinstance(left, Tuple) and isinstance(right, Tuple):
        return Tuple(left.items + right.items)
    parts = [part for part in (left, right) if isinstance(part, (Tuple, Sequence, Container))]
    values = [iterate(frame, part) for part in parts]
    return make(frame, node, [join_all(values) or PLAIN], keyed=False)


def values_of(frame: Frame, container: Container) -> Value:
    """The join of a dict's values."""
    joined = join_all(contents(frame, container))
    return (
        joined
        if joined is not None
        else frame.analysis.unknown(frame.analysis.keys("site", *container.sites))
    )


def unpack(frame: Frame, value: Value, count: int, node: ast.AST) -> list[Value] | None:
    """The items of a tuple or list of known length; None where they are all alike."""
    if isinstance(value, Tuple):
        if len(value.items) == count:
            return list(value.items)
        return None
    if isinstance(value, (Sequence, Tensor)):
        return next((list(row.items) for row in value.rows if len(row.items) == count), None)
    if isinstance(value, Container) and value.kind == "list" and len(value.sites) == 1:
        found = [frame.get(item(value.sites[0], position)) for position in range(count)]
        if frame.get((value.sites[0], ELEMENT)) is None and all(part is not None for part in found):
            return [part for part in found if part is not None]
    return None
