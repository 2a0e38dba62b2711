"""Looking into a model while it is trained."""

import torch
from torch import nn


class FeatureRecorder:
    """Keeps what the linear layers of a model gave, step by step."""

    def __init__(self, model: nn.Module) -> None:
        self.features: list[torch.Tensor] = []
        self.means: list[torch.Tensor] = []
        self.handles = [
            layer.register_forward_hook(self.keep)
            for layer in model.modules()
            if isinstance(layer, nn.Linear)
        ]

    def keep(self, layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        self.features.append(output)
        self.means.append(output.detach().mean())

    def spread(self) -> float:
        return torch.stack([feature.std() for feature in self.features]).mean().item()

    def close(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.features.clear()


class GradientRecorder:
    """Keeps the norms of the gradients that flow into a model's parameters."""

    def __init__(self, model: nn.Module) -> None:
        self.norms: dict[str, list[torch.Tensor]] = {}
        for name, parameter in model.named_parameters():
            parameter.register_hook(lambda gradient, name=name: self.keep(name, gradient))

    def keep(self, name: str, gradient: torch.Tensor) -> None:
        self.norms.setdefault(name, []).append(gradient.norm())

    def largest(self) -> str:
        return max(self.norms, key=lambda name: max(norm.item() for norm in self.norms[name]))
