"""Distributions and curves drawn with seaborn."""

import matplotlib.pyplot as plt
import seaborn as sns
import torch
from torch import nn


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)


def bad_histogram_of_scores():
    model = Scorer()
    scores = torch.sigmoid(model(torch.randn(20, 3)))
    sns.histplot(scores)  # DTL102
    return len(plt.gca().patches) > 0


def bad_heatmap_of_similarities():
    items = nn.Embedding(5, 4)
    similarity = items.weight @ items.weight.T
    axis = sns.heatmap(similarity / similarity.max(), cbar=False)  # DTL102
    return len(axis.collections)


def good_heatmap_of_detached_similarities():
    items = nn.Embedding(5, 4)
    similarity = (items.weight @ items.weight.T).detach()
    axis = sns.heatmap(similarity, cbar=False)
    return len(axis.collections)


def good_scores_under_no_grad():
    model = Scorer()
    with torch.no_grad():
        scores = torch.sigmoid(model(torch.randn(20, 3)))
        sns.histplot(scores)
    return len(plt.gca().patches) > 0
