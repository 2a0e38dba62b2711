"""What the models say of torch's operators, functions and methods is what torch does when it is run."""

from __future__ import annotations

import inspect

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("expecttest", reason="torch's operator database needs expecttest")

import observing
import torch
from torch_samples import OUT_OF_REACH, REFUSING

from detachlint import models

MODELS = models.load()


@pytest.fixture(scope="module")
def operators():
    return observing.operators()


@pytest.fixture(scope="module")
def samples():
    return observing.samples()


# They are given clear tensors only, or are tested as sinks.
SINKS = frozenset({"torch.utils.dlpack.from_dlpack"})


def disagreements(seen):
    found = {}
    for name, observed in seen.items():
        model = MODELS.call(name)
        if model is None:
            problem = None if not observed.on else "no model"
        else:
            problem = observing.disagreement(name, model.result, observed)
            problem = problem or observing.nested_otherwise(model.result, model.levels, observed)
            refuses = model.sink not in (None, "scalar")
            if refuses and any(tracked for tracked, _ in observed.on) and name not in SINKS:
                problem = f"takes tensors that require grad, the model says {model.sink}"
        if problem:
            found[name] = problem
    return found


def test_operators_and_samples(operators, samples, record_property):
    """One test, so that torch's database is run in one process only."""
    assert disagreements(operators) == {}
    assert disagreements(samples) == {}
    assert sum(bool(seen.on) for seen in operators.values()) > 1000
    checked, out_of_reach, no_tensor, without_reason = public_callables(operators, samples)
    share = checked / (checked + out_of_reach)
    record_property(
        "figure",
        f"{checked} callables of torch checked, {out_of_reach} unknown on purpose ({share:.1%} checked),"
        f" {no_tensor} give no tensor",
    )
    assert without_reason == []
    assert share > 0.95


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", [line for line in REFUSING.split("\n") if line])
def test_what_takes_no_tensor_that_requires_grad(line):
    """It raises, some of it in every grad mode, or takes whole numbers only; of a clear tensor it makes a clear one."""
    whole = "gcd_" in line or "lcm_" in line
    clear = (lambda *shape: torch.ones(shape, dtype=torch.int)) if whole else observing.c
    assert not eval(line, {**observing.VOCABULARY, "x": clear}).requires_grad
    errors = (RuntimeError, TypeError, NotImplementedError, BufferError)
    with pytest.raises(errors):
        eval(line, {**observing.VOCABULARY, "x": observing.t})
    if any(name in line for name in ("resize_(4)", "apply_", "from_dlpack")):
        with torch.no_grad(), pytest.raises(errors):
            eval(line, {**observing.VOCABULARY, "x": observing.t})


@pytest.mark.parametrize("name", OUT_OF_REACH["was removed from torch, raises"].split())
def test_what_was_removed_raises(name):
    function = torch
    for part in name.split(".")[1:]:
        function = getattr(function, part)
    with pytest.raises(
        (RuntimeError, TypeError, NotImplementedError), match=r"removed|deprecated|missing|argument"
    ):
        function(observing.t(3, 3), observing.t(3, 3))


def public_callables(operators, samples):
    """How many of the public callables that can give a tensor are run; the rest has a reason."""
    checked, out_of_reach, no_tensor, without_reason = 0, 0, 0, []
    refusing = {observing.called(line) for line in REFUSING.split("\n") if line}
    for name in names():
        if any(name in seen and seen[name].on for seen in (operators, samples)) or name in refusing:
            checked += 1
        elif any(observing.listed(name, OUT_OF_REACH[reason]) for reason in NO_TENSOR):
            no_tensor += 1
        elif any(observing.listed(name, reason) for reason in OUT_OF_REACH.values()):
            out_of_reach += 1
        else:
            without_reason.append(name)
    return checked, out_of_reach, no_tensor, without_reason


NO_TENSOR = ("gives no tensor", "was removed from torch, raises")


def names():
    for namespace, owner in observing.NAMESPACES.items():
        for attribute in dir(owner):
            value = getattr(owner, attribute)
            if not attribute.startswith("_") and callable(value) and not inspect.isclass(value):
                yield f"{namespace}.{attribute}"


SIZED = "empty ones rand randn zeros empty_permuted".split()
LIKE = "empty_like ones_like rand_like randn_like zeros_like".split()
WINDOWS = "bartlett blackman hamming hann kaiser".split()
FACTORIES = {
    **{f"torch.{name}": ((3,),) for name in SIZED if name != "empty_permuted"},
    **{f"torch.{name}": (observing.c(3),) for name in LIKE},
    **{f"torch.{name}_window": (4,) for name in WINDOWS},
    **{
        f"torch.signal.windows.{name}": (4,)
        for name in (*WINDOWS, "cosine", "exponential", "gaussian", "nuttall")
    },
    "torch.signal.windows.general_cosine": (4,),
    "torch.signal.windows.general_hamming": (4,),
    "torch.arange": (3.0,),
    "torch.empty_permuted": ((2, 3), (0, 1)),
    "torch.empty_strided": ((3,), (1,)),
    "torch.eye": (3,),
    "torch.frombuffer": (bytearray(8),),
    "torch.full": ((3,), 1.0),
    "torch.full_like": (observing.c(3), 1.0),
    "torch.linspace": (0, 1, 3),
    "torch.logspace": (0, 1, 3),
    "torch.randint": (0, 3, (3,)),
    "torch.randint_like": (observing.c(3), 3),
    "torch.randperm": (3,),
    "torch.range": (0.0, 3.0),
    "torch.scalar_tensor": (1.0,),
    "torch.tensor": (1.0,),
    "torch.fft.fftfreq": (4,),
    "torch.fft.rfftfreq": (4,),
    "torch.autograd.Variable": (observing.c(3),),
    "torch.Tensor.new_empty": (observing.c(3), 3),
    "torch.Tensor.new_empty_strided": (observing.c(3), (3,), (1,)),
    "torch.Tensor.new_full": (observing.c(3), (3,), 1.0),
    "torch.Tensor.new_ones": (observing.c(3), 3),
    "torch.Tensor.new_zeros": (observing.c(3), 3),
    "torch.Tensor.new_tensor": (observing.c(3), [1.0]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FACTORIES)
def test_fresh_tensors_require_grad_only_when_asked(name):
    make = torch
    for part in name.split(".")[1:]:
        make = getattr(make, part)
    options = {
        "torch.frombuffer": {"dtype": torch.float32},
        "torch.signal.windows.general_cosine": {"a": [0.5, 0.5]},
    }.get(name, {})
    options = {"dtype": torch.float32} if name.endswith(("randint", "randint_like", "randperm")) else options
    assert not make(*FACTORIES[name], **options).requires_grad
    assert make(*FACTORIES[name], **options, requires_grad=True).requires_grad
    assert MODELS.call(name).result == "fresh"
    assert MODELS.call(name).sink in (None, "scalar")


def test_every_factory_is_run():
    assert {name for name, call in MODELS.calls.items() if call.result == "fresh"} - FACTORIES.keys() == set()


@pytest.mark.parametrize("make", ["tensor", "as_tensor", "asarray", "Tensor", "FloatTensor"])
@pytest.mark.filterwarnings("ignore")
def test_a_list_of_tensors_loses_its_graph(make):
    made = getattr(torch, make)([observing.t(), observing.t()])
    assert not made.requires_grad
    model = MODELS.call(f"torch.{make}")
    assert model.result == "fresh" or not model.deep


@pytest.mark.filterwarnings("ignore")
def test_attributes_of_a_tensor():
    tensor = (torch.rand(2, 3, requires_grad=True) * 1).to(torch.complex64)
    for name, result in MODELS.klass("torch.Tensor").attributes.items():
        seen = observing.outcome(getattr(tensor, name))
        if name == "grad":
            continue
        expected = {"view": True, "cut": False}.get(result)
        assert seen is expected if expected is not None else True not in observing.flat(seen), name


def test_gradients_are_clear():
    leaf = torch.rand(3, requires_grad=True)
    leaf.sin().sum().backward()
    assert not leaf.grad.requires_grad


def test_number_conversions():
    tensor = observing.t()
    for name in ("item", "__int__", "__bool__"):
        assert not isinstance(getattr(tensor, name)(), torch.Tensor)
        assert MODELS.call(f"torch.Tensor.{name}").result == "number"
        assert MODELS.call(f"torch.Tensor.{name}").sink is None
    assert isinstance(observing.t(3).tolist(), list)
