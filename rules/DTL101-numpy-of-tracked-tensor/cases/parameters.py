"""Weights, optimised inputs and gradients on their way to arrays."""

import io

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def bad_weights_of_every_layer():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    weights = {}
    for name, parameter in model.named_parameters():
        weights[name] = parameter.cpu().numpy()  # DTL101
    return weights


def bad_weight_of_one_layer():
    layer = nn.Linear(3, 2)
    return np.linalg.norm(layer.weight)  # DTL101


def bad_path_of_an_optimised_input(steps):
    position = torch.tensor([3.0, -2.0], requires_grad=True)
    optimizer = torch.optim.Adam([position], lr=0.1)
    path = []
    done = 0
    while done < steps:
        optimizer.zero_grad()
        (position**2).sum().backward()
        optimizer.step()
        path.append(position.numpy().copy())  # DTL101
        done += 1
    return np.stack(path)


def bad_saliency_shows_the_input_too():
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    image = torch.rand(1, 4, 4)
    image.requires_grad_()
    score = classifier(image).max()
    score.backward()
    saliency = image.grad.abs().squeeze(0).numpy()
    shown = image.squeeze(0).numpy()  # DTL101
    return saliency, shown


class Prototypes(nn.Module):
    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(5, 2))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return -torch.cdist(x, self.centres) * self.scale

    def nearest_pair(self):
        distances = np.array(torch.cdist(self.centres, self.centres))  # DTL101
        np.fill_diagonal(distances, np.inf)
        return int(distances.argmin())


def exported(layer):
    if isinstance(layer, nn.Linear):
        return layer.weight.numpy()  # DTL101
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
        return layer.bias.numpy()  # DTL101
    return None


def bad_layers_told_apart_by_their_class():
    return [exported(layer) for layer in (nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Linear(2, 3))]


def saved_whole(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return file


def bad_module_loaded_whole():
    net = torch.load(saved_whole(nn.Linear(3, 2)), weights_only=False)
    return net(torch.ones(1, 3)).numpy()  # DTL101


def bad_module_in_a_checkpoint():
    checkpoint = torch.load(saved_whole({"net": nn.Linear(3, 2), "epoch": 3}), weights_only=False)
    net = checkpoint["net"].float()
    return net(torch.ones(1, 3)).numpy(), checkpoint["epoch"]  # DTL101


def bad_parameter_in_a_method_of_its_module():
    model = Prototypes()
    return model.nearest_pair()


def bad_style_image_by_gradient_descent(steps):
    target = torch.rand(3, 4, 4)
    picture = nn.Parameter(torch.zeros(3, 4, 4))
    optimizer = torch.optim.SGD([picture], lr=1.0)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(picture, target).backward()
        optimizer.step()
    clipped = picture.clamp(0, 1)
    return (clipped.permute(1, 2, 0).numpy() * 255).astype(np.uint8)  # DTL101


def good_gradients_carry_no_gradient(steps):
    layer = nn.Linear(4, 1)
    norms = []
    for _ in range(steps):
        layer.zero_grad()
        layer(torch.randn(8, 4)).pow(2).mean().backward()
        norms.append(np.linalg.norm(layer.weight.grad.numpy()))
    total = nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
    return norms, total.numpy()


def good_loaded_data_is_no_module():
    data = torch.load(saved_whole({"x": torch.ones(3)}))
    return (data["x"] * 2).numpy()


def good_loaded_module_under_no_grad():
    net = torch.load(saved_whole(nn.Linear(3, 2)), weights_only=False)
    with torch.no_grad():
        return net(torch.ones(1, 3)).numpy()


def good_loaded_module_is_frozen():
    net = torch.load(saved_whole(nn.Linear(3, 2)), weights_only=False)
    for parameter in net.parameters():
        parameter.requires_grad = False
    return net(torch.ones(1, 3)).numpy()


def statistics(layer):
    return layer.running_mean.numpy() if isinstance(layer, nn.BatchNorm1d) else None


def good_buffers_of_layers_told_apart():
    return [statistics(layer) for layer in nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))]


def good_state_dict_is_detached():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    return {name: value.cpu().numpy() for name, value in model.state_dict().items()}


def good_data_of_parameters():
    model = nn.Linear(3, 2)
    flat = [p.data.numpy().ravel() for p in model.parameters()]
    return np.concatenate(flat), model.weight.detach().numpy()


def good_frozen_backbone():
    backbone = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    for parameter in backbone.parameters():
        parameter.requires_grad = False
    features = backbone(torch.randn(8, 4))
    return features.numpy().mean(axis=0)


def good_frozen_in_one_call():
    encoder = nn.Linear(4, 6)
    encoder.requires_grad_(False)
    return encoder(torch.randn(8, 4)).numpy()


def good_buffers_are_no_parameters():
    norm = nn.BatchNorm1d(3)
    norm(torch.randn(16, 3)).sum().backward()
    return norm.running_mean.numpy(), norm.running_var.numpy()


def good_same_shape_only():
    layer = nn.Linear(4, 2)
    out = layer(torch.randn(8, 4))
    noise, mask = torch.randn_like(out), out > 0
    return noise.numpy(), mask.numpy(), np.shape(out), np.ndim(layer.weight)


def good_detached_while_training_goes_on(steps):
    position = torch.tensor([3.0, -2.0], requires_grad=True)
    optimizer = torch.optim.SGD([position], lr=0.1)
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (position**2).sum()
        loss.backward()
        optimizer.step()
        path.append(position.detach().numpy().copy())
    return np.stack(path)


def good_another_thing_called_numpy():
    class Column:
        def __init__(self, values):
            self.values = values

        def numpy(self):
            return np.asarray(self.values)

    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    return Column([1.0, 2.0]).numpy()
