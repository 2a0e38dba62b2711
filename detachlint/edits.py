"""From expressions to edits, and from edits to new source.

`detach_edits` turns syntax nodes into edits: `.detach()` behind an expression, with a pair of parentheses
where precedence asks for one. It knows nothing of rules; where a detach would not mean the same as detaching
the tensor (a tuple, a function, a string) it raises `NotFixable` with the reason. `apply_edits` makes all
edits of a source in one pass.
"""

from __future__ import annotations

import ast
import bisect
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from detachlint.findings import Edit, Location
from detachlint.positions import span, split_lines

_OPEN = "("
_CALL = ".detach()"
_CLOSE = ")" + _CALL

_BLANK_AFTER = re.compile(r"(?:[ \t\f\r\n]|\\\r?\n|\\\r|#[^\r\n]*)*")
_DEBUG_SPEC = re.compile(r"[ \t\f\r\n]*=[ \t\f\r\n]*[}!:]")
_LAST_WORD = re.compile(r"[^\W\d]\w*\Z")

# A parenthesis behind one of these groups an expression; behind any other word it calls something.
_GROUPING_WORDS = frozenset(
    "and as assert await del elif else for from if in is lambda not or raise return while with yield".split()
)

_BARE = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
_WRAPPED = (
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Await,
    ast.NamedExpr,
    ast.Yield,
    ast.YieldFrom,
)
_NO_TENSOR: dict[type[ast.expr], str] = {
    ast.Tuple: "a tuple has no detach(); its elements would have to be detached one by one",
    ast.List: "a list has no detach(); its elements would have to be detached one by one",
    ast.Set: "a set has no detach(); its elements would have to be detached one by one",
    ast.Dict: "a dict has no detach(); its values would have to be detached one by one",
    ast.ListComp: "a list has no detach(); its elements would have to be detached one by one",
    ast.SetComp: "a set has no detach(); its elements would have to be detached one by one",
    ast.DictComp: "a dict has no detach(); its values would have to be detached one by one",
    ast.GeneratorExp: "a generator has no detach(); what it yields would have to be detached",
    ast.Starred: "a starred argument stands for several values",
    ast.Lambda: "a function has no detach(); what it returns would have to be detached",
    ast.JoinedStr: "a string has no detach()",
    ast.FormattedValue: "a string has no detach()",
    ast.Constant: "a constant has no detach()",
    ast.Slice: "a slice has no detach()",
}


class NotFixable(Exception):
    """There is no edit that detaches this, or none that is known to be right; the text says why."""


# --- from expressions to edits --------------------------------------------------------------------


def detach_edits(source: str, nodes: Sequence[ast.expr]) -> tuple[Edit, ...]:
    """The edits that detach each of `nodes`, expressions of the tree of `source`.

    An opening parenthesis is always followed directly by the edit that closes it: `apply_edits` relies on it.
    Raises NotFixable when one of them can't be detached: a fix is all of its edits or none.
    """
    text = _text_of(source)
    units = dict.fromkeys(_detach(text, target) for node in nodes for target in _targets(node))
    return tuple(edit for unit in units for edit in unit)


def _targets(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions to detach for `node`: itself, or its branches where one of them is a constant."""
    branches = [node.body, node.orelse] if isinstance(node, ast.IfExp) else []
    if not any(isinstance(branch, ast.Constant) for branch in branches):
        yield node
        return
    tensors = [branch for branch in branches if not isinstance(branch, ast.Constant)]
    if not tensors:
        raise NotFixable(_NO_TENSOR[ast.Constant])
    for branch in tensors:
        yield from _targets(branch)


def _detach(text: _Text, node: ast.expr) -> tuple[Edit, ...]:
    _demand_tensor(node)
    start, end = text.span(node)
    _demand_own_text(text.source[start:end], node)
    if _DEBUG_SPEC.match(text.source, end):
        raise NotFixable("`{name=}` in an f-string prints its own source text")
    if isinstance(node, _BARE):
        return (text.insertion(end, _CALL),)
    closed = _closing_parenthesis(text.source, start, end)
    if closed is not None:
        return (text.insertion(closed, _CALL),)
    return (text.insertion(start, _OPEN), text.insertion(end, _CLOSE))


def _demand_tensor(node: ast.expr) -> None:
    """Refuse what can't be a tensor, or may be something else half of the time."""
    reason = _NO_TENSOR.get(type(node))
    if reason is None and not isinstance(node, _BARE + _WRAPPED):
        reason = f"{type(node).__name__} has no detach()"
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        reason = "an assignment target can't be detached"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        reason = "`not` gives a plain bool"
    if isinstance(node, ast.Compare) and not _compares_tensors(node):
        reason = "this comparison gives a plain bool"
    if isinstance(node, ast.BoolOp) and (
        isinstance(node.op, ast.And) or any(isinstance(value, ast.Constant) for value in node.values)
    ):
        reason = "`and`/`or` may give something that is no tensor here"
    if isinstance(node, ast.BinOp) and _is_text(node.left):
        reason = _NO_TENSOR[ast.JoinedStr]
    if reason is not None:
        raise NotFixable(reason)


def _compares_tensors(node: ast.Compare) -> bool:
    return len(node.ops) == 1 and isinstance(
        node.ops[0], (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
    )


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
    )


def _demand_own_text(segment: str, node: ast.expr) -> None:
    """Refuse a node whose position does not fit the text: f-strings before Python 3.12 give such."""
    tree = parsed(f"({segment}\n)")
    statement = tree.body[0] if tree is not None and len(tree.body) == 1 else None
    if not isinstance(statement, ast.Expr) or inserted_calls(node, statement.value) != 0:
        raise NotFixable("its exact place inside the string is not known")


def _closing_parenthesis(source: str, start: int, end: int) -> int | None:
    """The offset behind the parenthesis that groups just this expression; None where none is seen.

    Only what can be seen without doubt counts: a comment on the way, or a word that could be called, and
    the expression gets a pair of its own, which is never wrong.
    """
    blank = _BLANK_AFTER.match(source, end)
    closing = blank.end() if blank else end
    opening = _last_code(source, start)
    if not source.startswith(")", closing) or opening is None or source[opening] != "(":
        return None
    before = _last_code(source, opening)
    if before is None:
        return closing + 1 if source[:opening].strip() == "" else None
    word = _LAST_WORD.search(source[max(0, before - 80) : before + 1])
    if word and word.group() not in _GROUPING_WORDS:
        return None
    if not word and (source[before] in ")]}'\"`." or source[before].isalnum()):
        return None
    return closing + 1


def _last_code(source: str, end: int) -> int | None:
    """The offset of the last character of code before `end`; None if none, or if a comment may hide it."""
    index = end
    while index > 0:
        index -= 1
        if source[index] in " \t\f\r\n" or (
            source[index] == "\\" and source[index + 1 : index + 2] in ("\r", "\n")
        ):
            continue
        line = max(source.rfind("\n", 0, index), source.rfind("\r", 0, index)) + 1
        return None if "#" in source[line : index + 1] else index
    return None


class _Text:
    """A source with both ways to name a place in it: rows and columns, and offsets into the string."""

    __slots__ = ("lines", "source", "starts")

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines = split_lines(source)
        self.starts = [0, *accumulate(map(len, self.lines))]

    def span(self, node: ast.expr) -> tuple[int, int]:
        start, end = span(self.lines, node)
        return self.offset(start), self.offset(end)

    def offset(self, location: Location) -> int:
        """The offset of a place; the start of the line behind the last one is the end of the text."""
        row, column = location.row, location.column
        length = len(self.lines[row - 1]) if 0 < row <= len(self.lines) else 0
        if not 0 < row <= len(self.starts) or not 0 < column <= length + 1:
            raise NotFixable(f"there is no line {row} with a column {column}")
        return self.starts[row - 1] + column - 1

    def insertion(self, offset: int, content: str) -> Edit:
        row = bisect.bisect_right(self.starts, offset, hi=max(1, len(self.lines)))
        place = Location(row, offset - self.starts[row - 1] + 1)
        return Edit(place, place, content)


@lru_cache(maxsize=1)
def _text_of(source: str) -> _Text:
    """A source is asked for again and again, once for each of its findings."""
    return _Text(source)


# --- from edits to new source ---------------------------------------------------------------------


def apply_edits(source: str, edits: Iterable[Edit]) -> str:
    """The source after all of `edits`, whose places all refer to the source as given.

    The same edit given twice is done once. Where several expressions end at one place the inner one is closed
    first. Raises NotFixable if two edits want to replace the same text differently.
    """
    text = _text_of(source)
    pieces: list[str] = []
    done = 0
    for start, end, content in _in_order(text, edits):
        if start < done:
            raise NotFixable("two fixes want to change the same text")
        pieces += [source[done:start], content]
        done = end
    return "".join([*pieces, source[done:]])


def _in_order(text: _Text, edits: Iterable[Edit]) -> list[tuple[int, int, str]]:
    """Edits as offsets, sorted by place; at one place the closing of inner expressions comes first."""
    keyed: list[tuple[int, int, int, str]] = []
    for edit in (edit for unit in dict.fromkeys(_units(edits)) for edit in unit):
        start, end = text.offset(edit.location), text.offset(edit.end_location)
        # At one place: `.detach()` of an inner name, then the closings (which are all alike), then
        # openings, then whatever replaces the text that follows.
        rank = 1 if edit.content == _CLOSE else 0 if edit.content == _CALL else 2 if start == end else 3
        keyed.append((start, rank, end, edit.content))
    return [(start, end, content) for start, _, end, content in sorted(keyed)]


def _units(edits: Iterable[Edit]) -> Iterator[tuple[Edit, ...]]:
    """Edits as they belong together: an opening parenthesis with its closing one, all others alone."""
    pending = iter(edits)
    for edit in pending:
        if edit.content != _OPEN or edit.location != edit.end_location:
            yield (edit,)
            continue
        closing = next(pending, None)
        if closing is None or closing.content != _CLOSE:
            raise NotFixable("a parenthesis is opened that nothing closes")
        yield (edit, closing)


def added_calls(edits: Iterable[Edit]) -> int:
    """How many `.detach()` calls these edits insert."""
    return sum(unit[-1].content in (_CALL, _CLOSE) for unit in dict.fromkeys(_units(edits)))


# --- trees ----------------------------------------------------------------------------------------


def parsed(source: str) -> ast.Module | None:
    """The tree, or None for what the parser refuses in any of its ways."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are for the program's owner to hear of
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def inserted_calls(old: ast.AST, new: ast.AST) -> int | None:
    """How many `.detach()` calls `new` has more than `old`; None if they differ in anything else.

    Not recursive: a chain of two thousand calls is a tree as deep.
    """
    count = 0
    pending: list[tuple[object, object]] = [(old, new)]
    while pending:
        before, after = pending.pop()
        if isinstance(after, ast.AST) and not (_detached(before) and _detached(after)):
            while (inner := _detached(after)) is not None:
                count += 1
                after = inner
        if type(before) is not type(after):
            return None
        if isinstance(before, list) and isinstance(after, list):
            if len(before) != len(after):
                return None
            pending += zip(before, after, strict=True)
        elif isinstance(before, ast.AST):
            pending += [(getattr(before, name, None), getattr(after, name, None)) for name in before._fields]
        elif before != after and repr(before) != repr(after):
            return None
    return count


def _detached(node: object) -> ast.expr | None:
    """`x` if the node is `x.detach()`."""
    if (
        not isinstance(node, ast.Call)
        or node.args
        or node.keywords
        or not isinstance(node.func, ast.Attribute)
    ):
        return None
    return node.func.value if node.func.attr == "detach" else None
