"""Functions and classes of the project: defining them, reading attributes, making instances.

An object's attributes are places at its site. What a method finds on `self` when it is interpreted on its
own is the join of what all methods leave there, base classes included; an object made in view of the
tracker has its `__init__` run with the arguments it got, and holds just what that put there.
"""

from __future__ import annotations

import ast

from detachlint.tracking import expressions, feeding, imports, inlining, library
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.definitions import (
    ClassDefinition,
    FunctionDefinition,
    FunctionNode,
)
from detachlint.tracking.modes import decorator_mode, is_no_grad
from detachlint.tracking.places import PARAMETERS, attribute
from detachlint.tracking.values import (
    ARRAY,
    CLEAR,
    PLAIN,
    Class,
    Container,
    Doubt,
    Function,
    Grad,
    GradMode,
    Imported,
    Instance,
    Library,
    Lineage,
    Method,
    Module,
    Namespace,
    Object,
    Plain,
    Tensor,
    Tuple,
    Unknown,
    Value,
    join_all,
)

_WRAPPERS = frozenset({"staticmethod", "classmethod", "property", "cached_property", "abstractproperty"})
_TUPLES = frozenset({"typing.NamedTuple", "collections.namedtuple"})


def define_function(
    frame: Frame, node: FunctionNode, owner: ClassDefinition | None = None
) -> FunctionDefinition:
    """The definition of a `def` or `lambda` met here; the same object every time it is met."""
    scopes = frame.scopes if owner is None else frame.scopes[1:] or frame.scopes
    found = frame.analysis.functions.get((node, scopes))
    if found is not None:
        return found
    found = FunctionDefinition(node, frame.module, scopes, owner)
    _decorate(frame, found)
    frame.analysis.functions[(node, scopes)] = found
    frame.analysis.definitions.append(found)
    return found


def _decorate(frame: Frame, definition: FunctionDefinition) -> None:
    node = definition.node
    for decorator in getattr(node, "decorator_list", []):
        value = expressions.evaluate(frame, decorator)
        mode = decorator_mode(value, frame.analysis.models)
        if mode is None and isinstance(value, Function) and _switches_off(value.definition.node):
            mode = GradMode.OFF
        if mode is not None and not isinstance(node, ast.AsyncFunctionDef):
            definition.mode = mode
        name = _last_name(decorator)
        if name in _WRAPPERS:
            definition.kind = "property" if "property" in name else name
        if name in ("setter", "deleter"):
            definition.kind = name
        if name in ("contextmanager", "asynccontextmanager"):
            definition.is_context_manager = True


def _switches_off(node: FunctionNode) -> bool:
    """Whether a decorator of the project runs what it wraps with grad mode off."""
    blocks = (part for part in ast.walk(node) if isinstance(part, (ast.With, ast.AsyncWith)))
    return any(is_no_grad(item.context_expr) for block in blocks for item in block.items)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def define_class(frame: Frame, node: ast.ClassDef) -> ClassDefinition:
    """The definition of a class met here, with its bases resolved and its body's names collected."""
    key = (node, frame.scopes)
    known = frame.analysis.classes.get(key)
    scope = frame.analysis.keys("scope", node, frame.context)
    klass = known or ClassDefinition(node, frame.module, scope)
    frame.analysis.classes[key] = klass
    bases: list[ClassDefinition] = []
    libraries: list[str] = []
    klass.unseen_base = False
    for base in node.bases:
        value = expressions.evaluate(frame, base)
        if isinstance(value, Class) and value.klass is not klass:
            bases.append(value.klass)
        elif isinstance(value, Library):
            libraries.append(frame.analysis.models.canonical(value.name))
            klass.unseen_base = klass.unseen_base or not _is_known(frame, value.name)
        else:
            klass.unseen_base = True
    klass.bases, klass.library_bases = tuple(bases), tuple(libraries)
    klass.is_namedtuple = any(name in _TUPLES for name in libraries)
    for decorator in node.decorator_list:
        expressions.evaluate(frame, decorator)
        klass.is_dataclass = klass.is_dataclass or _last_name(decorator) in ("dataclass", "define", "s")
    klass.is_module = _is_module(frame, klass)
    return klass


def _is_known(frame: Frame, name: str) -> bool:
    if name.startswith(("builtins.", "abc.", "typing.", "collections.", "enum.")):
        return True
    return bool(frame.analysis.models.lineage(name))


def _is_module(frame: Frame, klass: ClassDefinition) -> bool:
    if any(base.is_module for base in klass.bases):
        return True
    for name in klass.library_bases:
        if any(model.kind == "module" for model in frame.analysis.models.lineage(name)):
            return True
    has_forward = any(isinstance(n, ast.FunctionDef) and n.name == "forward" for n in klass.node.body)
    return klass.unseen_base and has_forward


def attribute_of(frame: Frame, base: Value, name: str, node: ast.AST) -> Value:
    """What `base.name` gives when it is not being called."""
    if isinstance(base, Library):
        return _library_attribute(frame, base, name)
    if isinstance(base, Namespace):
        found = frame.get((base.scope, name))
        if isinstance(found, Imported):
            found = imports.resolve(frame, found)
        return found if found is not None else expressions.fresh(frame, node)
    if isinstance(base, Tensor):
        return _tensor_attribute(frame, base, name, node)
    if isinstance(base, Module):
        return _module_attribute(frame, base, name)
    if isinstance(base, Instance):
        return instance_attribute(frame, base, name, node)
    if isinstance(base, Unknown):
        return expressions.part_of(frame, base, "." + name)
    if isinstance(base, Object):
        result = frame.analysis.models.attribute(base.name, name)
        if result is not None:
            return library.from_result(frame, node, result, [base])
        if base.name == ARRAY:
            return base if name == "T" else PLAIN
        return _object_attribute(frame, base, name)
    if isinstance(base, Class):
        return _class_attribute(frame, base, name, node)
    if isinstance(base, Plain):
        return PLAIN
    if isinstance(base, Tuple) and base.items:
        return _field(base, name)
    return Method(base, name)


def _field(base: Tuple, name: str) -> Value:
    """A field of a named tuple; torch's pairs call theirs `values` and `indices`."""
    if name in base.fields:
        return base.items[base.fields.index(name)]
    if name in ("values", "indices") and len(base.items) == 2:
        return base.items[name == "indices"]
    return join_all(base.items) or PLAIN


def _library_attribute(frame: Frame, base: Library, name: str) -> Value:
    if name == "__name__":
        return PLAIN
    return Library(f"{base.name}.{name}")


def _object_attribute(frame: Frame, base: Object, name: str) -> Value:
    stored = frame.get(attribute(base.key, name))
    if stored is not None:
        return stored
    key = frame.analysis.keys("part", base.key, "." + name)
    return frame.analysis.unknown(key)


def _tensor_attribute(frame: Frame, base: Tensor, name: str, node: ast.AST) -> Value:
    models = frame.analysis.models
    if name == "grad":
        feeding.handled(frame, base)
    if Doubt.PACKED in base.doubt and name == "data":
        return expressions.derive(frame, node, [base], view=True)
    result = models.attribute("torch.Tensor", name)
    if result is not None:
        if result == "cut":
            expressions.measure(frame, base, node)
        return library.from_result(frame, node, result, [base])
    if name in ("values", "indices"):
        # A field of what `max` or `sort` gave, or of an output of unknown structure; the methods of sparse
        # tensors are called where they are read.
        return CLEAR if name == "indices" else expressions.part_of_tensor(frame, node, base)
    if models.method("torch.Tensor", name) is not None:
        return Method(base, name)
    return expressions.part_of_tensor(frame, node, base)


def _module_attribute(frame: Frame, base: Module, name: str) -> Value:
    if name in ("weight", "bias", "weight_ih_l0", "weight_hh_l0"):
        lineage = Lineage(frame.analysis.keys(PARAMETERS, base.key))
        return Tensor(base.trainable, lineage=lineage, leaf=True)
    if name == "module":
        return base
    if name == "training":
        return PLAIN
    key = frame.analysis.keys("part", base.key, "." + name)
    stored = frame.get((base.key, "." + name))
    return stored if stored is not None else frame.analysis.unknown(key)


def _class_attribute(frame: Frame, base: Class, name: str, node: ast.AST) -> Value:
    for klass in base.klass.lineage():
        method = klass.methods.get(name)
        if method is not None:
            return Function(method, base if method.kind == "classmethod" else None)
        stored = frame.get((klass.scope, name))
        if stored is not None:
            return stored
    for library_base in base.klass.libraries():
        if frame.analysis.models.method(library_base, name) is not None:
            return Library(f"{library_base}.{name}")
    return expressions.fresh(frame, node)


def instance_attribute(frame: Frame, base: Instance, name: str, node: ast.AST) -> Value:
    """What `self.name` gives: what was stored there, a method, a property's result, a class attribute."""
    if name == "__class__":
        return Class(base.klass)
    found = [frame.get(attribute(site, name)) for site in base.sites]
    joined = join_all(value for value in found if value is not None)
    if joined is not None:
        return joined
    method = base.klass.method(name)
    if method is not None:
        if method.kind == "property":
            return inlining.call_function(frame, node, Function(method, base), Arguments())
        return Function(method, base)
    for klass in base.klass.lineage():
        stored = frame.get((klass.scope, name))
        if stored is not None:
            return stored
    for klass in base.klass.lineage():
        common = frame.get(attribute(self_site(frame, klass), name))
        if common is not None:
            return common
    computed = base.klass.method("__getattr__")
    if computed is not None and not name.startswith("__"):
        return inlining.call_function(frame, node, Function(computed, base), Arguments((Plain(name),)))
    return _inherited_attribute(frame, base, name)


def _inherited_attribute(frame: Frame, base: Instance, name: str) -> Value:
    models = frame.analysis.models
    for name_of_base in base.klass.libraries():
        if models.method(name_of_base, name) is not None:
            return Method(base, name)
    if base.klass.is_module and name == "training":
        return PLAIN
    key = frame.analysis.keys("part", ("self", base.klass.node), "." + name)
    return frame.analysis.unknown(key)


def self_site(frame: Frame, klass: ClassDefinition) -> int:
    """The site of `self` where a method is interpreted on its own."""
    return frame.analysis.keys("self", klass.node)


def super_of(frame: Frame) -> Value:
    """What `super()` gives in a method: the receiver, seen as an instance of the base class."""
    owner = frame.definition.owner if frame.definition is not None else None
    receiver = frame.receiver
    if owner is None or not isinstance(receiver, Instance):
        return PLAIN
    if not owner.bases:
        return Method(receiver, "super")
    parent = owner.bases[0]
    return Instance(receiver.sites, parent)


def instantiate(
    frame: Frame,
    node: ast.AST,
    klass: ClassDefinition,
    arguments: Arguments,
) -> Value:
    """A new object of a class of the project: its `__init__` is run with these arguments."""
    if any(m.kind == "tensor" for name in klass.libraries() for m in frame.analysis.models.lineage(name)):
        operands = [value for value in arguments.values() if isinstance(value, (Tensor, Unknown))]
        return expressions.derive(frame, node, operands, view=True)
    site = frame.site(node, "object")
    for offset in frame.analysis.offsets_of(site):
        frame.live.cells.pop((site, offset), None)  # those of the object that this place made before
    instance = Instance((site,), klass)
    if klass.is_dataclass or klass.is_namedtuple:
        _fill_fields(frame, instance, arguments)
        return instance
    init = klass.method("__init__")
    if init is not None:
        inlining.call_function(frame, node, Function(init, instance), arguments)
    return instance


def _fill_fields(frame: Frame, instance: Instance, arguments: Arguments) -> None:
    names = [
        part.target.id
        for klass in reversed(instance.klass.lineage())
        for part in klass.node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    ]
    given = dict(zip(names, arguments.positional, strict=False)) | dict(arguments.keywords)
    rest = join_all(arguments.starred)
    if rest is not None:
        given = dict.fromkeys(names, rest) | given
    for name, value in given.items():
        frame.put(attribute(instance.sites[0], name), value)


def trainable(frame: Frame, instance: Instance, limit: int = 3) -> Grad:
    """Whether a module of the project has parameters that require grad, as far as its attributes show."""
    if any(frame.is_frozen(key) for key in instance.sites):
        return Grad.CLEAR
    found = Grad.CLEAR
    for value in held(frame, instance):
        unknown = Grad.UNKNOWN if isinstance(value, Unknown) else Grad.CLEAR
        found = max(found, unknown, _parameters_of(frame, value, limit))
    if found is Grad.CLEAR and (instance.klass.unseen_base or _has_unseen(instance.klass)):
        return Grad.UNKNOWN
    return found


def held(frame: Frame, instance: Instance, fresh: bool = False) -> list[Value]:
    """What an object's attributes hold: its own and, unless it is fresh, those that its methods may leave."""
    found = []
    common = (self_site(frame, klass) for klass in instance.klass.lineage()) if not fresh else ()
    for base in dict.fromkeys((*instance.sites, *common)):
        for offset in frame.analysis.offsets_of(base):
            own = base in instance.sites or frame.get((instance.sites[0], offset)) is None
            value = frame.get((base, offset)) if own and offset[0] == "." else None
            if value is not None:
                found.append(value)
    return found


def _has_unseen(klass: ClassDefinition) -> bool:
    return any(base.unseen_base for base in klass.lineage())


def _parameters_of(frame: Frame, value: Value, limit: int) -> Grad:
    if isinstance(value, Module):
        return Grad.CLEAR if frame.is_frozen(value.key) else value.trainable
    if isinstance(value, Tensor) and value.leaf:
        return value.grad
    if limit <= 0:
        return Grad.UNKNOWN
    if isinstance(value, Instance) and value.klass.is_module:
        return trainable(frame, value, limit - 1)
    if isinstance(value, (Container, Tuple)):
        leaves = expressions.flatten(frame, value)
        return max((_parameters_of(frame, leaf, limit - 1) for leaf in leaves), default=Grad.CLEAR)
    return Grad.CLEAR


def receiver_mode(frame: Frame, klass: ClassDefinition, name: str) -> GradMode | None:
    """The grad mode in which a framework runs this method of its subclass."""
    for base in klass.libraries():
        for model in frame.analysis.models.lineage(base):
            if name in model.grad_off:
                return GradMode.OFF
    return None
