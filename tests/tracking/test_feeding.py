"""Samples of one network in another's step: what is said where the code can't be followed to its end."""

import pytest
from programs import events

from detachlint.tracking import inlining

PROGRAM = """
import torch
from torch import nn

class Game:
    def __init__(self):
        self.maker = nn.Linear(3, 3)
        self.judge = nn.Linear(3, 1)
        self.first = torch.optim.Adam(self.maker.parameters())
        self.second = torch.optim.Adam(self.judge.parameters())

    def clear(self):
        {clear}

    def train(self, data):
        for x in data:
            loss = self.judge(self.maker(x)).mean()
            self.clear()
            loss.backward()
            self.first.step()
            fake = self.maker(x)
            verdict = self.judge(fake).mean()
            self.clear()
            verdict.backward()
            self.second.step()
"""
BOTH = "self.first.zero_grad(); self.second.zero_grad()"


@pytest.mark.parametrize(
    ("clear", "deepest", "told"),
    [
        (BOTH, None, ["waste"]),
        ("self.second.zero_grad()", None, ["unzeroed"]),
        # A method that is not looked into may clear any gradients of its object's optimizers.
        (BOTH, 0, []),
        ("self.second.zero_grad()", 0, []),
    ],
)
def test_a_method_that_clears_gradients(clear, deepest, told, monkeypatch):
    if deepest is not None:
        monkeypatch.setattr(inlining, "MAX_DEPTH", deepest)
    assert [event.sink for event in events(PROGRAM.format(clear=clear))] == told
