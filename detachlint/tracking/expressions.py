"""Expressions, from syntax to values.

Every kind of expression has one function. What an operation on tensors gives is decided in `derive`: it
tracks if an operand tracks and grad mode is on, and it hangs on the operands' lineages. Reading an
attribute or an item of something unknown gives something unknown with a name of its own, so that a later
backward can prove it. The value of every expression is remembered, for the fix to find the smallest
expression that tracks.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Many
from dataclasses import replace
from typing import TypeGuard

from detachlint.tracking import (
    calls,
    classes,
    conditions,
    consumption,
    containers,
    imports,
    keeping,
    methods,
    objectives,
    passages,
    sinks,
    targets,
    tracked,
    weights,
)
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.environment import State, join_modes, join_states
from detachlint.tracking.fates import Use
from detachlint.tracking.places import PARAMETERS, Place, element, item
from detachlint.tracking.values import (
    ARRAY,
    CLEAR,
    PLAIN,
    TEXT,
    Container,
    Doubt,
    Function,
    Grad,
    Imported,
    Instance,
    Library,
    Lineage,
    Module,
    Object,
    Origin,
    Plain,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    doubt_of,
    doubted,
    grad_of,
    join,
    join_all,
    lineage_of,
    origin_of,
    tracks,
    with_lineage,
)

_BUILTINS = frozenset(dir(builtins))
_NO_TENSORS = frozenset({Plain, Tuple, Sequence, Container, Instance, Object, Module})


def evaluate(frame: Frame, node: ast.expr) -> Value:
    """The value of an expression here; what it does on the way is done."""
    handler = _HANDLERS.get(type(node))
    value = handler(frame, node) if handler is not None else PLAIN
    analysis = frame.analysis
    analysis.seen[node] = value
    if type(value) in _NO_TENSORS:
        analysis.untensed.add(node)
    return value


def derive(
    frame: Frame,
    node: ast.AST,
    operands: Many[Value],
    view: bool = False,
    summed: bool = False,
    doubt: Doubt = Doubt.NONE,
) -> Value:
    """What an operation on these operands gives: it tracks if one of them does and grad mode is on."""
    if not frame.grad_on and not view:
        return CLEAR
    strongest = max(operands, key=grad_of, default=PLAIN)
    grad = grad_of(strongest)
    hanging = [lineage for lineage in map(lineage_of, operands) if lineage is not None]
    key = frame.analysis.keys("operation", node)
    if not hanging:
        if grad is Grad.CLEAR:
            return CLEAR
        lineage = Lineage(key, tracks=grad is Grad.TRACKS, context=frame.own_context)
    elif len(hanging) == 1 and not summed and (view or not consumption.is_carried(hanging[0])):
        lineage = hanging[0]
    else:
        parents = tuple(dict.fromkeys(hanging))
        made = grad is Grad.TRACKS
        lineage = Lineage(key, parents, summed=summed, tracks=made, context=frame.own_context)
    if grad is Grad.UNKNOWN and lineage.key == key:
        proven = frame.analysis.facts.proof(key, frame.own_context)
        if proven is not None:
            return Tensor(Grad.TRACKS, Origin(proven.path, proven.node, proven.text), lineage)
    if not any(Doubt.PART not in doubt_of(operand) for operand in operands if tracks(operand)):
        doubt |= doubt_of(strongest) & Doubt.PART
    # Under no_grad a view of a leaf has no graph of its own, as the leaf has none.
    leaf = not frame.grad_on and isinstance(strongest, Tensor) and strongest.leaf
    return Tensor(grad, origin_of(strongest), lineage, leaf, doubt)


def part_of_tensor(frame: Frame, node: ast.AST, base: Tensor, *more: Value) -> Value:
    """An item or attribute of a tensor, or of an output that may be a tuple: then this may be one as well."""
    doubt = Doubt.STRUCTURE if base.doubt & ~(Doubt.SEVERAL | Doubt.PACKED) else Doubt.NONE
    return derive(frame, node, [base, *more], view=True, doubt=doubt)


def flatten(frame: Frame, value: Value, limit: int = 4) -> list[Value]:
    """The leaves of a value: the items of tuples, lists and dicts, down to a few levels.

    Objects that hold each other are looked into once: configs and trees of nodes have more paths than parts.
    """
    leaves: list[Value] = []
    _flatten(frame, value, limit, leaves, {})
    return leaves


def _flatten(frame: Frame, value: Value, limit: int, leaves: list[Value], seen: dict[int, int]) -> None:
    if isinstance(value, Tuple):
        parts: Iterable[Value] = value.items
    elif isinstance(value, Sequence):
        parts = (value.element,)
    elif isinstance(value, Container):
        new = [site for site in value.sites if seen.get(site, 0) < limit]
        seen.update(dict.fromkeys(new, limit))
        parts = containers.contents(frame, replace(value, sites=tuple(new))) if new else ()
    elif _is_record(value):
        if seen.get(value.sites[0], 0) >= limit:
            return
        seen[value.sites[0]] = limit
        parts = classes.held(frame, value)
    else:
        if limit > 0:
            leaves.append(value)
        return
    if limit > 1:
        for part in parts:
            _flatten(frame, part, limit - 1, leaves, seen)


def _is_record(value: Value) -> TypeGuard[Instance]:
    return isinstance(value, Instance) and (value.klass.is_namedtuple or value.klass.is_dataclass)


def load_name(frame: Frame, name: str) -> Value:
    """What a name means here: the innermost scope that holds it, then the builtins."""
    for scope in frame.scopes:
        value = frame.get((scope, name))
        if isinstance(value, Imported):
            value = imports.resolve(frame, value)
            frame.analysis.base[(scope, name)] = value
            frame.live.cells.pop((scope, name), None)
        if value is not None:
            return value
    if name in _BUILTINS:
        return Library("builtins." + name)
    return frame.analysis.unknown(frame.analysis.keys("name", frame.module.path, name))


def _name(frame: Frame, node: ast.Name) -> Value:
    return load_name(frame, node.id)


def _constant(frame: Frame, node: ast.Constant) -> Value:
    return Plain(node.value)


def _attribute(frame: Frame, node: ast.Attribute) -> Value:
    return classes.attribute_of(frame, evaluate(frame, node.value), node.attr, node)


def _subscript(frame: Frame, node: ast.Subscript) -> Value:
    base = evaluate(frame, node.value)
    index = evaluate(frame, node.slice)
    return item_of(frame, base, index, node)


def item_of(frame: Frame, base: Value, index: Value, node: ast.AST) -> Value:
    """What `base[index]` gives."""
    if isinstance(base, Tensor):
        item = _item_of_row(base, index) if base.rows else None
        if item is not None:
            return item
        if _is_in_output(base, index, taken_apart=not _is_read(node)):
            return _part_of_output(frame, base, index)
        part = part_of_tensor(frame, node, base, *_tensors(index))
        first = Doubt.PACKED in base.doubt and isinstance(index, Plain) and index.constant == 0
        return doubted(part, Doubt.PACKED) if first else part
    if isinstance(base, (Tuple, Sequence, Container)):
        return containers.item_of(frame, base, index, node)
    if isinstance(base, Module):
        return _part_of_module(frame, base, node)
    if isinstance(base, Unknown):
        return part_of(frame, base, f"[{_constant_of(index)!r}]")
    if isinstance(base, Instance):
        return methods.call_method(frame, node, base, "__getitem__", Arguments((index,)))
    if isinstance(base, Object) and base.name == ARRAY and _is_single(index):
        return frame.analysis.unknown(frame.analysis.keys("number", node))
    if isinstance(base, Object) or (isinstance(base, Library) and base.name.endswith(".__dict__")):
        return base
    return PLAIN if isinstance(base, Plain) else frame.analysis.unknown(frame.analysis.keys("item", node))


def _item_of_row(base: Tensor, index: Value) -> Value | None:
    """The item of a tuple that an output is on other paths: who takes one by number has a tuple."""
    position = index.constant if isinstance(index, Plain) else ...
    if type(position) is not int:
        return None
    return join_all(row.items[position] for row in base.rows if -len(row.items) <= position < len(row.items))


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)


def _is_in_output(base: Tensor, index: Value, taken_apart: bool) -> bool:
    """Whether an item is asked for that has a name of its own, of an output of unseen code.

    One that is asked for by its number is one of many alike, as often as not.
    """
    if Doubt.STRUCTURE not in base.doubt or not isinstance(index, Plain):
        return False
    opaque = Doubt.PATH in base.doubt or base.lineage is None or base.lineage.opaque
    return opaque and (isinstance(index.constant, str) or (type(index.constant) is int and taken_apart))


def _part_of_output(frame: Frame, base: Tensor, index: Value) -> Value:
    """`accuracy` of `loss, accuracy = net(x)`: that it tracks shows when a loss is made of it."""
    if base.lineage is None:
        return replace(base, doubt=base.doubt | Doubt.PART)
    key = frame.analysis.keys("part", base.lineage.key, f"[{_constant_of(index)!r}]")
    lineage = Lineage(key, (base.lineage,), context=base.lineage.context)
    shown = key in frame.analysis.facts.shown
    return replace(base, lineage=lineage, doubt=base.doubt if shown else base.doubt | Doubt.PART)


def _is_single(index: Value) -> bool:
    """Whether one element or row is asked for: of a list of numbers that is a number."""
    return isinstance(index, Unknown) or (isinstance(index, Plain) and index.constant is not slice)


def part_of(frame: Frame, base: Unknown, offset: str) -> Value:
    """An attribute or item of something unknown: what was put there, or something unknown of its own."""
    stored = frame.get((base.key, offset))
    if stored is not None:
        return stored
    # An element of a loader is no part of a result: a loss made from it says nothing of the loader.
    key = frame.analysis.keys("element" if offset == "[*]" else "part", base.key, offset)
    context = base.lineage.context if base.lineage else 0
    return frame.analysis.unknown(key, Lineage(key, (base.lineage,) if base.lineage else (), context=context))


def _constant_of(index: Value) -> object:
    return index.constant if isinstance(index, Plain) and index.constant is not ... else "*"


def _tensors(value: Value) -> list[Value]:
    if isinstance(value, Tuple):
        return [part for part in value.items if isinstance(part, Tensor)]
    return [value] if isinstance(value, Tensor) else []


def _binary(frame: Frame, node: ast.BinOp) -> Value:
    left, right = evaluate(frame, node.left), evaluate(frame, node.right)
    return operate(frame, node, left, right, node.op)


def operate(frame: Frame, node: ast.AST, left: Value, right: Value, op: ast.operator) -> Value:
    """What a binary operator gives; lists concatenate, arrays stay arrays, tensors derive."""
    if isinstance(left, Plain) and isinstance(right, Plain):
        return PLAIN
    if isinstance(left, Plain) and isinstance(left.constant, str):
        return _text(frame, node, left.constant, right, op)
    if isinstance(left, Object) and left.name == TEXT:
        return left
    if isinstance(right, Object) and right.name == TEXT:
        return right
    if isinstance(left, (Container, Tuple, Sequence)):
        return containers.operate(frame, node, left, right)
    if isinstance(right, (Container, Tuple, Sequence)) and not isinstance(left, Tensor):
        return containers.operate(frame, node, right, left)
    for mine, other in ((left, right), (right, left)):
        if isinstance(mine, Object) and mine.name == ARRAY and isinstance(other, (Plain, Object)):
            if isinstance(op, ast.MatMult):
                return frame.analysis.unknown(frame.analysis.keys("number", node))  # of two rows, a number
            return mine
    if isinstance(left, Tensor) and isinstance(right, Object) and right.name == ARRAY:
        sinks.array_operand(frame, node, left)
        return CLEAR  # torch raises for one that tracks: what goes on does not
    if isinstance(left, Instance):
        return frame.analysis.unknown(frame.analysis.keys("operation", node))
    operands = [v for v in (left, right) if isinstance(v, (Tensor, Unknown, Object))]
    value = derive(frame, node, operands, summed=isinstance(op, (ast.Add, ast.Sub)))
    if isinstance(op, ast.Div) and not isinstance(left, Plain) and lineage_of(left) is None:
        return _own_node(frame, node, value, arity=1)  # a backward of it says nothing of the divisor
    if isinstance(op, ast.Pow):
        return objectives.measured(frame, node, bent(frame, node, value))
    if isinstance(node, ast.BinOp) and isinstance(op, (ast.Mult, ast.MatMult)):
        return weights.weighed(frame, node, node.left, node.right, value)
    return value


def bent(frame: Frame, node: ast.AST, value: Value) -> Value:
    """The result of an operation that is not linear: of a sum in it the summands no longer speak."""
    lineage = lineage_of(value)
    return value if lineage is None or not lineage.summed else _own_node(frame, node, value)


def _own_node(frame: Frame, node: ast.AST, value: Value, arity: int = 0) -> Value:
    """The result of an operation as a definition of its own, though it hangs on one operand alone."""
    lineage = lineage_of(value)
    if lineage is None:
        return value
    key, context = frame.analysis.keys("operation", node), frame.own_context
    return with_lineage(value, Lineage(key, (lineage,), arity=arity, tracks=lineage.tracks, context=context))


_CONVERSIONS = re.compile(r"%(?:\(\w+\))?[-+ #0]*[\d.*]*([a-zA-Z])")


def _text(frame: Frame, node: ast.AST, left: str, right: Value, op: ast.operator) -> Value:
    """`"..." + text`, and `"%.3f" % tensor`, which converts it, or `"%s" % tensor`, which prints it."""
    if isinstance(right, Object) and right.name == TEXT:
        return right
    if not isinstance(op, ast.Mod):
        return PLAIN
    measure(frame, right, node)
    text: Value = PLAIN
    values = right.items if isinstance(right, Tuple) else (right,)
    for kind, value in zip(_CONVERSIONS.findall(left), values, strict=False):
        if kind in "sra":
            made = text_of(frame, node, value)
            text = made if isinstance(made, Object) else text
        else:
            sinks.formatted_as_number(frame, node, value)
    return text


def text_of(frame: Frame, node: ast.AST, value: Value) -> Value:
    """The text of a value: of a tracking tensor it says `grad_fn=`."""
    measure(frame, value, node)
    leaf = tracked.tracking_leaf(frame, value)
    if leaf is None:
        return PLAIN
    return Object(TEXT, frame.analysis.keys("text", node), Grad.TRACKS, origin_of(leaf), lineage_of(leaf))


def _unary(frame: Frame, node: ast.UnaryOp) -> Value:
    operand = evaluate(frame, node.operand)
    if isinstance(node.op, ast.Not):
        measure(frame, operand, node)
        known = operand.constant if isinstance(operand, Plain) else None
        return Plain(not known) if isinstance(known, bool) else PLAIN
    if isinstance(operand, Plain):
        return Plain(-operand.constant) if isinstance(operand.constant, int) else PLAIN
    return derive(frame, node, [operand]) if not isinstance(operand, Object) else operand


def _compare(frame: Frame, node: ast.Compare) -> Value:
    values = [evaluate(frame, part) for part in (node.left, *node.comparators)]
    for value in values:
        measure(frame, value, node)
    if len(values) == 2 and all(isinstance(v, Plain) and isinstance(v.constant, str) for v in values):
        return _of_words(node.ops[0], values[0] == values[1])
    if len(values) == 2 and _is_device_of_tensor(frame, node.left) and isinstance(values[1], Plain):
        # A device is never equal to a word, whatever it is: `torch.device("cpu") != "cpu"`.
        return _of_words(node.ops[0], False) if isinstance(values[1].constant, str) else PLAIN
    if len(values) == 2 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return _among_words(node, values[0])
    if any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
        return _of_flags(node, values)
    return CLEAR if any(isinstance(value, (Tensor, Unknown)) for value in values) else PLAIN


def _among_words(node: ast.Compare, value: Value) -> Plain:
    """`mode in ("val", "test")`, where a call says which mode it is."""
    among = node.comparators[0]
    if not isinstance(value, Plain) or not isinstance(value.constant, str):
        return PLAIN
    if not isinstance(among, (ast.Tuple, ast.List, ast.Set)):
        return PLAIN
    if not all(isinstance(part, ast.Constant) for part in among.elts):
        return PLAIN
    found = value.constant in [part.value for part in among.elts if isinstance(part, ast.Constant)]
    return Plain(found is isinstance(node.ops[0], ast.In))


def _of_flags(node: ast.Compare, values: Many[Value]) -> Plain:
    """`greedy is False`, where a call says which of the two it is."""
    flags = [
        value.constant for value in values if isinstance(value, Plain) and isinstance(value.constant, bool)
    ]
    if len(values) != 2 or len(flags) != 2 or not isinstance(node.ops[0], (ast.Is, ast.IsNot)):
        return PLAIN
    return Plain((flags[0] is flags[1]) is isinstance(node.ops[0], ast.Is))


def _is_device_of_tensor(frame: Frame, node: ast.expr) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr != "device":
        return False
    return isinstance(frame.analysis.seen.get(node.value), Tensor)


def _of_words(op: ast.cmpop, same: bool) -> Plain:
    """`mode == "train"`, where the mode is known: a caller has said it."""
    if isinstance(op, (ast.Eq, ast.Is)):
        return Plain(same)
    return Plain(not same) if isinstance(op, (ast.NotEq, ast.IsNot)) else PLAIN


def measure(frame: Frame, value: Value, node: ast.AST) -> None:
    """Only numbers are taken from this value here."""
    fates = frame.analysis.fates
    for leaf in flatten(frame, value):
        lineage = lineage_of(leaf)
        if lineage is not None:
            fates.use(lineage, Use.MEASURED, node)


def _bool_op(frame: Frame, node: ast.BoolOp) -> Value:
    values = [evaluate(frame, part) for part in node.values]
    return join_all(values) or PLAIN


def _conditional(frame: Frame, node: ast.IfExp) -> Value:
    evaluate(frame, node.test)
    outcome = conditions.outcome(frame, node.test)
    if outcome is not None:
        return evaluate(frame, node.body if outcome else node.orelse)
    before = frame.live.copy()
    conditions.narrow(frame, node.test, True)
    first = evaluate(frame, node.body)
    after = frame.state
    frame.state = before
    conditions.narrow(frame, node.test, False)
    second = evaluate(frame, node.orelse)
    second = PLAIN if conditions.is_told_apart(node.test, node.orelse) else second
    _leave_nothing(frame, first, after, frame.state)
    _leave_nothing(frame, second, frame.state, after)
    frame.state = join_states(after, frame.state)
    return join(first, second)


def _leave_nothing(frame: Frame, made: Value, here: State | None, there: State | None) -> None:
    """`[] if kept else None`: the list of the last time is gone, also on the path that makes none."""
    if not isinstance(made, Container) or here is None or there is None:
        return
    for site in made.sites:
        for offset in frame.analysis.offsets_of(site):
            if (site, offset) not in here.cells:
                there.cells.pop((site, offset), None)


def _tuple(frame: Frame, node: ast.Tuple) -> Value:
    if any(isinstance(part, ast.Starred) for part in node.elts):
        return Sequence(_joined_elements(frame, node.elts))
    return Tuple(tuple(evaluate(frame, part) for part in node.elts))


def _joined_elements(frame: Frame, parts: Many[ast.expr]) -> Value:
    values = []
    for part in parts:
        if isinstance(part, ast.Starred):
            values.append(iterate(frame, evaluate(frame, part.value), part))
        else:
            values.append(evaluate(frame, part))
    return join_all(values) or PLAIN


def _list(frame: Frame, node: ast.List | ast.Set) -> Value:
    starred = any(isinstance(part, ast.Starred) for part in node.elts)
    if starred:
        values = [_joined_elements(frame, node.elts)]
    else:
        values = [evaluate(frame, part) for part in node.elts]
    return containers.make(frame, node, values, keyed=not starred)


def _dict(frame: Frame, node: ast.Dict) -> Value:
    found = containers.make(frame, node, [], kind="dict")
    for key, part in zip(node.keys, node.values, strict=True):
        value = evaluate(frame, part)
        if key is None:
            containers.update(frame, found, value)
            continue
        name = evaluate(frame, key)
        containers.put(frame, found, name, value)
    return found


def _comprehension(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Value:
    site = frame.site(node)
    outer = _shadowed(frame, node.generators)
    frame.depth += 1
    bounded = False
    for generator in node.generators:
        source = evaluate(frame, generator.iter)
        bounded = bounded or isinstance(source, (Module, Tuple, Tensor, Plain))
        targets.assign(frame, generator.target, iterate(frame, source, generator.iter))
        for test in generator.ifs:
            evaluate(frame, test)
            conditions.narrow(frame, test, True)
    body = node.value if isinstance(node, ast.DictComp) else node.elt
    bounded = bounded or _calls_what_it_runs_over(node, body)
    value = evaluate(frame, body)
    if isinstance(node, ast.DictComp):
        evaluate(frame, node.key)
    frame.depth -= 1
    frame.live.lower(frame.depth)
    frame.live.cells.update(outer)
    if isinstance(node, ast.GeneratorExp):
        return Sequence(value)
    kind = "dict" if isinstance(node, ast.DictComp) else "list"
    found = Container((site,), kind)
    if not bounded:
        keeping.comprehension(frame, node, body, value, element(site))
    held = keeping.marked(frame, node, value, element(site))
    containers.clear(frame, site)
    frame.put(element(site), held)
    return found


def _shadowed(frame: Frame, generators: list[ast.comprehension]) -> dict[Place, Value]:
    """What the names of a comprehension hold outside of it, where they hold it again afterwards."""
    names = (part for generator in generators for part in ast.walk(generator.target))
    places = [targets.name_place(frame, part.id) for part in names if isinstance(part, ast.Name)]
    return {place: value for place in places if (value := frame.live.cells.get(place)) is not None}


def _calls_what_it_runs_over(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, body: ast.expr
) -> bool:
    """`[net(x) for net in nets]` makes as many as there are networks, not as many as there are data."""
    names = {
        part.id
        for generator in node.generators
        for part in ast.walk(generator.target)
        if isinstance(part, ast.Name)
    }
    while isinstance(body, (ast.Call, ast.Attribute, ast.Subscript)):
        body = body.func if isinstance(body, ast.Call) else body.value
    return isinstance(body, ast.Name) and body.id in names


def iterate(frame: Frame, value: Value, node: ast.AST) -> Value:
    """What a loop variable over this value holds."""
    if isinstance(value, Tensor):
        return part_of_tensor(frame, node, value)
    if isinstance(value, (Tuple, Sequence, Container)):
        return containers.iterate(frame, value)
    if isinstance(value, Module):
        return _part_of_module(frame, value, node)
    if isinstance(value, Unknown):
        stored = frame.get(element(value.key))
        return part_of(frame, value, "[*]") if stored is None else stored
    if isinstance(value, Instance):
        return methods.iterate_instance(frame, value, node)
    if isinstance(value, Object):
        return _iterate_object(frame, value, node)
    return PLAIN if isinstance(value, Plain) else fresh(frame, node)


def _part_of_module(frame: Frame, module: Module, node: ast.AST) -> Value:
    if module.name.rpartition(".")[2] in ("ParameterList", "ParameterDict"):
        origin = frame.origin(node, "a parameter requires grad")
        lineage = Lineage(frame.analysis.keys(PARAMETERS, module.key))
        return Tensor(module.trainable, origin, lineage, leaf=True)
    return module.child if module.child is not None else module


def _iterate_object(frame: Frame, value: Object, node: ast.AST) -> Value:
    wrapped = frame.get(element(value.key))
    if wrapped is not None:
        return wrapped
    if value.name == ARRAY:
        # Of a row of numbers each is a number, which torch takes.
        return frame.analysis.unknown(frame.analysis.keys("number", node))
    return value if value.name.startswith("matplotlib.") else fresh(frame, node)


def fresh(frame: Frame, node: ast.AST) -> Value:
    """Something unknown that is read here."""
    return frame.analysis.unknown(frame.analysis.keys("item", node))


def _lambda(frame: Frame, node: ast.Lambda) -> Value:
    return Function(classes.define_function(frame, node))


def _formatted(frame: Frame, node: ast.JoinedStr) -> Value:
    text: Value = PLAIN
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = evaluate(frame, part.value)
            measure(frame, value, part)
            if part.conversion in (ord("r"), ord("s"), ord("a")) or tracked.is_text(value):
                text = text_of(frame, node, value)
    return text


def _await(frame: Frame, node: ast.Await) -> Value:
    return evaluate(frame, node.value)


def _yield(frame: Frame, node: ast.Yield) -> Value:
    value = evaluate(frame, node.value) if node.value is not None else PLAIN
    frame.yields.append(passages.leaving(frame, node, value, node.value))
    mode = frame.live.mode
    frame.yield_mode = mode if frame.yield_mode is None else join_modes(frame.yield_mode, mode)
    return frame.analysis.unknown(frame.analysis.keys("item", node))


def _yield_from(frame: Frame, node: ast.YieldFrom) -> Value:
    frame.yields.append(iterate(frame, evaluate(frame, node.value), node))
    return PLAIN


def _walrus(frame: Frame, node: ast.NamedExpr) -> Value:
    value = evaluate(frame, node.value)
    targets.assign(frame, node.target, value)
    return value


def _starred(frame: Frame, node: ast.Starred) -> Value:
    return iterate(frame, evaluate(frame, node.value), node)


def _slice(frame: Frame, node: ast.Slice) -> Value:
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            evaluate(frame, part)
    return Plain(slice)


def _call(frame: Frame, node: ast.Call) -> Value:
    return calls.call(frame, node)


def item_place(base: int, index: Value) -> tuple[int, str]:
    """The place of an item: its own under a constant key, else the common one."""
    if isinstance(index, Plain) and isinstance(index.constant, (str, int)):
        return item(base, index.constant)
    return element(base)


_HANDLERS: dict[type[ast.AST], Callable[..., Value]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _bool_op,
    ast.IfExp: _conditional,
    ast.Tuple: _tuple,
    ast.List: _list,
    ast.Set: _list,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.JoinedStr: _formatted,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.NamedExpr: _walrus,
    ast.Starred: _starred,
    ast.Slice: _slice,
    ast.Call: _call,
}
