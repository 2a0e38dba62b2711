"""What every place holds at one point of the program.

One flat table of cells serves names, attributes and items alike, so that closures, globals, aliases and
objects need no machinery of their own. A branch copies the table, and where branches meet the tables are
joined place by place; a loop joins its end into its head until nothing changes. Beside the cells go the
depth at which each place was born, the lineages that a backward has consumed, and the grad mode.

Two branches of the same unchanged condition (`if train:` ... `if train:`) belong together. A join
remembers for which condition a place got which value, and a later test of it takes the right one again.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import compress
from operator import is_not

from detachlint.tracking.consumption import Consumption, whole
from detachlint.tracking.places import Place, element, is_item
from detachlint.tracking.values import GradMode, Lineage, Value, join


@dataclass(frozen=True, slots=True)
class Split:
    """What a place held on the two sides of a condition, and the value they were joined to."""

    joined: Value
    when_true: Value
    when_false: Value


@dataclass(frozen=True, slots=True)
class Switch:
    """A module's parameters were told whether to require grad; `when` says which telling is the later."""

    when: int
    on: bool


@dataclass(frozen=True, slots=True)
class Sides:
    """How the two sides of a condition differ: their values, and what only one of them has spent."""

    places: dict[Place, Split]
    spent_if_true: frozenset[Lineage] = frozenset()
    spent_if_false: frozenset[Lineage] = frozenset()


@dataclass(frozen=True, slots=True)
class Pending:
    """A backward that waits for what becomes of the gradients it made.

    `stepped` are the owners of the parameters that were stepped after it and before any other backward,
    `zeroed` those whose gradients were cleared since; `later` are the graphs that were differentiated since.
    `functions` are running. `raises`: a part of the graph was consumed before. `lost`: what became of the
    gradients cannot be seen. `retained`: it left its graph as it was.
    """

    node: ast.AST
    path: str
    lineage: Lineage
    stepped: frozenset[int] = frozenset()
    zeroed: frozenset[int] = frozenset()
    later: tuple[Lineage, ...] = ()
    functions: frozenset[ast.AST] = frozenset()
    raises: bool = False
    lost: bool = False
    retained: bool = False


@dataclass(frozen=True, slots=True)
class ModeIf:
    """Grad mode is on if a condition, asked in the function of this `scope`, is of this `sense`."""

    scope: int
    condition: str
    sense: bool


class State:
    """The environment at one point; copied at branches, joined where they meet."""

    __slots__ = ("born", "cells", "evaluating", "mode", "mode_if", "pending", "spent", "splits", "switched")

    def __init__(self, mode: GradMode = GradMode.ON) -> None:
        self.cells: dict[Place, Value] = {}
        self.born: dict[Place | int, int] = {}
        self.spent: dict[Lineage, bool] = {}
        self.splits: dict[str, Sides] = {}
        self.evaluating: frozenset[int] = frozenset()
        self.switched: dict[int, Switch] = {}
        self.pending: dict[Hashable, Pending] = {}
        self.mode = mode
        self.mode_if: ModeIf | None = None

    def copy(self) -> State:
        """An independent copy; values are shared, they never change."""
        other = State(self.mode)
        other.cells = self.cells.copy()
        other.born = self.born.copy()
        other.spent = self.spent.copy()
        other.splits = self.splits.copy()
        other.evaluating = self.evaluating
        other.switched = self.switched
        other.pending = self.pending
        other.mode_if = self.mode_if
        return other

    def lower(self, depth: int) -> None:
        """What was born in a loop is, seen from behind it, as old as the code around the loop."""
        for key, born in self.born.items():
            if born > depth:
                self.born[key] = depth

    def assume(self, condition: str, outcome: bool) -> None:
        """Take back, for every place not written since, what it held on this side of `condition`."""
        sides = self.splits.get(condition)
        if sides is None:
            return
        for place, split in sides.places.items():
            if self.cells.get(place) is split.joined:
                self.cells[place] = split.when_true if outcome else split.when_false
        for lineage in sides.spent_if_false if outcome else sides.spent_if_true:
            self.spent.pop(lineage, None)


def differing(left: dict[Place, Value], right: dict[Place, Value]) -> list[Place]:
    """The places of `right` that hold something else on the left: few of many, so no Python looks at each."""
    return list(compress(right, map(is_not, right.values(), map(left.get, right))))


def join_modes(left: GradMode, right: GradMode) -> GradMode:
    """On if it is on one of the paths."""
    if left is right:
        return left
    return GradMode.ON if GradMode.ON in (left, right) else GradMode.OFF


def join_states(left: State | None, right: State | None, condition: str | None = None) -> State | None:
    """The state where two paths meet; None stands for a path that does not get there.

    With `condition`, `left` is the path on which it holds.
    """
    if left is None or right is None or left is right:
        return left if right is None else right
    joined = State(join_modes(left.mode, right.mode))
    cells = joined.cells = left.cells.copy()
    differ: list[Place] = []
    for place in differing(left.cells, right.cells):
        mine, value = cells.get(place), right.cells[place]
        if mine is None:
            cells[place] = _or_any(left, place, value)
            continue
        cells[place] = join(mine, value)
        differ.append(place)
    if len(cells) > len(right.cells):
        for place in left.cells.keys() - right.cells.keys():
            cells[place] = _or_any(right, place, left.cells[place])
    joined.born = _earliest(left.born, right.born)
    joined.evaluating = left.evaluating & right.evaluating
    joined.switched = _join_switched(left.switched, right.switched)
    joined.pending = _join_pending(left.pending, right.pending)
    joined.mode_if = left.mode_if if left.mode_if == right.mode_if else None
    joined.spent = {**left.spent, **right.spent}
    joined.splits = {k: v for k, v in left.splits.items() if right.splits.get(k) is v}
    only_left, only_right = left.spent.keys() - right.spent.keys(), right.spent.keys() - left.spent.keys()
    if only_left or only_right:
        _keep_whole(joined, left, right)
    if condition is not None and (differ or only_left or only_right):
        splits = {place: Split(cells[place], left.cells[place], right.cells[place]) for place in differ}
        joined.splits[condition] = Sides(splits, frozenset(only_left), frozenset(only_right))
    return joined


def _join_switched(left: dict[int, Switch], right: dict[int, Switch]) -> dict[int, Switch]:
    """The later word counts: a loop over a module's parameters is not passed by, a frozen path is enough."""
    if left is right or not right:
        return left
    newer = {key: told for key, told in right.items() if key not in left or left[key].when < told.when}
    return {**left, **newer} if newer else left


def _join_pending(left: dict[Hashable, Pending], right: dict[Hashable, Pending]) -> dict[Hashable, Pending]:
    """The backwards that wait on either path, with what either path did with their gradients."""
    if left is right or not right:
        return left
    return {**right, **{node: _together(waiting, right.get(node)) for node, waiting in left.items()}}


def _together(one: Pending, other: Pending | None) -> Pending:
    if other is None or one == other:
        return one
    return replace(
        one,
        stepped=one.stepped | other.stepped,
        zeroed=one.zeroed | other.zeroed,
        later=max(one.later, other.later, key=len),
        raises=one.raises or other.raises,
        lost=one.lost or other.lost,
    )


def _keep_whole(joined: State, left: State, right: State) -> None:
    """What was whole on either path is whole where they meet, though its old graph is spent on the other."""
    sides = [(state.cells, Consumption(state.spent), _garbage(state)) for state in (left, right)]
    together = Consumption(joined.spent)
    for place, value in joined.cells.items():
        if together.of(value) and not any(
            place in cells and place[0] not in garbage and consumption.of(cells[place])
            for cells, consumption, garbage in sides
        ):
            joined.cells[place] = whole(value)


def _earliest(left: dict[Place | int, int], right: dict[Place | int, int]) -> dict[Place | int, int]:
    born = left.copy()
    if left == right:  # as good as always, and much quicker seen than done
        return born
    for key, depth in right.items():
        mine = born.get(key)
        if mine is None or depth < mine:
            born[key] = depth
    return born


def _garbage(state: State) -> set[int]:
    """Lists and objects that were made here and that nothing leads to any more."""
    inside: dict[int, list[Value]] = {}
    waiting: list[Value] = []
    for place, value in state.cells.items():
        if place[1][0] in ".[" and place[0] in state.born:
            inside.setdefault(place[0], []).append(value)
        else:
            waiting.append(value)
    while waiting:
        for site in getattr(waiting.pop(), "sites", ()):
            waiting += inside.pop(site, ())
    return set(inside)


def _or_any(other: State, place: Place, value: Value) -> Value:
    """An item that only one path put at a known position: on the other it is any item of the container."""
    common = other.cells.get(element(place[0])) if is_item(place) else None
    return value if common is None else join(common, value)


def same(left: State, right: State) -> bool:
    """Whether a loop has nothing new to say: equal cells, births and mode."""
    return left.mode is right.mode and left.cells == right.cells and left.born == right.born
