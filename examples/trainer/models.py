"""The classifier: an encoder, two heads, and a running center of the features."""

import torch
from torch import nn


class SpiralNet(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.classes = nn.Linear(width, 2)
        self.radius = nn.Linear(width, 1)
        self.register_buffer("center", torch.zeros(width))
        self.center_loss = torch.zeros(())

    def forward(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.encoder(points)
        if self.training:
            self.center = 0.9 * self.center + 0.1 * features.mean(dim=0)
        self.center_loss = (features - self.center.detach()).pow(2).mean()
        return self.classes(features), self.radius(features).squeeze(1)


class Average(nn.Module):
    """A slowly following copy of another model's weights, for evaluation."""

    def __init__(self, model: nn.Module, decay: float = 0.95) -> None:
        super().__init__()
        self.decay = decay
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        for name, value in model.named_parameters():
            self.weights[name] = self.decay * self.weights[name] + (1 - self.decay) * value
