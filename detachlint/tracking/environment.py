"""What every place holds at one point of the program.

One flat table of cells serves names, attributes and items alike, so that closures, globals, aliases and
objects need no machinery of their own. A branch copies the table, and where branches meet the tables are
joined place by place; a loop joins its end into its head until nothing changes. Beside the cells go the
depth at which each place was born, the lineages that a backward has consumed, and the grad mode.

Two branches of the same unchanged condition (`if train:` ... `if train:`) belong together. A join
remembers for which condition a place got which value, and a later test of it takes the right one again.
"""

from __future__ import annotations

from dataclasses import dataclass

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


class State:
    """The environment at one point; copied at branches, joined where they meet."""

    __slots__ = ("born", "cells", "evaluating", "mode", "spent", "splits", "switched")

    def __init__(self, mode: GradMode = GradMode.ON) -> None:
        self.cells: dict[Place, Value] = {}
        self.born: dict[Place | int, int] = {}
        self.spent: dict[Lineage, None] = {}
        self.splits: dict[str, dict[Place, Split]] = {}
        self.evaluating: frozenset[int] = frozenset()
        self.switched: dict[int, Switch] = {}
        self.mode = mode

    def copy(self) -> State:
        """An independent copy; values are shared, they never change."""
        other = State(self.mode)
        other.cells = self.cells.copy()
        other.born = self.born.copy()
        other.spent = self.spent.copy()
        other.splits = self.splits.copy()
        other.evaluating = self.evaluating
        other.switched = self.switched
        return other

    def assume(self, condition: str, outcome: bool) -> None:
        """Take back, for every place not written since, what it held on this side of `condition`."""
        for place, split in self.splits.get(condition, {}).items():
            if self.cells.get(place) is split.joined:
                self.cells[place] = split.when_true if outcome else split.when_false


def join_states(left: State | None, right: State | None, condition: str | None = None) -> State | None:
    """The state where two paths meet; None stands for a path that does not get there.

    With `condition`, `left` is the path on which it holds.
    """
    if left is None or right is None or left is right:
        return left if right is None else right
    joined = State(left.mode if left.mode is right.mode else GradMode.ON)
    cells = joined.cells = left.cells.copy()
    splits: dict[Place, Split] = {}
    for place, value in right.cells.items():
        mine = cells.get(place)
        if mine is value:
            continue
        if mine is None:
            cells[place] = _or_any(left, place, value)
            continue
        cells[place] = together = join(mine, value)
        if condition is not None:
            splits[place] = Split(together, mine, value)
    for place in left.cells.keys() - right.cells.keys():
        cells[place] = _or_any(right, place, left.cells[place])
    joined.born = left.born.copy()
    for key, depth in right.born.items():
        joined.born[key] = min(depth, joined.born.get(key, depth))
    joined.evaluating = left.evaluating & right.evaluating
    joined.switched = _join_switched(left.switched, right.switched)
    joined.spent = {**left.spent, **right.spent}
    joined.splits = {k: v for k, v in left.splits.items() if right.splits.get(k) is v}
    if condition is not None and splits:
        joined.splits[condition] = splits
    return joined


def _join_switched(left: dict[int, Switch], right: dict[int, Switch]) -> dict[int, Switch]:
    """The later word counts: a loop over a module's parameters is not passed by, a frozen path is enough."""
    if left is right or not right:
        return left
    newer = {key: told for key, told in right.items() if key not in left or left[key].when < told.when}
    return {**left, **newer} if newer else left


def _or_any(other: State, place: Place, value: Value) -> Value:
    """An item that only one path put at a known position: on the other it is any item of the container."""
    common = other.cells.get(element(place[0])) if is_item(place) else None
    return value if common is None else join(common, value)


def same(left: State, right: State) -> bool:
    """Whether a loop has nothing new to say: equal cells, births and mode."""
    return left.mode is right.mode and left.cells == right.cells and left.born == right.born
