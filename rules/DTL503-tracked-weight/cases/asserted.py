"""A function asserts that what it is given as a weight does not require grad."""

import torch
from torch import nn, optim


def quantile_huber_loss(errors, fractions):
    assert not fractions.requires_grad
    huber = torch.where(errors.abs() < 1, 0.5 * errors**2, errors.abs() - 0.5)
    return ((fractions - (errors.detach() < 0).float()).abs() * huber).mean()


def bad_learned_fractions(steps=3):  # harm: raises: AssertionError
    proposal, quantiles = nn.Linear(4, 5), nn.Linear(4, 5)
    optimizer = optim.SGD(quantiles.parameters(), lr=0.05)
    for _ in range(steps):
        states, targets = torch.randn(8, 4), torch.randn(8, 5)
        fractions = torch.softmax(proposal(states), dim=1).cumsum(1)
        loss = quantile_huber_loss(targets - quantiles(states), fractions)  # DTL503
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_fixed_fractions(steps=3):
    quantiles = nn.Linear(4, 5)
    optimizer = optim.SGD(quantiles.parameters(), lr=0.05)
    fractions = torch.linspace(0.1, 0.9, 5)
    for _ in range(steps):
        states, targets = torch.randn(8, 4), torch.randn(8, 5)
        loss = quantile_huber_loss(targets - quantiles(states), fractions)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
