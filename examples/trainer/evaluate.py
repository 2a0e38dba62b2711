"""How good is the model? Numbers after every epoch, reports at the end."""

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, roc_auc_score
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


@torch.no_grad()
def accuracy_and_loss(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    model.eval()
    total = 0.0
    correct = 0
    probabilities = []
    for points, labels in loader:
        logits, _ = model(points)
        total += F.cross_entropy(logits, labels)
        correct += (logits.argmax(dim=1) == labels).sum()
        probabilities.append(logits.softmax(dim=1).numpy())
    assert np.concatenate(probabilities).min() >= 0
    return float(correct) / len(loader.dataset), float(total) / len(loader)


def hardest(model: nn.Module, loader: DataLoader) -> float:
    """The mean over batches of the largest loss in the batch."""
    model.eval()
    worst = []
    for points, labels in loader:
        logits, _ = model(points)
        losses = F.cross_entropy(logits, labels, reduction="none")
        worst.append(losses.max())
    return torch.stack(worst).mean().item()


def calibration(model: nn.Module, loader: DataLoader) -> float:
    """How far the mean confidence is from the share of right answers."""
    model.eval()
    confidence, right = [], []
    for points, labels in loader:
        logits, _ = model(points)
        best = logits.softmax(dim=1).max(dim=1)
        confidence.append(best.values.cpu().numpy())
        right.append((best.indices == labels).cpu().numpy())
    return float(abs(np.concatenate(confidence).mean() - np.concatenate(right).mean()))


def ranking(model: nn.Module, loader: DataLoader) -> float:
    """The area under the ROC curve, averaged over batches."""
    model.eval()
    areas = []
    for points, labels in loader:
        logits, _ = model(points)
        scores = logits[:, 1] - logits[:, 0]
        areas.append(roc_auc_score(labels, scores))
    return float(np.mean(areas))


def confusion(model: nn.Module, loader: DataLoader) -> np.ndarray:
    model.eval()
    table = np.zeros((2, 2), dtype=int)
    for points, labels in loader:
        logits, _ = model(points)
        table += confusion_matrix(labels, logits.argmax(dim=1), labels=[0, 1])
    return table
