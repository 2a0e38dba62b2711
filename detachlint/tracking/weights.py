"""Products in which a factor is meant as a number.

`-(log_prob * advantage).mean()` is a policy gradient: the log-probability learns, the advantage says how
much. If the advantage hangs on the graph of a value network, the same backward trains that network to make
the loss small, which has nothing to do with values. A name says nothing of this. What does:

* the factor was made by a network whose outputs are regressed: it has a loss of its own, in which it is
  compared with something, and what it multiplies is a log-probability that another network made.
* beside the factor `p` and its own logarithm stands a number that was made of `p.detach()`: the author has
  cut the one and forgotten the other. Likewise where a distribution weighs what was computed from
  its detached twin.
* it stands, for each action, beside the logarithm of the probability that weighs it: a policy's objective.
* a function of the project asserts of its argument that it does not require grad.

Products are told only where they become a loss. Which networks are regressed shows at the end.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from detachlint.tracking import passages
from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.fates import Candidate, Use
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.makers import Makers, makers
from detachlint.tracking.places import Place
from detachlint.tracking.selection import detachable
from detachlint.tracking.terms import Reader, Scope, Term, own_nodes, scope_of, terms, written_in
from detachlint.tracking.values import (
    Grad,
    Tensor,
    Value,
    grad_of,
    lineage_of,
    origin_of,
    placed,
    tracks,
)

PRODUCTS = frozenset({"mul", "multiply", "dot", "matmul"})
_A_LOSS = frozenset({Use.DIFFERENTIATED, Use.RETURNED, Use.ESCAPED})
_DEEPEST = 12

_LOGARITHMS = frozenset({"log_prob", "log", "log_softmax", "logsigmoid", "nll_loss", "cross_entropy"})
_DISTRIBUTIONS = frozenset({"softmax", "exp", "sigmoid", "log_softmax"})
_NORMALISED = frozenset({"softmax", "log_softmax", "sigmoid"})  # by itself: `exp` of anything may be a weight
# These choose, sum up or reshape: the logarithm or distribution is still one.
_HANDS_ON = frozenset(
    {
        "squeeze",
        "unsqueeze",
        "view",
        "reshape",
        "flatten",
        "float",
        "to",
        "cuda",
        "cpu",
        "clone",
        "contiguous",
    }
    | {"gather", "sum", "mean", "clamp", "clip", "stack", "cat", "index_select", "masked_select", "expand"}
    | {"cumsum", "take_along_dim"}
)


def weighed(frame: Frame, node: ast.AST, left: ast.expr, right: ast.expr, value: Value) -> Value:
    """Two factors that both require grad were multiplied."""
    if not isinstance(value, Tensor) or not tracks(value) or not frame.grad_on:
        return value
    if not all(_may_track(frame.analysis.seen.get(part)) for part in (left, right)):
        return value
    reading = _Reading(Reader(frame.analysis), frame)
    factors = [*_factors(left), *_factors(right)]
    place = (frame.analysis.keys("loss", node), ".weighed")
    found = reading.judge(factors, place)
    if not found and _is_summed_up(frame, node):
        found = reading.expectation(left, right, place) or reading.expectation(right, left, place)
    found = found or reading.objective(left, right, place) or reading.objective(right, left, place)
    if not found:
        return value
    return placed(value, place)


def _is_summed_up(frame: Frame, node: ast.AST) -> bool:
    """Whether a product is summed up on the spot, as an expectation is."""
    if frame.statement is None:
        return False
    for part in ast.walk(frame.statement):
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "sum":
            summed = part.func.value if part.func.value is node or not part.args else part.args[0]
            if summed is node:
                return True
    return False


def refused(frame: Frame, node: ast.Assert) -> None:
    """`assert not weights.requires_grad`: a function says of an argument that it must be a number."""
    test = node.test
    if not isinstance(test, ast.UnaryOp) or not isinstance(test.operand, ast.Attribute) or not frame.grad_on:
        return
    if not isinstance(test.op, ast.Not) or test.operand.attr != "requires_grad":
        return
    value, analysis = frame.analysis.seen.get(test.operand.value), frame.analysis
    if value is None or not tracks(value):
        return
    entry = passages.entry_of(frame, lineage_of(value), analysis.target)
    if entry is None:
        return
    origin = origin_of(value)
    notes = notes_of(origin)
    notes.append(Note(frame.module.path, node, f"`{entry.callee}` asserts that it does not require grad"))
    detach, unfixable = detachable(frame, entry.argument)
    text = ast.unparse(entry.argument)
    analysis.emit(Event("weight", "refused", text, entry.argument, detach, tuple(notes), unfixable=unfixable))


def _may_track(value: Value | None) -> bool:
    return value is not None and grad_of(value) is not Grad.CLEAR


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from _factors(node.operand)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.MatMult)):
        yield from _factors(node.left)
        yield from _factors(node.right)
    else:
        yield node


@dataclass(slots=True)
class _Reading:
    """Reads the factors of one product."""

    reader: Reader
    frame: Frame

    @property
    def analysis(self) -> Analysis:
        return self.reader.analysis

    def judge(self, factors: Sequence[ast.expr], place: Place) -> bool:
        """Write down what may be wrong with a product; whether anything may."""
        scope = scope_of(self.frame)
        live = [factor for factor in factors if _may_track(self.analysis.seen.get(factor))]
        # What code out of sight gives is a log-probability if it is asked for one.
        scores = [factor for factor in live if self.is_made_by(factor, scope, _LOGARITHMS)]
        found = False
        for factor in live:
            others = [score for score in scores if score is not factor]
            if factor not in scores and others and self._tracks(factor):
                found |= self._advantage(factor, others, scope, place)
                found |= self._twin(factor, others, factors, scope, place)
        return found

    def _tracks(self, node: ast.expr) -> bool:
        value = self.analysis.seen.get(node)
        return value is not None and tracks(value)

    def _advantage(self, factor: ast.expr, scores: list[ast.expr], scope: Scope, place: Place) -> bool:
        """A log-probability is weighed with what another network gave, which may be regressed."""
        if self.is_made_by(factor, scope, _NORMALISED):
            return False  # a cross entropy of two networks that learn from each other
        policy = {key for score in scores for key in makers(self.analysis, self.analysis.seen.get(score))}
        for term in terms(self.analysis, factor, scope):
            own = makers(self.analysis, term.value) if term.tracks else {}
            known = own and not any(self._is_inferred(key) for key in own)
            if known and not policy & own.keys() and not _is_below(term.value, policy):
                text = "it weighs a log-probability, and the network that made it has a loss of its own"
                self._tell(factor, term, "advantage", text, place, frozenset(own))
                return True
        return False

    def _is_inferred(self, maker: Hashable) -> bool:
        """Whether a backward alone says that this is a network: it may be any function."""
        return (maker[0] if isinstance(maker, tuple) else maker) in self.analysis.facts.inferred

    def _twin(
        self,
        factor: ast.expr,
        scores: list[ast.expr],
        factors: Sequence[ast.expr],
        scope: Scope,
        place: Place,
    ) -> bool:
        """`w(p.detach()) * p * log(p)`: the author cut one of the two."""
        own = makers(self.analysis, self.analysis.seen.get(factor))
        same = [s for s in scores if _overlap(own, makers(self.analysis, self.analysis.seen.get(s)))]
        if not same or not self.is_made_by(factor, scope, _DISTRIBUTIONS):
            return False
        for other in factors:
            cut = next((c for c in self.cuts(other, scope) if _overlap(own, makers(self.analysis, c))), None)
            if other is not factor and other not in scores and cut is not None:
                term = Term(factor, self.analysis.seen.get(factor), path=((factor, scope),))
                text = "beside it stands its own logarithm, weighed with what was made of it and detached"
                self._tell(factor, term, "twin", text, place, frozenset())
                return True
        return False

    def expectation(self, weight: ast.expr, values: ast.expr, place: Place) -> bool:
        """`(p * f(p.detach())).sum()`: what is weighed was computed from the detached weights."""
        scope, analysis = scope_of(self.frame), self.analysis
        own = makers(analysis, analysis.seen.get(weight))
        if not own or not self._tracks(weight) or not self.is_made_by(weight, scope, _DISTRIBUTIONS):
            return False
        theirs = analysis.seen.get(values)
        if _overlap(own, makers(analysis, theirs)) or _is_below(theirs, set(own)):
            return False
        if not any(_overlap(own, makers(analysis, cut)) for cut in self.cuts(values, scope)):
            return False
        where = self._definition_of(weight, scope)
        term = Term(where, analysis.seen.get(weight))
        text = "it weighs what was computed from the same, detached"
        self._tell(where, term, "twin", text, place, frozenset())
        return True

    def objective(self, weight: ast.expr, inner: ast.expr, place: Place) -> bool:
        """`p * (alpha * log(p) - q)`: the policy's objective, in which `q` is a number for each action."""
        scope, seen = scope_of(self.frame), self.analysis.seen
        policy = makers(self.analysis, seen.get(weight))
        if not policy or not isinstance(inner, ast.BinOp) or not isinstance(inner.op, (ast.Add, ast.Sub)):
            return False
        if not self._tracks(weight) or not self.is_made_by(weight, scope, _DISTRIBUTIONS):
            return False
        found = [term for term in terms(self.analysis, inner, scope) if term.tracks]
        made = [(term, makers(self.analysis, term.value)) for term in found]
        own = [term for term, its in made if policy.keys() & its.keys() or _is_below(term.value, set(policy))]
        if not any(self.is_made_by(term.node, term.path[-1][1], _LOGARITHMS) for term in own):
            return False
        told = False
        for term, its in made:
            if term in own or not its or any(self._is_inferred(key) for key in its):
                continue
            if self.is_made_by(term.node, term.path[-1][1], _LOGARITHMS):
                continue  # a divergence of two networks that learn from each other
            text = "it is a number in the policy's objective: the network that made it has a loss of its own"
            for node in self._outputs(term) or [_within(inner, term)]:
                value = Term(node, seen.get(node))
                self._tell(node, value, "advantage", text, place, frozenset(its))
                told = True
        return told

    def _outputs(self, term: Term) -> list[ast.expr]:
        """The calls that a term was made by, if their results are read for it alone: they are cut there."""
        node, scope = term.path[-1]
        found: list[ast.expr] = []
        for name in ast.walk(node):
            if isinstance(name, ast.Name) and self._tracks(name):
                given = [
                    w
                    for w in written_in(self.analysis, scope.node).get(name.id, [])
                    if isinstance(w, ast.Call)
                ]
                before = [w for w in given if w.lineno <= name.lineno]
                if not before or self._reads(name.id, before[-1].lineno, given, scope) > 1:
                    return []
                found.append(before[-1])
        return found

    def _reads(self, name: str, line: int, given: Sequence[ast.expr], scope: Scope) -> int:
        following = min((w.lineno for w in given if w.lineno > line), default=None)
        names = (n for n in own_nodes(scope.node) if isinstance(n, ast.Name) and n.id == name)
        lines = [n.lineno for n in names if isinstance(n.ctx, ast.Load) and n.lineno > line]
        return sum(1 for at in lines if following is None or at <= following)

    def _definition_of(self, node: ast.expr, scope: Scope) -> ast.expr:
        """Where a name gets its value, if there alone and for this use alone: it is cut there."""
        if not isinstance(node, ast.Name):
            return node
        written = written_in(self.analysis, scope.node).get(node.id, [])
        reads = [n for n in own_nodes(scope.node) if isinstance(n, ast.Name) and n.id == node.id]
        only = written[0] if len(written) == 1 and len(reads) == 2 else node
        return only if isinstance(only, ast.expr) else node

    def is_made_by(self, node: ast.expr, scope: Scope, names: frozenset[str], depth: int = 0) -> bool:
        """Whether an expression is, through names and what hands on, a call of one of these functions."""
        self.reader.left -= 1
        if depth > _DEEPEST or self.reader.left < 0:
            return False
        return any(
            part is None or self.is_made_by(part, its_scope, names, depth + 1)
            for part, its_scope in self._heads(node, scope, names)
        )

    def _heads(
        self, node: ast.expr, scope: Scope, names: frozenset[str]
    ) -> Iterator[tuple[ast.expr | None, Scope]]:
        """What an expression hands on; None where it is a call of one of these functions."""
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "log" and not self._tracks(node):
                return  # of a mask, say: whatever weighs with it trains nothing by it
            if name in names:
                yield None, scope
            elif name in _HANDS_ON or (name == "exp" and self._hands_on(node, scope, names)):
                yield _operand(node), scope
            callee = self.reader.definition(node.func)
            if callee is not None:
                yield from self.reader.returned(callee)
        elif isinstance(node, ast.Name):
            yield from self.reader.meanings(node, scope)
        elif isinstance(node, ast.Attribute) and node.attr == "probs" and names is not _LOGARITHMS:
            yield None, scope
        elif isinstance(node, ast.Subscript):
            yield node.value, scope
        elif isinstance(node, ast.UnaryOp):
            yield node.operand, scope
        elif isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow):
            for side in (node.left, node.right):
                if self._tracks(side):
                    yield side, scope

    def _hands_on(self, node: ast.Call, scope: Scope, names: frozenset[str]) -> bool:
        return names is _NORMALISED or self._is_ratio(_operand(node), scope)

    def _is_ratio(self, node: ast.expr | None, scope: Scope) -> bool:
        """`exp(log_prob - old)` is a ratio; `exp(log_prob)` is a probability."""
        if isinstance(node, ast.Name):
            return any(isinstance(written, ast.BinOp) for written, _ in self.reader.meanings(node, scope))
        if isinstance(node, ast.Call):
            return self._is_ratio(_operand(node), scope)
        return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)

    def cuts(self, node: ast.expr, scope: Scope, depth: int = 0) -> Iterator[Value]:
        """The values that were detached on the way to an expression."""
        self.reader.left -= 1
        if depth > _DEEPEST or self.reader.left < 0:
            return
        for part in ast.walk(node):
            if (
                isinstance(part, ast.Call)
                and isinstance(part.func, ast.Attribute)
                and part.func.attr == "detach"
            ):
                value = self.analysis.seen.get(part.func.value)
                if value is not None and tracks(value):
                    yield value
            elif isinstance(part, ast.Name):
                for written, its_scope in self.reader.meanings(part, scope):
                    yield from self.cuts(written, its_scope, depth + 3)

    def _tell(
        self, factor: ast.expr, term: Term, sink: str, text: str, place: Place, needs: frozenset[Hashable]
    ) -> None:
        module = self.frame.module
        if module.path != self.analysis.target:
            return
        detach, unfixable = detachable(self.frame, factor)
        origin = origin_of(term.value) if term.value is not None else None
        notes = notes_of(origin)
        notes.append(Note(module.path, factor, text))
        event = Event("weight", sink, ast.unparse(factor), factor, detach, tuple(notes), unfixable=unfixable)
        wanted = frozenset[Use]() if self._in_forward() else _A_LOSS
        candidate = Candidate(place, event, wanted, needs)
        self.analysis.fates.candidates.setdefault((place[0], id(factor)), candidate)

    def _in_forward(self) -> bool:
        """Whether a module computes its output here: what becomes of it is for others to see."""
        definition = self.frame.definition
        if definition is None or definition.owner is None:
            return False
        return definition.owner.is_module and definition.name == "forward"


def _operand(node: ast.Call) -> ast.expr | None:
    if isinstance(node.func, ast.Attribute) and not (
        isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "F")
    ):
        return node.func.value
    return node.args[0] if node.args else node.func


def _within(whole: ast.expr, term: Term) -> ast.expr:
    """The last expression on the way to a term that is written inside the whole."""
    inside = set(ast.walk(whole))
    return [node for node, _ in term.path if node in inside][-1]


def _overlap(one: Makers, other: Makers) -> bool:
    """Whether one and the same output of a network went into both."""
    return any(one[key] & other[key] for key in one.keys() & other.keys())


def _is_below(value: Value | None, keys: set[Hashable]) -> bool:
    """Whether one of these networks gave something that went into the value."""
    if value is None:
        return False
    return any(a.call is not None and a.call.key in keys for a in ancestors(lineage_of(value)))
