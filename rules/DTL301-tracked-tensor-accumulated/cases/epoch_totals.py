"""Totals of a training epoch, in the ways epochs are written."""

from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import nn


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.mean = nn.Linear(8, 1)
        self.scale = nn.Linear(8, 1)

    def forward(self, x):
        hidden = self.body(x)
        return self.mean(hidden), F.softplus(self.scale(hidden))


def loader(steps):
    for _ in range(steps):
        yield torch.randn(8, 4), torch.randn(8, 1)


def losses_of(model, inputs, targets):
    mean, scale = model(inputs)
    return {"mse": F.mse_loss(mean, targets), "scale": (scale - 1).abs().mean()}


def bad_running_loss_after_step(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    running_loss = 0.0
    for inputs, targets in loader(steps):
        optimizer.zero_grad()
        mean, _ = model(inputs)
        loss = F.mse_loss(mean, targets)
        loss.backward()
        optimizer.step()
        running_loss += loss  # DTL301
    print(f"train loss {running_loss.item() / steps:.4f}")
    return running_loss.item()


def bad_summed_before_its_own_backward(steps):
    model = Regressor()
    optimizer = torch.optim.Adam(model.parameters())
    total_loss = 0
    for i, (inputs, targets) in enumerate(loader(steps)):
        mean, _ = model(inputs)
        loss = F.l1_loss(mean, targets)
        total_loss = total_loss + loss  # DTL301
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 10 == 0:
            print("step", i, "mean loss", (total_loss / (i + 1)).item())
    return (total_loss / steps).item()


def bad_dict_of_totals(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    sums = defaultdict(float)
    for inputs, targets in loader(steps):
        parts = losses_of(model, inputs, targets)
        loss = sum(parts.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for name, value in parts.items():
            sums[name] += value  # DTL301
    return {name: value.item() / steps for name, value in sums.items()}


def bad_detached_on_one_branch_only(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    warmup, rest = 0.0, 0.0
    for i, (inputs, targets) in enumerate(loader(steps)):
        mean, _ = model(inputs)
        loss = F.mse_loss(mean, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i < 2:
            warmup += loss.detach()
        else:
            rest += loss  # DTL301
    return warmup.item(), rest.item()


def bad_micro_batches_with_scaled_backward(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    accumulate = 2
    epoch_loss = torch.zeros(())
    for i, (inputs, targets) in enumerate(loader(steps), start=1):
        mean, scale = model(inputs)
        loss = F.gaussian_nll_loss(mean, targets, scale)
        (loss / accumulate).backward()
        epoch_loss += loss  # DTL301
        if i % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    return epoch_loss.div(steps).item()


def bad_two_totals_in_one_statement(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    fit, reg = 0.0, 0.0
    batches = iter(loader(steps))
    while (batch := next(batches, None)) is not None:
        parts = losses_of(model, *batch)
        optimizer.zero_grad()
        (parts["mse"] + 0.1 * parts["scale"]).backward()
        optimizer.step()
        fit, reg = fit + parts["mse"], reg + parts["scale"]  # DTL301
    return fit.item(), reg.item()


def good_item(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    running_loss = 0.0
    for inputs, targets in loader(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs)[0], targets)
        loss.backward()
        optimizer.step()
        running_loss += loss.item() * inputs.size(0)
    return running_loss


def good_rebound_to_a_number(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    total_loss = 0.0
    for inputs, targets in loader(steps):
        loss = F.mse_loss(model(inputs)[0], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss = loss.detach()
        total_loss += loss
    return (total_loss / steps).item()


def good_detached_on_all_branches(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    total = 0.0
    for i, (inputs, targets) in enumerate(loader(steps)):
        loss = F.mse_loss(model(inputs)[0], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if i % 2:
            value = loss.detach()
        else:
            value = loss.data.clone()
        total += value
    return total.item()


def good_added_without_grad(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    total = 0.0
    for inputs, targets in loader(steps):
        loss = F.mse_loss(model(inputs)[0], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            total += loss
    return total.item()


def good_summands_become_the_loss(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    history = []
    for inputs, targets in loader(steps):
        loss = 0.0
        for name, value in losses_of(model, inputs, targets).items():
            loss += value if name == "mse" else 0.1 * value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def good_window_of_gradient_accumulation(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    window_loss, reported = 0.0, 0.0
    for i, (inputs, targets) in enumerate(loader(2 * steps), start=1):
        window_loss = window_loss + F.mse_loss(model(inputs)[0], targets) / 2
        if i % 2 == 0:
            optimizer.zero_grad()
            window_loss.backward()
            optimizer.step()
            reported += window_loss.item()
            window_loss = 0.0
    return reported


def good_gradient_norms(steps):
    model = Regressor()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    norms = 0.0
    for inputs, targets in loader(steps):
        loss = F.mse_loss(model(inputs)[0], targets)
        optimizer.zero_grad()
        loss.backward()
        for parameter in model.parameters():
            if parameter.grad is not None:
                norms += parameter.grad.norm() ** 2
        norms += torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return norms.item()
