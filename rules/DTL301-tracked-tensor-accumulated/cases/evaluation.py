"""Evaluation totals: without a backward the activations are kept as well, `eval()` or not."""

import torch
from torch import nn

criterion = nn.CrossEntropyLoss()


def make_classifier():
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Dropout(0.1), nn.Linear(12, 3))


def batches(steps):
    return [(torch.randn(5, 6), torch.randint(0, 3, (5,))) for _ in range(steps)]


def bad_eval_mode_is_not_no_grad(steps):
    model = make_classifier()
    model.eval()
    test_loss, correct, seen = 0.0, 0, 0
    for data, target in batches(steps):
        output = model(data)
        test_loss += criterion(output, target)  # DTL301
        pred = output.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
        seen += len(data)
    print(f"Test set: average loss {test_loss / steps:.4f}, accuracy {correct}/{seen}")
    return test_loss.item(), correct


def bad_confidence_and_margin(steps):
    model = make_classifier().eval()
    confidence = torch.tensor(0.0)
    margin = torch.tensor(0.0)
    for data, _ in batches(steps):
        probabilities = torch.softmax(model(data), dim=-1)
        top = probabilities.topk(2, dim=-1).values
        confidence = confidence + top[:, 0].mean()  # DTL301
        margin += (top[:, 0] - top[:, 1]).mean()  # DTL301
    return round(confidence.item() / steps, 4), round(margin.item() / steps, 4)


def bad_per_class_losses(steps):
    model = make_classifier().eval()
    per_class = [0.0, 0.0, 0.0]
    counts = torch.zeros(3)
    for data, target in batches(steps):
        losses = nn.functional.cross_entropy(model(data), target, reduction="none")
        for label in range(3):
            mask = target == label
            per_class[label] += losses[mask].sum()  # DTL301
            counts[label] += mask.sum()
    return [float(total) for total in per_class], counts.tolist()


def good_no_grad_block(steps):
    model = make_classifier()
    model.eval()
    test_loss = 0.0
    with torch.no_grad():
        for data, target in batches(steps):
            test_loss += criterion(model(data), target)
    return test_loss.item() / steps


@torch.inference_mode()
def evaluate(model, data):
    total = torch.zeros(())
    for inputs, target in data:
        total = total + criterion(model(inputs), target)
    return total


def good_inference_mode_decorator(steps):
    return evaluate(make_classifier(), batches(steps)).item()


def good_counts_have_no_graph(steps):
    model = make_classifier().eval()
    correct = torch.zeros(())
    confident = 0
    for data, target in batches(steps):
        logits = model(data)
        _, predicted = torch.max(logits, 1)
        correct += (predicted == target).float().sum()
        confident += (logits.softmax(1) > 0.5).any(dim=1).sum()
    return correct.item(), confident.item()


def good_switched_off_by_a_flag_of_the_pass(steps):
    model = make_classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    totals = {"train": 0.0, "val": 0.0}
    for phase in ("train", "val"):
        for data, target in batches(steps):
            with torch.set_grad_enabled(phase == "train"):
                loss = criterion(model(data), target)
                if phase == "train":
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            totals[phase] += loss.item() * data.size(0)
    return totals


def good_frozen_network_on_plain_input(steps):
    model = make_classifier()
    for parameter in model.parameters():
        parameter.requires_grad = False
    energy = 0.0
    for data, _ in batches(steps):
        energy += torch.logsumexp(model(data), dim=1).mean()
    return energy.item()
