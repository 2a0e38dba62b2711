"""Registered buffers and shadow weights: one write outside `no_grad` makes a plain tensor track."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


class RunningNorm(nn.Module):
    """Normalises by the batch in training, by the running statistics in evaluation."""

    def __init__(self, width, momentum=0.1):
        super().__init__()
        self.project = nn.Linear(width, width)
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, x):
        x = self.project(x)
        if not self.training:
            return (x - self.running_mean) / self.running_var.sqrt()
        mean, var = x.mean(0), x.var(0)
        self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)  # DTL303
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var  # DTL303
        return (x - mean) / (var + 1e-5).sqrt()


class Centering(nn.Module):
    """Keeps the centre of its outputs, as self-distillation does."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.register_buffer("center", torch.zeros(1, 3))

    def update_center(self, outputs):
        batch_center = outputs.mean(dim=0, keepdim=True)
        self.center.copy_(self.center * 0.9 + batch_center * 0.1)  # DTL303

    def forward(self, x):
        outputs = self.head(x)
        self.update_center(outputs)
        return outputs.log_softmax(-1)


class Codebook(nn.Module):
    """Vector quantisation whose cluster sums follow the encoder's output."""

    def __init__(self, codes=4, width=3):
        super().__init__()
        self.encoder = nn.Linear(5, width)
        self.register_buffer("embed", torch.randn(codes, width))
        self.register_buffer("embed_sum", torch.zeros(codes, width))

    def forward(self, x):
        z = self.encoder(x)
        distance = torch.cdist(z, self.embed)
        onehot = F.one_hot(distance.argmin(dim=1), self.embed.size(0)).type_as(z)
        if self.training:
            self.embed_sum.lerp_(onehot.t() @ z, 0.1)  # DTL303
        quantized = onehot @ self.embed
        return z + (quantized - z).detach(), (z - quantized).pow(2).mean()


class MemoryBank(nn.Module):
    """A slice of the bank is overwritten in each step; its old graphs stay below the new ones."""

    def __init__(self, size=12):
        super().__init__()
        self.encoder = nn.Linear(4, 2)
        self.register_buffer("bank", torch.zeros(size, 2))
        self.position = 0

    def forward(self, x):
        features = F.normalize(self.encoder(x), dim=1)
        end = self.position + len(x)
        self.bank[self.position : end] = features  # DTL303
        self.position = end % self.bank.size(0)
        return features


def train(model, loss_of, steps, width):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    curve = []
    for _ in range(steps):
        loss = loss_of(model(torch.randn(6, width)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def bad_running_norm(steps):
    model = RunningNorm(4)
    curve = train(model, lambda out: (out - 1).pow(2).mean(), steps, 4)
    return curve, model.running_mean.tolist()


def bad_center_of_outputs(steps):
    model = Centering()
    curve = train(model, lambda out: -out[:, 0].mean(), steps, 4)
    return curve, model.center.norm().item()


def bad_codebook_sums(steps):
    model = Codebook()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        reconstruction, commitment = model(torch.randn(6, 5))
        loss = reconstruction.pow(2).mean() + 0.25 * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.embed_sum.sum().item()


def bad_memory_bank(steps):
    model = MemoryBank()
    curve = train(model, lambda features: features.sum(1).pow(2).mean(), steps, 4)
    return curve, model.bank.shape


def bad_shadow_weights(steps):
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    shadow = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for _ in range(steps):
        loss = model(torch.randn(6, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for name, parameter in model.named_parameters():
            shadow[name] = 0.99 * shadow[name] + 0.01 * parameter  # DTL303
    return {name: value.tolist() for name, value in shadow.items()}


class CleanNorm(RunningNorm):
    """The same layer as it should be."""

    def forward(self, x):
        x = self.project(x)
        if not self.training:
            return (x - self.running_mean) / self.running_var.sqrt()
        mean, var = x.mean(0), x.var(0)
        with torch.no_grad():
            self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
            self.running_var.copy_((1 - self.momentum) * self.running_var + self.momentum * var)
        return (x - mean) / (var + 1e-5).sqrt()


class DecoratedCentering(Centering):
    """The update runs without grad, whoever calls it."""

    @torch.no_grad()
    def update_center(self, outputs):
        batch_center = outputs.mean(dim=0, keepdim=True)
        self.center = self.center * 0.9 + batch_center * 0.1


class KeyQueue(nn.Module):
    """Keys of a momentum encoder go round a queue."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(4, 2)
        self.key = copy.deepcopy(self.query)
        for parameter in self.key.parameters():
            parameter.requires_grad = False
        self.register_buffer("queue", F.normalize(torch.randn(12, 2), dim=1))
        self.pointer = 0

    @torch.no_grad()
    def _momentum_update(self):
        for online, target in zip(self.query.parameters(), self.key.parameters()):
            target.data = target.data * 0.99 + online.data * 0.01

    def forward(self, x):
        query = F.normalize(self.query(x), dim=1)
        with torch.no_grad():
            self._momentum_update()
            keys = F.normalize(self.key(x), dim=1)
        logits = query @ torch.cat([keys, self.queue.clone().detach()]).t()
        self.queue[self.pointer : self.pointer + len(x)] = keys
        self.pointer = (self.pointer + len(x)) % len(self.queue)
        return logits


def good_running_norm_without_grad(steps):
    model = CleanNorm(4)
    curve = train(model, lambda out: (out - 1).pow(2).mean(), steps, 4)
    return curve, copy.deepcopy(model).running_var.tolist()


def good_decorated_update(steps):
    model = DecoratedCentering()
    return train(model, lambda out: -out[:, 0].mean(), steps, 4), model.center.tolist()


def good_momentum_encoder_and_queue(steps):
    model = KeyQueue()
    target = torch.arange(6)
    return train(model, lambda logits: F.cross_entropy(logits / 0.2, target), steps, 4)


def good_batch_norm(steps):
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    curve = train(model, lambda out: (out - 1).pow(2).mean(), steps, 4)
    return curve, model[1].running_mean.tolist()


def good_writes_through_data(steps):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    peak, last = torch.zeros(3), torch.zeros(6, 3)
    for _ in range(steps):
        out = model(torch.randn(6, 4))
        loss = out.pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        peak.copy_(torch.maximum(peak, out.data.amax(0)))
        last.data.copy_(out)
    return peak.tolist(), last.sum().item()


def good_shadow_of_state_dict(steps):
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    shadow = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(steps):
        loss = model(torch.randn(6, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for name, value in model.state_dict().items():
            shadow[name] = 0.99 * shadow[name] + 0.01 * value
    return {name: value.tolist() for name, value in shadow.items()}


def good_fast_weights_of_an_inner_loop(steps):
    weight = torch.randn(4, requires_grad=True)
    curve = []
    for _ in range(steps):
        fast = weight
        for _ in range(2):
            inner = (torch.randn(5, 4) @ fast).pow(2).mean()
            (gradient,) = torch.autograd.grad(inner, fast, create_graph=True)
            fast = fast - 0.1 * gradient
        outer = (torch.randn(5, 4) @ fast).pow(2).mean()
        (step,) = torch.autograd.grad(outer, weight)
        weight.data.sub_(0.1 * step)
        curve.append(outer.item())
    return curve


def good_output_assembled_in_place(steps):
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(steps):
        canvas = torch.zeros(2, 6, 3)
        for view in range(2):
            canvas[view] = model(torch.randn(6, 4))
        loss = canvas.pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
