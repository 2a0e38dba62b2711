"""Look-alikes: a learned temperature weighs the policy's loss.

The policy's backward leaves a gradient at the temperature, which is cleared before the temperature's own: nothing
comes of it. That is how most implementations of soft actor-critic are written.
"""

import torch
from torch import nn, optim
from torch.distributions import Normal


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def good_temperature_in_the_policy_loss(steps=3):
    actor, critic, log_alpha = nn.Linear(4, 2), nn.Linear(6, 1), nn.Parameter(torch.zeros(1))
    actor_optimizer, alpha_optimizer = optim.SGD(actor.parameters(), lr=0.05), optim.SGD([log_alpha], lr=0.05)
    for _ in range(steps):
        states = torch.randn(8, 4)
        dist = Normal(actor(states), 1.0)
        actions = dist.rsample()
        log_prob = dist.log_prob(actions).sum(1, keepdim=True)
        entropy = -log_alpha.exp() * log_prob
        step(actor_optimizer, (-critic(torch.cat([states, actions], 1)) - entropy).mean())
        step(alpha_optimizer, -(log_alpha.exp() * (log_prob - 2.0).detach()).mean())


class SoftActor:
    """Its temperature keeps its graph until the policy's backward has gone through it."""

    def __init__(self):
        self.actor, self.critic = nn.Linear(4, 2), nn.Linear(6, 1)
        self.log_alpha = torch.zeros(1, requires_grad=True)
        self.actor_optimizer = optim.SGD(self.actor.parameters(), lr=0.05)
        self.alpha_optimizer = optim.SGD([self.log_alpha], lr=0.05)

    def update(self, states):
        dist = Normal(self.actor(states), 1.0)
        actions = dist.rsample()
        log_prob = dist.log_prob(actions).sum(1, keepdim=True)
        alpha_loss = -(self.log_alpha * (log_prob - 2.0).detach()).mean()
        self.alpha_optimizer.zero_grad()
        alpha_loss.backward()
        self.alpha_optimizer.step()
        self.alpha = self.log_alpha.exp()
        policy_loss = (self.alpha * log_prob - self.critic(torch.cat([states, actions], 1))).mean()
        self.actor_optimizer.zero_grad()
        policy_loss.backward()
        self.actor_optimizer.step()


def good_temperature_of_an_agent(steps=3):
    agent = SoftActor()
    for _ in range(steps):
        agent.update(torch.randn(8, 4))


def good_temperature_of_a_discrete_policy(steps=3):
    actor, critic, log_alpha = nn.Linear(4, 3), nn.Linear(4, 3), nn.Parameter(torch.zeros(1))
    actor_optimizer, alpha_optimizer = optim.SGD(actor.parameters(), lr=0.05), optim.SGD([log_alpha], lr=0.05)
    for _ in range(steps):
        states = torch.randn(8, 4)
        log_probs = torch.log_softmax(actor(states), dim=1)
        with torch.no_grad():
            values = critic(states)
        alpha = log_alpha.exp()
        step(actor_optimizer, (log_probs.exp() * (alpha * log_probs - values)).sum(1).mean())
        step(alpha_optimizer, -(log_alpha * (log_probs - 0.5).detach()).mean())


def good_multiplier_of_a_penalty(steps=3):
    """A Lagrange multiplier: the critic's loss may reach it, its own step starts from zero."""
    critic, log_alpha = nn.Linear(4, 3), nn.Parameter(torch.zeros(1))
    critic_optimizer, alpha_optimizer = optim.SGD(critic.parameters(), lr=0.05), optim.SGD([log_alpha], lr=0.05)
    for _ in range(steps):
        values = critic(torch.randn(8, 4))
        penalty = (torch.logsumexp(values, dim=1) - values[:, 0]).mean()
        step(alpha_optimizer, -(log_alpha.exp().clamp(0, 1e6) * (penalty.detach() - 1.0)).mean())
        step(critic_optimizer, (values[:, 1] - 1.0).pow(2).mean() + (log_alpha.exp().clamp(0, 1e6) * penalty).sum())
