"""Grad mode in all its forms.

The mode decides twice: an operation under `no_grad` builds no graph, and numpy refuses a tensor only while
the mode is on where it is asked (measured; `tests/models` repeats it). Forms:
`with torch.no_grad():`, the decorator, the decorator without parentheses, `torch.no_grad()(function)`,
`set_grad_enabled(x)` as block and as statement, `enable_grad` inside (inference mode stays what it is), a
project's own context manager around any of these. What looks like one and is none: a bare `torch.no_grad()`
statement, the decorator on an `async def` or on a class. A new thread begins with it on.
"""

from __future__ import annotations

import ast

from detachlint.tracking.values import GradMode, Library, ManagedBlock, ModeSwitch, Plain, Value

_RESULTS = {"grad-off": GradMode.OFF, "grad-on": GradMode.ON, "grad-never": GradMode.INFERENCE}


def switch_of(result: object, argument: Value | None) -> ModeSwitch | None:
    """The grad-mode object that a library call with this modelled result makes."""
    if result == "grad-argument":
        if isinstance(argument, Plain) and isinstance(argument.constant, bool):
            return ModeSwitch(GradMode.ON if argument.constant else GradMode.OFF)
        return ModeSwitch(GradMode.ON)
    if result == "grad-never" and isinstance(argument, Plain) and argument.constant is False:
        return ModeSwitch(GradMode.ON)
    mode = _RESULTS.get(result) if isinstance(result, str) else None
    return None if mode is None else ModeSwitch(mode)


def is_no_grad(node: ast.expr) -> bool:
    """`torch.no_grad()` and its like by their words, called or not, where no value is at hand."""
    called = node.func if isinstance(node, ast.Call) else node
    word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
    return word in ("no_grad", "inference_mode")


def entered(before: GradMode, mode: GradMode | None) -> GradMode:
    """The grad mode inside a block, or a function, of this mode."""
    return before if mode is None or before is GradMode.INFERENCE else mode


def mode_of(value: Value) -> GradMode | None:
    """The grad mode in which a `with` block over this value, or a function decorated with it, runs."""
    if isinstance(value, (ModeSwitch, ManagedBlock)):
        return value.mode
    return None


def decorator_mode(value: Value, models: object) -> GradMode | None:
    """Like `mode_of`, also for the decorator written without parentheses."""
    if isinstance(value, Library):
        call = models.call(value.name)  # type: ignore[attr-defined]
        switch = switch_of(call.result, None) if call is not None else None
        return switch.mode if switch is not None else None
    return mode_of(value)
