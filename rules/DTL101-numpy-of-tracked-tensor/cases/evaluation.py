"""Evaluation loops and reports that turn what a model says into arrays."""

import numpy as np
import torch
from torch import nn


class Regressor(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, width), nn.ReLU())
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)


class Tagger(nn.Module):
    """Returns its outputs by name, as many models do."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(4, 6)
        self.scores = nn.Linear(6, 3)

    def forward(self, x):
        hidden = torch.tanh(self.encoder(x))
        return {"logits": self.scores(hidden), "hidden": hidden}


def batches(count, size=8):
    for _ in range(count):
        x = torch.randn(size, 4)
        yield x, x.sum(dim=1)


def bad_evaluation_loop_without_no_grad(steps):
    model = Regressor()
    model.eval()
    predictions, targets = [], []
    for x, y in batches(steps):
        out = model(x)
        predictions.append(out.cpu().numpy())  # DTL101
        targets.append(y.numpy())
    error = np.concatenate(predictions) - np.concatenate(targets)
    return float(np.abs(error).mean())


def bad_comprehension_over_batches(steps):
    model = Regressor().eval()
    means = np.stack([model(x).mean().numpy() for x, _ in batches(steps)])  # DTL101
    return means.max()


def bad_dict_of_outputs_by_name():
    model = Tagger()
    x, _ = next(batches(1))
    outputs = model(x)
    arrays = {name: value.cpu().numpy() for name, value in outputs.items()}  # DTL101
    return arrays["logits"].shape, arrays["hidden"]


def bad_detached_on_one_path_only():
    model = Regressor()

    def predict(x, clip):
        out = model(x)
        if clip:
            out = out.detach().clamp(0, 1)
        return out.numpy()  # DTL101

    x, _ = next(batches(1))
    return predict(x, clip=True), predict(x, clip=False)


def bad_view_made_under_no_grad_still_requires_grad():
    model = Regressor()
    x, y = next(batches(1))
    out = model(x)
    with torch.no_grad():
        error = (out - y).abs()
        column = out.view(-1, 1)
    return error.numpy(), column.numpy()  # DTL101


def bad_loss_of_a_model_nobody_knows(steps):
    def train_epoch(model, optimizer, loader):
        history = np.zeros(steps)
        for i, (x, y) in enumerate(loader):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history[i] = loss.cpu().numpy()  # DTL101
        return history

    net = Regressor()
    return train_epoch(net, torch.optim.SGD(net.parameters(), lr=0.01), batches(steps))


class Report:
    """Keeps the outputs of the last batch and shows them when asked."""

    def __init__(self, model):
        self.model = model
        self.outputs = None

    def update(self, x):
        self.outputs = self.model(x)

    def as_array(self):
        return np.asarray(self.outputs)  # DTL101


def bad_attribute_set_in_another_method():
    report = Report(Regressor())
    x, _ = next(batches(1))
    report.update(x)
    return report.as_array()


def bad_multiline_call_chain():
    model = Tagger()
    x, _ = next(batches(1))
    probabilities = (
        torch.softmax(model(x)["logits"], dim=-1)  # DTL101
        .mean(dim=0)
        .to("cpu")
        .numpy()
    )
    return probabilities.round(3)


def good_no_grad_block(steps):
    model = Regressor()
    model.eval()
    predictions = []
    with torch.no_grad():
        for x, _ in batches(steps):
            predictions.append(model(x).cpu().numpy())
    return np.concatenate(predictions)


@torch.inference_mode()
def collect_predictions(model, loader):
    return [model(x).numpy() for x, _ in loader]


def good_decorated_evaluation(steps):
    return np.concatenate(collect_predictions(Regressor(), batches(steps)))


def good_every_caller_is_in_no_grad():
    def to_array(model, x):
        return model(x).numpy()

    net = Regressor()
    (first, _), (second, _) = batches(2)
    with torch.no_grad():
        a = to_array(net, first)
    with torch.inference_mode():
        b = to_array(net, second)
    return a, b


def good_no_grad_at_the_conversion_alone():
    """torch looks at the grad mode when numpy() is called, not when the tensor was made."""
    model = Regressor()
    x, y = next(batches(1))
    out = model(x)
    ((out - y) ** 2).mean().backward()
    with torch.no_grad():
        return out.numpy()


def good_detached_on_every_path():
    model = Regressor()

    def predict(x, clip):
        out = model(x)
        if clip:
            out = out.detach().clamp(0, 1)
        else:
            out = out.data
        return out.cpu().numpy()

    x, _ = next(batches(1))
    return predict(x, clip=True), predict(x, clip=False)


def good_asks_before_detaching():
    def to_numpy(tensor):
        if tensor.requires_grad:
            tensor = tensor.detach()
        return tensor.cpu().numpy()

    model = Regressor()
    x, y = next(batches(1))
    return to_numpy(model(x)), to_numpy(y)


def good_the_error_is_handled():
    model = Regressor()
    x, _ = next(batches(1))
    out = model(x)
    try:
        array = out.numpy()
    except RuntimeError:
        array = out.detach().numpy()
    return array


def good_forced():
    model = Tagger()
    x, _ = next(batches(1))
    return {name: value.numpy(force=True) for name, value in model(x).items()}


def good_classes_and_counts_carry_no_gradient(steps):
    model = Tagger().eval()
    predicted, best, correct = [], [], []
    for x, y in batches(steps):
        logits = model(x)["logits"]
        values, indices = logits.max(dim=1)
        predicted.append(logits.argmax(dim=-1).cpu().numpy())
        best.append(indices.numpy())
        correct.append((indices == (y > 0).long()).float().mean().numpy())
    return np.concatenate(predicted), np.concatenate(best), np.mean(correct)


def good_numbers_first(steps):
    model = Regressor()
    losses = []
    for x, y in batches(steps):
        loss = ((model(x) - y) ** 2).mean()
        losses.append(loss.item())
    return np.array(losses), np.asarray(model(x).tolist())


def good_training_mode_is_a_flag_that_is_off():
    model = Regressor()
    x, _ = next(batches(1))
    torch.set_grad_enabled(False)
    array = model(x).numpy()
    torch.set_grad_enabled(True)
    return array


def good_targets_never_tracked(steps):
    model = Regressor()
    seen = []
    for x, y in batches(steps):
        ((model(x) - y) ** 2).mean().backward()
        seen.append(y.numpy())
    return np.concatenate(seen)


class Summed(Regressor):
    """Gives a summary of its input beside the output, if it is asked for."""

    def __init__(self, summary):
        super().__init__()
        self.summary = summary

    def forward(self, x):
        totals = np.log1p(np.abs(x.numpy()).sum(axis=0))
        y = super().forward(x)
        if not self.summary:
            return y
        return y, totals


def bad_first_of_what_may_be_a_tuple(steps):
    model = Summed(True)
    for _ in range(steps):
        out = model(torch.randn(3, 4))
        print("predicted", out[0].numpy())  # DTL101


def good_array_beside_the_output(steps):
    model, differences = Summed(True), []
    for _ in range(steps):
        out = model(torch.randn(3, 4))
        differences.append(float((out[1] - np.ones(4)).sum()))
        y, totals = model(torch.randn(3, 4))
        differences.append(float(np.abs(totals - 1.0).max()))
    return differences
