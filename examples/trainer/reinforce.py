"""A policy that learns which of a few levers pays, with a learned baseline."""

import torch
from torch import nn
from torch.distributions import Categorical

PAYS = torch.tensor([0.2, 0.5, 0.9])


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(1, 8)
        self.actor = nn.Linear(8, len(PAYS))
        self.critic = nn.Linear(8, 1)

    def forward(self, state: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        hidden = self.body(state).tanh()
        return Categorical(logits=self.actor(hidden)), self.critic(hidden).squeeze(-1)


def play(policy: Policy, rounds: int) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
    log_probs, values, rewards = [], [], []
    for _ in range(rounds):
        distribution, value = policy(torch.ones(1))
        action = distribution.sample()
        log_probs.append(distribution.log_prob(action))
        values.append(value)
        rewards.append(torch.bernoulli(PAYS[action]))
    return log_probs, values, rewards


def learn(episodes: int = 30, rounds: int = 10) -> float:
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
    losses = []
    best = None
    for _ in range(episodes):
        log_probs, values, rewards = play(policy, rounds)
        policy_loss = 0.0
        value_loss = 0.0
        for log_prob, value, reward in zip(log_probs, values, rewards, strict=True):
            advantage = reward - value.detach()
            policy_loss += -(log_prob * advantage).sum()
            value_loss += (value - reward).pow(2).sum()
        loss = policy_loss + 0.5 * value_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)
        best = loss.item() if best is None else min(best, loss.item())
    return torch.stack(losses).mean().item()
