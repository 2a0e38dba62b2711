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

from detachlint.tracking import feeding
from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.fates import Candidate, Use
from detachlint.tracking.selection import detachable
from detachlint.tracking.values import Tensor, Value, origin_of, placed, tracks

_A_LOSS = frozenset({Use.DIFFERENTIATED, Use.RETURNED})


def taught(frame: Frame, node: ast.AST, prediction: ast.expr, target: ast.expr, value: Value) -> Value:
    """A loss compares a prediction with a target; the loss with a place of its own, if nobody trains that."""
    analysis = frame.analysis
    given = analysis.seen.get(target)
    if not isinstance(given, Tensor) or not tracks(given) or given.leaf or given.lineage is None:
        return value
    stepped, predicted = _stepped(analysis), analysis.seen.get(prediction)
    if not stepped or predicted is None or not feeding.made_by(frame, predicted) & stepped:
        return value
    makers = feeding.made_by(frame, given)
    if not makers or makers & stepped:
        return value
    place = (analysis.keys("loss", node), ".taught")
    event = _event(frame, target, given)
    analysis.fates.candidates.setdefault((place[0], id(target)), Candidate(place, event, _A_LOSS))
    return placed(value, place)


def _stepped(analysis: Analysis) -> set[int]:
    """What the optimizers step; nothing where there is one of which that cannot be seen."""
    owners = analysis.optimizers.values()
    if any(keys is None for keys in owners):
        return set()
    return {key for keys in owners if keys is not None for key in keys}


def _event(frame: Frame, target: ast.expr, value: Tensor) -> Event:
    detach, unfixable = detachable(frame, target)
    origin = origin_of(value)
    path = frame.module.path
    notes = notes_of(origin)
    notes.append(Note(path, target, "it is the target of a loss, and no optimizer steps what made it"))
    text = ast.unparse(target)
    return Event("target", "separate", text, target, detach, tuple(notes), unfixable=unfixable)
