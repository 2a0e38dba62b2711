"""Adversarial training as scripts are written: networks, optimizers and steps in one function."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 6), nn.Tanh())

    def forward(self, z):
        return self.body(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 4), nn.LeakyReLU(0.2))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.body(x))


class Judge(nn.Module):
    """Looks at a sample and its condition."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 1))

    def forward(self, x, y):
        return self.net(torch.cat([x, y], dim=1))


def hinge(scores, sign):
    return F.relu(1 - sign * scores).mean()


def bad_gradients_cleared_at_the_top(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(steps):
        opt_g.zero_grad()
        opt_d.zero_grad()
        fake = generator(torch.randn(4, 3))
        loss_real = criterion(discriminator(torch.randn(4, 6)), torch.ones(4, 1))
        loss_fake = criterion(discriminator(fake), torch.zeros(4, 1))  # DTL504
        (loss_real + loss_fake).backward()
        opt_d.step()

        loss_g = criterion(discriminator(generator(torch.randn(4, 3))), torch.ones(4, 1))
        loss_g.backward()
        opt_g.step()


def good_gradients_cleared_at_the_top(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(steps):
        opt_g.zero_grad()
        opt_d.zero_grad()
        with torch.no_grad():
            fake = generator(torch.randn(4, 3))
        loss_real = criterion(discriminator(torch.randn(4, 6)), torch.ones(4, 1))
        loss_fake = criterion(discriminator(fake), torch.zeros(4, 1))
        (loss_real + loss_fake).backward()
        opt_d.step()

        loss_g = criterion(discriminator(generator(torch.randn(4, 3))), torch.ones(4, 1))
        loss_g.backward()
        opt_g.step()


def bad_sample_used_in_both_steps(steps):  # harm: raises: backward through the graph a second time
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.Adam(generator.parameters(), lr=2e-4)
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4)
    for _ in range(steps):
        fake = generator(torch.randn(4, 3))
        discriminator.zero_grad()
        hinge(discriminator(torch.randn(4, 6)), 1).backward()
        hinge(discriminator(fake), -1).backward()  # DTL504
        opt_d.step()

        generator.zero_grad()
        loss_g = -discriminator(fake).mean()
        loss_g.backward()
        opt_g.step()


def good_sample_used_in_both_steps(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.Adam(generator.parameters(), lr=2e-4)
    opt_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4)
    for _ in range(steps):
        fake = generator(torch.randn(4, 3))
        discriminator.zero_grad()
        hinge(discriminator(torch.randn(4, 6)), 1).backward()
        hinge(discriminator(fake.detach()), -1).backward()
        opt_d.step()

        generator.zero_grad()
        loss_g = -discriminator(fake).mean()
        loss_g.backward()
        opt_g.step()


def bad_graph_retained(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    for _ in range(steps):
        fake = generator(torch.randn(4, 3))
        loss_d = discriminator(fake).mean() - discriminator(torch.randn(4, 6)).mean()  # DTL504
        opt_d.zero_grad()
        opt_g.zero_grad()
        loss_d.backward(retain_graph=True)
        opt_d.step()
        loss_g = -discriminator(fake).mean()
        loss_g.backward()
        opt_g.step()


def good_graph_retained(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    for _ in range(steps):
        fake = generator(torch.randn(4, 3))
        shown = fake.data
        loss_d = discriminator(shown).mean() - discriminator(torch.randn(4, 6)).mean()
        opt_d.zero_grad()
        opt_g.zero_grad()
        loss_d.backward(retain_graph=True)
        opt_d.step()
        loss_g = -discriminator(fake).mean()
        loss_g.backward()
        opt_g.step()


def bad_condition_beside_the_sample(steps):
    generator, judge = Generator(), Judge()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(judge.parameters(), lr=0.1)
    for _ in range(steps):
        labels = torch.eye(2).repeat(2, 1)
        sample = generator(torch.randn(4, 3))
        loss_d = hinge(judge(torch.randn(4, 6), labels), 1) + hinge(judge(sample, labels), -1)  # DTL504
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        loss_g = -judge(generator(torch.randn(4, 3)), labels).mean()
        loss_g.backward()
        opt_g.step()
        opt_g.zero_grad()


def good_condition_beside_the_sample(steps):
    generator, judge = Generator(), Judge()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(judge.parameters(), lr=0.1)
    for _ in range(steps):
        labels = torch.eye(2).repeat(2, 1)
        with torch.no_grad():
            sample = generator(torch.randn(4, 3))
        loss_d = hinge(judge(torch.randn(4, 6), labels), 1) + hinge(judge(sample, labels), -1)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        loss_g = -judge(generator(torch.randn(4, 3)), labels).mean()
        loss_g.backward()
        opt_g.step()
        opt_g.zero_grad()


def good_networks_trained_together(steps):
    encoder, decoder = Discriminator(), nn.Linear(1, 6)
    opt_e = torch.optim.SGD(encoder.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(decoder.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(4, 6)
        loss = F.mse_loss(decoder(encoder(x)), x)
        opt_e.zero_grad()
        opt_d.zero_grad()
        loss.backward()
        opt_e.step()
        opt_d.step()


def good_one_optimizer_for_both(steps):
    there, back = nn.Linear(6, 6), nn.Linear(6, 6)
    critic = Discriminator()
    optimizer = torch.optim.Adam(itertools.chain(there.parameters(), back.parameters()), lr=1e-3)
    opt_c = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(steps):
        x = torch.randn(4, 6)
        optimizer.zero_grad()
        moved = there(x)
        cycle = F.l1_loss(back(moved), x) - critic(moved).mean()
        cycle.backward()
        optimizer.step()

        opt_c.zero_grad()
        (critic(moved.detach()).mean() - critic(x).mean()).backward()
        opt_c.step()


def good_generator_frozen_in_turn(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    for _ in range(steps):
        generator.requires_grad_(False)
        opt_d.zero_grad()
        hinge(discriminator(generator(torch.randn(4, 3))), -1).backward()
        opt_d.step()

        generator.requires_grad_(True)
        hinge(discriminator(generator(torch.randn(4, 3))), 1).backward()
        opt_g.step()
        opt_g.zero_grad()


def good_losses_of_two_heads_before_the_steps(steps):
    body, head, other = nn.Linear(6, 4), nn.Linear(4, 1), nn.Linear(4, 1)
    opt_body = torch.optim.SGD(body.parameters(), lr=0.1)
    opt_heads = torch.optim.SGD([*head.parameters(), *other.parameters()], lr=0.1)
    for _ in range(steps):
        features = body(torch.randn(4, 6))
        opt_body.zero_grad()
        opt_heads.zero_grad()
        head(features).pow(2).mean().backward(retain_graph=True)
        other(features).abs().mean().backward()
        opt_body.step()
        opt_heads.step()


def good_gradient_penalty(steps):
    generator, discriminator = Generator(), Discriminator()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    for _ in range(steps):
        real = torch.randn(4, 6)
        fake = generator(torch.randn(4, 3)).detach()
        mixed = (0.5 * real + 0.5 * fake).requires_grad_(True)
        scores = discriminator(mixed)
        (slope,) = torch.autograd.grad(scores.sum(), mixed, create_graph=True)
        loss_d = discriminator(fake).mean() - discriminator(real).mean() + (slope.norm(dim=1) - 1).pow(2).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        loss_g = -discriminator(generator(torch.randn(4, 3))).mean()
        loss_g.backward()
        opt_g.step()
        opt_g.zero_grad()


def good_encoder_with_a_loss_of_its_own(steps):
    encoder, critic = nn.Linear(6, 6), Discriminator()
    opt_e = torch.optim.SGD(encoder.parameters(), lr=0.1)
    opt_c = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(4, 6)
        code = encoder(x)
        loss = F.mse_loss(code, x) + critic(code).mean()
        loss.backward()
        opt_c.step()
        opt_c.zero_grad()
        F.mse_loss(encoder(x), x).backward()
        opt_e.step()
        opt_e.zero_grad()
