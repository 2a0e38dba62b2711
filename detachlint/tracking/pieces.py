"""Whether what a loop collects are pieces of a graph that was there before it.

`for head in heads: boxes.append(decode(head))` keeps nothing that `heads` does not hold anyway, as long as
what collects them goes with the call: no network runs in a turn, and no turn goes on from the one before.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from detachlint.tracking.analysis import Frame
from detachlint.tracking.fates import NODES
from detachlint.tracking.places import LEAF, OUTSIDE
from detachlint.tracking.values import Lineage


def is_piece(frame: Frame, lineage: Lineage | None, written: ast.expr | None, born: int) -> bool:
    """Whether a value, `written` so, is a piece of what was there before the loop that collects it.

    `born` is the depth at which the collection was made.
    """
    definition = frame.definition
    if definition is None or born == OUTSIDE or not 0 <= born - frame.entry_depth < len(frame.loops):
        return False
    loop = frame.loops[born - frame.entry_depth].node
    body = loop.body if isinstance(loop, (ast.For, ast.AsyncFor, ast.While)) else []
    inside = {part for statement in body for part in ast.walk(statement)}
    graph = _Graph(frame, set(ast.walk(definition.node)), inside)
    if not graph.walk(lineage):
        return False
    apart = graph.taken_apart or _takes_apart(loop, written)
    return apart and graph.is_of_wholes() and not graph.is_chained()


def _takes_apart(loop: ast.AST | None, written: ast.expr | None) -> bool:
    """Whether an item is written, or what a loop over things that are there gives."""
    if written is None:
        return False
    given = ast.walk(loop.target) if isinstance(loop, (ast.For, ast.AsyncFor)) else ()
    names = {part.id for part in given if isinstance(part, ast.Name)}
    parts = list(ast.walk(written))
    return any(isinstance(p, ast.Subscript) or (isinstance(p, ast.Name) and p.id in names) for p in parts)


@dataclass(slots=True)
class _Graph:
    """What a value was computed from, down to the `wholes` that were there before the loop.

    Each of what was `worked` on in the loop must be made of a whole: of leaves alone it is a new graph. So
    must both of what is `joined`, the one and the other on different paths.
    """

    frame: Frame
    here: set[ast.AST]
    inside: set[ast.AST]
    wholes: list[Lineage] = field(default_factory=list)
    worked: list[Lineage] = field(default_factory=list)
    joined: list[Lineage] = field(default_factory=list)
    users: dict[Lineage, list[Lineage]] = field(default_factory=dict)
    made: dict[int, list[Lineage]] = field(default_factory=dict)
    taken_apart: bool = False

    def walk(self, lineage: Lineage | None) -> bool:
        """Look at all of it; False where a turn makes a graph of its own."""
        waiting, seen = [lineage], set[Lineage]()
        while waiting:
            current = waiting.pop()
            if current is None or current in seen:
                continue
            seen.add(current)
            if self._is_whole(current):
                self.wholes.append(current)
            elif LEAF in self._thing(current):
                continue
            elif not self._work(current):
                return False
            else:
                for parent in current.parents:
                    self.users.setdefault(parent, []).append(current)
                waiting.extend(current.parents)
        return True

    def is_of_wholes(self) -> bool:
        """Whether all that was worked on is made of what was there."""
        found = self._made_of(self.wholes)
        mixed = (len({parent in found for parent in each.parents}) > 1 for each in self.joined)
        return bool(self.wholes) and all(each in found for each in self.worked) and not any(mixed)

    def is_chained(self) -> bool:
        """Whether a turn goes on from the one before: the same operation stands among what it was made of."""
        several = (same for same in self.made.values() if len(same) > 1)
        return any(len(self._made_of([one]).intersection(same)) > 1 for same in several for one in same)

    def _made_of(self, these: list[Lineage]) -> set[Lineage]:
        found, waiting = set(these), list(these)
        while waiting:
            new = [user for user in self.users.get(waiting.pop(), ()) if user not in found]
            found.update(new)
            waiting.extend(new)
        return found

    def _thing(self, lineage: Lineage) -> tuple[object, ...]:
        return self.frame.analysis.keys.thing(lineage.key) if lineage.key >= 0 else (None,)

    def _is_whole(self, lineage: Lineage) -> bool:
        if lineage.entered is not None and lineage.entered.context == self.frame.context:
            return True
        kind, *rest = self._thing(lineage)
        return kind in NODES and LEAF not in rest and rest[0] in self.here and rest[0] not in self.inside

    def _work(self, lineage: Lineage) -> bool:
        kind, *rest = self._thing(lineage)
        self.taken_apart = self.taken_apart or kind in (*NODES, "element")
        if kind not in NODES:
            if lineage.key < 0 and len(lineage.parents) > 1:
                self.joined.append(lineage)
            return True
        if lineage.call is not None or not lineage.parents:
            return False  # a network runs in each turn
        if lineage.tracks:
            self.worked.append(lineage)
        if rest[0] in self.inside:
            self.made.setdefault(lineage.key, []).append(lineage)
        return True
