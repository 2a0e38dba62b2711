"""Library metrics with list states, callbacks, reporters and loggers with base classes."""

import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics import CatMetric, MeanMetric, Metric
from torchmetrics.regression import MeanSquaredError, SpearmanCorrCoef


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 7)
        self.score = nn.Linear(7, 1)

    def forward(self, x):
        return self.score(torch.tanh(self.hidden(x))).squeeze(-1)


class Residuals(Metric):
    """All residuals, for a quantile at the end of the epoch."""

    def __init__(self):
        super().__init__()
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, residual):
        self.values.append(residual)

    def compute(self):
        return torch.cat(self.values).quantile(0.9)


class SumOfSquares(Metric):
    """A tensor state: updated without grad, so nothing is kept."""

    def __init__(self):
        super().__init__()
        self.add_state("total", default=torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, residual):
        self.total += residual.pow(2).sum()

    def compute(self):
        return self.total


class Callback:
    def on_batch_end(self, step, loss):
        pass


class History(Callback):
    def __init__(self):
        self.rows = []

    def on_batch_end(self, step, loss):
        self.rows.append({"step": step, "loss": loss})


class EarlyStop(Callback):
    def __init__(self, patience):
        self.patience, self.best = patience, float("inf")

    def on_batch_end(self, step, loss):
        self.best = min(self.best, loss.item())


class BaseLogger:
    def __init__(self):
        self._scalars = {}

    def _record(self, tag, value):
        self._scalars.setdefault(tag, []).append(value)

    def last(self, tag):
        return self._scalars[tag][-1].item()


class TrainLogger(BaseLogger):
    def __call__(self, tag, value):
        self._record(f"train/{tag}", value)


class LineLogger:
    """Writes lines and keeps lines."""

    def __init__(self):
        self.lines = []

    def __call__(self, tag, value):
        self.lines.append(f"{tag} {value:.4f}")


def setup():
    model = Scorer()
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def batch():
    return torch.randn(4, 5), torch.randn(4)


def bad_cat_metric(steps):
    model, optimizer = setup()
    scores = CatMetric()
    for _ in range(steps):
        x, y = batch()
        prediction = model(x)
        loss = F.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scores.update(prediction)  # DTL201
    return scores.compute().median().item()


def bad_rank_correlation_keeps_lists(steps):
    model, optimizer = setup()
    spearman = SpearmanCorrCoef()
    for _ in range(steps):
        x, y = batch()
        prediction = model(x)
        optimizer.zero_grad()
        F.huber_loss(prediction, y).backward()
        optimizer.step()
        spearman.update(prediction, y)  # DTL201
    return spearman.compute().item()


def bad_own_metric_with_list_state(steps):
    model, optimizer = setup()
    metric = Residuals()
    for _ in range(steps):
        x, y = batch()
        residual = model(x) - y
        optimizer.zero_grad()
        residual.pow(2).mean().backward()
        optimizer.step()
        metric.update(residual)  # DTL201
    return metric.compute().item()


def bad_callback_object(steps):
    model, optimizer = setup()
    history = History()
    for step in range(steps):
        x, y = batch()
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.on_batch_end(step, loss)  # DTL201
    return [row["loss"].item() for row in history.rows]


def bad_logger_keeps_in_its_base(steps):
    model, optimizer = setup()
    log = TrainLogger()
    for step in range(steps):
        x, y = batch()
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 2 == 0:
            log("loss", loss)  # DTL201
    return log.last("train/loss")


class Trainer:
    """Owns its reporter."""

    def __init__(self, reporter):
        self.model, self.optimizer = setup()
        self.reporter = reporter

    def step(self, x, y):
        loss = F.mse_loss(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class ReportingTrainer(Trainer):
    def __init__(self):
        super().__init__(TrainLogger())

    def step(self, x, y):
        scores = self.model(x)
        loss = F.mse_loss(scores, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.reporter("spread", scores.std())  # DTL201
        return loss.item()


def bad_reporter_of_a_trainer(steps):
    trainer = ReportingTrainer()
    losses = [trainer.step(*batch()) for _ in range(steps)]
    return losses, trainer.reporter.last("train/spread")


def good_mean_metric(steps):
    model, optimizer = setup()
    mean, error = MeanMetric(), MeanSquaredError()
    for _ in range(steps):
        x, y = batch()
        prediction = model(x)
        loss = F.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean.update(loss)
        error.update(prediction, y)
    return mean.compute().item(), error.compute().item()


def good_metric_with_tensor_state(steps):
    model, optimizer = setup()
    metric = SumOfSquares()
    for _ in range(steps):
        x, y = batch()
        residual = model(x) - y
        optimizer.zero_grad()
        residual.pow(2).mean().backward()
        optimizer.step()
        metric.update(residual)
    return metric.compute().item()


def good_list_state_gets_detached_values(steps):
    model, optimizer = setup()
    scores, residuals = CatMetric(), Residuals()
    for _ in range(steps):
        x, y = batch()
        prediction = model(x)
        loss = F.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scores.update(prediction.detach())
        residuals.update((prediction - y).data)
    return scores.compute().median().item(), residuals.compute().item()


def good_callback_reads_the_number(steps):
    model, optimizer = setup()
    stop = EarlyStop(patience=3)
    for step in range(steps):
        x, y = batch()
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        stop.on_batch_end(step, loss)
    return stop.best


def good_logger_keeps_text(steps):
    model, optimizer = setup()
    log = LineLogger()
    for _ in range(steps):
        x, y = batch()
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log("loss", loss)
    return log.lines


def good_metric_of_decisions(steps):
    model, optimizer = setup()
    positives = CatMetric()
    for _ in range(steps):
        x, y = batch()
        prediction = model(x)
        loss = F.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        positives.update((prediction > 0).float())
    return positives.compute().sum().item()


def good_epoch_metric_under_inference_mode(steps):
    model, _ = setup()
    spearman = SpearmanCorrCoef()
    with torch.inference_mode():
        for _ in range(steps):
            x, y = batch()
            spearman.update(model(x), y)
        return spearman.compute().item()
