"""Which argument of a loss is its target: the models say it, torch's signatures place it, a gradient flows into it.

A loss is a function or module whose name says so. Each is called with a prediction and a target that both require
grad; into the target flows a gradient without a word, or torch refuses it. Those that take it are what the models
call a target, but for those where two predictions are compared and neither is the other's target.
"""

from __future__ import annotations

import inspect
import warnings

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
import torch.nn.functional as F
from observing import c
from torch import nn

from detachlint import models

MODELS = models.load()
CLASSES = torch.tensor([0, 2])
SIGNS = torch.tensor([1.0, -1.0])
LENGTHS = (torch.tensor([5]), torch.tensor([2]))
# What stands before the target, and after it where a loss wants more.
BEFORE = {
    **dict.fromkeys(("kl_div", "nll_loss"), lambda: (leaf(2, 3).log_softmax(1),)),
    "ctc_loss": lambda: (leaf(5, 1, 4).log_softmax(2),),
    "linear_cross_entropy": lambda: (leaf(2, 3), leaf(3, 3)),  # its class holds the weights
    **dict.fromkeys(("margin_ranking_loss", "triplet_margin_loss"), lambda: (leaf(2, 3),)),
    "triplet_margin_with_distance_loss": lambda: (leaf(2, 3),),
}
AFTER = {
    "ctc_loss": LENGTHS,
    "cosine_embedding_loss": (SIGNS,),
    "gaussian_nll_loss": (torch.ones(2, 3),),
    "margin_ranking_loss": (torch.ones(2, 3),),
    "triplet_margin_loss": (torch.rand(2, 3),),
    "triplet_margin_with_distance_loss": (torch.rand(2, 3),),
}
CLASS_OF = {
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "CTCLoss": "ctc_loss",
    "CrossEntropyLoss": "cross_entropy",
    "GaussianNLLLoss": "gaussian_nll_loss",
    "KLDivLoss": "kl_div",
    "L1Loss": "l1_loss",
    "LinearCrossEntropyLoss": "linear_cross_entropy",
    "MSELoss": "mse_loss",
    "NLLLoss": "nll_loss",
    "PoissonNLLLoss": "poisson_nll_loss",
    "SmoothL1Loss": "smooth_l1_loss",
}
# Two predictions, or a prediction and examples: a gradient flows into both, and is meant to.
BOTH_LEARN = """
cosine_embedding_loss margin_ranking_loss triplet_margin_loss triplet_margin_with_distance_loss
"""
# Their target is made of classes: whole numbers, which have no gradient, or is refused.
CLASSES_ONLY = """
ctc_loss multi_margin_loss multilabel_margin_loss nll_loss
"""
REFUSED = "soft_margin_loss"
# A gradient flows into it; but it says which of many classes there are, and no network is asked for that.
OF_LABELS = "multilabel_soft_margin_loss"
# It is only asked which of its numbers are 1 and which -1.
ONLY_ASKED = "hinge_embedding_loss"


def leaf(*shape: int) -> torch.Tensor:
    return torch.rand(shape, requires_grad=True)


def functions() -> list[str]:
    return [name for name in dir(F) if name.endswith(("_loss", "cross_entropy", "_with_logits", "kl_div"))]


def name_of(made: str) -> str:
    """The function that a class of losses calls."""
    found = CLASS_OF.get(made)
    if found is None:
        found = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in made).strip("_")
        found = found.replace("multi_label", "multilabel")
    return found


def losses() -> list[str]:
    return [name for name in dir(nn) if name.endswith("Loss") and name != "AdaptiveLogSoftmaxWithLoss"]


def flows(call, name: str, keyword: str | None = None) -> bool:
    """Is there a gradient in the target after the backward of this loss?"""
    before = BEFORE.get(name, lambda: (leaf(2, 3),))()
    before = before[:1] if isinstance(call, nn.Module) else before
    target = leaf(2, 3)
    after = AFTER.get(name, ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if keyword is None:
            loss = call(*before, target, *after)
        else:
            named = list(inspect.signature(getattr(F, name)).parameters)[len(before) + 1 :]
            loss = call(*before, **{keyword: target}, **dict(zip(named, after, strict=False)))
    loss.sum().backward()
    return target.grad is not None and bool(target.grad.abs().sum() > 0)


def said(name: str) -> tuple[int | str, ...]:
    model = MODELS.klass(name) or MODELS.call(name)
    return model.target


TARGETS = sorted(
    set(functions()) - {*BOTH_LEARN.split(), *CLASSES_ONLY.split(), REFUSED, OF_LABELS, ONLY_ASKED}
)


@pytest.mark.parametrize("name", TARGETS)
def test_a_gradient_flows_into_the_target(name):
    assert flows(getattr(F, name), name)
    assert flows(getattr(F, name), name, "target")
    place = list(inspect.signature(getattr(F, name)).parameters).index("target")
    assert said(f"torch.nn.functional.{name}") == (place, "target")


@pytest.mark.parametrize("made", losses())
def test_classes_are_like_their_functions(made):
    name = name_of(made)
    assert hasattr(F, name), name
    if name not in TARGETS:
        assert said(f"torch.nn.{made}") == ()
        return
    module = getattr(nn, made)(*((3, 3) if made == "LinearCrossEntropyLoss" else ()))
    assert flows(module, name)
    assert flows(module, name, "target")
    place = list(inspect.signature(module.forward).parameters).index("target")
    assert said(f"torch.nn.{made}") == (place, "target")


@pytest.mark.parametrize("name", BOTH_LEARN.split())
def test_where_both_learn_neither_is_a_target(name):
    assert flows(getattr(F, name), name)
    assert said(f"torch.nn.functional.{name}") == ()


def test_targets_of_labels():
    assert flows(getattr(F, OF_LABELS), OF_LABELS)
    assert not flows(getattr(F, ONLY_ASKED), ONLY_ASKED)
    for name in (OF_LABELS, ONLY_ASKED):
        assert said(f"torch.nn.functional.{name}") == ()


@pytest.mark.parametrize("name", [*CLASSES_ONLY.split(), REFUSED])
def test_targets_that_can_have_no_gradient(name):
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        flows(getattr(F, name), name)
    assert said(f"torch.nn.functional.{name}") == ()


def test_of_no_other_call_a_target_is_said():
    losses_said = {name for name, call in MODELS.calls.items() if call.target}
    assert losses_said == {f"torch.nn.functional.{name}" for name in TARGETS}
    classes_said = {name for name, model in MODELS.classes.items() if model.target}
    assert classes_said == {f"torch.nn.{made}" for made in losses() if name_of(made) in TARGETS}


def test_a_prediction_is_no_target():
    """The control: of a detached target there is no gradient."""
    target = leaf(2, 3)
    F.mse_loss(leaf(2, 3), target.detach()).backward()
    assert target.grad is None
    assert not F.mse_loss(c(2, 3), c(2, 3)).requires_grad
