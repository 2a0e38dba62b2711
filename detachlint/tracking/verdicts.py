"""The end of a file's analysis: which keeps and losses were wrong, and the events for the rules."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from detachlint.tracking import callers, forgetting, twins
from detachlint.tracking.analysis import Analysis
from detachlint.tracking.definitions import FunctionDefinition, SourceModule
from detachlint.tracking.events import Event, EventKind, Note, notes_of
from detachlint.tracking.fates import Candidate, Fates, Keep, Use, is_wasted
from detachlint.tracking.lineages import ancestors, values_kept
from detachlint.tracking.places import OUTSIDE, Place
from detachlint.tracking.values import Lineage

_Where: TypeAlias = "tuple[str, int, int]"


def events(analysis: Analysis, path: str) -> list[Event]:
    """All events whose sink stands in the file `path`."""
    found = list(analysis.events.values())
    found += _keeps(analysis, path)
    # Of a loss whose twin detaches its target nothing else is said: one side has to keep its graph.
    paired = twins.events(analysis)
    judged = {part for call in paired for part in ast.walk(call)}
    found += (event for event in _losses(analysis) if event.node not in judged)
    found += forgetting.events(analysis)
    found += paired.values()
    return sorted(
        (_fixable(analysis, event) for event in found),
        key=lambda event: (getattr(event.node, "lineno", 0), getattr(event.node, "col_offset", 0)),
    )


def _fixable(analysis: Analysis, event: Event) -> Event:
    """An event without its fix, if what would be detached is no tensor in another call of its function."""
    other = next((node for node in event.detach if node in analysis.untensed), None)
    if other is None:
        return event
    why = f"`{ast.unparse(other)}` may be something else than a tensor in another call"
    return replace(event, detach=(), unfixable=why)


def _losses(analysis: Analysis) -> list[Event]:
    """The events of losses that are, as far as can be seen, there to be differentiated."""
    fates = analysis.fates
    return [candidate.event for candidate in fates.candidates.values() if _counts(fates, candidate)]


def _counts(fates: Fates, candidate: Candidate) -> bool:
    if candidate.needs and not candidate.needs & fates.regressed.keys():
        return False
    return not candidate.wanted or bool(candidate.wanted & fates.uses.get(candidate.place, {}).keys())


def _keeps(analysis: Analysis, path: str) -> list[Event]:
    uses = analysis.fates.uses
    chained = {_where(keep) for keep in analysis.fates.keeps if keep.chained}
    needed = {(_where(keep), keep.part) for keep in analysis.fates.keeps if _is_needed(analysis, keep)}
    # What a function returns is its callers' to judge: those in sight, where the file is the whole program.
    judged_elsewhere = set() if is_closed(analysis) else _returned(analysis)
    reported: dict[_Where, Event] = {}
    for keep in analysis.fates.keeps:
        if keep.path != path or (_where(keep), keep.part) in needed:
            continue
        if _where(keep) in chained and not keep.spent:
            continue
        if analysis.fates.is_cut_in_place(keep.lineage):
            continue
        if not _chains(analysis, keep) and not _is_wrong(keep, uses, judged_elsewhere):
            continue
        if not _chains(analysis, keep) and not keep.weights and _is_held_anyway(analysis, keep):
            continue
        event = _event(keep, uses.get(keep.place, {}))
        known = reported.get(_where(keep))
        reported[_where(keep)] = event if known is None else _merged(known, event)
    return list(reported.values())


def _is_wrong(
    keep: Keep, uses: dict[Place, dict[Use, ast.AST]], judged_elsewhere: set[tuple[_Where, str]]
) -> bool:
    if not keep.spent and not keep.weights and (_where(keep), keep.part) in judged_elsewhere:
        return False
    return is_wasted(keep, uses.get(keep.place, {}))


def _is_held_anyway(analysis: Analysis, keep: Keep) -> bool:
    """Whether another place that lives as long holds the very same value, or its graph, for a backward."""
    uses = analysis.fates.uses
    others = (other for other in analysis.fates.keeps if other.born <= keep.born)
    needed = [other for other in others if Use.DIFFERENTIATED in uses.get(other.place, {})]
    own = values_kept(keep.lineage)
    if keep.name and any(o.name == keep.name and values_kept(o.lineage) == own for o in needed):
        return True
    made = _outputs_in(keep) if not keep.spent and keep.born != OUTSIDE else frozenset()
    # What lives as long, and hangs on the same outputs, goes with them; what lives longer holds all of them.
    return any(
        made & _outputs_in(other) if other.born == keep.born else made and made <= _outputs_in(other)
        for other in needed
    )


def _outputs_in(keep: Keep) -> frozenset[Lineage]:
    """The outputs of networks that a kept value was computed from."""
    return frozenset(ancestor for ancestor in ancestors(keep.lineage) if ancestor.call is not None)


def _is_needed(analysis: Analysis, keep: Keep) -> bool:
    if _chains(analysis, keep):
        return False
    return Use.DIFFERENTIATED in analysis.fates.uses.get(keep.place, {})


def _chains(analysis: Analysis, keep: Keep) -> bool:
    """A registered buffer that is computed from itself: a later backward through it would raise."""
    return keep.how == "statistic" and keep.place in analysis.buffers and keep.carried is not False


def _returned(analysis: Analysis) -> set[tuple[_Where, str]]:
    """What goes to callers out of sight; where all of them are in sight, they have shown what they do."""
    found = [keep for keep in analysis.fates.keeps if Use.RETURNED in analysis.fates.uses.get(keep.place, {})]
    left = (keep for keep in found if not (_is_alone(analysis, keep) and _is_in(keep, analysis.decided)))
    return {(_where(keep), keep.part) for keep in left}


def _is_alone(analysis: Analysis, keep: Keep) -> bool:
    """Whether the function was interpreted on its own, not for a call of it."""
    return analysis.keys.thing(keep.place[0])[-1] == 0


def _is_in(keep: Keep, definitions: Iterable[FunctionDefinition]) -> bool:
    line = _where(keep)[1]
    return any(d.node.lineno <= line <= (d.node.end_lineno or 0) for d in definitions)


def returned(
    analysis: Analysis, path: str, definitions: Iterable[FunctionDefinition]
) -> list[FunctionDefinition]:
    """The functions that give back what they keep: nobody needs its graph but, maybe, their callers."""
    needed = {Use.DIFFERENTIATED, Use.ESCAPED}
    uses = analysis.fates.uses
    found = [keep for keep in analysis.fates.keeps if keep.path == path and not keep.spent]
    open_ = [k for k in found if Use.RETURNED in uses.get(k.place, {}) and not needed & uses[k.place].keys()]
    return [definition for definition in definitions if any(_is_in(keep, (definition,)) for keep in open_)]


def is_closed(analysis: Analysis) -> bool:
    """Whether the file is run, and nothing in it is another's: a library may try itself out, too."""
    module = next(m for m in analysis.modules.values() if m.path == analysis.target)
    if not analysis.fates.keeps or not is_program(module):
        return False
    return analysis.project is None or not callers.others(analysis.project, module)


def is_program(module: SourceModule) -> bool:
    """Whether a file is run, not imported: it has a `__main__` block, or loops at its top level."""
    for part in module.tree.body:
        if isinstance(part, ast.If) and "__main__" in ast.dump(part.test):
            return True
        if isinstance(part, (ast.For, ast.While, ast.With)):
            return True
    return False


def _where(keep: Keep) -> _Where:
    """The place of a keep, with its file: statements of several files stand in the same row and column."""
    return (keep.path, getattr(keep.node, "lineno", 0), getattr(keep.node, "col_offset", 0))


def _merged(first: Event, second: Event) -> Event:
    """One statement may keep more than one value: all of them are detached together."""
    unfixable = first.unfixable or second.unfixable
    if unfixable is not None:
        return replace(first, detach=(), unfixable=unfixable)
    return replace(first, detach=tuple(dict.fromkeys(first.detach + second.detach)))


def _event(keep: Keep, uses: dict[Use, ast.AST]) -> Event:
    notes = notes_of(keep.origin)
    notes.append(
        Note(keep.path, keep.node, f"`{keep.callee}` keeps it, and its graph, beyond {keep.outlives}")
    )
    notes.append(Note(keep.path, keep.node, _fate(keep, uses)))
    kind: EventKind = "output" if keep.how == "step" else "keep"
    return Event(
        kind, keep.how, keep.callee, keep.node, keep.detach, tuple(notes), keep.spent, keep.unfixable
    )


def _fate(keep: Keep, uses: dict[Use, ast.AST]) -> str:
    if keep.spent:
        return "a backward has consumed its graph: nobody can differentiate it any more"
    if Use.MEASURED in uses:
        return "later only numbers are taken from it: no backward needs its graph"
    return "no backward ever reaches it from there"
