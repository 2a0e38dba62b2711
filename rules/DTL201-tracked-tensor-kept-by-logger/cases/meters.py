"""Meters of one's own: what they do with a value stands in the class, not at the call."""

from collections import defaultdict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


class AverageMeter:
    """Computes and stores the average and current value."""

    def __init__(self, name=""):
        self.name = name
        self.reset()

    def reset(self):
        self.val = 0
        self.avg = 0
        self.sum = 0
        self.count = 0

    def update(self, val, n=1):
        self.val = val
        self.sum += val * n
        self.count += n
        self.avg = self.sum / self.count


class ItemMeter(AverageMeter):
    """Turns tensors into numbers before it keeps them."""

    def update(self, val, n=1):
        if isinstance(val, torch.Tensor):
            val = val.item()
        super().update(val, n)


class LastValue:
    """Remembers the newest value only."""

    def __init__(self):
        self.value = None

    def update(self, value):
        self.value = value


@dataclass
class RunningTotal:
    total: float = 0.0
    seen: int = 0

    def add(self, value):
        self.total = self.total + value
        self.seen += 1
        return self

    def mean(self):
        return float(self.total) / self.seen


class MetricLogger:
    """One list per name, as many detection code bases have it."""

    def __init__(self):
        self.meters = defaultdict(list)

    def update(self, **kwargs):
        for name, value in kwargs.items():
            self.meters[name].append(value)

    def summary(self):
        return {name: sum(v.item() for v in values) / len(values) for name, values in self.meters.items()}


class DetachingLogger(MetricLogger):
    def update(self, **kwargs):
        super().update(**{name: value.detach() for name, value in kwargs.items()})


def setup():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.01)


def batches(steps):
    for _ in range(steps):
        yield torch.randn(6, 4), torch.randn(6, 1)


def bad_average_meter(steps):
    model, optimizer = setup()
    losses = AverageMeter("Loss")
    for x, y in batches(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.update(loss, x.size(0))  # DTL201
    print(f"{losses.name} {losses.avg:.4f}")
    return losses.avg.item()


def bad_meter_before_backward(steps):
    model, optimizer = setup()
    meters = {"mse": AverageMeter(), "l1": AverageMeter()}
    for x, y in batches(steps):
        out = model(x)
        mse, l1 = F.mse_loss(out, y), F.l1_loss(out, y)
        meters["mse"].update(mse.item(), len(x))
        meters["l1"].update(l1, len(x))  # DTL201
        optimizer.zero_grad()
        (mse + l1).backward()
        optimizer.step()
    return meters["mse"].avg, meters["l1"].avg.item()


def bad_keyword_logger(steps):
    model, optimizer = setup()
    metric_logger = MetricLogger()
    for x, y in batches(steps):
        out = model(x)
        loss = F.mse_loss(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        metric_logger.update(loss=loss, target=y.mean())  # DTL201
    return metric_logger.summary()


def bad_data_class_total(steps):
    model, optimizer = setup()
    total = RunningTotal()
    for x, y in batches(steps):
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(model(x), y)
        loss.backward()
        optimizer.step()
        total.add(loss)  # DTL201
    return total.mean()


def bad_meter_in_evaluation(steps):
    model, _ = setup()
    model.eval()
    meter = AverageMeter("val")
    for x, y in batches(steps):
        meter.update(F.mse_loss(model(x), y), n=len(x))  # DTL201
    return round(meter.avg.item(), 4)


def good_item_at_the_call(steps):
    model, optimizer = setup()
    losses = AverageMeter()
    for x, y in batches(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.update(loss.item(), x.size(0))
    return losses.avg


def good_meter_takes_the_item(steps):
    model, optimizer = setup()
    losses = ItemMeter()
    for x, y in batches(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.update(loss, x.size(0))
    return losses.avg


def good_meter_detaches(steps):
    model, optimizer = setup()
    metric_logger = DetachingLogger()
    for x, y in batches(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        metric_logger.update(loss=loss)
    return metric_logger.summary()


def good_only_the_last_value(steps):
    model, optimizer = setup()
    last = LastValue()
    for x, y in batches(steps):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last.update(loss)
    return last.value.item()


def good_meter_in_evaluation_without_grad(steps):
    model, _ = setup()
    model.eval()
    meter = AverageMeter("val")
    with torch.no_grad():
        for x, y in batches(steps):
            meter.update(F.mse_loss(model(x), y), n=len(x))
    return meter.avg.item()


def good_accuracy_has_no_graph(steps):
    model, optimizer = setup()
    accuracy = AverageMeter("sign")
    for x, y in batches(steps):
        out = model(x)
        loss = F.mse_loss(out, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        accuracy.update(((out > 0) == (y > 0)).float().mean(), len(x))
    return accuracy.avg.item()


def good_collector_is_backpropagated(steps):
    model, optimizer = setup()
    curve = []
    for _ in range(steps):
        total = RunningTotal()
        for x, y in batches(2):
            total.add(F.mse_loss(model(x), y))
        optimizer.zero_grad()
        total.total.backward()
        optimizer.step()
        curve.append(total.total.item())
    return curve
