"""Layers and objects that keep their state themselves: spiking neurons, memories, trainers."""

import torch
import torch.nn.functional as F
from torch import nn


class Leaky(nn.Module):
    """A layer of neurons that leak and keep their potential from call to call."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(4, 3)
        self.potential = torch.zeros(2, 3)

    def forward(self, x):
        self.potential = 0.9 * self.potential + self.weights(x)  # DTL501
        return torch.sigmoid(self.potential)


class Resettable(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(4, 3)
        self.potential = None

    def reset(self):
        self.potential = None

    def forward(self, x):
        if self.potential is None:
            self.potential = torch.zeros(2, 3)
        self.potential = 0.9 * self.potential + self.weights(x)
        return torch.sigmoid(self.potential)


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.write = nn.Linear(4, 3)
        self.slots = torch.zeros(2, 3)

    def forward(self, x):
        read = self.write(x) * torch.sigmoid(self.slots)
        self.slots = read.detach()
        return read


class Emptied(nn.Module):
    """`zero_` empties the memory, and leaves it what the old graph made."""

    def __init__(self):
        super().__init__()
        self.write = nn.Linear(4, 3)
        self.slots = torch.zeros(2, 3)

    def forward(self, x):
        self.slots = torch.tanh(self.write(x) + self.slots)  # DTL501
        return self.slots


class Trainer:
    def __init__(self):
        self.cell, self.head = nn.GRUCell(3, 4), nn.Linear(4, 1)
        parameters = [*self.cell.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.SGD(parameters, lr=0.1)
        self.state = torch.zeros(2, 4)

    def step(self, x):
        self.state = self.cell(x, self.state)  # DTL501
        loss = self.head(self.state).pow(2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class CuttingTrainer:
    def __init__(self):
        self.cell, self.head = nn.GRUCell(3, 4), nn.Linear(4, 1)
        self.state = torch.zeros(2, 4)

    def step(self, x):
        self.state = self.cell(x, self.state.detach())
        loss = self.head(self.state).pow(2).mean()
        loss.backward()
        return loss.item()


class Tuner:
    """Its temperature is a number, or learns by a step of its own and is made anew after it."""

    def __init__(self, tuned):
        self.tuned = tuned
        self.net, self.scale = nn.Linear(3, 4), 0.2
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        if tuned:
            self.log_scale = torch.zeros(1, requires_grad=True)
            self.scale_optimizer = torch.optim.SGD([self.log_scale], lr=0.1)
            self.scale = self.log_scale.exp()

    def step(self, x):
        output = self.net(x)
        self.optimizer.zero_grad()
        (self.scale * output).pow(2).mean().backward()
        self.optimizer.step()
        if self.tuned:
            self.scale_optimizer.zero_grad()
            (self.log_scale * output.detach()).mean().backward()
            self.scale_optimizer.step()
            self.scale = self.log_scale.exp()


class Worker:
    """Lists of an episode, made anew for each and differentiated at its end."""

    def __init__(self, steps):
        self.steps, self.net, self.outputs = steps, nn.Linear(3, 1), []

    def run(self):
        for _ in range(self.steps):
            self.outputs = []
            for _ in range(3):
                self.outputs.append(self.net(torch.randn(2, 3)))
            self.learn(torch.cat(self.outputs).pow(2))

    def learn(self, losses):
        self.net.zero_grad()
        losses.mean().backward()


def bad_layer_that_keeps_its_potential(steps):
    layer = Leaky()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(steps):
        loss = F.mse_loss(layer(torch.randn(2, 4)), torch.zeros(2, 3))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_memory_emptied_in_place(steps):
    net = Emptied()
    for _ in range(steps):
        net(torch.randn(2, 4)).mean().backward()
        net.slots.zero_()


def bad_state_of_a_trainer(steps):
    trainer = Trainer()
    return [trainer.step(torch.randn(2, 3)) for _ in range(steps)]


def bad_state_in_a_dict(steps):
    cell = nn.RNNCell(3, 4)
    memory = {"h": torch.zeros(2, 4), "seen": 0}
    for _ in range(steps):
        memory["h"] = cell(torch.randn(2, 3), memory["h"])  # DTL501
        memory["seen"] += 1
        memory["h"].pow(2).mean().backward()
    return memory["seen"]


def bad_potential_in_a_loop(steps):
    weights = nn.Linear(4, 3)
    potential = torch.zeros(2, 3)
    for _ in range(steps):
        potential = 0.8 * potential + weights(torch.randn(2, 4))  # DTL501
        spikes = torch.sigmoid(4 * (potential - 1))
        potential = potential - spikes
        F.mse_loss(spikes, torch.ones(2, 3)).backward()


def good_temperature_that_is_made_anew(steps):
    for tuned in (False, True):
        tuner = Tuner(tuned)
        for _ in range(steps):
            tuner.step(torch.randn(2, 3))


def good_lists_of_an_episode(steps):
    Worker(steps).run()


def good_layer_reset_for_each_sample(steps):
    layer = Resettable()
    for _ in range(steps):
        layer.reset()
        loss = 0.0
        for _ in range(3):
            loss = loss + layer(torch.randn(2, 4)).mean()
        loss.backward()


def good_memory_that_cuts_itself(steps):
    memory = Memory()
    for _ in range(steps):
        memory(torch.randn(2, 4)).mean().backward()


def good_trainer_that_cuts(steps):
    trainer = CuttingTrainer()
    return [trainer.step(torch.randn(2, 3)) for _ in range(steps)]


def good_state_read_as_numbers(steps):
    layer, norms = Resettable(), []
    for _ in range(steps):
        layer(torch.randn(2, 4)).mean().backward()
        norms.append(layer.potential.norm().item())
        layer.potential = layer.potential.data
    return norms


def good_graph_kept_outside_the_loss(steps):
    cell, head, state = nn.GRUCell(3, 4), nn.Linear(3, 1), torch.zeros(2, 4)
    for _ in range(steps):
        x = torch.randn(2, 3)
        with torch.no_grad():
            state = cell(x, state)
        head(x * state[:, :3]).mean().backward()


class Gated(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
        self.gates = nn.ModuleList([nn.Linear(3, 1) for _ in range(2)])

    def weighed(self, x):
        x, weights = self.features(x)
        penalty = torch.zeros(1)
        for i in range(2):
            for j in range(2):
                weight = weights[i][j] if self.kind == "gated" else 1 / 3
                penalty = penalty + weight * x[j].sum()
        return x.mean(), penalty, weights

    def plain(self, x):
        x, _ = self.features(x)
        return x.mean(), x.sum()

    def features(self, x):
        weights = [] if self.kind == "gated" else None
        for i in range(2):
            x = self.layers[i](x)
            if self.kind == "gated":
                weights.append(torch.sigmoid(self.gates[i](x)))
        return x, weights


def gated_epoch(model, optimizer, epoch):
    weights = None
    for _ in range(2):
        total = torch.zeros(1)
        for x in torch.ones(2, 2, 3):
            if epoch < 3:
                mean, penalty, weights = model.weighed(x)
            else:
                mean, penalty = model.plain(x)
            total = total + mean + penalty
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return weights


def good_list_that_each_call_makes_anew(steps):
    model = Gated("gated" if steps > 0 else "plain")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(steps):
        gated_epoch(model, optimizer, epoch)
