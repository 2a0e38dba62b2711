"""Train a small classifier on two spirals, then report on it."""

import copy
import logging
import sys

import torch
from config import Config, parse
from data import loaders
from evaluate import accuracy_and_loss, calibration, confusion, hardest, ranking
from hooks import FeatureRecorder, GradientRecorder
from meters import AverageMeter, History
from models import Average, SpiralNet
from plots import draw_boundary, draw_regions, draw_weights
from reinforce import learn
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

logger = logging.getLogger("trainer")


def objective_of(model: nn.Module, points: torch.Tensor, labels: torch.Tensor, config: Config):
    """The sum that is minimised, and the loss of the main task in it."""
    logits, radius = model(points)
    losses = [F.cross_entropy(logits, labels)]
    losses.append(F.mse_loss(radius, points.norm(dim=1)))
    losses.append(config.center_weight * model.center_loss)
    return torch.stack(losses).sum(), losses[0], logits


def train_epoch(
    model: nn.Module,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    average: Average,
    history: History,
    config: Config,
) -> float:
    model.train()
    running = 0.0
    smoothed = torch.zeros(())
    correct = 0
    meter = AverageMeter()
    for step, (points, labels) in enumerate(loader):
        objective, loss, logits = objective_of(model, points, labels, config)
        optimizer.zero_grad()
        objective.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        average.follow(model)
        running += objective
        smoothed = 0.9 * smoothed + 0.1 * loss.detach()
        correct += (logits.argmax(dim=1) == labels).sum()
        meter.update(loss.item(), len(labels))
        history.record("norm", norm)
        history.record("objective", objective)
        if step % config.log_every == 0:
            logger.debug("step %d: objective %s", step, objective)
            logger.info(f"step {step}: objective {objective:.3f}, smoothed {smoothed:.3f}")
    accuracy = correct.item() / len(loader.dataset)
    logger.info("accuracy %.3f, loss %.3f", accuracy, meter.mean)
    return running.item() / len(loader)


def sharpen(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer, rounds: int) -> float:
    """A few more steps on the hardest batch, taken over from the smoothest round."""
    points, labels = max(loader, key=lambda batch: batch[0].norm().item())
    trend = torch.zeros(())
    for _ in range(rounds):
        loss = F.cross_entropy(model(points)[0], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        trend = 0.9 * trend + 0.1 * loss
    return trend.item()


def best_batch(model: nn.Module, loader: DataLoader) -> float:
    """The smallest loss of a batch, with the logits that gave it."""
    best = {"loss": float("inf")}
    for points, labels in loader:
        logits, _ = model(points)
        loss = F.cross_entropy(logits, labels)
        if loss.item() < best["loss"]:
            best = {"loss": loss.item(), "logits": copy.deepcopy(logits)}
    return best["loss"]


def write_reports(model: nn.Module, loader: DataLoader, config: Config) -> None:
    config.output.mkdir(parents=True, exist_ok=True)
    print(f"confusion {confusion(model, loader).tolist()}")
    print(f"calibration {calibration(model, loader):.4f}")
    print(f"ranking {ranking(model, loader):.4f}")
    print(f"best batch {best_batch(model, loader):.4f}")
    draw_regions(model, config.output / "regions.png")
    draw_weights(model, config.output / "weights.png")
    draw_boundary(model, config.output / "boundary.png")


def main(arguments: list[str] | None = None) -> None:
    config = parse(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    torch.manual_seed(config.seed)
    train_loader, test_loader = loaders(config.batch_size, config.seed)
    model = SpiralNet()
    average = Average(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.learning_rate, momentum=0.9)
    history = History()
    features, gradients = FeatureRecorder(model), GradientRecorder(model)
    best, kept = 0.0, copy.deepcopy(model.state_dict())
    for epoch in range(config.epochs):
        objective = train_epoch(model, train_loader, optimizer, average, history, config)
        accuracy, loss = accuracy_and_loss(model, test_loader)
        print(f"epoch {epoch}: objective {objective:.4f}, accuracy {accuracy:.4f}, loss {loss:.4f}")
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(model.state_dict())
    print(f"spread of the features {features.spread():.4f}, largest gradient in {gradients.largest()}")
    features.close()
    model.load_state_dict(kept)
    trend = sharpen(model, train_loader, optimizer, rounds=5)
    print(f"recorded {len(history.values['objective'])} steps, trend {trend:.4f}")
    model.load_state_dict(average.weights)
    print(f"averaged weights: accuracy {accuracy_and_loss(model, test_loader)[0]:.4f}")
    print(f"hardest {hardest(model, test_loader):.4f}, levers {learn():.4f}")
    if config.reports:
        write_reports(model, test_loader, config)


if __name__ == "__main__":
    main()
