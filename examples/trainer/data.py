"""Two spirals that a straight line can't part."""

import math

import torch
from torch.utils.data import DataLoader, TensorDataset


def spirals(points: int, generator: torch.Generator) -> TensorDataset:
    labels = torch.arange(points) % 2
    radius = torch.rand(points, generator=generator)
    angle = 2.5 * math.pi * radius + math.pi * labels
    noise = 0.03 * torch.randn(points, 2, generator=generator)
    places = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1) + noise
    return TensorDataset(places, labels)


def loaders(batch_size: int, seed: int) -> tuple[DataLoader, DataLoader]:
    generator = torch.Generator().manual_seed(seed)
    train = DataLoader(spirals(512, generator), batch_size, shuffle=True, generator=generator)
    return train, DataLoader(spirals(128, generator), batch_size)
