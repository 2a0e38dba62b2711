"""Look-alikes: losses whose two sides are meant to learn, and targets that hang on no graph."""

import copy

import torch
import torch.nn.functional as F
from torch import nn, optim


def network(outputs=4):
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, outputs))


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def good_target_network(steps=3):
    net = network(3)
    target_net = copy.deepcopy(net).requires_grad_(False)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, next_states = torch.randn(8, 4), torch.randn(8), torch.randn(8, 4)
        target = rewards + 0.9 * target_net(next_states).max(1)[0]
        step(optimizer, F.mse_loss(net(states).max(1)[0], target))


def good_double_q_learning(steps=3):
    """The network chooses the action, which has no gradient; another one values it."""
    net, target_net = network(3), network(3)
    target_net.load_state_dict(net.state_dict())
    for p in target_net.parameters():
        p.requires_grad = False
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, next_states = torch.randn(8, 4), torch.randn(8), torch.randn(8, 4)
        best = net(next_states).argmax(1, keepdim=True)
        target = rewards + 0.9 * target_net(next_states).gather(1, best).squeeze(1)
        step(optimizer, F.mse_loss(net(states).max(1)[0], target))


def good_autoencoder(steps=3):
    net = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 4))
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        x = torch.randn(8, 4)
        step(optimizer, F.mse_loss(net(x), x))


def good_mutual_learning(steps=3):
    one, two = network(3), network(3)
    optimizer = optim.SGD([*one.parameters(), *two.parameters()], lr=0.05)
    for _ in range(steps):
        x = torch.randn(8, 4)
        p, q = F.log_softmax(one(x), dim=1), F.log_softmax(two(x), dim=1)
        there = F.kl_div(p, q, reduction="batchmean", log_target=True)
        back = F.kl_div(q, p, reduction="batchmean", log_target=True)
        step(optimizer, there + back)


def good_consistency_of_two_views(steps=3):
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randn(8, 4)
        supervised = F.mse_loss(net(x), y)
        step(optimizer, supervised + 0.5 * F.mse_loss(net(x + 0.1), net(x - 0.1)))


def good_siamese(steps=3):
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        anchor, positive, negative = (net(torch.randn(8, 4)) for _ in range(3))
        near, far = (anchor - positive).pow(2).sum(1), (anchor - negative).pow(2).sum(1)
        step(optimizer, F.relu(near - 0.5 * far + 1.0).mean())


def good_translated_embeddings(steps=3):
    entities, relations = nn.Embedding(10, 4), nn.Embedding(3, 4)
    optimizer = optim.SGD([*entities.parameters(), *relations.parameters()], lr=0.05)
    for _ in range(steps):
        head, relation, tail = torch.randint(0, 10, (8,)), torch.randint(0, 3, (8,)), torch.randint(0, 10, (8,))
        distance = (entities(head) + relations(relation) - entities(tail)).pow(2).sum(1)
        step(optimizer, distance.mean())


def good_latent_dynamics(steps=3):
    """The next latent is predicted from the last one: both come from the encoder that learns."""
    encoder, dynamics = network(), network()
    optimizer = optim.SGD([*encoder.parameters(), *dynamics.parameters()], lr=0.05)
    for _ in range(steps):
        now, then = encoder(torch.randn(8, 4)), encoder(torch.randn(8, 4))
        step(optimizer, F.mse_loss(now + 0.1 * dynamics(now), then))


def good_differential_equation(steps=3):
    """A residual of derivatives: every term is made by one call of the network."""
    net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        x = torch.rand(8, 1, requires_grad=True)
        source = torch.sin(x.detach())
        u = net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        step(optimizer, (slope - 0.5 * u - source).pow(2).mean())


def good_vector_quantisation(steps=3):
    encoder, decoder, codebook = network(), network(), nn.Embedding(5, 4)
    parameters = [*encoder.parameters(), *decoder.parameters(), *codebook.parameters()]
    optimizer = optim.SGD(parameters, lr=0.05)
    for _ in range(steps):
        x = torch.randn(8, 4)
        z = encoder(x)
        code = codebook(torch.cdist(z, codebook.weight).argmin(1))
        loss = F.mse_loss(code, z.detach()) + 0.25 * F.mse_loss(z, code.detach())
        passed = z + (code - z).detach()
        step(optimizer, loss + F.mse_loss(decoder(passed), x))


def good_cycle(steps=3):
    there, back = network(), network()
    optimizer = optim.SGD([*there.parameters(), *back.parameters()], lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randn(8, 4)
        loss = F.l1_loss(back(there(x)), x) + F.l1_loss(there(back(y)), y)
        step(optimizer, loss)


def good_errors_for_priorities(steps=3):
    """What goes into the buffer is a number; the loss has a target without a graph."""
    net = network(1)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    priorities = []
    for _ in range(steps):
        states, rewards, next_states = torch.randn(8, 4), torch.randn(8, 1), torch.randn(8, 4)
        ahead, value = net(next_states), net(states)
        errors = (rewards + 0.9 * ahead - value).abs()
        priorities.extend(errors.squeeze(1).tolist())
        step(optimizer, F.mse_loss(value, rewards + 0.9 * ahead.detach()))
    return priorities


def good_bellman_error_is_only_watched(steps=3):
    net = network(1)
    seen = []
    for _ in range(steps):
        states, rewards, next_states = torch.randn(8, 4), torch.randn(8, 1), torch.randn(8, 4)
        seen.append(F.mse_loss(net(states), rewards + 0.9 * net(next_states)).item())
    return seen
