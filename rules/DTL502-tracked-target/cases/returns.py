"""More steps ahead: n-step returns, generalised advantages, two critics, helpers that make the loss."""

import torch
import torch.nn.functional as F
from torch import nn, optim

GAMMA, LAMBDA = 0.9, 0.8


def network(outputs=1):
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, outputs))


def rollout():
    return [torch.randn(2, 4) for _ in range(5)], torch.randn(5, 2), torch.randn(2, 4)


def bad_n_step_returns(steps=3):
    critic = network()
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        values = torch.stack([critic(state).squeeze(1) for state in states])
        returns = []
        R = critic(last).squeeze(1)
        for reward in reversed(rewards):
            R = reward + GAMMA * R
            returns.insert(0, R)
        loss = F.mse_loss(values, torch.stack(returns))  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_n_step_returns(steps=3):
    critic = network()
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        values = torch.stack([critic(state).squeeze(1) for state in states])
        returns = []
        with torch.no_grad():
            R = critic(last).squeeze(1)
        for reward in reversed(rewards):
            R = reward + GAMMA * R
            returns.insert(0, R)
        loss = F.mse_loss(values, torch.stack(returns))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_shifted_values(steps=3):
    """The values of the next steps are those of this pass, shifted by one."""
    critic = network()
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        values = critic(torch.stack([*states, last])).squeeze(2)
        deltas = rewards + GAMMA * values[1:] - values[:-1]  # DTL502
        loss = 0.5 * deltas.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_shifted_values(steps=3):
    critic = network()
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        values = critic(torch.stack([*states, last])).squeeze(2)
        ahead = values.data
        deltas = rewards + GAMMA * ahead[1:] - values[:-1]
        loss = 0.5 * deltas.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def td_loss(prediction, target):
    return (prediction - target).pow(2).mean()  # DTL502


def bad_loss_in_a_helper(steps=3):
    critic = network()
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        target = rewards[-1] + GAMMA * critic(last).squeeze(1)
        loss = td_loss(critic(states[-1]).squeeze(1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_loss_in_a_helper(steps=3):
    critic = network()
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        with torch.no_grad():
            target = rewards[-1] + GAMMA * critic(last).squeeze(1)
        loss = td_loss(critic(states[-1]).squeeze(1), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 16)
        self.policy = nn.Linear(16, 3)
        self.value = nn.Linear(16, 1)

    def forward(self, states):
        features = torch.tanh(self.body(states))
        return self.policy(features), self.value(features).squeeze(-1)


def bad_actor_critic_with_two_heads(steps=3):
    net = TwoHeads()
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        logits, value = net(states[-1])
        _, next_value = net(last)
        dist = torch.distributions.Categorical(logits=logits)
        target = rewards[-1] + GAMMA * next_value
        advantage = (target - value).detach()
        policy_loss = -(dist.log_prob(dist.sample()) * advantage).mean()
        loss = policy_loss + F.smooth_l1_loss(value, target)  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_actor_critic_with_two_heads(steps=3):
    net = TwoHeads()
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, last = rollout()
        logits, value = net(states[-1])
        with torch.no_grad():
            _, next_value = net(last)
        dist = torch.distributions.Categorical(logits=logits)
        target = rewards[-1] + GAMMA * next_value
        advantage = (target - value).detach()
        policy_loss = -(dist.log_prob(dist.sample()) * advantage).mean()
        loss = policy_loss + F.smooth_l1_loss(value, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
