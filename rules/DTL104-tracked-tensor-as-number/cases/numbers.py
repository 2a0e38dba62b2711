"""Losses and scores turned into Python numbers."""

import math
from math import exp

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class LanguageModel(nn.Module):
    def __init__(self, words=6):
        super().__init__()
        self.embed = nn.Embedding(words, 4)
        self.out = nn.Linear(4, words)

    def forward(self, tokens):
        return self.out(self.embed(tokens))

    def loss(self, tokens):
        return F.cross_entropy(self(tokens[:-1]), tokens[1:])


def text(length=9):
    return torch.randint(0, 6, (length,))


def bad_float_of_a_loss(steps):
    model = LanguageModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = []
    for _ in range(steps):
        loss = model.loss(text())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss))  # DTL104
    return history


def bad_perplexity():
    model = LanguageModel().eval()
    return exp(model.loss(text()))  # DTL104


def bad_finite_check(steps):
    model = LanguageModel()
    skipped = 0
    for _ in range(steps):
        loss = model.loss(text())
        if not math.isfinite(loss):  # DTL104
            skipped += 1
            continue
        loss.backward()
    return skipped


def bad_percent_format():
    model = LanguageModel()
    loss = model.loss(text())
    loss.backward()
    return "loss %.3f" % loss  # DTL104


def bad_element_of_an_array(steps):
    model = LanguageModel()
    losses = np.zeros(steps)
    for i in range(steps):
        loss = model.loss(text())
        loss.backward()
        losses[i] = loss  # DTL104
    return losses


class Average:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def add(self, value):
        self.total += value
        self.count += 1


def bad_number_for_a_meter(steps):
    model, meter = LanguageModel(), Average()
    for _ in range(steps):
        loss = model.loss(text())
        loss.backward()
        meter.add(float(loss))  # DTL104
    return meter.total / meter.count


def bad_temperature_parameter():
    temperature = nn.Parameter(torch.tensor(2.0))
    logits = torch.randn(3)
    scaled = [v / float(temperature) for v in logits.tolist()]  # DTL104
    return scaled, math.log(temperature)  # DTL104


def bad_in_a_lambda():
    model = LanguageModel()
    score = lambda tokens: float(model.loss(tokens))  # DTL104
    return max(score(text()), score(text()))


def good_item(steps):
    model = LanguageModel()
    history = []
    for _ in range(steps):
        loss = model.loss(text())
        loss.backward()
        history.append(loss.item())
    return history, math.exp(history[-1])


def good_formatted_by_the_tensor_itself():
    model = LanguageModel()
    loss = model.loss(text())
    loss.backward()
    return f"{loss:.3f} {{:.2f}}".format(loss)


def good_detached():
    model = LanguageModel()
    loss = model.loss(text())
    loss.backward()
    return float(loss.detach()), math.sqrt(loss.data), "%.2f" % loss.detach()


def good_under_no_grad(steps):
    model = LanguageModel()
    with torch.no_grad():
        return [float(model.loss(text())) for _ in range(steps)]


def good_no_grad_at_the_conversion():
    model = LanguageModel()
    loss = model.loss(text())
    loss.backward()
    with torch.no_grad():
        return float(loss)


def good_integers_and_truth():
    model = LanguageModel()
    loss = model.loss(text())
    loss.backward()
    return int(loss), bool(loss > 0), len(model(text())), 1 if loss > 1 else 0


def good_accuracy_is_counted():
    model = LanguageModel()
    tokens = text()
    logits = model(tokens[:-1])
    F.cross_entropy(logits, tokens[1:]).backward()
    correct = (logits.argmax(dim=-1) == tokens[1:]).float()
    return float(correct.mean()), float(correct.sum()) / len(correct)


def good_norms_of_gradients():
    model = LanguageModel()
    model.loss(text()).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return float(norm), float(model.out.bias.grad.norm())


def good_plain_numbers(steps):
    model = LanguageModel()
    rate = 0.1
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for step in range(steps):
        model.loss(text()).backward()
        optimizer.step()
        rate = float(rate) * math.cos(step / steps)
        optimizer.param_groups[0]["lr"] = rate
    return float("0.5"), rate, math.exp(-float(steps))
