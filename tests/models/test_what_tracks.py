"""What stops tracking and what does not, against what is often believed: facts that no single entry of the models tells."""

from __future__ import annotations

import ast
import copy
import os

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
import torch.nn.functional as F
from observing import c, t
from torch import nn

from detachlint.models import load
from detachlint.tracking import track

LONG = bool(os.environ.get("DETACHLINT_LONG"))


def derivative(of) -> torch.Tensor:
    leaf = torch.rand(3, requires_grad=True)
    return torch.autograd.grad(of(leaf), leaf, create_graph=True)[0]


def autocast() -> torch.Tensor:
    with torch.autocast("cpu"):
        return nn.Linear(3, 1)(c(3))


def stepped(kind: type[torch.optim.Optimizer]) -> torch.Tensor:
    """What step() hands back of its closure."""
    parameter = nn.Parameter(c(3))
    optimizer = kind([parameter], lr=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    return optimizer.step(closure)


def clipped_with_a_graph() -> torch.Tensor:
    parameter = nn.Parameter(c(3))
    parameter.square().sum().backward(create_graph=True)
    assert parameter.grad.requires_grad
    return nn.utils.clip_grad_norm_([parameter], 1.0)


def momentum() -> torch.Tensor:
    parameter = nn.Parameter(c(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    parameter.square().sum().backward()
    optimizer.step()
    return optimizer.state_dict()["state"][0]["momentum_buffer"]


TRACKED = {
    "0 * t": lambda: 0 * t(3),
    "//": lambda: t(3) // 2,
    "%": lambda: t(3) % 2,
    "to meta": lambda: t(3).to("meta"),
    "dropout in evaluation": lambda: F.dropout(t(3), training=False),
    "gumbel_softmax, hard": lambda: F.gumbel_softmax(t(2, 3), hard=True),
    "state_dict with keep_vars": lambda: nn.Linear(3, 1).state_dict(keep_vars=True)["weight"],
    "bincount of weights": lambda: torch.bincount(torch.tensor([0, 1]), weights=t(2)),
    "index of an embedding": lambda: nn.Embedding(3, 2)(torch.tensor([0])),
    "func.grad of a parameter": lambda: torch.func.grad(lambda x: (x**2).sum())(nn.Parameter(c(3))),
    "gradient of a square": lambda: derivative(lambda x: (x**2).sum()),
    "bernoulli": lambda: t(3).bernoulli(),
    "unique": lambda: t(3).unique(),
    "histogram": lambda: torch.histogram(t(3), 2)[0],
    "quantile": lambda: t(3).quantile(0.5),
    "nan_to_num": lambda: t(3).nan_to_num(),
    "fill_": lambda: t(3).fill_(0),
    "autocast": autocast,
    "eval": lambda: nn.Linear(3, 1).eval()(c(3)),
    "scaled": lambda: torch.amp.GradScaler("cpu", enabled=False).scale(t()),
    "jit.trace": lambda: torch.jit.trace(nn.Linear(3, 1), c(2, 3))(c(2, 3)),
    "compile": lambda: torch.compile(nn.Linear(3, 1), backend="eager")(c(2, 3)),
    "what SGD's step returns": lambda: stepped(torch.optim.SGD),
    "what LBFGS's step returns": lambda: stepped(torch.optim.LBFGS),
    "state of an LSTM": lambda: nn.LSTM(2, 3)(c(4, 1, 2))[1][1],
    "weights of an attention": lambda: nn.MultiheadAttention(4, 2)(c(3, 1, 4), c(3, 1, 4), c(3, 1, 4))[1],
    "spectral_norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)).weight,
    "vector of parameters": lambda: nn.utils.parameters_to_vector(nn.Linear(3, 1).parameters()),
    "checkpoint": lambda: torch.utils.checkpoint.checkpoint(nn.Linear(3, 1), c(1, 3), use_reentrant=False),
    "Embedding, not frozen": lambda: nn.Embedding.from_pretrained(c(4, 3), freeze=False)(torch.tensor([0])),
    "weight_norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 1)).weight,
    "where": lambda: torch.where(torch.tensor(True), t(3), c(3)),
    "as_tensor": lambda: torch.as_tensor(t(3)),
}
FREE = {
    "histc": lambda: t(3).histc(2),
    "multinomial": lambda: t(3).multinomial(1),
    "one_hot": lambda: F.one_hot(t(3).argmax(), 3).float(),
    "where": lambda: torch.where(t(3) > 0)[0],
    "second of a sort": lambda: t(3).sort()[1],
    "indices of a pool": lambda: F.max_pool1d(t(1, 1, 4), 2, return_indices=True)[1],
    "mode of a Categorical": lambda: torch.distributions.Categorical(logits=t(3)).mode,
    "sample": lambda: torch.distributions.Normal(t(3), t(3)).sample(),
    "jacobian": lambda: torch.autograd.functional.jacobian(torch.sin, t(3)),
    "norm of gradients of gradients": clipped_with_a_graph,
    "total norm": lambda: nn.utils.get_total_norm([c(3)]),
    "pretrained embedding": lambda: nn.Embedding.from_pretrained(c(4, 3))(torch.tensor([0])),
    "state of an optimizer": momentum,
    "linspace": lambda: torch.linspace(0, t(), 3),
    "asarray without": lambda: torch.asarray(t(3), requires_grad=False),
    "where of a condition": lambda: torch.where(t(3) > 0, 1.0, 0.0),
    "bucketize": lambda: torch.bucketize(t(3), c(3).sort()[0]),
    "float after long": lambda: t(3).long().float(),
    "like a parameter": lambda: torch.zeros_like(nn.Parameter(c(3))),
    "functional_call of a state": lambda: torch.func.functional_call(
        nn.Linear(3, 1), nn.Linear(3, 1).state_dict(), c(3)
    ),
    "jit.freeze": lambda: torch.jit.freeze(torch.jit.script(nn.Linear(3, 1)).eval())(c(1, 3)),
    "checkpoint of a plain input": lambda: torch.utils.checkpoint.checkpoint(
        nn.Linear(3, 1), c(1, 3), use_reentrant=True
    ),
    "gradient of a sum": lambda: derivative(torch.sum),
    "stddev, the mean tracked": lambda: torch.distributions.Normal(t(3), c(3)).stddev,
    "entropy, the mean tracked": lambda: torch.distributions.Normal(t(3), c(3)).entropy(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "tracks"), [*((n, True) for n in TRACKED), *((n, False) for n in FREE)])
def test_what_tracks(name, tracks):
    assert (TRACKED if tracks else FREE)[name]().requires_grad is tracks


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not LONG, reason="the compiler takes its time: DETACHLINT_LONG=1")
def test_what_is_compiled_or_exported_tracks():
    assert torch.compile(nn.Linear(3, 1), backend="aot_eager")(c(2, 3)).requires_grad
    assert torch.export.export(nn.Linear(3, 1), (c(2, 3),)).module()(c(2, 3)).requires_grad


def test_marked_as_not_differentiable():
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            context.mark_non_differentiable(result := value * 2)
            return result

        @staticmethod
        def backward(context, gradient):
            return gradient

    assert not Own.apply(t(3)).requires_grad


@pytest.mark.filterwarnings("ignore")
def test_copies_that_are_leaves():
    number = t()
    assert copy.copy(t(3)).is_leaf
    assert not torch.tensor(number).requires_grad
    assert not t(3).new_tensor(number).requires_grad
    for way in (lambda: t(3).requires_grad_(False), lambda: setattr(t(3), "requires_grad", False)):
        for mode in (True, False):
            tensor_mode = torch.set_grad_enabled(mode)
            with tensor_mode, pytest.raises(RuntimeError, match="leaf"):
                way()
    with pytest.raises(RuntimeError, match=r"out=\.\.\."):
        torch.add(c(3), t(3), out=c(3))


@pytest.mark.parametrize(
    "cast",
    [
        "x.to(torch.uint8)",
        "x.to(dtype=torch.int32)",
        "x.type(torch.bool)",
        "x.type(torch.LongTensor)",
        'x.type("torch.LongTensor")',
    ],
)
def test_what_is_cast_to_whole_numbers_does_not_track(cast):
    x = torch.ones(2, requires_grad=True)
    assert not eval(cast, {"torch": torch, "x": x}).requires_grad
    source = f"import torch\nx = torch.ones(2, requires_grad=True)\n({cast}).numpy()\nx.to(torch.float16).numpy()\n"
    events = track("a.py", source, ast.parse(source), load(), None)
    assert [event.node.lineno for event in events] == [4]
