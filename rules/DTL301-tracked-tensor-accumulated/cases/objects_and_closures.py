"""Totals that live on an object, in a closure, in several networks' loops, or in a model's forward."""

import torch
import torch.nn.functional as F
from torch import nn, optim


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 3)
        self.decoder = nn.Linear(3, 6)

    def forward(self, x):
        return self.decoder(torch.relu(self.encoder(x)))


class Trainer:
    """Keeps the epoch's sum on itself, one batch a call."""

    def __init__(self, model):
        self.model = model
        self.optimizer = optim.Adam(model.parameters(), lr=1e-3)
        self.epoch_loss = 0.0
        self.batches = 0

    def train_batch(self, x):
        self.optimizer.zero_grad()
        loss = F.mse_loss(self.model(x), x)
        loss.backward()
        self.optimizer.step()
        self.epoch_loss += loss  # DTL301
        self.batches += 1

    def mean_loss(self):
        return self.epoch_loss.item() / self.batches


class DetachingTrainer(Trainer):
    """The same trainer as it should be."""

    def train_batch(self, x):
        loss = F.mse_loss(self.model(x), x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.epoch_loss += loss.detach()
        self.batches += 1


class DeepSupervision(nn.Module):
    """Every stage's error counts: the sum belongs to the loss."""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x, target):
        loss = x.new_zeros(())
        for stage in self.stages:
            x = torch.tanh(stage(x))
            loss += F.mse_loss(x, target)
        return x, loss


def bad_trainer_object(steps):
    trainer = Trainer(Autoencoder())
    for _ in range(steps):
        trainer.train_batch(torch.randn(4, 6))
    return trainer.mean_loss()


def bad_nonlocal_total(steps):
    model = Autoencoder()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    total = 0.0

    def train_on(batch):
        nonlocal total
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(model(batch), batch)
        loss.backward()
        optimizer.step()
        total += loss  # DTL301

    for _ in range(steps):
        train_on(torch.randn(4, 6))
    return total.item() / steps


def bad_adversarial_totals(steps):
    generator, critic = nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    g_optimizer = optim.Adam(generator.parameters())
    d_optimizer = optim.Adam(critic.parameters())
    d_total, g_total = 0.0, 0.0
    for _ in range(steps):
        real, noise = torch.randn(6, 4), torch.randn(6, 2)
        d_loss = critic(generator(noise).detach()).mean() - critic(real).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        g_loss = -critic(generator(noise)).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()

        d_total += d_loss  # DTL301
        g_total += g_loss  # DTL301
    return d_total.item() / steps, g_total.item() / steps


def bad_kept_in_spite_of_an_exception(steps):
    model = Autoencoder()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    stats = {"loss": 0.0, "skipped": 0}
    for step in range(steps):
        batch = torch.randn(4, 6)
        try:
            if step % 3 == 2:
                raise FloatingPointError("overflow")
            loss = (model(batch) - batch).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
        except FloatingPointError:
            stats["skipped"] += 1
            continue
        else:
            stats["loss"] += loss  # DTL301
        finally:
            optimizer.step()
    return stats["loss"].item(), stats["skipped"]


def good_trainer_object_detaches(steps):
    trainer = DetachingTrainer(Autoencoder())
    for _ in range(steps):
        trainer.train_batch(torch.randn(4, 6))
    return trainer.mean_loss()


def good_forward_returns_the_sum(steps):
    model = DeepSupervision()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    last = 0.0
    for _ in range(steps):
        _, loss = model(torch.randn(4, 6), torch.zeros(4, 6))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = loss.item()
    return last


def weight_penalty(model, strength):
    penalty = 0.0
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            penalty = penalty + parameter.pow(2).sum()
    return strength * penalty


def good_penalty_goes_back_to_the_caller(steps):
    model = Autoencoder()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    seen = 0.0
    for _ in range(steps):
        batch = torch.randn(4, 6)
        loss = F.mse_loss(model(batch), batch)
        loss += weight_penalty(model, 1e-3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += loss.item()
    return seen


def outer_loss(model, tasks):
    """Sum over tasks, differentiated by the caller."""
    meta_loss = 0.0
    for task in tasks:
        meta_loss += F.mse_loss(model(task), task)
    return meta_loss / len(tasks)


def good_meta_loss_is_differentiated(steps):
    model = Autoencoder()
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    curve = []
    for _ in range(steps):
        loss = outer_loss(model, [torch.randn(2, 6) for _ in range(3)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def good_numbers_named_loss(steps):
    model = Autoencoder()
    optimizer = optim.SGD(model.parameters(), lr=0.05)

    def fit(batch):
        loss = F.mse_loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    total_loss = 0.0
    for _ in range(steps):
        loss = fit(torch.randn(4, 6))
        total_loss += loss
    return total_loss
