"""One network's output in the training step of another.

`D(G(z))` in the discriminator's own step sends gradients through `G` too, though the step that follows is of
`D`'s optimizer alone. Which it was, is known only afterwards: so each backward waits, with its graph, for the
optimizers that step next. Those are the ones it was meant for: networks that are trained together are stepped
together. What becomes of the gradients of a network that was left out is told by what comes next:

* its gradients are set to zero before its own step: the backward through it was work for nothing;
* its own backward and step come first: they are mixed into a step they do not belong to;
* its own backward goes through the same sample, whose graph is gone: it raises.

Where an optimizer's parameters are not known, or a network is frozen by the program itself, nothing is said.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from detachlint.tracking import expressions, methods
from detachlint.tracking.analysis import Frame
from detachlint.tracking.consumption import Consumption, parts
from detachlint.tracking.environment import Pending
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.fates import outdate
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.places import PARAMETERS
from detachlint.tracking.values import (
    Instance,
    Lineage,
    Module,
    Object,
    Tensor,
    Unknown,
    Value,
    lineage_of,
)

NOTICED = frozenset({"step", "zero_grad"})
_OPTIMIZERS = "torch.optim."
_SCHEDULERS = "torch.optim.lr_scheduler."


@dataclass(frozen=True, slots=True)
class _Feed:
    """A network that is stepped calls, on the output of one that is not: the argument that takes it."""

    network: Lineage
    source: Lineage
    entry: Lineage | None


def optimizer_made(frame: Frame, site: int, parameters: Value | None) -> None:
    """Remember whose parameters an optimizer steps; None if that cannot be seen."""
    leaves = expressions.flatten(frame, parameters) if parameters is not None else []
    carriers = [leaf for leaf in leaves if isinstance(leaf, (Tensor, Unknown))]
    owners = [_owners_of(frame, leaf) for leaf in carriers]
    known = bool(owners) and all(owners)
    found = frozenset(key for keys in owners for key in keys) if known else None
    before = frame.analysis.optimizers.get(site, frozenset())
    frame.analysis.optimizers[site] = None if found is None or before is None else found | before


def _owners_of(frame: Frame, leaf: Value) -> set[int]:
    things = (frame.analysis.keys.thing(a.key) for a in ancestors(lineage_of(leaf)) if a.key >= 0)
    return {thing[1] for thing in things if thing[0] == PARAMETERS and isinstance(thing[1], int)}


def differentiated(frame: Frame, node: ast.AST, lineage: Lineage | None, retained: bool = False) -> None:
    """A backward put gradients into the parameters of every network in this graph."""
    frame.analysis.training_calls += 1
    if lineage is None:
        return
    pending, here = frame.live.pending.copy(), (node, frame.context)
    for key, waiting in pending.items():
        if waiting.stepped and key != here:
            if _meets(frame, waiting, lineage):
                _tell(frame, waiting, _networks(lineage), "reused")
            elif _is_stale(waiting, lineage):
                _tell(frame, waiting, _networks(lineage), "stale")
            pending[key] = replace(waiting, later=(*waiting.later, lineage))
    raises = bool(pending) and Consumption(_consumed(frame), marks=False).of_lineage(lineage)
    pending[here] = Pending(
        node, frame.module.path, lineage, functions=_running(frame), raises=raises, retained=retained
    )
    frame.live.pending = pending


def _running(frame: Frame) -> frozenset[ast.AST]:
    """The functions that are running, or the file itself."""
    found: set[ast.AST] = set()
    current: Frame | None = frame
    while current is not None:
        found.add(current.module.tree if current.definition is None else current.definition.node)
        current = current.caller
    return frozenset(found)


def _consumed(frame: Frame) -> dict[Lineage, bool]:
    """What backwards have consumed, without what a step has only made stale."""
    stale, spent = frame.analysis.stale, frame.live.spent
    return {each: sure for each, sure in spent.items() if each not in stale} if stale else spent


def _meets(frame: Frame, waiting: Pending, lineage: Lineage) -> bool:
    """Whether a later backward comes by what this one consumed."""
    spent = _consumed(frame)
    consumed = {a for a in ancestors(waiting.lineage) if a.call is not None and spent.get(a)}
    return bool(consumed) and any(ancestor in consumed for ancestor in ancestors(lineage))


def _is_stale(waiting: Pending, lineage: Lineage) -> bool:
    """Whether a later backward comes through a call of what was stepped since: its weights are not those."""
    calls = {a for a in ancestors(waiting.lineage) if a.call is not None and a.call.key in waiting.stepped}
    return bool(calls) and any(ancestor in calls for ancestor in ancestors(lineage))


def noticed(frame: Frame, receiver: Value, name: str, arguments: tuple[Value, ...]) -> None:
    """`receiver.step(...)` or `receiver.zero_grad(...)` is called."""
    frame.analysis.training_calls += 1
    if not frame.live.pending:
        return
    if _is_scheduler(receiver):
        return
    optimizer = next((found for value in (receiver, *arguments) if (found := _optimizer(value))), None)
    owners: frozenset[int] | None
    if isinstance(receiver, Instance) and not receiver.klass.is_module and optimizer is None:
        return  # its own method is looked into
    if optimizer is not None:
        owners = frame.analysis.optimizers.get(optimizer.key) if optimizer.alone else None
    elif name == "zero_grad" and isinstance(receiver, (Module, Instance)):
        alone = isinstance(receiver, Instance) or receiver.alone
        owners = frozenset(methods.owners(frame, receiver)) if alone else None
    else:
        owners = None
    if owners is None:
        _lose(frame, None)
        return
    (_stepped if name == "step" else _zeroed)(frame, owners)


def _optimizer(value: Value) -> Object | None:
    is_known = isinstance(value, Object) and value.name.startswith(_OPTIMIZERS)
    return value if is_known and isinstance(value, Object) and not _is_scheduler(value) else None


def _is_scheduler(value: Value) -> bool:
    return isinstance(value, Object) and value.name.startswith(_SCHEDULERS)


def lost(frame: Frame, values: list[Value]) -> None:
    """Code out of sight got an optimizer: it may step it."""
    if frame.live.pending and any(_optimizer(value) for value in values):
        _lose(frame, None)


def _lose(frame: Frame, owners: set[int] | None) -> None:
    """What becomes of gradients cannot be seen: of those in networks of these owners, or of all."""
    frame.live.pending = {
        key: replace(
            waiting, lost=waiting.lost or owners is None or bool(owners & _networks(waiting.lineage))
        )
        for key, waiting in frame.live.pending.items()
    }


def _stepped(frame: Frame, owners: frozenset[int]) -> None:
    pending = frame.live.pending.copy()
    for key, waiting in pending.items():
        if waiting.retained:
            frame.analysis.stale |= outdate(waiting.lineage, owners, frame.live, frame.analysis.facts)
        if not waiting.later:
            pending[key] = replace(waiting, stepped=waiting.stepped | owners)
            continue
        again = {network for later in waiting.later for network in _networks(later)}
        _tell(frame, waiting, (owners & again) - waiting.zeroed, "unzeroed")
    frame.live.pending = pending


def _zeroed(frame: Frame, owners: frozenset[int]) -> None:
    pending = frame.live.pending.copy()
    for key, waiting in frame.live.pending.items():
        if waiting.stepped:
            _tell(frame, waiting, owners - waiting.zeroed, "waste")
            pending[key] = replace(waiting, zeroed=waiting.zeroed | owners)
        else:
            pending[key] = replace(waiting, lost=waiting.lost or bool(owners & _networks(waiting.lineage)))
    frame.live.pending = pending


def handled(frame: Frame, leaf: Value) -> None:
    """The program looks after gradients itself, `p.grad = None`: nothing is said of this network's."""
    if frame.live.pending:
        _lose(frame, _owners_of(frame, leaf))


def made_by(frame: Frame, value: Value) -> frozenset[int]:
    """The networks that were called in a value's graph, and the owners of the parameters in it."""
    lineage = lineage_of(value)
    return frozenset(_owners_of(frame, value)) | (_networks(lineage) if lineage is not None else frozenset())


def _networks(lineage: Lineage) -> frozenset[int]:
    """The networks that were called in a graph."""
    return frozenset(a.call.key for a in ancestors(lineage) if a.call is not None)


def _tell(frame: Frame, waiting: Pending, owners: frozenset[int], sink: str) -> None:
    """Report the networks of these owners that were fed into the one that was stepped."""
    facts = frame.analysis.facts
    left_out = owners - waiting.stepped - facts.frozen.keys() - facts.handed_over.keys()
    if left_out and not waiting.lost:
        for feed in _feeds(frame, waiting, left_out):
            shared = sink == "stale" or _is_shared(frame, waiting, feed)
            fate = "consumed" if waiting.raises else sink
            if not shared or fate != "waste":
                _report(frame, waiting, feed, fate, shared)


def _is_shared(frame: Frame, waiting: Pending, feed: _Feed) -> bool:
    """Whether other backwards go through the same call of the stepped network: it needs both."""
    others = [other.lineage for other in frame.live.pending.values() if other.lineage is not waiting.lineage]
    return any(feed.network in ancestors(lineage) for lineage in (*others, *waiting.later))


def _feeds(frame: Frame, waiting: Pending, left_out: frozenset[int]) -> list[_Feed]:
    """How stepped networks take what those left out gave; none if the loss takes it directly as well."""
    found: list[_Feed] = []
    seen: set[tuple[Lineage, Lineage | None]] = set()
    stack: list[tuple[Lineage, Lineage | None, Lineage | None, bool]] = [(waiting.lineage, None, None, False)]
    while stack:
        current, network, entry, settled = stack.pop()
        if (current, network) in seen:
            continue
        seen.add((current, network))
        owner = current.call.key if current.call is not None else None
        if owner in left_out:
            if network is None or _is_stepped_below(frame, waiting, current):
                return []
            found.append(_Feed(network, current, entry))
            continue
        if network is None and owner in waiting.stepped:
            network = current
        elif network is not None and current.entered is not None and not settled:
            entry = current
        elif entry is not None and current.key >= 0 and current.place is None and current.left is None:
            settled = True
        if current.opaque and owner not in waiting.stepped and network is not None:
            continue
        stack += [(parent, network, entry, settled) for parent in current.parents]
    return found


def _is_stepped_below(frame: Frame, waiting: Pending, network: Lineage) -> bool:
    """Whether what is stepped gets gradients through this network: a part of it, or what feeds it."""
    for ancestor in ancestors(network):
        if ancestor.call is not None and ancestor.call.key in waiting.stepped:
            return True
        thing = frame.analysis.keys.thing(ancestor.key) if ancestor.key >= 0 else ()
        if len(thing) > 1 and thing[0] == PARAMETERS and thing[1] in waiting.stepped:
            return True
    return False


_SHARED = "its result is needed in the other step too: call it once more there, and detach it here"
_IN_HELPER = "detach what is handed to this function in the step of the other network"


def _report(frame: Frame, waiting: Pending, feed: _Feed, sink: str, shared: bool) -> None:
    node = _argument(frame, feed)
    linted = next(m for m in frame.analysis.modules.values() if m.path == frame.analysis.target)
    around = _functions(frame, linted.tree)
    if node is None or node not in around:
        return
    events = frame.analysis.events
    if sink == "waste" and any((id(node), "feed", other) in events for other in _HARMFUL):
        return
    events.pop((id(node), "feed", "waste"), None)
    here = around[node] in waiting.functions
    unfixable = _SHARED if shared else None if here else _IN_HELPER
    value = frame.analysis.seen.get(node)
    origin = next((part.origin for part in parts(value) if isinstance(part, Tensor)), None) if value else None
    if origin is None:  # it came out of code out of sight, which was given the network's output
        return
    notes = notes_of(origin)
    network = _callee(frame, feed.network)
    notes.append(
        Note(linted.path, node, f"`{network}` gets the output of a network that is not stepped here")
    )
    notes.append(Note(waiting.path, waiting.node, _FATES[sink]))
    event = Event(
        "feed", sink, network, node, (node,) if unfixable is None else (), tuple(notes), False, unfixable
    )
    frame.analysis.emit(event)


_HARMFUL = ("consumed", "reused", "unzeroed", "stale")
_FATES = {
    "consumed": "this backward runs into the sample's graph, which an earlier one has consumed, and raises",
    "reused": "this backward consumes the sample's graph: the next backward through the same sample raises",
    "unzeroed": "this backward leaves gradients in that network, and nothing clears them before its own step",
    "stale": "the step after this backward changes weights that a later backward through the same call needs",
    "waste": "this backward computes gradients for that network, which are cleared before its own step",
}


def _argument(frame: Frame, feed: _Feed) -> ast.expr | None:
    """The smallest part of an argument of the network's call that holds the other network's output."""
    if feed.entry is not None and feed.entry.entered is not None:
        return _smallest(frame, feed.entry.entered.argument, feed.source)
    call = _node(frame, feed.network)
    arguments = (part for part in _inner(call) if _leads(frame, part, feed.source)) if call else iter(())
    argument = next(arguments, None)
    return _smallest(frame, argument, feed.source) if argument is not None else None


def _smallest(frame: Frame, node: ast.expr, source: Lineage) -> ast.expr:
    made = _node(frame, source)
    while node is not made:
        inner = [part for part in _inner(node) if _leads(frame, part, source)]
        if len(inner) != 1:
            break
        node = inner[0]
    return node


def _inner(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that a value is made of; of a call the arguments and the receiver."""
    if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return
    for part in ast.iter_child_nodes(node):
        inner = part.value if isinstance(part, (ast.keyword, ast.Starred)) else part
        if isinstance(node, ast.Call) and inner is node.func:
            if isinstance(inner, ast.Attribute):
                yield inner.value
        elif isinstance(inner, ast.expr):
            yield inner


def _leads(frame: Frame, node: ast.expr, source: Lineage) -> bool:
    value = frame.analysis.seen.get(node)
    if value is None:
        return any(_leads(frame, part, source) for part in _inner(node))
    leaves = expressions.flatten(frame, value)
    return any(a.key == source.key for leaf in leaves for a in ancestors(lineage_of(leaf)))


def _node(frame: Frame, lineage: Lineage) -> ast.AST | None:
    thing = frame.analysis.keys.thing(lineage.key) if lineage.key >= 0 else ()
    node = thing[1] if len(thing) > 1 else None
    return node if isinstance(node, ast.AST) else None


def _callee(frame: Frame, lineage: Lineage) -> str:
    node = _node(frame, lineage)
    return ast.unparse(node.func) if isinstance(node, ast.Call) else "the network"


def _functions(frame: Frame, tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """The innermost function around each node of the file, or the file itself."""
    known = frame.analysis.around
    waiting: list[tuple[ast.AST, ast.AST]] = [] if known else [(tree, tree)]
    while waiting:
        node, around = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            around = node
        known[node] = around
        waiting += [(part, around) for part in ast.iter_child_nodes(node)]
    return known
