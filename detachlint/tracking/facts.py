"""What the code proves about its values, wherever it says so.

A training loop names its types nowhere, yet it shows them: `loss.backward()` proves that the definition
of `loss` that reaches there requires grad, or torch would raise; `Adam(net.parameters())` proves that
calling `net` gives tensors that do. Such evidence often stands *after* the place it explains, and in
another function. So facts are kept per definition, across functions, and the file is interpreted again
until no new fact turns up.

What follows for the ingredients of a proven value is a matter of care:

* the summands of a sum speak for themselves when they are results of calls (nobody adds a constant with a
  call to a loss): all of them are proven, but not where a power, a norm or the like stands around the sum:
  one side of `(prediction - target) ** 2` is a target;
* of other operations and calls, an ingredient is proven if it is the only candidate, and nothing beside it is
  known to require grad. Of what a loss is divided by nothing is shown.
"""

from __future__ import annotations

import ast
from collections.abc import Sized
from dataclasses import dataclass, field

from detachlint.tracking.events import Note
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.places import Keys
from detachlint.tracking.values import GradMode, Lineage

_CANDIDATES = ("call", "operation")
# What is drawn does not track, and what is looked up was made elsewhere: these are no modules.
_NO_MODULES = frozenset(
    {".sample", ".act", ".predict", ".choose_action", ".select_action", ".get_action"}
    | {".get", ".pop", ".setdefault"}
)
_MADE = ("module", "object", "self", "annotated", "copy")  # of these the class is known


def _is_passage(lineage: Lineage) -> bool:
    """Whether the value only passed here: into a call, out of one, through a place."""
    return lineage.entered is not None or lineage.left is not None or lineage.place is not None


@dataclass(slots=True)
class Facts:
    """Evidence by definition key; it only grows.

    Of the `modules` those are `inferred` of which nothing but a backward says that they are networks. What
    is `single` is one tensor, and no tuple or dict of them: a backward was called on it, or it was added up.
    The `weights` are parameters: their `data` is exchanged. `weights_in` says where in what a function takes
    there are such. The `contexts` are the calls in which a definition was proven, `proofs` their number.
    What is `shown` stands in an output of unseen code, and a loss is made of it.
    A network that is `handed_over` was given to a function out of sight for what this does to it.
    """

    keys: Keys
    tracking: dict[int, Note] = field(default_factory=dict)
    single: dict[int, None] = field(default_factory=dict)
    parts: dict[int, dict[str, Note]] = field(default_factory=dict)
    weights: dict[int, Note] = field(default_factory=dict)
    weights_in: dict[int, dict[tuple[tuple[str, str], ...], Note]] = field(default_factory=dict)
    modules: dict[int, Note] = field(default_factory=dict)
    differentiable: dict[int, Note] = field(default_factory=dict)
    inferred: dict[int, None] = field(default_factory=dict)
    frozen: dict[int, None] = field(default_factory=dict)
    handed_over: dict[int, None] = field(default_factory=dict)
    thawed: dict[int, None] = field(default_factory=dict)
    objects: dict[int, None] = field(default_factory=dict)
    called_in: dict[int, set[GradMode]] = field(default_factory=dict)
    shown: dict[int, None] = field(default_factory=dict)
    contexts: dict[int, set[int]] = field(default_factory=dict)
    proofs: int = 0
    _candidate: dict[Lineage, bool] = field(default_factory=dict)

    def size(self) -> int:
        """Grows with every new fact; equal sizes mean that a round learnt nothing."""
        tables: tuple[Sized, ...] = (
            self.tracking,
            self.single,
            self.parts,
            self.weights,
            self.modules,
            self.differentiable,
            self.frozen,
            self.thawed,
            self.objects,
            self.shown,
        )
        return sum(map(len, tables)) + self.proofs

    def proof(self, key: int, context: int) -> Note | None:
        """What shows that a definition tracks in this call of its function: helpers have others, too.

        A function that is interpreted alone has unknown callers: what is shown of one of them is shown of it.
        """
        note = self.tracking.get(key)
        if note is None or context == 0:
            return note
        return note if any(self._is_same_call(context, shown) for shown in self.contexts[key]) else None

    def _is_same_call(self, one: int, other: int) -> bool:
        """Whether two chains of calls are one, as far as both of them are known."""
        while one != other and one and other:
            _, outside_one, *call_one = self.keys.thing(one)
            _, outside_other, *call_other = self.keys.thing(other)
            if call_one != call_other:
                return False
            assert isinstance(outside_one, int) and isinstance(outside_other, int)
            one, other = outside_one, outside_other
        return True

    def show_parts(self, loss: Lineage | None) -> set[Lineage]:
        """A loss is made of this, or is it: parts of outputs in it are tensors that require grad.

        Gives back what it is made of. What it is divided by is a number, as often as not.
        """
        waiting, seen = [loss], set[Lineage]()
        while waiting:
            lineage = waiting.pop()
            if lineage is None or lineage in seen:
                continue
            seen.add(lineage)
            if lineage.key >= 0 and self._kind(lineage) == "part":
                self.shown.setdefault(lineage.key)
            waiting.extend(lineage.parents[:1] if self._is_quotient(lineage) else lineage.parents)
        return seen

    def only_without_grad(self) -> int:
        """How many functions are, as far as is known, called with grad mode off only."""
        return sum(1 for modes in self.called_in.values() if GradMode.ON not in modes)

    def is_frozen(self, key: int) -> bool:
        """Whether the module's parameters were told not to require grad, and never to do so again."""
        return key in self.frozen and key not in self.thawed

    def is_object(self, lineage: Lineage | None) -> bool:
        """A method that no tensor has was called: this is none, if only its `backward` said so."""
        while lineage is not None and _is_passage(lineage) and lineage.parents:
            lineage = lineage.parents[0]
        if lineage is None or lineage.key not in self.tracking:
            return False
        self.objects[lineage.key] = None
        return True

    def prove(self, lineage: Lineage | None, note: Note, single: bool = True) -> None:
        """Record that what `lineage` stands for was backpropagated at `note`, as one tensor if `single`."""
        self._candidate.clear()
        if lineage is not None:
            self._prove(lineage, note, set(), summand=True, single=single)

    def _prove(
        self,
        lineage: Lineage,
        note: Note,
        seen: set[Lineage],
        summand: bool = False,
        linear: bool = True,
        single: bool = False,
    ) -> None:
        if lineage in seen:
            return
        seen.add(lineage)
        if lineage.place is not None and not linear:
            return  # a number kept since an earlier episode can be a factor of a loss, too
        if lineage.key < 0 or _is_passage(lineage):
            for parent in lineage.parents:
                self._prove(parent, note, seen, summand, linear, single)
            return
        self.tracking.setdefault(lineage.key, note)
        contexts = self.contexts.setdefault(lineage.key, set())
        if lineage.context not in contexts:
            contexts.add(lineage.context)
            self.proofs += 1
        if single:
            self.single[lineage.key] = None
        whole = self._whole(lineage)
        if whole is not lineage:
            self._prove_part(lineage, whole, note, summand)
            return
        self._prove_callee(lineage, note)
        # `criterion(net(x), y)`: the output tracks. `critic(x)` tracks by itself and says nothing of x.
        # The loss functions of this world take their input first.
        # Nor does any call below the loss: `loss(net(state, action), y)` says nothing of `state`.
        says = lineage.arity == 0 or (lineage.arity > 1 and linear)
        candidates = self._candidates(lineage) if says else []
        if lineage.arity > 1 and candidates and candidates[0] is not lineage.parents[0]:
            candidates = []
        if lineage.summed and linear:
            for parent in candidates:
                if len(candidates) == 1 or self._is_made_by_calls(parent):
                    self._prove(parent, note, seen, summand, single=True)
        elif len(candidates) == 1 and not self._has_another_source(lineage, candidates[0]):
            operand = self._kind(lineage) == "operation"
            self._prove(candidates[0], note, seen, linear=False, single=operand)
        elif len({self._whole(parent) for parent in candidates}) == 1 and self._is_quotient(lineage):
            self._prove(candidates[0], note, seen, linear=False)  # `loss / tokens`, both out of one output

    def _prove_part(self, part: Lineage, whole: Lineage, note: Note, summand: bool) -> None:
        offset = str(self.keys.thing(part.key)[2])
        self.parts.setdefault(whole.key, {}).setdefault(offset, note)
        # `out, hidden = net(x)`, of which `out` goes into a loss, says what kind of thing `net` is. Of
        # `loss, log = step(batch)` and `step(batch)["loss"]` the backward speaks of the loss alone.
        if not summand and (offset[1:-1].isdigit() or (offset[0] == "." and whole.parents)):
            self._prove_callee(whole, note)

    def _prove_callee(self, lineage: Lineage, note: Note) -> None:
        if lineage.call is None:
            return
        thing = self.keys.thing(lineage.call.key)
        if thing[0] in ("part", "element") and str(thing[2]).startswith("["):
            return  # `transforms[name](x)`: one of many functions, which need not be modules
        if thing[0] == "part" and thing[2] in _NO_MODULES:
            return  # `times, weights = sampler.sample(n)`
        if self._candidates(lineage):
            self.differentiable.setdefault(lineage.call.key, note)
        elif lineage.call.key not in self.modules:
            self.modules[lineage.call.key] = note
            if thing[0] not in _MADE:
                self.inferred[lineage.call.key] = None

    def _candidates(self, lineage: Lineage) -> list[Lineage]:
        return [parent for parent in lineage.parents if self._is_candidate(parent)]

    def _has_another_source(self, product: Lineage, candidate: Lineage) -> bool:
        """Whether something else in a product is known to require grad: nothing is shown of a factor then.

        What is divided by says as little: numbers of tokens and of steps are what losses are divided by.
        """
        if self._kind(product) != "operation" or product.summed:
            return False
        if self._is_quotient(product) and candidate is not product.parents[0]:
            return True
        return any(
            one.tracks or one.key in self.tracking
            for parent in product.parents
            if parent is not candidate
            for one in ancestors(parent)
        )

    def _is_made_by_calls(self, lineage: Lineage) -> bool:
        return any(one.key >= 0 and self._kind(one) == "call" for one in ancestors(lineage))

    def _is_quotient(self, lineage: Lineage) -> bool:
        if lineage.key < 0 or len(lineage.parents) != 2:
            return False
        kind, *rest = self.keys.thing(lineage.key)
        return kind == "operation" and isinstance(rest[0], ast.BinOp) and isinstance(rest[0].op, ast.Div)

    def _whole(self, lineage: Lineage) -> Lineage:
        """The call's result of which this is an item or attribute."""
        while lineage.key >= 0 and self._kind(lineage) == "part" and lineage.parents:
            lineage = lineage.parents[0]
        return lineage

    def _is_candidate(self, lineage: Lineage) -> bool:
        known = self._candidate.get(lineage)
        if known is None:
            self._candidate[lineage] = False
            known = self._candidate[lineage] = self._may_be_proven(lineage)
        return known

    def _may_be_proven(self, lineage: Lineage) -> bool:
        if lineage.key < 0 or _is_passage(lineage):
            return bool(lineage.parents) and all(self._is_candidate(parent) for parent in lineage.parents)
        whole = self._whole(lineage)
        return self._is_candidate(whole) if _is_passage(whole) else self._kind(whole) in _CANDIDATES

    def _kind(self, lineage: Lineage) -> object:
        return self.keys.thing(lineage.key)[0]
