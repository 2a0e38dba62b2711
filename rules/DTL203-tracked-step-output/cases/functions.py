"""Training steps that are functions, and the loops that call them."""

import torch
import torch.nn.functional as F
from torch import nn


def setup():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.05)


def batch():
    return torch.randn(6, 4), torch.randint(0, 3, (6,))


def train_step(model, optimizer, x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss  # DTL203


def bad_losses_of_all_steps(steps):
    model, optimizer = setup()
    losses = []
    for _ in range(steps):
        losses.append(train_step(model, optimizer, *batch()))
    return [loss.item() for loss in losses]


def step_with_stats(model, optimizer, x, y):
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    accuracy = (logits.argmax(1) == y).float().mean()
    return {"loss": loss, "accuracy": accuracy}  # DTL203


def bad_stats_of_a_step(steps):
    model, optimizer = setup()
    outputs = []
    for _ in range(steps):
        stats = step_with_stats(model, optimizer, *batch())
        outputs.append(stats)
    print(f"mean loss {sum(o['loss'].item() for o in outputs) / steps:.3f}")
    return sum(o["accuracy"].item() for o in outputs)


def step_with_outputs(model, optimizer, x, y):
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item(), logits  # DTL203


def bad_logits_beside_a_number(steps):
    model, optimizer = setup()
    total, kept = 0.0, []
    for _ in range(steps):
        loss, logits = step_with_outputs(model, optimizer, *batch())
        total += loss
        kept.append(logits)
    return total, torch.cat(kept).softmax(1).max().item()


def smoothing_step(model, optimizer, x, y):
    loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss  # DTL203


def bad_total_of_a_step(steps):
    model, optimizer = setup()
    total = 0.0
    for _ in range(steps):
        total += smoothing_step(model, optimizer, *batch())
    return total.item() / steps


def training(model, optimizer, steps):
    for _ in range(steps):
        x, y = batch()
        loss = F.multi_margin_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss  # DTL203


def bad_generator_of_losses(steps):
    model, optimizer = setup()
    history = []
    for loss in training(model, optimizer, steps):
        history.append(loss)
    return min(loss.item() for loss in history)


def loss_only(model, x, y):
    return F.cross_entropy(model(x), y)


def good_caller_backpropagates(steps):
    model, optimizer = setup()
    curve = []
    for _ in range(steps):
        loss = loss_only(model, *batch())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def number_step(model, optimizer, x, y):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def good_step_returns_a_number(steps):
    model, optimizer = setup()
    return sum(number_step(model, optimizer, *batch()) for _ in range(steps))


def detached_step(model, optimizer, x, y):
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {"loss": loss.detach(), "logits": logits.detach(), "predicted": logits.argmax(1)}


def good_step_returns_detached(steps):
    model, optimizer = setup()
    outputs = [detached_step(model, optimizer, *batch()) for _ in range(steps)]
    return torch.stack([o["loss"] for o in outputs]).tolist(), torch.cat([o["predicted"] for o in outputs]).tolist()


def attached_step(model, optimizer, x, y):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def good_caller_takes_the_item(steps):
    model, optimizer = setup()
    total, last = 0.0, None
    for i in range(steps):
        loss = attached_step(model, optimizer, *batch())
        total += loss.item()
        if i % 5 == 0:
            print(f"step {i} loss {loss:.3f}")
        last = loss
    return total, last.item()


def term(model, x, y):
    logits = model(x)
    return F.cross_entropy(logits, y), 0.01 * logits.pow(2).mean()


def good_terms_are_summed_by_the_caller(steps):
    model, optimizer = setup()
    seen = []
    for _ in range(steps):
        total = 0.0
        for part in term(model, *batch()):
            total = total + part
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append(total.item())
    return seen


@torch.no_grad()
def evaluate_step(model, x, y):
    logits = model(x)
    return F.cross_entropy(logits, y), logits


def good_evaluation_step_without_grad(steps):
    model, _ = setup()
    losses, outputs = [], []
    for _ in range(steps):
        loss, logits = evaluate_step(model, *batch())
        losses.append(loss)
        outputs.append(logits)
    return torch.stack(losses).mean().item(), torch.cat(outputs).shape
