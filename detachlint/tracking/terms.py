"""What a loss is made of: the terms of a sum, read off the code that wrote it.

`F.mse_loss(q, r + gamma * net(s2))` and `(r + gamma * v2 - v).pow(2)` say the same in two ways: a prediction,
and, with the other sign, a target of which one term is a known number and another is scaled. Values know
which networks made them, but not in which sum they stood; the syntax does. So a candidate, and nothing else,
is read again as text: sums are taken apart, names are followed to what was assigned to them, calls of the
project's functions to what these return, arguments to the call that gave them. What cannot be taken apart is
a term.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from detachlint.tracking.analysis import Analysis, Frame
from detachlint.tracking.definitions import FunctionDefinition
from detachlint.tracking.values import Function, Instance, Plain, Value, tracks

_DEEPEST = 24
_MOST = 48
_MOST_STEPS = 200  # names that are assigned in many places could be followed for ever

# These hand every element on: what is said of the terms of a sum is said of those of its view, mean or cast.
_TERM_BY_TERM = frozenset(
    {"squeeze", "unsqueeze", "view", "reshape", "flatten", "float", "double", "half", "to", "cuda", "cpu"}
    | {"expand", "expand_as", "view_as", "contiguous", "clone", "mean", "sum", "t", "transpose", "permute"}
    | {"clamp", "clip", "type", "repeat"}
)
_ROWS = frozenset({"stack", "cat", "concat", "vstack", "hstack", "list", "tuple", "reversed"})
_PUT = {"append": 0, "appendleft": 0, "insert": 1}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands: the function or file whose names it uses, and its activation if it runs."""

    node: ast.AST
    path: str
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: its expression, its sign, how often it is scaled, and the way to it from the outside in.

    `part` is the subscript on the way that chose some of its items.
    """

    node: ast.expr
    value: Value | None
    sign: int = 1
    scaled: int = 0
    part: ast.Subscript | None = None
    path: tuple[tuple[ast.expr, Scope], ...] = ()

    @property
    def tracks(self) -> bool:
        """Whether it requires grad."""
        return self.value is not None and tracks(self.value)

    @property
    def known(self) -> bool:
        """Whether it is a value of the data, not a network's and not a literal number."""
        literal = isinstance(self.value, Plain) and isinstance(self.value.constant, (int, float))
        return self.value is not None and not self.tracks and not literal


def scope_of(frame: Frame) -> Scope:
    """The scope of what is being interpreted."""
    definition = frame.definition
    return Scope(frame.module.tree if definition is None else definition.node, frame.module.path, frame)


def terms(analysis: Analysis, node: ast.expr, scope: Scope, sign: int = 1) -> list[Term]:
    """The terms of the sum that `node` stands for, through names and calls."""
    return list(islice(Reader(analysis).read(Term(node, None, sign), scope, 0), _MOST))


@dataclass(slots=True)
class Reader:
    """Reads the text again, with what is known of its values."""

    analysis: Analysis
    left: int = _MOST_STEPS

    def read(self, term: Term, scope: Scope, depth: int) -> Iterator[Term]:
        node = term.node
        value = self.analysis.seen.get(node)
        on_way = any(node is passed for passed, _ in term.path)
        self.left -= 1
        if on_way or depth > _DEEPEST or self.left < 0:
            return
        here = replace(term, value=value, path=(*term.path, (node, scope)))
        if value is not None and not tracks(value) and not _holds(value):
            yield here
            return
        inner = list(self._inside(here, scope))
        if not inner and not isinstance(node, (ast.List, ast.Tuple)):
            yield here
        for part, its_scope in inner:
            yield from self.read(part, its_scope, depth + 1)

    def _inside(self, term: Term, scope: Scope) -> Iterator[tuple[Term, Scope]]:
        node = term.node
        if isinstance(node, ast.BinOp):
            for part in self._operation(term, node):
                yield part, scope
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield replace(term, node=node.operand, sign=-term.sign), scope
        elif isinstance(node, ast.Name):
            for written, its_scope in self.meanings(node, scope):
                yield replace(term, node=written), its_scope
        elif isinstance(node, ast.IfExp):
            for branch in (node.body, node.orelse):
                yield replace(term, node=branch), scope
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            for written, its_scope in self.meanings(node.value, scope):
                yield replace(term, node=written, part=node), its_scope
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            yield replace(term, node=node.elt), scope
        elif isinstance(node, (ast.List, ast.Tuple)):
            for element in node.elts:
                yield replace(term, node=element), scope
        elif isinstance(node, ast.Call):
            for written, its_scope in self._called(node, scope):
                yield replace(term, node=written), its_scope

    def _operation(self, term: Term, node: ast.BinOp) -> Iterator[Term]:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            yield replace(term, node=node.left)
            sign = term.sign if isinstance(node.op, ast.Add) else -term.sign
            yield replace(term, node=node.right, sign=sign)
        if isinstance(node.op, ast.Mult):
            sides = [part for part in (node.left, node.right) if self._tracks(part)]
            if len(sides) == 1:
                yield replace(term, node=sides[0], scaled=term.scaled + 1)
        if isinstance(node.op, ast.Div) and not self._tracks(node.right):
            yield replace(term, node=node.left)

    def _tracks(self, node: ast.expr) -> bool:
        value = self.analysis.seen.get(node)
        return value is not None and tracks(value)

    def _called(self, node: ast.Call, scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
        function = node.func
        name = getattr(function, "attr", getattr(function, "id", ""))
        callee = self.definition(function)
        if callee is not None:
            yield from self.returned(callee)
        elif name in _ROWS or name == "where":
            for argument in node.args[1:] if name == "where" else node.args[:1]:
                yield argument, scope
        elif isinstance(function, ast.Attribute) and name in _TERM_BY_TERM and self._tracks(function.value):
            yield function.value, scope

    def definition(self, function: ast.expr) -> FunctionDefinition | None:
        """The function of the project that an expression stands for."""
        callee = self.analysis.seen.get(function)
        if isinstance(callee, Function):
            return callee.definition
        if not isinstance(function, ast.Attribute):
            return None
        receiver = self.analysis.seen.get(function.value)
        return receiver.klass.method(function.attr) if isinstance(receiver, Instance) else None

    def returned(self, definition: FunctionDefinition) -> Iterator[tuple[ast.expr, Scope]]:
        """What a function of the project returns."""
        node = definition.node
        scope = Scope(node, definition.module.path)
        if isinstance(node, ast.Lambda):
            yield node.body, scope
            return
        for part in own_nodes(node):
            if isinstance(part, ast.Return) and part.value is not None:
                yield part.value, scope

    def meanings(self, name: ast.Name, scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
        """What a name stands for: what is assigned to it or put into it, or the argument it was given."""
        found = written_in(self.analysis, scope.node).get(name.id, ())
        apart = _branches(self.analysis, scope.node) if len(found) > 1 else ()
        for written in found:
            if any(_is_apart(name, _stands(written), branches) for branches in apart):
                continue
            if isinstance(written, Item):
                yield from self._item(written, scope)
            else:
                yield written, scope
        if not found and scope.frame is not None:
            given = argument_of(scope.frame, name.id)
            if given is not None:
                yield given

    def _item(self, item: Item, scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
        """One of the things that a function of the project returns together."""
        callee = self.definition(item.call.func)
        for written, its_scope in self.returned(callee) if callee is not None else ():
            if isinstance(written, ast.Tuple) and item.position < len(written.elts):
                yield written.elts[item.position], its_scope


_Lines: TypeAlias = "tuple[range, range]"


def _branches(analysis: Analysis, node: ast.AST) -> list[_Lines]:
    """The lines of the two sides of every condition in a function: of these only one runs."""
    known = analysis.branches.get(node)
    if known is None:
        conditions = (part for part in own_nodes(node) if isinstance(part, ast.If) and part.orelse)
        known = analysis.branches[node] = [(_lines(part.body), _lines(part.orelse)) for part in conditions]
    return known


def _lines(body: list[ast.stmt]) -> range:
    return range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1)


def _is_apart(one: ast.expr, other: ast.expr, branches: _Lines) -> bool:
    sides = [next((s for s in (0, 1) if part.lineno in branches[s]), None) for part in (one, other)]
    return None not in sides and sides[0] != sides[1]


def _stands(written: ast.expr | Item) -> ast.expr:
    return written.call if isinstance(written, Item) else written


@dataclass(frozen=True, slots=True)
class Item:
    """One of the things that a call gives."""

    call: ast.Call
    position: int


def _holds(value: Value) -> bool:
    return type(value).__name__ in ("Container", "Sequence", "Tuple", "Instance")


def written_in(analysis: Analysis, node: ast.AST) -> dict[str, list[ast.expr | Item]]:
    """What is assigned to every name of a function, and put into it, in the order of the text."""
    known = analysis.written.get(node)
    if known is None:
        known = analysis.written[node] = {}
        for part in own_nodes(node):
            for name, written in _writes(part):
                known.setdefault(name, []).append(written)
    return known


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function or file, in the order of the text, without those of functions in it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        yield child
        yield from own_nodes(child)


def _writes(node: ast.AST) -> Iterator[tuple[str, ast.expr | Item]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _assigned(target, node.value)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield from _assigned(node.target, node.value)
    elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        if isinstance(node.op, ast.Add):
            yield node.target.id, node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _PUT:
        position = _PUT[node.func.attr]
        if isinstance(node.func.value, ast.Name) and position < len(node.args):
            yield node.func.value.id, node.args[position]


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | Item]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        yield target.value.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for part, its_value in zip(target.elts, value.elts, strict=False):
            yield from _assigned(part, its_value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Call):
        for position, part in enumerate(target.elts):
            if isinstance(part, ast.Name):
                yield part.id, Item(value, position)


def argument_of(frame: Frame, name: str) -> tuple[ast.expr, Scope] | None:
    """The expression that a parameter of a running function was given, and where that stands."""
    definition, caller = frame.definition, frame.caller
    if definition is None or caller is None:
        return None
    call = frame.analysis.keys.thing(frame.context)[2]
    if not isinstance(call, ast.Call):
        return None
    scope = scope_of(caller)
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value, scope
    spec = definition.node.args
    names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
    if definition.owner is not None and definition.kind != "staticmethod":
        names = names[1:]
    if name not in names or any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    position = names.index(name)
    return (call.args[position], scope) if position < len(call.args) else None
