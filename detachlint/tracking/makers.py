"""Which networks made a value."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

from detachlint.tracking.analysis import Analysis
from detachlint.tracking.values import Lineage, Value, lineage_of

Makers: TypeAlias = "dict[Hashable, set[Lineage]]"
"""By network (or part of a network's output): the outputs themselves, one for each call."""


def makers(analysis: Analysis, value: Value | None) -> Makers:
    """The networks whose outputs a value was computed from without another network in between.

    A network of the project is known by the layers that come last in it: the value and the policy of
    a network with two heads have different makers. So have the items of what an unseen network gives.
    """
    found: Makers = {}
    stack: list[tuple[Lineage | None, str]] = [(lineage_of(value) if value is not None else None, "")]
    seen: set[tuple[Lineage, str]] = set()
    while stack:
        current, part = stack.pop()
        if current is None or (current, part) in seen:
            continue
        seen.add((current, part))
        thing = analysis.keys.thing(current.key) if current.key >= 0 else ("join",)
        if thing[0] == "part":
            part = str(thing[2])
        elif thing[0] == "operation" and current.call is None:
            part = ""
        if current.call is None:
            stack.extend((parent, part) for parent in current.parents)
            continue
        inner = _last_layers(current) if thing[0] == "operation" else {}
        for key, outputs in inner.items():
            found.setdefault(key, set()).update(outputs)
        if not inner:
            found.setdefault((current.call.key, part) if part else current.call.key, set()).add(current)
    return found


def _last_layers(output: Lineage) -> Makers:
    """The layers that made the output of a network of the project."""
    found: Makers = {}
    stack, seen = list(output.parents), set[Lineage]()
    while stack:
        current = stack.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.call is not None:
            found.setdefault(current.call.key, set()).add(current)
        else:
            stack.extend(current.parents)
    return found
