"""Predictions and features collected over a loader: without `no_grad` each batch keeps its activations."""

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.LayerNorm(width))
        self.head = nn.Linear(width, 3)

    def forward(self, x, features=False):
        hidden = self.net(x)
        return (self.head(hidden), hidden) if features else self.head(hidden)


def loader(steps):
    return [(torch.randn(4, 4), torch.randint(0, 3, (4,))) for _ in range(steps)]


def bad_predictions_on_the_cpu(steps):
    model = Encoder()
    model.eval()
    outputs, labels = [], []
    for images, target in loader(steps):
        outputs.append(model(images).cpu())  # DTL302
        labels.append(target)
    predicted = torch.cat(outputs).argmax(dim=1)
    return (predicted == torch.cat(labels)).float().mean().item()


def bad_comprehension_over_the_loader(steps):
    model, criterion = Encoder().eval(), nn.CrossEntropyLoss()
    losses = [criterion(model(images), target) for images, target in loader(steps)]  # DTL302
    print(f"validation loss {torch.stack(losses).mean().item():.3f}")
    return max(losses).item()


def bad_features_for_neighbours(steps):
    model = Encoder()
    model.eval()
    bank, owners = [], []
    for images, target in loader(steps):
        _, features = model(images, features=True)
        bank += [nn.functional.normalize(features, dim=1)]  # DTL302
        owners.extend(target.tolist())
    bank = torch.cat(bank)
    similarity = bank @ bank.T
    nearest = similarity.fill_diagonal_(-1.0).argmax(dim=1)
    return sum(owners[i] == owners[j] for i, j in enumerate(nearest.tolist()))


def bad_concatenated_again_and_again(steps):
    model = Encoder().eval()
    all_logits = torch.empty(0, 3)
    for images, _ in loader(steps):
        all_logits = torch.cat([all_logits, model(images)])  # DTL302
    return torch.bincount(all_logits.argmax(1), minlength=3).tolist()


def bad_extended_sample_by_sample(steps):
    model = Encoder().eval()
    scored = []
    for images, target in loader(steps):
        scored.extend(zip(model(images).softmax(-1), target))  # DTL302
    hits = 0
    for probabilities, label in scored:
        hits += int(probabilities.argmax() == label)
    return hits


def good_no_grad_around_the_loop(steps):
    model = Encoder()
    model.eval()
    outputs = []
    with torch.no_grad():
        for images, _ in loader(steps):
            outputs.append(model(images))
    return torch.cat(outputs).argmax(1).tolist()


@torch.no_grad()
def embed(model, images):
    return model(images, features=True)[1]


def good_helper_runs_without_grad(steps):
    model = Encoder()
    bank = [embed(model, images) for images, _ in loader(steps)]
    return torch.cat(bank).mean(0).tolist()


def good_only_the_decisions_are_kept(steps):
    model = Encoder().eval()
    predictions, ranks, confident = [], [], []
    for images, target in loader(steps):
        logits = model(images)
        predictions.append(logits.argmax(dim=1))
        ranks.append(logits.topk(2, dim=1).indices)
        confident.extend((logits.softmax(1) > 0.4).sum(1).tolist())
    return torch.cat(predictions).tolist(), torch.cat(ranks).shape, sum(confident)


def good_overwritten_slots(steps):
    model = Encoder().eval()
    last = {}
    for images, target in loader(steps):
        logits = model(images)
        last["logits"] = logits
        last["labels"] = target
    return (last["logits"].argmax(1) == last["labels"]).sum().item()


def good_frozen_backbone(steps):
    backbone = Encoder()
    backbone.requires_grad_(False)
    head = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    cached = [(backbone(images, features=True)[1], target) for images, target in loader(steps)]
    for features, target in cached:
        loss = nn.functional.cross_entropy(head(features), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()
