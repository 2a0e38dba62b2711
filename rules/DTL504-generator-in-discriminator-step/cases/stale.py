"""One output for two steps: the first of them changes the weights that the second backward needs."""

import torch
from torch import nn




def left_in(*networks):
    return [parameter.grad for network in networks for parameter in network.parameters()]


def bad_gate_on_shared_features(steps):
    body, head, gate = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)
    own = torch.optim.SGD(gate.parameters(), lr=0.1)
    rest = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
    for _ in range(steps):
        features = body(torch.randn(5, 3))
        spread = gate(features).pow(2).mean()  # DTL504
        error = (head(features) - 1).pow(2).mean()
        own.zero_grad()
        spread.backward(retain_graph=True)
        own.step()
        rest.zero_grad()
        try:
            (error + spread).backward()
        except RuntimeError as refused:
            print(refused)
        rest.step()
    return left_in(body, head)


def good_gate_on_shared_features(steps):
    body, head, gate = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)
    own = torch.optim.SGD(gate.parameters(), lr=0.1)
    rest = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
    for _ in range(steps):
        features = body(torch.randn(5, 3))
        with torch.no_grad():
            seen = features.clone()
        spread = gate(seen).pow(2).mean()
        error = (head(features) - 1).pow(2).mean()
        own.zero_grad()
        spread.backward(retain_graph=True)
        own.step()
        rest.zero_grad()
        (error + spread).backward()
        rest.step()
    return left_in(body, head)


def good_both_steps_after_both_backwards(steps):
    body, head, gate = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)
    own = torch.optim.SGD(gate.parameters(), lr=0.1)
    rest = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=0.1)
    for _ in range(steps):
        features = body(torch.randn(5, 3))
        spread = gate(features).pow(2).mean()
        error = (head(features) - 1).pow(2).mean()
        own.zero_grad()
        rest.zero_grad()
        spread.backward(retain_graph=True)
        (error + spread).backward()
        own.step()
        rest.step()
    return left_in(body, head)


def update(optimizer, loss):
    optimizer.zero_grad()
    try:
        loss.backward(retain_graph=True)
    except RuntimeError as refused:
        print(refused)
    optimizer.step()


def bad_score_for_both_updates(steps):
    maker, judge = nn.Linear(3, 4), nn.Linear(4, 1)
    for_maker = torch.optim.SGD(maker.parameters(), lr=0.1)
    for_judge = torch.optim.SGD(judge.parameters(), lr=0.1)
    for _ in range(steps):
        score = judge(maker(torch.randn(5, 3)))  # DTL504
        update(for_judge, score.mean())
        update(for_maker, -score.mean())
    return left_in(maker)


def good_score_for_both_updates(steps):
    maker, judge = nn.Linear(3, 4), nn.Linear(4, 1)
    for_maker = torch.optim.SGD(maker.parameters(), lr=0.1)
    for_judge = torch.optim.SGD(judge.parameters(), lr=0.1)
    for _ in range(steps):
        made = maker(torch.randn(5, 3))
        with torch.no_grad():
            seen = made.clone()
        update(for_judge, judge(seen).mean())
        update(for_maker, -judge(made).mean())
    return left_in(maker)
