"""One step ahead: Q-learning, SARSA, expected SARSA, double Q-learning, value functions."""

import torch
import torch.nn.functional as F
from torch import nn, optim

GAMMA = 0.9


def network(outputs):
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, outputs))


def batch():
    states, next_states = torch.randn(8, 4), torch.randn(8, 4)
    return states, torch.randint(0, 3, (8, 1)), torch.randn(8), next_states, torch.bernoulli(torch.full((8,), 0.2))


def bad_q_learning(steps=3):
    net = network(3)
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    for _ in range(steps):
        states, actions, rewards, next_states, done = batch()
        q = net(states).gather(1, actions).squeeze(1)
        next_q = net(next_states).max(1)[0]
        target = rewards + GAMMA * (1 - done) * next_q
        loss = F.mse_loss(q, target)  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_q_learning(steps=3):
    net = network(3)
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    for _ in range(steps):
        states, actions, rewards, next_states, done = batch()
        q = net(states).gather(1, actions).squeeze(1)
        with torch.no_grad():
            next_q = net(next_states).max(1)[0]
        target = rewards + GAMMA * (1 - done) * next_q
        loss = F.mse_loss(q, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class Agent:
    def __init__(self, q_net):
        self.q_net = q_net
        self.optimizer = optim.SGD(self.q_net.parameters(), lr=0.05)
        self.criterion = nn.SmoothL1Loss()

    def target(self, rewards, next_states, done):
        best = self.q_net(next_states).max(dim=1).values
        return rewards + GAMMA * best * (1 - done)

    def learn(self, states, actions, rewards, next_states, done):
        q = self.q_net(states).gather(1, actions).squeeze(1)
        loss = self.criterion(q, self.target(rewards, next_states, done))  # DTL502
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class CarefulAgent(Agent):
    def learn(self, states, actions, rewards, next_states, done):
        q = self.q_net(states).gather(1, actions).squeeze(1)
        with torch.no_grad():
            target = self.target(rewards, next_states, done)
        loss = self.criterion(q, target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def bad_agent_with_methods(steps=3):
    agent = Agent(network(3))
    for _ in range(steps):
        agent.learn(*batch())


def good_agent_with_methods(steps=3):
    agent = CarefulAgent(network(3))
    for _ in range(steps):
        agent.learn(*batch())


def bad_target_written_in_the_call(steps=3):
    net = network(1)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, _, rewards, next_states, done = batch()
        loss = F.huber_loss(net(states).squeeze(1), rewards + GAMMA * (1 - done) * net(next_states).squeeze(1))  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_target_written_in_the_call(steps=3):
    net = network(1)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, _, rewards, next_states, done = batch()
        with torch.no_grad():
            ahead = net(next_states).squeeze(1)
        loss = F.huber_loss(net(states).squeeze(1), rewards + GAMMA * (1 - done) * ahead)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_squared_error_by_hand(steps=3):
    critic = network(1)
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, _, rewards, next_states, done = batch()
        value, next_value = critic(states).squeeze(1), critic(next_states).squeeze(1)
        td_error = rewards + GAMMA * next_value * (1 - done) - value  # DTL502
        loss = td_error.pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_squared_error_by_hand(steps=3):
    critic = network(1)
    optimizer = optim.SGD(critic.parameters(), lr=0.05)
    for _ in range(steps):
        states, _, rewards, next_states, done = batch()
        value = critic(states).squeeze(1)
        with torch.no_grad():
            next_value = critic(next_states).squeeze(1)
        td_error = rewards + GAMMA * next_value * (1 - done) - value
        loss = td_error.pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_target_comes_first(steps=3):
    """The arguments of a symmetric loss can stand in either order."""
    q_network = network(3)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(q_network.parameters(), lr=0.05)
    for _ in range(steps):
        states, actions, rewards, next_states, done = batch()
        target_max, _ = torch.max(q_network.forward(next_states), dim=1)
        td_target = rewards + GAMMA * target_max * (1 - done)
        old_value = q_network.forward(states).gather(1, actions).squeeze()
        loss = loss_fn(td_target, old_value)  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_target_comes_first(steps=3):
    q_network = network(3)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(q_network.parameters(), lr=0.05)
    for _ in range(steps):
        states, actions, rewards, next_states, done = batch()
        with torch.no_grad():
            target_max, _ = torch.max(q_network.forward(next_states), dim=1)
            td_target = rewards + GAMMA * target_max * (1 - done)
        old_value = q_network.forward(states).gather(1, actions).squeeze()
        loss = loss_fn(td_target, old_value)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_expected_sarsa(steps=3):
    net = network(3)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, actions, rewards, next_states, done = batch()
        q = net(states).gather(1, actions).squeeze(1)
        expected = net(next_states).mean(1)
        expected_q = torch.where(done > 0, rewards, rewards + GAMMA * expected)
        loss = ((q - expected_q) ** 2).mean()  # DTL502
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_expected_sarsa(steps=3):
    net = network(3)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    for _ in range(steps):
        states, actions, rewards, next_states, done = batch()
        q = net(states).gather(1, actions).squeeze(1)
        expected = net(next_states).mean(1).data
        expected_q = torch.where(done > 0, rewards, rewards + GAMMA * expected)
        loss = ((q - expected_q) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
