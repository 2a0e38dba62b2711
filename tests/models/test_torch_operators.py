"""What the models say of torch's operators, functions and methods is what torch does when it is run."""

from __future__ import annotations

import inspect

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("expecttest", reason="torch's operator database needs expecttest")

import observing
import torch
from torch_samples import OUT_OF_REACH

from detachlint import models

MODELS = models.load()


@pytest.fixture(scope="module")
def operators():
    return observing.operators()


@pytest.fixture(scope="module")
def samples():
    return observing.samples()


def disagreements(seen):
    found = {}
    for name, observed in seen.items():
        model = MODELS.call(name)
        if model is None:
            problem = None if not observed.on else "no model"
        else:
            problem = observing.disagreement(name, model.result, observed)
        if problem:
            found[name] = problem
    return found


def test_operators_and_samples(operators, samples, capsys):
    """One test, so that torch's database is run in one process only."""
    assert disagreements(operators) == {}
    assert disagreements(samples) == {}
    assert sum(bool(seen.on) for seen in operators.values()) > 1000
    checked, out_of_reach, no_tensor, without_reason = public_callables(operators, samples)
    with capsys.disabled():
        print(f"\n{checked} callables checked, {out_of_reach} out of reach, {no_tensor} give no tensor")
    assert without_reason == []
    assert checked / (checked + out_of_reach) > 0.9


def public_callables(operators, samples):
    """How many of the public callables that can give a tensor are run; the rest has a reason."""
    checked, out_of_reach, no_tensor, without_reason = 0, 0, 0, []
    for name in names():
        if any(name in seen and seen[name].on for seen in (operators, samples)):
            checked += 1
        elif observing.listed(name, OUT_OF_REACH["gives no tensor"]):
            no_tensor += 1
        elif any(observing.listed(name, reason) for reason in OUT_OF_REACH.values()):
            out_of_reach += 1
        else:
            without_reason.append(name)
    return checked, out_of_reach, no_tensor, without_reason


def names():
    for namespace, owner in observing.NAMESPACES.items():
        for attribute in dir(owner):
            value = getattr(owner, attribute)
            if not attribute.startswith("_") and callable(value) and not inspect.isclass(value):
                yield f"{namespace}.{attribute}"


def test_fresh_tensors_require_grad_only_when_asked():
    names = [name for name, call in MODELS.calls.items() if call.result == "fresh"]
    for make in (torch.zeros, torch.ones, torch.rand, torch.randn, torch.empty):
        assert f"torch.{make.__name__}" in names
        assert not make(3).requires_grad
        assert make(3, requires_grad=True).requires_grad
    base = observing.t(3)
    for make in (torch.zeros_like, torch.ones_like, torch.rand_like, torch.randn_like, torch.empty_like):
        assert f"torch.{make.__name__}" in names
        assert not make(base).requires_grad
        assert make(base, requires_grad=True).requires_grad
    assert torch.tensor(1.0, requires_grad=True).requires_grad
    assert base.new_zeros(3, requires_grad=True).requires_grad


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
