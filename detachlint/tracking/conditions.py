"""What a condition says of the values it asks about.

`if isinstance(x, Tensor)`, `if x.requires_grad`, `if x is None`, `if train`: on either side more is known
than before, and a tool that forgets it reports what cannot happen.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from detachlint.tracking import hints, targets
from detachlint.tracking.analysis import Frame
from detachlint.tracking.environment import ModeIf
from detachlint.tracking.heard import ANY_MODULE, parameters
from detachlint.tracking.values import (
    CLEAR,
    NONE,
    PLAIN,
    Class,
    Container,
    Doubt,
    Grad,
    GradMode,
    Instance,
    Library,
    Lineage,
    Module,
    Tensor,
    Tuple,
    Unknown,
    Value,
    lineage_of,
)

_TENSOR_TESTS = frozenset({"is_tensor", "isinstance"})


def key_of(frame: Frame, test: ast.expr) -> tuple[str, bool] | None:
    """A condition's text and sense, if it asks for plain names and attributes only."""
    texts = frame.analysis.texts
    if test not in texts:
        texts[test] = _key_of(test)
    found = texts[test]
    return found if isinstance(found, tuple) else None


def _key_of(test: ast.expr) -> tuple[str, bool] | None:
    sense = True
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        sense, test = not sense, test.operand
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        if isinstance(test.ops[0], (ast.IsNot, ast.NotEq)):
            flipped = ast.Is() if isinstance(test.ops[0], ast.IsNot) else ast.Eq()
            return ast.unparse(ast.Compare(test.left, [flipped], test.comparators)), not sense
        if not isinstance(test.ops[0], (ast.Is, ast.Eq, ast.Gt, ast.Lt, ast.GtE, ast.LtE)):
            return None
    elif not isinstance(test, (ast.Name, ast.Attribute)):
        return None
    return ast.unparse(test), sense


def outcome(frame: Frame, test: ast.expr) -> bool | None:
    """A condition whose outcome is known: a flag that this call passes, `while True`, a list that is one."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = outcome(frame, test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        parts = {outcome(frame, part) for part in test.values}
        short = isinstance(test.op, ast.Or)
        return short if short in parts else None if None in parts else not short
    if isinstance(test, ast.Call):
        return _is_container(frame, test)
    if frame.loops and frame.loops[-1].counter:
        turn = _asks_for_first(test, frame.loops[-1].counter)
        if turn is not None:
            return turn is frame.loops[-1].first
    if _is_given_none(frame, test):
        return False
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        none = test.comparators[0]
        if isinstance(none, ast.Constant) and none.value is None and _is_given_none(frame, test.left):
            return isinstance(test.ops[0], ast.Is)
    value = frame.analysis.seen.get(test)
    constant = getattr(value, "constant", None)
    if isinstance(constant, bool) and isinstance(test, (ast.Name, ast.Constant, ast.Compare)):
        return None if _is_set_elsewhere(frame, test) else constant
    return None


def _is_set_elsewhere(frame: Frame, test: ast.expr) -> bool:
    """Whether another file may give the attribute that is asked for another value: `model.mode = "soft"`."""
    project = frame.analysis.project
    names = {part.attr for part in ast.walk(test) if isinstance(part, ast.Attribute)}
    if project is None or not names:
        return False
    own = {module.file for module in frame.analysis.modules.values()}
    return any(str(path) not in own for name in names for path in project.setting(name))


def asked_for_rank(frame: Frame, test: ast.expr) -> list[Lineage]:
    """The values of whose number of dimensions a condition asks: which side is theirs nobody knows."""
    ranked = frame.analysis.ranked.get(test)
    if ranked is None:
        bases = map(_ranked, ast.walk(test))
        ranked = frame.analysis.ranked[test] = [base for base in bases if base is not None]
    values = (frame.analysis.seen.get(base) for base in ranked)
    lineages = (lineage_of(value) for value in values if value is not None)
    return [lineage for lineage in lineages if lineage is not None]


def _ranked(node: ast.AST) -> ast.expr | None:
    """`x` of `x.ndim`, `x.dim()`, `len(x.shape)`, `np.ndim(x)`."""
    if isinstance(node, ast.Attribute):
        return node.value if node.attr == "ndim" else None
    if not isinstance(node, ast.Call):
        return None
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name == "dim" and isinstance(node.func, ast.Attribute):
        return node.func.value
    if name == "ndim" and len(node.args) == 1:
        return node.args[0]
    asked = node.args[0] if name == "len" and len(node.args) == 1 else None
    asked = asked.func if isinstance(asked, ast.Call) else asked
    return asked.value if isinstance(asked, ast.Attribute) and asked.attr in ("shape", "size") else None


def _is_given_none(frame: Frame, node: ast.expr) -> bool:
    """Whether a name is None because the call that runs gave None, or nothing, for it."""
    if not isinstance(node, ast.Name) or frame.caller is None or frame.definition is None:
        return False
    given = any(parameter.arg == node.id for parameter in parameters(frame.definition))
    return given and frame.get((frame.scope, node.id)) == NONE


def chosen(frame: Frame, written: ast.expr) -> ast.expr:
    """The side of `a if test else b` that is taken, where it is known."""
    while isinstance(written, ast.IfExp):
        taken = outcome(frame, written.test)
        if taken is None:
            break
        written = written.body if taken else written.orelse
    return written


def counter_of(frame: Frame, loop: ast.For | ast.AsyncFor | ast.While) -> str:
    """The name that counts the turns of a loop from 0, if the body asks whether it is in the first one."""
    texts = frame.analysis.texts
    if loop not in texts:
        texts[loop] = _counter_of(loop)
    return str(texts[loop])


def _counter_of(loop: ast.For | ast.AsyncFor | ast.While) -> str:
    if not isinstance(loop, ast.For) or not isinstance(loop.iter, ast.Call):
        return ""
    called, arguments = getattr(loop.iter.func, "id", ""), loop.iter.args
    target = loop.target
    if called == "enumerate" and len(arguments) == 1 and isinstance(target, ast.Tuple):
        target = target.elts[0]
    elif called != "range" or (len(arguments) > 1 and not _is_zero(arguments[0])):
        return ""
    if not isinstance(target, ast.Name):
        return ""
    tests = (part for statement in loop.body for part in ast.walk(statement))
    asked = any(
        _asks_for_first(part, target.id) is not None for part in tests if isinstance(part, ast.Compare)
    )
    return target.id if asked else ""


def _asks_for_first(test: ast.AST, counter: str) -> bool | None:
    """Whether `i == 0` or its like holds in the first turn and in no other one, or the other way round."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not _is_zero(test.comparators[0]):
        return None
    if not isinstance(test.left, ast.Name) or test.left.id != counter:
        return None
    if isinstance(test.ops[0], (ast.Eq, ast.LtE)):
        return True
    return False if isinstance(test.ops[0], (ast.NotEq, ast.Gt)) else None


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0 and node.value is not False


def _is_container(frame: Frame, test: ast.Call) -> bool | None:
    """`isinstance(nets, list)`, where the kind of `nets` is known."""
    if getattr(test.func, "id", "") != "isinstance" or len(test.args) != 2:
        return None
    asked = test.args[1].elts if isinstance(test.args[1], ast.Tuple) else [test.args[1]]
    kinds = {getattr(part, "id", "") for part in asked}
    if not kinds <= {"list", "tuple", "dict", "set"}:
        return None
    value = frame.analysis.seen.get(test.args[0])
    if isinstance(value, Container) and not value.open and value.kind in ("list", "dict", "set"):
        return value.kind in kinds
    if isinstance(value, Tuple) and not value.fields:
        return "tuple" in kinds
    module = isinstance(value, Module) or (isinstance(value, Instance) and value.klass.is_module)
    return False if module else None


def narrow(frame: Frame, test: ast.expr, outcome: bool) -> None:
    """From here on, `test` is known to be `outcome`."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        narrow(frame, test.operand, not outcome)
        return
    if isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) is outcome:
            for part in test.values:
                narrow(frame, part, outcome)
        return
    key = key_of(frame, test) if frame.live.splits or frame.live.mode_if else None
    if key is not None:
        frame.live.assume(key[0], outcome is key[1])
        _narrow_mode(frame, key[0], outcome is key[1])
    if isinstance(test, ast.Call):
        _narrow_call(frame, test, outcome)
    elif isinstance(test, ast.Attribute) and test.attr == "requires_grad" and not outcome:
        _set(frame, test.value, CLEAR)
    elif isinstance(test, ast.Compare):
        _narrow_none(frame, test, outcome)
        _narrow_type(frame, test, outcome)


def mode_if(frame: Frame, node: ast.expr) -> ModeIf | None:
    """The condition of `torch.set_grad_enabled(phase == "train")`, without which grad mode is off."""
    if not isinstance(node, ast.Call) or len(node.args) != 1 or frame.live.mode is not GradMode.ON:
        return None
    key = key_of(frame, node.args[0])
    return ModeIf(frame.scope, *key) if key is not None else None


def _narrow_mode(frame: Frame, condition: str, holds: bool) -> None:
    """`if phase == "val"` where grad mode is on if `phase == "train"`: it is off there."""
    known = frame.live.mode_if
    if known is None or known.scope != frame.scope or frame.live.mode is not GradMode.ON:
        return
    same = condition == known.condition
    other = known.sense and holds and _exclude_each_other(condition, known.condition)
    if (same and holds is not known.sense) or other:
        frame.live.mode = GradMode.OFF


def _exclude_each_other(one: str, other: str) -> bool:
    """Whether both compare the same name with a constant, but not with the same one."""
    asked, _, wanted = one.partition(" == ")
    named, _, known = other.partition(" == ")
    words = ("'", '"')
    return asked == named and wanted != known and wanted[:1] in words and known[:1] in words


def _narrow_call(frame: Frame, test: ast.Call, outcome: bool) -> None:
    name = test.func.attr if isinstance(test.func, ast.Attribute) else getattr(test.func, "id", "")
    if name == "is_grad_enabled":
        if outcome or frame.live.mode is GradMode.ON:
            frame.live.mode = GradMode.ON if outcome else GradMode.OFF
        return
    if not test.args or name not in (*_TENSOR_TESTS, "hasattr"):
        return
    if name == "isinstance" and not _asks_for_tensor(test):
        if outcome and _asks_for_plain(test):
            _set(frame, test.args[0], PLAIN)
        elif outcome and len(test.args) == 2:
            _narrow_class(frame, test.args[0], test.args[1])
        return
    if name == "hasattr" and not _asks_for_detach(test):
        return
    if outcome and name == "hasattr" and _attribute(test) in _OF_ARRAYS_TOO:
        return
    if outcome:
        _settle(frame, test.args[0], Doubt.STRUCTURE | Doubt.PATH)
    else:
        _drop_tensor(frame, test.args[0])


def is_told_apart(test: ast.expr, otherwise: ast.expr) -> bool:
    """`x.item() if hasattr(x, "item") else x`: what has no such method is no tensor."""
    if not isinstance(test, ast.Call) or getattr(test.func, "id", "") != "hasattr" or len(test.args) != 2:
        return False
    return _asks_for_detach(test) and ast.dump(test.args[0]) == ast.dump(otherwise)


def _narrow_class(frame: Frame, asked: ast.expr, named: ast.expr) -> None:
    """`isinstance(state, State)` and `isinstance(layer, nn.Linear)` say as much as an annotation does."""
    value = _value(frame, asked)
    if not isinstance(value, Unknown):
        return
    # Of `(nn.Conv1d, nn.Conv2d)` the one is like the other: both have a weight.
    classes = named.elts if isinstance(named, ast.Tuple) else [named]
    known = [_as_named(frame, part, value) for part in classes]
    if known and known[0] is not None and (len(known) == 1 or all(isinstance(k, Module) for k in known)):
        _set(frame, asked, known[0])


def _as_named(frame: Frame, named: ast.expr, value: Unknown) -> Value | None:
    """The value as an object of the class that is named, if that class is known."""
    seen = frame.analysis.seen.get(named)
    if not isinstance(seen, (Class, Library)):
        return None
    known = hints.value_of(frame, named, value.key)
    # A wrapper or a base class says nothing of what is inside.
    layer = isinstance(known, Module) and known.name != ANY_MODULE and known.trainable is Grad.TRACKS
    return known if layer or isinstance(seen, Class) else None


def asks_for_tensor(test: ast.expr, target: ast.expr) -> bool:
    """`v is not None`, `isinstance(v, Tensor)`, `hasattr(v, "detach")`, of the value that `target` names."""
    value = target.elts[-1] if isinstance(target, ast.Tuple) else target
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot):
        asked: ast.expr = test.left
        fits = getattr(test.comparators[0], "value", ...) is None
    elif isinstance(test, ast.Call) and test.args:
        asked = test.args[0]
        name = test.func.attr if isinstance(test.func, ast.Attribute) else getattr(test.func, "id", "")
        fits = name == "is_tensor" or _asks_for_tensor(test) or (name == "hasattr" and _asks_for_detach(test))
    else:
        return False
    return fits and isinstance(asked, ast.Name) and asked.id == getattr(value, "id", None)


def _asks_for_tensor(test: ast.Call) -> bool:
    if len(test.args) != 2:
        return False
    asked = test.args[1]
    if isinstance(asked, ast.Name):  # as good as always, and no walk
        return asked.id in _TENSORS
    if isinstance(asked, ast.Attribute):
        return asked.attr in _TENSORS
    return any(getattr(part, "attr", getattr(part, "id", "")) in _TENSORS for part in ast.walk(asked))


_TENSORS = frozenset({"Tensor", "Variable", "Parameter"})


def _asks_for_plain(test: ast.Call) -> bool:
    return len(test.args) == 2 and are_plain(test.args[1])


def are_plain(node: ast.expr) -> bool:
    """Whether the types that are named here are arrays, numbers and texts."""
    names = {getattr(part, "attr", getattr(part, "id", None)) for part in ast.walk(node)}
    return names <= {"ndarray", "int", "float", "str", "bool", "Number", "np", "numpy", "numbers", None}


def _asks_for_detach(test: ast.Call) -> bool:
    return _attribute(test) in _OF_TENSORS


_OF_ARRAYS_TOO = frozenset({"data", "item"})
_OF_TENSORS = frozenset({"detach", "numpy", "cpu", "grad_fn", "requires_grad"}) | _OF_ARRAYS_TOO


def _attribute(test: ast.Call) -> object:
    """The name that `hasattr(x, name)` asks for."""
    asked = test.args[1] if len(test.args) == 2 else None
    return asked.value if isinstance(asked, ast.Constant) else None


def _narrow_type(frame: Frame, test: ast.Compare, outcome: bool) -> None:
    """`type(x) is np.ndarray` and `type(x) not in [int, float]`."""
    asked = test.left
    if not isinstance(asked, ast.Call) or not isinstance(asked.func, ast.Name) or len(test.ops) != 1:
        return
    same = isinstance(test.ops[0], (ast.Is, ast.Eq, ast.In))
    if asked.func.id != "type" or len(asked.args) != 1 or not same | isinstance(test.ops[0], _DIFFER):
        return
    if are_plain(test.comparators[0]) and outcome is same:
        _set(frame, asked.args[0], PLAIN)


_DIFFER = (ast.IsNot, ast.NotEq, ast.NotIn)


def _narrow_none(frame: Frame, test: ast.Compare, outcome: bool) -> None:
    if len(test.ops) != 1 or not isinstance(test.comparators[0], ast.Constant):
        return
    if test.comparators[0].value is not None:
        return
    if isinstance(test.ops[0], ast.Is) is not outcome:
        _settle(frame, test.left, Doubt.PATH)
        return
    if isinstance(test.left, ast.Attribute) and test.left.attr == "grad_fn":
        _set(frame, test.left.value, CLEAR)
    else:
        _set(frame, test.left, NONE)


def _settle(frame: Frame, node: ast.expr, doubt: Doubt) -> None:
    """It is no None, or a tensor: this doubt is over."""
    value = _value(frame, node)
    if isinstance(value, Tensor) and value.doubt & doubt:
        _set(frame, node, replace(value, doubt=value.doubt & ~doubt))


def _drop_tensor(frame: Frame, node: ast.expr) -> None:
    value = _value(frame, node)
    if isinstance(value, Tensor):
        _set(frame, node, PLAIN)


def _value(frame: Frame, node: ast.expr) -> Value | None:
    place = targets.place_of(frame, node)
    return frame.get(place) if place is not None else None


def _set(frame: Frame, node: ast.expr, value: Value) -> None:
    place = targets.place_of(frame, node)
    if place is not None and frame.get(place) is not None:
        frame.put(place, value)
