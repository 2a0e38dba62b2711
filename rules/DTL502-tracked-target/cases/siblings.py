"""A base class backpropagates with a target that its subclasses compute: one of them forgot to cut it."""

import abc

import torch
import torch.nn.functional as F
from torch import nn, optim

LOSSES = {"smooth": F.smooth_l1_loss, "square": F.mse_loss}


def batches(steps):
    return [(torch.randn(8, 4), torch.randn(8, 1), torch.randn(8, 4)) for _ in range(steps)]


class Learner(abc.ABC):
    def __init__(self, loss="smooth"):
        self.q = nn.Linear(4, 1)
        self.value = nn.Linear(4, 1)
        self.loss = LOSSES[loss]
        self.optimizer = optim.SGD([*self.q.parameters(), *self.value.parameters()], lr=0.05)

    @abc.abstractmethod
    def bootstrap(self, states):
        pass

    def update(self, states, rewards, next_states):
        ahead = self.bootstrap(next_states)
        loss = self.loss(self.q(states), rewards + 0.9 * ahead)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class FromItself(Learner):
    def bootstrap(self, states):
        with torch.no_grad():
            return self.q(states)


class FromTheValue(Learner):
    def bootstrap(self, states):
        return self.value(states)  # DTL502


class FromTheValueOnly(Learner):
    def bootstrap(self, states):
        with torch.no_grad():
            return self.value(states)


class FromTheSmallerOne(Learner):
    @torch.no_grad()
    def bootstrap(self, states):
        return torch.min(self.q(states), self.value(states))


def bad_one_subclass_forgot(steps=3):
    learner = FromTheValue()
    for batch in batches(steps):
        learner.update(*batch)


def good_one_subclass_forgot(steps=3):
    learner = FromTheValueOnly()
    for batch in batches(steps):
        learner.update(*batch)


def good_every_subclass_cuts(steps=3):
    for learner in (FromItself("square"), FromTheSmallerOne()):
        for batch in batches(steps):
            learner.update(*batch)


class Model(abc.ABC):
    """What the subclasses give here is the prediction: all of them compute it with its graph."""

    def __init__(self):
        self.net = nn.Linear(4, 1)
        self.optimizer = optim.SGD(self.net.parameters(), lr=0.05)

    @abc.abstractmethod
    def predict(self, x):
        pass

    def update(self, x, y):
        self.optimizer.zero_grad()
        F.mse_loss(self.predict(x), y).backward()
        self.optimizer.step()


class Plain(Model):
    def predict(self, x):
        return self.net(x)


class Squashed(Model):
    def predict(self, x):
        return torch.tanh(self.net(x))


def good_predictions_keep_their_graph(steps=3):
    for model in (Plain(), Squashed()):
        for x, y, _ in batches(steps):
            model.update(x, y)
