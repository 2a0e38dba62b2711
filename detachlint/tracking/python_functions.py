"""Python's own functions that move values around and keep their structure."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from detachlint.tracking import calls, containers, expressions, methods, targets
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.places import element
from detachlint.tracking.values import (
    NONE,
    PLAIN,
    Container,
    Function,
    GradMode,
    Instance,
    Library,
    Method,
    Object,
    Partial,
    Plain,
    Sequence,
    Tensor,
    Tuple,
    Unknown,
    Value,
    join_all,
)

_Handler = Callable[[Frame, ast.AST, Arguments], Value]


def call(frame: Frame, node: ast.AST, name: str, arguments: Arguments) -> Value | None:
    """What calling the function `name` gives, if it is one of these."""
    handler = _FUNCTIONS.get(name)
    return None if handler is None else handler(frame, node, arguments)


def _each(frame: Frame, node: ast.AST, arguments: Arguments) -> list[Value]:
    return [expressions.iterate(frame, value, node) for value in arguments.positional]


def _left_behind(arguments: Arguments) -> GradMode | None:
    """The grad mode of a suspended generator among these."""
    modes = (value.mode for value in arguments.positional if isinstance(value, Sequence))
    return next((mode for mode in modes if mode is not None), None)


def _zip(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    if arguments.hidden:
        return _columns(frame, node, [*arguments.positional, *arguments.hidden])
    return Sequence(Tuple(tuple(_each(frame, node, arguments))), mode=_left_behind(arguments))


def _columns(frame: Frame, node: ast.AST, rows: list[Value]) -> Value:
    """`zip(*rows)` turns rows into columns: each column holds one field of every row."""
    only = rows[0] if len(rows) == 1 else None
    if isinstance(only, Tuple):
        return Tuple(tuple(Sequence(field) for field in only.items))
    joined = join_all(expressions.iterate(frame, row, node) for row in rows) or PLAIN
    known = only.rows if isinstance(only, Sequence) else ()
    return Sequence(Sequence(joined), tuple(Tuple(tuple(map(Sequence, row.items))) for row in known))


def _enumerate(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return Sequence(Tuple((PLAIN, *_each(frame, node, arguments)[:1])), mode=_left_behind(arguments))


def _map(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    function, *rest = arguments.positional or (PLAIN,)
    values = tuple(expressions.iterate(frame, value, node) for value in rest)
    return Sequence(calls.call_value(frame, node, function, Arguments(values)))


def _filter(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return Sequence(_each(frame, node, arguments)[-1]) if arguments.positional else PLAIN


def _same_elements(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return Sequence(_each(frame, node, arguments)[0]) if arguments.positional else PLAIN


def _list(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    if not arguments.positional:
        return containers.make(frame, node, [])
    value = arguments.positional[0]
    if isinstance(value, Tuple):
        return containers.make(frame, node, value.items)
    if isinstance(value, (Unknown, Instance)):
        return value
    found = containers.make(frame, node, [], keyed=False)
    containers.add(frame, found, expressions.iterate(frame, value, node))
    return found


def _deque(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    found = _list(frame, node, arguments)
    bounded = arguments.get(1, "maxlen") not in (None, NONE)
    return replace(found, kind="ring") if bounded and isinstance(found, Container) else found


def _tuple(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    if not arguments.positional:
        return Tuple(())
    value = arguments.positional[0]
    if isinstance(value, (Tuple, Unknown)):
        return value
    return Sequence(expressions.iterate(frame, value, node))


def _dict(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    found = containers.make(frame, node, [], kind="dict")
    for value in arguments.positional + arguments.hidden:
        if isinstance(value, Container):
            containers.update(frame, found, value)
            continue
        pair = expressions.iterate(frame, value, node)
        if isinstance(pair, Tuple) and len(pair.items) == 2:
            containers.add(frame, found, pair.items[1])
    for key, value in arguments.keywords.items():
        containers.put(frame, found, Plain(key), value)
    return found


def _defaultdict(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    found = containers.make(frame, node, [], kind="dict")
    factory = arguments.get(0)
    if factory is not None:
        # What the factory makes is allocated by itself, not by the dict's own expression.
        written = arguments.expressions[0] if arguments.expressions else None
        made = calls.call_value(frame, written or node, factory, Arguments())
        containers.add(frame, found, made)
    return found


def _next(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    if not arguments.positional:
        return PLAIN
    values = [expressions.iterate(frame, arguments.positional[0], node), *arguments.positional[1:2]]
    return join_all(values) or PLAIN


def _first(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return arguments.positional[0] if arguments.positional else PLAIN


def _sum(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    value = arguments.positional[0] if arguments.positional else PLAIN
    leaves = expressions.flatten(frame, value)
    return _combined(frame, node, [*leaves, *arguments.positional[1:2]])


def _extreme(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return _combined(
        frame, node, [leaf for v in arguments.positional for leaf in expressions.flatten(frame, v)]
    )


def _combined(frame: Frame, node: ast.AST, leaves: list[Value]) -> Value:
    carriers = [leaf for leaf in leaves if isinstance(leaf, (Tensor, Unknown))]
    if not carriers:
        return PLAIN
    return expressions.derive(frame, node, carriers, summed=True)


def _getattr(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    from detachlint.tracking import classes

    base, name = arguments.get(0), arguments.get(1)
    if base is None or not isinstance(name, Plain) or not isinstance(name.constant, str):
        if isinstance(base, Library):
            return Library(f"{base.name}.__dict__")
        return frame.analysis.unknown(frame.analysis.keys("item", node))
    return classes.attribute_of(frame, base, name.constant, node)


def _setattr(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    base, name, value = (arguments.get(position) for position in range(3))
    if base is not None and name is not None and value is not None:
        targets.store_attribute_named(frame, base, name, value)
    return NONE


def _partial(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    if not arguments.positional:
        return PLAIN
    return Partial(arguments.positional[0], arguments.positional[1:], tuple(arguments.keywords.items()))


def _thread(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    """Grad mode is a thread's own: a new one begins with it on, wherever it is started."""
    before, frame.live.mode = frame.live.mode, GradMode.ON
    made = methods.call_unknown(frame, node, None, arguments)
    if frame.state is not None:
        frame.state.mode = before
    return made


def _text(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return expressions.text_of(frame, node, arguments.get(0) or PLAIN)


def _question(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    for value in arguments.values():
        expressions.measure(frame, value, node)
    return PLAIN


def _chain(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return Sequence(join_all(_each(frame, node, arguments)) or PLAIN)


def _chain_nested(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    inner = _each(frame, node, arguments)
    return Sequence(expressions.iterate(frame, inner[0], node)) if inner else PLAIN


def _named_tuple(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    """`namedtuple("Row", "a b")` makes a class whose calls give tuples with these fields."""
    given = arguments.get(1, "field_names")
    if isinstance(given, Plain) and isinstance(given.constant, str):
        names = tuple(given.constant.replace(",", " ").split())
    else:
        leaves = expressions.flatten(frame, given or PLAIN)
        names = tuple(str(leaf.constant) for leaf in leaves if isinstance(leaf, Plain))
    return Partial(Library("builtins.namedtuple"), (Plain(names),), ())


def _record(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    first, *values = arguments.positional
    fields = first.constant if isinstance(first, Plain) and isinstance(first.constant, tuple) else ()
    given = dict(zip(fields, values, strict=False)) | dict(arguments.keywords)
    rest = join_all(arguments.starred)
    if rest is not None:
        # `Row(*([] for _ in Row._fields))`: any field that is not written out holds any of them.
        given = dict.fromkeys(fields, rest) | given
    if set(given) == set(fields):
        return Tuple(tuple(given[name] for name in fields), fields)
    return Tuple((*values, *arguments.keywords.values()))


def _progress_bar(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    """A bar is an object of its own that iterates like what it wraps."""
    site = frame.site(node, "object")
    wrapped = arguments.get(0, "iterable")
    if wrapped is not None:
        frame.put(element(site), expressions.iterate(frame, wrapped, node))
    return Object("tqdm.tqdm", site)


def _cached(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    first = arguments.get(0)
    return (
        first
        if isinstance(first, (Function, Method))
        else frame.analysis.unknown(frame.analysis.keys("call", node))
    )


def _nothing(frame: Frame, node: ast.AST, arguments: Arguments) -> Value:
    return NONE


_FUNCTIONS: dict[str, _Handler] = {
    "builtins.zip": _zip,
    "itertools.zip_longest": _zip,
    "itertools.product": _zip,
    "builtins.enumerate": _enumerate,
    "builtins.map": _map,
    "itertools.starmap": _map,
    "builtins.filter": _filter,
    "builtins.reversed": _same_elements,
    "builtins.iter": _same_elements,
    "builtins.sorted": _same_elements,
    "itertools.cycle": _same_elements,
    "itertools.islice": _same_elements,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_nested,
    "builtins.list": _list,
    "builtins.set": _list,
    "builtins.frozenset": _list,
    "collections.deque": _deque,
    "queue.Queue": _list,
    "builtins.tuple": _tuple,
    "builtins.dict": _dict,
    "collections.OrderedDict": _dict,
    "collections.Counter": _dict,
    "types.SimpleNamespace": _dict,
    "collections.defaultdict": _defaultdict,
    "builtins.next": _next,
    "typing.cast": lambda frame, node, arguments: arguments.get(1) or PLAIN,
    "builtins.str": _text,
    "builtins.repr": _text,
    "builtins.sum": _sum,
    "builtins.max": _extreme,
    "builtins.min": _extreme,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "collections.namedtuple": _named_tuple,
    "builtins.namedtuple": _record,
    "tqdm.tqdm": _progress_bar,
    "tqdm.trange": _progress_bar,
    "functools.partial": _partial,
    "threading.Thread": _thread,
    "threading.Timer": _thread,
    "functools.lru_cache": _cached,
    "functools.cache": _cached,
    "functools.wraps": _cached,
    "contextlib.nullcontext": _first,
    "builtins.isinstance": _question,
    "builtins.hasattr": _question,
    "builtins.len": _question,
    "builtins.id": _question,
    "builtins.type": _question,
    "builtins.callable": _question,
    "builtins.range": lambda frame, node, arguments: PLAIN,
    "builtins.super": _nothing,
}
