"""Calls of the project's own functions: the body is interpreted with the arguments at hand.

That is a summary instantiated at the call: what is returned for these arguments, what is kept of them and
where, what is backpropagated, in which grad mode. A bound on depth and work, and the cut at recursion, keep
it finite; beyond them a call is one of code that cannot be seen.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable
from dataclasses import replace

from detachlint.tracking import (
    classes,
    conditions,
    containers,
    expressions,
    feeding,
    interpreter,
    library,
    methods,
    modes,
)
from detachlint.tracking.analysis import MAX_DEPTH, MAX_DEPTH_ELSEWHERE, Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.definitions import FunctionDefinition
from detachlint.tracking.environment import State, join_states
from detachlint.tracking.values import (
    NONE,
    PLAIN,
    Class,
    Container,
    Entry,
    Function,
    Grad,
    GradMode,
    Instance,
    Lineage,
    ManagedBlock,
    Object,
    Plain,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    join,
    lineage_of,
    tracks,
    with_lineage,
)


def call_function(frame: Frame, node: ast.AST, function: Function, arguments: Arguments) -> Value:
    """What calling a function of the project gives here."""
    definition = function.definition
    analysis = frame.analysis
    mode = _mode(frame, definition, function.receiver)
    entered_mode = modes.entered(frame.live.mode, mode)
    analysis.facts.called_in.setdefault(analysis.keys("function", definition.node), set()).add(entered_mode)
    if definition.body.is_abstract:
        return _abstract(frame, node, function, arguments)
    deepest = MAX_DEPTH if definition.module.path == analysis.target else MAX_DEPTH_ELSEWHERE
    too_deep = frame.level >= deepest or definition.node in frame.active or analysis.work > frame.budget
    if too_deep:
        _miss(frame, definition)
        _lose_sight(frame, node, function.receiver)
        return methods.call_unknown(frame, node, None, arguments)
    inert_key = _inert_key(function, arguments, entered_mode)
    if inert_key is not None and inert_key in analysis.inert:
        return _again(frame, node, analysis.inert[inert_key], arguments)
    before = analysis.effects()
    result = _interpret(frame, node, function, arguments, entered_mode)
    if inert_key is not None and analysis.effects() == before and _is_simple(result):
        analysis.inert[inert_key] = result
    return result


def _miss(frame: Frame, definition: FunctionDefinition) -> None:
    """What this call does is not heard, nor all that the calls do that lead to it."""
    heard = frame.analysis.heard
    if definition.node not in frame.active:
        heard.missed.add(definition)
    current: Frame | None = frame
    while current is not None and current.definition is not None:
        heard.cut_short.add(current.definition)
        current = current.caller


def _lose_sight(frame: Frame, node: ast.AST, receiver: Value | None) -> None:
    """A method that is not interpreted any more may have given its object's attributes new values.

    It may have stepped its optimizers, too, or set their gradients to zero.
    """
    for site in receiver.sites if isinstance(receiver, Instance) else ():
        for offset in frame.analysis.offsets_of(site):
            held = frame.get((site, offset))
            feeding.lost(frame, [held] if held is not None else [])
            if isinstance(held, Tensor) and not held.leaf:
                frame.put((site, offset), Unknown(frame.analysis.keys("unseen", node, offset), held.lineage))


def _abstract(frame: Frame, node: ast.AST, function: Function, arguments: Arguments) -> Value:
    """A method without a body: some subclass has one. A module's forward is that of some trainable module."""
    definition = function.definition
    if definition.owner is None or definition.name != "forward":
        some = Unknown(frame.analysis.keys("abstract", definition.node))
        return methods.call_unknown(frame, node, some, arguments)
    leaves = [leaf for value in arguments.values() for leaf in expressions.flatten(frame, value)]
    operands = [leaf for leaf in leaves if isinstance(leaf, (Tensor, Unknown))]
    return library.module_output(frame, node, Grad.TRACKS, operands)


def _interpret(
    frame: Frame, node: ast.AST, function: Function, arguments: Arguments, mode: GradMode
) -> Value:
    definition = function.definition
    inner = _frame(frame, node, function)
    state = frame.live
    if definition.body.has_inner:
        _drop_names(inner.scope, state)  # an earlier call left them for its inner functions
    before, state.mode = state.mode, mode
    untouched = state.copy() if definition.body.may_raise else state
    outer, frame.analysis.context = frame.analysis.context, inner.own_context
    bind(inner, function, arguments, node)
    result = _run(inner, definition)
    frame.analysis.context = outer
    after = _leave(inner)
    if after is None:
        frame.state = untouched
        frame.live.mode = before
        return methods.call_unknown(frame, node, None, arguments)
    frame.state = after
    after.mode = before
    _forget_names(inner, after, definition)
    return result


# A call without effects, on arguments of which none tracks, gives the same next time: most helpers of a
# library are such, and they are called from everywhere.
def _inert_key(function: Function, arguments: Arguments, mode: GradMode) -> Hashable | None:
    definition = function.definition
    if definition.body.is_generator or definition.body.has_inner or arguments.spread:
        return None
    values = (*arguments.positional, *arguments.keywords.values())
    if function.receiver is not None and definition.kind != "classmethod":
        return None
    if not all(_is_simple(value) for value in values):
        return None
    shapes = tuple(_shape(value) for value in values)
    return (definition.node, len(arguments.positional), tuple(arguments.keywords), shapes, mode)


def _shape(value: Value) -> Hashable:
    if isinstance(value, Unknown):
        return Unknown
    if isinstance(value, Tuple):
        return tuple(_shape(part) for part in value.items)
    if isinstance(value, Plain) and isinstance(value.constant, (bool, type(None), str)):
        return value.constant
    return type(value).__name__ if not isinstance(value, Tensor) else value.grad


def _is_simple(value: Value) -> bool:
    if isinstance(value, Tuple):
        return all(_is_simple(part) for part in value.items)
    if isinstance(value, Tensor):
        return value.grad is not Grad.TRACKS
    return isinstance(value, (Plain, Unknown))


def _again(frame: Frame, node: ast.AST, result: Value, arguments: Arguments) -> Value:
    if isinstance(result, Tuple):
        return Tuple(tuple(_again(frame, node, part, arguments) for part in result.items))
    if isinstance(result, Plain):
        return result
    leaves = [leaf for value in arguments.values() for leaf in expressions.flatten(frame, value)]
    hanging = tuple(lineage for lineage in map(lineage_of, leaves) if lineage is not None)
    key = frame.analysis.keys("call", node)
    if isinstance(result, Tensor) and result.grad is Grad.CLEAR:
        return result
    return frame.analysis.unknown(key, Lineage(key, hanging, context=frame.own_context))


def _mode(frame: Frame, definition: FunctionDefinition, receiver: Value | None) -> GradMode | None:
    if definition.mode is not None:
        return definition.mode
    if definition.owner is not None:
        return classes.receiver_mode(frame, definition.owner, definition.name)
    return None


def _frame(frame: Frame, node: ast.AST, function: Function) -> Frame:
    definition = function.definition
    context = frame.analysis.keys("context", frame.context, node, definition.node)
    scope = frame.analysis.keys("scope", definition.node, context)
    return Frame(
        analysis=frame.analysis,
        module=definition.module,
        scopes=(scope, *definition.scopes),
        state=frame.state,
        context=context,
        depth=frame.depth,
        entry_depth=frame.depth,
        spent_before=len(frame.live.spent),
        level=frame.level + 1,
        definition=definition,
        receiver=function.receiver,
        caller=frame,
        budget=frame.budget,
        active=frame.active | {definition.node},
        own_context=context if _hangs_on_arguments(frame, function) else 0,
    )


def _hangs_on_arguments(frame: Frame, function: Function) -> bool:
    """Whether what is made can only track by the arguments: so it is where the object has no parameters."""
    receiver = function.receiver
    if function.definition.owner is None or function.definition.kind == "staticmethod":
        return True
    return isinstance(receiver, Instance) and classes.trainable(frame, receiver) is Grad.CLEAR


def _run(inner: Frame, definition: FunctionDefinition) -> Value:
    body = definition.node.body
    if isinstance(body, ast.expr):
        value = expressions.evaluate(inner, body)
        inner.returns.append((value, inner.live, body))
        inner.state = None
        return value
    entered = inner.live.mode
    interpreter.run(inner, body)
    if definition.is_context_manager:
        yielded = inner.yields[0] if inner.yields else NONE
        return ManagedBlock(None if inner.yield_mode == entered else inner.yield_mode, yielded)
    if definition.body.is_generator:
        found: Value | None = None
        for value in inner.yields:
            found = value if found is None else join(found, value)
        return Sequence(found if found is not None else PLAIN, mode=_left_behind(inner, definition, entered))
    return returned(inner)


def _left_behind(inner: Frame, definition: FunctionDefinition, entered: GradMode) -> GradMode | None:
    """`with torch.no_grad(): yield x` leaves the mode off while its caller works; the decorator does not."""
    mode = inner.yield_mode
    if definition.mode is not None or mode in (None, entered, GradMode.ON):
        return None
    return mode


def returned(inner: Frame) -> Value:
    """The join of what a function's returns give; a bare end gives None."""
    found: Value | None = None
    for value, _, _ in inner.returns:
        found = value if found is None else join(found, value)
    if found is None:
        return NONE
    return found


def _leave(inner: Frame) -> State | None:
    after = inner.state
    for _, state, _ in inner.returns:
        after = join_states(after, state)
    return after


def _forget_names(inner: Frame, state: State, definition: FunctionDefinition) -> None:
    if not definition.body.has_inner:
        _drop_names(inner.scope, state)


def _drop_names(scope: int, state: State) -> None:
    for place in [place for place in state.cells if place[0] == scope]:
        del state.cells[place]
        state.born.pop(place, None)


def bind(inner: Frame, function: Function, arguments: Arguments, node: ast.AST) -> None:
    """Bind the parameters: arguments, then defaults, then unknown."""
    definition = function.definition
    spec = definition.node.args
    positional = [*spec.posonlyargs, *spec.args]
    given = list(arguments.positional)
    written = list(arguments.expressions)
    if function.receiver is not None and definition.kind != "staticmethod" and definition.owner is not None:
        receiver = function.receiver
        if definition.kind == "classmethod" and not isinstance(receiver, Class):
            receiver = Class(definition.owner)
        given.insert(0, receiver)
        written.insert(0, None)
    taken: dict[str, Value] = {}
    for position, parameter in enumerate(positional):
        if position < len(given):
            expression = written[position] if position < len(written) else None
            taken[parameter.arg] = _entered(inner, node, given[position], expression, parameter)
    for parameter in (*positional, *spec.kwonlyargs):
        if parameter.arg in arguments.keywords:
            expression = arguments.keyword_expressions.get(parameter.arg)
            value = arguments.keywords[parameter.arg]
            taken[parameter.arg] = _entered(inner, node, value, expression, parameter)
    _defaults(inner, definition, taken, unsure=arguments.spread)
    extra = [
        value if spec.vararg is None else _entered(inner, node, value, expression, spec.vararg)
        for value, expression in list(zip(given, written, strict=False))[len(positional) :]
    ]
    _rest(inner, spec, extra, arguments, taken, node)
    own = 1 if written[:1] == [None] and given[:1] == [function.receiver] else 0
    for parameter in (*positional[own:], *spec.kwonlyargs):
        if parameter.arg in taken:
            inner.analysis.heard.passed(parameter, taken[parameter.arg], inner.live.mode)
    for name, value in taken.items():
        place = (inner.scope, name)
        inner.put(place, value)
        inner.live.born[place] = inner.depth


def _entered(
    inner: Frame, node: ast.AST, value: Value, expression: ast.expr | None, parameter: ast.arg
) -> Value:
    if _is_said_to_be_plain(value, parameter):
        return PLAIN
    lineage = lineage_of(value)
    definition = inner.definition
    if isinstance(value, Unknown):
        _learn_weights(inner, value, parameter)
    if not isinstance(node, ast.Call) or expression is None or _is_own(inner):
        return value
    assert definition is not None
    only_taken = not definition.gives_back
    caller = inner.caller
    assert caller is not None
    entry = Entry(inner.context, node, expression, caller.module.path, tracks(value), only_taken)
    key = inner.analysis.keys("entered", parameter)
    if lineage is not None and isinstance(value, (Tensor, Unknown, Object)):
        return with_lineage(value, Lineage(key, (lineage,), entered=entry))
    if isinstance(value, Tuple):
        return replace(
            value, items=tuple(_entered(inner, node, part, expression, parameter) for part in value.items)
        )
    if isinstance(value, Container) and isinstance(expression, _DISPLAYS):
        for place in containers.places(inner, value):
            held = inner.get(place)
            if held is not None:
                inner.put(place, _entered(inner, node, held, expression, parameter))
    return value


def _is_said_to_be_plain(value: Value, parameter: ast.arg) -> bool:
    """A field of an output is what the function that takes it says: `count: int` is no tensor."""
    if not isinstance(value, (Tensor, Unknown)) or parameter.annotation is None:
        return False
    words = {getattr(part, "id", None) for part in ast.walk(parameter.annotation)} - {None}
    # Of a float it says less: tensors are taken for one. And a quoted type has no words.
    numbers = {"int", "str", "bool"} if isinstance(value, Tensor) else {"int", "str", "bool", "float"}
    return bool(words) and words <= numbers and conditions.are_plain(parameter.annotation)


def _learn_weights(inner: Frame, value: Unknown, parameter: ast.arg) -> None:
    """The function takes parameters, as it uses them: such are what it is given."""
    keys, facts = inner.analysis.keys, inner.analysis.facts
    for path, note in facts.weights_in.get(keys("arg", parameter), {}).items() if facts.weights_in else ():
        key = value.key
        for kind, offset in path:
            key = keys(kind, key, offset)
        facts.weights.setdefault(key, note)


# A display is made for this call: nobody else holds it.
_DISPLAYS = (ast.List, ast.Dict, ast.Set)


def _is_own(inner: Frame) -> bool:
    """A method called on `self`: people mend what it keeps inside of it, not at the call."""
    caller = inner.caller
    mine, theirs = inner.receiver, caller.receiver if caller is not None else None
    return isinstance(mine, Instance) and isinstance(theirs, Instance) and mine.sites == theirs.sites


def _defaults(inner: Frame, definition: FunctionDefinition, taken: dict[str, Value], unsure: bool) -> None:
    spec = definition.node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = dict(
        zip([p.arg for p in positional[len(positional) - len(spec.defaults) :]], spec.defaults, strict=True)
    )
    pairs = zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    defaults |= {p.arg: value for p, value in pairs if value is not None}
    for parameter in (*positional, *spec.kwonlyargs):
        if parameter.arg in taken:
            continue
        default = defaults.get(parameter.arg)
        if default is not None and not unsure:
            taken[parameter.arg] = expressions.evaluate(inner, default)
        else:
            taken[parameter.arg] = interpreter.parameter(inner, parameter)


def _rest(
    inner: Frame,
    spec: ast.arguments,
    extra: list[Value],
    arguments: Arguments,
    taken: dict[str, Value],
    node: ast.AST,
) -> None:
    if spec.vararg is not None:
        spread = arguments.spread and not extra
        taken[spec.vararg.arg] = interpreter.parameter(inner, spec.vararg) if spread else Tuple(tuple(extra))
    if spec.kwarg is not None:
        names = {parameter.arg for parameter in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)}
        found = containers.make(inner, spec.kwarg, [], kind="dict")
        for name, value in arguments.keywords.items():
            if name not in names:
                expression = arguments.keyword_expressions.get(name)
                held = _entered(inner, node, value, expression, spec.kwarg)
                inner.put((found.sites[0], f"[{name!r}]"), held)
        taken[spec.kwarg.arg] = found
