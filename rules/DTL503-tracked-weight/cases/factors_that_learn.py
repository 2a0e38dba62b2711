"""Look-alikes: factors that are meant to learn, and factors that hang on no graph."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.distributions import Categorical, Normal


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def good_entropy_bonus(steps=3):
    policy, critic = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*policy.parameters(), *critic.parameters()], lr=0.05)
    for _ in range(steps):
        states, returns = torch.randn(8, 4), torch.randn(8)
        log_probs = F.log_softmax(policy(states), dim=1)
        probs, values = log_probs.exp(), critic(states).squeeze(1)
        entropy = -(probs * log_probs).sum(1)
        advantage = (returns - values).detach()
        policy_loss = -(log_probs[:, 0] * advantage).mean() - 0.01 * entropy.mean()
        step(optimizer, policy_loss + F.mse_loss(values, returns))


def good_reparameterised_actions(steps=3):
    """The action went into the critic: its gradient comes back through it."""
    actor, critic = nn.Linear(4, 2), nn.Linear(6, 1)
    actor_optimizer = optim.SGD(actor.parameters(), lr=0.05)
    critic_optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, returns = torch.randn(8, 4), torch.randn(8, 1)
        step(critic_optimizer, F.mse_loss(critic(torch.cat([states, torch.randn(8, 2)], 1)), returns))
        dist = Normal(actor(states), 1.0)
        actions = dist.rsample()
        log_prob = dist.log_prob(actions).sum(1, keepdim=True)
        step(actor_optimizer, (0.2 * log_prob - critic(torch.cat([states, actions], 1))).mean())


def good_learned_uncertainty(steps=3):
    net, log_variance = nn.Linear(4, 1), nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([*net.parameters(), log_variance], lr=0.05)
    for _ in range(steps):
        loss = F.mse_loss(net(torch.randn(8, 4)), torch.randn(8, 1))
        step(optimizer, (torch.exp(-log_variance) * loss + log_variance).sum())


def good_attention_over_losses(steps=3):
    net, attention = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*net.parameters(), *attention.parameters()], lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
        each = F.cross_entropy(net(x), y, reduction="none")
        step(optimizer, (torch.softmax(attention(x).squeeze(1), dim=0) * each).sum())


def good_mixture_of_experts(steps=3):
    gate, experts = nn.Linear(4, 2), nn.ModuleList([nn.Linear(4, 3), nn.Linear(4, 3)])
    optimizer = optim.SGD([*gate.parameters(), *experts.parameters()], lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randint(0, 3, (8, 1))
        weights = torch.softmax(gate(x), dim=1)
        log_likelihood = torch.stack([F.log_softmax(e(x), dim=1).gather(1, y).squeeze(1) for e in experts], dim=1)
        balance = ((weights.mean(0) - 0.5) ** 2).sum()
        step(optimizer, balance - torch.logsumexp(torch.log(weights) + log_likelihood, dim=1).mean())


def good_focal_loss(steps=3):
    net = nn.Linear(4, 3)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
        cross = F.cross_entropy(net(x), y, reduction="none")
        certain = torch.exp(-cross)
        step(optimizer, ((1 - certain) ** 2 * cross).mean())


def good_value_is_read_as_a_number(steps=3):
    policy, critic = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*policy.parameters(), *critic.parameters()], lr=0.05)
    for _ in range(steps):
        losses = []
        for _ in range(3):
            state, reward = torch.randn(4), torch.randn(1)
            dist, value = Categorical(logits=policy(state)), critic(state)
            advantage = reward.item() - value.item()
            losses.append(-dist.log_prob(dist.sample()) * advantage + F.smooth_l1_loss(value, reward))
        step(optimizer, torch.stack(losses).sum())


def good_gate_of_detached_features(steps=3):
    """The gate looks at features that it must not change: the features themselves learn."""
    body, gate, head = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 1)
    optimizer = optim.SGD([*body.parameters(), *gate.parameters(), *head.parameters()], lr=0.05)
    for _ in range(steps):
        features = torch.tanh(body(torch.randn(8, 4)))
        gated = features * torch.sigmoid(gate(features.detach()))
        step(optimizer, F.mse_loss(head(gated), torch.randn(8, 1)))


def good_weighted_entropy(steps=3):
    """An importance-weighted entropy is differentiated as a whole."""
    policy = nn.Linear(4, 3)
    optimizer = optim.SGD(policy.parameters(), lr=0.05)
    for _ in range(steps):
        probs = torch.softmax(policy(torch.randn(8, 4)), dim=1)
        weight = torch.rand(8, 1)
        step(optimizer, (weight * probs * torch.log(probs)).sum(1).mean())


def good_inner_step_of_meta_learning(steps=3):
    net, loss_weights = nn.Linear(4, 1), nn.Linear(4, 1)
    optimizer = optim.SGD([*net.parameters(), *loss_weights.parameters()], lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randn(8, 1)
        each = (net(x) - y) ** 2
        inner = (torch.sigmoid(loss_weights(x)) * each).mean()
        (grad,) = torch.autograd.grad(inner, [net.weight], create_graph=True)
        step(optimizer, ((x @ (net.weight - 0.1 * grad).t() + net.bias - y) ** 2).mean())


def good_divergence_of_two_that_learn(steps=3):
    """Mutual learning by hand: both networks have their own loss, and the divergence moves both."""
    one, two = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = optim.SGD([*one.parameters(), *two.parameters()], lr=0.05)
    for _ in range(steps):
        x, y = torch.randn(8, 4), torch.randint(0, 3, (8,))
        first, second = one(x), two(x)
        p, q = F.softmax(first, dim=1), F.softmax(second, dim=1)
        supervised = F.cross_entropy(first, y) + F.cross_entropy(second, y)
        divergence = (p * (torch.log(p) - torch.log(q))).sum(1).mean()
        agreement = -(q * F.log_softmax(first, dim=1)).sum(1).mean()
        step(optimizer, supervised + divergence + agreement)


def good_expected_value_is_the_prediction(steps=3):
    """The expectation over the policy is regressed: the critic learns through it."""
    policy, critic = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, targets = torch.randn(8, 4), torch.randn(8)
        with torch.no_grad():
            probs = F.softmax(policy(states), dim=1)
        step(optimizer, F.mse_loss((probs * critic(states)).sum(1), targets))
