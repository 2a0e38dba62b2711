"""Advantages: the critic has a loss of its own."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.distributions import Categorical, Normal

GAMMA = 0.9


def batch():
    return torch.randn(8, 4), torch.randn(8), torch.randn(8, 4)


def bad_two_networks(steps=3):
    actor, critic = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.05)
    for _ in range(steps):
        states, returns, _ = batch()
        dist = Categorical(logits=actor(states))
        advantage = returns - critic(states).squeeze(1)
        actor_loss = -(dist.log_prob(dist.sample()) * advantage).mean()  # DTL503
        critic_loss = advantage.pow(2).mean()
        optimizer.zero_grad()
        (actor_loss + 0.5 * critic_loss).backward()
        optimizer.step()


def good_two_networks(steps=3):
    actor, critic = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.05)
    for _ in range(steps):
        states, returns, _ = batch()
        dist = Categorical(logits=actor(states))
        advantage = returns - critic(states).squeeze(1)
        weight = torch.tensor(advantage.tolist())
        actor_loss = -(dist.log_prob(dist.sample()) * weight).mean()
        critic_loss = advantage.pow(2).mean()
        optimizer.zero_grad()
        (actor_loss + 0.5 * critic_loss).backward()
        optimizer.step()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 16)
        self.head_pi = nn.Linear(16, 3)
        self.head_v = nn.Linear(16, 1)

    def pi(self, x):
        return F.softmax(self.head_pi(F.relu(self.body(x))), dim=-1)

    def v(self, x):
        return self.head_v(F.relu(self.body(x)))

    def forward(self, x):
        return self.pi(x), self.v(x).squeeze(-1)


def bad_two_heads_and_a_td_error(steps=3):
    model = TwoHeads()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, next_states = batch()
        actions = torch.randint(0, 3, (8, 1))
        with torch.no_grad():
            td_target = rewards.unsqueeze(1) + GAMMA * model.v(next_states)
        delta = td_target - model.v(states)
        pi_a = model.pi(states).gather(1, actions)
        loss = -torch.log(pi_a) * delta + F.smooth_l1_loss(model.v(states), td_target)  # DTL503
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()


def good_two_heads_and_a_td_error(steps=3):
    model = TwoHeads()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        states, rewards, next_states = batch()
        actions = torch.randint(0, 3, (8, 1))
        with torch.no_grad():
            td_target = rewards.unsqueeze(1) + GAMMA * model.v(next_states)
            delta = td_target - model.v(states)
        pi_a = model.pi(states).gather(1, actions)
        loss = -torch.log(pi_a) * delta + F.smooth_l1_loss(model.v(states), td_target)
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()


def bad_one_forward_gives_both(steps=3):
    model = TwoHeads()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        states, returns, _ = batch()
        probs, values = model(states)
        dist = Categorical(probs)
        policy_loss = -(dist.log_prob(dist.sample()) * (returns - values)).sum()  # DTL503
        value_loss = F.mse_loss(values, returns, reduction="sum")
        optimizer.zero_grad()
        (policy_loss + value_loss).backward()
        optimizer.step()


def good_one_forward_gives_both(steps=3):
    model = TwoHeads()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        states, returns, _ = batch()
        probs, values = model(states)
        dist = Categorical(probs)
        policy_loss = -(dist.log_prob(dist.sample()) * (returns - values.data)).sum()
        value_loss = F.mse_loss(values, returns, reduction="sum")
        optimizer.zero_grad()
        (policy_loss + value_loss).backward()
        optimizer.step()


class ReinforceWithBaseline:
    def __init__(self, policy, baseline):
        self.policy, self.baseline = policy, baseline
        self.policy_optimizer = optim.SGD(self.policy.parameters(), lr=0.05)
        self.baseline_optimizer = optim.SGD(self.baseline.parameters(), lr=0.05)
        self.value_loss = nn.MSELoss()

    def weight(self, offset):
        return offset

    def learn(self, states, returns):
        dist = Normal(self.policy(states).squeeze(1), 1.0)
        eligibility = dist.log_prob(dist.sample()).float()
        baselines = self.baseline(states).squeeze(1)
        loss = -(returns - baselines) @ eligibility  # DTL503
        self.policy_optimizer.zero_grad()
        self.baseline_optimizer.zero_grad()
        (loss + self.value_loss(baselines, returns)).backward()
        self.policy_optimizer.step()
        self.baseline_optimizer.step()


class CarefulReinforce(ReinforceWithBaseline):
    def learn(self, states, returns):
        dist = Normal(self.policy(states).squeeze(1), 1.0)
        eligibility = dist.log_prob(dist.sample()).float()
        baselines = self.baseline(states).squeeze(1)
        with torch.no_grad():
            offset = returns - baselines
        loss = -offset @ eligibility
        self.policy_optimizer.zero_grad()
        self.baseline_optimizer.zero_grad()
        (loss + self.value_loss(baselines, returns)).backward()
        self.policy_optimizer.step()
        self.baseline_optimizer.step()


def bad_reinforce_with_baseline(steps=3):
    agent = ReinforceWithBaseline(nn.Linear(4, 1), nn.Linear(4, 1))
    for _ in range(steps):
        agent.learn(*batch()[:2])


def good_reinforce_with_baseline(steps=3):
    agent = CarefulReinforce(nn.Linear(4, 1), nn.Linear(4, 1))
    for _ in range(steps):
        agent.learn(*batch()[:2])


def bad_clipped_ratio(steps=3):
    """Proximal policy optimisation with advantages computed anew in every epoch."""
    actor, critic = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.05)
    states, returns, _ = batch()
    old = Categorical(logits=actor(states).detach())
    actions = old.sample()
    old_log_probs = old.log_prob(actions)
    for _ in range(steps):
        ratio = torch.exp(Categorical(logits=actor(states)).log_prob(actions) - old_log_probs)
        values = critic(states).squeeze(1)
        advantages = returns - values
        surrogate = torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)  # DTL503, DTL503
        loss = F.mse_loss(values, returns) - surrogate.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_clipped_ratio(steps=3):
    actor, critic = nn.Linear(4, 3), nn.Linear(4, 1)
    optimizer = optim.SGD([*actor.parameters(), *critic.parameters()], lr=0.05)
    states, returns, _ = batch()
    old = Categorical(logits=actor(states).detach())
    actions = old.sample()
    old_log_probs = old.log_prob(actions)
    for _ in range(steps):
        ratio = torch.exp(Categorical(logits=actor(states)).log_prob(actions) - old_log_probs)
        values = critic(states).squeeze(1)
        with torch.no_grad():
            advantages = returns - values
        surrogate = torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        loss = F.mse_loss(values, returns) - surrogate.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_whole_episode(steps=3):
    """The rewards to go of an episode, with the values collected on the way."""
    model = TwoHeads()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        log_probs, values = [], []
        for _ in range(4):
            probs, value = model(torch.randn(4))
            dist = Categorical(probs)
            log_probs.append(dist.log_prob(dist.sample()))
            values.append(value)
        returns = torch.randn(4)
        advantages = returns - torch.stack(values)
        policy_loss = -(torch.stack(log_probs) * advantages).sum()  # DTL503
        loss = policy_loss + 0.5 * (advantages**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_whole_episode(steps=3):
    model = TwoHeads()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        log_probs, values = [], []
        for _ in range(4):
            probs, value = model(torch.randn(4))
            dist = Categorical(probs)
            log_probs.append(dist.log_prob(dist.sample()))
            values.append(value)
        returns = torch.randn(4)
        advantages = returns - torch.stack(values)
        policy_loss = -(torch.stack(log_probs) * advantages.data).sum()
        loss = policy_loss + 0.5 * (advantages**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_objective_over_all_actions(steps=3):
    """Soft actor-critic with discrete actions: the critics are numbers for the policy."""
    actor, one, two = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)
    actor_optimizer = optim.SGD(actor.parameters(), lr=0.05)
    critic_optimizer = optim.SGD([*one.parameters(), *two.parameters()], lr=0.05)
    for _ in range(steps):
        states, targets, _ = batch()
        critic_loss = F.mse_loss(one(states)[:, 0], targets) + F.mse_loss(two(states)[:, 0], targets)
        critic_optimizer.zero_grad()
        critic_loss.backward()
        critic_optimizer.step()
        log_probs = F.log_softmax(actor(states), dim=1)
        probs = log_probs.exp()
        q_one = one(states)  # DTL503
        q_two = two(states)  # DTL503
        q = torch.min(q_one, q_two)
        actor_loss = (probs * (0.2 * log_probs - q)).sum(1).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        actor_optimizer.step()


def good_objective_over_all_actions(steps=3):
    actor, one, two = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 3)
    actor_optimizer = optim.SGD(actor.parameters(), lr=0.05)
    critic_optimizer = optim.SGD([*one.parameters(), *two.parameters()], lr=0.05)
    for _ in range(steps):
        states, targets, _ = batch()
        critic_loss = F.mse_loss(one(states)[:, 0], targets) + F.mse_loss(two(states)[:, 0], targets)
        critic_optimizer.zero_grad()
        critic_loss.backward()
        critic_optimizer.step()
        log_probs = F.log_softmax(actor(states), dim=1)
        probs = log_probs.exp()
        with torch.no_grad():
            q = torch.min(one(states), two(states))
        actor_loss = (probs * (0.2 * log_probs - q)).sum(1).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        actor_optimizer.step()
