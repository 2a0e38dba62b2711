"""Parameters that take a number: each refuses a tensor that requires grad in any grad mode, and takes one that does not."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
import torch.nn.functional as F
from observing import c
from torch import nn

from detachlint import models

MODELS = models.load()
SCALARS = {name: call for name, call in MODELS.calls.items() if call.sink == "scalar"}

# A call with numbers, by position; keywords are tried with what stands before them in this call.
CALLS = {
    "torch.full": lambda: [(3,), 0.5],
    "torch.full_like": lambda: [c(3), 0.5],
    "torch.arange": lambda: [0.0, 1.0, 0.5],
    "torch.range": lambda: [0.0, 1.0, 0.5],
    "torch.nn.functional.pad": lambda: [c(3, 4), (1, 1), "constant", 0.5],
    "torch.nan_to_num": lambda: [c(3), 0.5, 0.5, 0.5],
    "torch.nan_to_num_": lambda: [c(3), 0.5, 0.5, 0.5],
    "torch.nn.functional.hardtanh": lambda: [c(3), 0.2, 0.8],
    "torch.nn.functional.hardtanh_": lambda: [c(3), 0.2, 0.8],
    "torch.nn.functional.softplus": lambda: [c(3), 0.5, 0.5],
    "torch.nn.functional.threshold": lambda: [c(3), 0.5, 0.5],
    "torch.nn.functional.threshold_": lambda: [c(3), 0.5, 0.5],
    "torch.threshold": lambda: [c(3), 0.5, 0.5],
    "torch.norm": lambda: [c(3), 0.5],
    "torch.renorm": lambda: [c(3, 4), 0.5, 0, 0.5],
    "torch.isclose": lambda: [c(3), c(3), 0.5, 0.5],
    "torch.allclose": lambda: [c(3), c(3), 0.5, 0.5],
    "torch.histc": lambda: [c(3), 3, 0.4, 0.6],
    "torch.logit": lambda: [c(3), 0.1],
    "torch.scalar_tensor": lambda: [0.5],
    "torch.nn.init.uniform_": lambda: [torch.empty(3), 0.2, 0.8],
    "torch.nn.init.normal_": lambda: [torch.empty(3), 0.2, 0.8],
    "torch.nn.functional.triplet_margin_loss": lambda: [c(3, 4), c(3, 4), c(3, 4), 0.5],
    "torch.nn.functional.margin_ranking_loss": lambda: [c(3), c(3), torch.ones(3), 0.5],
    "torch.nn.functional.cosine_embedding_loss": lambda: [c(3, 4), c(3, 4), torch.ones(3), 0.5],
    "torch.nn.functional.hinge_embedding_loss": lambda: [c(3), torch.ones(3), 0.5],
    "torch.nn.functional.cosine_similarity": lambda: [c(3, 4), c(3, 4), 1, 0.5],
    "torch.cosine_similarity": lambda: [c(3, 4), c(3, 4), 1, 0.5],
    "torch.nn.functional.layer_norm": lambda: [c(3, 4), (4,), None, None, 0.5],
    "torch.nn.functional.cross_entropy": lambda: [c(3, 4), torch.tensor([0, 1, 2])],
    "torch.nn.functional.scaled_dot_product_attention": lambda: [c(3, 4), c(3, 4), c(3, 4)],
    "torch.dropout": lambda: [c(3), 0.5, True],
    "torch.nn.functional.normalize": lambda: [c(3, 4), 0.5],
    "torch.nn.functional.dropout1d": lambda: [c(2, 3, 4), 0.5],
    "torch.nn.functional.dropout2d": lambda: [c(2, 3, 4, 4), 0.5],
    "torch.nn.functional.dropout3d": lambda: [c(2, 3, 4, 4, 4), 0.5],
    "torch.Tensor.new_full": lambda: [c(3), (3,), 0.5],
    "torch.Tensor.renorm": lambda: [c(3, 4), 0.5, 0, 0.5],
    "torch.Tensor.isclose": lambda: [c(3), c(3), 0.5, 0.5],
    "torch.Tensor.allclose": lambda: [c(3), c(3), 0.5, 0.5],
    "torch.Tensor.histc": lambda: [c(3), 3, 0.4, 0.6],
    "torch.Tensor.nan_to_num": lambda: [c(3), 0.5, 0.5, 0.5],
    "torch.Tensor.nan_to_num_": lambda: [c(3), 0.5, 0.5, 0.5],
}
BY_LAST_WORD = {
    "addmm": lambda: [c(3, 3), c(3, 3), c(3, 3)],
    "addmv": lambda: [c(3), c(3, 3), c(3)],
    "addr": lambda: [c(3, 3), c(3), c(3)],
    "baddbmm": lambda: [c(2, 3, 3), c(2, 3, 3), c(2, 3, 3)],
    "addbmm": lambda: [c(3, 3), c(2, 3, 3), c(2, 3, 3)],
    "add": lambda: [c(3), c(3)],
    "sub": lambda: [c(3), c(3)],
    "subtract": lambda: [c(3), c(3)],
    "addcmul": lambda: [c(3), c(3), c(3)],
    "addcdiv": lambda: [c(3), c(3), c(3)],
    "smooth_l1_loss": lambda: [c(3), c(3)],
    "huber_loss": lambda: [c(3), c(3)],
    "uniform": lambda: [c(3), 0.2, 0.8],
    "normal": lambda: [c(3), 0.5, 0.5],
    "log_normal": lambda: [c(3), 0.5, 0.5],
    "cauchy": lambda: [c(3), 0.5, 0.5],
}
# What a keyword can't do without.
BESIDE = {("torch.arange", "start"): {"end": 1.0}, ("torch.range", "start"): {"end": 1.0}}
BESIDE |= {("torch.arange", "end"): {"start": 0.0}, ("torch.range", "end"): {"start": 0.0}}
BESIDE |= {("torch.Tensor.uniform_", "from"): {"to": 0.8}}
BESIDE |= {(name, "p"): {"train": True} for name in ("torch.dropout",)}
BESIDE |= {(f"torch.{name}", "p"): {"dim": 0, "maxnorm": 0.5} for name in ("renorm", "Tensor.renorm")}
BESIDE |= {(f"torch.{name}", "min"): {"max": 0.6} for name in ("histc", "Tensor.histc")}
BESIDE |= {("torch.threshold", "threshold"): {"value": 0.5}}
BESIDE |= {
    (f"torch.nn.functional.{name}", "threshold"): {"value": 0.5} for name in ("threshold", "threshold_")
}


def function_of(name):
    found = torch
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def base(name):
    last = name.rpartition(".")[2].rstrip("_")
    return (CALLS.get(name) or BY_LAST_WORD.get(last) or (lambda: [c(3), 0.5]))()


def call(name, argument, value):
    """The call with this value for one of its numbers."""
    given, method = base(name), name.startswith("torch.Tensor.")
    if isinstance(argument, int):
        given[argument + method] = value
        return function_of(name)(*given)
    positions = [position + method for position in SCALARS[name].arguments if isinstance(position, int)]
    words = [word for word in SCALARS[name].arguments if isinstance(word, str)]
    before = dict(zip(words, positions, strict=False)).get(argument, len(given))
    if argument in ("start", "end", "step"):
        before = 0 if argument != "step" else 2
    return function_of(name)(*given[:before], **{argument: value}, **BESIDE.get((name, argument), {}))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCALARS)
def test_a_number_may_be_a_tensor_unless_it_requires_grad(name):
    for argument in SCALARS[name].arguments:
        call(name, argument, 0.5)
        call(name, argument, torch.tensor(0.5))
        for mode in (True, False):
            for tracked in (nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.tensor(0.25)).sqrt()):
                with (
                    torch.set_grad_enabled(mode),
                    pytest.raises(TypeError, match=r"not (Tensor|Parameter)|got \("),
                ):
                    call(name, argument, tracked)


TAKING_TENSORS = {
    "fill_": lambda x, v: x.clone().fill_(v),
    "masked_fill": lambda x, v: x.masked_fill(x > 0, v),
    "clamp": lambda x, v: x.clamp(min=v),
    "clip": lambda x, v: x.clip(v),
    "where": lambda x, v: torch.where(x > 0.5, x, v),
    "lerp": lambda x, v: torch.lerp(x, x, v),
    "pow": torch.pow,
    "linspace": lambda x, v: torch.linspace(0, v, 3),
    "index_fill": lambda x, v: x.index_fill(0, torch.tensor([0]), v),
    "prelu": lambda x, v: F.prelu(x, v.reshape(1)),
    "gumbel_softmax": F.gumbel_softmax,
    "clip_grad_norm_": lambda x, v: nn.utils.clip_grad_norm_([nn.Parameter(x)], v),
}


@pytest.mark.parametrize("name", TAKING_TENSORS)
def test_these_take_a_tensor_that_requires_grad(name):
    TAKING_TENSORS[name](c(3), nn.Parameter(torch.tensor(0.5)).exp())
    last = [model for known, model in MODELS.calls.items() if known.rpartition(".")[2] == name]
    assert all(model.sink != "scalar" for model in last)
