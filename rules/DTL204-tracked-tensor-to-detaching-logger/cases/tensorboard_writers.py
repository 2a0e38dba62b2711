"""TensorBoard's writer takes tensors with their graph and keeps none of it."""

import tempfile

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.tensorboard import SummaryWriter


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.second = nn.Linear(6, 1)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


class BoardLogger:
    """A thin layer over the writer."""

    def __init__(self, folder):
        self.writer = SummaryWriter(folder)

    def scalars(self, values, step):
        for name, value in values.items():
            self.writer.add_scalar(name, value.item(), step)

    def close(self):
        self.writer.close()


def setup():
    model = Network()
    return model, torch.optim.SGD(model.parameters(), lr=0.05)


def batch():
    return torch.randn(5, 4), torch.randn(5, 1)


def update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def bad_add_scalar(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(log_dir=folder)
        for step in range(steps):
            x, y = batch()
            loss = F.mse_loss(model(x), y)
            update(optimizer, loss)
            writer.add_scalar("loss", loss, step)  # DTL204
        writer.close()
    return loss.item()


def bad_add_scalar_before_backward(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        for step in range(steps):
            x, y = batch()
            loss = F.l1_loss(model(x), y)
            writer.add_scalar("train/l1", loss, global_step=step)  # DTL204
            update(optimizer, loss)
    return loss.item()


def bad_add_scalars(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        x, y = batch()
        out = model(x)
        loss = F.mse_loss(out, y)
        update(optimizer, loss)
        writer.add_scalars("parts", {"loss": loss, "mean": out.mean(), "target": y.mean()}, steps)  # DTL204
        writer.close()
    return loss.item()


def bad_add_histogram(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            hidden = torch.relu(model.first(x))
            update(optimizer, F.mse_loss(model.second(hidden), y))
            writer.add_histogram("hidden", hidden, step)  # DTL204
        writer.close()
    return hidden.max().item()


class Experiment:
    """Owns model and writer."""

    def __init__(self, folder):
        self.model, self.optimizer = setup()
        self.writer = SummaryWriter(folder)
        self.step = 0

    def train_batch(self):
        x, y = batch()
        loss = F.mse_loss(self.model(x), y)
        update(self.optimizer, loss)
        self.step += 1
        self.writer.add_scalar("loss", loss, self.step)  # DTL204
        return loss.item()


def bad_writer_of_an_experiment(steps):
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(folder)
        losses = [experiment.train_batch() for _ in range(steps)]
        experiment.writer.close()
    return losses


def bad_evaluation_in_grad_mode(steps):
    model, _ = setup()
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            error = F.mse_loss(model(x), y)
            if step % 2 == 0:
                writer.add_scalar("val/error", error, step)  # DTL204
        writer.close()
    return error.item()


def good_item(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            loss = F.mse_loss(model(x), y)
            update(optimizer, loss)
            writer.add_scalar("loss", loss.item(), step)
        writer.close()
    return loss.item()


def good_detached(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            out = model(x)
            loss = F.mse_loss(out, y)
            update(optimizer, loss)
            writer.add_scalar("loss", loss.detach(), step)
            writer.add_histogram("out", out.data, step)
        writer.close()
    return loss.item()


def good_gradients(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            loss = F.mse_loss(model(x), y)
            update(optimizer, loss)
            for name, parameter in model.named_parameters():
                writer.add_histogram(f"grad/{name}", parameter.grad, step)
        writer.close()
    return loss.item()


def good_evaluation_without_grad(steps):
    model, _ = setup()
    model.eval()
    with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer, torch.no_grad():
        for step in range(steps):
            x, y = batch()
            error = F.mse_loss(model(x), y)
            writer.add_scalar("val/error", error, step)
    return error.item()


def good_accuracy(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            out = model(x)
            update(optimizer, F.mse_loss(out, y))
            writer.add_scalar("same sign", ((out > 0) == (y > 0)).float().mean(), step)
        writer.close()
    return out.shape


def good_own_layer_takes_the_item(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        log = BoardLogger(folder)
        for step in range(steps):
            x, y = batch()
            loss = F.mse_loss(model(x), y)
            update(optimizer, loss)
            log.scalars({"loss": loss}, step)
        log.close()
    return loss.item()


def good_formatted_text(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        x, y = batch()
        loss = F.mse_loss(model(x), y)
        update(optimizer, loss)
        writer.add_text("note", f"loss {loss:.3f} after {steps}")
        writer.close()
    return loss.item()


def good_inputs_and_targets(steps):
    model, optimizer = setup()
    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)
        for step in range(steps):
            x, y = batch()
            update(optimizer, F.mse_loss(model(x), y))
            writer.add_scalar("target", y.mean(), step)
            writer.add_histogram("inputs", x, step)
        writer.close()
    return x.mean().item()
