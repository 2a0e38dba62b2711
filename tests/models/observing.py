"""Run a torch callable and write down which of its outputs require grad, then ask whether a model agrees.

An outcome is `True` or `False` for a tensor (does it require grad?), a tuple of outcomes for a tuple or list,
and the type's name for anything else.
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_iter, tree_map
from torch_samples import CALLS, INTO

SAMPLES_OF_AN_OPERATOR = 3
NAMESPACES = {
    "torch": torch,
    "torch.Tensor": torch.Tensor,
    "torch.nn.functional": F,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
}

# The words of the models are coarser than torch here: an option that few use changes the number of outputs.
SAYS_LESS = frozenset(
    """
    torch.unique torch.unique_consecutive torch.Tensor.unique torch.Tensor.unique_consecutive
    torch.nn.functional.max_pool1d torch.nn.functional.max_pool2d torch.nn.functional.max_pool3d
    torch.nn.functional.adaptive_max_pool1d torch.nn.functional.adaptive_max_pool2d
    torch.nn.functional.adaptive_max_pool3d torch.nn.functional.fractional_max_pool2d
    torch.nn.functional.fractional_max_pool3d torch.nn.utils.rnn.pack_padded_sequence
    torch.nn.utils.rnn.pack_sequence
    """.split()
)
# With grad mode off they sometimes return their input or a view of it, depending on numbers.
SOMETIMES_A_VIEW = frozenset(
    {"torch.cartesian_prod", "torch.masked.prod", "torch.histogramdd", "torch.normal"}
)
# They return their input only where it has the type already: not in the database's samples.
RARELY_A_VIEW = frozenset(
    """
    torch.Tensor.to torch.Tensor.type torch.Tensor.double torch.Tensor.half torch.Tensor.bfloat16
    torch.Tensor.__getitem__ torch.nn.functional.dropout torch.nn.functional.dropout1d
    torch.nn.functional.dropout2d torch.nn.functional.dropout3d torch.nn.functional.alpha_dropout
    torch.nn.functional.feature_alpha_dropout torch.dropout torch.alpha_dropout torch.feature_dropout
    torch.feature_alpha_dropout
    """.split()
)
# Their names don't show that they work in place.
IN_PLACE: frozenset[str] = frozenset()
# The database gives them numbers only; the samples give them tensors.
RECEIVES_NUMBERS = frozenset({"torch.Tensor.fill_"})

torch.set_num_threads(1)  # small tensors, and several test processes


@dataclass
class Seen:
    """The outcomes of a callable with grad mode on and off, and of its receiver that was clear before."""

    on: set[object] = field(default_factory=set)
    off: set[object] = field(default_factory=set)
    receiver: set[object] = field(default_factory=set)
    errors: set[str] = field(default_factory=set)


def reseed() -> None:
    """Like `torch.manual_seed(0)`, which for the sake of CUDA writes down the whole stack: it is called ten thousand times."""
    torch.default_generator.manual_seed(0)


def outcome(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.requires_grad
    if isinstance(value, tuple | list):
        return tuple(outcome(item) for item in value)
    return type(value).__name__


def flat(outcomes: object) -> list[object]:
    if isinstance(outcomes, tuple | set | frozenset | list):
        return [leaf for item in outcomes for leaf in flat(item)]
    return [outcomes]


def lifted(value: object) -> object:
    """A tracked non-leaf copy of a floating-point tensor; anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().clone()
    if not (value.is_floating_point() or value.is_complex()):
        return value
    with torch.enable_grad():
        return value.requires_grad_().clone()


def tracked_inputs(*values: object) -> int:
    return sum(isinstance(leaf, torch.Tensor) and leaf.requires_grad for leaf in tree_iter(values))


def public(name: str) -> bool:
    found: object = torch
    for part in name.split(".")[1:]:
        if part.startswith("_") and not part.startswith("__"):
            return False
        found = getattr(found, part, None)
    return callable(found)


@cache
def operators() -> dict[str, Seen]:
    """What torch's operator database shows of every public function, method and in-place method."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _operators()


def _operators() -> dict[str, Seen]:
    from torch.testing._internal.common_methods_invocations import op_db

    seen: dict[str, Seen] = defaultdict(Seen)
    for op in op_db:
        dtypes = op.supported_dtypes("cpu")
        dtype = torch.float32 if torch.float32 in dtypes else next(iter(dtypes), None)
        if dtype is None:
            continue
        # Not op.sample_inputs: it walks the whole stack for every sample, which under pytest takes minutes.
        samples = op.sample_inputs_func(op, "cpu", dtype, False)
        samples = list(itertools.islice(samples, SAMPLES_OF_AN_OPERATOR))
        for name, call, in_place in _forms(op):
            for number, sample in enumerate(samples if public(name) else ()):
                _run(seen[name], call, sample, in_place, (True, False) if number == 0 else (True,))
    return dict(seen)


def _forms(op: object) -> Iterator[tuple[str, Callable[..., object], bool]]:
    forms = [(op.name, op.op, op.get_method(), op.get_inplace())]
    forms += [(alias.name, alias.op, alias.method_variant, alias.inplace_variant) for alias in op.aliases]
    for name, function, method, in_place in forms:
        last = name.rpartition(".")[2]
        if function is not None:
            yield f"torch.{name}", function, False
        if method is not None and hasattr(torch.Tensor, last):
            yield f"torch.Tensor.{last}", method, False
        if in_place is not None and hasattr(torch.Tensor, f"{last}_"):
            yield f"torch.Tensor.{last}_", in_place, True


def _run(
    seen: Seen, call: Callable[..., object], sample: object, in_place: bool, modes: tuple[bool, ...]
) -> None:
    for mode in modes:
        outcomes = seen.on if mode else seen.off
        given, args, kwargs = tree_map(lifted, (sample.input, sample.args, sample.kwargs))
        reseed()
        # A factory without a tracked input proves nothing of what it does with one.
        with torch.set_grad_enabled(mode):
            try:
                outcomes.add((tracked_inputs(given, args, kwargs) > 0, outcome(call(given, *args, **kwargs))))
            except (RuntimeError, ValueError, TypeError, AssertionError, NotImplementedError) as error:
                seen.errors.add(str(error).partition("\n")[0])
    given, args, kwargs = tree_map(lifted, (sample.input, sample.args, sample.kwargs))
    if not in_place or not isinstance(given, torch.Tensor):
        return
    given = given.detach()
    try:
        call(given, *args, **kwargs)
    except (RuntimeError, ValueError, TypeError):
        return
    seen.receiver.add((tracked_inputs(args, kwargs) > 0, given.requires_grad))


@cache
def samples() -> dict[str, Seen]:
    """What the hand-written calls show."""
    seen: dict[str, Seen] = defaultdict(Seen)
    for line in CALLS.split("\n"):
        if line:
            _run_line(seen[called(line)], line)
    for name in INTO.split():
        buffer = torch.zeros(4)
        _RECEIVE.get(name, _fill)(buffer, name)
        seen[f"torch.Tensor.{name}"].receiver.add((True, buffer.requires_grad))
    return dict(seen)


def called(line: str) -> str:
    """The callable that a line calls: `F.relu(...)`, `t(3).relu()`."""
    expression = ast.parse(line, mode="eval").body
    function = expression.func
    name = ast.unparse(function)
    if name.startswith("torch.") and "(" not in name:
        return name
    if name.startswith("F.") and "(" not in name:
        return name.replace("F.", "torch.nn.functional.", 1)
    return f"torch.Tensor.{function.attr}"


def _run_line(seen: Seen, line: str) -> None:
    for mode, outcomes in ((True, seen.on), (False, seen.off)):
        reseed()
        with torch.set_grad_enabled(mode), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes.add((True, outcome(eval(line, VOCABULARY))))


def t(*shape: int) -> torch.Tensor:
    with torch.enable_grad():
        return torch.rand(shape, requires_grad=True) * 0.5 + 0.3


def c(*shape: int) -> torch.Tensor:
    return torch.rand(shape)


def s(size: int) -> torch.Tensor:
    with torch.enable_grad():
        square = torch.rand(size, size, requires_grad=True)
        return square @ square.T + size * torch.eye(size)


def sparse() -> torch.Tensor:
    with torch.enable_grad():
        return torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 2]]), t(2), (3, 3))


def quantised(*shape: int) -> torch.Tensor:
    return torch.quantize_per_tensor(t(*(shape or (1, 1, 4, 4))), 0.1, 0, torch.quint8)


def quantised_by_channel() -> torch.Tensor:
    return torch.quantize_per_channel(t(2, 3), c(2), torch.zeros(2), 0, torch.quint8)


def graded() -> torch.nn.Parameter:
    parameter = torch.nn.Parameter(torch.rand(3))
    parameter.grad = torch.rand(3)
    return parameter


def graph() -> tuple[torch.Tensor, torch.Tensor]:
    with torch.enable_grad():
        leaf = torch.rand(3, requires_grad=True)
        return leaf.sin().sum(), leaf


VOCABULARY = {
    "torch": torch,
    "F": F,
    "np": np,
    "t": t,
    "c": c,
    "s": s,
    "sparse": sparse,
    "graded": graded,
    "quantised": quantised,
    "quantised_by_channel": quantised_by_channel,
    "graph": graph,
    "idx": torch.tensor([0, 1]),
}
_INDEX = torch.tensor([0, 1])


def _fill(buffer: torch.Tensor, name: str) -> None:
    getattr(buffer, name)(t() if name == "fill_" else t(4))


def _indexed(buffer: torch.Tensor, name: str) -> None:
    getattr(buffer, name)(0, _INDEX, t() if name == "index_fill_" else t(2))


def _masked(buffer: torch.Tensor, name: str) -> None:
    getattr(buffer, name)(buffer == 0, t() if name == "masked_fill_" else t(4))


_RECEIVE = {
    **dict.fromkeys(("index_fill_", "index_copy_", "index_add_", "scatter_", "scatter_add_"), _indexed),
    **dict.fromkeys(("masked_fill_", "masked_scatter_"), _masked),
    "index_put_": lambda buffer, name: buffer.index_put_((_INDEX,), t(2)),
    "put_": lambda buffer, name: buffer.put_(_INDEX, t(2)),
    "addcmul_": lambda buffer, name: buffer.addcmul_(t(4), t(4)),
    "addcdiv_": lambda buffer, name: buffer.addcdiv_(t(4), t(4)),
    "lerp_": lambda buffer, name: buffer.lerp_(t(4), 0.5),
}


def listed(name: str, patterns: str) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns.split()
    )


def levels(outcome: object) -> int:
    """How deep tuples nest in an outcome."""
    return 1 + max(map(levels, outcome), default=0) if isinstance(outcome, tuple) else 0


def nested_otherwise(result: object, said: int | None, seen: Seen) -> str | None:
    """Where torch's tuples and the model's differ; options make a tuple of some results."""
    found = {levels(one) for _, one in seen.on | seen.off}
    if said is None or result not in ("derived", "view") or found == {said} or (said == 0 and 0 in found):
        return None
    return f"model says {said} levels of tuples, torch gives {sorted(found)}"


def disagreement(name: str, result: object, seen: Seen) -> str | None:
    """Where torch and the model differ, or None."""
    on = {result for tracked, result in seen.on if tracked}
    off = {result for tracked, result in seen.off if tracked}
    clear = {result for tracked, result in seen.on if not tracked}
    if name.endswith("_") and not name.endswith("__") and result not in ("same", "into", "cut"):
        return f"model says {result} of an in-place method"
    if not (name.endswith("_") or name in IN_PLACE) and result in ("same", "into"):
        return f"model says {result}, but it is no in-place method"
    receiver = {now for tracked, now in seen.receiver if tracked}
    if receiver and (True in receiver) != (result == "into"):
        return f"model says {result}, a clear receiver of tracked arguments then tracks: {receiver}"
    if result == "into" and seen.receiver and not receiver and name not in RECEIVES_NUMBERS:
        return "model says into, but nothing tracked can be given to it"
    if not on:
        return _without_tracked_inputs(result, clear)
    if True in flat(clear) and result != "leaf":
        return f"model says {result}, but without a tracked input torch gives {clear}"
    if not _fits(name, result, on):
        return f"model says {result}, torch gives {sorted(map(str, on))}"
    if (
        result in ("derived", "reduce", "pair", "packed")
        and name not in SOMETIMES_A_VIEW
        and True in flat(off)
    ):
        return f"model says {result}, but with grad mode off torch still gives {sorted(map(str, off))}"
    if result == "view" and name not in RARELY_A_VIEW and True not in flat(off):
        return f"model says view, but with grad mode off torch gives {sorted(map(str, off))}"
    return None


def _without_tracked_inputs(result: object, clear: set[object]) -> str | None:
    """Factories and operations on integers: they give clear tensors, or none."""
    leaves = flat(clear)
    if not leaves:
        return None
    tensors = any(isinstance(leaf, bool) for leaf in leaves)
    allowed = ("fresh", "cut", "same") if tensors else ("plain", "none")
    if True in leaves or result not in allowed:
        return f"model says {result}, without a tracked input torch gives {clear}"
    return None


def _fits(name: str, result: object, on: set[object]) -> bool:
    leaves = [leaf for leaf in flat(on) if isinstance(leaf, bool)]
    if isinstance(result, tuple):
        expected = tuple(word == "derived" for word in result)
        return all(isinstance(one, tuple) and one == expected[: len(one)] for one in on)
    if name in SAYS_LESS:
        return result in ("derived", "packed") and all(flat(one)[0] is True for one in on)
    if result in ("derived", "view", "leaf", "argument"):
        return bool(leaves) and all(leaves)
    if result in ("cut", "fresh"):
        return bool(leaves) and not any(leaves)
    if result in ("plain", "none", "text", "number"):
        return not leaves
    if result == "reduce":
        return on == {True, (True, False)}
    if result == "pair":
        return on == {(True, False)}
    return result in ("same", "into") and all(leaves)
