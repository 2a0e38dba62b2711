"""Targets of losses: which are told, where, and which are meant to learn."""

from __future__ import annotations

import ast
import textwrap

import pytest

from detachlint import tracking
from detachlint.models import load
from detachlint.tracking.events import Event

PRELUDE = """
import torch
import torch.nn.functional as F
from torch import nn
net = nn.Linear(4, 1)
other = nn.Linear(4, 1)
def train(s, r, s2, done):
"""


def told(body: str) -> list[Event]:
    source = PRELUDE + textwrap.indent(textwrap.dedent(body), "    ")
    events = tracking.track("file.py", source, ast.parse(source), load())
    return [event for event in events if event.kind == "target"]


@pytest.mark.parametrize(
    "target",
    [
        "r + 0.9 * net(s2)",
        "r + net(s2) * 0.9 * (1 - done)",
        "0.9 * net(s2) + r",
        "(r + 0.9 * net(s2)).unsqueeze(1)",
        "torch.where(done, r, r + 0.9 * net(s2))",
        "r + 0.9 * net(s2) if done else r",
        "r - -(0.9 * net(s2))",
        "r + 0.9 * torch.min(net(s2), other(s2))",
    ],
)
@pytest.mark.parametrize(
    "loss",
    [
        "F.mse_loss(net(s), {})",
        "F.huber_loss({}, net(s))",
        "nn.MSELoss()(net(s), {})",
        "(net(s) - ({})) ** 2",
    ],
)
def test_a_bootstrap_of_the_predicting_network_is_told(target: str, loss: str) -> None:
    (event,) = told(f"loss = {loss.format(target)}\nloss.mean().backward()")
    assert event.sink == "bootstrap"
    assert event.detach


@pytest.mark.parametrize(
    "loss",
    [
        "F.mse_loss(net(s), r + 0.9 * other(s2))",
        "F.mse_loss(net(s), r + 0.9 * net(s2).detach())",
        "F.mse_loss(net(s), 0.9 * net(s2))",
        "F.mse_loss(net(s), 1.0 + 0.9 * net(s2))",
        "F.mse_loss(net(s), r + net(s2))",
        "F.mse_loss(net(s), r)",
        "(net(s) + 0.9 * net(s2) - r) ** 2",
        "F.mse_loss(0.9 * net(s), r + 0.9 * net(s2))",
        "F.cosine_similarity(net(s), r + 0.9 * net(s2))",
    ],
)
def test_what_is_no_bootstrap_is_not(loss: str) -> None:
    assert not told(f"loss = {loss}\nloss.mean().backward()")


def test_the_same_call_on_both_sides_is_no_bootstrap() -> None:
    assert not told("v = net(s)\nloss = F.mse_loss(v, r + 0.9 * v)\nloss.backward()")


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("loss.backward()", 1),
        ("return loss", 1),
        ("step(loss)", 1),
        ("return loss.item()", 0),
        ("print(loss)", 0),
    ],
)
def test_a_loss_must_be_there_to_be_differentiated(end: str, expected: int) -> None:
    assert len(told(f"loss = F.mse_loss(net(s), r + 0.9 * net(s2))\n{end}")) == expected


@pytest.mark.parametrize(
    ("body", "detached"),
    [
        ("F.mse_loss(net(s), r + 0.9 * net(s2)).backward()", "net(s2)"),
        ("t = r + 0.9 * net(s2)\nF.mse_loss(net(s), t).backward()", "t"),
        ("t = r + 0.9 * net(s2)\nF.mse_loss(input=net(s), target=t).backward()", "t"),
        ("d = r + 0.9 * net(s2) - net(s)\n(d * 2).pow(2).mean().backward()", "net(s2)"),
        ("v = net(s2)\nd = r + 0.9 * v\n(net(s) - d).square().mean().backward()", "d"),
    ],
)
def test_the_target_alone_is_detached(body: str, detached: str) -> None:
    (event,) = told(body)
    assert [ast.unparse(node) for node in event.detach] == [detached]


def test_without_grad_there_is_no_loss() -> None:
    assert not told("with torch.no_grad():\n    return F.mse_loss(net(s), r + 0.9 * net(s2))")


def test_a_copy_is_another_network() -> None:
    copied = "import copy\ntarget = copy.deepcopy(net)\n"
    assert not told(f"{copied}F.mse_loss(net(s), r + 0.9 * target(s2)).backward()")
    assert told(f"{copied}F.mse_loss(target(s), r + 0.9 * target(s2)).backward()")


def weighed(body: str) -> list[Event]:
    source = PRELUDE + textwrap.indent(textwrap.dedent(body), "    ")
    events = tracking.track("file.py", source, ast.parse(source), load())
    return [event for event in events if event.kind == "weight"]


REGRESSED = "v = other(s)\nloss = (r - v).pow(2).mean() + {}\nloss.backward()"


@pytest.mark.parametrize(
    ("product", "detached"),
    [
        ("(torch.log(net(s)) * (r - v)).mean()", "v"),
        ("((r - v) * net(s).log()).mean()", "v"),
        ("-((r - v) @ torch.log(net(s)))", "v"),
        ("torch.mul(torch.log(net(s)), r - v).sum()", "v"),
        ("(2 * v * F.log_softmax(net(s), dim=1)[:, 0]).sum()", "v"),
        ("(v * torch.exp(torch.log(net(s)) - r)).sum()", "v"),
    ],
)
def test_a_regressed_factor_of_a_logarithm_is_told(product: str, detached: str) -> None:
    (event,) = weighed(REGRESSED.format(product))
    assert event.sink == "advantage"
    assert [ast.unparse(node) for node in event.detach] == [detached]


@pytest.mark.parametrize(
    "product",
    [
        "(torch.log(net(s)) * (r - v.detach())).mean()",
        "(net(s) * (r - v)).mean()",
        "(torch.log(other(s)) * v).mean()",
        "(torch.log(net(s)) * net(s2)).mean()",
        "(torch.log(net(s)) + (r - v)).mean()",
        "(torch.log(net(s)) * (r - v)).mean().item()",
        "(torch.log(net(s)) * other(net(s))).mean()",
    ],
)
def test_other_products_are_not(product: str) -> None:
    assert not weighed(REGRESSED.format(product))


def test_a_network_without_a_loss_of_its_own_may_learn_from_another() -> None:
    assert not weighed("(torch.log(net(s)) * other(s)).mean().backward()")
