"""Two losses of one kind, of which one forgets to cut its target.

`loss(p1, z2.detach()) + loss(p2, z1)`: what the author means is written beside it. Losses in which gradients
flow both ways are common and often meant, so that a target on a graph says nothing by itself. Here the same
function is called twice in one scope, one call detaches its target, and

* the other compares with the very same target, or
* the two are mirrored: each one's target is what the other one's prediction was computed from.

A call that cuts another of its arguments is the other half of a pair that is meant (`mse(z, q.detach()) +
mse(z.detach(), q)`), and no network is a loss.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from detachlint.tracking import classes
from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.fates import Use
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.makers import makers
from detachlint.tracking.places import attribute
from detachlint.tracking.selection import detachable
from detachlint.tracking.terms import own_nodes
from detachlint.tracking.values import (
    Function,
    Grad,
    Instance,
    Library,
    Lineage,
    Module,
    Tensor,
    Value,
    lineage_of,
    origin_of,
    placed,
    tracks,
)

_A_LOSS = frozenset({Use.DIFFERENTIATED, Use.RETURNED})


@dataclass(frozen=True, slots=True)
class Twin:
    """A call of the same function, which detaches its argument at `position`."""

    call: ast.Call
    position: int

    @property
    def target(self) -> ast.expr:
        """What is detached there."""
        cut = self.call.args[self.position]
        assert isinstance(cut, ast.Call)
        assert isinstance(cut.func, ast.Attribute)
        return cut.func.value


def pairs(tree: ast.Module) -> dict[ast.Call, list[Twin]]:
    """The calls of a file that cut nothing, with their twins that cut a target."""
    found: dict[ast.Call, list[Twin]] = {}
    scopes = (part for part in ast.walk(tree) if isinstance(part, (ast.FunctionDef, ast.Module)))
    for scope in scopes:
        for alike in _alike(scope):
            twins = [Twin(call, cut[0]) for call in alike if len(cut := _cut(call)) == 1 and cut[0] > 0]
            for call in alike if twins else ():
                if not _cut(call) and not _mentions_a_cut(call):
                    fitting = [twin for twin in twins if twin.position < len(call.args)]
                    if fitting:
                        found[call] = fitting
    return found


def _alike(scope: ast.AST) -> Iterator[list[ast.Call]]:
    """The calls of each function that a scope calls more than once; none where nothing is cut."""
    calls = [part for part in own_nodes(scope) if isinstance(part, ast.Call) and len(part.args) > 1]
    if not any(map(_cut, calls)):
        return
    found: dict[str, list[ast.Call]] = {}
    for part in calls:
        found.setdefault(ast.unparse(part.func), []).append(part)
    yield from (alike for alike in found.values() if len(alike) > 1)


def _cut(call: ast.Call) -> list[int]:
    return [position for position, part in enumerate(call.args) if _is_cut(part)]


def _is_cut(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "detach"
        and not node.args
    )


def _mentions_a_cut(call: ast.Call) -> bool:
    return any(isinstance(part, ast.expr) and _is_cut(part) for part in ast.walk(call))


def met(frame: Frame, node: ast.Call, value: Value) -> Value:
    """A call that has a twin gave this: from here on it has a place, whose fate is asked at the end."""
    if (
        not isinstance(value, Tensor)
        or not tracks(value)
        or not frame.grad_on
        or _is_network(frame, node.func)
    ):
        return value
    place = (frame.analysis.keys("loss", node), ".twin")
    frame.analysis.twins_met[node] = frame
    return placed(value, place)


def _is_network(frame: Frame, function: ast.expr) -> bool:
    """Whether a callee has parameters, or may have some: it is no loss."""
    callee = frame.analysis.seen.get(function)
    if callee is None and isinstance(function, ast.Attribute):
        owner = frame.analysis.seen.get(function.value)
        if isinstance(owner, Instance) and owner.klass.method(function.attr) is not None:
            return False
        callee = frame.get(attribute(owner.sites[0], function.attr)) if isinstance(owner, Instance) else None
    if isinstance(callee, Instance):
        return classes.trainable(frame, callee) is not Grad.CLEAR
    if isinstance(callee, Module):
        return callee.trainable is not Grad.CLEAR
    return not isinstance(callee, (Function, Library))


def events(analysis: Analysis) -> dict[ast.Call, Event]:
    """The calls that became losses, and whose twin cuts what they do not."""
    return dict(_events(analysis))


def _events(analysis: Analysis) -> Iterator[tuple[ast.Call, Event]]:
    for node, frame in analysis.twins_met.items():
        place = (analysis.keys("loss", node), ".twin")
        if not _A_LOSS & analysis.fates.uses.get(place, {}).keys():
            continue
        twin = next((twin for twin in analysis.twins[node] if _is_forgotten(analysis, node, twin)), None)
        if twin is not None:
            yield node, _event(frame, node, twin)


def _is_forgotten(analysis: Analysis, node: ast.Call, twin: Twin) -> bool:
    target = node.args[twin.position]
    others = [part for position, part in enumerate(node.args) if position != twin.position]
    value = analysis.seen.get(target)
    if value is None or not isinstance(value, Tensor) or not tracks(value):
        return False
    predictions = [part for part in others if _tracks(analysis, part)]
    if not predictions:
        return False
    if node in analysis.compared and ast.unparse(target) == ast.unparse(twin.target):
        return True
    return any(_mirrored(analysis, part, target, twin) for part in others)


def _tracks(analysis: Analysis, node: ast.expr) -> bool:
    value = analysis.seen.get(node)
    return value is not None and tracks(value)


def _mirrored(analysis: Analysis, prediction: ast.expr, target: ast.expr, twin: Twin) -> bool:
    """Whether each one's target is what the other one's prediction was computed from."""
    mine, theirs = _outputs(analysis, target), _outputs(analysis, twin.target)
    if not mine or not theirs or mine & theirs:
        return False
    if not theirs <= _sources(analysis, prediction):
        return False
    others = (part for position, part in enumerate(twin.call.args) if position != twin.position)
    return any(mine <= _sources(analysis, part) for part in others)


def _outputs(analysis: Analysis, node: ast.expr) -> set[Lineage]:
    found = makers(analysis, analysis.seen.get(node))
    return {output for outputs in found.values() for output in outputs}


def _sources(analysis: Analysis, node: ast.expr) -> set[Lineage]:
    value = analysis.seen.get(node)
    return set(ancestors(lineage_of(value))) if value is not None else set()


def _event(frame: Frame, node: ast.Call, twin: Twin) -> Event:
    target = node.args[twin.position]
    detach, unfixable = detachable(frame, target)
    value = frame.analysis.seen[target]
    origin = origin_of(value)
    path = frame.module.path
    notes = notes_of(origin)
    notes.append(Note(path, node, f"the target of `{ast.unparse(node.func)}`: the loss changes it as well"))
    notes.append(Note(path, twin.call, "the same loss detaches its target here"))
    text = ast.unparse(target)
    return Event("target", "twin", text, target, detach, tuple(notes), unfixable=unfixable)
