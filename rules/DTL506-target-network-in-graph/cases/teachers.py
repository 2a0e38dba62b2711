"""Target networks, teachers and momentum encoders whose outputs come with their graphs."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def network(outputs=3):
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


def transitions(size=6):
    return torch.randn(size, 4), torch.randint(0, 3, (size, 1)), torch.randn(size, 1), torch.randn(size, 4)


def averaged(teacher, student, decay=0.9):
    with torch.no_grad():
        for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
            slow.mul_(decay).add_(fast, alpha=1 - decay)


def bad_target_network(steps):
    net, target_net = network(), network()
    target_net.load_state_dict(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(steps):
        state, action, reward, later = transitions()
        ahead = reward + 0.9 * target_net(later).max(1, keepdim=True).values
        loss = F.smooth_l1_loss(net(state).gather(1, action), ahead)  # DTL506
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 2:
            target_net.load_state_dict(net.state_dict())


def good_target_network(steps):
    net, target_net = network(), network()
    target_net.load_state_dict(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for step in range(steps):
        state, action, reward, later = transitions()
        with torch.no_grad():
            ahead = reward + 0.9 * target_net(later).max(1, keepdim=True).values
        loss = F.smooth_l1_loss(net(state).gather(1, action), ahead)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 2:
            target_net.load_state_dict(net.state_dict())


def bad_mean_teacher(steps):
    student = network()
    teacher = copy.deepcopy(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = F.mse_loss(student(x + 0.1).softmax(-1), teacher(x).softmax(-1))  # DTL506
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged(teacher, student)


def good_mean_teacher(steps):
    student = network()
    teacher = copy.deepcopy(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = F.mse_loss(student(x + 0.1).softmax(-1), teacher(x).softmax(-1).detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged(teacher, student)


def bad_distillation(steps):
    student, teacher = network(), network()
    teacher.eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        wanted = F.softmax(teacher(x) / 2, dim=-1)
        loss = F.kl_div(F.log_softmax(student(x) / 2, dim=-1), wanted, reduction="batchmean")  # DTL506
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_distillation(steps):
    student, teacher = network(), network()
    teacher.eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        with torch.no_grad():
            wanted = F.softmax(teacher(x) / 2, dim=-1)
        loss = F.kl_div(F.log_softmax(student(x) / 2, dim=-1), wanted, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def bad_novelty_by_a_random_network(steps):
    predictor, fixed = network(), network()
    optimizer = torch.optim.Adam(predictor.parameters(), lr=0.01)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = (predictor(x) - fixed(x)).pow(2).mean()  # DTL506
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_novelty_by_a_random_network(steps):
    predictor, fixed = network(), network()
    optimizer = torch.optim.Adam(predictor.parameters(), lr=0.01)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = (predictor(x) - fixed(x).detach()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


class Agent:
    def __init__(self):
        self.critic, self.critic_target = network(1), network(1)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=0.01)
        self.criterion = nn.MSELoss()

    def learn(self, state, reward, later):
        wanted = reward + 0.9 * self.critic_target(later)
        loss = self.criterion(self.critic(state), wanted)  # DTL506
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def bad_agent(steps):
    agent = Agent()
    for _ in range(steps):
        state, _, reward, later = transitions()
        agent.learn(state, reward, later)


class Careful(Agent):
    def learn(self, state, reward, later):
        wanted = reward + 0.9 * self.critic_target(later).detach()
        loss = self.criterion(self.critic(state), wanted)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def good_agent(steps):
    agent = Careful()
    for _ in range(steps):
        state, _, reward, later = transitions()
        agent.learn(state, reward, later)


def bad_momentum_encoder(steps):
    query_encoder = network()
    key_encoder = copy.deepcopy(query_encoder)
    predictor = nn.Linear(3, 3)
    optimizer = torch.optim.SGD([*query_encoder.parameters(), *predictor.parameters()], lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        key = F.normalize(key_encoder(x), dim=-1)
        loss = F.mse_loss(F.normalize(predictor(query_encoder(x)), dim=-1), key)  # DTL506
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged(key_encoder, query_encoder)


def good_momentum_encoder(steps):
    query_encoder = network()
    key_encoder = copy.deepcopy(query_encoder)
    predictor = nn.Linear(3, 3)
    optimizer = torch.optim.SGD([*query_encoder.parameters(), *predictor.parameters()], lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        with torch.no_grad():
            key = F.normalize(key_encoder(x), dim=-1)
        loss = F.mse_loss(F.normalize(predictor(query_encoder(x)), dim=-1), key)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged(key_encoder, query_encoder)


def good_frozen_teacher(steps):
    student, teacher = network(), network().requires_grad_(False)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = F.mse_loss(student(x), teacher(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_both_are_stepped(steps):
    one, other = network(), network()
    optimizer = torch.optim.SGD([*one.parameters(), *other.parameters()], lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = F.mse_loss(one(x), other(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_each_has_its_optimizer(steps):
    one, other = network(), network()
    first = torch.optim.SGD(one.parameters(), lr=0.1)
    second = torch.optim.SGD(other.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = F.mse_loss(one(x), other(x))
        first.zero_grad()
        second.zero_grad()
        loss.backward()
        first.step()
        second.step()


def good_made_from_the_trained_one(steps):
    encoder, decoder = network(), nn.Linear(3, 3)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        code = encoder(x)
        loss = F.mse_loss(encoder(x + 0.1), decoder(code))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def good_optimizer_of_both_together(steps):
    student, teacher = network(), network()
    both = nn.ModuleDict({"student": student, "teacher": teacher})
    optimizer = torch.optim.SGD(both.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(6, 4)
        loss = F.mse_loss(student(x), teacher(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
