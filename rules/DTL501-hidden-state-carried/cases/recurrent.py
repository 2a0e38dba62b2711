"""Recurrent networks over the chunks of a long sequence."""

import torch
import torch.nn.functional as F
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = nn.GRU(6, 8)
        self.head = nn.Linear(8, 11)

    def forward(self, tokens, hidden):
        output, hidden = self.rnn(self.embed(tokens), hidden)
        return self.head(output), hidden


def chunks(steps):
    for _ in range(steps):
        yield torch.randint(11, (5, 2)), torch.randint(11, (5, 2))


def cut(state):
    if isinstance(state, torch.Tensor):
        return state.detach()
    return tuple(cut(part) for part in state)


def bad_hidden_of_a_model(steps):
    model = Tagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()
    hidden = torch.zeros(1, 2, 8)
    for tokens, targets in chunks(steps):
        optimizer.zero_grad()
        logits, hidden = model(tokens, hidden)  # DTL501
        loss = criterion(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()


def bad_pair_of_an_lstm(steps):
    lstm = nn.LSTM(3, 4)
    state = None
    for _ in range(steps):
        output, state = lstm(torch.randn(5, 2, 3), state)  # DTL501
        output.pow(2).mean().backward()


def bad_cell_in_a_while(steps):
    cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
    optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=0.01)
    state = torch.zeros(2, 4)
    done = 0
    while done < steps:
        state = cell(torch.randn(2, 3), state)  # DTL501
        loss = F.mse_loss(head(state), torch.ones(2, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1


def bad_previous_output_as_input(steps):
    net = nn.Linear(4, 2)
    previous = torch.zeros(3, 2)
    losses = []
    for _ in range(steps):
        frame = torch.cat([torch.randn(3, 2), previous], dim=1)  # DTL501
        previous = net(frame)
        loss = previous.abs().mean()
        loss.backward()
        losses.append(loss.item())
    return losses


def bad_state_carried_over_windows(steps):
    cell, head = nn.RNNCell(3, 4), nn.Linear(4, 1)
    state = torch.zeros(2, 4)
    for _ in range(steps):
        loss = 0.0
        for _ in range(3):
            state = cell(torch.randn(2, 3), state)  # DTL501
            loss = loss + head(state).pow(2).mean()
        loss.backward()


def bad_total_differentiated_every_time(steps):
    model = nn.Linear(3, 1)
    total = torch.zeros(())
    for _ in range(steps):
        total = total + model(torch.randn(2, 3)).pow(2).mean()  # DTL501
        total.backward()


class Stack(nn.Module):
    """Two layers, each with a state of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.GRU(4, 4), nn.GRU(4, 4)

    def forward(self, x, states):
        x, low = self.first(x, states[0])  # DTL501
        x, high = self.second(x, states[1])  # DTL501
        return x, [low, high]


def bad_list_of_states(steps):
    net = Stack()
    states = [torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)]
    for _ in range(steps):
        output, states = net(torch.randn(5, 2, 4), states)
        output.pow(2).mean().backward()


def good_list_of_states(steps):
    net = nn.ModuleList([nn.GRU(4, 4), nn.GRU(4, 4)])
    states = [torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)]
    for _ in range(steps):
        x, new = torch.randn(5, 2, 4), []
        for layer, state in zip(net, states, strict=True):
            x, state = layer(x, state)
            new.append(state.detach())
        x.pow(2).mean().backward()
        states = new


def good_made_anew_in_an_inner_loop(steps):
    maker, judge = nn.Linear(3, 4), nn.Linear(4, 1)
    for _ in range(steps):
        for _ in range(2):
            sample = maker(torch.randn(2, 3))
            judge(sample).mean().backward(retain_graph=True)
        judge(sample).pow(2).mean().backward()


def good_one_of_two_kinds(steps):
    first, second, kind = nn.Linear(3, 4), nn.Linear(3, 4), steps % 2
    for _ in range(steps):
        x = torch.randn(2, 3)
        if kind == 0:
            made = first(x)
        elif kind == 1:
            made = second(x)
        made.pow(2).mean().backward()


def good_point_moved_along_its_gradient(steps):
    net, start = nn.Linear(3, 1), torch.randn(2, 3, requires_grad=True)
    point = start + torch.ones(2, 3)
    for _ in range(steps):
        (slope,) = torch.autograd.grad(net(point).pow(2).mean(), point)
        point = point + 0.1 * slope
    net(point).mean().backward()


def good_state_from_a_helper(steps):
    model = Tagger()
    hidden = torch.zeros(1, 2, 8)
    for tokens, targets in chunks(steps):
        hidden = cut(hidden)
        logits, hidden = model(tokens, hidden)
        F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()


def good_pair_detached_in_place(steps):
    lstm = nn.LSTM(3, 4)
    state = None
    for _ in range(steps):
        output, state = lstm(torch.randn(5, 2, 3), state)
        output.pow(2).mean().backward()
        for part in state:
            part.detach_()


def good_pair_taken_apart(steps):
    lstm = nn.LSTM(3, 4)
    h, c = torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)
    for _ in range(steps):
        output, (h, c) = lstm(torch.randn(5, 2, 3), (h, c))
        output.pow(2).mean().backward()
        h, c = h.detach(), c.detach()


def good_unrolled_in_one_backward(steps):
    cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
    for _ in range(steps):
        state = torch.zeros(2, 4)
        loss = 0.0
        for _ in range(4):
            state = cell(torch.randn(2, 3), state)
            loss = loss + head(state).pow(2).mean()
        loss.backward()


def good_truncated_windows(steps):
    cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
    state, loss = torch.zeros(2, 4), 0.0
    for step in range(steps):
        state = cell(torch.randn(2, 3), state)
        loss = loss + head(state).pow(2).mean()
        if step % 3 == 2:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state, loss = state.detach(), 0.0


def good_truncated_by_the_step_before(steps):
    cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
    state, loss = torch.zeros(2, 4), 0.0
    for step in range(steps):
        if step > 0 and step % 2 == 0:
            loss.backward()
            loss = 0.0
            state.detach_()
        state = cell(torch.randn(2, 3), state)
        loss = loss + head(state).abs().mean()


def good_same_flag_twice(steps):
    model, hidden = Tagger(), torch.zeros(1, 2, 8)
    training = steps > 1
    for tokens, targets in chunks(steps):
        logits, hidden = model(tokens, hidden)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        if training:
            loss.backward()
        if training:
            hidden = hidden.detach()


def good_generation_after_training(steps):
    model = Tagger()
    tokens = torch.zeros(1, 2, dtype=torch.long)
    hidden = torch.zeros(1, 2, 8)
    logits, _ = model(tokens, hidden)
    logits.mean().backward()
    for _ in range(steps):
        logits, hidden = model(tokens, hidden)
        tokens = logits[-1:].argmax(dim=2)
    return tokens


def good_state_from_a_warm_up(steps):
    lstm = nn.LSTM(3, 4)
    for _ in range(steps):
        with torch.no_grad():
            _, state = lstm(torch.randn(5, 2, 3))
        output, state = lstm(torch.randn(5, 2, 3), state)
        output.pow(2).mean().backward()


def good_numbers_of_the_state(steps):
    cell, state, seen = nn.GRUCell(3, 4), torch.zeros(2, 4), []
    for _ in range(steps):
        new = cell(torch.randn(2, 3), state)
        new.pow(2).mean().backward()
        seen.append(new.norm().item())
        state = torch.tensor(new.tolist())
    return seen


def good_whole_episode_differentiated_at_its_end(steps):
    cell, state, values = nn.GRUCell(3, 4), torch.zeros(2, 4), []
    for step in range(steps):
        state = cell(torch.randn(2, 3), state)
        values.append(state.mean())
        if step % 3 == 2:
            torch.stack(values).sum().backward()
            del values[:]
            state = torch.zeros(2, 4)


class Convolved(nn.Module):
    """Takes no state: one of two kinds of models that a script chooses from."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.head = nn.Conv1d(6, 11, 3, padding=1)

    def forward(self, tokens):
        return self.head(self.embed(tokens).permute(1, 2, 0)).permute(2, 0, 1)


class Layered(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = getattr(nn, kind)(6, 8)
        self.head = nn.Linear(8, 11)

    def forward(self, tokens, hidden):
        output, hidden = self.rnn(self.embed(tokens), hidden)
        return self.head(output), hidden


def bad_one_of_two_classes(steps):
    convolved = steps < 0
    model = Convolved() if convolved else Layered("GRU")
    criterion = nn.CrossEntropyLoss()
    hidden = torch.zeros(1, 2, 8)
    for tokens, targets in chunks(steps):
        model.zero_grad()
        if convolved:
            logits = model(tokens)
        else:
            logits, hidden = model(tokens, hidden)  # DTL501
        criterion(logits.flatten(0, 1), targets.flatten()).backward()


def good_one_of_two_classes(steps):
    convolved = steps < 0
    model = Convolved() if convolved else Layered("RNN")
    criterion = nn.CrossEntropyLoss()
    hidden = torch.zeros(1, 2, 8)
    for tokens, targets in chunks(steps):
        model.zero_grad()
        if convolved:
            logits = model(tokens)
        else:
            logits, hidden = model(tokens, hidden.detach())
        criterion(logits.flatten(0, 1), targets.flatten()).backward()


def good_layer_that_learns_by_itself(steps):
    """A backward inside of a loop over layers says nothing of the loop around it."""
    layers = [nn.Linear(3, 3) for _ in range(2)]
    for _ in range(steps):
        x, *seen = torch.randn(4, 3), torch.zeros(())
        for layer in layers:
            (layer(x) - 1).pow(2).mean().backward()
            x, *seen = layer(x.detach()), layer.weight.sum()
        (x.mean() + sum(seen)).backward()
