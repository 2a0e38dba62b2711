"""What becomes of a kept value: spent, differentiated, measured, escaped, returned."""

import pytest
from programs import cases, check, events, program

from detachlint.tracking import carrying
from detachlint.tracking.fates import Fates
from detachlint.tracking.values import Lineage, Unknown

SPENT = cases("""
=== total += loss after the backward
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        total += loss  #! add
    return total
=== a named item of an unseen output may be a number
def f(model, loader):
    kept = []
    for a in loader:
        out = model(a)
        out["loss"].backward()
        kept.append(out["metric"])
    return kept
=== numbers that stand beside a loss are summed
def f(model, loader):
    right, history = 0, []
    for a in loader:
        out = model(a)
        out["loss"].backward()
        right += out["accuracy"]
        history.append(right)
    return history
=== total += loss before the backward
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        total += loss  #! add
        loss.backward()
    return total
=== total = total + loss
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        total = total + loss  #! add
    return total
=== total += loss, cut
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        total += loss.item()
        total += loss.detach()
        total += float(loss.data)
    return total
=== an average computed in a name of its own
def f(loader):
    average = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        new = 0.9 * average + 0.1 * loss  #! statistic
        average = new
    return average
=== an average computed in a name that is used besides
def f(loader):
    average = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        new = 0.9 * average + 0.1 * loss
        if new < 1:
            break
        average = new  #! statistic
    return average
=== a total read by get
def f(loader):
    totals = {}
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        totals["loss"] = totals.get("loss", 0) + loss  #! add
        totals["size"] = totals.get("size", 0) + len(a)
        totals["mean"] = totals.get("mean", 0) + loss.item()
    return totals
=== a state that is computed in a name of its own is differentiated
def f(loader):
    state = torch.zeros(4)
    for a in loader:
        new = 0.5 * state + net(a)
        state = new
    state.sum().backward()
=== float(loss) converts
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        total += float(loss)  #! number
    return total
=== losses.append
def f(loader):
    losses = []
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        losses.append(loss)  #! collect
    return losses
=== losses.append of a part
def f(loader):
    losses = []
    for a in loader:
        out = net(a)
        out.sum().backward()
        losses.append(out.cpu())  #! collect
    return losses
=== append of a tuple
def f(loader):
    rows = []
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        rows.append((len(a), loss))  #! collect
    return rows
=== append of a dict
def f(loader):
    rows = []
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        rows.append({"n": len(a), "loss": loss})  #! collect
    return rows
=== extend
def f(loader):
    rows = []
    for a in loader:
        out = net(a)
        out.sum().backward()
        rows.extend(out)  #! collect
    return rows
=== += of a list
def f(loader):
    rows = []
    for a in loader:
        out = net(a)
        out.sum().backward()
        rows += [out]  #! collect
    return rows
=== rows = rows + [out] | a list rebound to itself plus a list is a new list
def f(loader):
    rows = []
    for a in loader:
        out = net(a)
        out.sum().backward()
        rows = rows + [out]  #! collect
    return rows
=== a slot per step
def f(loader):
    rows = {}
    for n, a in enumerate(loader):
        out = net(a)
        out.sum().backward()
        rows[n] = out  #! collect
    return rows
=== a dict of sums
def f(loader):
    sums = {"loss": 0.0}
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        sums["loss"] += loss  #! add
    return sums
=== a dict of sums over its keys
def f(loader, model):
    sums = {}
    for a in loader:
        losses = {"one": net(a).sum(), "two": net(a).mean()}
        (losses["one"] + losses["two"]).backward()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + value  #! add
    return sums
=== a defaultdict of lists
from collections import defaultdict
def f(loader):
    history = defaultdict(list)
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        history["loss"].append(loss)  #! collect
    return history
=== setdefault
def f(loader):
    history = {}
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        history.setdefault("loss", []).append(loss)  #! collect
    return history
=== moving average
def f(loader):
    average = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        average = 0.9 * average + 0.1 * loss  #! statistic
    return average
=== best so far
def f(loader):
    best = torch.tensor(0.0)
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        best = torch.max(best, loss)  #! statistic
    return best
=== cat
def f(loader):
    outs = torch.empty(0)
    for a in loader:
        out = net(a)
        out.sum().backward()
        outs = torch.cat([outs, out])  #! collect
    return outs
=== self.total
class Trainer:
    def __init__(self):
        self.total = 0
    def run(self, loader):
        for a in loader:
            loss = net(a).sum()
            loss.backward()
            self.total += loss  #! add
=== self.losses
class Trainer:
    def __init__(self):
        self.losses = []
    def step(self, a):
        loss = net(a).sum()
        loss.backward()
        self.losses.append(loss)  #! store
=== a global list
losses = []
def step(a):
    loss = net(a).sum()
    loss.backward()
    losses.append(loss)  #! store
=== a meter of the project
class Meter:
    def __init__(self):
        self.sum, self.count = 0, 0
    def update(self, value, n=1):
        self.sum += value * n
        self.count += n
def f(loader):
    meter = Meter()
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        meter.update(loss, len(a))  #! logger
    return meter.sum / meter.count
=== meters of the project, made in comprehensions
class Meter:
    def __init__(self):
        self.total = 0
    def update(self, value):
        self.total += value
def f(loader):
    named = {name: Meter() for name in ("loss", "size")}
    listed = [[] for _ in range(2)]
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        named["loss"].update(loss)  #! logger
        named["size"].update(len(a))
        listed[0].append(loss)  #! collect
        fresh = {name: Meter() for name in ("loss", "size")}
        fresh["loss"].update(loss)
    return named["loss"].total.item()
=== a meter of the project that takes the number
class Meter:
    def __init__(self):
        self.sum, self.count = 0, 0
    def update(self, value, n=1):
        self.sum += value.item() * n
        self.count += n
def f(loader):
    meter = Meter()
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        meter.update(loss, len(a))
=== a buffer of the project that takes a whole row | what comes in by `*row` is told in the callee
class Buffer:
    def __init__(self):
        self.rows = []
    def add(self, *row):
        self.rows.append(row)
def f(loader):
    buffer = Buffer()
    for a in loader:
        y = net(a)
        y.sum().backward()
        buffer.add(a, y)  #! store
=== a logger of the project that takes keywords
class Logger:
    def __init__(self):
        self.sums = {}
    def update(self, **values):
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value
def f(loader):
    logger = Logger()
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        logger.update(loss=loss, rate=0.1)  #! logger
=== a meter that gets the number
class Meter:
    def __init__(self):
        self.sum = 0
    def update(self, value):
        self.sum += value
def f(loader):
    meter = Meter()
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        meter.update(loss.item())
=== a step returns its loss
def step(a):
    loss = net(a).sum()
    loss.backward()
    return loss  #! step
def f(loader):
    total = 0
    for a in loader:
        total += step(a)
    return total
=== a step returns its loss's number
def step(a):
    loss = net(a).sum()
    loss.backward()
    return loss.item()
def f(loader):
    total = 0
    for a in loader:
        total += step(a)
    return total
=== the last one only
def f(loader):
    last = None
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        last = loss
    return last
=== a list of this iteration
def f(loader):
    for a in loader:
        losses = []
        for part in a:
            losses.append(net(part).sum())
        sum(losses).backward()
=== retained graph is not spent
def f(a):
    losses = []
    for _ in range(3):
        loss = net(a).sum()
        loss.backward(retain_graph=True)
        losses.append(loss)
    return losses
=== cleared every iteration
def f(loader):
    rows = []
    for a in loader:
        rows.clear()
        out = net(a)
        rows.append(out)
        torch.stack(rows).sum().backward()
""")

DIFFERENTIATED = cases("""
=== summed, then backpropagated
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()
    total.backward()
=== summed, then divided and backpropagated
def f(loader):
    total = 0
    for a in loader:
        total = total + net(a).sum()
    (total / 3).backward()
=== collected, stacked and backpropagated
def f(loader):
    losses = []
    for a in loader:
        losses.append(net(a).sum())
    torch.stack(losses).mean().backward()
=== collected and summed
def f(loader):
    losses = []
    for a in loader:
        losses.append(net(a).sum())
    sum(losses).backward()
=== collected in a comprehension
def f(loader):
    losses = [net(a).sum() for a in loader]
    torch.stack(losses).sum().backward()
=== backpropagated by a helper
def finish(losses, optimizer):
    optimizer.zero_grad()
    torch.stack(losses).sum().backward()
    optimizer.step()
def f(loader, optimizer):
    losses = []
    for a in loader:
        losses.append(net(a).sum())
    finish(losses, optimizer)
=== log-probabilities of an episode
class Agent:
    def __init__(self):
        self.policy = nn.Linear(4, 2)
        self.log_probs = []
        self.rewards = []
    def act(self, state):
        d = torch.distributions.Categorical(logits=self.policy(state))
        action = d.sample()
        self.log_probs.append(d.log_prob(action))
        return action.item()
    def learn(self, optimizer):
        loss = 0
        for log_prob, reward in zip(self.log_probs, self.rewards):
            loss = loss - log_prob * reward
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.log_probs.clear()
=== saved actions as named tuples
from collections import namedtuple
Saved = namedtuple("Saved", ["log_prob", "value"])
class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor, self.critic = nn.Linear(4, 2), nn.Linear(4, 1)
        self.saved = []
    def forward(self, x):
        return F.softmax(self.actor(x), dim=-1), self.critic(x)
model = Policy()
def act(state):
    probs, value = model(state)
    m = torch.distributions.Categorical(probs)
    action = m.sample()
    model.saved.append(Saved(m.log_prob(action), value))
    return action.item()
def finish(rewards, optimizer):
    policy_losses, value_losses = [], []
    for (log_prob, value), r in zip(model.saved, rewards):
        advantage = r - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([r])))
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
    loss.backward()
    del model.saved[:]
=== one value of a row is needed, the other measured
def f(loader):
    rows = []
    for a in loader:
        out, other = net(a), net(2 * a)
        rows.append((out.sum(), other.mean()))  #! collect
    torch.stack([loss for loss, _ in rows]).sum().backward()
    print([mean.item() for _, mean in rows])
=== recurrent outputs of forward
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 4)
    def forward(self, xs):
        h, outs = None, []
        for step in xs:
            h = self.cell(step, h)
            outs.append(h)
        return torch.stack(outs)
=== auxiliary loss on self
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.aux = 0
    def forward(self, x):
        y = self.fc(x)
        self.aux = y.pow(2).mean()
        return y
def f(loader):
    model = Net()
    for a in loader:
        (model(a).sum() + model.aux).backward()
=== gradient accumulation
def f(loader, optimizer):
    total = 0
    for n, a in enumerate(loader):
        loss = net(a).sum()
        total = total + loss
        if n % 4 == 3:
            total.backward()
            optimizer.step()
            total = 0
=== summed and backpropagated, reported too
def f(loader):
    epoch = 0
    for a in loader:
        total = 0
        for part in a:
            total += net(part).sum()
        total.backward()
        epoch += total  #! add
    return epoch
=== penalty by autograd.grad
def f(loader):
    norms = []
    for a in loader:
        a.requires_grad_(True)
        grad = torch.autograd.grad(net(a).sum(), a, create_graph=True)[0]
        norms.append(grad.norm())
    torch.stack(norms).sum().backward()
""")

MEASURED = cases("""
=== collected, then items
def f(loader):
    outs = []
    for a in loader:
        outs.append(net(a))  #! collect
    print([out.mean().item() for out in outs])
=== collected, then argmax
def f(loader):
    outs = []
    for a in loader:
        outs.append(net(a))  #! collect
    return torch.cat(outs).argmax(-1)
=== collected, then detached
def f(loader):
    outs = []
    for a in loader:
        outs.append(net(a))  #! collect
    return torch.cat(outs).detach()
=== summed, then an item
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()  #! add
    return total.item()
=== summed, then printed
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()  #! add
    print(f"{total:.3f}")
=== summed, then compared
def f(loader, best):
    total = 0
    for a in loader:
        total += net(a).sum()  #! add
    return total < best
=== summed, never read
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()  #! add
=== accuracy counts nothing
def f(loader):
    correct = 0
    for a, b in loader:
        correct += (net(a).argmax(-1) == b).sum()
    return correct
=== a comparison is collected
def f(loader):
    hits = []
    for a, b in loader:
        hits.append(net(a).argmax(-1) == b)
    return hits
=== measured under no_grad
def f(loader):
    total = 0
    with torch.no_grad():
        for a in loader:
            total += net(a).sum()
    return total.item()
""")

AWAY = cases("""
=== escaped: given to a function out of sight
def f(loader, finish):
    outs = []
    for a in loader:
        outs.append(net(a))
    finish(outs)
=== escaped: an argument's list
def f(loader, outs):
    for a in loader:
        outs.append(net(a))
=== escaped, but spent: an argument's list
def f(loader, outs):
    for a in loader:
        out = net(a)
        out.sum().backward()
        outs.append(out)  #! collect
=== returned: whoever calls may differentiate
def f(loader):
    outs = []
    for a in loader:
        outs.append(net(a))
    return outs
=== returned: a sum
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()
    return total
=== returned, and measured by the only caller
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()
    return total
def g(loader):
    print(f(loader).item())
=== returned, and differentiated by the caller
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()
    return total
def g(loader):
    f(loader).backward()
=== returned beside a loss that is spent
def f(loader):
    outs = []
    for a in loader:
        out = net(a)
        F.mse_loss(out, a).backward()
        outs.append(out)  #! collect
    return torch.cat(outs)
=== eval, collected, handed on
def f(loader, report):
    net.eval()
    outs = []
    for a in loader:
        outs.append(net(a))  #! collect
    report(outs)
=== eval, collected by a method of a module, put in a row, handed on
class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 4)
    def forward(self, y):
        return self.net(y)
    def remember(self, loader, memory):
        self.net.eval()
        outs = []
        for a in loader:
            outs.extend(list(self.net(a)))  #! collect
        memory.learn(row(outs))
def row(outs):
    return {"outs": outs}
=== train mode, collected by a method of a module, put in a row, handed on
class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 4)
    def forward(self, y):
        return self.net(y)
    def remember(self, loader, memory):
        outs = []
        for a in loader:
            outs.extend(list(self.net(a)))
        memory.learn(row(outs))
def row(outs):
    return {"outs": outs}
=== yielded
def f(loader):
    total = 0
    for a in loader:
        total += net(a).sum()
        yield total
=== kept on an object of the project, out of sight
class Agent:
    def __init__(self):
        self.last = None
    def act(self, state):
        self.last = net(state)
        return self.last.argmax()
=== neighbours detached | a neighbour's detach is no sign of intent yet
def f(loader):
    rows = []
    for a in loader:
        loss, out = net(a).sum(), net(a)
        rows.append({"loss": loss.detach(), "out": out})  #! collect
    return rows
""")


@pytest.mark.parametrize("body", SPENT)
def test_spent(body):
    check(body)


@pytest.mark.parametrize("body", DIFFERENTIATED)
def test_differentiated(body):
    check(body)


@pytest.mark.parametrize("body", MEASURED)
def test_measured(body):
    check(body)


@pytest.mark.parametrize("body", AWAY)
def test_escaped_and_returned(body):
    check(body)


def test_a_long_training_loop_is_seen_to_its_end():
    """What the first calls cost must not leave the loss a riddle: its second part is never proven."""
    long = "\n".join(["def prepare(a):", "    rows = []"] + ["    rows.append(a)"] * 100 + ["    return a"])
    calls = "\n".join(["        a = prepare(a)"] * 22)
    body = f"""
{long}
def parts(a):
    return net(a).sum(), net(a).mean()
def f(loader):
    total = 0
    for a in loader:
{calls}
        losses = parts(a)
        losses[0].backward()
        total += losses[1].exp()  #! add
    print(total.item())
"""
    check(body)


def test_an_event_answers_three_questions():
    """Why it tracks, what the sink does, why no backward needs it; and what to detach."""
    (event,) = events(
        program("""
        def f(loader):
            total = 0
            for a in loader:
                loss = net(a).sum()
                loss.backward()
                total += loss
    """)
    )
    why, sink, fate = (note.text for note in event.notes)
    assert "output of `net` requires grad" in why
    assert "`total` keeps it" in sink
    assert "a backward has consumed its graph" in fate
    assert event.spent
    assert [getattr(node, "id", None) for node in event.detach] == ["loss"]


def joined_often():
    """A definition behind fifty joins of two ways each: more ways than can be walked."""
    lineage = bottom = Lineage(1)
    for _ in range(50):
        lineage = Lineage(-1, (lineage, Lineage(-1, (lineage,))))
    return lineage, bottom


def test_what_was_joined_often_is_cut_in_place():
    lineage, bottom = joined_often()
    fates = Fates()
    fates.cut_in_place(lineage)
    assert fates.is_cut_in_place(bottom)


def test_what_was_joined_often_is_looked_through_for_a_mark():
    lineage, bottom = joined_often()
    assert not carrying._holds(Unknown(1, lineage), Lineage(2))
    assert carrying._holds(Unknown(1, lineage), bottom)


HANDED_BACK = """
import torch

def train_epoch(args, model, pairs, weights=None):
    model.train()
    for x in pairs:
        predicted, encodings = model(x)
        transfer, distance, weights = model.adapt(encodings, weights)
        total = args.scale * transfer
        total.backward()
"""


def test_what_an_unseen_method_hands_back_need_not_hang_on_what_it_was_given():
    assert not events(HANDED_BACK)


LENGTHS = """
import torch
from torch.nn.utils.rnn import pack_padded_sequence

def train(model, loader):
    counts = []
    for x, y in loader:
        scores, lengths = model(x)
        packed = pack_padded_sequence(scores, lengths, batch_first=True)
        loss = torch.nn.functional.cross_entropy(packed.data, y)
        loss.backward()
        counts.append(sum(lengths))
    return counts
"""


def test_the_lengths_of_a_packed_sequence_are_numbers_and_so_is_their_sum():
    assert not events(LENGTHS)
