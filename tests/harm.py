"""The runtime oracle: runs a case under real torch and says which harm it shows.

A case is a function of a small program given as source text. The program is loaded afresh for every run,
seeded, and watched. What is seen:

- raises    the exception that ended the function
- lost      `queue.Empty`: the receiving side waited for an item that never came
- warns     every warning, also those torch gives only once per process
- noise     what was written to streams, to logging and into returned text; plain `print` is not listened to
- surprise  a leaf that requires grad, and is no parameter, in what the function returned
- gradient  what every backward leaves in `.grad`, compared with that of a twin: `good_x` is `bad_x` written right
- retains   autograd nodes, and bytes of the tensors they saved, that stay alive though nobody needs them

A gradient is wrong only beside the right one, and the linter's fix can't be its own yardstick. So a person writes
the program a second time, in another way (`no_grad` instead of `detach`), as the good case of the same name. Every
leaf that a backward reaches counts: a network that must get no gradient gets none in the twin. Gradients that are
zero everywhere are no gradients.

The last one needs care, since keeping a graph until its backward is the point of training. At the head of
every loop, at every call and return inside the case file and before every backward the live graph is walked
from all live tensors. A node is held for nothing at such a moment if no backward ever visits it, or if its
last backward is over and newer nodes have been made since: the next iteration has begun. After the call
everything counts that the returned object or the module still holds. A case retains if that number grows with
`steps`. test_harm.py runs the oracle on programs whose answer is known; an oracle that is right on those may
judge the others.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import io
import itertools
import linecache
import logging
import os
import queue
import random
import re
import struct
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from unittest import mock

os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import torch

FEW, MANY = 6, 18
"""The two numbers of iterations a case is run with; a bounded buffer of up to six graphs is no growth."""

_numbers = itertools.count()


@dataclass(eq=False)
class Token:
    """Stands for an autograd node without keeping it alive; remembers when a backward last visited it."""

    children: list[Token] = field(default_factory=list)
    used: int = -1


@dataclass(frozen=True)
class Held:
    """What is kept alive for nothing. There are no bytes without nodes, so nodes alone tell a leak."""

    nodes: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Snapshot:
    """The live graph at one moment: its nodes with what each has saved (storage -> bytes); the tick at which
    the newest node so far was first seen."""

    newest: int
    saved: dict[Token, dict[int, int]]


Gradients: TypeAlias = "tuple[tuple[tuple[int, ...], tuple[float, ...]], ...]"
"""What one backward left in the leaves it reached: shapes and values, in an order of their own."""


@dataclass(frozen=True)
class Observed:
    """What one run showed. `value` is a comparable copy of what the function returned."""

    error: str | None
    lost: bool
    warnings: tuple[str, ...]
    text: str
    surprise: bool
    value: object
    held: Held
    gradients: tuple[Gradients, ...] = ()


# --------------------------------------------------------------------------------------------- the graph


class Watch:
    """Takes snapshots of the live graph while a case runs.

    What nodes have saved is weighed only on demand: looking at a saved tensor gives it a Python object that
    lives as long as its node, and such objects would be taken for tensors of the case.
    """

    def __init__(self, weigh: bool = False) -> None:
        self.weigh = weigh
        self.tick = self.newest = 0
        self.snapshots: list[Snapshot] = []

    def look(self) -> None:
        """Walk the graph from every tensor that is alive now."""
        gc.collect()
        self.tick += 1
        roots = [t.grad_fn for t in _live_tensors() if t.grad_fn is not None]
        saved: dict[Token, dict[int, int]] = {}
        while roots:
            node = roots.pop()
            token = self._token(node)
            if token in saved:
                continue
            saved[token] = _saved(node) if self.weigh else {}
            following = [n for n, _ in node.next_functions if n is not None]
            token.children = [self._token(n) for n in following]
            roots.extend(following)
        self.snapshots.append(Snapshot(self.newest, saved))

    def _token(self, node: Any) -> Token:
        token = node.metadata.get("token")
        if token is None:
            self.newest = self.tick
            token = node.metadata["token"] = Token()
            if node.name() != "torch::autograd::AccumulateGrad":
                node.register_prehook(lambda _grads: self._visited(token))
        return token  # type: ignore[no-any-return]

    def _visited(self, token: Token) -> None:
        """A backward came here: what can be reached from here was needed."""
        waiting = [token]
        while waiting:
            each = waiting.pop()
            if each.used != self.tick:
                each.used = self.tick
                waiting.extend(each.children)

    def held(self) -> Held:
        """The most that was alive for nothing at any moment; the last snapshot is the one after the call."""
        *during, after = self.snapshots
        sets = [_sum(_needless(each), each.saved) for each in during] + [_sum(set(after.saved), after.saved)]
        return Held(max(h.nodes for h in sets), max(h.bytes for h in sets))


def _needless(now: Snapshot) -> set[Token]:
    return {token for token in now.saved if token.used < now.newest}


def _sum(tokens: set[Token], saved: dict[Token, dict[int, int]]) -> Held:
    storages: dict[int, int] = {}
    for token in tokens:
        storages.update(saved[token])
    return Held(len(tokens), sum(storages.values()))


def _live_tensors() -> list[torch.Tensor]:
    return [o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)]


def _saved(node: Any) -> dict[int, int]:
    """Storages of the tensors that a node keeps for its backward; nothing once they were freed."""
    found: dict[int, int] = {}
    for name in _saved_names(type(node)):
        with contextlib.suppress(RuntimeError, ValueError, AttributeError):
            value = getattr(node, name)
            for tensor in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                    storage = tensor.untyped_storage()
                    found[storage.data_ptr()] = storage.nbytes()
    return found


@functools.cache
def _saved_names(kind: type) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_") or name == "saved_tensors")


# ---------------------------------------------------------------------------------------------- running


def run(source: str, function: str, steps: int | None = None, watch: Watch | None = None) -> Observed:
    """Run one function of a program and report what was seen.

    `steps` is passed on where the function takes an argument. With a `watch` the graph is watched,
    which costs a walk over all live objects at every loop head.
    """
    _warm_up()
    filename = f"<case {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    gc.freeze()  # what is alive already is not the case's: the walks over live objects pass it by
    try:
        with _loaded(source, filename) as module:
            return _run(module, filename, source, function, steps, watch)
    finally:
        gc.unfreeze()
        del linecache.cache[filename]


@functools.cache
def _warm_up() -> None:
    """The first optimizer of a process makes torch import its compiler: seconds, and minutes when traced.

    One thread is enough for tensors this small, and adds up in the same order every time.
    """
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def takes_steps(source: str, function: str) -> bool:
    """Whether a case function takes the number of iterations."""
    nodes = ast.parse(source).body
    return any(isinstance(n, ast.FunctionDef) and n.name == function and bool(n.args.args) for n in nodes)


def _run(
    module: types.ModuleType,
    filename: str,
    source: str,
    function: str,
    steps: int | None,
    watch: Watch | None,
) -> Observed:
    case = getattr(module, function)
    arguments = (steps or FEW,) if takes_steps(source, function) else ()
    heads = _loop_heads(source)
    error, lost, value, result = None, False, None, None
    gradients: list[Gradients] = []
    _seed()
    with _listening() as heard, _collecting(gradients):
        try:
            with _tracing(watch, filename, heads) if watch else contextlib.nullcontext():
                result = case(*arguments)
        except queue.Empty:
            lost = True
        except Exception as exception:
            error = f"{type(exception).__name__}: {exception}"
        value = comparable(result)
    if watch:
        watch.look()
    text = heard.text.getvalue() + "\n".join(_texts(value))
    surprise = any(_is_loaded_leaf(tensor) for tensor in _tensors(result))
    held = watch.held() if watch else Held()
    return Observed(error, lost, tuple(heard.warnings), text, surprise, value, held, tuple(gradients))


@contextlib.contextmanager
def _collecting(found: list[Gradients]) -> Iterator[None]:
    """Write down what every backward leaves in the leaves it reaches."""
    backward = torch.autograd.backward

    def listening(tensors: Any, *args: Any, **kwargs: Any) -> None:
        roots = (tensors,) if isinstance(tensors, torch.Tensor) else tuple(tensors)
        leaves = _leaves(roots)
        backward(tensors, *args, **kwargs)
        grads = [leaf.grad for leaf in leaves if leaf.grad is not None and bool(leaf.grad.any())]
        found.append(tuple(sorted((tuple(g.shape), tuple(g.flatten().tolist())) for g in grads)))

    with mock.patch("torch.autograd.backward", listening):
        yield


def _leaves(roots: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    waiting: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen, found = set(waiting), []
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            found.append(node.variable)
        following = [n for n, _ in node.next_functions if n is not None and n not in seen]
        seen.update(following)
        waiting.extend(following)
    return found


@contextlib.contextmanager
def _loaded(source: str, filename: str) -> Iterator[types.ModuleType]:
    """The program as a module that pickle can find; its own plain prints go nowhere."""
    name = f"detachlint_case_{next(_numbers)}"
    module = types.ModuleType(name)
    module.__file__ = filename
    module.__dict__["print"] = _unheard_print
    sys.modules[name] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, filename, "exec"), module.__dict__)
        yield module
    finally:
        del sys.modules[name]
        module.__dict__.clear()


def _unheard_print(*values: object, sep: str = " ", end: str = "\n", file: Any = None, **_: object) -> None:
    if file is not None:
        file.write(sep.join(map(str, values)) + end)


def _seed() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@dataclass
class Heard:
    text: io.StringIO
    warnings: list[str]


@contextlib.contextmanager
def _listening() -> Iterator[Heard]:
    """Collect streams, logging of every level and every warning; leave torch and logging as they were."""
    heard = Heard(io.StringIO(), [])
    root = logging.getLogger()
    level, handler = root.level, logging.StreamHandler(heard.text)
    once = torch.is_warn_always_enabled()
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
        stack.callback(torch.set_warn_always, once)
        stack.callback(root.setLevel, level)
        stack.callback(root.removeHandler, handler)
        stack.callback(_close_figures)
        stack.enter_context(contextlib.redirect_stdout(heard.text))
        stack.enter_context(contextlib.redirect_stderr(heard.text))
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        torch.set_warn_always(True)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        yield heard
        heard.warnings.extend(f"{w.category.__name__}: {w.message}" for w in caught)


def _close_figures() -> None:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


def _loop_heads(source: str) -> frozenset[int]:
    loops = (ast.For, ast.While, ast.AsyncFor)
    return frozenset(n.lineno for n in ast.walk(ast.parse(source)) if isinstance(n, loops))


@contextlib.contextmanager
def _tracing(watch: Watch, filename: str, heads: frozenset[int]) -> Iterator[None]:
    """Look at the graph at calls, loop heads and returns inside the case file, and before every backward."""

    def looking_first(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            watch.look()
            return function(*args, **kwargs)

        return wrapper

    def inside(frame: types.FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "return" or (event == "line" and frame.f_lineno in heads):
            watch.look()
        return inside

    def anywhere(frame: types.FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        if frame.f_code.co_filename != filename:
            return None
        watch.look()
        return inside

    before = sys.gettrace()
    with (
        mock.patch("torch.autograd.backward", looking_first(torch.autograd.backward)),
        mock.patch("torch.autograd.grad", looking_first(torch.autograd.grad)),
    ):
        sys.settrace(anywhere)
        try:
            yield
        finally:
            sys.settrace(before)


# ----------------------------------------------------------------------------------------------- values


def comparable(value: Any) -> object:
    """A copy of a value in plain data, equal exactly when the values are, bit for bit.

    Whether a tensor requires grad is no part of its value, nor is the way text shows it.
    """
    if isinstance(value, torch.Tensor):
        plain = value.detach().cpu().contiguous()
        data = bytes(plain.flatten().view(torch.uint8).tolist())
        return ("tensor", str(plain.dtype), tuple(plain.shape), data)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return ("array", str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, np.generic):
        return ("scalar", str(value.dtype), value.tobytes())
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if value is None or isinstance(value, (int, str, bytes)):
        return value
    if isinstance(value, dict):
        return ("dict", tuple((comparable(k), comparable(v)) for k, v in value.items()))
    if isinstance(value, (list, tuple)) or type(value).__name__ in {"deque", "ndarray"}:
        return (type(value).__name__, tuple(comparable(v) for v in value))
    if type(value).__name__ in {"DataFrame", "Series"}:
        return (type(value).__name__, comparable(value.to_dict()))
    return ("object", type(value).__qualname__)


def quiet(value: object) -> object:
    """The value with what torch writes about autograd taken out of its texts."""
    if isinstance(value, str):
        return re.sub(r",\s*(grad_fn=<[^>]*>|requires_grad=True)", "", value)
    if isinstance(value, tuple):
        return tuple(quiet(v) for v in value)
    return value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


def _is_loaded_leaf(tensor: torch.Tensor) -> bool:
    return tensor.is_leaf and tensor.requires_grad and not isinstance(tensor, torch.nn.Parameter)


# ------------------------------------------------------------------------------------------------- harm


def shows(harm: str, text: str, source: str, function: str) -> tuple[bool, str]:
    """Whether a function of a program shows a harm, and what was seen, in words.

    `text` is what the exception or warning must say.
    """
    if harm == "retains":
        return _grows(source, function)
    if harm == "gradient":
        return _differs(source, function)
    seen = run(source, function)
    if harm == "raises":
        return seen.error is not None and text in seen.error, f"error: {seen.error}"
    if harm == "lost":
        return seen.lost, f"lost: {seen.lost}, error: {seen.error}"
    if harm == "warns":
        return any(text in w for w in seen.warnings), f"warnings: {seen.warnings}, error: {seen.error}"
    if harm == "noise":
        return "grad_fn=" in seen.text, f"text: {seen.text[-300:]!r}, error: {seen.error}"
    if harm == "surprise":
        return seen.surprise, f"returned: {seen.value!r}, error: {seen.error}"
    if harm == "none":
        return False, f"error: {seen.error}"
    raise ValueError(f"unknown harm {harm!r}")


def _grows(source: str, function: str) -> tuple[bool, str]:
    if not takes_steps(source, function):
        held = run(source, function, watch=Watch()).held
        return False, f"held {held}; without `steps` growth can't be seen"
    few, many = (run(source, function, n, watch=Watch()).held for n in (FEW, MANY))
    return many.nodes - few.nodes >= MANY - FEW, f"held after {FEW} steps {few}, after {MANY} steps {many}"


def twin(source: str, function: str) -> str | None:
    """The good case that a bad one's gradients are measured by: `good_x` of `bad_x`."""
    name = function.replace("bad_", "good_", 1)
    nodes = ast.parse(source).body
    exists = any(isinstance(n, ast.FunctionDef) and n.name == name for n in nodes)
    return name if exists and name != function else None


def _differs(source: str, function: str) -> tuple[bool, str]:
    """Whether a bad case's backwards leave other gradients than its twin's; a good one is its own yardstick."""
    right = twin(source, function)
    if right is None:
        if function.startswith("bad_"):
            raise ValueError(f"{function} has no twin {function.replace('bad_', 'good_', 1)}")
        return False, "a good case is its own yardstick"
    seen, wanted = run(source, function).gradients, run(source, right).gradients
    if not wanted:
        raise ValueError(f"{right} shows no gradients to compare with")
    first = next((i for i, (a, b) in enumerate(zip(seen, wanted, strict=False)) if not _alike(a, b)), None)
    if first is None and len(seen) == len(wanted):
        return False, f"{len(seen)} backwards leave the gradients of {right}"
    return True, f"{len(seen)} backwards of {len(wanted)}; the first to differ from {right}: {first}"


def _alike(seen: Gradients, wanted: Gradients) -> bool:
    if [shape for shape, _ in seen] != [shape for shape, _ in wanted]:
        return False
    pairs = zip(seen, wanted, strict=True)
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-7) for (_, a), (_, b) in pairs)
