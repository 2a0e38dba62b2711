"""Files, functions and classes of the project, as the tracker refers to them.

A definition is the syntax node together with where it stands: its file, the scopes it closes over, the
class it belongs to. Definitions are compared by identity and made once per node and surrounding scopes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from detachlint.tracking.values import GradMode

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False, slots=True)
class SourceModule:
    """One file of the project: its path as reported, its real path, its tree, its global scope."""

    path: str
    file: str
    tree: ast.Module
    scope: int


@dataclass(frozen=True, slots=True)
class Body:
    """What must be known of a function's body before it is interpreted."""

    outside_names: frozenset[str]
    is_generator: bool
    has_inner: bool
    may_raise: bool
    is_abstract: bool
    gives: bool


@dataclass(eq=False, slots=True)
class FunctionDefinition:
    """A `def` or `lambda`, the scopes it sees (innermost first) and what its decorators make of it."""

    node: FunctionNode
    module: SourceModule
    scopes: tuple[int, ...]
    owner: ClassDefinition | None = None
    mode: GradMode | None = None
    kind: str = "function"
    is_context_manager: bool = False
    _body: Body | None = None
    _of_init: bool | None = None

    @property
    def body(self) -> Body:
        """What the body says of the function; looked at when it is first called, most never are."""
        if self._body is None:
            self._body = _look_at(self.node, self.owner is not None)
        return self._body

    @property
    def gives_back(self) -> bool:
        """Whether its callers get anything from it, so that a cut argument would cut that, too."""
        return self.body.gives or self.name == "forward"

    @property
    def is_of_init(self) -> bool:
        """Whether it is an `__init__`, or a method that nothing else of its class calls: it runs once."""
        if self._of_init is None:
            self._of_init = self.name == "__init__" or _is_called_by_init(self)
        return self._of_init

    @property
    def name(self) -> str:
        """The function's name, for traces."""
        return getattr(self.node, "name", "lambda")


@dataclass(eq=False, slots=True)
class ClassDefinition:
    """A class of the project: its bases as values, its methods and class attributes.

    `library_bases` are the dotted names of the library classes it inherits from, in order; `unseen_base`
    says that a base could not be resolved, so that methods and attributes may exist which are not here.
    """

    node: ast.ClassDef
    module: SourceModule
    scope: int
    bases: tuple[ClassDefinition, ...] = ()
    library_bases: tuple[str, ...] = ()
    unseen_base: bool = False
    methods: dict[str, FunctionDefinition] = field(default_factory=dict)
    is_module: bool = False
    is_dataclass: bool = False
    is_namedtuple: bool = False
    _of_forward: frozenset[str] | None = None
    _cleared: frozenset[str] | None = None
    _read: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """The class's name, for traces."""
        return self.node.name

    def lineage(self) -> list[ClassDefinition]:
        """The class and its bases within the project, nearest first."""
        if not self.bases:
            return [self]
        found: dict[ClassDefinition, None] = {}
        waiting = [self]
        while waiting:
            klass = waiting.pop()
            if klass not in found:
                found[klass] = None
                waiting.extend(reversed(klass.bases))
        return list(found)

    def method(self, name: str) -> FunctionDefinition | None:
        """The method `name`, own or inherited within the project."""
        own = self.methods.get(name)
        if own is not None or not self.bases:
            return own
        for klass in self.lineage():
            if name in klass.methods:
                return klass.methods[name]
        return None

    @property
    def of_forward(self) -> frozenset[str]:
        """The methods that a module's `forward` is made of; looked at when something is first kept there."""
        if self._of_forward is None:
            self._of_forward = frozenset(_of_forward(self))
        return self._of_forward

    @property
    def cleared(self) -> frozenset[str]:
        """The attributes that its file sets to nothing, other than where an object begins or goes on."""
        if self._cleared is None:
            self._cleared = frozenset(_cleared(self))
        return self._cleared

    @property
    def read_in_forward(self) -> frozenset[str]:
        """The attributes that a forward makes something of, rather than add to them."""
        if self._read is None:
            self._read = frozenset(_read_in_forward(self))
        return self._read

    def libraries(self) -> list[str]:
        """The library classes that it inherits from, also through the project's own classes."""
        return [name for klass in self.lineage() for name in klass.library_bases]


def _is_called_by_init(method: FunctionDefinition) -> bool:
    callers = {
        other.name
        for other in (method.owner.methods.values() if method.owner is not None else ())
        for part in ast.walk(other.node)
        if isinstance(part, ast.Call) and _method_of_self(part) == method.name
    }
    return callers == {"__init__"}


def _cleared(owner: ClassDefinition) -> Iterator[str]:
    going_on = {"__init__", *owner.of_forward}
    for function in ast.walk(owner.module.tree):
        if not isinstance(function, ast.FunctionDef) or function.name in going_on:
            continue
        for part in ast.walk(function):
            if isinstance(part, ast.Assign) and _is_nothing(part.value):
                yield from (target.attr for target in part.targets if isinstance(target, ast.Attribute))


def _is_nothing(node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Tuple)):
        return not node.elts
    if isinstance(node, ast.Dict):
        return not node.keys
    if isinstance(node, ast.Call):
        return not node.args and getattr(node.func, "id", "") in ("list", "dict", "deque")
    return isinstance(node, ast.Constant) and not isinstance(node.value, str)


def _read_in_forward(owner: ClassDefinition) -> set[str]:
    methods = [method for name in owner.of_forward if (method := owner.method(name)) is not None]
    parts = [part for method in methods for part in ast.walk(method.node) if isinstance(part, ast.Attribute)]
    added_to = {id(part.value) for part in parts if part.attr in _ADDING}
    return {part.attr for part in parts if id(part) not in added_to}


_ADDING = frozenset({"append", "extend", "insert", "appendleft", "add", "update"})


def _of_forward(owner: ClassDefinition) -> set[str]:
    """The methods of a module that its `forward` is made of: itself, and what it calls on `self`.

    All of them, where it chooses one by its name, or where a plain module has none and nothing in it trains.
    """
    everything = {name for klass in owner.lineage() for name in klass.methods}
    if owner.method("forward") is None and not owner.bases and not _trains(owner):
        return everything
    found = {"forward", "__call__"}
    waiting = list(found)
    while waiting:
        method = owner.method(waiting.pop())
        for part in ast.walk(method.node) if method is not None else ():
            if not isinstance(part, ast.Call):
                continue
            if _chooses_method(part):
                return everything
            name = _method_of_self(part)
            if name is not None and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _trains(owner: ClassDefinition) -> bool:
    words = ("backward", "step", "zero_grad")
    nodes = (part for klass in owner.lineage() for part in ast.walk(klass.node))
    return any(isinstance(part, ast.Attribute) and part.attr in words for part in nodes)


def _method_of_self(call: ast.Call) -> str | None:
    function = call.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.attr if function.value.id == "self" else None
    return None


def _chooses_method(call: ast.Call) -> bool:
    """`getattr(self, "_" + mode)`"""
    if not isinstance(call.func, ast.Name) or call.func.id != "getattr" or len(call.args) != 2:
        return False
    on, name = call.args
    return isinstance(on, ast.Name) and on.id == "self" and not isinstance(name, ast.Constant)


def is_abstract(node: FunctionNode) -> bool:
    """Whether a method has no body to speak of: a docstring, `pass`, `...`, `raise NotImplementedError`."""
    body = node.body
    return isinstance(body, list) and all(
        isinstance(part, (ast.Pass, ast.Raise))
        or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        for part in body
    )


def _look_at(node: FunctionNode, is_method: bool) -> Body:
    nodes = own_nodes(node)
    outside = (n for n in nodes if isinstance(n, (ast.Global, ast.Nonlocal)))
    return Body(
        outside_names=frozenset(name for n in outside for name in n.names),
        is_generator=any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in nodes),
        has_inner=any(isinstance(n, _SCOPES) for n in nodes),
        may_raise=any(isinstance(n, ast.Raise) for n in nodes),
        gives=not isinstance(node.body, list) or any(_gives(n) for n in nodes),
        is_abstract=is_method and is_abstract(node),
    )


def _gives(node: ast.AST) -> bool:
    if not isinstance(node, ast.Return) or isinstance(node.value, (ast.Constant, type(None))):
        return False
    return not (isinstance(node.value, ast.Name) and node.value.id == "self")


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def own_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes of a function's own body, without those of functions and classes nested in it."""
    found: list[ast.AST] = []
    body = getattr(node, "body", [])
    stack: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while stack:
        current = stack.pop()
        found.append(current)
        if isinstance(current, _SCOPES):
            continue
        stack.extend(ast.iter_child_nodes(current))
    return found
