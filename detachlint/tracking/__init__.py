"""The tracker: an abstract interpreter of Python that follows what requires grad.

`track` interprets one file and returns the events it met. The file's top level is interpreted first, then
every function on its own, with unknown parameters, the way code outside of the file may call it. What is
learnt on the way (facts, attributes that a method left behind) can explain code that came before it, so the
whole is repeated until nothing new is learnt. Where questions stay open, the callers in other files are
interpreted beside it. Last, the kept values get their verdict.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from detachlint.findings import Answer, Question
from detachlint.models import Models
from detachlint.tracking import bracketed, callers, twins, verdicts
from detachlint.tracking.analysis import Analysis
from detachlint.tracking.definitions import SourceModule
from detachlint.tracking.entries import interpret_file
from detachlint.tracking.events import Event
from detachlint.tracking.facts import Facts
from detachlint.tracking.fates import Fates
from detachlint.tracking.heard import Heard
from detachlint.tracking.library import is_for_other_framework
from detachlint.tracking.places import OWN_NUMBERS, Keys
from detachlint.tracking.project import Project
from detachlint.tracking.room import with_room

_MAX_ROUNDS = 4
_MOST_LINES = 400_000  # of a project's modules that are remembered at a time; half a gigabyte of memory
_MAX_ROUNDS_WITH_CALLERS = 2  # the file itself is settled by then; its callers add what they know once


def track(path: str, source: str, tree: ast.Module, models: Models, root: Path | None = None) -> list[Event]:
    """The events of one file, in the order of their places.

    `path` is the file's name as it is to be reported; `root` the project's folder, where its other files
    are looked up.
    """
    return with_room(lambda: _track(path, source, tree, models, root))


def _track(path: str, source: str, tree: ast.Module, models: Models, root: Path | None) -> list[Event]:
    keys = Keys(OWN_NUMBERS)
    facts = Facts(keys)
    if is_for_other_framework(source, tree):
        return []
    surroundings = None if root is None else _surroundings(root, models)
    if surroundings is not None and root is not None and surroundings.lines > _MOST_LINES:
        forget()
        surroundings = _surroundings(root, models)
    project = None if surroundings is None else surroundings.project
    if project is not None:
        project.begin()
    file = str(Path(path).resolve())
    analysis = Analysis(models, project, keys, facts, Fates(), surroundings, target=path)
    module = SourceModule(path, file, tree, keys("scope", file))
    analysis.modules[file] = module
    analysis.twins = twins.pairs(tree)
    _interpret(analysis, lambda: interpret_file(analysis, module), _MAX_ROUNDS)
    search = None if project is None else bracketed.Search(project)
    found = _events(analysis, module, search)
    asked = callers.open_questions(analysis, module, found)
    others = callers.find(analysis, module, asked)
    analysis.settled = analysis.heard.settled()
    analysis.closed = bool(found) and verdicts.is_closed(analysis)
    if not others and (not found or not analysis.settled):
        return found

    analysis.decided = callers.deciding(analysis, others, asked)

    def both() -> None:
        interpret_file(analysis, module)
        callers.interpret(analysis, others, asked)

    _interpret(analysis, both, _MAX_ROUNDS_WITH_CALLERS, judged_by_callers=True)
    return _events(analysis, module, search)


def _events(analysis: Analysis, module: SourceModule, search: bracketed.Search | None) -> list[Event]:
    found = verdicts.events(analysis, module.path)
    return found if search is None else bracketed.unless_bracketed(search, module, found)


def answers(models: Models, root: Path) -> Mapping[Question, Answer]:
    """What the last analysis asked of the project's other files, and was told."""
    project = _surroundings(root, models).project
    return {} if project is None else project.answers()


def _interpret(
    analysis: Analysis, once: Callable[[], None], most: int, judged_by_callers: bool = False
) -> None:
    """Repeat until nothing new is learnt; what is learnt stays, all else begins anew."""
    facts = analysis.facts
    for _ in range(most):
        known = (facts.size(), facts.only_without_grad(), analysis.settled)
        analysis.fates, analysis.events, analysis.work = Fates(), {}, 0
        analysis.inert.clear()
        analysis.untensed.clear()
        analysis.stored.clear()
        analysis.stale.clear()
        analysis.twins_met.clear()
        analysis.compared.clear()
        analysis.heard = Heard()
        once()
        if judged_by_callers:
            analysis.settled = analysis.heard.settled()
        if (facts.size(), facts.only_without_grad(), analysis.settled) == known:
            break


def forget() -> None:
    """Read the project's other files anew: they may have changed, or were interpreted only half way."""
    _surroundings.cache_clear()


@lru_cache(maxsize=1)
def _surroundings(root: Path, models: Models) -> Analysis:
    """What the files of a project have in common: its modules' top levels, interpreted when first used."""
    keys = Keys()
    return Analysis(models, Project(root), keys, Facts(keys), Fates())
