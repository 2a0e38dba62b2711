"""Calls into libraries, as the models describe them.

A model says what comes back and whether the call is a sink. Python's own functions that move values around
(`zip`, `enumerate`, `list` ...) keep their structure and stand in `python_functions`. A library function
that no model knows returns something unknown, and what it was given has escaped.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence as Many
from dataclasses import replace

from detachlint.models import Call
from detachlint.tracking import (
    backward,
    carrying,
    containers,
    copies,
    expressions,
    feeding,
    hints,
    inplace,
    methods,
    modes,
    objectives,
    python_functions,
    sinks,
    tracked,
)
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.fates import Use
from detachlint.tracking.heard import ANY_MODULE
from detachlint.tracking.places import LEAF, LOADED, UNSEEN, Place
from detachlint.tracking.values import (
    ARRAY,
    CLEAR,
    NONE,
    PLAIN,
    Container,
    Doubt,
    Grad,
    Instance,
    Lineage,
    Module,
    Object,
    Plain,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    doubt_of,
    doubted,
    lineage_of,
    origin_of,
    tracks,
)

_CARRIERS = (Tensor, Unknown, Object)
_ANY_LAYER = "torch.nn.__dict__"  # `getattr(nn, kind)(...)`: a layer, which may have parameters or none
_COLLECTIONS = ("Sequential", "ModuleList", "ModuleDict")
_OPEN_NAMESPACES = ("torch.", "torchvision.", "kornia.")


def call_library(frame: Frame, node: ast.AST, name: str, arguments: Arguments) -> Value:
    """What calling a library's function or class gives."""
    models = frame.analysis.models
    name = models.canonical(name)
    handled = python_functions.call(frame, node, name, arguments)
    if handled is not None:
        return handled
    klass = models.klass(name)
    call = models.call(name)
    if call is None and klass is not None:
        return _construct(frame, node, name, klass.kind, klass.parameters, arguments)
    if call is None:
        if name == _ANY_LAYER:
            return Module(name, Grad.UNKNOWN, frame.analysis.keys("module", node, frame.context))
        if name.startswith("torch.optim."):
            kind = "object" if name.startswith("torch.optim.lr_scheduler.") else "optimizer"
            return _construct(frame, node, name, kind, False, arguments)
        if name.rpartition(".")[2].startswith("_"):
            return methods.call_unknown(frame, node, None, arguments)  # for the library itself: sizes, checks
        if name.startswith(_OPEN_NAMESPACES):
            numbers = methods.is_map(node) and methods.are_numbers(
                methods.call_back(frame, node, arguments.values())
            )
            return PLAIN if numbers else _derived(frame, node, arguments.values())
        if is_of_other_framework(name):
            escape(frame, node, arguments.values())
            return PLAIN
        return methods.call_unknown(frame, node, None, arguments)
    return apply(frame, node, name, call, None, arguments)


# What they differentiate are tensors of their own, with a `backward` and a `numpy` of their own.
_OTHER_FRAMEWORKS = frozenset(
    {"chainer", "cupy", "dynet", "jax", "keras", "mindspore", "mxnet", "oneflow", "paddle", "tensorflow"}
    | {"theano", "tinygrad"}
)


def is_of_other_framework(name: str) -> bool:
    """Whether a library's function or class belongs to one with an autograd of its own."""
    return name.partition(".")[0] in _OTHER_FRAMEWORKS


def is_for_other_framework(source: str, tree: ast.Module) -> bool:
    """Whether a program imports such a framework, and neither torch nor what stands on it."""
    if not any(name in source for name in _OTHER_FRAMEWORKS):  # most files: no need to look at each node
        return False
    names = {name.partition(".")[0] for part in ast.walk(tree) for name in _imported(part)}
    return bool(names & _OTHER_FRAMEWORKS) and not any("torch" in name or name in _ON_TORCH for name in names)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


_ON_TORCH = frozenset({"accelerate", "diffusers", "lightning", "timm", "transformers", "ignite", "catalyst"})


def _construct(
    frame: Frame, node: ast.AST, name: str, kind: str, parameters: bool, arguments: Arguments
) -> Value:
    key = frame.analysis.keys("call", node)
    if kind == "module":
        return _module(frame, name, frame.analysis.keys("module", node, frame.context), parameters, arguments)
    if kind == "tensor":
        return _derived(frame, node, arguments.values())
    if kind == "distribution":
        derived = expressions.derive(frame, node, _leaves(frame, arguments.values()))
        origin, lineage = origin_of(derived), lineage_of(derived)
        grad = derived.grad if isinstance(derived, Tensor) else Grad.CLEAR
        return Object(name, key, grad, origin, lineage)
    made = Object(name, frame.site(node, "object"))
    if kind == "optimizer":
        feeding.optimizer_made(frame, made.key, arguments.get(0, "params"))
    return made


def _module(frame: Frame, name: str, key: int, parameters: bool, arguments: Arguments) -> Module:
    children = [leaf for value in arguments.values() for leaf in expressions.flatten(frame, value)]
    for part in children:
        _show_module(frame, name, part)
    inner = [child for child in children if isinstance(child, Module)]
    inner_instances = [child for child in children if isinstance(child, Instance)]
    trainable = Grad.TRACKS if parameters else Grad.CLEAR
    if name.rpartition(".")[2] in _COLLECTIONS and inner and not inner_instances:
        trainable = max(child.trainable for child in inner)
    # Of a sequence's layers the one that gives tuples, if there is one, speaks for all.
    first = max(inner, key=lambda child: _levels(frame, child) or 0, default=None)
    child = inner_instances[0] if inner_instances else first
    if frame.analysis.facts.is_frozen(key):
        trainable = Grad.CLEAR
    parts = dict.fromkeys(part for each in children for part in methods.owners(frame, each))
    return Module(
        name, trainable, key, child if isinstance(child, (Module, Instance)) else None, tuple(parts)
    )


def is_collection(module: Module) -> bool:
    """Whether it holds modules, which are put into it one by one, too."""
    return module.name.rpartition(".")[2] in _COLLECTIONS


def grown(frame: Frame, module: Module, arguments: Arguments) -> Module:
    """A collection of modules that got more of them."""
    more = _module(frame, module.name, module.key, True, arguments)
    child = module.child if module.child is not None else more.child
    return replace(module, child=child, parts=tuple(dict.fromkeys(module.parts + more.parts)))


def _show_module(frame: Frame, name: str, part: Value) -> None:
    """What `nn.Sequential` and its kin are given are modules: `block(...)` made one, it was not called."""
    if name.rpartition(".")[2] not in _COLLECTIONS:
        return
    statement = frame.statement
    waiting, seen = [lineage_of(part)], set[Lineage]()
    while waiting and statement is not None:
        lineage = waiting.pop()
        if lineage is None or lineage in seen:
            continue
        seen.add(lineage)
        if lineage.key < 0 or lineage.place is not None:
            waiting.extend(lineage.parents)
        elif frame.analysis.keys.thing(lineage.key)[0] == "call":
            note = frame.note(statement, f"`{name}` takes modules")
            frame.analysis.facts.modules.setdefault(lineage.key, note)


def _operands(name: str, call: Call, receiver: Value | None, arguments: Arguments) -> list[Value]:
    """What a result is made of: of `y` in `x.type_as(y)` and `x.view_as(y)` only the type or the shape."""
    if receiver is None:
        return arguments.values()
    if call.result == "view" and name.startswith("torch.Tensor."):
        return [receiver]
    return [receiver, *arguments.values()]


def apply(
    frame: Frame, node: ast.AST, name: str, call: Call, receiver: Value | None, arguments: Arguments
) -> Value:
    """What a modelled call does and gives."""
    call = _cut_by_cast(frame, call, arguments)
    if call.sink is not None:
        sinks.library_call(frame, node, name, call, receiver, arguments)
    if name == "torch.autograd.grad":
        return _autograd_grad(frame, node, arguments)
    operands = _operands(name, call, receiver, arguments)
    methods.call_back(frame, node, arguments.values())
    if call.result == "backward":
        speaks = receiver is None or isinstance(receiver, (Tensor, Unknown))
        loss = operands[0] if speaks and operands else arguments.get(0)
        backward.backward(frame, node, loss or PLAIN, arguments)
        return NONE
    if call.sink == "copy" and any(tracked.tracking_leaf(frame, operand) for operand in operands):
        return frame.analysis.unknown(frame.analysis.keys("copy", node))
    if call.result == "arguments":
        found = arguments.positional
        return found[0] if len(found) == 1 else Tuple(found)
    if call.result == "argument":
        given = arguments.positional[0] if arguments.positional else _first(arguments)
        return copies.deep(frame, node, given) if call.sink == "copy" else given
    if call.result == "leaf" and arguments.flag("requires_grad", default=True) is not True:
        return _perhaps_trained(frame, node, arguments)
    if call.result == "fresh":
        return _fresh_tensor(frame, node, name, arguments)
    if call.result == "into":
        return inplace.into(frame, node, name, receiver, arguments)
    if not call.deep and call.result in ("derived", "view", "fresh"):
        operands = [operand for operand in operands if not isinstance(operand, (Tuple, Sequence, Container))]
    if call.result == "reduce":
        return _reduce(frame, node, operands, arguments, receiver)
    if call.result in ("cut", "number", "plain", "text", "none", "state"):
        for operand in operands:
            expressions.measure(frame, operand, node)
    if call.result == ARRAY and name.startswith("numpy."):
        return _array_result(frame, node, name, operands, arguments)
    if call.result == "unknown":
        return methods.call_unknown(frame, node, None, arguments)
    levels = 1 if any(arguments.flag(word) is not False for word in call.tuple_with) else call.levels
    result = in_tuples(from_result(frame, node, call.result, operands), levels)
    return _finished(frame, node, name, call, arguments, result)


def _cut_by_cast(frame: Frame, call: Call, arguments: Arguments) -> Call:
    """`x.to(torch.uint8)`, `x.type("torch.LongTensor")`: no gradient goes through whole numbers."""
    if call.result not in ("view", "derived") or not hints.are_integers(frame, arguments.values()):
        return call
    return replace(call, result="cut")


def in_tuples(value: Value, levels: int | None) -> Value:
    """Tensors that come in so many levels of tuples; of the parts of two nobody knows which are tuples."""
    if levels is None:
        return doubted(value, Doubt.STRUCTURE)
    doubts = (Doubt.NONE, Doubt.SEVERAL, Doubt.SEVERAL | Doubt.STRUCTURE)
    return doubted(value, doubts[levels])


def _finished(
    frame: Frame, node: ast.AST, name: str, call: Call, arguments: Arguments, value: Value
) -> Value:
    """A result, knowing whether its summands still speak and whether it is a loss."""
    if name.rpartition(".")[2] not in _LINEAR:
        value = expressions.bent(frame, node, value)
    return objectives.loss_of(frame, node, name, call, arguments, value)


_LINEAR = frozenset(
    {"mean", "sum", "neg", "nanmean", "mul", "div", "multiply", "divide", "true_divide", "to", "cuda", "cpu"}
    | {"float", "double", "half", "view", "reshape", "squeeze", "unsqueeze", "clone", "contiguous"}
)


# What makes an array of anything; a ufunc or reduction makes one of an array only: of a number numpy makes a
# scalar, which torch takes like any number.
_ARRAY_MAKERS = frozenset(
    {"array", "asarray", "asanyarray", "ascontiguousarray", "zeros", "ones", "full", "empty", "arange", "eye"}
    | {"linspace", "logspace", "stack", "concatenate", "vstack", "hstack", "column_stack", "identity"}
    | {"zeros_like", "ones_like", "full_like", "empty_like", "fromiter", "frombuffer", "tile", "repeat"}
)
_REDUCTIONS = frozenset(
    {"mean", "sum", "std", "var", "min", "max", "amin", "amax", "median", "prod", "percentile", "quantile"}
    | {"average", "argmax", "argmin", "any", "all", "norm", "nanmean", "nansum", "ptp", "item"}
)
# Of two rows of numbers these make one number.
_PRODUCTS = frozenset(
    {"dot", "vdot", "inner", "vecdot", "matmul", "einsum", "tensordot", "trapezoid", "trace"}
)


def _array_result(
    frame: Frame, node: ast.AST, name: str, operands: Many[Value], arguments: Arguments
) -> Value:
    function = name.rpartition(".")[2]
    if function in _ARRAY_MAKERS:
        return Object(ARRAY, frame.site(node, "object"))
    if function in _PRODUCTS:
        return frame.analysis.unknown(frame.analysis.keys("number", node))
    if function in _REDUCTIONS and "axis" not in arguments.keywords and len(operands) == 1:
        return PLAIN
    arrays = (Container, Sequence, Tuple)
    if any(isinstance(v, arrays) or (isinstance(v, Object) and v.name == ARRAY) for v in operands):
        return Object(ARRAY, frame.site(node, "object"))
    if all(isinstance(operand, Plain) for operand in operands):
        return PLAIN
    return frame.analysis.unknown(frame.analysis.keys("number", node))


def array_method(frame: Frame, node: ast.AST, receiver: Object, name: str, arguments: Arguments) -> Value:
    """A method of an array that no model names: an array again, or the one number that it comes down to."""
    if name in _REDUCTIONS and not arguments.values():
        return frame.analysis.unknown(frame.analysis.keys("number", node))
    return receiver


def _perhaps_trained(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    """A parameter that requires grad where some flag says so."""
    if arguments.flag("requires_grad") is False:
        return CLEAR
    lineage = Lineage(frame.analysis.keys("call", node, LEAF))
    return Tensor(Grad.UNKNOWN, lineage=lineage, leaf=True)


def _first(arguments: Arguments) -> Value:
    return next(iter(arguments.keywords.values()), PLAIN)


def _leaves(frame: Frame, values: Many[Value]) -> list[Value]:
    leaves = [leaf for value in values for leaf in expressions.flatten(frame, value)]
    return [leaf for leaf in leaves if isinstance(leaf, _CARRIERS)]


def _derived(frame: Frame, node: ast.AST, values: Many[Value], view: bool = False) -> Value:
    return expressions.derive(frame, node, _leaves(frame, values), view=view)


def _reduce(
    frame: Frame, node: ast.AST, operands: Many[Value], arguments: Arguments, receiver: Value | None
) -> Value:
    value = _derived(frame, node, operands)
    position = 0 if receiver is not None else 1
    dim = arguments.get(position, "dim") or arguments.keywords.get("axis")
    if dim is not None and isinstance(dim, (Plain,)):
        return Tuple((value, CLEAR))
    return value


def _fresh_tensor(frame: Frame, node: ast.AST, name: str, arguments: Arguments) -> Value:
    if arguments.flag("requires_grad") is True:
        text = f"`{name}(..., requires_grad=True)` makes a tensor that requires grad"
        lineage = Lineage(frame.analysis.keys("call", node, LEAF))
        return Tensor(Grad.TRACKS, frame.origin(node, text), lineage, leaf=True)
    for value in arguments.values():
        expressions.measure(frame, value, node)
    return CLEAR


def _autograd_grad(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    outputs = arguments.get(0, "outputs") or PLAIN
    inputs = arguments.get(1, "inputs") or PLAIN
    backward.backward(frame, node, outputs, arguments, inputs)
    backward.differentiate_by(frame, node, inputs)
    if arguments.flag("create_graph") is False:
        return Sequence(CLEAR)
    return Sequence(_derived(frame, node, arguments.values()))


def from_result(frame: Frame, node: ast.AST, result: object, operands: Many[Value]) -> Value:
    """The value that a word of the models' result grammar stands for."""
    if isinstance(result, tuple):
        return Tuple(tuple(from_result(frame, node, part, operands) for part in result))
    assert isinstance(result, str)
    if result == "derived":
        return _derived(frame, node, operands)
    if result == "view":
        return _derived(frame, node, operands, view=True)
    if result == "same":
        return operands[0] if operands else PLAIN
    if result == "packed":
        # The lengths are numbers, whatever they come from.
        return doubted(_derived(frame, node, operands[:1]), Doubt.SEVERAL | Doubt.PACKED)
    if result == "pair":
        return Tuple((_derived(frame, node, operands), CLEAR))
    if result in ("cut", "state"):
        return CLEAR if result == "cut" else Sequence(CLEAR)
    if result == "leaf":
        origin = frame.origin(node, "a parameter requires grad")
        return Tensor(Grad.TRACKS, origin, Lineage(frame.analysis.keys("call", node, LEAF)), leaf=True)
    if result in ("number", "text", "plain"):
        return PLAIN
    if result == "none":
        return NONE
    switch = modes.switch_of(result, operands[0] if operands else None)
    if switch is not None:
        return switch
    return _made(frame, node, result, operands)


def _made(frame: Frame, node: ast.AST, result: str, operands: Many[Value]) -> Value:
    if result == UNSEEN:
        key = frame.analysis.keys("module", node, frame.context)
        frozen = frame.analysis.facts.is_frozen(key)
        return Module(result, Grad.CLEAR if frozen else Grad.TRACKS, key)
    if result == LOADED:
        return frame.analysis.unknown(frame.analysis.keys(LOADED, node))
    if result in ("parameters", "named_parameters"):
        return methods.parameters(frame, node, operands[0] if operands else PLAIN, result)
    if result.startswith("iterable of "):
        return Sequence(from_result(frame, node, result.removeprefix("iterable of "), operands))
    if result in ("unknown", "argument", "arguments", "fresh", "into", "reduce", "backward"):
        return frame.analysis.unknown(frame.analysis.keys("call", node))
    klass = frame.analysis.models.klass(result)
    if klass is not None and klass.kind == "module":
        key = frame.analysis.keys("module", node, frame.context)
        return _module(frame, result, key, klass.parameters, Arguments())
    if klass is not None and klass.kind == "distribution":
        derived = _derived(frame, node, operands)
        grad = derived.grad if isinstance(derived, Tensor) else Grad.CLEAR
        key = frame.analysis.keys("call", node)
        return Object(result, key, grad, origin_of(derived), lineage_of(derived))
    return Object(frame.analysis.models.canonical(result), frame.site(node, "object"))


def call_module(frame: Frame, node: ast.AST, module: Module, arguments: Arguments) -> Value:
    """What calling a library's module gives: it tracks if the module is trainable or an input tracks."""
    methods.called(frame, module)
    operands = _leaves(frame, arguments.values())
    klass = frame.analysis.models.klass(module.name) if module.name else None
    if klass is not None and klass.call not in (None, "derived"):
        return from_result(frame, node, klass.call, operands)
    if isinstance(module.child, Instance) and klass is not None and not operands:
        return _derived(frame, node, operands)
    opaque = not _passes_gradients(module)
    trainable = Grad.CLEAR if frame.is_frozen(module.key) else module.trainable
    if trainable is Grad.TRACKS and _may_be_a_loss(frame, module, operands):
        trainable = Grad.UNKNOWN
    value = module_output(frame, node, trainable, operands, module.key, opaque=opaque)
    value = in_tuples(value, _levels(frame, module))
    if operands and Doubt.PACKED in doubt_of(operands[0]):
        value = doubted(value, Doubt.PACKED)
    if klass is not None and klass.target:
        return objectives.compared(frame, node, klass.target, arguments, value)
    return value


def _may_be_a_loss(frame: Frame, module: Module, operands: Many[Value]) -> bool:
    """Whether all that is known is `criterion: nn.Module`, of two things: most have no parameters."""
    shown = module.key in frame.analysis.facts.modules or module.key in frame.live.evaluating
    return module.name == ANY_MODULE and not shown and len(operands) == 2


def _levels(frame: Frame, module: Module) -> int | None:
    """How deep the tuples nest that a module gives: of a sequence, what its last layer gives."""
    last = module.child if isinstance(module.child, Module) else module
    klass = frame.analysis.models.klass(last.name) if last.name else None
    return klass.levels if klass is not None else 0


def gives_one_tensor(frame: Frame, module: Value) -> bool:
    """Whether a module surely gives one tensor, and no tuple of them, as a recurrent one does."""
    if not isinstance(module, Module) or not _passes_gradients(module):
        return False
    return _levels(frame, module) == 0


def _passes_gradients(module: Module) -> bool:
    """Whether what goes into a module surely gets its gradient: into torch's own, made of torch's own."""
    inner = module.child
    known = module.name.startswith("torch.nn.") and module.name != ANY_MODULE
    return known and (inner is None or (isinstance(inner, Module) and _passes_gradients(inner)))


def module_output(
    frame: Frame,
    node: ast.AST,
    trainable: Grad,
    operands: Many[Value],
    module: int | None = None,
    sure: bool = False,
    opaque: bool = True,
) -> Value:
    """The output of a module with parameters that require grad, or not, on these inputs."""
    if not frame.grad_on:
        return CLEAR
    if frame.analysis.keys("call", node) in frame.analysis.facts.modules:
        return frame.analysis.unknown(frame.analysis.keys("call", node))
    trainable = Grad.TRACKS if sure else trainable
    doubt = Doubt.STRUCTURE if opaque else Doubt.NONE
    hanging = tuple(lineage for lineage in map(lineage_of, operands) if lineage is not None)
    call = Lineage(module) if module is not None else None
    # An output that tracks by itself says nothing of the inputs: one ingredient, whatever there are.
    own = trainable is Grad.TRACKS
    key = frame.analysis.keys("call", node)
    lineage = Lineage(
        key,
        hanging,
        call=call,
        arity=1 if own else 0,
        tracks=own,
        opaque=opaque,
        context=frame.own_context,
    )
    if own:
        text = f"the output of `{_callee(node)}` requires grad: it is a module with trainable parameters"
        return Tensor(Grad.TRACKS, frame.origin(node, text), lineage, doubt=doubt)
    derived = expressions.derive(frame, node, operands, doubt=doubt)
    if trainable is Grad.UNKNOWN and not tracks(derived):
        return frame.analysis.unknown(lineage.key, lineage)
    return derived


def _callee(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else "the module"


def escape(frame: Frame, node: ast.AST, values: Many[Value]) -> None:
    """These values were handed to code that cannot be seen."""
    for value in values:
        use(frame, node, value, Use.ESCAPED)
        carrying.expose(frame, value)
    feeding.lost(frame, list(values))


def use(frame: Frame, node: ast.AST, value: Value, kind: Use, limit: int = 5) -> None:
    """Note a use of a value, and of the places inside it where it is a container or an object."""
    fates = frame.analysis.fates
    levels: list[list[Value]] = [[] for _ in range(limit)] + [[value]]
    seen: set[Place] = set()
    for left in range(limit, -1, -1):
        for part in levels[left]:
            fates.use(lineage_of(part), kind, node)
            if left > 0:
                nearer = levels[max(left - 2, 0)] if isinstance(part, Instance) else levels[left - 1]
                nearer.extend(_inside(frame, node, part, kind, seen))


def _inside(frame: Frame, node: ast.AST, value: Value, kind: Use, seen: set[Place]) -> list[Value]:
    """What a value holds in places that were not seen yet: objects that hold each other are met once."""
    if isinstance(value, Tuple):
        return list(value.items)
    if isinstance(value, Sequence):
        return [value.element]
    found: list[Place] = []
    if isinstance(value, Container):
        found = containers.places(frame, value)
    elif isinstance(value, Instance):
        offsets_of = frame.analysis.offsets_of
        found = [(site, offset) for site in value.sites for offset in offsets_of(site)]
    new = [place for place in found if place not in seen]
    seen.update(new)
    for place in new:
        frame.analysis.fates.use_place(place, kind, node)
    return [frame.get(place) or PLAIN for place in new]
