"""What becomes of a tensor that requires grad where it is converted, formatted, copied, saved or put into a table.

The models' entries are observed one by one elsewhere; these are the facts between them: what the same call does
with a number and with a vector, with grad mode on and off, to a tensor made before and to one made inside.
"""

from __future__ import annotations

import copy
import io
import json
import math
import multiprocessing
import operator
import warnings

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import numpy as np
import torch
from observing import c, t
from test_sinks import retained, warns
from torch import multiprocessing as torch_multiprocessing
from torch import nn

from detachlint import models

MODELS = models.load()
REFUSAL = "Can't call numpy"
OFF = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
}


@pytest.fixture
def always_warn():
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


# --- the mode at the call decides ---

CONVERSIONS = {
    "numpy": lambda v: v.numpy(),
    "cpu and numpy": lambda v: v.cpu().numpy(),
    "__array__": lambda v: v.__array__(),
    "asarray": np.asarray,
    "an array of objects": lambda v: np.array([v, v], dtype=object),
    "a mean of two": lambda v: np.mean([v, v]),
    "a ufunc": np.exp,
    "a ufunc of an array": lambda v: np.multiply(np.ones(4), v),
    "float32": np.float32,
    "an array on the right": lambda v: v + np.ones(4),
    "a row of an array": lambda v: np.zeros((2, 4)).__setitem__(0, v),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", CONVERSIONS)
def test_a_conversion_is_refused_while_grad_mode_is_on(how):
    given = t(4)
    with pytest.raises(RuntimeError, match=REFUSAL):
        CONVERSIONS[how](given)
    for mode in OFF.values():
        with mode():
            CONVERSIONS[how](given)
    CONVERSIONS[how](given.detach())
    if how not in ("an array on the right", "a row of an array", "a ufunc of an array"):
        with pytest.raises(RuntimeError, match=REFUSAL):
            CONVERSIONS[how](nn.Parameter(c(4)))


def test_conversions_that_detach_by_themselves():
    given = t(4)
    for way in (lambda v: v.numpy(force=True), lambda v: v.data.numpy(), lambda v: v.detach().numpy()):
        assert isinstance(way(given), np.ndarray)


VIEWS = {
    "view": lambda v: v.view(2, 2),
    "reshape": lambda v: v.reshape(2, 2),
    "squeeze": lambda v: v.squeeze(),
    "t": lambda v: v.t(),
    "an item": lambda v: v[0],
    "expand": lambda v: v.expand(2, 4),
}
HANDED_ON = {
    "cpu": lambda v: v.cpu(),
    "to": lambda v: v.to(torch.float32),
    "float": lambda v: v.float(),
    "contiguous": lambda v: v.contiguous(),
    "type_as": lambda v: v.type_as(c(1)),
    "Identity": nn.Identity(),
    "Dropout": nn.Dropout().eval(),
    "requires_grad_": lambda v: v.requires_grad_(True),
}


@pytest.mark.parametrize("how", VIEWS)
def test_a_view_made_with_grad_mode_off_stays_what_it_was(how):
    given = t(4)
    with torch.no_grad():
        view = VIEWS[how](given)
        view.numpy()
    assert view.requires_grad
    with pytest.raises(RuntimeError, match=REFUSAL):
        view.numpy()

    def look(tensor):
        with torch.no_grad():
            return VIEWS[how](tensor)

    assert retained(look)


@pytest.mark.parametrize("how", HANDED_ON)
def test_what_has_nothing_to_do_hands_on_its_input(how):
    given = t(4)
    with torch.no_grad():
        assert HANDED_ON[how](given) is given


# --- failures of their own, with a graph or without ---

FAILING = {
    **{f"numpy.{name}": getattr(np, name) for name in "mean sum std var max min".split()},
    "array + t": lambda v: np.ones(4) + v,
    "array * t": lambda v: np.ones(4) * v,
    "array += t": lambda v: operator.iadd(np.ones(4), v),
    "an image": lambda v: pytest.importorskip("PIL.Image", reason="pillow is not installed").fromarray(v),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", FAILING)
def test_what_a_detach_does_not_mend(how):
    for given in (t(4), t(4).detach()):
        with pytest.raises((TypeError, AttributeError)):
            FAILING[how](given)


# --- numbers ---


@pytest.mark.usefixtures("always_warn")
@pytest.mark.filterwarnings("ignore")  # `warns` and `said` hear them all the same
def test_numbers_that_warn_and_vectors_that_fail():
    for convert in (float, math.sqrt, np.float64, lambda n: json.dumps(n, default=float)):
        assert warns(lambda convert=convert: convert(t()))
        assert not warns(lambda convert=convert: convert(t().detach()))
    with pytest.raises(RuntimeError, match=REFUSAL):
        np.float64(t(4))
    for convert in (lambda v: v.item(), bool, float):
        for vector in (t(4), t(4).detach()):
            with pytest.raises((RuntimeError, ValueError), match=r"[Tt]ensor"):
                convert(vector)
    assert not warns(lambda: len(t(4)))
    assert not warns(lambda: t() > 0 or 1)


def test_a_number_warns_once_in_a_process():
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(False)
    try:
        assert len(said(lambda: [float(t()) for _ in range(3)])) <= 1  # none, if another test came first
    finally:
        torch.set_warn_always(before)


# --- new tensors of old ones ---


def said(call) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in caught]


@pytest.mark.usefixtures("always_warn")
@pytest.mark.filterwarnings("ignore")  # `warns` and `said` hear them all the same
def test_new_tensors_of_old_ones_say_so():
    for make in (torch.tensor, c(1).new_tensor):
        assert any("copy construct" in text for text in said(lambda make=make: make(t(3))))
    makes = (torch.tensor, torch.as_tensor, torch.FloatTensor, torch.Tensor)
    for make in makes:
        assert warns(lambda make=make: make([t(), t()]))
    assert not said(lambda: torch.linspace(0, t(), 3))
    assert any("unspecified requires_grad" in text for text in said(lambda: torch.asarray(t(3))))
    assert torch.asarray(t(3)).requires_grad


# --- copies, files, processes ---


def test_a_shallow_copy_is_a_leaf_that_numpy_refuses():
    copied = copy.copy(t(4))
    assert copied.grad_fn is None
    with pytest.raises(RuntimeError, match=REFUSAL):
        copied.numpy()
    assert not retained(copy.copy)


def holding() -> nn.Module:
    module = nn.Linear(3, 1)
    module.cached = t(3)
    return module


def loaded(value: object) -> object:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def test_what_is_saved_loads_as_a_leaf():
    for back in (loaded(t(3)), loaded({"loss": t(3)})["loss"], loaded(holding()).cached):
        assert back.is_leaf
        assert back.requires_grad
        with pytest.raises(RuntimeError, match=REFUSAL):
            back.numpy()
    assert not any(value.requires_grad for value in loaded(nn.Linear(3, 1).state_dict()).values())
    with pytest.raises(RuntimeError, match="deepcopy protocol"):
        copy.deepcopy(holding())


def test_what_is_loaded_and_called_is_a_module_that_tracks():
    assert MODELS.call("torch.load").result == "loaded"
    for back in (loaded(nn.Linear(3, 1)), loaded({"net": nn.Linear(3, 1)})["net"]):
        assert back(torch.ones(3)).requires_grad
    frozen = nn.Linear(3, 1).requires_grad_(False)
    assert not loaded(frozen)(torch.ones(3)).requires_grad


def test_a_parameter_goes_through_a_queue_and_a_graph_does_not():
    # A pipe's buffer holds it; a process is not needed to see that.
    for library in (multiprocessing, torch_multiprocessing):
        channel = library.SimpleQueue()
        with pytest.raises(RuntimeError, match="Cowardly refusing"):
            channel.put(t(3))
        channel.put(nn.Parameter(c(3)))
        assert channel.get().requires_grad
        channel.close()
    assert MODELS.call("torch.multiprocessing.SimpleQueue.put").sink == "copy"


def test_views_can_t_be_detached_in_place():
    with pytest.raises(RuntimeError, match="detach"):
        t(4).view(2, 2).detach_()
    given = t(4)
    assert not given.detach_().requires_grad
