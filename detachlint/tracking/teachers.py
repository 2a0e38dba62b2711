"""Targets made by a network that nobody trains.

A target network, a teacher, a momentum encoder: its weights are copied or averaged, no optimizer of the file
steps it. When its output goes into a loss with its graph, nothing wrong is learnt, since what would be
changed is never stepped. But the graph of its forward is built and kept, the backward runs through all of it,
and its parameters collect gradients for ever. So this is said only where all of it is in sight: which
optimizers there are, what each of them steps, that the prediction is made by a network that one of them
steps, and that nothing of the target is.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable

from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.fates import Candidate, Use, ancestors
from detachlint.tracking.places import PARAMETERS
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import Lineage, Tensor, Value, lineage_of, origin_of, tracks, with_lineage

_A_LOSS = frozenset({Use.DIFFERENTIATED, Use.RETURNED})


def taught(frame: Frame, node: ast.AST, prediction: ast.expr, target: ast.expr, value: Value) -> Value:
    """A loss compares a prediction with a target; the loss with a place of its own, if nobody trains that."""
    analysis = frame.analysis
    given = analysis.seen.get(target)
    if not isinstance(given, Tensor) or not tracks(given) or given.leaf or given.lineage is None:
        return value
    stepped = _stepped(analysis)
    if not stepped or not _networks(analysis, analysis.seen.get(prediction)) & stepped:
        return value
    makers = _networks(analysis, given)
    if not makers or makers & stepped:
        return value
    place = (analysis.keys("loss", node), ".taught")
    event = _event(frame, target, given)
    analysis.fates.candidates.setdefault((place[0], id(target)), Candidate(place, event, _A_LOSS))
    lineage = lineage_of(value)
    return with_lineage(value, Lineage(place[0], (lineage,) if lineage is not None else (), place))


def _stepped(analysis: Analysis) -> set[Hashable]:
    """What the optimizers step; nothing where there is one of which that cannot be seen."""
    owners = analysis.optimizers.values()
    if any(keys is None for keys in owners):
        return set()
    return {key for keys in owners if keys is not None for key in keys}


def _networks(analysis: Analysis, value: Value | None) -> set[Hashable]:
    """The networks that were called on the way to a value, and the owners of parameters in it."""
    found: set[Hashable] = set()
    for ancestor in ancestors(lineage_of(value) if value is not None else None):
        if ancestor.call is not None:
            found.add(ancestor.call.key)
        thing = analysis.keys.thing(ancestor.key) if ancestor.key >= 0 else ()
        if len(thing) > 1 and thing[0] == PARAMETERS:
            found.add(thing[1])
    return found


def _event(frame: Frame, target: ast.expr, value: Tensor) -> Event:
    detach, unfixable = detachable(frame, target)
    origin = origin_of(value)
    path = frame.module.path
    notes = notes_of(origin)
    notes.append(Note(path, target, "it is the target of a loss, and no optimizer steps what made it"))
    text = ast.unparse(target)
    return Event("target", "separate", text, target, detach, tuple(notes), unfixable=unfixable)
