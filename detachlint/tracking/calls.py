"""Calls: which code a call runs, and what it gives.

The callee decides: a library's function goes to the models, a function of the project is interpreted with
the arguments at hand, a module's call gives its output, and what cannot be seen gives something unknown and
lets its arguments escape.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from detachlint.tracking import classes, containers, expressions, inlining, library, methods, modes, twins
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.environment import State, join_states
from detachlint.tracking.values import (
    NONE,
    PLAIN,
    Class,
    Container,
    Function,
    Instance,
    Library,
    Method,
    ModeSwitch,
    Module,
    Partial,
    Plain,
    Tensor,
    Tuple,
    Unknown,
    Value,
    join_all,
)


def call(frame: Frame, node: ast.Call) -> Value:
    """The value of a call expression."""
    value = _called(frame, node)
    return twins.met(frame, node, value) if node in frame.analysis.twins else value


def _called(frame: Frame, node: ast.Call) -> Value:
    function = node.func
    if isinstance(function, ast.Name) and function.id == "super":
        return classes.super_of(frame)
    if isinstance(function, ast.Attribute):
        receiver = expressions.evaluate(frame, function.value)
        arguments = arguments_of(frame, node)
        return call_attribute(frame, node, receiver, function, arguments)
    callee = expressions.evaluate(frame, function)
    return call_value(frame, node, callee, arguments_of(frame, node))


def call_attribute(
    frame: Frame, node: ast.Call, receiver: Value, function: ast.Attribute, arguments: Arguments
) -> Value:
    """`receiver.name(...)`."""
    if isinstance(receiver, (Library, Class)) or type(receiver).__name__ == "Namespace":
        callee = classes.attribute_of(frame, receiver, function.attr, function)
        frame.analysis.seen[function] = callee
        return call_value(frame, node, callee, arguments)
    if isinstance(receiver, Instance):
        return _on_each(
            frame, node, receiver, lambda one: methods.call_method(frame, node, one, function.attr, arguments)
        )
    return methods.call_method(frame, node, receiver, function.attr, arguments)


def _on_each(frame: Frame, node: ast.AST, receiver: Instance, call: Callable[[Instance], Value]) -> Value:
    """What a call gives, whichever of its classes an object is of: a path for each."""
    if not receiver.also:
        return call(receiver)
    before, found = frame.live, list[tuple[Value, State]]()
    for one in receiver.each():
        frame.state = before.copy()
        value = call(one)
        if frame.state is not None:
            found.append((value, frame.state))
    _forget_others(frame, node, found)
    after: State | None = None
    for _, state in found:
        after = join_states(after, state)
    frame.state = after
    return join_all(value for value, _ in found) or PLAIN


def _forget_others(frame: Frame, node: ast.AST, found: list[tuple[Value, State]]) -> None:
    """What one class made for its result was not made on the others' paths: what is left there is of the
    iteration before, and nobody gets it."""
    made = [set(_made_in(frame, node, value)) for value, _ in found]
    for own, (_, state) in zip(made, found, strict=True):
        for site in set().union(*made) - own:
            for offset in frame.analysis.offsets_of(site):
                state.cells.pop((site, offset), None)


def _made_in(frame: Frame, node: ast.AST, value: Value) -> Iterator[int]:
    """The containers of a result that were made within the call."""
    if isinstance(value, Tuple):
        for part in value.items:
            yield from _made_in(frame, node, part)
    for site in value.sites if isinstance(value, Container) else ():
        context = frame.analysis.keys.thing(site)[-1]
        while isinstance(context, int) and context > 0:
            kind, *rest = frame.analysis.keys.thing(context)
            if kind != "context":
                break
            if rest[0] == frame.context and rest[1] is node:
                yield site
                break
            context = rest[0]


def arguments_of(frame: Frame, node: ast.Call) -> Arguments:
    """The evaluated arguments of a call."""
    positional: list[Value] = []
    written: list[ast.expr | None] = []
    starred: list[Value] = []
    unpacked: list[Value] = []
    for part in node.args:
        if isinstance(part, ast.Starred):
            inner = expressions.evaluate(frame, part.value)
            known = getattr(inner, "items", None)
            if isinstance(known, tuple):
                positional += known
                written += [None] * len(known)
                continue
            starred.append(expressions.iterate(frame, inner, part))
            continue
        positional.append(expressions.evaluate(frame, part))
        written.append(part)
    keywords: dict[str, Value] = {}
    keyword_expressions: dict[str, ast.expr] = {}
    for keyword in node.keywords:
        value = expressions.evaluate(frame, keyword.value)
        if keyword.arg is None:
            # What was put here into something of which nothing else is known is given, too.
            stored = Container((value.key,), "dict") if isinstance(value, Unknown) else None
            unpacked += [value, *(containers.contents(frame, stored) if stored is not None else ())]
            continue
        keywords[keyword.arg] = value
        keyword_expressions[keyword.arg] = keyword.value
    hidden = (*starred, *unpacked)
    return Arguments(
        tuple(positional),
        keywords,
        tuple(written),
        keyword_expressions,
        spread=bool(hidden),
        hidden=hidden,
        starred=tuple(starred),
    )


def call_value(frame: Frame, node: ast.AST, callee: Value, arguments: Arguments) -> Value:
    """What calling this value gives."""
    if isinstance(callee, Library):
        return library.call_library(frame, node, callee.name, arguments)
    if isinstance(callee, Function):
        return inlining.call_function(frame, node, callee, arguments)
    if isinstance(callee, Class):
        return classes.instantiate(frame, node, callee.klass, arguments)
    if isinstance(callee, (Module, Instance)) and _makes_another(frame, callee, arguments):
        return callee
    if isinstance(callee, Module):
        return library.call_module(frame, node, callee, arguments)
    if isinstance(callee, Instance):
        return _on_each(frame, node, callee, lambda one: methods.call_instance(frame, node, one, arguments))
    if isinstance(callee, Method):
        return methods.call_method(frame, node, callee.receiver, callee.name, arguments)
    if isinstance(callee, Partial):
        return _call_partial(frame, node, callee, arguments)
    if isinstance(callee, ModeSwitch):
        return _wrapped(callee, arguments)
    if isinstance(callee, Tensor) and callee.lineage is not None:
        return methods.call_unknown(frame, node, None, arguments)
    return methods.call_unknown(frame, node, callee, arguments)


def _makes_another(frame: Frame, callee: Module | Instance, arguments: Arguments) -> bool:
    """`block: nn.Module` often means the class: `block(64, 128)` takes widths, no tensors, and makes one.

    A method's own object, `self(sentences)`, is no class, whatever it takes.
    """
    if callee == frame.receiver:
        return False
    key = callee.sites[0] if isinstance(callee, Instance) else callee.key
    if frame.analysis.keys.thing(key)[0] not in ("arg", "annotated"):
        return False
    if isinstance(callee, Instance) and not callee.klass.is_module:
        return False
    numbers = [isinstance(value, Plain) and value != NONE for value in arguments.positional]
    return any(numbers) and not any(isinstance(value, Tensor) for value in arguments.values())


def _wrapped(switch: ModeSwitch, arguments: Arguments) -> Value:
    """`torch.no_grad()(function)`: of a class it wraps the making only."""
    if not arguments.positional:
        return switch
    function = arguments.positional[0]
    return function if isinstance(function, Class) else Partial(function, mode=switch.mode)


def _call_partial(frame: Frame, node: ast.AST, callee: Partial, arguments: Arguments) -> Value:
    before = frame.live.mode
    frame.live.mode = modes.entered(before, callee.mode)
    result = call_value(frame, node, callee.function, _completed(callee, arguments))
    if frame.state is not None:
        frame.state.mode = before
    return result


def _completed(partial: Partial, arguments: Arguments) -> Arguments:
    return Arguments(
        (*partial.positional, *arguments.positional),
        {**dict(partial.keywords), **arguments.keywords},
        (*(None for _ in partial.positional), *arguments.expressions),
        arguments.keyword_expressions,
        arguments.spread,
        arguments.hidden,
        arguments.starred,
    )
