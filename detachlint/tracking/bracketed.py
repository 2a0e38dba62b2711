"""Functions that the whole project calls with grad mode off.

Decoding, scoring, drawing: such a function seldom says for itself that it runs without grad. The loop that
calls it does, or the one that calls that, in a file that imports neither. A reader searches the project for
the function's name. So does this: where every call of that name, tests aside, stands in a `no_grad` block or
in a function of which the same is true, what the function makes has no graph, and nothing is said of it.

Only the name is looked for, whoever's method it is. More calls are found than there are, which keeps a
finding that might be wrong, but never takes one away that is right.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detachlint.tracking import terms
from detachlint.tracking.callers import is_test
from detachlint.tracking.definitions import SourceModule
from detachlint.tracking.events import Event
from detachlint.tracking.modes import is_no_grad
from detachlint.tracking.project import Project

# Called by others than by their name.
_UNNAMED = frozenset({"forward", "__call__", "__init__", "main"})
_DEEPEST = 4
_MOST_FILES = 30


@dataclass(frozen=True, slots=True)
class Search:
    """A search for one file's sake: what was found of names, and the files that were read for it."""

    project: Project
    answers: dict[str, bool] = field(default_factory=dict)
    trees: dict[Path, ast.Module | None] = field(default_factory=dict)


def unless_bracketed(search: Search, module: SourceModule, events: list[Event]) -> list[Event]:
    """The events of a file, less those in functions that are only ever called with grad mode off."""
    if not events:
        return events
    functions = list(_functions(module.tree))
    kept = []
    for event in events:
        line = getattr(event.node, "lineno", 0)
        around = (f for f in functions if f.lineno <= line <= (f.end_lineno or 0))
        if not any(_is_off(search, function.name, _DEEPEST) for function in around):
            kept.append(event)
    return kept


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (part for part in ast.walk(tree) if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _is_off(search: Search, name: str, limit: int) -> bool:
    if name in _UNNAMED or limit == 0:
        return False
    if name not in search.answers:
        search.answers[name] = True  # of a function that calls itself the other calls decide
        search.answers[name] = _look(search, name, limit)
    return search.answers[name]


def _look(search: Search, name: str, limit: int) -> bool:
    project = search.project
    files = [path for path in project.calling(name) if not is_test(path, project)]
    if not files or len(files) > _MOST_FILES:
        return False
    found = False
    for path in files:
        if path not in search.trees:
            search.trees[path] = project.read(path)
        tree = search.trees[path]
        for off, caller in _mentions(tree, name) if tree is not None else ():
            found = True
            if not off and (caller is None or not _is_off(search, caller, limit - 1)):
                return False
    return found


def _mentions(tree: ast.AST, name: str) -> Iterator[tuple[bool, str | None]]:
    """Where a name is used: whether without grad, and in which function."""
    stack: list[tuple[ast.AST, bool, ast.FunctionDef | ast.AsyncFunctionDef | None]] = [(tree, False, None)]
    while stack:
        node, off, around = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            off, around = any(map(_switches_off, node.decorator_list)), node
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            off = off or any(_switches_off(item.context_expr) for item in node.items)
        elif _word(node) == name:
            off = off or _is_switched_off(tree) or (around is not None and _is_switched_off(around))
            yield off, around.name if around is not None else None
        stack.extend((child, off, around) for child in ast.iter_child_nodes(node))


def _is_switched_off(node: ast.AST) -> bool:
    """Whether a function, or a whole program, turns grad mode off as it runs, and never on again."""
    found = {
        bool(part.args[0].value)
        for statement in terms.own_nodes(node)
        if isinstance(statement, ast.Expr) and isinstance(part := statement.value, ast.Call)
        if _word(part.func) == "set_grad_enabled" and len(part.args) == 1
        if isinstance(part.args[0], ast.Constant)
    }
    return found == {False}


def _word(node: ast.AST) -> str | None:
    """The name or attribute that is read here."""
    if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
        return node.id if isinstance(node, ast.Name) else node.attr
    return None


def _switches_off(node: ast.expr) -> bool:
    """`torch.no_grad()`, `torch.no_grad`, `torch.set_grad_enabled(False)`, under any name of the module."""
    says_false = isinstance(node, ast.Call) and any(
        isinstance(part, ast.Constant) and part.value is False for part in node.args
    )
    if isinstance(node, ast.Call) and _word(node.func) == "set_grad_enabled":
        return says_false and len(node.args) == 1
    return is_no_grad(node) and not says_false
