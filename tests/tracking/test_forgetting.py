"""A helper that cuts a state, and what it forgets, where the loop that calls it is out of sight."""

import pytest
import torch
from programs import PRELUDE, check, told

_STATES = """
    class State:
        def __init__(self, inputs):
            self.inputs = inputs

        def detach(self):
            self.inputs = self.inputs.detach()

    class Layered(State):
        def detach(self):
            BODY

        def update(self, inputs):
            state = Layered(inputs)
            state.inputs = inputs
            return state

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(3)

        def forward(self, x, state):
            assert isinstance(state, Layered)
            seen = torch.cat([state.inputs, self.norm(x)])
            return seen.pow(3).mean(), state.update(SEEN)
"""


def test_a_helper_without_a_body_where_that_of_the_base_cuts():
    check(_STATES.replace("BODY", "pass  #! forgotten").replace("SEEN", "seen"))


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("pass", "seen.detach()"),
        ("pass", "seen.argmax(-1)"),
        ("self.inputs.detach_()", "seen"),
        ("super().detach()", "seen"),
        ("raise NotImplementedError", "seen"),
    ],
)
def test_a_helper_that_cuts_or_has_nothing_to_cut(body, seen):
    check(_STATES.replace("BODY", body).replace("SEEN", seen))


def test_torch_raises_where_the_helper_has_no_body():
    source = PRELUDE + _STATES.replace("\n    ", "\n").replace("BODY", "pass").replace("SEEN", "seen")
    names: dict[str, type] = {}
    exec(source, names)
    decoder, state = names["Decoder"](), names["Layered"](torch.zeros(1, 3))
    loss, state = decoder(torch.randn(2, 3), state)
    loss.backward()
    state.detach()
    loss, state = decoder(torch.randn(2, 3), state)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@pytest.mark.parametrize(
    "helper",
    [
        "self.hidden = self.hidden.detach()\n        self.trace = self.trace.detach()",
        "self.hidden = self.hidden.detach()\n        self.count += 1",
        "self.hidden, self.trace = self.hidden.detach(), self.trace.detach()",
        "self.hidden = torch.zeros(2, 4)",
        "return self.hidden.detach()",
    ],
)
def test_a_method_that_is_no_such_helper_or_forgets_nothing(helper):
    source = f"""
class Walker(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.mix, self.count = nn.GRUCell(3, 4), nn.Linear(4, 4), 0
        self.hidden, self.trace = torch.zeros(2, 4), torch.zeros(2, 4)

    def truncate(self):
        {helper}

    def forward(self, x):
        self.hidden = self.cell(x, self.hidden)
        self.trace = self.trace * self.mix(self.hidden)
        return self.trace
"""
    assert "forgotten" not in {sink for _, sink in told(PRELUDE + source)}
