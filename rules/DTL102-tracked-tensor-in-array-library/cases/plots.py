"""Figures drawn from outputs, weights and losses with matplotlib."""

import matplotlib.pyplot as plt
import torch
from torch import nn


class AutoEncoder(nn.Module):
    def __init__(self, latent=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 16), nn.Sigmoid())

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z).view_as(x), z


def images(count):
    return torch.rand(count, 4, 4)


def bad_fitted_line():
    model = nn.Linear(1, 1)
    x = torch.linspace(0, 1, 20).unsqueeze(1)
    plt.scatter(x, 2 * x)
    plt.plot(x, model(x), "r-")  # DTL102
    return len(plt.gca().lines)


def bad_reconstruction_grid(steps):
    model = AutoEncoder()
    reconstructed, _ = model(images(steps))
    figure, axes = plt.subplots(2, steps)
    for i, axis in enumerate(axes[0]):
        axis.imshow(reconstructed[i])  # DTL102
        axis.set_axis_off()
    return len(figure.axes)


def bad_latent_space():
    model = AutoEncoder()
    _, latent = model(images(8))
    labels = torch.arange(8) % 2
    figure, axis = plt.subplots()
    axis.scatter(latent[:, 0], latent[:, 1], c=labels)  # DTL102
    axis.set(xlabel="z0", ylabel="z1")
    return len(axis.collections)


def bad_curve_of_losses(steps):
    model = AutoEncoder()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        x = images(4)
        out, _ = model(x)
        loss = ((out - x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss)  # DTL302
    plt.plot(losses)  # DTL102
    return len(losses)


class Plotter:
    """Shows how far off the model is, in a figure of its own."""

    def __init__(self, model):
        self.model = model
        self.figure, self.axes = plt.subplots(1, 2)

    def show(self, x):
        out, _ = self.model(x)
        error = (out - x).abs().flatten()
        if x.numel() > 1000:
            return
        self.axes[0].hist(error)  # DTL102
        self.axes[1].axhline(error.mean(), linestyle="--")  # DTL102


def bad_figure_owned_by_an_object():
    plotter = Plotter(AutoEncoder())
    plotter.show(images(4))
    return sum(len(axis.lines) for axis in plotter.axes)


def bad_uncertainty_band():
    mean_head, scale_head = nn.Linear(1, 1), nn.Linear(1, 1)
    x = torch.linspace(0, 1, 10)
    mean = mean_head(x[:, None]).squeeze(1)
    scale = nn.functional.softplus(scale_head(x[:, None])).squeeze(1)
    plt.fill_between(x, (mean - scale).detach(), mean + scale, alpha=0.2)  # DTL102
    return len(plt.gca().collections)


def bad_weights_as_a_picture():
    layer = nn.Linear(4, 4)
    plt.matshow(layer.weight)  # DTL102
    plt.title(f"{layer.weight.mean().item():.2f}")
    return len(plt.gca().images)


def good_detached_line():
    model = nn.Linear(1, 1)
    x = torch.linspace(0, 1, 20).unsqueeze(1)
    y = model(x).detach()
    plt.plot(x, y, "r-")
    return len(plt.gca().lines)


def good_losses_as_numbers(steps):
    model = AutoEncoder()
    losses = []
    for _ in range(steps):
        x = images(4)
        out, _ = model(x)
        loss = ((out - x) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
    plt.plot(range(steps), losses, label=f"last {losses[-1]:.3f}")
    plt.axhline(sum(losses) / len(losses))
    return losses


@torch.no_grad()
def draw(model, x):
    out, latent = model(x)
    figure, (left, right) = plt.subplots(1, 2)
    left.imshow(out[0])
    right.scatter(latent[:, 0], latent[:, 1])
    return len(figure.axes)


def good_drawn_under_no_grad():
    return draw(AutoEncoder(), images(4))


def good_text_takes_a_tensor():
    model = nn.Linear(1, 1)
    loss = model(torch.ones(4, 1)).mean()
    loss.backward()
    plt.title(f"loss {loss:.3f}")
    plt.text(loss, 0.5, "here")
    plt.xlabel(str(loss.item()))
    return plt.gca().get_title()


def good_masks_and_classes():
    model = nn.Linear(4, 3)
    scores = model(torch.randn(10, 4))
    plt.hist(scores.argmax(dim=1))
    plt.imshow(scores > 0)
    return int((scores > 0).sum())


def good_only_the_inputs_are_drawn():
    model = AutoEncoder()
    x = images(4)
    out, _ = model(x)
    ((out - x) ** 2).mean().backward()
    plt.imshow(x[0])
    plt.imshow(model.decoder[0].weight.grad)
    return len(plt.gca().images)


def good_another_plot():
    class Canvas:
        """Draws with characters and takes tensors as they are."""

        def plot(self, values):
            return "".join("#" if v > 0 else "." for v in values)

    model = nn.Linear(1, 1)
    return Canvas().plot(model(torch.ones(3, 1)))


def good_moved_and_cut_in_a_helper():
    def to_plot(tensor):
        return tensor.detach().cpu().flatten()

    model = AutoEncoder()
    x = images(4)
    out, latent = model(x)
    plt.hist(to_plot(out - x))
    plt.plot(to_plot(latent[:, 0]))
    return len(plt.gca().lines)
