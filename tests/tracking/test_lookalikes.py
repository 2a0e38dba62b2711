"""Patterns that a careful reader tells apart, each beside the one it resembles."""

import ast

import pytest
from programs import cases, check

from detachlint.models import load
from detachlint.tracking import track

LOOKALIKES = cases("""
=== one side of a squared difference is a target
def make(batch):
    return torch.stack(batch)
target = make([x, x])
kept = []
for _ in range(3):
    loss = ((net(x) - target) ** 2).mean()
    loss.backward()
    kept.append(target)
=== the summands of a plain sum are losses
def aux(batch):
    return helper(batch)
kept = []
for _ in range(3):
    second = aux(x)
    loss = net(x).sum() + second
    loss.backward()
    kept.append(second)  #! collect
=== what came from the command line is no module
import argparse
args = argparse.ArgumentParser().parse_args()
for _ in range(3):
    loss = net(x).sum() + sum(args.alpha * h.pow(2).mean() for h in [net(x)])
    loss.backward()
    np.asarray(args.width)
=== a list of networks is as long as there are networks
def act(policies, rows):
    return [policy(row) for policy, row in zip(policies, rows)]
made = act([net, net], [x, x])
np.asarray([row.data for row in made])
=== a list of batches grows with the data
loader = [x, x]
made = [net(row) for row in loader]  #! collect
print(len(made), made[0].item())
=== a dict rewritten in a loop holds nothing old
outputs = {"a": net(x), "b": net(x)}
for key, value in outputs.items():
    outputs[key] = value.detach().numpy()
np.vstack([outputs["a"], outputs["b"]])
=== a dict rewritten for some keys may hold old values
outputs = {"a": net(x), "b": net(x)}
for key, value in outputs.items():
    if key == "a":
        outputs[key] = value.detach().numpy()
np.asarray(outputs["b"])  #! numpy
=== a parameter that needs no gradient
class Connection(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(w, requires_grad=False)
        self.v = nn.Parameter(w)
    def plot(self):
        return self.w.numpy(), self.v.numpy()  #! numpy
=== parameters switched by a flag that the call passes
class Model:
    def __init__(self):
        self.head = nn.Linear(4, 4)
    def switch(self, freeze):
        for p in self.head.parameters():
            p.requires_grad = not freeze
    def predict(self, row):
        return self.head(row).numpy()  #! numpy
def freeze_all(model: Model):
    model.switch(False)
=== a helper may have detached what it was given
def repackage(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage(v) for v in h)
rnn = nn.LSTM(4, 4)
hidden = (x, x)
for _ in range(3):
    hidden = repackage(hidden)
    rows = []
    out, hidden = rnn(x, hidden)
    rows.append(out)
    loss = torch.stack(rows).sum()
    loss.backward()
=== the apply of an autograd function is differentiable
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value):
        return value * 2
    @staticmethod
    def backward(ctx, grad):
        return grad * 2
Twice.apply(net(x)).numpy()  #! numpy
Twice.apply(x).numpy()
=== a list written out as argument is kept item by item
class Meter:
    def __init__(self):
        self.sums = [0, 0]
    def update(self, values):
        for position, value in enumerate(values):
            self.sums[position] += value
meter = Meter()
for _ in range(3):
    loss = net(x).sum()
    loss.backward()
    meter.update([loss, 2 * loss])  #! logger
=== a running value that takes in nothing new
class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
    def forward(self, y):
        if self.training:
            self.mean[:] = self.mean * 0.9 + y.mean(0).data * 0.1
        return y - self.mean
=== a buffer that blends in what forward got
class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
    def forward(self, y):
        if self.training:
            self.mean[:] = self.mean * 0.9 + y.mean(0) * 0.1  #! statistic
        return y - self.mean
=== a buffer registered anew
class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
    def blend(self, name, value):
        self.register_buffer(name, 0.9 * getattr(self, name) + 0.1 * value)  #! statistic
    def forward(self, y):
        self.blend("mean", y.mean(0))
        return y - self.mean
=== a buffer registered anew, blended in a name of its own
class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
    def blend(self, name, value):
        old = getattr(self, name)
        new = 0.9 * old + 0.1 * value  #! statistic
        self.register_buffer(name, new)
    def forward(self, y):
        self.blend("mean", y.mean(0))
        return y - self.mean
=== what gives no output is no layer
class Neuron(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("v", torch.zeros(4))
    def forward(self, y):
        self.v[:] = self.v * 0.9 + y
=== a field of an output whose structure is not known
def predict(model: nn.Module, loader):
    rows = []
    for batch in loader:
        rows.append(model(batch).block().values)  #! collect
    return torch.cat(rows).mean().item()
=== what a method makes of arguments of its own is no part of an output
def shown(model: nn.Module, images, camera):
    _, boxes = model(images)
    drawn = boxes[0].render(camera, images)
    (images * boxes[0]).sum().backward()
    return np.asarray(drawn), np.asarray(boxes[0])  #! numpy
=== a setting among the items of an output
def steps(model: nn.Module, images):
    found = model(images)
    np.asarray(found.get("stride", 16))
    np.asarray(found.get("aux", 0.0))  #! numpy
=== what a call made is filled in here
def forward(model: nn.Module, images):
    found = helper(images)
    found["loss"] = model(images)
    found["loss"].sum().backward()
    found["rest"] = found["loss"]
    print(found["rest"].item())
=== a penalty that is added to the caller's loss in place
def before_backward(model: nn.Module, loss, alpha):
    penalty = 0
    for layer in model.children():
        penalty += torch.norm(layer.weight, 1)
    loss += alpha * penalty
=== a device is never equal to a word
def to_array(item):
    if isinstance(item, torch.Tensor):
        if item.device != "cpu":
            item = item.detach().cpu()
        return item.numpy()
    return item
def shown(rows):
    return to_array(net(rows))
=== rows are picked from what is there
def sampled(model: nn.Module, rays, indices):
    table = model(rays)
    rows = [table[i][index] for i, index in enumerate(indices)]
    return torch.cat(rows).mean().item()
=== all of a batch goes into the criterion
def step(model: nn.Module, criterion, optimizer, batch):
    batch = batch.to("cpu")
    batch["out"] = model(batch["image"])
    losses = criterion(**batch)
    losses["loss"].backward()
    optimizer.step()
    return batch["out"].shape
=== a flag says whether the list is made a tensor
def sample(model: nn.Module, rows, greedy):
    words, logs = [], []
    for row in rows:
        scores = model(row)
        if greedy is False:
            logs.append(scores.log_softmax(-1).max())
        words.append(scores.argmax())
    if greedy is False:
        logs = torch.stack(logs)
    return words, logs
def train(rows, reward):
    optimizer = torch.optim.SGD(net.parameters())
    _, logs = sample(net, rows, greedy=False)
    (reward * logs).mean().backward()
    optimizer.step()
    _, logs = sample(net, rows, True)
=== a forward that chooses a method by its name
class Captions(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(4, 4)
    def forward(self, *rows, mode="beam"):
        return getattr(self, "_" + mode)(*rows)
    def _beam(self, state, steps):
        table, words = {}, []
        for step in range(steps):
            table[step % 2] = state = self.cell(state)
            words.append(table[step % 2].argmax())
        return words
=== what one class adds up its base backpropagates
class Loss:
    def __init__(self):
        self.total = 0
    def backward(self):
        self.total.backward()
class Nats(Loss):
    def add(self, out, target):
        self.total += nn.functional.nll_loss(net(out), target)
    def value(self):
        return self.total.item()
=== a field of an output that is said to be a number where it goes
def mask(spans: int, width):
    return np.full((spans, width), 0.5)
def masked(model: nn.Module, rows):
    found = model(rows)
    return mask(found.count, 3), np.asarray(found.scores)  #! numpy
=== a type in quotes says what it says
def shown(scores: "torch.Tensor"):
    return np.asarray(scores)  #! numpy
def drawn(model: nn.Module, rows):
    return shown(model(rows))
=== meters that tell numbers from tensors by their type
class Meter:
    def __init__(self):
        self.total = 0
    def update(self, value):
        if type(value) not in [float, int]:
            value = value.detach()
        self.total += value
meter = Meter()
for _ in range(3):
    loss = net(x).pow(2).mean()
    loss.backward()
    meter.update(loss)
=== numbers out of a tree of torch
from torch.utils._pytree import tree_map
def shown(loader, stats):
    for row in loader:
        losses = {"data": net(row).pow(2).mean()}
        stats["losses"] = tree_map(lambda part: part.item(), losses)
        sum(losses.values()).backward()
=== what is drawn beside what is proven
def step(sampler, batch, loss):
    times, weights = sampler.inner.sample(len(batch))
    (loss * weights).mean().backward()
    return times.cpu().numpy()
=== rows of a tensor that others hold, written without grad
@torch.no_grad()
def update(banks, index, rows):
    banks["rows"][index, :] = rows
def train(loader, banks):
    for row, index in loader:
        rows = net(row)
        loss = rows.pow(2).mean()
        update(banks, index, rows)
        loss.backward()
=== copies of parameters that were told once more to require grad
import copy
def copied(groups):
    found = []
    for group in groups:
        part = nn.Parameter(torch.cat([p.detach() for p in group]))
        part.requires_grad = True
        found.append(part)
    return copy.deepcopy(found)
=== the last element once more
def means(loader):
    found = [net(x).mean()]
    for row in loader:
        with torch.no_grad():
            found.append(found[-1])
    return len(found)
=== a config is a record
def logged(config, loss):
    config.loss = net(x).mean()
    config.backward()
    return dataclasses.asdict(config)
=== lists that stand beside the first item of an output
def weights_of(model: nn.Module, loader, targets):
    optimizer = torch.optim.SGD(net.parameters())
    kept, most = [], 0
    for row in loader:
        out, weights, (count, _) = helper(model, row)
        loss = (out - targets).pow(2).mean()
        loss.backward()
        optimizer.step()
        kept += weights
        most += count
    return len(kept), most
=== a prediction is written into the next input
def train(model, optimizer, loader):
    for batch, labels in loader:
        loss = 0
        for t in range(3):
            if t > 0:
                batch[t, labels > 0, 0] = mean[labels > 0]
            mean = model(batch[t])
            loss = loss + (mean - labels).pow(2).mean()
        loss.backward()
        optimizer.step()
=== numbers out of a tree
def kept(loader, tree_map):
    found = []
    for row in loader:
        loss = net(row).pow(2).mean()
        loss.backward()
        found.append(tree_map(lambda part: part.item(), {"loss": loss}))
    return len(found)
=== what has no item is no tensor
def measured(loader):
    total = 0
    for row in loader:
        losses = {"mse": net(row).pow(2).mean()}
        losses["mse"].backward()
        total += losses["mse"].item() if hasattr(losses["mse"], "item") else losses["mse"]
    return total
=== a parameter that some flag trains
class Volume(nn.Module):
    def __init__(self, trained=False):
        super().__init__()
        self.trained = trained
        self.origin = nn.Parameter(torch.zeros(3), requires_grad=self.trained)
    def corner(self):
        return (self.origin - 1.0).numpy()
=== layers are cloned before they have seen anything
import copy
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.map = nn.Linear(4, 4), None
    def forward(self, y):
        self.map = self.net(y)
        return self.map
def clones(module, count):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(count)])
class Stack(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layers = clones(layer, 3)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        layer = Layer()
        self.stack = Stack(layer)
    def last(self, layer: Layer):
        return copy.deepcopy(layer)  #! copy
""")


@pytest.mark.parametrize("body", LOOKALIKES)
def test_lookalikes(body):
    check(body)


ELSEWHERE = """
import {framework}
def train(net, rows):
    total = 0
    for row in rows:
        loss = net(row).mean()
        loss.backward()
        total += loss
    return total
"""


@pytest.mark.parametrize(("framework", "told"), [("mxnet", 0), ("torch", 1), ("mxnet, torch", 1)])
def test_programs_of_other_frameworks_have_graphs_of_their_own(framework, told):
    source = ELSEWHERE.format(framework=framework)
    assert len(track("train.py", source, ast.parse(source), load())) == told


def test_a_device_is_never_equal_to_a_word():
    torch = pytest.importorskip("torch")
    device = torch.ones(1).device
    assert device != "cpu"
    assert str(device) == device.type == "cpu"


# Averages of weights: nobody differentiates them, and every step adds to their graph.
AVERAGES = cases("""
=== copies of parameters blended in place
class Average:
    def __init__(self, model: nn.Module):
        self.model = model
        self.shadow = {name: p.clone() for name, p in model.named_parameters()}  #! statistic
    def update(self):
        for name, p in self.model.named_parameters():
            self.shadow[name].mul_(0.9).add_(p.data, alpha=0.1)
=== copies without a graph
class Average:
    def __init__(self, model: nn.Module):
        self.model = model
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
    def update(self):
        for name, p in self.model.named_parameters():
            self.shadow[name].mul_(0.9).add_(p.data, alpha=0.1)
=== rebound from the parameter itself
class Average:
    def __init__(self, model: nn.Module, decay):
        self.model, self.decay, self.shadow = model, decay, {}
        for name, p in model.named_parameters():
            self.shadow[name] = p.data.clone()
    def update(self):
        for name, p in self.model.named_parameters():
            self.shadow[name] = self.decay * self.shadow[name] + (1 - self.decay) * p  #! statistic
    def state_dict(self):
        return self.shadow
=== under no_grad
class Average:
    def __init__(self, model: nn.Module, decay):
        self.model, self.decay, self.shadow = model, decay, {}
    @torch.no_grad()
    def update(self):
        for name, p in self.model.named_parameters():
            self.shadow[name] = self.decay * self.shadow[name] + (1 - self.decay) * p
=== a plain list of parameters, changed through a loop variable
class Average:
    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.shadow = [p.clone() for p in self.parameters]  #! statistic
    def update(self):
        for s, p in zip(self.shadow, self.parameters):
            s.sub_(0.1 * (s - p.data))
def train(loader):
    average = Average(net.parameters())
    for row in loader:
        net(row).sum().backward()
        average.update()
=== fast weights of an inner loop are needed by the outer one
class Learner:
    def __init__(self):
        self.fast = [p.clone() for p in net.parameters()]
    def adapt(self, row):
        loss = (net(row) * self.fast[0].sum()).sum()
        grads = torch.autograd.grad(loss, self.fast, create_graph=True)
        self.fast = [w - 0.1 * g for w, g in zip(self.fast, grads)]
        return loss
""")


@pytest.mark.parametrize("body", AVERAGES)
def test_averages_of_weights(body):
    check(body)


# What a second look at real training code told apart.
SECOND_LOOK = cases("""
=== a block that is the class, not a network
class Block(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.fc = nn.Linear(width, out)
    def forward(self, y):
        return self.fc(y)
class Net(nn.Module):
    def layers(self, block: Block, widths):
        made = []
        for width in widths:
            made.append(block(width, 64))
        return nn.Sequential(*made)
=== a list whose elements are replaced one by one
rows = [net(x), net(x)]
for i in range(len(rows)):
    rows[i] = rows[i].item()
np.array(rows)
=== a list whose elements are scaled one by one
losses = []
for _ in range(3):
    losses.append(net(x).sum())
for i in range(len(losses)):
    losses[i] = losses[i] * 0.5
sum(losses).backward()
=== every forward of the hooked network is under no_grad
def features(model: nn.Module, loader):
    kept = []
    model.layer1[-1].register_forward_hook(lambda module, inputs, output: kept.append(output))
    for row in loader:
        with torch.no_grad():
            model(row)
    return kept
=== a number out of a schedule
schedule = np.linspace(0, 1, 10)
def step(epoch):
    return (net(x) / schedule[epoch]).sum()
=== a tensor that an array has refused does not go on
rows = []
for _ in range(3):
    rows.append(net(x) + np.ones(4))  #! numpy
=== converted where it is no array yet
def ellipse(cov):
    if type(cov) != np.ndarray:
        cov = cov.detach().numpy()
    return np.linalg.eigh(cov)
ellipse(net(x))
=== a hook on the tensor waits for a backward
class Watch(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.kept = []
    def forward(self, y):
        out = self.fc(y)
        self.kept.append(out)
        return out.sum()
    def gradients(self):
        for out in self.kept:
            out.register_hook(print)
=== tuples of different lengths are told apart by who unpacks them
def act(training):
    value = net(x)
    action = value.detach().numpy()
    if training:
        return action, value, value.sum()
    return action, value
action, value = act(False)
np.asarray(action)
=== layers that hand on their output keep nothing that the last one does not
class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4)])
    def run(self, out):
        hidden = []
        for layer in self.layers:
            out = layer(out)
            hidden.append(out)
        return out, [h.detach() for h in hidden]
=== inputs of the network are not what the loss speaks of
def update(actor, critic, loss_of, memory, size):
    state, reward = memory.sample(size)
    kept = []
    value = critic(state, actor)
    loss = loss_of(value, reward)
    loss.backward()
    for _ in range(3):
        kept.append(state)
    return kept
=== a fresh tensor that requires grad is not its library
for _ in range(3):
    leaf = torch.zeros(4).requires_grad_()
    leaf.sum().backward()
names = []
for _ in range(3):
    names.append(torch.float32)
print(len(names))
=== lists that may be something else are judged where they are used
def divide(outputs):
    if type(outputs) == list:
        real = []
        for output in outputs:
            real.append([part[:1] for part in output])
    else:
        real = outputs[:1]
    return real
def step(critic: nn.Module, loss_of, batch):
    real = divide(critic(batch))
    loss_of(real).backward()
=== of arrays a number may be left, which torch takes
rewards = np.asarray([1.0, 2.0])
losses = []
for _ in range(3):
    out = net(x)
    losses.append(out * np.dot(0.9 ** np.arange(2), rewards))
    losses.append(out * (rewards @ rewards))
    losses.append(out * rewards.mean())
    losses.append(out * rewards.max().item())
    torch.stack(losses).sum().backward()
    out * (rewards - rewards.mean())  #! numpy
=== a network frozen for this step gives what needs no gradient
class Trainer:
    def __init__(self):
        self.task, self.coder = nn.Linear(4, 4), nn.Linear(4, 4)
    def switch(self, nets, needed):
        if not isinstance(nets, list):
            nets = [nets]
        for one in nets:
            for p in one.parameters():
                p.requires_grad = needed
    def train_task(self):
        self.switch(self.task, True)
        self.task(x).sum().backward()
        self.task(x).numpy()  #! numpy
    def train_coder(self):
        self.switch([self.task], False)
        side = self.task(x)
        copy.deepcopy(side)
        side.numpy()
        self.switch(self.task, True)
        self.task(x).numpy()  #! numpy
=== what a call ran without grad it left without
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
    def forward(self, row, deep=0):
        self.out = self.layer(row)
        if deep:
            return self.forward(row, deep - 1)
        return self.out
    def again(self, row):
        self.forward(row)
        self.out.numpy()  #! numpy
    def test(self, row, deep):
        with torch.no_grad():
            self.forward(row, deep)
        self.out.numpy()
=== weights of a step within a step are differentiated in the next one
def adapt(batch, labels):
    fast = list(net.parameters())
    for _ in range(3):
        loss = F.cross_entropy(net(batch), labels)
        grads = torch.autograd.grad(loss, fast, create_graph=True)
        fast = []
        for weight, grad in zip(net.parameters(), grads):
            weight.fast = weight - 0.1 * grad
            fast.append(weight.fast)
    return net(batch)
=== a dict rewritten for all that are tensors holds nothing old
def masks(row, wanted):
    found = {"a": net(row) if wanted else None, "b": net(row), "c": 1}
    for key, value in found.items():
        if value is not None:
            found[key] = value.detach()
    return found
np.asarray(masks(x, True)["b"])
outputs = {"a": net(x), "b": 2}
for key, value in outputs.items():
    if isinstance(value, torch.Tensor):
        outputs[key] = value.cpu().detach().numpy()
np.vstack([outputs["a"]])
outputs = {"a": net(x), "b": 2}
for key, value in outputs.items():
    if key is not None:
        outputs[key] = value.detach()
np.vstack([outputs["a"]])  #! numpy
=== what is drawn from a distribution that came out of a network
class Actor(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer, self.kind = nn.Linear(4, 4), kind
    def forward(self, row):
        return self.kind(self.layer(row)), self.layer(row)
class Agent:
    def __init__(self, actor: nn.Module):
        self.actor = actor
    def act(self, row):
        policy, value = self.actor(row)
        value.pow(2).mean().backward()
        value.numpy()  #! numpy
        return policy.sample().cpu().numpy()
=== a class says itself what adding to it does
class Mean:
    def __init__(self):
        self.rows = []
    def __iadd__(self, row):
        self.rows.append(row.detach())
        return self
class Rows(Mean):
    def __iadd__(self, row):
        self.rows.append(row)  #! store
        return self
class Tracker:
    def __init__(self):
        self.means = {}
    def start(self, name):
        self.means[name] = Mean()
    def update(self, rows):
        for name, row in rows.items():
            if name not in self.means:
                self.start(name)
            self.means[name] += row
def train():
    tracker = Tracker()
    total, kept = Mean(), Rows()
    for _ in range(3):
        loss = net(x).sum()
        loss.backward()
        tracker.update({"loss": loss})
        total += loss
        kept += loss
    return len(kept.rows)
=== a module that says it gives arrays
class Circuit(nn.Module):
    def __init__(self, simulate):
        super().__init__()
        self.angles, self.simulate = nn.Parameter(torch.randn(4)), simulate
    def forward(self, state: np.ndarray) -> np.ndarray:
        for angle in self.angles:
            state = self.simulate(state, angle.item())
        return state.amplitudes()
class Free(nn.Module):
    def __init__(self, simulate):
        super().__init__()
        self.angles, self.simulate = nn.Parameter(torch.randn(4)), simulate
    def forward(self, state):
        return self.simulate(state, self.angles)
def measure(simulate, state):
    np.conj(Circuit(simulate)(state))
    np.conj(Free(simulate)(state))  #! numpy
=== a loss that is an object of its own
class Trainer:
    def __init__(self, loss, net):
        self.loss, self.net = loss, net
    def step(self, batch):
        loss = self.loss
        loss.reset()
        loss.add_batch(self.net(batch))
        loss.backward()
        return loss.so_far()
    def train(self, batches, log):
        total = 0
        for batch in batches:
            total += self.step(batch)
            log.info("%s: %.4f" % (self.loss.name, total))
        return total
=== a spread around the own mean is no loss
class Pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.mask = nn.Linear(4, 4), nn.Parameter(torch.ones(4))
    def forward(self, rows, scale):
        rows = self.layer(rows) if scale else rows
        mean = (scale * rows).sum(1, keepdim=True)
        return torch.sqrt((rows - mean).pow(2).sum(1))
=== the numbers of an array one by one
for sigma in np.arange(-2, 2.5, 0.5):
    (net(x) * sigma).sum().backward()
for number, sigma in enumerate(np.linspace(0, 1, 5)):
    (net(x) * sigma).sum().backward()
=== losses of another framework
import dynet
def run(model, batches):
    total = 0
    for batch in batches:
        scores = model.forward(batch)
        loss = dynet.esum([dynet.pickneglogsoftmax(score, 1) for score in scores])
        total += loss.value()
        loss.backward()
        np.argmax(scores[0].value())
    return total
=== a kernel put together from weights
class Turned(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
    def differences(self, image, size):
        rows = torch.zeros([size, size, 3])
        turned = torch.flip(self.conv.weight, [2, 3])
        for first in range(size):
            for second in range(size):
                row = image - 2 * turned[first, second]
                rows[first, second] = row
        return rows
    def spread(self, rows, other):
        total = torch.zeros([3, 3])
        for first in range(3):
            total[:, first:first + 3] += rows[first].sub(other)
        return total[:, 1:]
    def forward(self, image, other):
        return self.spread(torch.sigmoid(self.differences(image, 3)), other) * 2
=== a gradient goes no further than to its inputs
def adapt(batch, labels, weights):
    for _ in range(3):
        loss = F.cross_entropy(F.linear(batch, weights["w"]), labels)
        grads = torch.autograd.grad(loss, weights.values(), create_graph=False)
        weights = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), grads)}
    return weights
adapt(x, x, dict(net.named_parameters()))
=== losses of one step gathered without grad to be reduced
def reduced(losses):
    with torch.no_grad():
        names, values = [], []
        for name in sorted(losses):
            names.append(name)
            values.append(losses[name])
        values = torch.stack(values)
    return dict(zip(names, values))
def train(batches):
    kept = []
    for batch in batches:
        losses = {"a": net(batch).sum(), "b": net(batch).norm()}
        (losses["a"] + losses["b"]).backward()
        shown = reduced(losses)
        print(shown["a"].item())
        with torch.no_grad():
            kept.append(losses["a"])  #! collect
    print(len(kept))
=== what stands beside the loss of a network out of sight may be a number
def f(loader):
    model = helper()
    torch.optim.SGD(model.parameters(), lr=0.1)
    total = share = 0
    for a, b in loader:
        loss, right = model(a, b)
        loss.backward()
        total += loss  #! add
        share += right
        share += 100 * right
    print(total, share)
=== what stands beside it may be made of numbers, though it is a tensor
def f(loader):
    model = helper()
    torch.optim.SGD(model.parameters(), lr=0.1)
    kept = []
    for a, b in loader:
        loss, shown = model(a, b)
        loss.backward()
        print(shown.mean().item())
        kept.append(shown)
    print(len(kept))
=== it tracks where a loss is made of it
def f(loader):
    model = helper()
    torch.optim.SGD(model.parameters(), lr=0.1)
    kept = []
    for a, b in loader:
        base, shown = model(a, b)
        loss = base + 0.1 * shown
        loss.backward()
        kept.append(shown)  #! collect
    print(len(kept))
=== the loss may stand second
def f(loader):
    model = helper()
    torch.optim.SGD(model.parameters(), lr=0.1)
    total = 0
    for a, b in loader:
        _, loss = model(a, b)
        loss.backward()
        total += loss  #! add
    print(total)
=== what a forward gives beside its tensor on one of its paths is an array
class Reader(nn.Module):
    def __init__(self, sums):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.sums = sums
    def forward(self, y):
        found = self.layer(y)
        if not self.sums:
            return found
        return found, np.ones(3), np.zeros(3)
out = Reader(flag)(x)
print(out[1] - np.ones(3), np.abs(out[2]))
=== a table of positions that a layer registers
class Positions(nn.Module):
    def forward(self, at):
        table = torch.stack([torch.sin(at), torch.cos(at)], -1)
        self.register_buffer("table", table)
        return table
=== a record that is read by names of its own
class Rows:
    def __init__(self, held):
        self.held = held
    def __getattr__(self, name):
        return self.held[name]
def gather(kept):
    return Rows({"value": torch.stack(kept), "seen": 1})
for _ in range(3):
    kept = []
    for _ in range(4):
        kept.append(net(x).sum())
    gather(kept).value.sum().backward()
=== lists of lists that every iteration begins anew
class Row:
    def __init__(self):
        self.held = {}
    def put(self, name, value):
        self.held[name] = value
def columns(rows):
    found = {}
    for row in rows:
        if not found:
            for name in row.held:
                found[name] = []
        for name in row.held:
            found[name].append(row.held[name])
    return found
for _ in range(3):
    rows = []
    for _ in range(4):
        row = Row()
        row.put("value", net(x).sum())
        rows.append(row)
    table = columns(rows)
    torch.stack(table["value"]).sum().backward()
=== kept, and cut in place afterwards
kept, last = [], []
for _ in range(3):
    y = net(x)
    y.sum().backward()
    kept.append(y)
    y.detach_()
    z = net(x)
    z.sum().backward()
    last.append(z)
    last[-1].detach_()
print(kept[0].norm().item(), last[0].norm().item())
=== another one is cut in place
kept = []
for _ in range(3):
    y = net(x)
    z = net(x)
    (y + z).sum().backward()
    kept.append(y)  #! collect
    z.detach_()
print(kept[0].norm().item())
=== what is made of each parameter is as much as there are parameters
def flat(model):
    rows = [(name, p.view(-1)) for name, p in model.named_parameters()]
    return rows
print([(name, row.mean().item()) for name, row in flat(net)])
=== what a network out of sight was handed to a function for, nobody knows
import somewhere
body, head = nn.Linear(4, 4), nn.Linear(4, 1)
somewhere.freeze(body)
alone = torch.optim.SGD(head.parameters(), lr=0.1)
whole = torch.optim.SGD([*head.parameters(), *body.parameters()], lr=0.1)
for _ in range(3):
    y = body(x)
    alone.zero_grad()
    head(y).sum().backward()
    alone.step()
    whole.zero_grad()
    head(body(x)).sum().backward()
    whole.step()
=== what has no data is no tensor
def show(rows):
    rows = rows.data if hasattr(rows, "data") else rows
    return rows.numpy()
y = net(x)
show(y)
=== a network of another framework, in a file that knows torch
import paddle
class Other(paddle.nn.Layer):
    def forward(self, y):
        return self.layer(y)
other = Other()
kept = []
for _ in range(3):
    loss = other(x).sum()
    loss.backward()
    kept.append(loss)
    loss.numpy()
print(len(kept))
=== of one output only, each piece worked on a little
def boxes(maps):
    found = []
    for grid in maps:
        centre = grid.sigmoid()[..., :2] * 2 - 0.5
        found.append(centre.view(1, -1))
    return torch.cat(found, dim=1)
def detect(model: nn.Module, images):
    for image in images:
        print([box[0].item() for box in boxes(model(image))])
=== a sum over the columns of what was there before
def margin(labels):
    far = net(x)
    total = torch.tensor(0.0)
    for row in range(len(labels)):
        total += (far[row, labels[row]] - 0.5).abs()
    loss = F.cross_entropy(far, labels)
    loss.backward()
    print(total.item())
=== a network that runs in each turn makes as many graphs
def margin(rows, labels):
    total = torch.tensor(0.0)
    for row, label in zip(rows, labels):
        total += (net(row)[label] - 0.5).abs()  #! add
    print(total.item())
=== what is recorded hangs on graphs that wait for the backward anyway
def losses(model: nn.Module, batch, attacks):
    logs, parts = [], []
    for attack in attacks:
        out = model(attack(batch))
        parts.append(out.pow(2).mean())
        logs.append(out.abs().mean())
    return torch.stack(parts).sum(), logs
def train(model: nn.Module, batches, attacks):
    for batch in batches:
        loss, logs = losses(model, batch, attacks)
        loss.backward()
        print([each.item() for each in logs])
=== it is recorded for longer than the graphs wait
def train(model: nn.Module, batches, attacks):
    logs = []
    for batch in batches:
        parts = []
        for attack in attacks:
            out = model(attack(batch))
            parts.append(out.pow(2).mean())
            logs.append(out.abs().mean())  #! collect
        torch.stack(parts).sum().backward()
    print([each.item() for each in logs])
=== what a hub gives beside a network are functions
def speech(sound):
    model, tools = torch.hub.load("owner/name", model="net")
    stamps, save, collect = tools
    collect(stamps(sound, model), sound).numpy()
    model(sound).numpy()  #! numpy
=== the number that a loss is divided by
def train(model, optimizer, batches):
    losses, seen = 0, 0
    for batch in batches:
        loss, tokens = model(batch)
        optimizer.zero_grad()
        (loss / tokens).backward()
        optimizer.step()
        seen += tokens
        losses += loss  #! add
    print(losses, seen)
=== layers that are put into a list one by one
class Codes(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.table = nn.Embedding(size, 4)
    def forward(self, y):
        nearest = torch.cdist(y, self.table.weight).argmin(-1)
        return self.table(nearest), nearest
class Coder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.codes = nn.ModuleList()
        for size in sizes:
            self.codes.append(Codes(size))
    def encode(self, y):
        found = []
        for code in self.codes:
            vector, number = code(y)
            found.append(number.numpy())
            vector.numpy()  #! numpy
        return found
=== what pictures are turned by has no parameters
from torchvision import transforms
turned = nn.Sequential(transforms.RandomAffine((-30, 30)), transforms.RandomHorizontalFlip())
turned(x).numpy()
=== what takes something in may be an object of a class of its own
def attack(model, record, steps):
    start = torch.zeros(record.batch_size, 4)
    for step in range(steps):
        loss = net(start).sum()
        loss.backward()
    record.append(loss)
def gather(model, record, steps):
    for step in range(steps):
        loss = net(x).sum()
        loss.backward()
        record.append(loss)  #! collect
=== a caller says which of its modes it is
import pytorch_lightning as pl
class Step(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer, self.total = nn.Linear(4, 4), None
    def _run(self, y, mode):
        out = self.layer(y)
        if mode in ("val", "test"):
            self.count(out)
        return F.mse_loss(out, y)
    def count(self, out):
        if self.total is None:
            self.total = out.sum()
        else:
            self.total += out.sum()
    def training_step(self, y, _):
        return self._run(y, "train")
    def validation_step(self, y, _):
        return self._run(y, "val")
=== what a model gives is for its callers to know
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 2)
    def forward(self, y, latent=False):
        h = self.inner(y)
        return h.detach().numpy() if latent else self.outer(h)
def collect(model, rows):
    model.eval()
    found = []
    for row in rows:
        found.append(model(row, latent=True))
    return np.concatenate(found)
def outputs(model, rows):
    model.eval()
    return [model(row).numpy() for row in rows]  #! numpy
encoder = Encoder().to("cpu")
print(collect(encoder, [x, x]), outputs(encoder, [x, x]))
=== a loss without parameters, of outputs made without grad
def check(model: nn.Module, rows, criterion: nn.Module):
    total = 0
    for row, label in rows:
        with torch.no_grad():
            out = model(row)
        total += criterion(out, label)
    return (total / len(rows)).item()
print(check(net, [(x, x)], nn.CrossEntropyLoss()))
=== the first turn begins anew, and the sum holds the graphs of all turns
def train(batches, optimizer, steps):
    for y, label in batches:
        loss = 0
        for step in range(steps):
            out = net(y)
            loss = loss + F.mse_loss(out, label[step])
            shown = out if step == 0 else torch.cat((shown, out))
        print(shown.mean().item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
=== what is read in later turns only, the first one has made
def train(batches, optimizer, steps):
    for batch in batches:
        loss, rows = 0, batch.float().clone()
        for step in range(steps):
            if step > 0 and rows[step].sum() > 0:
                loss = loss + out.mean()
            out = net(rows[step])
            loss = loss + out.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
=== what no turn makes anew goes on for ever
def train(batches, steps):
    for y in batches:
        for step in range(steps):
            out = net(y).mean()
            out.backward()
            if step == 0:
                shown = out
            else:
                shown = shown + out  #! add
        print(shown.item())
=== the logarithm of a mask is no log-probability
def weighed(critic: nn.Module, values, done):
    weight = (1 - done).log().cumsum(0).exp()
    loss = (critic(values) - done) ** 2
    return (loss * weight).mean()
=== what this call was given no scaler for
def loss_of(labels, out, criterion, scaler):
    if scaler:
        out = torch.from_numpy(scaler.inverse_transform(out.numpy()))
    return criterion(out, labels)
def shown(out, picture=None):
    return out.numpy() if picture is not None else out.detach().numpy()
def train(rows, criterion):
    for row, label in rows:
        loss_of(label, net(row), criterion, None).backward()
        shown(net(row))
def check(rows, criterion, scaler):
    with torch.no_grad():
        return [loss_of(label, net(row), criterion, scaler).item() for row, label in rows]
=== each branch has a prediction of its own
def loss_of(model: nn.Module, kind, rows, drift, speed):
    def squared(value, wanted):
        return torch.mean(0.5 * (value - wanted) ** 2)
    if kind == "score":
        value = drift - 0.5 * model(rows)
        return squared(value, speed)
    else:
        value = model(rows)
        return squared(value, speed)
def step(optimizer, kind, rows, drift, speed):
    loss = loss_of(net, kind, rows, drift, speed)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
=== sizes that a library works out for itself
class Layer(nn.Module):
    def __init__(self, ins, outs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outs, ins))
        fan, _ = nn.init._calculate_fan_in_and_fan_out(self.weight)
        self.bound = 1 / np.sqrt(fan)
=== a number among the attributes of a module that is copied
import copy
from elsewhere import noise
class Policy(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.constant = np.log(np.sqrt(2 * np.pi)) * size
    def log_prob(self, y):
        return noise(y).pow(2).sum(1, keepdim=True) + self.constant
class Agent:
    def __init__(self, size):
        self.policy = Policy(size).to("cpu")
        self.target = copy.deepcopy(self.policy)
    def learn(self, y):
        self.policy.log_prob(y).mean().backward()
=== what a step is made shorter by is a number
def halve(rows, settings):
    step = net(rows)
    for turn in range(3):
        step *= settings.shrink
    print(step.sum().item())
=== a module that compares two things is a loss, which mostly has no parameters
def check(model: nn.Module, rows, criterion: nn.Module):
    total = 0
    for row, label in rows:
        with torch.no_grad():
            out = model(row)
        total += criterion(out, label)
    return total.item()
=== a network of two inputs that is trained
def check(critic: nn.Module, rows):
    optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
    total = 0
    for state, action in rows:
        total += critic(state, action).mean()  #! add
    return total.item()
=== what is filled was made in this very turn
def perfect(wanted: nn.Module, rows):
    made = [torch.zeros(4, 6) for _ in rows]
    for at, row in enumerate(rows):
        made[at] = torch.zeros(row.shape)
        made[at][..., 0:3][row > 0] = wanted(row).log()
        print(made[at].sum().item())
=== hooks that are removed again have run without grad
def outputs(model: nn.Module, layers, rows):
    found, handles = {}, []
    for name, layer in layers:
        def hook(module, taken, given, name=name):
            found[name] = given
        handles.append(layer.register_forward_hook(hook))
    with torch.no_grad():
        model(rows)
    for handle in handles:
        handle.remove()
    return found
=== two slots that are written again and again
def search(rows, turns):
    low, high = net(rows).sum(), net(2 * rows).sum()
    ends = [low, high]
    for turn in range(turns):
        middle = net(turn * rows).sum()
        ends[0 if middle > 0 else 1] = middle
    return ends[0].item()
=== a slot for each turn
def search(rows, turns):
    ends = [None] * turns
    for turn in range(turns):
        ends[turn] = net(turn * rows).sum()  #! collect
    return [end.item() for end in ends]
=== what a loss is divided by is a number of tokens
def loss_of(lengths):
    tokens = lengths.sum()
    loss = torch.zeros(4).sum() / tokens
    loss.backward()
    return tokens.item(), np.array(tokens)
=== a temperature that goes down, said to be a float, is added to a loss
def noisy(state, temperature: float):
    state["error"] = net(state["x"])
    state["error"] += torch.rand(3) * temperature
class Model:
    def fit(self, rows, steps, kept):
        for step in steps:
            heat = self.heat_at(step)
            kept.append(heat)
            state = {"x": rows}
            noisy(state, heat)
            state["error"].sum().backward()
        print(kept[-1].item())
=== a summand that no call has made is a schedule
def fit(rows, steps, start):
    heats = []
    for step in steps:
        heat = start - step
        loss = net(rows).sum() + heat
        loss.backward()
        heats.append(heat)
    print(heats[-1].item())
=== an option that has a number for its default
class Options:
    def __init__(self, **options):
        self.weight = options.get("weight", 0.01)
        self.gamma = options.get("gamma", 0.99)
        self.tau = options.get("tau", 0.0)
    def learn(self, rows, entropy):
        loss = net(rows).sum() + self.weight * entropy.detach()
        loss.backward()
    def show(self):
        return np.isclose(self.gamma, 0.0), np.isclose(self.tau, 0.0)
=== a layer that freezes its own parameters learns by a rule of its own
def freeze(module):
    for weight in module.parameters():
        weight.requires_grad = False
class Trace(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.decay = nn.Parameter(torch.full((size,), 0.9))
        self.register_buffer("trace", torch.zeros(size))
        self.fix()
    def fix(self):
        freeze(self)
    def forward(self, spikes):
        self.trace = 0.9 * self.trace + 0.1 * spikes
        return spikes > 0
=== a layer that freezes its parameters only where it is told to
class Trace(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.decay = nn.Parameter(torch.full((size,), 0.9))
        self.register_buffer("trace", torch.zeros(size))
    def fix(self):
        for weight in self.parameters():
            weight.requires_grad = False
    def forward(self, spikes):
        self.trace = 0.9 * self.trace + 0.1 * spikes  #! statistic
        return self.decay * spikes
=== a state of which the next call reads a detached copy, beside a history of cut values
class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))
        self.h, self.now, self.past = torch.zeros(1), torch.zeros(1), []
    def remember(self):
        self.past.append(self.now.detach().clone())
    def forward(self, x):
        gate = torch.sigmoid(self.w * self.h.detach() + x)
        self.h = gate * self.h.detach() + (1 - gate) * x
        self.now = self.h
        return self.now
=== a state that goes on from a detached copy holds one graph, never a chain
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 3)
        self.state, self.chain = torch.zeros(3), torch.zeros(3)
    def forward(self, x):
        self.state = 0.9 * self.state.detach() + 0.1 * self.net(x)
        self.chain = 0.9 * self.chain + 0.1 * self.net(x)  #! statistic
        return self.state.sum().item() + self.chain.sum().item()
=== what a buffer begins with is no running value
class Cell(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = nn.Parameter(rate)
        self.derive()
    def derive(self):
        self.register_buffer("time", 1 / (1 - self.rate))
    def forward(self, x):
        return x * self.rate
=== a total that an inner loop binds anew holds one iteration
def adapt(rows, turns):
    loss = torch.zeros(1)
    for row, label in rows:
        for turn in range(turns):
            loss = F.cross_entropy(net(row.detach()), label)
            loss.backward()
        loss += F.cross_entropy(net(row), label)
    return loss.item()
=== a total that an inner loop binds anew on some of its paths only
def adapt(rows, turns):
    loss = torch.zeros(1)
    for row, label in rows:
        for turn in range(turns):
            if turn > 2:
                loss = F.cross_entropy(net(row.detach()), label)
        loss += F.cross_entropy(net(row), label)  #! add
    return loss.item()
=== one side of a squared difference is a target, whatever helper both went through
def pick(index, rows):
    return rows.view(8, 4)[torch.arange(8), index.view(-1)].view(2, 4)
class Learner:
    def squash(self, x):
        return torch.sign(x) * (x.abs() + 1).sqrt() + self.scale * x
    def learn(self, samples):
        scores, state = self.agent(samples.seen, samples.state)
        with torch.no_grad():
            late, state = self.agent.target(samples.seen, samples.state)
        loss = (self.squash(samples.gain + 0.9 * late) - pick(samples.index, scores)) ** 2
        loss.mean().backward()
    def priorities(self, samples):
        return self.squash(samples.gain + 0.9 * samples.late).numpy()
=== what an object without parameters gives hangs on what it is given
class Mixture:
    def __init__(self):
        self.means = torch.ones(2, 3)
    def log_prob(self, rows):
        parts = []
        for mean in self.means:
            parts.append(-((rows - mean) ** 2).sum(-1))
        return torch.stack(parts).logsumexp(0)
    def score(self, rows):
        rows = rows.detach().requires_grad_(True)
        return torch.autograd.grad(self.log_prob(rows).sum(), rows)[0]
def show(grid):
    mixture = Mixture()
    mixture.score(grid)
    return mixture.log_prob(grid).numpy()
=== a distance of weights that is divided by a kept option, and clamped in place, is no copy of weights
class Distance:
    def __init__(self, options):
        self.options = options
    def of(self, one, other):
        found = (one ** 2).sum(1) + (other ** 2).sum(1) - 2.0 * (one @ other.t()).sum(1)
        if self.options["averaged"]:
            found = found / self.options["rows"]
        found.clamp_(min=self.options["least"])
        return found
def align(first: nn.Module, second: nn.Module, options):
    distance, found = Distance(options), []
    for one, other in zip(first.parameters(), second.parameters()):
        found.append(distance.of(one, other).item())
    return found
=== a cache that a test run goes on with, and that its users clear
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.cache = nn.Linear(3, 3), None
    def forward(self, x, cached):
        y = self.net(x)
        if cached:
            self.cache = y if self.cache is None else torch.cat([self.cache, y], dim=1)[:, 1:]
        return y
class Model(nn.Module):
    def reset(self):
        for block in self.blocks:
            block.cache = None
=== spikes that a forward goes on from, until they are cleared
class Unit(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.seen = nn.Linear(3, 3), []
    def clear(self):
        self.seen = []
    def forward(self, x):
        self.seen.append(self.net(x))
        return torch.cat(self.seen, dim=-1).sum() > 0
=== what is only written down for others, who clear it at times
class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.loads = nn.Linear(3, 3), []
    def clear(self):
        print(len(self.loads))
        self.loads = []
    def forward(self, x):
        out = self.net(x)
        self.loads.append(out.mean(0))  #! store
        return (out > 0).sum()
=== outputs that hang on the graph of a total of the same turn, which waits for its backward
def fit(encoder: nn.Module, decoder: nn.Module, head: nn.Module, batches):
    for batch in batches:
        codes, total = [], 0
        for rows in batch:
            hidden = encoder(rows)
            codes.append(head(hidden))
            total = total + (decoder(hidden) - rows).pow(2).mean()
        print(len(codes), codes[0].norm().item())
        total.backward()
=== a conversion that other ranks get to
class Pose:
    def __init__(self, matrix):
        self.angle = np.arctan2(matrix[1, 0], matrix[0, 0])
def color(masks):
    if np.ndim(masks) == 2:
        masks = np.expand_dims(masks, 0)
    return masks
def poses(rows):
    return [Pose(row) if len(row.shape) == 2 else row for row in rows]
def listed(rows):
    found = []
    for row in rows:
        if len(row.shape) == 1:
            found.append(row.detach())
        else:
            found.append(Pose(row).angle)
    return found
def show():
    color(net(x))
    listed(net(x))
=== a conversion before anybody asks for the rank
def color(masks):
    rows = np.asarray(masks)  #! numpy
    if masks.dim() == 2:
        rows = rows[None]
    return rows
def show():
    color(net(x))
=== distances of weights that are written into a matrix
def kernel(rows, at, to):
    matrix = torch.zeros(3, 3)
    matrix[at, to] = torch.pdist(rows)
    matrix = matrix.T
    matrix[at, to] = torch.pdist(rows)
    return matrix
def chase(model: nn.Module, at, to, turns):
    rows = torch.stack(tensors=[weight for weight in model.parameters()])
    for turn in range(turns):
        print(kernel(rows, at, to).sum().item())
""")


@pytest.mark.parametrize("body", SECOND_LOOK)
def test_second_look(body):
    check(body)
