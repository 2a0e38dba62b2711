"""What the other classes do with the method that this one forgot.

A base class asks its subclasses for a target and backpropagates a loss that it goes into. All of them compute
it under `no_grad`, except one. The loss may be out of sight, made by a third class or a table of functions:
the siblings say what is meant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.modes import is_no_grad
from detachlint.tracking.selection import detachable
from detachlint.tracking.terms import own_nodes
from detachlint.tracking.values import GradMode, Tensor, Value, origin_of, tracks


def returned(frame: Frame, definition: FunctionDefinition, value: Value, node: ast.AST) -> None:
    """A method returns this: what its siblings return has no graph, if there are any."""
    owner, written = definition.owner, getattr(node, "value", None)
    if owner is None or not owner.bases or definition.module.path != frame.analysis.target:
        return
    if not isinstance(value, Tensor) or not tracks(value) or not isinstance(written, ast.expr):
        return
    step = _step(owner, definition.name)
    others = list(_siblings(frame.analysis, owner, definition.name)) if step is not None else []
    if step is None or not others or not all(map(_is_cut, others)):
        return
    notes = notes_of(origin_of(value))
    other = others[0]
    name = other.owner.name if other.owner is not None else ""
    notes.append(Note(other.module.path, other.node, f"`{name}` computes it without gradients"))
    text = f"`{step.name}` calls it and backpropagates: the gradient comes here, too"
    notes.append(Note(step.module.path, step.node, text))
    detach, unfixable = detachable(frame, written)
    callee = ast.unparse(written)
    frame.analysis.emit(
        Event("target", "sibling", callee, written, detach, tuple(notes), unfixable=unfixable)
    )


def _step(owner: ClassDefinition, name: str) -> FunctionDefinition | None:
    """The method of a base class that asks for this one, without a body there, and backpropagates."""
    bases = owner.lineage()[1:]
    declared = [base.methods[name] for base in bases if name in base.methods]
    if not declared or not declared[0].body.is_abstract:
        return None
    methods = (method for base in bases for method in base.methods.values())
    return next((method for method in methods if _backpropagates(method, name)), None)


def _backpropagates(method: FunctionDefinition, name: str) -> bool:
    called = {
        part.func.attr
        for part in own_nodes(method.node)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
    }
    return name in called and "backward" in called


def _siblings(analysis: Analysis, owner: ClassDefinition, name: str) -> Iterator[FunctionDefinition]:
    """The method as other classes in sight with the same base have it."""
    bases = set(owner.lineage()[1:])
    known = list(analysis.classes.values())
    if analysis.surroundings is not None:
        known += analysis.surroundings.classes.values()
    for klass in dict.fromkeys(known):
        method = klass.methods.get(name)
        related = klass is not owner and klass not in bases and bases & set(klass.lineage())
        if related and method is not None and not method.body.is_abstract:
            yield method


def _is_cut(method: FunctionDefinition) -> bool:
    """Whether a method returns nothing that it computed with grad mode on."""
    if method.mode is GradMode.OFF:
        return True
    returns = [part for part in own_nodes(method.node) if isinstance(part, ast.Return)]
    inside = {
        inner
        for part in own_nodes(method.node)
        if isinstance(part, ast.With) and any(is_no_grad(item.context_expr) for item in part.items)
        for inner in ast.walk(part)
    }
    return bool(returns) and all(part in inside for part in returns)
