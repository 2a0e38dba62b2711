"""Rollout buffers, data sets and module-level records."""

from collections import namedtuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset

Transition = namedtuple("Transition", "state action value reward")
LOSS_RECORD = []
_embeddings = {}


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 8)
        self.policy = nn.Linear(8, 2)
        self.value = nn.Linear(8, 1)

    def forward(self, state):
        hidden = torch.tanh(self.body(state))
        return torch.distributions.Categorical(logits=self.policy(hidden)), self.value(hidden).squeeze(-1)


class Agent:
    """Acts with the network in grad mode and remembers what the critic said."""

    def __init__(self):
        self.network = ActorCritic()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)
        self.memory = []

    def act(self, state):
        distribution, value = self.network(state)
        action = distribution.sample()
        self.memory.append(Transition(state, action, value, float(action)))  # DTL401
        return action

    def learn(self):
        states = torch.stack([t.state for t in self.memory])
        actions = torch.stack([t.action for t in self.memory])
        rewards = torch.tensor([t.reward for t in self.memory])
        baseline = torch.stack([t.value for t in self.memory]).detach()
        distribution, value = self.network(states)
        policy_loss = -(distribution.log_prob(actions) * (rewards - baseline)).mean()
        loss = policy_loss + F.mse_loss(value, rewards)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class OnPolicyAgent(Agent):
    """Its rollout holds what the loss differentiates."""

    def act(self, state):
        distribution, value = self.network(state)
        action = distribution.sample()
        self.memory.append((distribution.log_prob(action), value, float(action)))
        return action

    def learn(self):
        log_probs, values, rewards = zip(*self.memory)
        returns = torch.tensor(rewards)
        values = torch.stack(values)
        advantages = returns - values.detach()
        loss = -(torch.stack(log_probs) * advantages).mean() + F.mse_loss(values, returns)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.memory = []
        return loss.item()


class CarefulAgent(Agent):
    """Acts without grad."""

    @torch.no_grad()
    def act(self, state):
        distribution, value = self.network(state)
        action = distribution.sample()
        self.memory.append(Transition(state, action, value, float(action)))
        return action


class FeatureSet(Dataset):
    """A data set that grows while features are computed."""

    def __init__(self):
        self.features, self.labels = [], []

    def add(self, feature, label):
        self.features.append(feature)
        self.labels.append(label)

    def __len__(self):
        return len(self.features)

    def __getitem__(self, index):
        return self.features[index].detach(), self.labels[index]


def bad_agent_remembers_values(steps):
    agent = Agent()
    for _ in range(steps):
        agent.act(torch.randn(3))
    return agent.learn()


def bad_data_set_of_features(steps):
    encoder = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    encoder.eval()
    features = FeatureSet()
    for label in range(steps):
        features.add(encoder(torch.randn(3)), label)  # DTL401
    return len(features), features[0][0].sum().item()


def train_step(model, optimizer, x, y):
    loss = F.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    LOSS_RECORD.append(loss)  # DTL401


def bad_module_level_record(steps):
    LOSS_RECORD.clear()
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        train_step(model, optimizer, torch.randn(4, 3), torch.randn(4, 1))
    print("last losses", [f"{loss.item():.3f}" for loss in LOSS_RECORD[-3:]])
    return sum(loss.item() for loss in LOSS_RECORD) / len(LOSS_RECORD)


def record_embedding(encoder, index, x, store=_embeddings):
    embedding = F.normalize(encoder(x), dim=-1)
    store[index] = embedding  # DTL401
    return embedding


def bad_default_argument_as_store(steps):
    _embeddings.clear()
    encoder = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    for index in range(steps):
        loss = record_embedding(encoder, index, torch.randn(3)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {index: value.argmax().item() for index, value in _embeddings.items()}


def good_acting_without_grad(steps):
    agent = CarefulAgent()
    for _ in range(steps):
        agent.act(torch.randn(3))
    return agent.learn()


def good_rollout_is_differentiated(steps):
    agent = OnPolicyAgent()
    losses = []
    for _ in range(steps):
        for _ in range(3):
            agent.act(torch.randn(3))
        losses.append(agent.learn())
    return losses


def good_data_set_of_plain_features(steps):
    encoder = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
    features = FeatureSet()
    with torch.no_grad():
        for label in range(steps):
            features.add(encoder(torch.randn(3)), label)
    for label in range(steps):
        features.add(encoder(torch.randn(3)).detach(), label)
    return len(features), features[0][0].sum().item()


def good_local_record_is_returned_for_the_loss(steps):
    model = ActorCritic()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rewards = 0.0

    def play(length):
        log_probs, reward = [], 0.0
        for _ in range(length):
            distribution, _ = model(torch.randn(3))
            action = distribution.sample()
            log_probs.append(distribution.log_prob(action))
            reward += float(action)
        return log_probs, reward

    for _ in range(steps):
        log_probs, reward = play(3)
        optimizer.zero_grad()
        (-torch.stack(log_probs).sum() * reward).backward()
        optimizer.step()
        rewards += reward
    return rewards
