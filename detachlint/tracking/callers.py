"""Who calls a file's functions from elsewhere in the project.

A function is judged by how it is used. Whether an argument tracks, whether every call stands under
`no_grad`, which class `self` really is: often only the callers show it, and they stand in other files. So
where a file leaves such a question open, the files that import its names are interpreted beside it, as far
as they mention them. They explain; what is wrong in them is told when they are linted themselves.

Tests are left aside: they call everything in every way, and show nothing of how it is meant.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from pathlib import Path

from detachlint.tracking import entries, imports, verdicts
from detachlint.tracking.analysis import MAX_WORK, Analysis, Frame
from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition, SourceModule
from detachlint.tracking.environment import State
from detachlint.tracking.events import Event
from detachlint.tracking.project import Project

_MOST_FILES = 5
_MOST_WORK = 2_400


def open_questions(
    analysis: Analysis, module: SourceModule, events: Iterable[Event]
) -> list[FunctionDefinition]:
    """The functions of a file whose callers could change what is said of it."""
    own = [d for d in analysis.definitions if d.module is module and len(d.scopes) == 1]
    found = {d: None for d in analysis.undecided if d in own}
    for event in events:
        line = getattr(event.node, "lineno", 0)
        found |= {d: None for d in own if d.node.lineno <= line <= (d.node.end_lineno or 0)}
    found |= dict.fromkeys(verdicts.returned(analysis, module.path, own))
    return list(found)


def find(analysis: Analysis, module: SourceModule, asked: list[FunctionDefinition]) -> list[SourceModule]:
    """The files of the project that may call these functions, nearest first."""
    project = analysis.project
    if project is None or not asked:
        return []
    names = {d.owner.name if d.owner is not None else d.name for d in asked}
    file = Path(module.file)
    files = _importers(project, sorted(names), file)
    files.sort(key=lambda path: (-len(os.path.commonpath((path, file))), str(path)))
    found = (_module(analysis, path) for path in files[:_MOST_FILES])
    return [caller for caller in found if caller is not None]


def others(project: Project, module: SourceModule) -> list[Path]:
    """The files of the project, tests aside, that import something that a file defines."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [part.name for part in module.tree.body if isinstance(part, kinds)]
    return _importers(project, names, Path(module.file)) if names else []


def _importers(project: Project, names: list[str], file: Path) -> list[Path]:
    return [path for path in project.importers(names, file) if not is_test(path, project)]


def deciding(
    analysis: Analysis, callers: list[SourceModule], asked: list[FunctionDefinition]
) -> frozenset[FunctionDefinition]:
    """The functions of which all callers are in sight, programs among them: their word is the last.

    A library's function has others, too, which nobody here can see.
    """
    if len(callers) >= _MOST_FILES:
        return frozenset()
    words = [(d, {d.owner.name if d.owner is not None else d.name}) for d in asked]
    programs = [caller for caller in callers if verdicts.is_program(caller)]
    return frozenset(d for d, word in words if any(mentions(caller.tree, word) for caller in programs))


def is_test(path: Path, project: Project) -> bool:
    """Whether a file tests others: it calls everything in every way.

    `test_model.py` may as well be the program that runs a model on the test set.
    """
    *folders, name = path.relative_to(project.root).parts
    if any(part in ("test", "tests", "testing") for part in folders):
        return True
    tree = project.read(path) if name.startswith("test_") else None
    return tree is not None and any(map(_tests, ast.walk(tree)))


def _tests(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
        return any(isinstance(part, ast.Assert) for part in ast.walk(node))
    imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return any(name.partition(".")[0] in ("pytest", "unittest") for name in imported)


def _module(analysis: Analysis, path: Path) -> SourceModule | None:
    tree = analysis.project.read(path) if analysis.project is not None else None
    if tree is None:
        return None
    shown = imports.shown(str(path))
    module = SourceModule(shown, str(path), tree, analysis.keys("scope", str(path)))
    analysis.modules[module.file] = module
    return module


def interpret(analysis: Analysis, callers: list[SourceModule], asked: list[FunctionDefinition]) -> None:
    """Interpret what the callers' files do with these functions."""
    words = {d.name for d in asked if not d.name.startswith("__")}
    words |= {d.owner.name for d in asked if d.owner is not None}
    until = min(analysis.work, MAX_WORK) + _MOST_WORK
    for module in callers:
        frame = Frame(analysis, module, (module.scope,), State(), budget=until)
        imports.run_top_level(frame, module.tree.body)
        entries.leave_state(frame)
    for module in callers:
        for definition in _mentioning(analysis, module, words | _holders(module.tree, words)):
            if analysis.work >= until:
                analysis.decided = frozenset()  # not all of them have been heard
                break
            entries.interpret_alone(analysis, definition)
    for owner, method in _inherited(analysis, asked):
        receiver = entries.any_object(analysis, owner)
        init = owner.method("__init__")
        for definition in (method,) if init is None or init is method else (init, method):
            if analysis.work < until:
                entries.interpret_alone(analysis, definition, receiver)


def _holders(tree: ast.Module, words: set[str]) -> set[str]:
    """What an object made with one of these words is put into: `self.loss = Loss()`, a file's own name."""
    found: set[str] = set()
    for part in ast.walk(tree):
        if isinstance(part, ast.Assign) and mentions(part.value, words):
            targets = [target for whole in part.targets for target in ast.walk(whole)]
            found |= {target.attr for target in targets if isinstance(target, ast.Attribute)}
            if part in tree.body:
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _mentioning(analysis: Analysis, module: SourceModule, words: set[str]) -> list[FunctionDefinition]:
    """The functions that mention one of the words; the `__init__` of their classes comes first."""
    own = [d for d in analysis.definitions if d.module is module]
    found = [d for d in own if mentions(d.node, words)]
    owners = {d.owner for d in found if d.owner is not None}
    first = [d for d in own if d.name == "__init__" and d.owner in owners]
    return first + [d for d in found if d not in first]


def _inherited(
    analysis: Analysis, asked: list[FunctionDefinition]
) -> list[tuple[ClassDefinition, FunctionDefinition]]:
    """The asked methods as derived classes inherit them: what they call on `self` is defined there."""
    found = []
    for klass in analysis.classes.values():
        for method in asked:
            base = method.owner
            if base is not None and klass is not base and klass.method(method.name) is method:
                found.append((klass, method))
    return found


def mentions(node: ast.AST, words: set[str]) -> bool:
    """Whether a name or attribute below `node` is one of the words."""
    return any(
        (isinstance(part, ast.Name) and part.id in words)
        or (isinstance(part, ast.Attribute) and part.attr in words)
        for part in ast.walk(node)
    )
