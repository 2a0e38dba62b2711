"""What becomes of a kept value, and whether keeping its graph was right.

Keeping a graph is often the point: losses are summed and then backpropagated, log-probabilities wait for
the end of the episode. So nothing is reported where a value is kept. The keep is written down, the
interpretation goes on, and every value that is later read from that place carries the place in its
lineage. At the end the place's uses decide:

* a backward reached it: the graph was wanted;
* the graph was spent, consumed by a backward, when it was kept or before the next iteration: nobody can
  differentiate it any more, keeping it is pure loss;
* the place escaped to code that cannot be seen: nothing is said;
* all that remains are measurements, or nothing at all: the graph was kept for no one.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Hashable
from dataclasses import dataclass, field

from detachlint.tracking.environment import State
from detachlint.tracking.events import Event
from detachlint.tracking.facts import Facts
from detachlint.tracking.lineages import ancestors, values_kept
from detachlint.tracking.places import LEAF, Keys, Place
from detachlint.tracking.values import Grad, Lineage, Origin, Tensor


class Use(enum.Enum):
    """What was done with a value read from a place, as far as it bears on its graph."""

    __hash__ = object.__hash__  # an enum's own is Python code
    DIFFERENTIATED = "differentiated"
    ESCAPED = "escaped"
    RETURNED = "returned"
    HANDED_BACK = "handed back to a caller in sight"
    MEASURED = "measured"


@dataclass(eq=False, slots=True)
class Keep:
    """A value was kept in a place that outlives it, under the `name` it was read from, if it was.

    It is `of_one` if it is one of the pieces of a value that was there before they were collected.
    """

    place: Place
    how: str
    callee: str
    path: str
    node: ast.AST
    detach: tuple[ast.expr, ...]
    origin: Origin | None
    lineage: Lineage | None
    outlives: str
    depth: int
    born: int
    unfixable: str | None = None
    spent: bool = False
    private: bool = True
    carried: bool | None = None
    bracketed: bool = False
    weights: bool = False
    chained: bool = False
    of_layer: bool = False
    of_one: bool = False
    part: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event of a loss, which has a place of its own: it counts if one of `wanted`, if any, becomes of it.

    Where it `needs` networks, one of them must be regressed: have a loss of its own.
    """

    place: Place
    event: Event
    wanted: frozenset[Use]
    needs: frozenset[Hashable] = frozenset()


@dataclass(slots=True)
class Fates:
    """The uses of every place, and the keeps and losses that wait for their verdict."""

    uses: dict[Place, dict[Use, ast.AST]] = field(default_factory=dict)
    keeps: list[Keep] = field(default_factory=list)
    candidates: dict[tuple[int, int], Candidate] = field(default_factory=dict)
    regressed: dict[Hashable, ast.AST] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    noted: int = 0
    _walked: dict[Use, set[Lineage]] = field(default_factory=dict)

    def use(self, lineage: Lineage | None, use: Use, node: ast.AST) -> None:
        """Note `use` for every place that `lineage` was read from."""
        if lineage is None:
            return
        walked = self._walked.get(use)
        if walked is None:
            walked = self._walked[use] = set()
        stack = [lineage]
        while stack:
            current = stack.pop()
            if current in walked:
                continue
            walked.add(current)
            if current.place is not None:
                self.use_place(current.place, use, node)
            stack.extend(current.parents)

    def use_place(self, place: Place, use: Use, node: ast.AST) -> None:
        """Note `use` for a place itself, a container that was handed on."""
        found = self.uses.setdefault(place, {})
        if use not in found:
            found[use] = node
            self.noted += 1

    def cut_in_place(self, lineage: Lineage | None) -> None:
        """`x.detach_()`: whatever holds this very tensor holds no graph any more, and was right to wait."""
        self.cut |= values_kept(lineage)

    def is_cut_in_place(self, lineage: Lineage | None) -> bool:
        """Whether a kept value is one that is cut in place later."""
        return lineage is not None and lineage.key in self.cut

    def settle(self, state: State, depth: int, since: int = 0) -> None:
        """At the end of an iteration of the loop at `depth`, or of a call: see what was spent meanwhile.

        Of the keeps those count that came `since`: a call of before had a loop, and a container, of its own.
        """
        for keep in self.keeps[since:]:
            if keep.depth < depth or keep.born >= depth:
                continue
            held = state.cells.get(keep.place)
            if isinstance(held, Tensor):
                keep.carried = keep.carried or held.grad is not Grad.CLEAR
            if not keep.spent and state.spent:
                keep.spent = is_spent(keep.lineage, state)


NODES = ("call", "operation", "hook")


def outdate(lineage: Lineage, owners: frozenset[int], state: State, facts: Facts) -> set[Lineage]:
    """A graph was retained, and the weights of these owners were stepped: what was made by them is stale.

    A step writes into the weights that a backward through them needs: torch raises, as if it were consumed.
    """
    users: dict[Lineage, list[Lineage]] = {}
    waiting: list[Lineage] = []
    for ancestor in ancestors(lineage):
        for parent in ancestor.parents:
            users.setdefault(parent, []).append(ancestor)
        if ancestor.call is not None and ancestor.call.key in owners:
            waiting.append(ancestor)
    stale = set(waiting)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in stale:
                stale.add(user)
                waiting.append(user)
    for each in stale:
        if _is_result(each, facts):
            _consume(each, state, facts)
    return stale


def spend(
    lineage: Lineage | None, state: State, facts: Facts, until: frozenset[Lineage] = frozenset()
) -> None:
    """A backward consumed this graph: the results of operations, not the leaves that they began with."""
    for ancestor in ancestors(lineage, until):
        if _is_result(ancestor, facts):
            _consume(ancestor, state, facts)
        elif ancestor.carried is not None:
            state.spent[ancestor] = True


def _is_result(lineage: Lineage, facts: Facts) -> bool:
    return lineage.key >= 0 and _is_node(lineage, facts.keys)


def _consume(lineage: Lineage, state: State, facts: Facts) -> None:
    state.spent[lineage] = lineage.tracks or facts.proof(lineage.key, lineage.context) is not None


def _is_node(lineage: Lineage, keys: Keys) -> bool:
    if lineage.entered is not None or lineage.left is not None or lineage.place is not None:
        return False
    kind, *rest = keys.thing(lineage.key)
    if kind in ("part", "element"):
        return any(parent.key >= 0 and _is_node(parent, keys) for parent in lineage.parents)
    return kind in NODES and LEAF not in rest


def is_spent(lineage: Lineage | None, state: State) -> bool:
    """Whether a part of this graph was consumed, so that differentiating it again would raise.

    A call's result is spent with the call itself: what the call did with its arguments cannot be seen, a
    helper may have detached them. What was made of a state of the iteration before is not spent for that: its
    backward will raise, which is told of the state.
    """
    if not state.spent:
        return False
    seen: set[Lineage] = set()
    stack = [(lineage, False)] if lineage is not None else []
    while stack:
        current, made = stack.pop()
        if made and current.carried is not None and current.carried.spent:
            continue
        if current in state.spent:
            return True
        if current in seen or current.arity > 0:
            continue
        seen.add(current)
        made = made or (current.key >= 0 and current.place is None and current.entered is None)
        stack.extend((parent, made) for parent in current.parents)
    return False


def is_wasted(keep: Keep, uses: dict[Use, ast.AST]) -> bool:
    """The verdict: nobody can, or nobody does, differentiate what was kept."""
    if keep.carried is False or keep.of_one or Use.DIFFERENTIATED in uses:
        return False
    # An average of weights is there to be read: nobody trains what it is an average of through it.
    # What is put together here from weights and given back is a kernel, not an average.
    given = keep.place[1][0] not in ".[" and (Use.RETURNED in uses or Use.HANDED_BACK in uses)
    if keep.spent or (keep.weights and not given):
        return True
    if Use.RETURNED in uses:
        return False
    # `net.eval()`, outputs collected, no backward in sight: an inference loop that forgot no_grad.
    if Use.ESCAPED in uses:
        return keep.bracketed
    if keep.of_layer and Use.HANDED_BACK in uses:
        return False
    return (keep.private and Use.HANDED_BACK not in uses) or Use.MEASURED in uses
