"""The order in which a file is interpreted: its top level, then every function on its own."""

from __future__ import annotations

import ast

from detachlint.tracking import (
    backward,
    carrying,
    classes,
    imports,
    inner_steps,
    interpreter,
    library,
    methods,
    records,
    siblings,
)
from detachlint.tracking.analysis import MAX_WORK, MAX_WORK_OF_ENTRY, Analysis, Frame
from detachlint.tracking.consumption import Consumption
from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition, SourceModule
from detachlint.tracking.environment import State
from detachlint.tracking.fates import Use
from detachlint.tracking.heard import orders
from detachlint.tracking.modes import is_no_grad
from detachlint.tracking.places import OUTSIDE, Place
from detachlint.tracking.values import (
    NONE,
    PLAIN,
    Class,
    Container,
    GradMode,
    Instance,
    Tuple,
    Value,
    join,
)


def interpret_file(analysis: Analysis, module: SourceModule) -> None:
    """One round over a file; what is learnt stays in `analysis.facts`, the rest begins anew."""
    analysis.base.clear()
    frame = Frame(analysis, module, (module.scope,), State())
    imports.run_top_level(frame, module.tree.body)
    leave_state(frame)
    # Methods twice, because one may find on `self` what a later one left there; `__init__` before all others.
    own = [definition for definition in analysis.definitions if definition.module is module]
    waiting = sorted(own, key=lambda d: d.name != "__init__")
    for klass in [klass for klass in analysis.classes.values() if klass.module is module]:
        _interpret_inherited_init(analysis, klass)
    # What the first time shows of an attribute that is set elsewhere, a None, it need not be.
    untensed = set(analysis.untensed)
    for definition in waiting:
        if definition.owner is not None:
            interpret_alone(analysis, definition)
    analysis.untensed = untensed
    for definition in waiting:
        interpret_alone(analysis, definition)
    for klass in [klass for klass in analysis.classes.values() if klass.module is module]:
        if _keeps(analysis, klass):
            _interpret_inherited(analysis, klass)


def leave_state(frame: Frame) -> None:
    """At the end of a file's top level: what its names hold stays for its functions."""
    _run_waiting_hooks(frame)
    if frame.state is not None:
        marks = Consumption({})
        for place, value in frame.state.cells.items():
            _leave(frame.analysis, place, value, marks)


def _leave(analysis: Analysis, place: Place, value: Value, marks: Consumption) -> None:
    old, value = analysis.base.get(place), carrying.left_behind(value, marks)
    analysis.base[place] = value if old is None else join(old, value)


def _interpret_inherited_init(analysis: Analysis, klass: ClassDefinition) -> None:
    """A class without an `__init__` of its own gets its attributes from its base's."""
    inherited = klass.method("__init__")
    if inherited is not None and inherited.owner is not klass:
        receiver = any_object(analysis, klass)
        interpret_alone(analysis, inherited, receiver)


def _keeps(analysis: Analysis, klass: ClassDefinition) -> bool:
    """Whether something was kept in an attribute of the class's objects, or in what an attribute holds."""
    own = analysis.keys("self", klass.node)
    held = (analysis.base.get((own, offset)) for offset in analysis.offsets_of(own))
    places = {own, *(site for value in held for site in getattr(value, "sites", ()))}
    return any(keep.place[0] in places for keep in analysis.fates.keeps)


def _interpret_inherited(analysis: Analysis, klass: ClassDefinition) -> None:
    """What a class keeps may be there for a method that it inherits: `loss.backward()`, `self.gather()`."""
    seen = set(klass.methods)
    for base in klass.lineage()[1:]:
        for name, method in base.methods.items():
            if name not in seen and name != "__init__" and not method.body.is_abstract:
                interpret_alone(analysis, method, any_object(analysis, klass))
        seen |= set(base.methods)


def interpret_alone(
    analysis: Analysis, definition: FunctionDefinition, receiver: Value | None = None
) -> None:
    """A function as code outside of the file may call it: with unknown arguments.

    Where the calls in sight tell it by a word what to do, it is called with each of these words.
    """
    receiver = receiver or _receiver(analysis, definition)
    closed = analysis.closed or definition in analysis.decided
    for order in orders(definition, analysis.settled, closed):
        frame = _frame(analysis, definition, receiver)
        if order.modes and GradMode.ON not in order.modes:
            frame.live.mode = GradMode.OFF
        _bind_unknown(frame, definition, receiver)
        for parameter, word in order.words.items():
            frame.put((frame.scope, parameter.arg), word)
        _interpret(frame, definition)


def _frame(analysis: Analysis, definition: FunctionDefinition, receiver: Value) -> Frame:
    scope = analysis.keys("scope", definition.node, 0)
    state = State(_entry_mode(analysis, definition))
    frame = Frame(
        analysis,
        definition.module,
        (scope, *definition.scopes),
        state,
        definition=definition,
        receiver=receiver,
        active=frozenset({definition.node}),
        budget=min(MAX_WORK, analysis.work + _share(analysis)),
    )
    if definition.owner is not None:
        mode = classes.receiver_mode(frame, definition.owner, definition.name)
        state.mode = mode or state.mode
    return frame


def _share(analysis: Analysis) -> int:
    """A part of the work that is left: long training loops come early or late, and call half of the file."""
    return max(MAX_WORK_OF_ENTRY, (MAX_WORK - analysis.work) // 6)


def _entry_mode(analysis: Analysis, definition: FunctionDefinition) -> GradMode:
    """Off if a decorator says so, or if every call that can be seen runs under no_grad."""
    if definition.mode is not None:
        return definition.mode
    modes = analysis.facts.called_in.get(analysis.keys("function", definition.node))
    return GradMode.OFF if modes and GradMode.ON not in modes else GradMode.ON


def any_object(analysis: Analysis, klass: ClassDefinition) -> Instance:
    """`self` where a method is interpreted on its own."""
    return Instance((analysis.keys("self", klass.node),), klass)


def _receiver(analysis: Analysis, definition: FunctionDefinition) -> Value:
    owner = definition.owner
    if owner is None or definition.kind == "staticmethod":
        return NONE
    if definition.kind == "classmethod":
        return Class(owner)
    return any_object(analysis, owner)


def _bind_unknown(frame: Frame, definition: FunctionDefinition, receiver: Value) -> None:
    spec = definition.node.args
    parameters = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    for position, parameter in enumerate(parameters):
        bound = position == 0 and receiver is not NONE
        value = receiver if bound else interpreter.parameter(frame, parameter)
        frame.put((frame.scope, parameter.arg), value)
        frame.live.born[(frame.scope, parameter.arg)] = 0
    for rest in (spec.vararg, spec.kwarg):
        if rest is not None:
            frame.put((frame.scope, rest.arg), frame.analysis.unknown(frame.analysis.keys("arg", rest)))
            frame.live.born[(frame.scope, rest.arg)] = 0


def _interpret(frame: Frame, definition: FunctionDefinition) -> None:
    body = definition.node.body
    if isinstance(body, ast.expr):
        from detachlint.tracking import expressions

        value = expressions.evaluate(frame, body)
        frame.returns.append((value, frame.live, body))
    else:
        interpreter.run(frame, body)
    _finish(frame, definition)


def _finish(frame: Frame, definition: FunctionDefinition) -> None:
    """At the end of a function: what it returns has left, what it stored stays with its objects."""
    analysis = frame.analysis
    backpropagates = _framework_backpropagates(frame, definition)
    ends = [state for _, state, _ in frame.returns]
    for value, state, node in frame.returns:
        frame.state = state
        if backpropagates:
            loss = _loss_of(frame, value)
            backward.backward(frame, node, loss, single=loss is not value)
        library.use(frame, node, value, Use.RETURNED)
        siblings.returned(frame, definition, value, node)
        records.returned(frame, definition, value, node)
        inner_steps.returned(frame, definition, value)
    if frame.state is None and ends:
        frame.state = ends[-1]
    for value in frame.yields if frame.state is not None else ():
        library.use(frame, definition.node, value, Use.RETURNED)
    if frame.state is not None and frame.state not in ends:
        ends.append(frame.state)
    _run_waiting_hooks(frame)
    for state in ends:
        analysis.fates.settle(state, 0)
        carrying.leave(frame, definition, state)
        _export(frame, state)


def _run_waiting_hooks(frame: Frame) -> None:
    """Hooks of modules that are called by code out of sight run here, with grad mode on.

    Those that their function removes again have run in it, where that calls networks.
    """
    for hook in list(frame.analysis.hooks):
        removed = hook.within is not None and _calls_without_grad(hook.within.node)
        if not hook.seen and not removed and frame.state is not None:
            methods.run_hook(frame, hook)
    frame.analysis.hooks.clear()


def _calls_without_grad(function: ast.AST) -> bool:
    """Whether a function removes hooks again, and has a block without grad, where it calls something."""
    parts = list(ast.walk(function))
    removes = any(isinstance(part, ast.Attribute) and part.attr == "remove" for part in parts)
    blocks = [part for part in parts if isinstance(part, (ast.With, ast.AsyncWith))]
    off = [block for block in blocks if any(is_no_grad(item.context_expr) for item in block.items)]
    return removes and any(isinstance(part, ast.Call) for block in off for part in ast.walk(block.body[0]))


def _framework_backpropagates(frame: Frame, definition: FunctionDefinition) -> bool:
    if definition.owner is None:
        return False
    models = frame.analysis.models
    bases = [m for name in definition.owner.libraries() for m in models.lineage(name)]
    return any(definition.name in model.backward for model in bases)


def _loss_of(frame: Frame, value: Value) -> Value:
    """What a framework backpropagates of a step's result: the value, or its item `loss`."""
    if isinstance(value, Container) and value.kind == "dict":
        places = [(site, "['loss']") for site in value.sites]
        found = [frame.get(place) for place in places]
        return next((held for held in found if held is not None), PLAIN)
    if isinstance(value, Tuple) and value.items:
        return value.items[0]
    return value


def _export(frame: Frame, state: State) -> None:
    """Leave what the objects from outside hold now, for the functions that find them next."""
    roots = list(getattr(frame.receiver, "sites", ()))
    roots += [place[0] for place in state.cells if _is_outside(frame, state, place)]
    seen: set[int] = set()
    marks = Consumption({})
    while roots:
        base = roots.pop()
        if base in seen:
            continue
        seen.add(base)
        for offset in frame.analysis.offsets_of(base):
            value = state.cells.get((base, offset))
            if value is not None:
                _leave(frame.analysis, (base, offset), value, marks)
                roots.extend(getattr(value, "sites", ()))
    outside = frame.definition.body.outside_names if frame.definition is not None else frozenset()
    for place, value in state.cells.items():
        if place[0] in frame.scopes[1:] and place[1] in outside:
            _leave(frame.analysis, place, value, marks)


def _is_outside(frame: Frame, state: State, place: Place) -> bool:
    return place[1][0] in ".[" and state.born.get(place[0], OUTSIDE) == OUTSIDE
