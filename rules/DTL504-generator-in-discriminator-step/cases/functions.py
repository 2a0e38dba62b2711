"""Adversarial training in functions and classes: steps as methods, losses as helpers, critics in a loop."""

import torch
import torch.nn.functional as F
from torch import nn


def networks():
    generator = nn.Sequential(nn.Linear(3, 6), nn.Tanh())
    critic = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))
    return generator, critic


def bce(scores, value):
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, value))


class Gan:
    def __init__(self):
        self.generator, self.critic = networks()
        self.opt_g = torch.optim.SGD(self.generator.parameters(), lr=0.1)
        self.opt_c = torch.optim.SGD(self.critic.parameters(), lr=0.1)

    def critic_step(self, fake):
        self.opt_c.zero_grad()
        loss = bce(self.critic(torch.randn(4, 6)), 1.0) + bce(self.critic(fake), 0.0)
        loss.backward()
        self.opt_c.step()

    def generator_step(self):
        loss = bce(self.critic(self.generator(torch.randn(4, 3))), 1.0)
        loss.backward()
        self.opt_g.step()
        return loss.item()


def bad_steps_of_a_class(steps):
    gan = Gan()
    for _ in range(steps):
        gan.opt_g.zero_grad()
        fake = gan.generator(torch.randn(4, 3))
        gan.critic_step(fake)  # DTL504
        gan.generator_step()


def good_steps_of_a_class(steps):
    gan = Gan()
    for _ in range(steps):
        gan.opt_g.zero_grad()
        with torch.no_grad():
            fake = gan.generator(torch.randn(4, 3))
        gan.critic_step(fake)
        gan.generator_step()


def bad_critic_trained_more_often(steps):
    generator, critic = networks()
    opt_g = torch.optim.RMSprop(generator.parameters(), lr=5e-3)
    opt_c = torch.optim.RMSprop(critic.parameters(), lr=5e-3)
    for step in range(steps):
        opt_c.zero_grad()
        z = torch.randn(4, 3)
        loss_c = critic(generator(z)).mean() - critic(torch.randn(4, 6)).mean()  # DTL504
        loss_c.backward()
        opt_c.step()
        if step % 2 == 1:
            (-critic(generator(z)).mean()).backward()
            opt_g.step()
            opt_g.zero_grad()


def good_critic_trained_more_often(steps):
    generator, critic = networks()
    opt_g = torch.optim.RMSprop(generator.parameters(), lr=5e-3)
    opt_c = torch.optim.RMSprop(critic.parameters(), lr=5e-3)
    for step in range(steps):
        opt_c.zero_grad()
        z = torch.randn(4, 3)
        with torch.no_grad():
            fake = generator(z)
        loss_c = critic(fake).mean() - critic(torch.randn(4, 6)).mean()
        loss_c.backward()
        opt_c.step()
        if step % 2 == 1:
            (-critic(generator(z)).mean()).backward()
            opt_g.step()
            opt_g.zero_grad()


def bad_translated_image_in_both_steps(steps):  # harm: raises: backward through the graph a second time
    translate, critic = nn.Linear(6, 6), nn.Linear(6, 1)
    opt_t = torch.optim.Adam(translate.parameters())
    opt_c = torch.optim.Adam(critic.parameters())
    for _ in range(steps):
        image = torch.randn(4, 6)
        moved = translate(image)
        loss_c = 0.5 * (bce(critic(image), 1.0) + bce(critic(moved), 0.0))  # DTL504
        opt_c.zero_grad()
        loss_c.backward()
        opt_c.step()
        loss_t = bce(critic(moved), 1.0) + F.l1_loss(moved, image)
        opt_t.zero_grad()
        loss_t.backward()
        opt_t.step()


def good_translated_image_in_both_steps(steps):
    translate, critic = nn.Linear(6, 6), nn.Linear(6, 1)
    opt_t = torch.optim.Adam(translate.parameters())
    opt_c = torch.optim.Adam(critic.parameters())
    for _ in range(steps):
        image = torch.randn(4, 6)
        moved = translate(image)
        loss_c = 0.5 * (bce(critic(image), 1.0) + bce(critic(moved.detach()), 0.0))
        opt_c.zero_grad()
        loss_c.backward()
        opt_c.step()
        loss_t = bce(critic(moved), 1.0) + F.l1_loss(moved, image)
        opt_t.zero_grad()
        loss_t.backward()
        opt_t.step()


def bad_adversary_of_features(steps):
    features, adversary = nn.Linear(6, 4), nn.Linear(4, 1)
    task = nn.Linear(4, 1)
    opt_f = torch.optim.SGD([*features.parameters(), *task.parameters()], lr=0.1)
    opt_a = torch.optim.SGD(adversary.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(4, 6)
        opt_f.zero_grad()
        opt_a.zero_grad()
        loss_a = bce(adversary(features(x)), 1.0)  # DTL504
        loss_a.backward()
        opt_a.step()

        coded = features(x)
        loss_f = task(coded).pow(2).mean() - 0.1 * bce(adversary(coded), 1.0)
        loss_f.backward()
        opt_f.step()


def good_adversary_of_features(steps):
    features, adversary = nn.Linear(6, 4), nn.Linear(4, 1)
    task = nn.Linear(4, 1)
    opt_f = torch.optim.SGD([*features.parameters(), *task.parameters()], lr=0.1)
    opt_a = torch.optim.SGD(adversary.parameters(), lr=0.1)
    for _ in range(steps):
        x = torch.randn(4, 6)
        opt_f.zero_grad()
        opt_a.zero_grad()
        with torch.no_grad():
            shown = features(x)
        loss_a = bce(adversary(shown), 1.0)
        loss_a.backward()
        opt_a.step()

        coded = features(x)
        loss_f = task(coded).pow(2).mean() - 0.1 * bce(adversary(coded), 1.0)
        loss_f.backward()
        opt_f.step()


def bad_generator_stepped_first(steps):  # harm: raises: backward through the graph a second time
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_c = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        opt_g.zero_grad()
        fake = generator(torch.randn(4, 3))
        loss_g = bce(critic(fake), 1.0)
        loss_g.backward()
        opt_g.step()

        opt_c.zero_grad()
        loss_c = (bce(critic(torch.randn(4, 6)), 1.0) + bce(critic(fake), 0.0)) / 2  # DTL504
        loss_c.backward()
        opt_c.step()


def good_generator_stepped_first(steps):
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_c = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        opt_g.zero_grad()
        fake = generator(torch.randn(4, 3))
        loss_g = bce(critic(fake), 1.0)
        loss_g.backward()
        opt_g.step()

        opt_c.zero_grad()
        loss_c = (bce(critic(torch.randn(4, 6)), 1.0) + bce(critic(fake.data), 0.0)) / 2
        loss_c.backward()
        opt_c.step()


def good_actor_and_critic(steps):
    actor, critic = nn.Linear(3, 2), nn.Linear(5, 1)
    opt_a = torch.optim.Adam(actor.parameters())
    opt_c = torch.optim.Adam(critic.parameters())
    for _ in range(steps):
        state, action = torch.randn(4, 3), torch.randn(4, 2)
        loss_c = F.mse_loss(critic(torch.cat([state, action], 1)), torch.ones(4, 1))
        opt_c.zero_grad()
        loss_c.backward()
        opt_c.step()

        loss_a = -critic(torch.cat([state, actor(state)], 1)).mean()
        opt_a.zero_grad()
        loss_a.backward()
        opt_a.step()


def good_gradients_cleared_by_hand(steps):
    generator, critic = networks()
    opt_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    opt_c = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        opt_c.zero_grad()
        bce(critic(generator(torch.randn(4, 3))), 0.0).backward()
        opt_c.step()
        for parameter in generator.parameters():
            parameter.grad = None
        bce(critic(generator(torch.randn(4, 3))), 1.0).backward()
        opt_g.step()
