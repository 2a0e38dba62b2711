"""The author has cut one use of a distribution and forgotten the other."""

import torch
import torch.nn.functional as F
from torch import nn, optim


def bad_bias_correction(steps=3):
    """Off-policy actor-critic: the expectation over actions is weighed with ratios of the detached policy."""
    policy, q_net = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = optim.SGD(policy.parameters(), lr=0.05)
    for _ in range(steps):
        states, behaviour = torch.randn(8, 4), torch.softmax(torch.randn(8, 3), dim=1)
        pi = F.softmax(policy(states), dim=1)
        rho = pi.detach() / behaviour
        correction = (1 - 1 / rho).clamp(min=0)
        with torch.no_grad():
            q = q_net(states)
        loss = (-correction * pi * torch.log(pi) * (q - q.mean(1, keepdim=True))).sum(1).mean()  # DTL503
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_bias_correction(steps=3):
    policy, q_net = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = optim.SGD(policy.parameters(), lr=0.05)
    for _ in range(steps):
        states, behaviour = torch.randn(8, 4), torch.softmax(torch.randn(8, 3), dim=1)
        pi = F.softmax(policy(states), dim=1)
        weight = torch.tensor(pi.tolist())
        correction = (1 - behaviour / weight).clamp(min=0)
        with torch.no_grad():
            q = q_net(states)
        loss = (-correction * weight * torch.log(pi) * (q - q.mean(1, keepdim=True))).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_truncated_importance_weight(steps=3):
    policy = nn.Linear(4, 3)
    optimizer = optim.SGD(policy.parameters(), lr=0.05)
    for _ in range(steps):
        states, gains = torch.randn(8, 4), torch.randn(8, 3)
        probs = torch.softmax(policy(states), dim=-1)
        truncated = torch.clamp(3 * probs.detach(), max=1.0)
        objective = probs * truncated * probs.log() * gains  # DTL503
        optimizer.zero_grad()
        (-objective.sum(-1).mean()).backward()
        optimizer.step()


def good_truncated_importance_weight(steps=3):
    policy = nn.Linear(4, 3)
    optimizer = optim.SGD(policy.parameters(), lr=0.05)
    for _ in range(steps):
        states, gains = torch.randn(8, 4), torch.randn(8, 3)
        probs = torch.softmax(policy(states), dim=-1)
        fixed = probs.data
        truncated = torch.clamp(3 * fixed, max=1.0)
        objective = fixed * truncated * probs.log() * gains
        optimizer.zero_grad()
        (-objective.sum(-1).mean()).backward()
        optimizer.step()


class Fractions(nn.Module):
    """A distribution is proposed, values are computed at its points, and it weighs them."""

    def __init__(self):
        super().__init__()
        self.propose = nn.Linear(4, 5)
        self.values = nn.Linear(5, 5)

    def points(self, x):
        log_probs = torch.log_softmax(self.propose(x), dim=1)
        ends = torch.cumsum(log_probs.exp(), dim=1)
        starts = F.pad(ends[:, :-1], (1, 0))
        return ends, starts, (ends + starts) / 2

    def forward(self, x):
        ends, starts, middles = self.points(x)
        values = self.values(middles.detach())
        weight = ends - starts  # DTL503
        return (weight * values).sum(dim=1)


class CarefulFractions(Fractions):
    def forward(self, x):
        with torch.no_grad():
            ends, starts, middles = self.points(x)
        weight = ends - starts
        return (weight * self.values(middles)).sum(dim=1)


def regress(net, steps):
    optimizer = optim.SGD(net.values.parameters(), lr=0.05)
    for _ in range(steps):
        loss = F.mse_loss(net(torch.randn(8, 4)), torch.randn(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_proposed_fractions(steps=3):
    regress(Fractions(), steps)


def good_proposed_fractions(steps=3):
    regress(CarefulFractions(), steps)


class Pooling(nn.Module):
    """What is pooled was not computed from the weights: both learn."""

    def __init__(self):
        super().__init__()
        self.attention = nn.Linear(4, 1)
        self.values = nn.Linear(4, 1)

    def forward(self, x):
        weights = torch.softmax(self.attention(x), dim=1)
        self.last = weights.detach()
        return (weights * self.values(x)).sum(dim=1).squeeze(1)


def good_attention_pooling(steps=3):
    pooling = Pooling()
    optimizer = optim.SGD(pooling.parameters(), lr=0.05)
    for _ in range(steps):
        loss = F.mse_loss(pooling(torch.randn(8, 3, 4)), torch.randn(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
