"""Training histories: what was backpropagated is written down with its graph."""

from collections import deque, namedtuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn


def build():
    model = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 2))
    return model, torch.optim.SGD(model.parameters(), lr=0.05)


def batch():
    return torch.randn(6, 5), torch.randint(0, 2, (6,))


def bad_list_of_losses(steps):
    model, optimizer = build()
    losses = []
    for _ in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)  # DTL302
    return np.mean([value.item() for value in losses])


def bad_dict_of_lists(steps):
    model, optimizer = build()
    history = {"loss": [], "entropy": [], "lr": []}
    for _ in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        entropy = torch.distributions.Categorical(logits=logits).entropy().mean()
        history["loss"].append(loss)  # DTL302
        history["entropy"].append(entropy)  # DTL302
        history["lr"].append(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad()
        (loss - 0.01 * entropy).backward()
        optimizer.step()
    print("last loss", history["loss"][-1].item(), "lr", history["lr"][-1])
    return [round(value.item(), 4) for value in history["entropy"]]


def bad_setdefault(steps):
    model, optimizer = build()
    log = {}
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.setdefault("even" if step % 2 == 0 else "odd", []).append(loss)  # DTL302
    return {key: len(values) for key, values in log.items()}


TrainInfo = namedtuple("TrainInfo", ["loss", "accuracy"])


def bad_record_of_lists(steps):
    model, optimizer = build()
    info = TrainInfo(*([] for _ in TrainInfo._fields))
    for _ in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        info.loss.append(loss)  # DTL302
        info.accuracy.append((logits.argmax(1) == y).float().mean())
    return [value.item() for value in info.loss]


def bad_one_record_a_step(steps):
    model, optimizer = build()
    records = []
    for step in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        records.append({"step": step, "loss": loss, "accuracy": (logits.argmax(1) == y).float().mean()})  # DTL302
    return min(record["loss"].item() for record in records)


def step_with_a_record(model, x, y):
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    return loss, {"number": loss.item(), "outputs": {"logits": logits}}


def bad_record_in_a_record(steps):
    model, optimizer = build()
    records = []
    for _ in range(steps):
        loss, record = step_with_a_record(model, *batch())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        records.append(record)  # DTL302
    return sum(record["number"] for record in records)


def bad_queue_of_rows(steps):
    model, optimizer = build()
    rows = deque()
    for step in range(steps):
        x, y = batch()
        per_sample = F.cross_entropy(model(x), y, reduction="none")
        loss = per_sample.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rows.appendleft((step, per_sample.max()))  # DTL302
    worst = 0.0
    for _, value in rows:
        worst = max(worst, value.item())
    return worst


def bad_keyed_by_step(steps):
    model, optimizer = build()
    loss_at = {}
    for step in range(steps):
        x, y = batch()
        optimizer.zero_grad()
        loss = F.multi_margin_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if step % 2 == 0:
            loss_at[step] = loss  # DTL302
    best = min(loss_at, key=lambda step: loss_at[step].item())
    return best, f"{loss_at[best]:.4f}"


def bad_written_down_under_no_grad(steps):
    model, optimizer = build()
    curve = []
    for _ in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            curve.append(loss)  # DTL302
    return torch.stack(curve).mean().item()


def bad_rows_of_a_data_frame(steps):
    model, optimizer = build()
    frame = pd.DataFrame(columns=["step", "loss"])
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        frame.loc[len(frame)] = [step, loss]  # DTL302
    return len(frame)


def good_numbers(steps):
    model, optimizer = build()
    losses, accuracies = [], []
    for _ in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accuracies.append((logits.argmax(1) == y).float().mean())
    return np.mean(losses), torch.stack(accuracies).mean().item()


def good_detached_history(steps):
    model, optimizer = build()
    history = {"loss": [], "logits": []}
    for _ in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history["loss"].append(loss.detach().cpu())
        history["logits"].append(logits.data)
    return torch.stack(history["loss"]).tolist()


def good_fresh_list_each_iteration(steps):
    model, optimizer = build()
    last = 0.0
    for _ in range(steps):
        terms = []
        x, y = batch()
        logits = model(x)
        terms.append(F.cross_entropy(logits, y))
        terms.append(0.01 * logits.pow(2).mean())
        optimizer.zero_grad()
        torch.stack(terms).sum().backward()
        optimizer.step()
        last = sum(term.item() for term in terms)
    return last


def good_micro_batch_losses_are_backpropagated(steps):
    model, optimizer = build()
    curve, pending = [], []
    for i in range(steps * 3):
        x, y = batch()
        pending.append(F.cross_entropy(model(x), y))
        if len(pending) == 3:
            loss = torch.stack(pending).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
            pending = []
    return curve


def good_gradients_have_no_graph(steps):
    model, optimizer = build()
    gradients, sizes = [], {}
    for step in range(steps):
        x, y = batch()
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        sizes[step] = loss.shape
        optimizer.step()
    return torch.stack(gradients).norm(dim=1).tolist(), len(sizes)


def good_cut_on_the_next_line(steps):
    model, optimizer = build()
    losses = []
    for _ in range(steps):
        x, y = batch()
        losses.append(F.cross_entropy(model(x), y))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
        losses = [loss.detach() for loss in losses]
    return torch.stack(losses).mean().item()


def good_cut_in_place_after_it_was_kept(steps):
    model, optimizer = build()
    shown = []
    for _ in range(steps):
        x, y = batch()
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        shown.append(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        shown[-1].detach_()
    return [round(value.item(), 4) for value in shown]
