"""Methods, by the kind of their receiver."""

from __future__ import annotations

import ast
from collections.abc import Sequence as Many
from dataclasses import replace

from detachlint.tracking import (
    backward,
    calls,
    carrying,
    classes,
    conditions,
    expressions,
    feeding,
    inlining,
    inplace,
    library,
    sequences,
    targets,
)
from detachlint.tracking.analysis import Frame, Hook
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.fates import Use
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.places import LOADED, PARAMETERS, attribute
from detachlint.tracking.values import (
    ARRAY,
    CLEAR,
    NONE,
    PLAIN,
    Container,
    Doubt,
    Function,
    Grad,
    GradMode,
    Instance,
    Lineage,
    Method,
    Module,
    Object,
    Partial,
    Plain,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    lineage_of,
    tracks,
    with_lineage,
)

_TENSOR = "torch.Tensor"
_MODULE = "torch.nn.Module"

# Using one of these on an object shows that it is an nn.Module: calling it gives an output that tracks.
_SHOW_MODULE = frozenset(
    {"parameters", "named_parameters", "state_dict", "load_state_dict", "named_modules", "modules"}
    | {"register_forward_hook", "register_full_backward_hook", "named_children"}
)
_SHOW_MODULE_BARE = frozenset({"train", "eval", "zero_grad", "half", "cuda"})
_GIVE_SELF = frozenset(
    {"train", "eval", "to", "cuda", "cpu", "half", "float", "double", "bfloat16", "apply", "share_memory"}
)
_DEEPEST_PART = 8
_DRAWS = frozenset({"sample", "sample_n", "mode"})
# What the outputs of networks have that are no tensors: distributions, dicts, named tuples.
_OF_OUTPUTS = frozenset(
    {"rsample", "log_prob", "entropy", "items", "values", "keys", "get", "pop", "to_tuple", "_asdict"}
    | {"_replace", "copy", "popitem", "setdefault"}
)
_STORE = frozenset({"append", "extend", "add", "insert", "appendleft", "put", "push", "put_nowait"})


def call_method(frame: Frame, node: ast.AST, receiver: Value, name: str, arguments: Arguments) -> Value:
    """`receiver.name(...)`, by what the receiver is."""
    if name in feeding.NOTICED:
        feeding.noticed(frame, receiver, name, arguments.positional)
    if isinstance(receiver, Tensor):
        return _tensor_method(frame, node, receiver, name, arguments)
    if isinstance(receiver, (Container, Tuple, Sequence)):
        return sequences.call(frame, node, receiver, name, arguments)
    if isinstance(receiver, Instance):
        return _instance_method(frame, node, receiver, name, arguments)
    if isinstance(receiver, Module):
        return module_method(frame, node, receiver, name, arguments)
    if isinstance(receiver, Unknown):
        return _unknown_method(frame, node, receiver, name, arguments)
    if isinstance(receiver, Object):
        return _object_method(frame, node, receiver, name, arguments)
    if isinstance(receiver, Method):
        return _super_method(frame, node, receiver, name, arguments)
    for value in arguments.values():
        expressions.measure(frame, value, node)
    return PLAIN


def _tensor_method(frame: Frame, node: ast.AST, receiver: Tensor, name: str, arguments: Arguments) -> Value:
    if name == "requires_grad_":
        return _require_grad(frame, node, receiver, arguments)
    if name == "register_hook":
        # A hook on a tensor runs when a backward comes by: the graph is wanted.
        library.use(frame, node, receiver, Use.DIFFERENTIATED)
    if name in _SHOW_MODULE and receiver.lineage is not None:
        # What looked like an output is a module itself: `net = Net(...)` with a class that came as argument.
        note = frame.note(node, f"`.{name}()` shows that it is a module")
        frame.analysis.facts.modules.setdefault(receiver.lineage.key, note)
    if name == "detach_":
        targets.rebind(frame, node, CLEAR)
        expressions.measure(frame, receiver, node)
        frame.analysis.fates.cut_in_place(receiver.lineage)
        return CLEAR
    call = frame.analysis.models.method(_TENSOR, name)
    if call is None and (name in _DRAWS or _is_object(frame, receiver, name, arguments)):
        # No tensor has it: a distribution that is drawn from, a loss that keeps its own books.
        parents = (receiver.lineage,) if receiver.lineage is not None else ()
        key = frame.analysis.keys("call", node)
        return frame.analysis.unknown(key, Lineage(key, parents, context=frame.own_context))
    if call is None and _asks_for_setting(name, arguments):
        return PLAIN
    if call is None:
        return expressions.part_of_tensor(frame, node, receiver)
    if receiver.doubt:
        targets.settle_doubt(frame, node, receiver)
    return library.apply(frame, node, f"{_TENSOR}.{name}", call, receiver, arguments)


def _asks_for_setting(name: str, arguments: Arguments) -> bool:
    """`out.get("stride", 16)`: what is a number if it is missing is no tensor."""
    return name == "get" and _has_default(arguments.positional, (str, int, float))


def _has_default(values: Many[Value], kinds: tuple[type, ...]) -> bool:
    """Whether the second of two values stands for what is missing; 0 may stand for a sum of tensors."""
    default = values[1] if len(values) == 2 else None
    return isinstance(default, Plain) and isinstance(default.constant, kinds) and bool(default.constant)


def _is_object(frame: Frame, receiver: Tensor, name: str, arguments: Arguments) -> bool:
    """Whether what looked like a tensor is none: it has methods of its own.

    What such a method makes of its arguments is no part of it, as what it gives without any may be.
    """
    if name in _OF_OUTPUTS:
        return False
    return frame.analysis.facts.is_object(receiver.lineage) or bool(arguments.values())


def _require_grad(frame: Frame, node: ast.AST, receiver: Tensor, arguments: Arguments) -> Value:
    flag = arguments.get(0, "requires_grad")
    if isinstance(flag, Plain) and flag.constant is False:
        freeze(frame, receiver)
        targets.rebind(frame, node, CLEAR)
        return CLEAR
    origin = frame.origin(node, "`requires_grad_()` makes the tensor require grad")
    lineage = receiver.lineage or Lineage(frame.analysis.keys("call", node), context=frame.own_context)
    value = Tensor(
        Grad.TRACKS,
        receiver.origin or origin,
        lineage,
        leaf=receiver.leaf or receiver.grad is not Grad.TRACKS,
    )
    targets.rebind(frame, node, value)
    return value


def switch(frame: Frame, value: Value, flag: Value | None) -> bool | None:
    """Parameters were told whether to require grad; None if this call does not say which.

    A flag that is not known freezes nothing: the calls that pass it say what it means.
    """
    on = True if flag is None else flag.constant if isinstance(flag, Plain) else None
    if not isinstance(on, bool):
        return None
    (thaw if on else freeze)(frame, value)
    return on


def freeze(frame: Frame, value: Value) -> None:
    """A parameter, or all parameters of a module, were told not to require grad."""
    for key in owners(frame, value):
        frame.switch(key, on=False)
        if not _is_optional(frame, key):
            frame.analysis.facts.frozen[key] = None


def _is_optional(frame: Frame, key: int) -> bool:
    """A `freeze` method freezes the objects it is called on, not every object of its class."""
    return frame.analysis.keys.thing(key)[0] == "self" and not frame.constructs


def thaw(frame: Frame, value: Value) -> None:
    """A parameter, or all parameters of a module, were told to require grad."""
    for key in owners(frame, value):
        frame.switch(key, on=True)
        frame.analysis.facts.thawed[key] = None


def owners(frame: Frame, value: Value, limit: int = 4) -> list[int]:
    """The modules whose parameters are meant: the value itself and the modules it is made of."""
    if limit == 0:
        return []
    if isinstance(value, Instance):
        parts = classes.held(frame, value)
        inner = [key for part in parts for key in owners(frame, part, limit - 1)]
        return [*value.sites, *inner]
    if isinstance(value, Module):
        inner = owners(frame, value.child, limit - 1) if value.child is not None else []
        return [value.key, *value.parts, *inner]
    if isinstance(value, Unknown):
        return [value.key]
    lineage = lineage_of(value)
    if lineage is None or not isinstance(value, Tensor) or not value.leaf:
        return []
    things = (frame.analysis.keys.thing(origin.key) for origin in ancestors(lineage) if origin.key >= 0)
    return [thing[1] for thing in things if thing[0] == PARAMETERS and isinstance(thing[1], int)]


def parameters(frame: Frame, node: ast.AST, owner: Value, kind: str) -> Value:
    """The parameters of a module: leaves that require grad, which remember whose they are."""
    frozen = any(frame.is_frozen(key) for key in owners(frame, owner))
    found = owners(frame, owner) or [frame.analysis.keys("call", node)]
    keys = frame.analysis.keys
    lineage = Lineage(-1, tuple(Lineage(keys(PARAMETERS, owner)) for owner in found))
    origin = frame.origin(node, "a module's parameters require grad")
    grad = Grad.CLEAR if frozen else Grad.TRACKS
    leaf = Tensor(grad, None if frozen else origin, lineage, leaf=True)
    return Sequence(Tuple((PLAIN, leaf)) if kind == "named_parameters" else leaf)


def module_method(
    frame: Frame, node: ast.AST, receiver: Module | Instance, name: str, arguments: Arguments
) -> Value:
    """A method that every nn.Module has."""
    if isinstance(receiver, Module) and (
        receiver.trainable is Grad.UNKNOWN or receiver.name in ("", _MODULE)
    ):
        _learn(frame, node, receiver, name, arguments)
    if name in ("eval", "train"):
        _switch_eval(frame, receiver, name, arguments)
    if name in _GIVE_SELF:
        return receiver
    if name == "requires_grad_":
        switch(frame, receiver, arguments.get(0, "requires_grad"))
        return receiver
    if name in ("forward", "__call__"):
        return calls.call_value(frame, node, receiver, arguments)
    if name in ("parameters", "named_parameters"):
        return parameters(frame, node, receiver, name)
    if name == "register_forward_hook":
        return _register_hook(frame, node, receiver, arguments)
    if name == "register_buffer":
        return _register_buffer(frame, node, receiver, arguments)
    if name in ("children", "modules"):
        return Sequence(receiver)
    if name in ("named_children", "named_modules"):
        return Sequence(Tuple((PLAIN, receiver)))
    call = frame.analysis.models.method(_MODULE, name)
    if call is not None:
        return library.apply(frame, node, f"{_MODULE}.{name}", call, receiver, arguments)
    return _module_specific(frame, node, receiver, name, arguments)


def _switch_eval(frame: Frame, receiver: Module | Instance, name: str, arguments: Arguments) -> None:
    """Remember which modules are in eval mode here: a hint at what their outputs are for, no more."""
    keys = frozenset(receiver.sites if isinstance(receiver, Instance) else (receiver.key,))
    flag = arguments.get(0, "mode")
    training = name == "train" and not (isinstance(flag, Plain) and flag.constant is False)
    evaluating = frame.live.evaluating
    frame.live.evaluating = evaluating - keys if training else evaluating | keys


def _module_specific(
    frame: Frame, node: ast.AST, receiver: Module | Instance, name: str, arguments: Arguments
) -> Value:
    if isinstance(receiver, Module):
        if name in _STORE and library.is_collection(receiver):
            return _grow(frame, node, receiver, arguments)
        call = frame.analysis.models.method(receiver.name, name) if receiver.name else None
        if call is not None:
            return library.apply(frame, node, f"{receiver.name}.{name}", call, receiver, arguments)
        callee = classes.attribute_of(frame, receiver, name, node)
        if isinstance(callee, (Module, Instance, Function)):
            return calls.call_value(frame, node, callee, arguments)
        return call_unknown(frame, node, callee, arguments)
    return call_unknown(frame, node, None, arguments)


def _grow(frame: Frame, node: ast.AST, receiver: Module, arguments: Arguments) -> Value:
    """`self.layers.append(Layer())`: from here on this is a list of such layers, or of others beside them."""
    method = node.func if isinstance(node, ast.Call) else None
    place = targets.place_of(frame, method.value) if isinstance(method, ast.Attribute) else None
    if place is not None:
        frame.put(place, library.grown(frame, receiver, arguments))
    return NONE


def _register_hook(frame: Frame, node: ast.AST, receiver: Value, arguments: Arguments) -> Value:
    hook = arguments.get(0, "hook")
    if isinstance(hook, (Function, Partial)):
        owned = frozenset(owners(frame, receiver))
        frame.analysis.hooks.append(Hook(node, hook, receiver, owned, frame.definition))
    return frame.analysis.unknown(frame.analysis.keys("call", node))


def called(frame: Frame, module: Value) -> None:
    """A module is called: its forward hooks run, and those of the modules in it."""
    if not frame.analysis.hooks:
        return
    keys = set(owners(frame, module))
    for hook in list(frame.analysis.hooks):
        if any(_is_within(frame, inner, keys) for inner in hook.modules):
            hook.seen = True
            run_hook(frame, hook)


def _is_within(frame: Frame, key: int, keys: set[int]) -> bool:
    """Whether a module is one of these or a part of one: `net.layer1[-1]` of `net`."""
    for _ in range(_DEEPEST_PART):
        if key in keys:
            return True
        thing = frame.analysis.keys.thing(key)
        if thing[0] not in ("part", "element") or not isinstance(thing[1], int):
            return False
        key = thing[1]
    return False


def run_hook(frame: Frame, hook: Hook) -> None:
    """Torch calls a hook at every forward: what it keeps outlives the call that registered it."""
    trainable = Grad.TRACKS
    if isinstance(hook.receiver, Module):
        trainable = hook.receiver.trainable
    if isinstance(hook.receiver, Instance):
        trainable = classes.trainable(frame, hook.receiver)
    frozen = any(frame.analysis.facts.is_frozen(key) for key in hook.modules)
    if frozen or trainable is not Grad.TRACKS or not frame.grad_on:
        return
    text = "a forward hook gets the module's output with its graph"
    lineage = Lineage(frame.analysis.keys("hook", hook.node))
    doubt = Doubt.NONE if library.gives_one_tensor(frame, hook.receiver) else Doubt.STRUCTURE
    output = Tensor(Grad.TRACKS, frame.origin(hook.node, text), lineage, doubt=doubt)
    inputs = frame.analysis.unknown(frame.analysis.keys("hook input", hook.node))
    frame.depth += 1
    calls.call_value(frame, hook.node, hook.function, Arguments((hook.receiver, inputs, output)))
    frame.depth -= 1


def _register_buffer(frame: Frame, node: ast.AST, receiver: Value, arguments: Arguments) -> Value:
    name, value = arguments.get(0, "name"), arguments.get(1, "tensor")
    if isinstance(receiver, Instance) and isinstance(name, Plain) and isinstance(name.constant, str):
        for site in receiver.sites:
            place = attribute(site, name.constant)
            frame.analysis.buffers[place] = None
            stored = value if isinstance(value, Tensor) else CLEAR
            frame.put(place, inplace.registered(frame, node, place, stored, arguments))
    return NONE


def call_instance(frame: Frame, node: ast.AST, instance: Instance, arguments: Arguments) -> Value:
    """Calling an object of the project: its `forward` if it is a module, else its `__call__`."""
    own_call = instance.klass.method("__call__")
    if own_call is not None:
        return inlining.call_function(frame, node, Function(own_call, instance), arguments)
    if any(map(library.is_of_other_framework, instance.klass.libraries())):
        library.escape(frame, node, arguments.values())
        return PLAIN
    if not instance.klass.is_module:
        return call_unknown(frame, node, None, arguments)
    called(frame, instance)
    grad = classes.trainable(frame, instance)
    forward = instance.klass.method("forward")
    leaves = [leaf for value in arguments.values() for leaf in expressions.flatten(frame, value)]
    operands = [leaf for leaf in leaves if isinstance(leaf, (Tensor, Unknown))]
    if forward is None:
        return library.module_output(
            frame, node, _of_some(frame, instance, grad), operands, instance.sites[0]
        )
    result = inlining.call_function(frame, node, Function(forward, instance), arguments)
    said = forward.node.returns if not isinstance(forward.node, ast.Lambda) else None
    if said is not None and conditions.are_plain(said) and _is_all_unknown(frame, result):
        return result  # a simulation with parameters, that gives arrays
    if isinstance(result, Unknown) and result.key == frame.analysis.keys("call", node):
        grad = Grad.CLEAR if grad is Grad.UNKNOWN else grad  # its forward was not looked into from here
    if frame.grad_on and grad is not Grad.CLEAR and _is_all_unknown(frame, result):
        sure = _is_of_unseen_parts(frame, result, operands)
        return library.module_output(frame, node, grad, operands, instance.sites[0], sure=sure)
    return _output_of(frame, node, instance, result)


def _of_some(frame: Frame, instance: Instance, grad: Grad) -> Grad:
    """An argument of a class without a `forward` is of some class derived from it: of a trainable module."""
    site = instance.sites[0]
    came_in = frame.analysis.keys.thing(site)[0] == "annotated"
    return Grad.TRACKS if came_in and not frame.analysis.facts.is_frozen(site) else grad


def _is_all_unknown(frame: Frame, result: Value) -> bool:
    """What a module's forward gives is what a module out of sight made: it is a module's output."""
    leaves = expressions.flatten(frame, result)
    return bool(leaves) and all(isinstance(leaf, Unknown) and _is_made(frame, leaf) for leaf in leaves)


def _is_of_unseen_parts(frame: Frame, result: Value, operands: Many[Value]) -> bool:
    """Whether something unknown was called for a module's output: a network that it got or built."""
    inputs = frozenset(lineage for lineage in map(lineage_of, operands) if lineage is not None)
    leaves = expressions.flatten(frame, result)
    made = (ancestor for leaf in leaves for ancestor in ancestors(lineage_of(leaf), inputs))
    return any(ancestor.call is not None for ancestor in made)


def _is_made(frame: Frame, value: Unknown) -> bool:
    """Whether a call gave it, or a call's result did; a number that numpy gave is no tensor."""
    return value.key < 0 or frame.analysis.keys.thing(value.key)[0] != "number"


def _output_of(frame: Frame, node: ast.AST, instance: Instance, value: Value) -> Value:
    """The output remembers which module made it."""
    if isinstance(value, Tuple):
        return replace(value, items=tuple(_output_of(frame, node, instance, part) for part in value.items))
    if not isinstance(value, Tensor) or not tracks(value):
        return value
    parents = (value.lineage,) if value.lineage is not None else ()
    key = frame.analysis.keys("operation", node)
    made_by, context = Lineage(instance.sites[0]), frame.own_context
    return replace(value, lineage=Lineage(key, parents, call=made_by, tracks=True, context=context))


def _instance_method(
    frame: Frame, node: ast.AST, receiver: Instance, name: str, arguments: Arguments
) -> Value:
    value = frame.get(attribute(receiver.sites[0], name))
    method = receiver.klass.method(name)
    if name == "forward" and receiver.klass.is_module and frame.receiver != receiver:
        return call_instance(frame, node, receiver, arguments)
    if value is None and method is not None and method.kind != "property":
        bound = None if method.kind == "staticmethod" else receiver
        return inlining.call_function(frame, node, Function(method, bound), arguments)
    if value is None and method is None:
        return _inherited_method(frame, node, receiver, name, arguments)
    callee = classes.instance_attribute(frame, receiver, name, node)
    return calls.call_value(frame, node, callee, arguments)


def _inherited_method(
    frame: Frame, node: ast.AST, receiver: Instance, name: str, arguments: Arguments
) -> Value:
    models = frame.analysis.models
    for base in receiver.klass.libraries():
        call = models.method(base, name)
        if call is not None and not (receiver.klass.is_module and name in _GIVE_SELF):
            if name in ("register_buffer", "register_forward_hook", "requires_grad_", "parameters"):
                break
            return library.apply(frame, node, f"{base}.{name}", call, receiver, arguments)
    if receiver.klass.is_module and (name in _GIVE_SELF or _is_module_method(frame, name)):
        return module_method(frame, node, receiver, name, arguments)
    if receiver.klass.is_namedtuple and name == "_replace":
        return receiver
    callee = classes.instance_attribute(frame, receiver, name, node)
    if isinstance(callee, Method):
        callee = frame.analysis.unknown(frame.analysis.keys("part", callee.name))
    carrying.expose(frame, receiver)
    return calls.call_value(frame, node, callee, arguments)


def _is_module_method(frame: Frame, name: str) -> bool:
    special = name in _SHOW_MODULE or name in ("register_buffer", "children", "forward")
    return special or frame.analysis.models.method(_MODULE, name) is not None


def _super_method(frame: Frame, node: ast.AST, receiver: Method, name: str, arguments: Arguments) -> Value:
    instance = receiver.receiver
    if receiver.name != "super" or not isinstance(instance, Instance):
        return call_unknown(frame, node, None, arguments)
    if name in ("__init__", "__setattr__", "__enter__", "__exit__", "__init_subclass__"):
        if name == "__setattr__" and len(arguments.positional) == 2:
            targets.store_attribute_named(frame, instance, *arguments.positional)
        return NONE
    if instance.klass.is_module and (_is_module_method(frame, name) or name in _GIVE_SELF):
        return module_method(frame, node, instance, name, arguments)
    for base in instance.klass.libraries():
        call = frame.analysis.models.method(base, name)
        if call is not None:
            return library.apply(frame, node, f"{base}.{name}", call, instance, arguments)
    return call_unknown(frame, node, None, arguments)


def _unknown_method(frame: Frame, node: ast.AST, receiver: Unknown, name: str, arguments: Arguments) -> Value:
    _learn(frame, node, receiver, name, arguments)
    if name in _SHOW_MODULE or (name in _SHOW_MODULE_BARE and not arguments.values()):
        return (
            module_method(frame, node, Module("", Grad.TRACKS, receiver.key), name, arguments)
            if name != "state_dict"
            else Sequence(CLEAR)
        )
    if name == "backward" and backward.is_home_made(frame.module.tree):
        return call_unknown(frame, node, None, arguments)
    if name == "backward":
        target = arguments.positional[0] if _is_loss(arguments) else receiver
        backward.backward(frame, node, target, arguments)
        return NONE
    if name in ("manual_backward", "step_backward") and arguments.positional:
        backward.backward(frame, node, arguments.positional[0], arguments)
        return NONE
    if name == "requires_grad_":
        return _require_grad_of_unknown(frame, node, receiver, arguments)
    if name in ("item", "tolist", "detach", "numpy", "argmax"):
        if name == "numpy" and frame.grad_on:
            frame.leave_open(receiver.lineage)
        expressions.measure(frame, receiver, node)
        return _cut(name)
    if name in _STORE and arguments.positional:
        return sequences.store_unknown(frame, node, receiver, name, arguments)
    if name in _GIVE_SELF:
        return receiver
    call = frame.analysis.models.method(_TENSOR, name)
    if call is not None and call.result in ("derived", "view") and name not in ("copy", "get", "update"):
        given = [] if call.result == "view" else arguments.values()
        operands = [receiver, *(value for value in given if isinstance(value, (Tensor, Unknown)))]
        if any(tracks(operand) for operand in operands):
            return library.in_tuples(expressions.derive(frame, node, operands), call.levels)
        # Of a view's arguments, its sizes, nothing follows.
        same = len(operands) == 1 or call.result == "view"
        return receiver if same else call_unknown(frame, node, receiver, arguments)
    callee = expressions.part_of(frame, receiver, "." + name)
    if not isinstance(callee, Unknown):
        return calls.call_value(frame, node, callee, arguments)
    return call_unknown(frame, node, callee, arguments)


def _require_grad_of_unknown(frame: Frame, node: ast.AST, receiver: Unknown, arguments: Arguments) -> Value:
    """A tensor starts to require grad, or all parameters of a module: nothing tells which it is."""
    on = switch(frame, receiver, arguments.get(0, "requires_grad"))
    if on is not True or isinstance(frame.statement, ast.Expr):
        return receiver
    return _require_grad(frame, node, Tensor(Grad.UNKNOWN, lineage=receiver.lineage), arguments)


def _cut(name: str) -> Value:
    if name == "numpy":
        return Object(ARRAY, -1)
    return PLAIN if name in ("item", "tolist") else CLEAR


# `engine.backward(loss)`, `self.backward(loss)`, `accelerator.backward(loss)`: the loss is the argument;
# `loss.backward()`, `loss.backward(retain_graph=True)`, `x.backward(torch.ones_like(x))`: the receiver.
def _is_loss(arguments: Arguments) -> bool:
    first = arguments.get(0)
    if first is None:
        return False
    if isinstance(first, Tensor):
        return first.grad is not Grad.CLEAR
    return isinstance(first, Unknown)


def _learn(frame: Frame, node: ast.AST, receiver: Unknown | Module, name: str, arguments: Arguments) -> None:
    shows = name in _SHOW_MODULE or (name in _SHOW_MODULE_BARE and not arguments.values())
    if shows:
        frame.analysis.facts.inferred.pop(receiver.key, None)
        text = f"`.{name}()` shows that it is a module: its output requires grad"
        frame.analysis.facts.modules.setdefault(receiver.key, frame.note(node, text))


def _object_method(frame: Frame, node: ast.AST, receiver: Object, name: str, arguments: Arguments) -> Value:
    call = frame.analysis.models.method(receiver.name, name)
    if call is not None:
        return library.apply(frame, node, f"{receiver.name}.{name}", call, receiver, arguments)
    if receiver.name == ARRAY:
        return library.array_method(frame, node, receiver, name, arguments)
    if receiver.grad is Grad.TRACKS:
        return expressions.derive(frame, node, [receiver], doubt=Doubt.STRUCTURE)
    library.escape(frame, node, arguments.values())
    return frame.analysis.unknown(frame.analysis.keys("call", node))


def call_unknown(frame: Frame, node: ast.AST, callee: Value | None, arguments: Arguments) -> Value:
    """Calling what cannot be seen: its arguments escape, its result is unknown until proven."""
    values = arguments.values()
    library.escape(frame, node, values)
    mapped = call_back(frame, node, values)
    _show_loaded(frame, node, callee)
    if isinstance(frame.statement, ast.Expr) and frame.statement.value is node:
        _hand_over(frame, values)
    if frame.live.mode is not GradMode.ON:
        return Unknown(frame.analysis.keys("call without grad", node))
    if (is_map(node) and are_numbers(mapped)) or _is_number_looked_up(node, values):
        return PLAIN
    leaves = [leaf for value in values for leaf in expressions.flatten(frame, value)]
    hanging = tuple(lineage for lineage in map(lineage_of, leaves) if lineage is not None)
    key = frame.analysis.keys("call", node)
    origin = Lineage(callee.key) if isinstance(callee, Unknown) else None
    # `scaler.scale(loss)` is the loss, scaled: what proves the one proves the other.
    scales = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "scale"
    # `loss_of(batch, is_meta=True)`: a flag is nothing that a result could be made of.
    made_of = sum(not isinstance(value, Plain) or value.constant is ... for value in values)
    arity = 0 if scales else max(made_of, min(len(values), 1))
    context = frame.own_context
    lineage = Lineage(key, hanging, call=origin, arity=arity, opaque=not scales, context=context)
    facts = frame.analysis.facts
    for offset in frame.analysis.offsets_of(key):
        frame.live.cells.pop((key, offset), None)
    if isinstance(callee, Unknown) and callee.key in facts.differentiable and any(map(tracks, leaves)):
        tracking = [leaf for leaf in leaves if tracks(leaf)]
        return _sealed(expressions.derive(frame, node, tracking, doubt=Doubt.STRUCTURE), key)
    return frame.analysis.unknown(key, lineage)


def _is_number_looked_up(node: ast.AST, values: Many[Value]) -> bool:
    """`options.get("gamma", 0.99)`: a number, as what stands for it is."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in ("get", "pop") and _has_default(values, (int, float))


def _sealed(value: Value, key: int) -> Value:
    """What code out of sight made of tensors: which of its parts hang on which of them cannot be seen."""
    if not isinstance(value, Tensor) or value.lineage is None:
        return value
    before = value.lineage
    sealed = Lineage(key, (before,), opaque=True, tracks=before.tracks, context=before.context)
    return with_lineage(value, sealed)


def _show_loaded(frame: Frame, node: ast.AST, callee: Value | None) -> None:
    """`torch.load(path)(x)`: what was saved and can be called is a module, saved whole."""
    if not isinstance(callee, Unknown):
        return
    thing = frame.analysis.keys.thing(callee.key)
    if thing[0] == "part" and str(thing[2]).startswith("["):
        thing = frame.analysis.keys.thing(int(str(thing[1])))
    if thing[0] == LOADED:
        note = frame.note(node, "what was loaded is called: a module, whose parameters require grad")
        frame.analysis.facts.modules.setdefault(callee.key, note)


def _hand_over(frame: Frame, values: list[Value]) -> None:
    """`freeze(net)`: what is called for no result does something to the network that it gets."""
    for value in values:
        if isinstance(value, Module):
            frame.analysis.facts.handed_over[value.key] = None
        elif isinstance(value, Instance) and value.klass.is_module:
            frame.analysis.facts.handed_over.update(dict.fromkeys(value.sites))


def call_back(frame: Frame, node: ast.AST, values: list[Value]) -> list[Value]:
    """What functions give that are handed to code out of sight, which calls them: to `optimizer.step`."""
    found = []
    for value in values:
        if isinstance(value, Function) and frame.state is not None:
            found.append(inlining.call_function(frame, node, value, Arguments(spread=True)))
    return found


def are_numbers(given: list[Value]) -> bool:
    """Whether these are some, and all of them no tensors."""
    return bool(given) and all(isinstance(value, Plain) for value in given)


def is_map(node: ast.AST) -> bool:
    """`tree_map(lambda x: x.item(), losses)`, in any library: what comes out is what the function gives."""
    named = node.func if isinstance(node, ast.Call) else None
    return "map" in getattr(named, "attr", getattr(named, "id", ""))


def iterate_instance(frame: Frame, instance: Instance, node: ast.AST) -> Value:
    """What iterating over an object of the project gives."""
    method = instance.klass.method("__iter__")
    if method is None:
        return frame.analysis.unknown(frame.analysis.keys("item", node))
    result = inlining.call_function(frame, node, Function(method, instance), Arguments())
    if isinstance(result, Instance):
        following = result.klass.method("__next__")
        if following is None:
            return frame.analysis.unknown(frame.analysis.keys("item", node))
        return inlining.call_function(frame, node, Function(following, result), Arguments())
    return expressions.iterate(frame, result, node)
