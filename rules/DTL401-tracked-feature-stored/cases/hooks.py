"""Forward hooks: what they see is attached to the graph of the whole pass."""

from collections import defaultdict
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(1, 3, 3, padding=1)
        self.block = nn.Sequential(nn.Conv1d(3, 3, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        x = F.relu(self.stem(x))
        return self.head(self.block(x).mean(-1))


def train(model, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    curve = []
    for _ in range(steps):
        logits = model(torch.randn(4, 1, 6))
        loss = F.cross_entropy(logits, torch.tensor([0, 1, 0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve


def bad_hook_fills_a_list(steps):
    model = ConvNet()
    activations = []

    def save_output(module, args, output):
        activations.append(output)  # DTL401

    handle = model.block.register_forward_hook(save_output)
    curve = train(model, steps)
    handle.remove()
    return curve, [round(a.std().item(), 4) for a in activations]


def bad_lambda_hook(steps):
    model = ConvNet()
    norms = []
    model.stem.register_forward_hook(lambda module, args, output: norms.append(output.norm()))  # DTL401
    curve = train(model, steps)
    return curve, max(n.item() for n in norms)


class ActivationRecorder:
    """Watches some layers of a model and reports the share of dead units."""

    def __init__(self, model, names):
        self.store = defaultdict(list)
        self.handles = []
        for name, module in model.named_modules():
            if name in names:
                self.handles.append(module.register_forward_hook(self.make_hook(name)))

    def make_hook(self, name):
        def hook(module, inputs, output):
            self.store[name].append(output)  # DTL401

        return hook

    def dead_units(self):
        return {name: sum((o <= 0).float().mean().item() for o in outputs) for name, outputs in self.store.items()}


def bad_recorder_object(steps):
    model = ConvNet()
    recorder = ActivationRecorder(model, ["stem", "block"])
    train(model, steps)
    return recorder.dead_units()


def remember(layer, store, module, args, output):
    store[layer, len(store)] = output.flatten(1)  # DTL401


def bad_partial_of_a_module_function(steps):
    model = ConvNet()
    seen = {}
    for name, module in model.named_children():
        module.register_forward_hook(partial(remember, name, seen))
    train(model, steps)
    return {key: tuple(value.shape) for key, value in seen.items()}


def good_hook_detaches(steps):
    model = ConvNet()
    activations, norms = [], []

    def save_output(module, args, output):
        activations.append(output.detach().mean(-1))
        norms.append(output.norm().item())

    model.block.register_forward_hook(save_output)
    curve = train(model, steps)
    return curve, torch.cat(activations).std(0).tolist(), norms


def good_extraction_without_grad(steps):
    model = ConvNet().eval()
    features = []
    model.block.register_forward_hook(lambda module, args, output: features.append(output))
    with torch.no_grad():
        for _ in range(steps):
            model(torch.randn(2, 1, 6))
    return torch.cat(features).flatten(1).norm(dim=1).tolist()


def good_backward_hook_sees_gradients(steps):
    model = ConvNet()
    gradients = []

    def save_gradient(module, grad_input, grad_output):
        gradients.append(grad_output[0])

    model.head.register_full_backward_hook(save_gradient)
    train(model, steps)
    return [g.norm().item() for g in gradients]


def good_inputs_of_the_first_layer(steps):
    model = ConvNet()
    inputs = []
    model.stem.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    train(model, steps)
    return torch.stack(inputs).mean().item()


def good_slot_is_overwritten(steps):
    model = ConvNet()
    captured = {}

    def hook(module, args, output):
        captured["block"] = output

    model.block.register_forward_hook(hook)
    curve = train(model, steps)
    return curve, captured["block"].mean().item()


def good_features_for_distillation(steps):
    teacher, student = ConvNet().requires_grad_(False), ConvNet()
    features = {"teacher": [], "student": []}
    teacher.block.register_forward_hook(lambda module, args, output: features["teacher"].append(output))
    student.block.register_forward_hook(lambda module, args, output: features["student"].append(output))
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    curve = []
    for _ in range(steps):
        features["teacher"].clear()
        features["student"].clear()
        x = torch.randn(4, 1, 6)
        teacher(x)
        student(x)
        loss = sum(F.mse_loss(s, t) for s, t in zip(features["student"], features["teacher"]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return curve
