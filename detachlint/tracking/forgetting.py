"""What a class's own helper forgets to cut.

Code that carries a state over truncated windows often has a method for it, `detach_state`, which does nothing
but cut what the object holds. It is called between two backwards by code that may stand anywhere; where that
is in sight, the loop tells by itself. So the class says what it is for, and what a later author added and
forgot shows beside it:

* a value that hangs on the same graph as one that the helper cuts is stored beside it, in the same dict or
  object, and the next call reads it before it is stored anew; or
* a subclass has the helper of its base, without a body, and holds values that require grad.

What is stored for others to look at, attention weights or an output, is read by nobody before it is replaced.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition, is_abstract
from detachlint.tracking.events import Event, Note, notes_of
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.values import (
    Grad,
    Instance,
    Lineage,
    Origin,
    Value,
    grad_of,
    lineage_of,
    origin_of,
    tracks,
)

_CUTS = frozenset({"detach", "detach_"})
_CONTAINERS = (ast.If, ast.For, ast.With)


@dataclass(frozen=True, slots=True)
class Stored:
    """A value that a method put into an object: `path` is where, as it is written behind `self`."""

    klass: ClassDefinition
    path: str
    node: ast.expr
    definition: FunctionDefinition
    lineage: Lineage | None
    origin: Origin | None
    tracks: bool


def stored(frame: Frame, target: ast.expr, value: Value) -> None:
    """`self.x = value`, `self.state["x"] = value`: write it down, if it may require grad."""
    definition = frame.definition
    if definition is None or not frame.grad_on or grad_of(value) is Grad.CLEAR:
        return
    if frame.module.path != frame.analysis.target or definition.name == "__init__":
        return
    base = _object(target)
    owner = frame.analysis.seen.get(base) if base is not None else None
    if base is None or not isinstance(owner, Instance):
        return
    path = ast.unparse(target).removeprefix(ast.unparse(base))
    found = Stored(owner.klass, path, target, definition, lineage_of(value), origin_of(value), tracks(value))
    known = frame.analysis.stored.get((id(target), owner.klass))
    if known is None or (found.tracks and not known.tracks):
        frame.analysis.stored[id(target), owner.klass] = found


def _object(target: ast.expr) -> ast.expr | None:
    """`self` of `self.x` and of `self.state["x"]`."""
    if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
        target = target.value
    return target.value if isinstance(target, ast.Attribute) else None


def events(analysis: Analysis) -> Iterator[Event]:
    """What the helpers of this file's classes forget."""
    if any(event.kind == "carry" for event in analysis.events.values()):
        return
    found = list(analysis.stored.values())
    for klass in dict.fromkeys(each.klass for each in found):
        own = [each for each in found if each.klass is klass]
        for helper in _helpers(klass):
            cut = _cut_by(helper)
            yield from (_forgotten(each, helper, read) for each, read in _left_out(klass, own, helper, cut))
        yield from _without_a_body(klass, own)


def _helpers(klass: ClassDefinition) -> Iterator[FunctionDefinition]:
    names = dict.fromkeys(name for each in klass.lineage() for name in each.methods)
    methods = (klass.method(name) for name in names)
    yield from (method for method in methods if method is not None and _cut_by(method))


def _cut_by(method: FunctionDefinition) -> set[str]:
    """What a method cuts, if that is all it does."""
    node = method.node
    arguments = node.args.args
    if isinstance(node, ast.Lambda) or len(arguments) != 1:
        return set()
    cut: set[str] = set()
    for statement in _statements(node.body):
        places = set(_cut_in(statement, arguments[0].arg))
        if not places and not isinstance(getattr(statement, "value", None), ast.Constant):
            return set()
        cut |= places
    return cut


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for part in body:
        if isinstance(part, ast.For):
            yield part
        elif isinstance(part, _CONTAINERS):
            yield from _statements([*part.body, *getattr(part, "orelse", ())])
        else:
            yield part


def _cut_in(statement: ast.stmt, receiver: str) -> Iterator[str]:
    """`self.x = cut(self.x)`, `self.x.detach_()`, `for h in self.x: h.detach_()`."""
    called = {
        part.func.attr
        for part in ast.walk(statement)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
    }
    if isinstance(statement, ast.Assign) and called & _CUTS:
        read = {ast.unparse(part) for part in ast.walk(statement.value) if isinstance(part, ast.expr)}
        written = [ast.unparse(target) for target in statement.targets]
        yield from (text.removeprefix(receiver) for text in written if text in read)
    elif isinstance(statement, (ast.Expr, ast.For)) and "detach_" in called:
        yield from (
            ast.unparse(part).removeprefix(receiver)
            for part in ast.walk(statement.iter if isinstance(statement, ast.For) else statement.value)
            if isinstance(part, (ast.Attribute, ast.Subscript)) and _is_of(part, receiver)
        )


def _is_of(node: ast.expr, receiver: str) -> bool:
    base = _object(node)
    return isinstance(base, ast.Name) and base.id == receiver


def _left_out(
    klass: ClassDefinition, own: list[Stored], helper: FunctionDefinition, cut: set[str]
) -> Iterator[tuple[Stored, ast.AST]]:
    """What hangs on the graph of something that the helper cuts, and is read by the next call."""
    for each in own:
        beside = [
            other
            for other in own
            if other.path in cut
            and other.definition is each.definition
            and _is_sibling(each.path, other.path)
        ]
        if each.path in cut or any(each.path.startswith(path) for path in cut) or not beside:
            continue
        if not any(_is_of_one_graph(each, other) for other in beside):
            continue
        read = _read_before(each)
        if read is not None and helper is not each.definition:
            yield each, read


def _is_sibling(one: str, other: str) -> bool:
    """Whether two places are items of one dict, or both attributes."""
    return one.partition("[")[0] == other.partition("[")[0] if "[" in one else "[" not in other


def _is_of_one_graph(one: Stored, other: Stored) -> bool:
    shared = set(ancestors(one.lineage)) & set(ancestors(other.lineage))
    return any(lineage.parents or lineage.opaque or lineage.call is not None for lineage in shared)


def _read_before(each: Stored) -> ast.AST | None:
    """Where a call reads what the call before has stored: itself, or a method that it calls first."""
    node = each.definition.node
    attribute = each.path.partition("[")[0]
    places = [part for part in ast.walk(node) if isinstance(part, ast.expr)]
    first = min((part.lineno for part in places if _is_place(part, each.path, ast.Store)), default=0)
    before = [part for part in places if part.lineno < first]
    called = {
        part.func.attr
        for part in before
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
    }
    found = next((part for part in before if _is_read(part, each.path, node)), None)
    if found is not None:
        return found
    for method in ast.walk(each.definition.module.tree):
        if isinstance(method, ast.FunctionDef) and method.name in called and attribute != "." + method.name:
            places = [part for part in ast.walk(method) if isinstance(part, ast.expr)]
            read = next((part for part in places if _is_read(part, each.path, method)), None)
            stores = [part for part in places if _is_place(part, each.path, ast.Store)]
            if read is not None and not any(part.lineno <= read.lineno for part in stores):
                return read
    return None


def _is_place(node: ast.AST, path: str, context: type[ast.expr_context]) -> bool:
    if not isinstance(node, (ast.Attribute, ast.Subscript)) or not isinstance(node.ctx, context):
        return False
    base = _object(node)
    return isinstance(base, ast.Name) and ast.unparse(node) == base.id + path


def _is_read(node: ast.AST, path: str, method: ast.AST) -> bool:
    """Whether a graph goes on from the place: asking whether it is there does not count, nor does a cut."""
    if not _is_place(node, path, ast.Load):
        return False
    for part in ast.walk(method):
        if isinstance(part, ast.Compare) and node is part.left:
            return False
        if isinstance(part, ast.Attribute) and node is part.value and part.attr in _CUTS | {"data"}:
            return False
    return True


def _without_a_body(klass: ClassDefinition, own: list[Stored]) -> Iterator[Event]:
    """A class that holds values with a graph, and overrides the helper of its base with nothing."""
    live = next((each for each in own if each.tracks), None)
    for name, method in klass.methods.items() if live is not None else ():
        node = method.node
        if isinstance(node, ast.Lambda) or not is_abstract(node) or isinstance(node.body[-1], ast.Raise):
            continue
        inherited = next((base.methods[name] for base in klass.lineage()[1:] if name in base.methods), None)
        if inherited is not None and live is not None and _cut_by(inherited):
            notes = [
                *_why(live),
                Note(method.module.path, live.node, "the object keeps it for the next call"),
            ]
            text = f"`{klass.bases[0].name}` cuts here what it holds: this does not"
            notes.append(Note(method.module.path, node.body[-1], text))
            last = node.body[-1]
            yield Event(
                "carry",
                "forgotten",
                live.path.lstrip("."),
                last,
                (),
                tuple(notes),
                unfixable=_CUT.format(name),
            )


_CUT = "cut it in `{}`"


def _forgotten(each: Stored, helper: FunctionDefinition, read: ast.AST) -> Event:
    path = each.definition.module.path
    notes = [
        *_why(each),
        Note(helper.module.path, helper.node, f"`{helper.name}` cuts what is stored beside it, not this"),
        Note(path, read, "the next call reads it, with the graph of this one"),
    ]
    name = each.path.lstrip(".")
    return Event("carry", "forgotten", name, each.node, (), tuple(notes), unfixable=_CUT.format(helper.name))


def _why(each: Stored) -> list[Note]:
    if each.origin is not None:
        return notes_of(each.origin)
    return [
        Note(each.definition.module.path, each.node, "it hangs on the same graph as what is stored beside it")
    ]
