"""Lists that are needed: what they hold is stacked, summed and differentiated. And two that are not."""

import torch
from torch import nn
from torch.distributions import Categorical


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 2)
        self.value_head = nn.Linear(16, 1)
        self.saved_log_probs = []

    def forward(self, x):
        x = torch.relu(self.affine(x))
        return Categorical(logits=self.action_head(x)), self.value_head(x)


class Tagger(nn.Module):
    """Unrolls a cell by hand and collects its outputs."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, sequence):
        hidden = sequence.new_zeros(sequence.size(1), 6)
        outputs = []
        for x in sequence:
            hidden = self.cell(x, hidden)
            outputs.append(self.out(hidden))
        return torch.stack(outputs)


class PyramidHead(nn.Module):
    """Returns one map per level."""

    def __init__(self):
        super().__init__()
        self.levels = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])

    def forward(self, x):
        maps = {}
        for index, level in enumerate(self.levels):
            x = torch.relu(level(x))
            maps[f"p{index}"] = x
        return maps


def environment(state):
    return 0.9 * state + 0.1 * torch.randn(4), float(state.sum() > 0)


def bad_values_kept_for_a_plot(steps):
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
    state, values = torch.randn(4), []
    for _ in range(steps):
        distribution, value = policy(state)
        action = distribution.sample()
        state, reward = environment(state)
        advantage = reward - value.detach()
        loss = -distribution.log_prob(action) * advantage + (value - reward).pow(2)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        values.insert(0, value)  # DTL302
    return [round(value.item(), 3) for value in reversed(values)]


def bad_next_values_are_detached_later(steps):
    policy = Policy()
    state = torch.randn(4)
    log_probs, rewards, next_values = [], [], []
    for _ in range(steps):
        distribution, _ = policy(state)
        action = distribution.sample()
        log_probs.append(distribution.log_prob(action))
        state, reward = environment(state)
        rewards.append(reward)
        next_values.append(policy(state)[1])  # DTL302
    targets = torch.tensor(rewards) + 0.9 * torch.cat(next_values).detach()
    loss = -(torch.stack(log_probs) * targets).sum()
    loss.backward()
    del log_probs, loss
    return targets.sum().item()


def finish_episode(policy, optimizer, rewards):
    returns, running = [], 0.0
    for reward in reversed(rewards):
        running = reward + 0.99 * running
        returns.insert(0, running)
    returns = torch.tensor(returns)
    policy_loss = []
    for log_prob, value in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * value)
    optimizer.zero_grad()
    policy_loss = torch.stack(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.saved_log_probs[:]
    return policy_loss.item()


def good_reinforce(steps):
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.01)
    losses = []
    for _ in range(2):
        state, rewards = torch.randn(4), []
        for _ in range(steps):
            distribution, _ = policy(state)
            action = distribution.sample()
            policy.saved_log_probs.append(distribution.log_prob(action))
            state, reward = environment(state)
            rewards.append(reward)
        losses.append(finish_episode(policy, optimizer, rewards))
    return losses


def rollout(policy, length):
    """Log-probabilities and rewards of one episode, for the caller's loss."""
    state, log_probs, rewards = torch.randn(4), [], []
    for _ in range(length):
        distribution, _ = policy(state)
        action = distribution.sample()
        log_probs.append(distribution.log_prob(action))
        state, reward = environment(state)
        rewards.append(reward)
    return log_probs, rewards


def good_rollout_for_the_callers_loss(steps):
    policy = Policy()
    optimizer = torch.optim.SGD(policy.parameters(), lr=0.01)
    scores = []
    for _ in range(steps):
        log_probs, rewards = rollout(policy, 4)
        loss = -torch.stack(log_probs).mul(torch.tensor(rewards)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scores.append(sum(rewards))
    return scores


def good_outputs_of_a_recurrent_forward(steps):
    model = Tagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    curve = []
    for _ in range(steps):
        logits = model(torch.randn(5, 2, 3))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), torch.zeros(10, dtype=torch.long))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def good_maps_of_a_pyramid(steps):
    model = PyramidHead()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0.0
    for _ in range(steps):
        maps = model(torch.randn(2, 6))
        loss = sum(level.pow(2).mean() for level in maps.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total


def good_embeddings_for_a_contrastive_loss(steps):
    encoder = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    shown = []
    for _ in range(steps):
        views = [encoder(torch.randn(6, 4)) for _ in range(2)]
        first, second = (nn.functional.normalize(view, dim=1) for view in views)
        loss = nn.functional.cross_entropy(first @ second.T, torch.arange(6))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown.append(f"{loss:.3f}")
    return shown


def good_parameters_for_an_optimizer(steps):
    networks = [nn.Linear(2, 2) for _ in range(3)]
    parameters = []
    for network in networks:
        parameters += list(network.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(steps):
        loss = sum(network(torch.ones(1, 2)).sum() for network in networks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
