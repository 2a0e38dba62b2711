"""Smoothed losses and running extremes: each new value holds the one before."""

import torch
import torch.nn.functional as F
from torch import nn


def setup():
    model = nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.01)


def data(steps):
    return [(torch.randn(5, 4), torch.randn(5, 1)) for _ in range(steps)]


def bad_smoothed_loss(steps):
    model, optimizer = setup()
    smoothed = 0.0
    for x, y in data(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smoothed = 0.9 * smoothed + 0.1 * loss  # DTL303
    print(f"smoothed loss {smoothed.item():.4f}")
    return smoothed.item()


def bad_first_value_then_average(steps):
    model, optimizer = setup()
    average = None
    for x, y in data(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if average is None:
            average = loss.detach()
        else:
            average = average * 0.95 + loss * 0.05  # DTL303
    return round(average.item(), 5)


def bad_best_loss_by_minimum(steps):
    model, optimizer = setup()
    best = torch.tensor(float("inf"))
    for x, y in data(steps):
        loss = F.l1_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        best = torch.minimum(best, loss)  # DTL303
    return best.item()


def bad_one_average_per_term(steps):
    model, optimizer = setup()
    ema = {"fit": torch.zeros(()), "size": torch.zeros(())}
    for x, y in data(steps):
        out = model(x)
        terms = {"fit": F.mse_loss(out, y), "size": out.pow(2).mean()}
        optimizer.zero_grad()
        (terms["fit"] + 0.1 * terms["size"]).backward()
        optimizer.step()
        for name, value in terms.items():
            ema[name] = 0.99 * ema[name] + 0.01 * value  # DTL303
    return {name: f"{value.item():.5f}" for name, value in ema.items()}


def bad_interpolated(steps):
    model, optimizer = setup()
    running, curve = torch.ones(()), []
    for x, y in data(steps):
        prediction = model(x)
        loss = F.huber_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running = torch.lerp(running, prediction.abs().mean(), 0.2)  # DTL303
        curve.append(running.item())
    return curve


def bad_incremental_mean(steps):
    model = setup()[0].eval()
    mean, seen = torch.zeros(()), 0
    for x, y in data(steps):
        seen += 1
        error = F.mse_loss(model(x), y)
        mean = mean + (error - mean) / seen  # DTL303
    return mean.item()


class Controller:
    """Adapts a weight to the smoothed size of a penalty."""

    def __init__(self, decay=0.9):
        self.decay = decay
        self.level = 1.0
        self.weight = 0.1

    def train_on(self, model, optimizer, x, y):
        out = model(x)
        penalty = out.abs().mean()
        loss = F.mse_loss(out, y) + self.weight * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.level = self.decay * self.level + (1 - self.decay) * penalty  # DTL303
        if self.level.item() > 0.5:
            self.weight *= 1.1
        return loss.item()


def bad_attribute_of_a_controller(steps):
    model, optimizer = setup()
    controller = Controller()
    losses = [controller.train_on(model, optimizer, x, y) for x, y in data(steps)]
    return losses, controller.weight


def good_smoothed_numbers(steps):
    model, optimizer = setup()
    smoothed = 0.0
    for x, y in data(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        smoothed = 0.9 * smoothed + 0.1 * loss.item()
    return smoothed


def good_detached_average(steps):
    model, optimizer = setup()
    average, best = None, torch.tensor(float("inf"))
    for x, y in data(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.detach()
        average = value if average is None else 0.9 * average + 0.1 * value
        best = torch.minimum(best, value)
    return average.item(), best.item()


def good_updated_under_no_grad(steps):
    model, optimizer = setup()
    smoothed = torch.zeros(())
    for x, y in data(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            smoothed = 0.9 * smoothed + 0.1 * loss
    return smoothed.item()


def good_cut_after_the_update(steps):
    model, optimizer = setup()
    baseline = torch.zeros(())
    for x, y in data(steps):
        loss = F.mse_loss(model(x), y + baseline)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        baseline = 0.9 * baseline + 0.1 * loss
        baseline = baseline.detach()
    return baseline.item()


def good_statistics_of_the_data(steps):
    model, optimizer = setup()
    mean = torch.zeros(4)
    for x, y in data(steps):
        mean = 0.9 * mean + 0.1 * x.mean(0)
        loss = F.mse_loss(model(x - mean), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mean.tolist()


class LeakyUnits(nn.Module):
    """The recurrence is the model: its state is differentiated through time."""

    def __init__(self):
        super().__init__()
        self.drive = nn.Linear(3, 5)
        self.readout = nn.Linear(5, 1)

    def forward(self, sequence):
        state = sequence.new_zeros(5)
        peak = None
        for x in sequence:
            state = 0.8 * state + 0.2 * torch.tanh(self.drive(x))
            peak = state if peak is None else torch.maximum(peak, state)
        return self.readout(state + peak)


def good_recurrence_inside_forward(steps):
    model = LeakyUnits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    curve = []
    for _ in range(steps):
        loss = model(torch.randn(4, 3)).pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def good_discounted_return_in_the_loss(steps):
    critic = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.05)
    shown = 0.0
    for _ in range(steps):
        values = critic(torch.randn(4, 3)).squeeze(1)
        discounted = torch.zeros(())
        for value in values:
            discounted = value + 0.9 * discounted
        loss = (discounted - 1.0).pow(2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown = 0.5 * shown + 0.5 * loss.item()
    return shown
