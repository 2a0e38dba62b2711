"""What the code around an expression shows it to be besides a tensor.

The tracker follows graphs, not types: a value that it knows by `out["loss"].backward()` alone is a dict, and
one that is asked `isinstance(losses, tuple)` may be a tuple. A `.detach()` on such would break a program that
worked.
"""

from __future__ import annotations

import ast
from functools import cached_property

_CONTAINERS = frozenset({"tuple", "list", "dict", "set", "Mapping", "Sequence", "Iterable", "OrderedDict"})
_METHODS = frozenset({"items", "keys", "values", "get", "append", "extend", "setdefault"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Uses:
    """Names, also dotted ones, that a file uses as containers, and the functions in which it does."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree

    def contradict(self, node: ast.expr) -> str | None:
        """Why a name may be no tensor, if the function that it stands in says so."""
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        named = ast.unparse(node)
        lines = self._containers.get(named)
        if lines is None or not any(self._function(line) == self._function(node.lineno) for line in lines):
            return None
        return f"`{named}` is used like a container: what it holds would have to be detached"

    @cached_property
    def _containers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for node in ast.walk(self.tree):
            for used in _used_as_container(node):
                if isinstance(used, (ast.Name, ast.Attribute)):
                    found.setdefault(ast.unparse(used), []).append(used.lineno)
        return found

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, _FUNCTIONS)]
        return [(node.lineno, node.end_lineno or node.lineno) for node in nodes]

    def _function(self, line: int) -> tuple[int, int] | None:
        around = [(first, last) for first, last in self._spans if first <= line <= last]
        return min(around, key=lambda span: span[1] - span[0], default=None)


def _used_as_container(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return [node.value] if isinstance(node.slice.value, str) else []
    if not isinstance(node, ast.Call):
        return []
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        return [node.func.value]
    if isinstance(node.func, ast.Name) and node.func.id == "isinstance" and len(node.args) == 2:
        named = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
        named |= {part.attr for part in ast.walk(node.args[1]) if isinstance(part, ast.Attribute)}
        return [node.args[0]] if named & _CONTAINERS else []
    return [keyword.value for keyword in node.keywords if keyword.arg is None]
