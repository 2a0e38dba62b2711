"""Pictures of a run."""

from pathlib import Path

import matplotlib
import torch
from torch import nn

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def grid(size: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    axis = torch.linspace(-1.2, 1.2, size)
    xs, ys = torch.meshgrid(axis, axis, indexing="xy")
    return xs, ys


def draw_boundary(model: nn.Module, path: Path) -> None:
    """The score of every place in the plane."""
    model.eval()
    xs, ys = grid()
    logits, _ = model(torch.stack([xs.flatten(), ys.flatten()], dim=1))
    figure, axes = plt.subplots()
    axes.contourf(xs, ys, (logits[:, 1] - logits[:, 0]).reshape(xs.shape))
    figure.savefig(path)
    plt.close(figure)


def draw_regions(model: nn.Module, path: Path) -> None:
    """The class of every place in the plane."""
    model.eval()
    xs, ys = grid()
    with torch.inference_mode():
        logits, _ = model(torch.stack([xs.flatten(), ys.flatten()], dim=1))
        scores = logits.softmax(dim=1)[:, 1]
    figure, axes = plt.subplots()
    axes.contourf(xs, ys, scores.reshape(xs.shape))
    figure.savefig(path)
    plt.close(figure)


def draw_weights(model: nn.Module, path: Path) -> None:
    figure, axes = plt.subplots()
    for name, parameter in model.named_parameters():
        axes.plot(parameter.detach().flatten().sort().values, label=name)
    axes.legend()
    figure.savefig(path)
    plt.close(figure)
