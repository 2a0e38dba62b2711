"""Adversarial training whose discriminator's step goes through the generator for nothing."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn


def networks():
    generator = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    critic = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    return generator, critic


def bce(scores, value):
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, value))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(6, 1)

    def forward(self, x):
        return self.score(x)


class Translation:
    def __init__(self):
        self.there, self.back = nn.Linear(6, 6), nn.Linear(6, 6)
        self.critic = Critic()
        parameters = itertools.chain(self.there.parameters(), self.back.parameters())
        self.opt_g = torch.optim.SGD(parameters, lr=0.1)
        self.opt_d = torch.optim.SGD(self.critic.parameters(), lr=0.1)

    def train_critic(self, image):
        self.opt_d.zero_grad()
        loss = bce(self.critic(image), 1.0) + bce(self.critic(self.there(image)), 0.0)  # DTL505
        loss.backward()
        self.opt_d.step()

    def train_networks(self, image):
        self.opt_g.zero_grad()
        moved = self.there(image)
        loss = bce(self.critic(moved), 1.0) + F.l1_loss(self.back(moved), image)
        loss.backward()
        self.opt_g.step()


class Careful(Translation):
    def train_critic(self, image):
        self.opt_d.zero_grad()
        with torch.no_grad():
            moved = self.there(image)
        (bce(self.critic(image), 1.0) + bce(self.critic(moved), 0.0)).backward()
        self.opt_d.step()


def bad_new_noise_for_the_generator(steps):
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        fake = generator(torch.randn(4, 3))
        loss_d = bce(critic(torch.randn(4, 6)), 1.0) + bce(critic(fake), 0.0)  # DTL505
        critic.zero_grad()
        loss_d.backward()
        opt_d.step()
        fake = generator(torch.randn(4, 3))
        loss_g = bce(critic(fake), 1.0)
        generator.zero_grad()
        loss_g.backward()
        opt_g.step()


def good_new_noise_for_the_generator(steps):
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        with torch.no_grad():
            fake = generator(torch.randn(4, 3))
        loss_d = bce(critic(torch.randn(4, 6)), 1.0) + bce(critic(fake), 0.0)
        critic.zero_grad()
        loss_d.backward()
        opt_d.step()
        fake = generator(torch.randn(4, 3))
        loss_g = bce(critic(fake), 1.0)
        generator.zero_grad()
        loss_g.backward()
        opt_g.step()


def bad_critic_in_an_inner_loop(steps):
    generator, critic = networks()
    opt_g = torch.optim.RMSprop(generator.parameters(), lr=5e-3)
    opt_d = torch.optim.RMSprop(critic.parameters(), lr=5e-3)
    for _ in range(steps):
        for _ in range(2):
            opt_d.zero_grad()
            fake = generator(torch.randn(4, 3))
            (critic(fake).mean() - critic(torch.randn(4, 6)).mean()).backward()  # DTL505
            opt_d.step()
        opt_g.zero_grad()
        (-critic(generator(torch.randn(4, 3))).mean()).backward()
        opt_g.step()


def good_critic_in_an_inner_loop(steps):
    generator, critic = networks()
    opt_g = torch.optim.RMSprop(generator.parameters(), lr=5e-3)
    opt_d = torch.optim.RMSprop(critic.parameters(), lr=5e-3)
    for _ in range(steps):
        for _ in range(2):
            opt_d.zero_grad()
            with torch.no_grad():
                fake = generator(torch.randn(4, 3))
            (critic(fake).mean() - critic(torch.randn(4, 6)).mean()).backward()
            opt_d.step()
        opt_g.zero_grad()
        (-critic(generator(torch.randn(4, 3))).mean()).backward()
        opt_g.step()


def bad_methods_of_a_class(steps):
    model = Translation()
    for _ in range(steps):
        image = torch.randn(4, 6)
        model.train_critic(image)
        model.train_networks(image)


def good_methods_of_a_class(steps):
    model = Careful()
    for _ in range(steps):
        image = torch.randn(4, 6)
        model.train_critic(image)
        model.train_networks(image)


def bad_condition_given_as_well(steps):
    generator, critic = nn.Linear(5, 6), nn.Linear(8, 1)
    opt_g = torch.optim.Adam(generator.parameters())
    opt_d = torch.optim.Adam(critic.parameters())
    for _ in range(steps):
        labels = torch.eye(2).repeat(2, 1)
        fake = generator(torch.cat([torch.randn(4, 3), labels], 1))
        opt_d.zero_grad()
        bce(critic(torch.cat([fake, labels], 1)), 0.0).backward()  # DTL505
        opt_d.step()
        opt_g.zero_grad()
        fake = generator(torch.cat([torch.randn(4, 3), labels], 1))
        bce(critic(torch.cat([fake, labels], 1)), 1.0).backward()
        opt_g.step()


def good_condition_given_as_well(steps):
    generator, critic = nn.Linear(5, 6), nn.Linear(8, 1)
    opt_g = torch.optim.Adam(generator.parameters())
    opt_d = torch.optim.Adam(critic.parameters())
    for _ in range(steps):
        labels = torch.eye(2).repeat(2, 1)
        with torch.no_grad():
            fake = generator(torch.cat([torch.randn(4, 3), labels], 1))
        opt_d.zero_grad()
        bce(critic(torch.cat([fake, labels], 1)), 0.0).backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = generator(torch.cat([torch.randn(4, 3), labels], 1))
        bce(critic(torch.cat([fake, labels], 1)), 1.0).backward()
        opt_g.step()


def bad_two_critics(steps):
    generator, first, second = nn.Linear(3, 6), Critic(), Critic()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    for _ in range(steps):
        fake = generator(torch.randn(4, 3))
        loss = bce(first(fake), 0.0)  # DTL505
        loss = loss + bce(second(fake), 0.0)  # DTL505
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = generator(torch.randn(4, 3))
        (bce(first(fake), 1.0) + bce(second(fake), 1.0)).backward()
        opt_g.step()


def good_two_critics(steps):
    generator, first, second = nn.Linear(3, 6), Critic(), Critic()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    for _ in range(steps):
        with torch.no_grad():
            fake = generator(torch.randn(4, 3))
        loss = bce(first(fake), 0.0)
        loss = loss + bce(second(fake), 0.0)
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = generator(torch.randn(4, 3))
        (bce(first(fake), 1.0) + bce(second(fake), 1.0)).backward()
        opt_g.step()


def bad_sample_squeezed_before(steps):
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        opt_d.zero_grad()
        fake = generator(torch.randn(4, 3))
        noisy = fake + 0.1 * torch.randn(4, 6)
        loss_d = bce(critic(noisy), 0.0)  # DTL505
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(critic(generator(torch.randn(4, 3))), 1.0).backward()
        opt_g.step()


def good_sample_squeezed_before(steps):
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        opt_d.zero_grad()
        with torch.no_grad():
            fake = generator(torch.randn(4, 3))
        noisy = fake + 0.1 * torch.randn(4, 6)
        loss_d = bce(critic(noisy), 0.0)
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(critic(generator(torch.randn(4, 3))), 1.0).backward()
        opt_g.step()


def good_trained_by_both_losses(steps):
    encoder, head = nn.Linear(6, 4), nn.Linear(4, 1)
    opt_e = torch.optim.SGD(encoder.parameters(), lr=0.1)
    opt_h = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(steps):
        loss = head(encoder(torch.randn(4, 6))).pow(2).mean()
        loss.backward()
        opt_h.step()
        opt_e.step()
        opt_h.zero_grad()
        opt_e.zero_grad()


def good_fixed_features(steps):
    features, head = nn.Linear(6, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        head(features(torch.randn(4, 6))).pow(2).mean().backward()
        optimizer.step()
