"""What an annotation tells of a parameter or variable.

`net: nn.Module` is evidence that calling it tracks, `x: Tensor` that it is a tensor. `Optional[...]`,
`X | None` and quoted names are looked through; of a union the first kind that is known counts.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterable
from dataclasses import replace

from detachlint.tracking import calls, expressions, inlining
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.definitions import ClassDefinition
from detachlint.tracking.heard import ANY_MODULE, Layer
from detachlint.tracking.places import OUTSIDE
from detachlint.tracking.values import (
    ARRAY,
    PLAIN,
    Class,
    Doubt,
    Function,
    Grad,
    Instance,
    Library,
    Lineage,
    Module,
    Object,
    Tensor,
    Value,
    doubted,
    join_all,
)

_PLAIN = frozenset({"int", "float", "str", "bool", "bytes"})
_TENSORS = frozenset({"torch.Tensor", "torch.FloatTensor"})
_INTEGERS = re.compile(
    r"torch\.((u?int(8|16|32|64)?|bool|long|short)|(cuda\.)?(Byte|Char|Short|Int|Long|Bool)Tensor)"
)


def value_of(frame: Frame, node: ast.expr, key: int) -> Value | None:
    """The value of something annotated with `node` and named by `key`; None if nothing follows."""
    known = _unquoted(node)
    return None if known is None else _of(frame, known, key)


def _of(frame: Frame, node: ast.expr, key: int) -> Value | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        value = value_of(frame, node.left, key) or value_of(frame, node.right, key)
        return None if value is None else doubted(value, Doubt.PATH)
    if isinstance(node, ast.Subscript):
        return _generic(frame, node, key)
    if isinstance(node, ast.Name) and node.id in _PLAIN:
        return PLAIN
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return None
    return _named(frame, expressions.evaluate(frame, node), key)


def _unquoted(node: ast.expr) -> ast.expr | None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return node
    try:
        return ast.parse(node.value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _generic(frame: Frame, node: ast.Subscript, key: int) -> Value | None:
    name = getattr(node.value, "attr", getattr(node.value, "id", ""))
    if name in ("Optional", "Annotated", "Final", "Union"):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        found = (value_of(frame, part, key) for part in inner)
        value = next((value for value in found if value is not None), None)
        optional = name in ("Optional", "Union")
        return doubted(value, Doubt.PATH) if value is not None and optional else value
    return None


def _named(frame: Frame, value: Value, key: int) -> Value | None:
    if isinstance(value, Class):
        return _instance(frame, value, key)
    if not isinstance(value, Library):
        return None
    name = frame.analysis.models.canonical(value.name)
    if name in _TENSORS:
        known = frame.analysis.unknown(key)
        known = known if isinstance(known, Tensor) else Tensor(Grad.UNKNOWN, lineage=Lineage(key))
        return replace(known, doubt=Doubt.NONE)
    if _INTEGERS.fullmatch(name):
        return Tensor(Grad.CLEAR)
    if name == ARRAY:
        return Object(ARRAY, key)
    return _made_by(frame, name, key)


def are_integers(frame: Frame, values: Iterable[Value]) -> bool:
    """Whether a type of whole numbers is among what a cast is given: `x.to(torch.uint8)`."""
    names = (
        frame.analysis.models.canonical(value.name)
        if isinstance(value, Library)
        else getattr(value, "constant", None)
        for value in values
    )
    return any(isinstance(name, str) and _INTEGERS.fullmatch(name) for name in names)


def of_kinds(frame: Frame, kinds: Iterable[Hashable], key: int) -> Value | None:
    """What all callers in sight pass for a parameter, if these are objects of known classes."""
    found = [_of_kind(frame, kind, key) for kind in kinds]
    known = [value for value in found if value is not None]
    return join_all(known) if known and len(known) == len(found) else None


def _of_kind(frame: Frame, kind: Hashable, key: int) -> Value | None:
    if isinstance(kind, ClassDefinition):
        return _newly_made(frame, kind)
    return _made_by(frame, kind.name, key) if isinstance(kind, Layer) else None


def _newly_made(frame: Frame, klass: ClassDefinition) -> Value:
    """An object from outside as it is when it was just made: no call has left anything in it yet."""
    before = set(frame.live.born)
    made = calls.call_value(frame, klass.node, Class(klass), Arguments(spread=True))
    for new in frame.live.born.keys() - before:
        frame.live.born[new] = OUTSIDE
    return made


def _made_by(frame: Frame, name: str, key: int) -> Value | None:
    """An object of a library's class."""
    klass = frame.analysis.models.klass(name)
    if klass is None or klass.kind in ("tensor", "distribution"):
        return None
    if klass.kind == "module":
        frozen = frame.analysis.facts.is_frozen(key)
        trainable = Grad.CLEAR if frozen or not klass.parameters else Grad.TRACKS
        shown = key in frame.analysis.facts.modules
        if trainable is Grad.TRACKS and name == ANY_MODULE and _is_composed(frame) and not shown:
            # A module made of others names them all `nn.Module`, a resize or an activation too.
            trainable = Grad.UNKNOWN
        return Module(name, trainable, key)
    return Object(name, key)


def _is_composed(frame: Frame) -> bool:
    definition = frame.definition
    if definition is None or definition.owner is None:
        return False
    owner = definition.owner
    derived = bool(owner.is_module or owner.bases or owner.library_bases or owner.unseen_base)
    return derived and definition.name == "__init__"


def _instance(frame: Frame, value: Class, key: int) -> Instance:
    site = frame.analysis.keys("annotated", key)
    frame.live.born.setdefault(site, OUTSIDE)
    instance = Instance((site,), value.klass)
    init = value.klass.method("__init__")
    elsewhere = value.klass.module.path != frame.analysis.target
    if elsewhere and init is not None and not frame.analysis.offsets_of(site):
        # Nobody interprets the methods of another file on their own: what `self` holds is learnt here.
        inlining.call_function(frame, value.klass.node, Function(init, instance), Arguments(spread=True))
    return instance
