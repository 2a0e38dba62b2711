"""Where a value can live, and what outlives what.

A place is a base and an offset: a name in a scope, an attribute of an object, an item of a container. The
base is a number: scopes and allocation sites are numbered by `Keys`, per syntax node and calling context,
so that two meters made on two lines stay apart although both run the same `__init__`.

A place *outlives* an iteration if it was born outside of it. Loops are counted by depth, through calls:
what was born at depth 1 and is written at depth 2 survives the inner iteration. What came from outside of
the function (a parameter, `self`, a global) is born at depth -1 and outlives the call itself.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

Place: TypeAlias = tuple[int, str]

ELEMENT = "[*]"
OUTSIDE = -1
PARAMETERS = "parameters of"
UNSEEN = "module"  # what a hub gave, or a factory of networks
LOADED = "loaded"  # what `torch.load` gave
LEAF = "leaf"  # a call that makes a leaf of the graph: no backward consumes it
OWN_NUMBERS = 1 << 40


def attribute(base: int, name: str) -> Place:
    """The attribute `name` of the object at `base`."""
    return (base, "." + name)


def item(base: int, key: object) -> Place:
    """The item under a constant key of the container at `base`."""
    return (base, f"[{key!r}]")


def element(base: int) -> Place:
    """Any item of the container at `base`."""
    return (base, ELEMENT)


def is_item(place: Place) -> bool:
    """Whether the place is inside a container."""
    return place[1].startswith("[")


class Keys:
    """Numbers for definitions, sites, scopes and contexts, the same in every round over a file.

    `first` keeps the numbers of one file's analysis apart from those of its surroundings.
    """

    __slots__ = ("_first", "_numbers", "_things")

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._numbers: dict[Hashable, int] = {}
        self._things: list[Hashable] = []

    def __call__(self, *thing: Hashable) -> int:
        number = self._numbers.get(thing)
        if number is None:
            number = self._numbers[thing] = self._first + len(self._things)
            self._things.append(thing)
        return number

    def thing(self, number: int) -> tuple[Hashable, ...]:
        """What was numbered; of a number from the surroundings only that it is not from here."""
        if number < self._first:
            return ("elsewhere",)
        found = self._things[number - self._first]
        assert isinstance(found, tuple)
        return found
