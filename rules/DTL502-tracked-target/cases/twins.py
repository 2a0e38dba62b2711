"""Losses that come in pairs: one detaches its target, the other forgets to."""

import torch
import torch.nn.functional as F
from torch import nn


def views(size=8):
    return torch.randn(size, 5), torch.randn(size, 5)


def encoder():
    return nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4))


def bad_second_critic_forgets(steps):
    first, second, target_net = nn.Linear(5, 1), nn.Linear(5, 1), nn.Linear(5, 1)
    optimizer = torch.optim.Adam([*first.parameters(), *second.parameters(), *target_net.parameters()], lr=0.01)
    for _ in range(steps):
        now, later = views()
        goal = 1.0 + 0.9 * target_net(later)
        loss = F.mse_loss(first(now), goal.detach()) + F.mse_loss(second(now), goal)  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_second_critic_forgets(steps):
    first, second, target_net = nn.Linear(5, 1), nn.Linear(5, 1), nn.Linear(5, 1)
    optimizer = torch.optim.Adam([*first.parameters(), *second.parameters(), *target_net.parameters()], lr=0.01)
    for _ in range(steps):
        now, later = views()
        goal = 1.0 + 0.9 * target_net(later).detach()
        loss = F.mse_loss(first(now), goal) + F.mse_loss(second(now), goal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_mirrored_views(steps):
    net, predictor = encoder(), nn.Linear(4, 4)
    optimizer = torch.optim.SGD([*net.parameters(), *predictor.parameters()], lr=0.05)
    for _ in range(steps):
        one, other = views()
        z1, z2 = net(one), net(other)
        p1, p2 = predictor(z1), predictor(z2)
        loss = -(
            F.cosine_similarity(p1, z2.detach()).mean() + F.cosine_similarity(p2, z1).mean()  # DTL502
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_mirrored_views(steps):
    net, predictor = encoder(), nn.Linear(4, 4)
    optimizer = torch.optim.SGD([*net.parameters(), *predictor.parameters()], lr=0.05)
    for _ in range(steps):
        one, other = views()
        z1, z2 = net(one), net(other)
        p1, p2 = predictor(z1), predictor(z2)
        loss = -(
            F.cosine_similarity(p1, z2.detach()).mean() + F.cosine_similarity(p2, z1.detach()).mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def distance(prediction, target):
    return (F.normalize(prediction, dim=-1) - F.normalize(target, dim=-1)).pow(2).sum(-1).mean()


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.predictor = encoder(), nn.Linear(4, 4)

    def forward(self, one, other):
        z1, z2 = self.net(one), self.net(other)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        first = distance(p1, z2)  # DTL502
        return (first + distance(p2, z1.detach())) / 2


def bad_mirrored_views_in_a_module(steps):
    model = Siamese()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        loss = model(*views())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class Stopped(Siamese):
    def forward(self, one, other):
        z1, z2 = self.net(one), self.net(other)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        return (distance(p1, z2.detach()) + distance(p2, z1.detach())) / 2


def good_mirrored_views_in_a_module(steps):
    model = Stopped()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        loss = model(*views())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_flows_both_ways(steps):
    net, predictor = encoder(), nn.Linear(4, 4)
    optimizer = torch.optim.SGD([*net.parameters(), *predictor.parameters()], lr=0.05)
    for _ in range(steps):
        one, other = views()
        z1, z2 = net(one), net(other)
        loss = distance(predictor(z1), z2) + distance(predictor(z2), z1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_commitment_with_its_other_half(steps):
    net, codes = encoder(), nn.Embedding(10, 4)
    optimizer = torch.optim.SGD([*net.parameters(), *codes.parameters()], lr=0.05)
    for _ in range(steps):
        z = net(views()[0])
        nearest = codes(torch.cdist(z, codes.weight).argmin(1))
        loss = F.mse_loss(nearest, z.detach()) + 0.25 * F.mse_loss(nearest.detach(), z)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_other_target_than_its_twin(steps):
    net, decoder = encoder(), nn.Linear(4, 5)
    optimizer = torch.optim.SGD([*net.parameters(), *decoder.parameters()], lr=0.05)
    for _ in range(steps):
        one, other = views()
        z1, z2 = net(one), net(other)
        # The images pull each other's codes; the codes of what was decoded are to stay where they were.
        loss = F.mse_loss(net(decoder(z1)), z1.detach()) + F.mse_loss(z1, z2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(8, 4)

    def forward(self, query, memory):
        return self.mix(torch.cat([query, memory], dim=-1))


def good_a_network_is_no_loss(steps):
    net, cross = encoder(), Attention()
    optimizer = torch.optim.SGD([*net.parameters(), *cross.parameters()], lr=0.05)
    for _ in range(steps):
        one, other = views()
        z1, z2 = net(one), net(other)
        loss = (cross(z1, z2.detach()) + cross(z2, z1)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
