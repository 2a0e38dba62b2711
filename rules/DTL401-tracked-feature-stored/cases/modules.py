"""Modules and agents that leave something of every call on themselves."""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    """Keeps its maps for pictures."""

    def __init__(self, width=4):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.maps = []

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1)
        weights = scores.softmax(dim=-1)
        self.maps.append(weights)  # DTL401
        return weights @ self.value(x)


class TidyAttention(Attention):
    """Keeps plain values only."""

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(-2, -1)
        weights = scores.softmax(dim=-1)
        self.maps.append(weights.detach().cpu())
        return weights @ self.value(x)


class Router(nn.Module):
    """A mixture of experts; the load of each call is written down."""

    load_history: list = []

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        gates = self.gate(x).softmax(-1)
        Router.load_history.append(gates.mean(dim=0))  # DTL401
        mixed = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return (mixed * gates.unsqueeze(-2)).sum(-1)


class BalancedRouter(nn.Module):
    """Leaves its auxiliary loss for the training loop, which adds it to the loss."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 3)
        self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.aux_losses = []

    def forward(self, x):
        gates = self.gate(x).softmax(-1)
        self.aux_losses.append(gates.mean(dim=0).pow(2).sum())
        self.last_gates = gates
        mixed = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return (mixed * gates.unsqueeze(-2)).sum(-1)


class Taps(nn.Module):
    """Collects the output of every stage anew in each pass and returns them."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.features = []

    def forward(self, x):
        self.features = []
        for stage in self.stages:
            x = torch.tanh(stage(x))
            self.features.append(x)
        return self.features


class Latest(nn.Module):
    """Whatever is assigned to `last` is cut by the property."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self._last = []

    @property
    def last(self):
        return self._last[-1]

    @last.setter
    def last(self, value):
        self._last.append(value.detach())

    def forward(self, x):
        self.last = self.linear(x)
        return x + torch.relu(self.linear(x))


class TextEncoder(nn.Module):
    """Caches the encoding of every prompt; the cache is only compared with."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 4)
        self.mix = nn.Linear(4, 4)
        self.cache = {}

    def encode(self, token):
        hidden = self.mix(self.embed(torch.tensor([token])))
        self.cache[token] = hidden  # DTL401
        return hidden

    def nearest(self, token):
        own = self.cache[token]
        distance = {other: (own - value).norm().item() for other, value in self.cache.items() if other != token}
        return min(distance, key=distance.get)


def train(model, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        loss = F.mse_loss(model(torch.randn(3, 4)), torch.zeros(3, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def bad_attention_maps(steps):
    model = Attention()
    loss = train(model, steps)
    entropy = [-(m * m.log()).sum(-1).mean().item() for m in model.maps]
    return loss, entropy


def bad_list_of_the_class(steps):
    Router.load_history = []
    model = Router()
    loss = train(model, steps)
    return loss, [load.argmax().item() for load in model.load_history]


def bad_cache_by_token(steps):
    encoder = TextEncoder()
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.05)
    for token in range(steps):
        loss = encoder.encode(token).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.nearest(0)


def good_plain_maps(steps):
    model = TidyAttention()
    return train(model, steps), torch.stack(model.maps).mean(0).tolist()


def good_auxiliary_losses_are_trained_on(steps):
    model = BalancedRouter()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        out = model(torch.randn(3, 4))
        loss = out.pow(2).mean() + 0.1 * torch.stack(model.aux_losses).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.aux_losses.clear()
    return loss.item()


def good_features_of_one_pass(steps):
    model = Taps()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        loss = sum(feature.pow(2).mean() for feature in model(torch.randn(3, 4)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item(), len(model.features)


def good_property_detaches(steps):
    model = Latest()
    return train(model, steps), model.last.norm().item()


def good_cache_of_a_frozen_encoder(steps):
    encoder = nn.Embedding(20, 4).requires_grad_(False)
    head = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    cache = {}

    def lookup(token):
        if token not in cache:
            cache[token] = encoder(torch.tensor([token]))
        return cache[token]

    for step in range(steps):
        loss = F.cross_entropy(head(lookup(step % 20)), torch.tensor([step % 2]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
