"""Snapshots taken with `copy.deepcopy`."""

import copy
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        return self.out(F.relu(self.hidden(x)))


def train_step(model, optimizer):
    x = torch.randn(8, 4)
    loss = F.mse_loss(model(x).squeeze(1), x.sum(dim=1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def bad_best_loss_is_copied(steps):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    best = None
    for _ in range(steps):
        loss = train_step(model, optimizer)
        if best is None or loss < best:
            best = copy.deepcopy(loss)  # DTL103
    return best.item()


def bad_checkpoint_with_the_last_output(steps):
    model = Net()
    snapshots = []
    for epoch in range(steps):
        out = model(torch.randn(8, 4))
        out.mean().backward()
        snapshots.append(copy.deepcopy({"epoch": epoch, "out": out}))  # DTL103
    return [s["out"] for s in snapshots]


def bad_no_grad_is_no_help():
    model = Net()
    out = model(torch.randn(8, 4))
    with torch.no_grad():
        kept = deepcopy(out)  # DTL103
    return kept.sum().item()


@dataclass
class Episode:
    rewards: list = field(default_factory=list)
    value: object = None


def bad_attribute_of_an_object():
    critic = Net()
    episode = Episode()
    for reward in (1.0, 0.5, 0.25):
        episode.rewards.append(reward)
    episode.value = critic(torch.ones(4))
    archived = copy.deepcopy(episode.value)  # DTL103
    return archived, episode.rewards


class Remembering(nn.Module):
    """Keeps its last output for inspection; from then on it can't be copied."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.last = None

    def forward(self, x):
        self.last = self.layer(x)
        return self.last


def bad_module_that_remembers_its_output():
    model = Remembering()
    model(torch.randn(8, 4)).sum().backward()
    teacher = copy.deepcopy(model)  # DTL103
    return teacher.layer.bias.detach()


def bad_list_of_two_tensors():
    net = Net()
    a, b = net(torch.randn(2, 4)), net(torch.randn(2, 4))
    first, second = copy.deepcopy([a, b])  # DTL103
    return first, second


def bad_comprehension_of_copies():
    scales = nn.ParameterList([nn.Parameter(torch.ones(2)), nn.Parameter(torch.zeros(2))])
    doubled = [scale * 2 for scale in scales]
    return [copy.deepcopy(d) for d in doubled]  # DTL103


def bad_initial_state_of_a_recurrent_net():
    cell = nn.GRUCell(4, 3)
    state = cell(torch.randn(2, 4))

    def branch(steps):
        h = copy.deepcopy(state)  # DTL103
        for _ in range(steps):
            h = cell(torch.randn(2, 4), h)
        return h

    return branch(1).detach(), branch(2).detach()


def good_copies_of_modules_and_weights(steps):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    teacher = copy.deepcopy(model)
    best = copy.deepcopy(model.state_dict())
    for _ in range(steps):
        train_step(model, optimizer)
        best = deepcopy(model.state_dict())
    optimizer_state = copy.deepcopy(optimizer.state_dict())
    return best, teacher.out.bias.detach(), len(optimizer_state["param_groups"])


def good_leaves_can_be_copied():
    weight = torch.ones(3, requires_grad=True)
    (weight * 2).sum().backward()
    parameter = copy.deepcopy(Net().out.weight)
    return copy.deepcopy(weight).detach(), copy.deepcopy(weight.grad), parameter.detach()


def good_detached_first(steps):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    best = None
    for _ in range(steps):
        loss = train_step(model, optimizer).detach()
        if best is None or loss < best:
            best = copy.deepcopy(loss)
    return best


def good_clone_keeps_the_graph_on_purpose():
    model = Net()
    out = model(torch.randn(8, 4))
    both = out.clone() + copy.copy(out.detach())
    both.mean().backward()
    return model.out.bias.grad


def good_made_under_no_grad():
    model = Net()
    with torch.no_grad():
        out = model(torch.randn(8, 4))
    return copy.deepcopy(out), copy.deepcopy({"out": [out]})


def good_numbers_and_settings(steps):
    settings = {"lr": 0.05, "betas": (0.9, 0.99)}
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=settings["lr"])
    history = [train_step(model, optimizer).item() for _ in range(steps)]
    return copy.deepcopy(history), copy.deepcopy(settings)


def good_module_with_its_own_copy():
    class State:
        def __init__(self, h):
            self.h = h

        def __deepcopy__(self, memo):
            return State(self.h.detach().clone())

    cell = nn.GRUCell(4, 3)
    state = State(cell(torch.randn(2, 4)))
    return copy.deepcopy(state).h


def good_predicted_classes():
    model = Net()
    x = torch.randn(8, 4)
    F.mse_loss(model(x).squeeze(1), x.sum(dim=1)).backward()
    return copy.deepcopy(model(x) > 0), copy.deepcopy(model(x).argmax(dim=0))
