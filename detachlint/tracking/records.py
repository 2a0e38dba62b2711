"""A step's own record of its loss, and how the other classes write theirs.

A step gives its loss to be backpropagated, and beside it a record for the log: `return loss, {"loss": loss}`.
Who keeps the record is often out of sight: a class that a registry makes is called by a trainer that knows
its base alone. The classes beside it know: each of them cuts what it writes under this key, and one does not.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from detachlint.tracking import callers, containers, imports
from detachlint.tracking.analysis import Frame
from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition, SourceModule, own_nodes
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.selection import CUTS, detachable
from detachlint.tracking.values import (
    Container,
    Grad,
    Tuple,
    Value,
    grad_of,
    lineage_of,
    origin_of,
    tracks,
)

_FEWEST = 3  # classes that cut it: fewer are no custom
_MOST_FILES = 12


def returned(frame: Frame, definition: FunctionDefinition, value: Value, node: ast.AST) -> None:
    """A method returns this: is there a record in it that holds the very loss that is returned, too?"""
    owner = definition.owner
    if owner is None or not owner.bases or definition.module.path != frame.analysis.target:
        return
    if not isinstance(value, Tuple) or not isinstance(node, ast.Return) or not frame.grad_on:
        return
    losses = {lineage_of(part) for part in value.items if grad_of(part) is not Grad.CLEAR} - {None}
    for record in value.items if losses else ():
        if isinstance(record, Container) and record.kind == "dict":
            for place in containers.places(frame, record):
                held = frame.get(place)
                if held is not None and lineage_of(held) in losses and place[1][1] in "'\"":
                    _compare(frame, definition, place[1], held)


def _compare(frame: Frame, definition: FunctionDefinition, offset: str, held: Value) -> None:
    """Tell if the classes beside this one, at least a few of them and nearly all, cut what it keeps."""
    assert definition.owner is not None
    key = ast.literal_eval(offset[1:-1])
    own = list(_written(definition.node, key))
    if len(own) != 1 or not isinstance(own[0], ast.Name):
        return
    others = list(_others(frame, definition.owner, definition.name, key))
    cutting = [(path, written) for path, written in others if _is_cut(written)]
    if len(cutting) < _FEWEST or 5 * len(cutting) < 4 * len(others):
        return
    origin = origin_of(held)
    notes = notes_of(origin)
    path, written = cutting[0]
    text = (
        f"`{definition.owner.bases[0].name}` has {len(cutting)} other classes that cut what they write here"
    )
    notes.append(Note(path, written, text))
    notes.append(
        Note(definition.module.path, own[0], "this one writes the loss that it returns, with its graph")
    )
    detach, unfixable = detachable(frame, own[0]) if tracks(held) else ((own[0],), None)
    event = Event("output", "record", f"record{offset}", own[0], detach, tuple(notes), unfixable=unfixable)
    frame.analysis.emit(event)


def _written(method: ast.AST, key: str) -> Iterator[ast.expr]:
    """What a method writes under `key` of any of its dicts."""
    for part in own_nodes(method):
        if isinstance(part, ast.Dict):
            pairs = zip(part.keys, part.values, strict=True)
            yield from (
                value for name, value in pairs if isinstance(name, ast.Constant) and name.value == key
            )
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Subscript):
            index = part.targets[0].slice
            if isinstance(index, ast.Constant) and index.value == key:
                yield part.value


def _others(frame: Frame, owner: ClassDefinition, name: str, key: str) -> Iterator[tuple[str, ast.expr]]:
    """What the method `name` of each other class with the same base writes under `key`."""
    base = owner.bases[0]
    for path, tree in _around(frame, owner.module, base):
        for klass in tree.body:
            if not isinstance(klass, ast.ClassDef) or klass is owner.node:
                continue
            if not any(_last_name(each) == base.name for each in klass.bases):
                continue
            methods = [m for m in klass.body if isinstance(m, ast.FunctionDef) and m.name == name]
            written = [value for method in methods for value in _written(method, key)]
            if written:
                yield path, next((value for value in written if not _is_cut(value)), written[0])


def _around(frame: Frame, module: SourceModule, base: ClassDefinition) -> Iterator[tuple[str, ast.Module]]:
    """The file itself, and those that import the base, nearest first."""
    yield module.path, module.tree
    project = frame.analysis.project
    if project is None:
        return
    file = Path(module.file)
    files = project.importers([base.name], Path(base.module.file))
    files = [path for path in files if path != file and not callers.is_test(path, project)]
    files.sort(key=lambda path: (-len(os.path.commonpath((path, file))), str(path)))
    for path in files[:_MOST_FILES]:
        tree = project.read(path)
        if tree is not None:
            yield imports.shown(str(path)), tree


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_cut(written: ast.expr) -> bool:
    return any(isinstance(part, ast.Attribute) and part.attr in CUTS for part in ast.walk(written))
