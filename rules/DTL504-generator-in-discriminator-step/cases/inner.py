"""Layers that train a part of themselves while they are called."""

import torch
import torch.nn.functional as F
from torch import nn


class Codes(nn.Module):
    def __init__(self):
        super().__init__()
        self.project = nn.Linear(3, 4)
        self.codes = nn.Parameter(torch.randn(5, 4))
        self.optimizer = torch.optim.SGD([self.codes], lr=0.1)

    def nearest(self, x):
        return self.codes[torch.cdist(x, self.codes).argmin(-1)]


class Quantizer(Codes):
    def forward(self, x):
        x = self.project(x)
        found = self.nearest(x)
        if self.training:
            ((found - x) ** 2).mean().backward()  # DTL504
            self.optimizer.step()
            self.optimizer.zero_grad()
            found = self.nearest(x)
        return x + (found - x).detach()


class CuttingQuantizer(Codes):
    def forward(self, x):
        x = self.project(x)
        wanted = x.detach()
        found = self.nearest(wanted)
        if self.training:
            ((found - wanted) ** 2).mean().backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            found = self.nearest(wanted)
        return x + found.detach() - wanted


class Predictor(nn.Module):
    """Learns, beside its task, to say its own features beforehand."""

    def __init__(self):
        super().__init__()
        self.features, self.guess = nn.Linear(3, 4), nn.Linear(3, 4)
        self.optimizer = torch.optim.SGD(self.guess.parameters(), lr=0.1)

    def forward(self, x):
        features = torch.tanh(self.features(x))
        error = F.mse_loss(self.guess(x), features)  # DTL504
        error.backward()
        self.optimizer.step()
        return features.sum(-1)


class CuttingPredictor(Predictor):
    def forward(self, x):
        features = torch.tanh(self.features(x))
        with torch.no_grad():
            wanted = features.clone()
        error = F.mse_loss(self.guess(x), wanted)
        error.backward()
        self.optimizer.step()
        return features.sum(-1)


class Reporting(Predictor):
    """Gives back, to be read, the loss that it has consumed."""

    def forward(self, x):
        features = torch.tanh(self.features(x))
        error = F.mse_loss(self.guess(x), features.detach())
        error.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return features.sum(-1), error


class Retaining(Predictor):
    """Wants both gradients in its features, and says so."""

    def forward(self, x):
        features = torch.tanh(self.features(x))
        F.mse_loss(self.guess(x), features).backward(retain_graph=True)
        return features.sum(-1)


def gradients(model, steps):
    """What the steps leave; torch may refuse one of them."""
    try:
        for _ in range(steps):
            model.zero_grad()
            model(torch.randn(6, 3)).mean().backward()
    except RuntimeError as error:
        print(error)
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def bad_codes_moved_in_the_forward(steps):
    return gradients(Quantizer(), steps)


def good_codes_moved_in_the_forward(steps):
    return gradients(CuttingQuantizer(), steps)


def bad_features_said_beforehand(steps):
    return gradients(Predictor(), steps)


def good_features_said_beforehand(steps):
    return gradients(CuttingPredictor(), steps)


def good_loss_that_is_reported(steps):
    model = Reporting()
    for _ in range(steps):
        output, error = model(torch.randn(6, 3))
        output.mean().backward()
    return error.item()


def good_graph_that_is_retained(steps):
    return gradients(Retaining(), steps)


class Alternating(nn.Module):
    """Trains both of its halves itself, and gives back what came of it."""

    def __init__(self):
        super().__init__()
        self.code, self.image = nn.Linear(3, 2), nn.Linear(2, 3)
        self.squeeze = nn.Linear(2, 2)
        self.first = torch.optim.SGD(self.code.parameters(), lr=0.1)
        self.second = torch.optim.SGD(self.image.parameters(), lr=0.1)

    def forward(self, x):
        again = self.image(self.squeeze(self.code(x)))
        coding = F.mse_loss(again, x)
        self.first.zero_grad()
        coding.backward()
        self.first.step()
        codes = self.squeeze(self.code(x)).detach()
        again = self.image(codes)
        painting = F.l1_loss(again, x)
        self.second.zero_grad()
        painting.backward()
        self.second.step()
        return coding, painting, again


def good_module_that_trains_all_of_itself(steps):
    model, shown = Alternating(), []
    for _ in range(steps):
        coding, painting, again = model(torch.randn(4, 3))
        shown.append(f"{coding.item():.3f} {painting.item():.3f} {again.mean().item():.3f}")
    return shown
