"""Numbers for torch's functions that come from a network, or are a part of it."""

import torch
import torch.nn.functional as F
from torch import nn


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.floor = nn.Parameter(torch.tensor(0.1))

    def forward(self, x):
        return self.layer(x).squeeze(-1)


def bad_filled_with_the_worst_score():
    scores = Scorer()(torch.randn(5, 3))
    padded = torch.full((8,), scores.min())  # DTL105
    padded[:5] = scores.detach()
    return padded.sum().item()


def bad_missing_scores_become_the_mean():
    net = Scorer()
    scores = net(torch.randn(4, 3))
    target = torch.tensor([0.5, float("nan"), 0.2, 0.1])
    target = target.nan_to_num(scores.mean())  # DTL105
    return target.shape


def bad_padding_by_a_network():
    scores = Scorer()(torch.randn(2, 4, 3))
    return F.pad(scores.detach(), (0, 2), value=scores.max()).shape  # DTL105


def bad_steps_up_to_a_prediction():  # harm: raises: received an invalid combination of arguments
    length = Scorer()(torch.randn(3)).exp() * 4
    return torch.arange(0, length).shape  # DTL105


def bad_noise_of_a_predicted_scale():
    spread = Scorer()(torch.randn(3)).exp()
    return torch.empty(4).normal_(0.0, std=spread).shape  # DTL105


class Leaky(nn.Module):
    """A slope to be learnt, which this form can't learn."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.2))

    def forward(self, x):
        return F.leaky_relu(x, self.slope)  # DTL105


def bad_parameter_as_slope_in_evaluation():  # harm: raises: not Parameter
    with torch.no_grad():
        return Leaky().eval()(torch.randn(3)).shape


def good_the_number_is_taken_out():
    scores = Scorer()(torch.randn(5, 3))
    return torch.full((8,), scores.min().item()).shape


def good_detached():
    scores = Scorer()(torch.randn(2, 4, 3))
    return F.pad(scores, (0, 2), value=scores.detach().max()).sum().requires_grad


def good_computed_without_grad():
    with torch.no_grad():
        spread = Scorer()(torch.randn(3)).exp()
        noise = torch.empty(4).normal_(0.0, spread)
    return noise.shape


def good_bounds_that_are_tensors():
    net = Scorer()
    clipped = net(torch.randn(5, 3)).clamp(min=net.floor)
    clipped.sum().backward()
    return net.floor.grad is not None


def good_choices_and_fillings():
    net = Scorer()
    scores = net(torch.randn(5, 3))
    chosen = torch.where(scores > 0, scores, net.floor)
    filled = torch.zeros(5).masked_fill(scores > 0, scores.max())
    filled[0] = scores.min()
    (chosen + filled).sum().backward()
    return net.floor.grad is not None


def good_likes_of_a_tracked_tensor():
    scores = Scorer()(torch.randn(5, 3))
    weights = torch.full_like(scores, 0.5)
    more = scores.new_full((len(scores),), 1.0)
    shifted = torch.add(scores, scores, alpha=0.1)
    return weights.requires_grad, more.requires_grad, shifted.requires_grad


def good_learnt_slope():
    slope = nn.Parameter(torch.tensor([0.2]))
    F.prelu(torch.randn(3), slope).sum().backward()
    return slope.grad is not None


class Softplus(nn.Module):
    """Its sharpness is a buffer: a tensor that does not require grad passes for a number."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.register_buffer("beta", torch.tensor(2.0))

    def forward(self, x):
        return F.softplus(self.layer(x), beta=self.beta)


def good_buffer_as_a_number():
    return Softplus()(torch.randn(3)).requires_grad


def good_count_of_what_was_predicted():
    scores = Scorer()(torch.randn(5, 3))
    return torch.arange(0, (scores > 0).sum()).shape[0] <= 5
