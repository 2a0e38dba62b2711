"""Averages of weights, by classes that are given the weights: what they do with them says what they are."""

import torch
import torch.nn.functional as F
from torch import nn


class WeightAverage:
    """The base keeps the copies and exchanges them, a subclass averages."""

    def __init__(self, named):
        self.named = list(named)
        self.copies = {name: weight.clone() for name, weight in self.named}  # DTL303
        self.kept = {}

    def average(self):
        raise NotImplementedError

    def install(self):
        for name, weight in self.named:
            self.kept[name] = weight.data.clone()
            weight.data = self.copies[name].data.clone()

    def restore(self):
        for name, weight in self.named:
            weight.data = self.kept[name].data.clone()


class SlowAverage(WeightAverage):
    def __init__(self, named, decay=0.9):
        super().__init__(named)
        self.decay = decay

    def average(self):
        for name, weight in self.named:
            self.copies[name].mul_(self.decay).add_((1 - self.decay) * weight.data)


class DetachedAverage:
    def __init__(self, weights, decay=0.9):
        self.weights = list(weights)
        self.copies = [weight.detach().clone() for weight in self.weights]
        self.decay = decay

    def average(self):
        for copy, weight in zip(self.copies, self.weights):
            copy.mul_(self.decay).add_((1 - self.decay) * weight.data)

    def install(self):
        for copy, weight in zip(self.copies, self.weights):
            weight.data = copy.data.clone()


def train(steps, average_of):
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    average = average_of(model)
    for _ in range(steps):
        loss = F.mse_loss(model(torch.randn(6, 3)), torch.randn(6, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.average()
    average.install()
    return model, average


def bad_copies_with_their_graphs(steps):
    made_elsewhere = globals()["SlowAverage"]
    model, average = train(steps, lambda model: made_elsewhere(model.named_parameters()))
    average.restore()
    return average, sum(weight.sum().item() for weight in model.parameters())


def good_detached_copies(steps):
    made_elsewhere = globals()["DetachedAverage"]
    model, average = train(steps, lambda model: made_elsewhere(model.parameters()))
    return average, sum(weight.sum().item() for weight in model.parameters())


def good_blend_by_name_that_is_loaded(steps):
    online, target = nn.Linear(4, 2), nn.Linear(4, 2)
    optimizer = torch.optim.SGD(online.parameters(), lr=0.1)
    for _ in range(steps):
        loss = F.mse_loss(online(torch.randn(3, 4)), target(torch.randn(3, 4)).detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        blend, held = dict(online.named_parameters()), dict(target.named_parameters())
        for name in blend:
            blend[name] = 0.1 * blend[name].clone() + 0.9 * held[name].clone()
        target.load_state_dict(blend)
    return target.weight.sum().item()
