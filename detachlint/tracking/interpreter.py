"""Statements, in the order in which they run.

`run` interprets a list of statements on the frame's state. A path that ends (return, raise, break, continue)
leaves no state; where paths meet their states are joined. A loop's body is interpreted until its head holds
nothing new, which takes two or three rounds, because the lattice is shallow. At the end of each iteration the
keeps made in it learn whether their graph was spent meanwhile.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace

from detachlint.tracking import (
    accumulation,
    carrying,
    classes,
    conditions,
    containers,
    expressions,
    hints,
    imports,
    inlining,
    inplace,
    library,
    modes,
    passages,
    targets,
    weights,
)
from detachlint.tracking.analysis import Frame, Loop
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.environment import State, join_states, same
from detachlint.tracking.fates import Use
from detachlint.tracking.places import Place, element
from detachlint.tracking.values import (
    NONE,
    PLAIN,
    Class,
    Container,
    Function,
    GradMode,
    Instance,
    Library,
    ManagedBlock,
    ModeSwitch,
    Plain,
    Sequence,
    Tensor,
    Unknown,
    Value,
)

_MAX_ROUNDS = 4


def run(frame: Frame, body: list[ast.stmt]) -> None:
    """Interpret statements in order, as far as they are reached."""
    for statement in body:
        if frame.state is None:
            return
        frame.analysis.work += 1
        frame.statement = statement
        handler = _HANDLERS.get(type(statement))
        if handler is not None:
            handler(frame, statement)


def parameter(frame: Frame, node: ast.arg) -> Value:
    """A parameter of which only the definition is known: callers or its annotation may tell its kind."""
    key = frame.analysis.keys("arg", node)
    passed = hints.of_kinds(frame, frame.analysis.settled.get(node, {}), key)
    if passed is not None:
        return passed
    if node.annotation is not None:
        known = hints.value_of(frame, node.annotation, key)
        if known is not None:
            return known
    return frame.analysis.unknown(key)


def _expression(frame: Frame, node: ast.Expr) -> None:
    value = expressions.evaluate(frame, node.value)
    # `torch.set_grad_enabled(False)` works as a statement; a bare `torch.no_grad()` does nothing.
    if isinstance(value, ModeSwitch) and isinstance(node.value, ast.Call):
        callee = frame.analysis.seen.get(node.value.func)
        if isinstance(callee, Library) and callee.name.endswith("set_grad_enabled"):
            frame.live.mode = modes.entered(frame.live.mode, value.mode)
            frame.live.mode_if = conditions.mode_if(frame, node.value)


def _assign(frame: Frame, node: ast.Assign) -> None:
    if _assign_in_pairs(frame, node):
        return
    value = expressions.evaluate(frame, node.value)
    for target in node.targets:
        assign_to(frame, node, target, value, node.value)


def _assign_in_pairs(frame: Frame, node: ast.Assign) -> bool:
    """`a, b = a + x, b + y`: each target is one of its own accumulation."""
    target, value = node.targets[0], node.value
    if len(node.targets) > 1 or not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple):
        return False
    if len(target.elts) != len(value.elts):
        return False
    if any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts)):
        return False
    values = [expressions.evaluate(frame, part) for part in value.elts]
    for place, part, written in zip(target.elts, values, value.elts, strict=True):
        assign_to(frame, node, place, part, written)
    return True


def assign_to(frame: Frame, node: ast.stmt, target: ast.expr, value: Value, written: ast.expr) -> None:
    """One target of an assignment, which may be an accumulation in disguise."""
    written = conditions.chosen(frame, written)
    held = accumulation.rebound(frame, node, target, value, written)
    if held is None:
        targets.assign(frame, target, value, written)
        return
    if isinstance(target, ast.Name):
        place = targets.name_place(frame, target.id)
        targets.assign_name(frame, target.id, held, born=frame.born(place))
        return
    targets.hold(frame, target, held)


def _annotated(frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        value = expressions.evaluate(frame, node.value)
        if isinstance(value, Unknown):
            value = hints.value_of(frame, node.annotation, value.key) or value
        assign_to(frame, node, node.target, value, node.value)


def _augmented(frame: Frame, node: ast.AugAssign) -> None:
    accumulation.augmented(frame, node)


def _return(frame: Frame, node: ast.Return) -> None:
    value = expressions.evaluate(frame, node.value) if node.value is not None else NONE
    value = passages.leaving(frame, node, value, node.value)
    if frame.caller is not None:
        library.use(frame, node, value, Use.HANDED_BACK)
    frame.returns.append((value, frame.live, node))
    frame.state = None


def _raise(frame: Frame, node: ast.Raise) -> None:
    if node.exc is not None:
        expressions.evaluate(frame, node.exc)
    frame.state = None


def _if(frame: Frame, node: ast.If) -> None:
    expressions.evaluate(frame, node.test)
    outcome = conditions.outcome(frame, node.test)
    before = frame.live
    key = conditions.key_of(frame, node.test)
    otherwise = before.copy()
    asked = conditions.asked_for_rank(frame, node.test)
    frame.asked += asked
    after_true: State | None = None
    after_false: State | None = None
    if outcome is not False:
        conditions.narrow(frame, node.test, True)
        run(frame, node.body)
        after_true = frame.state
    frame.state = otherwise
    if outcome is not True:
        conditions.narrow(frame, node.test, False)
        run(frame, node.orelse)
        after_false = frame.state
    del frame.asked[len(frame.asked) - len(asked) :]
    if outcome is not None:
        frame.state = after_true if outcome else after_false
        return
    carrying.forget_stale(node.test, after_true, after_false)
    if key is not None and not key[1]:
        after_true, after_false = after_false, after_true
    frame.state = join_states(after_true, after_false, key[0] if key is not None else None)


def _for(frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    source = expressions.evaluate(frame, node.iter)

    def enter() -> None:
        targets.assign(frame, node.target, expressions.iterate(frame, source, node.iter))
        if isinstance(source, Sequence) and source.mode is not None:
            frame.live.mode = source.mode

    _loop(frame, node, enter, endless=False)
    if frame.state is not None:
        _replace_rewritten(frame, node)
        inplace.cut_elements(frame, node)


def _unguarded(body: list[ast.stmt], target: ast.expr) -> Iterator[ast.stmt]:
    """A loop's statements, and those that are left out only for an element that is no tensor."""
    for part in body:
        if isinstance(part, ast.If) and conditions.asks_for_tensor(part.test, target):
            yield from part.body
        else:
            yield part


def _replace_rewritten(frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    """After `for key, value in d.items(): d[key] = f(value)` nothing old is in the dict.

    So it is with the list of `for i in range(len(xs)): xs[i] = f(xs[i])`.
    """
    base = node.iter
    if isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr in _VIEWS:
        base = base.func.value
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id in _POSITIONS:
        base = base.args[0] if len(base.args) == 1 else base.func
    key = node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
    if not isinstance(base, (ast.Name, ast.Attribute)) or not isinstance(key, ast.Name):
        return
    held = frame.analysis.seen.get(base)
    if not isinstance(held, Container) or len(held.sites) != 1:
        return
    entry = f"{ast.unparse(base)}[{key.id}]"
    for part in _unguarded(node.body, node.target):
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == entry:
            containers.clear(frame, held.sites[0])
            frame.put(element(held.sites[0]), frame.analysis.seen.get(part.value, PLAIN))


_VIEWS = frozenset({"items", "keys", "copy"})
_POSITIONS = frozenset({"range", "len", "enumerate", "list"})


def _while(frame: Frame, node: ast.While) -> None:
    def enter() -> None:
        expressions.evaluate(frame, node.test)
        conditions.narrow(frame, node.test, True)

    constant = isinstance(node.test, ast.Constant) and bool(node.test.value)
    _loop(frame, node, enter, endless=constant)


def _loop(
    frame: Frame,
    node: ast.For | ast.AsyncFor | ast.While,
    enter: Callable[[], None],
    endless: bool,
) -> None:
    head = entry = frame.live
    exits: list[State] = []
    renewed: list[Place] = []
    end: State | None = None
    loop, trained = Loop(), frame.analysis.training_calls
    kept_before = len(frame.analysis.fates.keeps)
    counter = conditions.counter_of(frame, node)
    for turn in range(_MAX_ROUNDS + bool(counter)):
        frame.state = head.copy()
        loop = Loop(head.mode, node, trained, counter, first=turn == 0)
        frame.loops.append(loop)
        frame.depth += 1
        enter()
        run(frame, node.body)
        end = frame.state
        # Leaving the body leaves the `with` blocks in it too.
        for state in (*loop.continues, *loop.breaks):
            state.mode = head.mode
        for state in loop.continues:
            end = join_states(end, state)
        if end is not None:
            frame.analysis.fates.settle(end, frame.depth, kept_before)
            renewed = carrying.renewed(entry, end, frame.depth - 1)
            carrying.hand_on(frame, node, head, end)
        frame.depth -= 1
        frame.loops.pop()
        exits = loop.breaks
        if counter and turn == 0 and end is not None:
            # The body asks which turn it is: the first is a turn of its own, and is taken to happen.
            end.lower(frame.depth)
            head = end
            continue
        following = join_states(head, end)
        assert following is not None
        if following is head or same(following, head):
            head = following
            break
        head = following
    if end is not None:
        # A loop is taken to run: what a name that it binds anew stood for before is gone behind it.
        head.cells.update({place: end.cells[place] for place in renewed})
        head.born.update({place: end.born[place] for place in renewed})
        _settle_doubts(head, end)
    frame.state = None if endless else head
    if frame.state is not None:
        run(frame, node.orelse)
    for state in exits:
        frame.state = join_states(frame.state, state)
    if frame.state is not None:
        frame.live.lower(frame.depth)


def _settle_doubts(head: State, end: State) -> None:
    """What every iteration makes a tensor of is one behind a loop that is taken to run."""
    for place, value in head.cells.items():
        if isinstance(value, Tensor) and value.doubt:
            last = end.cells.get(place)
            if isinstance(last, Tensor) and last.doubt in value.doubt:
                head.cells[place] = replace(value, doubt=last.doubt)


def _break(frame: Frame, node: ast.Break) -> None:
    if frame.loops:
        frame.loops[-1].breaks.append(frame.live)
    frame.state = None


def _continue(frame: Frame, node: ast.Continue) -> None:
    if frame.loops:
        frame.loops[-1].continues.append(frame.live)
    frame.state = None


def _try(frame: Frame, node: ast.Try) -> None:
    raised: State | None = frame.live.copy()
    guarded, frame.guarded = frame.guarded, frame.guarded or _handles_refusals(node)
    for statement in node.body:
        if frame.state is None:
            break
        run(frame, [statement])
        if frame.state is not None:
            raised = join_states(raised, frame.state.copy())
    frame.guarded = guarded
    if frame.state is not None:
        run(frame, node.orelse)
    after = frame.state
    for handler in node.handlers:
        frame.state = raised.copy() if raised is not None else None
        if frame.state is not None and handler.name is not None:
            targets.assign_name(frame, handler.name, PLAIN)
        run(frame, handler.body)
        after = join_states(after, frame.state)
    frame.state = after
    if node.finalbody:
        _finally(frame, node, raised)


def _handles_refusals(node: ast.Try) -> bool:
    """Whether a handler deals with the RuntimeError that numpy answers a tracking tensor with."""
    for handler in node.handlers:
        names = (
            {getattr(part, "id", "") for part in ast.walk(handler.type)} if handler.type else {"Exception"}
        )
        if names & {"Exception", "RuntimeError", "BaseException"}:
            return not any(isinstance(part, ast.Raise) for part in handler.body)
    return False


def _finally(frame: Frame, node: ast.Try, raised: State | None) -> None:
    if frame.state is not None:
        run(frame, node.finalbody)
        return
    frame.state = raised.copy() if raised is not None else None
    run(frame, node.finalbody)
    frame.state = None


def _with(frame: Frame, node: ast.With | ast.AsyncWith) -> None:
    before, before_if = frame.live.mode, frame.live.mode_if
    for part in node.items:
        value = expressions.evaluate(frame, part.context_expr)
        value, mode = _entered(frame, part.context_expr, value)
        if mode is not None:
            frame.live.mode = modes.entered(frame.live.mode, mode)
            frame.live.mode_if = conditions.mode_if(frame, part.context_expr)
        if part.optional_vars is not None:
            targets.assign(frame, part.optional_vars, value)
    run(frame, node.body)
    if frame.state is not None:
        frame.state.mode, frame.state.mode_if = before, before_if


def _entered(frame: Frame, node: ast.expr, value: Value) -> tuple[Value, GradMode | None]:
    if isinstance(value, ManagedBlock):
        return value.value, value.mode
    mode = modes.mode_of(value)
    if mode is not None:
        return NONE, mode
    if isinstance(value, Instance):
        enter = value.klass.method("__enter__")
        if enter is not None:
            inner = inlining.call_function(frame, node, Function(enter, value), Arguments())
            mode = frame.live.mode
            return inner, mode
    return value, None


def _match(frame: Frame, node: ast.Match) -> None:
    subject = expressions.evaluate(frame, node.subject)
    before = frame.live
    after: State | None = None
    exhaustive = False
    for case in node.cases:
        frame.state = before.copy()
        _bind_pattern(frame, case.pattern, subject)
        if case.guard is not None:
            expressions.evaluate(frame, case.guard)
        run(frame, case.body)
        after = join_states(after, frame.state)
        wild = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
        exhaustive = exhaustive or (wild and case.guard is None)
    frame.state = after if exhaustive else join_states(after, before)


def _bind_pattern(frame: Frame, pattern: ast.pattern, subject: Value) -> None:
    if isinstance(pattern, ast.MatchAs):
        if pattern.pattern is not None:
            _bind_pattern(frame, pattern.pattern, subject)
        if pattern.name is not None:
            targets.assign_name(frame, pattern.name, subject)
    elif isinstance(pattern, ast.MatchSequence):
        for position, part in enumerate(pattern.patterns):
            item = expressions.item_of(frame, subject, Plain(position), part)
            _bind_pattern(frame, part, item)
    elif isinstance(pattern, ast.MatchMapping):
        for key, part in zip(pattern.keys, pattern.patterns, strict=True):
            item = expressions.item_of(frame, subject, expressions.evaluate(frame, key), part)
            _bind_pattern(frame, part, item)
    elif isinstance(pattern, ast.MatchClass):
        for name, part in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
            _bind_pattern(frame, part, classes.attribute_of(frame, subject, name, part))
    elif isinstance(pattern, ast.MatchOr):
        for part in pattern.patterns:
            _bind_pattern(frame, part, subject)
    elif isinstance(pattern, ast.MatchStar) and pattern.name is not None:
        targets.assign_name(frame, pattern.name, subject)


def _function(frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    definition = classes.define_function(frame, node)
    value: Value = Function(definition)
    for decorator in reversed(node.decorator_list):
        value = _decorated(frame, decorator, value)
    targets.assign_name(frame, node.name, value)


def _decorated(frame: Frame, decorator: ast.expr, value: Value) -> Value:
    """A decorator of the project wraps the function; one of a library is taken to leave it as it is."""
    wrapper = frame.analysis.seen.get(decorator)
    if not isinstance(wrapper, Function) or wrapper.definition.is_context_manager:
        return value
    made = inlining.call_function(frame, decorator, wrapper, Arguments((value,)))
    return made if isinstance(made, (Function, Class)) else value


def _class(frame: Frame, node: ast.ClassDef) -> None:
    klass = classes.define_class(frame, node)
    inner = Frame(
        analysis=frame.analysis,
        module=frame.module,
        scopes=(klass.scope, *frame.scopes),
        state=frame.state,
        context=frame.context,
        depth=frame.depth,
        level=frame.level,
    )
    for statement in node.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            definition = classes.define_function(inner, statement, klass)
            name = statement.name + (".setter" if definition.kind == "setter" else "")
            if definition.kind != "deleter":
                klass.methods[name] = definition
        elif inner.state is not None:
            run(inner, [statement])
    targets.assign_name(frame, node.name, Class(klass))


def _import(frame: Frame, node: ast.Import) -> None:
    for alias in node.names:
        top = alias.name.partition(".")[0]
        name = alias.asname or top
        targets.assign_name(frame, name, imports.module_value(frame, alias.name if alias.asname else top))


def _import_from(frame: Frame, node: ast.ImportFrom) -> None:
    for alias in node.names:
        if alias.name == "*":
            imports.import_star(frame, node)
            continue
        value = imports.imported(frame, node, alias.name)
        targets.assign_name(frame, alias.asname or alias.name, value)


def _delete(frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        targets.delete(frame, target)


def _assert(frame: Frame, node: ast.Assert) -> None:
    expressions.evaluate(frame, node.test)
    weights.refused(frame, node)
    conditions.narrow(frame, node.test, True)


_HANDLERS: dict[type[ast.stmt], Callable[..., None]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Try: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Match: _match,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Delete: _delete,
    ast.Assert: _assert,
}
if hasattr(ast, "TryStar"):
    _HANDLERS[ast.TryStar] = _try
