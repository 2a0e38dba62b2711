"""What the code around an expression shows it to be besides something with a graph.

The tracker follows graphs, not types: a value that it knows by `out["loss"].backward()` alone is a dict, and
one that is asked `isinstance(losses, tuple)` may be a tuple. A `.detach()` on such would break a program that
worked. The other way round, `out.mean()` and `F.softmax(out, 1)` say that what a network gave is one tensor,
and so does `torch.cat(outs)` of all that was put into `outs`.

A function speaks of its own values only, by the text of an expression: `out` and `self.out` and `net(x)`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

_CONTAINERS = frozenset({"tuple", "list", "dict", "set", "Mapping", "Sequence", "Iterable", "OrderedDict"})
_METHODS = frozenset({"items", "keys", "values", "get", "append", "extend", "setdefault"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

# Methods and attributes that tensors have, and neither containers nor the distributions that networks give.
_METHODS_OF_TENSORS = frozenset(
    """abs all any argmax argmin argsort backward bfloat16 bmm chunk clamp clip clone cos cpu cuda cumsum
    detach diag dim double exp expand_as flatten flip float gather half index_select int item log
    log_softmax logsumexp long masked_fill masked_select matmul max mean median min mm mul mul_ narrow
    neg new_full new_ones new_tensor new_zeros nonzero norm numel numpy permute pow prod repeat
    repeat_interleave requires_grad_ reshape retain_grad round scatter sigmoid sign size softmax split
    sqrt square squeeze std stride sub sub_ sum t tanh tile tolist topk transpose type_as unbind unfold
    unsqueeze var view view_as where zero_""".split()
)
_ATTRIBUTES_OF_TENSORS = frozenset({"shape", "ndim", "requires_grad", "grad_fn", "T", "is_cuda"})
_ARITHMETIC = (ast.Sub, ast.Div, ast.Pow, ast.MatMult, ast.FloorDiv)
_NUMBERS = frozenset({"float", "int", "abs", "round"})
_FUNCTIONAL = ("F.", "torch.", "nn.functional.", "torch.nn.functional.")
_JOINING = frozenset({"cat", "stack", "concat", "concatenate", "hstack", "vstack", "dstack", "column_stack"})
_OF_ANYTHING = _JOINING | frozenset(
    {
        "save",
        "load",
        "tensor",
        "as_tensor",
        "is_tensor",
        "meshgrid",
        "block_diag",
        "broadcast_tensors",
        "typename",
    }
    | {"gather", "all_gather", "reduce", "all_reduce", "map", "default_collate", "deepcopy", "compile"}
)
_FILLING = frozenset({"append", "appendleft", "insert"})


_Used: TypeAlias = "Callable[[ast.AST], Sequence[ast.expr]]"


class Uses:
    """The expressions that the functions of a file use as containers, or as tensors."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self._known: dict[tuple[ast.AST, _Used], list[ast.expr]] = {}

    def contradict(self, node: ast.expr) -> str | None:
        """Why a name may be no tensor, if the function that it stands in says so."""
        if not isinstance(node, (ast.Name, ast.Attribute)) or not self._says(_used_as_container, node):
            return None
        return f"`{ast.unparse(node)}` is used like a container: what it holds would have to be detached"

    def show_tensor(self, node: ast.expr) -> bool:
        """Whether the function that an expression stands in uses it as only a tensor can be used."""
        if self._says(_used_as_tensor, node):
            return True
        containers = self._in_function(_joined, node)
        return bool(containers) and any(
            _equal(item, node) and any(_equal(container, joined) for joined in containers)
            for container, item in self._filled(node)
        )

    def _says(self, used: _Used, node: ast.expr) -> bool:
        return any(_equal(expression, node) for expression in self._in_function(used, node))

    def _in_function(self, used: _Used, node: ast.expr) -> list[ast.expr]:
        """What is used so in the function that a node stands in."""
        function = self._function(node.lineno)
        key = function, used
        if key not in self._known:
            self._known[key] = [expression for part in _own_nodes(function) for expression in used(part)]
        return self._known[key]

    def _filled(self, node: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
        """The lists of a function, and what is put into them."""
        for call in self._in_function(_filling, node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                yield call.func.value, call.args[-1]

    @cached_property
    def _functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, _FUNCTIONS)]

    def _function(self, line: int) -> ast.AST:
        around = [node for node in self._functions if node.lineno <= line <= (node.end_lineno or node.lineno)]
        return max(around, key=lambda node: node.lineno, default=self.tree)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of functions in it."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting += ast.iter_child_nodes(node)


def _equal(one: ast.AST, other: ast.AST) -> bool:
    """Whether two expressions are written alike."""
    return type(one) is type(other) and ast.dump(one) == ast.dump(other)


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


def _used_as_tensor(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Attribute):
        return [node.value] if node.attr in _ATTRIBUTES_OF_TENSORS else []
    if isinstance(node, ast.BinOp):
        return [node.left, node.right] if isinstance(node.op, _ARITHMETIC) else _beside_number(node)
    if isinstance(node, ast.UnaryOp):
        return [node.operand] if isinstance(node.op, ast.USub) else []
    if isinstance(node, ast.Subscript):
        return [node.value] if isinstance(node.slice, ast.Tuple) else []
    if isinstance(node, ast.FormattedValue):
        return [node.value] if node.format_spec is not None else []
    return _called_as_tensor(node) if isinstance(node, ast.Call) else []


def _beside_number(node: ast.BinOp) -> list[ast.expr]:
    """`0.1 * x` and `x + 1`: a number is added to no list, and only a whole one multiplies it."""
    if not isinstance(node.op, (ast.Add, ast.Mult)):
        return []
    numbers = float if isinstance(node.op, ast.Mult) else (int, float)
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(one, ast.Constant) and isinstance(one.value, numbers):
            return [other]
    return []


def _called_as_tensor(node: ast.Call) -> list[ast.expr]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS_OF_TENSORS:
        receiver = node.func.value
        if not (isinstance(receiver, ast.Name) and receiver.id in ("torch", "F", "np")):
            return [receiver]
    named = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
    if named in _NUMBERS or (named.startswith(_FUNCTIONAL) and named.rpartition(".")[2] not in _OF_ANYTHING):
        return list(node.args[:2])
    return []


def _joined(node: ast.AST) -> list[ast.expr]:
    """Lists that are made into one tensor."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return []
    torch = isinstance(node.func.value, ast.Name) and node.func.value.id in ("torch", "th")
    return [node.args[0]] if torch and node.func.attr in _JOINING else []


def _filling(node: ast.AST) -> list[ast.Call]:
    """Calls that put one thing into a list."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return []
    return [node] if node.func.attr in _FILLING and not isinstance(node.args[-1], ast.Starred) else []
