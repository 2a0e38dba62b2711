"""Objects with a method that cuts their state between two windows of a long sequence."""

import torch
from torch import nn


class CarefulReader(nn.Module):
    """Its method cuts both."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(3, 4), nn.Linear(4, 5)
        self.state = {"hidden": torch.zeros(2, 4), "coverage": torch.zeros(2, 5)}

    def attend(self, x):
        hidden = self.cell(x, self.state["hidden"])
        coverage = self.state["coverage"] + torch.softmax(self.head(hidden), -1)
        return hidden, coverage

    def detach_state(self):
        self.state["hidden"] = self.state["hidden"].detach()
        if self.state["coverage"] is not None:
            self.state["coverage"] = self.state["coverage"].detach()

    def forward(self, x):
        hidden, coverage = self.attend(x)
        self.state["hidden"] = hidden
        self.state["coverage"] = coverage
        return coverage.pow(2).mean()


class Watched(nn.Module):
    """Keeps its state, and for those who look at it its output and the weights of its attention."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRUCell(3, 4), nn.Linear(4, 5)
        self.hidden, self.weights, self.output = torch.zeros(2, 4), None, None

    def detach_hidden(self):
        self.hidden = self.hidden.detach()

    def most_watched(self):
        return self.weights.argmax(-1)

    def forward(self, x):
        hidden = self.cell(x, self.hidden)
        weights = torch.softmax(self.head(hidden), -1)
        self.output = hidden * weights.sum(-1, keepdim=True)
        self.hidden, self.weights = hidden, weights
        return self.output


class Resetting(nn.Module):
    """One of its two states begins anew with each window, the other is cut."""

    def __init__(self):
        super().__init__()
        self.slow, self.fast = nn.GRUCell(3, 4), nn.GRUCell(4, 4)
        self.memory, self.scratch = torch.zeros(2, 4), torch.zeros(2, 4)

    def detach_memory(self):
        self.memory = self.memory.detach()

    def forward(self, x):
        self.scratch = torch.zeros(2, 4)
        memory = self.slow(x, self.memory)
        for _ in range(2):
            self.scratch = self.fast(memory, self.scratch)
        self.memory = memory
        return self.scratch


class State:
    """What a decoder hands on from window to window."""

    def __init__(self, inputs):
        self.inputs = inputs

    def detach(self):
        self.inputs = self.inputs.detach()


class PositionState(State):
    """Holds numbers of positions: there is nothing to cut."""

    def detach(self):
        pass

    def update(self, positions):
        state = PositionState(positions)
        state.inputs = positions.argmax(-1)
        return state


class PositionDecoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 3)

    def forward(self, x, state):
        assert isinstance(state, PositionState)
        logits = self.head(x)
        return logits.mean() + state.inputs.sum(), state.update(logits)


def newest(base, *arguments):
    """A class that is chosen by nothing but having been defined."""
    return base.__subclasses__()[-1](*arguments)


def bad_coverage_beside_the_hidden_state(steps):
    class Reader(nn.Module):
        """Attends to a source with a recurrent query, and remembers where it has looked."""

        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRUCell(3, 4), nn.Linear(4, 5)
            self.state = {"hidden": torch.zeros(2, 4), "coverage": torch.zeros(2, 5)}

        def detach_state(self):
            self.state["hidden"] = self.state["hidden"].detach()

        def attend(self, x):
            hidden = self.cell(x, self.state["hidden"])
            coverage = self.state["coverage"] + torch.softmax(self.head(hidden), -1)
            return hidden, coverage

        def forward(self, x):
            hidden, coverage = self.attend(x)
            self.state["hidden"] = hidden
            self.state["coverage"] = coverage  # DTL501
            return coverage.pow(2).mean()

    reader = newest(nn.Module)
    for _ in range(steps):
        reader(torch.randn(2, 3)).backward()
        reader.detach_state()


def bad_trace_beside_the_hidden_state(steps):
    class Walker(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.mix = nn.GRUCell(3, 4), nn.Linear(4, 4)
            self.hidden, self.trace = torch.zeros(2, 4), torch.zeros(2, 4)

        def truncate(self):
            """Forget how the state came about."""
            self.hidden.detach_()

        def forward(self, x):
            hidden = self.cell(x, self.hidden)
            trace = 0.9 * self.trace + self.mix(hidden)
            self.hidden, self.trace = hidden, trace  # DTL501
            return trace

    walker = newest(nn.Module)
    for _ in range(steps):
        walker(torch.randn(2, 3)).pow(2).mean().backward()
        walker.truncate()


def good_coverage_beside_the_hidden_state(steps):
    reader = CarefulReader()
    for _ in range(steps):
        reader(torch.randn(2, 3)).backward()
        reader.detach_state()


def good_output_that_is_looked_at(steps):
    layer = Watched()
    watched = []
    for _ in range(steps):
        layer(torch.randn(2, 3)).mean().backward()
        layer.detach_hidden()
        watched.append(layer.most_watched())
    return watched


def good_state_that_begins_anew(steps):
    layer = Resetting()
    for _ in range(steps):
        layer(torch.randn(2, 3)).mean().backward()
        layer.detach_memory()


def good_helper_without_a_body(steps):
    decoder = PositionDecoder()
    state = PositionState(torch.zeros(2, dtype=torch.long))
    for _ in range(steps):
        loss, state = decoder(torch.randn(2, 3), state)
        loss.backward()
        state.detach()
