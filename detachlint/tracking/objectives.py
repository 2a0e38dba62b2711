"""Losses: what is compared with what, and what came of it.

A loss pulls its prediction towards its target. If the target hangs on a graph as well, it is pulled towards
the prediction at the same time, and nothing says so: the program runs, and learns something else. Often that
is meant: two networks learn from each other, an autoencoder, both views of a pair. It is not where the target
is a bootstrap: a known number plus the scaled output of the network that makes the prediction, on another
input. Reward plus discounted value is the form it always has, and nothing else in this field has it.

What a loss is for shows later: it is backpropagated, handed to code out of sight, or only looked at. So
losses are written down when they are met, each with a place of its own, whose fate is asked at the end.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence as Many

from detachlint.models import Call
from detachlint.tracking import teachers, weights
from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.fates import Candidate, Use
from detachlint.tracking.makers import makers
from detachlint.tracking.places import Place
from detachlint.tracking.selection import detachable
from detachlint.tracking.terms import Term, scope_of, terms
from detachlint.tracking.values import PLAIN, Tensor, Value, lineage_of, origin_of, placed, tracks

_BOOTSTRAP = "the same network makes the prediction: a backward changes the target, too"
_DISTANCES = frozenset({"pow", "square", "abs"})
_A_LOSS = frozenset({Use.DIFFERENTIATED, Use.RETURNED, Use.ESCAPED})
_A_DISTANCE = frozenset({Use.DIFFERENTIATED, Use.RETURNED})


def loss_of(frame: Frame, node: ast.AST, name: str, call: Call, arguments: Arguments, value: Value) -> Value:
    """What a modelled call gives, if it is a loss or makes one of a difference or product."""
    owner, _, function = name.rpartition(".")
    receiver = owner == "torch.Tensor"
    if call.target:
        return compared(frame, node, call.target, arguments, value)
    if function in weights.PRODUCTS and isinstance(node, ast.Call) and node.args:
        first = node.func.value if receiver and isinstance(node.func, ast.Attribute) else node.args[0]
        return weights.weighed(frame, node, first, node.args[-1], value)
    return measured(frame, node, value) if function in _DISTANCES else value


def compared(
    frame: Frame, node: ast.AST, target: Many[int | str], arguments: Arguments, value: Value
) -> Value:
    """A loss compares its first argument with its target; the loss with a place of its own."""
    if not isinstance(value, Tensor) or not tracks(value) or not frame.grad_on:
        return value
    frame.analysis.compared.add(node)
    frame.analysis.facts.show_parts(lineage_of(arguments.get(0, "input") or PLAIN))
    first = _written(arguments, (0, "input"))
    second = _written(arguments, target)
    if first is None or second is None:
        return value
    scope = scope_of(frame)
    predictions = terms(frame.analysis, first, scope)
    _regressed(frame, node, predictions)
    found = predictions + terms(frame.analysis, second, scope, -1)
    return teachers.taught(frame, node, first, second, _judged(frame, node, found, value, _A_LOSS))


def _written(arguments: Arguments, names: Many[int | str]) -> ast.expr | None:
    for name, expression, _ in arguments.pairs():
        if name in names:
            return expression
    return None


def measured(frame: Frame, node: ast.AST, value: Value) -> Value:
    """`(q - target) ** 2` and its like: a loss written by hand."""
    difference = _operand(node)
    if difference is None or not isinstance(value, Tensor) or not tracks(value) or not frame.grad_on:
        return value
    found = terms(frame.analysis, difference, scope_of(frame))
    if any(term.known for term in found):
        _regressed(frame, node, [term for term in found if not term.scaled])
    value = _judged(frame, node, found, value, _A_DISTANCE)
    if isinstance(difference, ast.BinOp) and isinstance(difference.op, ast.Sub):
        value = teachers.taught(frame, node, difference.left, difference.right, value)
        value = teachers.taught(frame, node, difference.right, difference.left, value)
    return value


def _regressed(frame: Frame, node: ast.AST, predictions: list[Term]) -> None:
    """The networks that made these have a loss of their own."""
    for term in predictions:
        if term.tracks:
            frame.analysis.fates.regressed |= dict.fromkeys(makers(frame.analysis, term.value), node)


def _operand(node: ast.AST) -> ast.expr | None:
    """`x` of `x ** 2`, `x.pow(2)` and `torch.pow(x, 2)`."""
    if isinstance(node, ast.BinOp):
        return node.left
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute) and len(node.args) < 2 and not _is_torch(node.func.value):
        return node.func.value
    return node.args[0] if node.args else None


def _is_torch(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "torch"


def _judged(frame: Frame, node: ast.AST, found: list[Term], value: Tensor, wanted: frozenset[Use]) -> Value:
    predicted, bootstrapped = _bootstrap(frame.analysis, found)
    if predicted is None or bootstrapped is None:
        return value
    place = (frame.analysis.keys("loss", node), ".loss")
    _tell(frame, place, predicted, bootstrapped, wanted)
    return placed(value, place)


def _bootstrap(analysis: Analysis, found: list[Term]) -> tuple[Term | None, Term | None]:
    """The prediction, and the scaled output of its network that stands on the other side beside a number."""
    tracking = [term for term in found if term.tracks]
    for ahead in tracking:
        if not ahead.scaled or not any(term.sign == ahead.sign for term in found if term.known):
            continue
        for predicted in tracking:
            if (
                predicted.sign != ahead.sign
                and predicted.scaled < ahead.scaled
                and _same_network(analysis, predicted, ahead)
                and not _stands_on_both_sides(found, predicted)
            ):
                return predicted, ahead
    return None, None


def _stands_on_both_sides(found: list[Term], predicted: Term) -> bool:
    """A value compared with what was computed from it, its own mean: a spread, and no loss."""
    return any(
        term.node is predicted.node and _item(term) == _item(predicted) and term.sign != predicted.sign
        for term in found
    )


def _item(term: Term) -> str:
    return ast.dump(term.part.slice) if term.part is not None else ""


def _same_network(analysis: Analysis, predicted: Term, ahead: Term) -> bool:
    """Whether one network made both, in two calls, or in one from which different items were taken."""
    mine, theirs = makers(analysis, predicted.value), makers(analysis, ahead.value)
    if not mine.keys() & theirs.keys():
        return False
    for key in mine.keys() & theirs.keys():
        if theirs[key] - mine[key]:
            return True
    return _is_shifted(predicted.part, ahead.part)


def _is_shifted(one: ast.Subscript | None, other: ast.Subscript | None) -> bool:
    if one is None or other is None:
        return False
    same = ast.dump(one.value) == ast.dump(other.value)
    return same and ast.dump(one.slice) != ast.dump(other.slice)


def _tell(frame: Frame, place: Place, predicted: Term, ahead: Term, wanted: frozenset[Use]) -> None:
    target = frame.analysis.target
    shared = {id(node) for node, _ in predicted.path}
    own = (node for node, scope in ahead.path if id(node) not in shared and scope.path == target)
    node = next(own, None)
    if node is None:
        return
    detach, unfixable = detachable(frame, node)
    origin = origin_of(ahead.value) if ahead.value is not None else None
    notes = notes_of(origin)
    notes.append(Note(target, node, "it is the target, or a part of it, that the loss pulls a prediction to"))
    notes.append(Note(frame.module.path, predicted.node, _BOOTSTRAP))
    event = Event("target", "bootstrap", ast.unparse(node), node, detach, tuple(notes), unfixable=unfixable)
    frame.analysis.fates.candidates.setdefault((place[0], id(node)), Candidate(place, event, wanted))
