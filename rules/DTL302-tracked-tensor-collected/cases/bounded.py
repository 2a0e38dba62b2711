"""Lists that grow no further than the network, and one that grows with the epochs; packed sequences that are fed on."""

import torch
from torch import nn
from torch.nn.utils import rnn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(4, 6, batch_first=True)
        self.head = nn.Linear(6, 5)

    def forward(self, packed):
        out, _ = self.cell(packed)
        return self.head(out.data)


def good_packed_replies(steps):
    words, decoder = nn.Embedding(5, 4), Decoder()
    for _ in range(steps):
        replies, targets = [], []
        for length in (4, 2, 3):
            tokens = torch.randint(0, 5, (1, length))
            replies.append(rnn.pack_padded_sequence(words(tokens), [length], batch_first=True))
            targets.append(tokens[0])
        logits = torch.cat([decoder(packed) for packed in replies])
        loss = nn.functional.cross_entropy(logits, torch.cat(targets))
        loss.backward()
    return loss.item()


def named(model, word):
    return [(name, weight.view(-1)) for name, weight in model.named_parameters() if word in name]


def good_one_value_per_layer(steps):
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(3)))
    weights, biases = named(model, "weight"), named(model, "bias")
    layers = []
    for position in range(len(weights)):
        layers.append(("layer", torch.cat((weights[position][1], biases[position][1]), 0)))
    spread = []
    for name, values in layers:
        spread.append(f"{name}: {values.mean().item():.3f} {values.exp().std().item():.3f}")
    return spread[:steps]


def bad_weights_of_every_epoch(steps):
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norms = []
    for _ in range(steps):
        norms.append(model.weight.exp().norm())  # DTL302
        optimizer.zero_grad()
        model(torch.ones(3, 2)).pow(2).mean().backward()
        optimizer.step()
    return max(norms).item()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(2, 2)
        self.heads = nn.ModuleList([nn.Linear(2, 1) for _ in range(2)])

    def forward(self, x, length):
        return self.unrolled(x, length)

    def unrolled(self, x, length):
        hidden, rows = x, []
        for _ in range(length):
            hidden = self.cell(x, hidden)
            rows.append([head(hidden) for head in self.heads])
        mean, spread = (torch.cat(column, dim=0) for column in zip(*rows))
        return mean, spread


def good_rows_turned_into_columns(steps):
    model = TwoHeads()
    for _ in range(steps):
        mean, spread = model(torch.randn(3, 2), 4)
        loss = (mean * spread.exp()).pow(2).mean()
        loss.backward()
    return loss.item()


def good_actions_that_a_loss_needs_anyway(steps):
    actors, critic = [nn.Linear(2, 1) for _ in range(3)], nn.Linear(1, 1)
    shown = []
    for _ in range(steps):
        chosen, needed = [], []
        for actor in actors:
            action = actor(torch.randn(4, 2)).tanh()
            chosen.append(action)
            needed.append(action)
        loss = -sum(critic(action).mean() for action in needed)
        loss.backward()
        shown.append(torch.cat(chosen).abs().mean().item())
    return shown


def pieces(values, lengths):
    parts, start = [], 0
    for length in lengths:
        parts.append(values[start : start + length])
        start += length
    return parts


def good_pieces_of_what_is_there_anyway(steps):
    model, shown = nn.Linear(2, 6), []
    for _ in range(steps):
        values = model(torch.ones(1, 2))[0]
        values.pow(2).mean().backward()
        parts = pieces(values, (2, 4))
        shown.append(torch.tensor([part.mean() for part in parts]).sum().item())
    return shown


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 2)

    def forward(self, x):
        return self.of_scales(x, (1.0, 0.5))

    def of_scales(self, x, scales):
        found, best = {}, None
        for scale in scales:
            out = self.net(x * scale)
            found[f"scale {scale}"] = out
            best = out if best is None else best + out
        if self.training:
            return best.mean()
        found["best"] = best
        return found


def good_outputs_of_every_scale(steps):
    model = Pyramid()
    for _ in range(steps):
        loss = model(torch.ones(1, 2)).pow(2)
        loss.backward()
    return loss.item()


class Padding(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = tuple(map(int, width))

    def forward(self, x):
        return padded(x, self.width)


def padded(x, width):
    return nn.functional.pad(x, width)


def features(image):
    rows = []
    for size in (1, 2):
        pad = Padding((size, size))
        rows.append(nn.functional.avg_pool1d(pad(image), 2))
    return torch.cat(rows, dim=-1).numpy()


def good_module_without_parameters(steps):
    return [features(torch.ones(1, 1, 4)) for _ in range(steps)]
