"""What the tracker tells the rules.

An event says that a value which may still be attached to its graph reached something: a library call, a
place that keeps it, a copy. It carries the three answers every finding owes its reader as notes: why the
value tracks, what the sink does with it, why no later backward needs it. Which events are wrong, and how
they are mended, is the rules' business: nothing here knows a rule's code.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Literal

from detachlint.tracking.values import Origin

EventKind = Literal["call", "keep", "copy", "output", "carry", "target", "weight", "feed"]


@dataclass(frozen=True, slots=True)
class Note:
    """One answer: what happens at `node` of the file `path`."""

    path: str
    node: ast.AST
    text: str


def notes_of(origin: Origin | None) -> list[Note]:
    """Why a value tracks: the steps to it, in the order in which they happen."""
    return [Note(step.path, step.node, step.text) for step in origin.steps()] if origin is not None else []


@dataclass(frozen=True, slots=True)
class Event:
    """A value that may require grad reached a sink.

    `sink` is the class of sink that the models name (`numpy`, `array-library`, `text` ...) for calls, and
    the way of keeping (`add`, `collect`, `statistic`, `store`) for keeps. `callee` is what the user reads:
    `numpy.asarray`, `losses.append`. `node` is underlined. `detach` are the smallest expressions that,
    detached, mend it; where it is empty `unfixable` says why. `spent`: a backward has already consumed the
    graph, so nobody can differentiate the value any more.
    """

    kind: EventKind
    sink: str
    callee: str
    node: ast.AST
    detach: tuple[ast.expr, ...]
    notes: tuple[Note, ...]
    spent: bool = False
    unfixable: str | None = None
