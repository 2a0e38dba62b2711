"""`retain_graph=True`: what it silences, and where it is meant."""

import torch
import torch.nn.functional as F
from torch import nn


def build():
    rnn, head = nn.GRU(3, 5), nn.Linear(5, 2)
    return rnn, head, torch.optim.SGD([*rnn.parameters(), *head.parameters()], lr=0.1)


def chunk():
    return torch.ones(4, 2, 3), torch.zeros(2, dtype=torch.long)


def bad_retained_and_stepped(steps):  # harm: raises: modified by an inplace operation
    rnn, head, optimizer = build()
    hidden = torch.zeros(1, 2, 5)
    for _ in range(steps):
        x, y = chunk()
        out, hidden = rnn(x, hidden)  # DTL501
        loss = F.cross_entropy(head(out[-1]), y)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()


def good_retained_and_stepped(steps):
    rnn, head, optimizer = build()
    hidden = torch.zeros(1, 2, 5)
    for _ in range(steps):
        x, y = chunk()
        out, hidden = rnn(x, hidden.detach())
        loss = F.cross_entropy(head(out[-1]), y)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.write = nn.Linear(6, 4)
        self.read = nn.Linear(4, 1)

    def forward(self, x, memory):
        memory = torch.tanh(self.write(torch.cat([x, memory], dim=-1)))
        return self.read(memory), memory


def bad_memory_is_retained(steps):  # harm: raises: modified by an inplace operation
    net = Memory()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    memory = torch.zeros(3, 4)
    for _ in range(steps):
        score, memory = net(torch.ones(3, 2), memory)  # DTL501
        optimizer.zero_grad()
        score.square().mean().backward(retain_graph=True)
        optimizer.step()


def good_memory_is_retained(steps):
    net = Memory()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    memory = torch.zeros(3, 4)
    for _ in range(steps):
        score, memory = net(torch.ones(3, 2), memory.detach())
        optimizer.zero_grad()
        score.square().mean().backward(retain_graph=True)
        optimizer.step()


def good_stepped_when_all_is_over(steps):
    """Each step's loss goes back through all before it, and the weights stay until the end: slow, and right."""
    rnn, head, optimizer = build()
    hidden = torch.zeros(1, 2, 5)
    optimizer.zero_grad()
    for _ in range(steps):
        x, y = chunk()
        out, hidden = rnn(x, hidden)
        F.cross_entropy(head(out[-1]), y).backward(retain_graph=True)
    optimizer.step()


def good_two_losses_of_one_graph(steps):
    rnn, head, optimizer = build()
    for _ in range(steps):
        x, y = chunk()
        out, _ = rnn(x)
        optimizer.zero_grad()
        F.cross_entropy(head(out[-1]), y).backward(retain_graph=True)
        out.square().mean().backward()
        optimizer.step()


def good_sample_shared_with_a_critic(steps):
    """The critic's step changes none of the weights that the sample's graph needs."""
    maker, critic = nn.Linear(2, 3), nn.Linear(3, 1)
    first = torch.optim.SGD(critic.parameters(), lr=0.1)
    second = torch.optim.SGD(maker.parameters(), lr=0.1)
    for _ in range(steps):
        sample = maker(torch.ones(4, 2))
        first.zero_grad()
        critic(sample.detach()).mean().backward(retain_graph=True)
        first.step()
        second.zero_grad()
        (-critic(sample)).mean().backward()
        second.step()
