"""What a file leaves open, its callers in other files decide; the asked file alone is told about."""

import ast

import pytest
from programs import marked

from detachlint.models import load
from detachlint.tracking import track

HEAD = "import torch\nfrom torch import nn\n"
TRAINER = "from helpers import total\nnet = nn.Linear(4, 4)\n"

POLICY = """
class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 4)
    def mutate(self, rows):
        return self.net(rows).numpy()
"""

HELD = """
class Ranking(nn.Module):
    def forward(self, images, captions):
        scores = images.mm(captions.t())
        return scores.diag().sum(), scores.numpy().argsort()  #! numpy
"""

TOTAL = """
def mean(model, batches):
    model.eval()
    total = 0
    for batch in batches:
        total += model(batch).mean()  #! add
    return total / len(batches)
"""
PROGRAM = """
from helpers import mean
net = nn.Linear(4, 4)
def main(batches):
"""

OBJECTIVE = """
from base import Objective
class {name}(Objective):
    def forward(self, model, x, y):
        loss = (model(x) - y).{loss}().mean()
        return loss, len(x), {{"loss": loss{cut}, "rows": len(x)}}
"""


def objectives(*cuts: str, mark: str = "") -> dict[str, str]:
    """A class for each way to write down its loss; the first is the one that is asked about."""
    names = ("Quantile", "Squared", "Absolute", "Robust", "Other")
    files = {
        f"{name.lower()}.py": OBJECTIVE.format(name=name, loss=name.lower(), cut=cut)
        for name, cut in zip(names, cuts, strict=False)
    }
    files["quantile.py"] = files["quantile.py"].replace("}\n", "}" + mark + "\n")
    base = "\nclass Objective(nn.Module):\n    def forward(self, model, x, y):\n        raise NotImplementedError\n"
    return files | {"base.py": base}


DECODER = """
class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 4)

    def decode(self, frames):
        return self.net(frames).numpy(){mark}

    def transcribe(self, frames):
        return [self.decode(frame) for frame in frames]
"""


def decoders(*calls: str, mark: str = "") -> dict[str, str]:
    """A class whose methods are called by their names, in files that do not import it."""
    files = {"decoder.py": DECODER.format(mark=mark)}
    for number, call in enumerate(calls):
        files[f"script{number}.py"] = f"import torch\n\ndef run(model, frames):\n{call}\n"
    return files


# Each project is a list of files; the first is the one that is asked about.
PROJECTS = {
    "another file says what an attribute is": {
        "learner.py": """
class Learner(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.goal = nn.Linear(4, 4), "hard"
    def step(self, rows, each):
        losses, soft, hard = [None] * len(rows), [None] * len(rows), [None] * len(rows)
        for at in range(len(rows)):
            hard[at] = self.net(rows[at]).sum()
            soft[at] = self.net(rows[at]).exp().sum()
            if self.goal == "hard":
                losses[at] = hard[at]
            elif self.goal == "soft":
                losses[at] = soft[at]
            if each:
                (losses[at] + soft[at].detach()).backward()
        if not each:
            sum(losses).backward()
""",
        "main.py": """
from learner import Learner
def main(goal):
    learner = Learner()
    learner.goal = goal
    return learner
""",
    },
    "the program that tries a model on the test set": {
        "decode.py": """
def decode(model: nn.Module, frames):
    return model(frames).numpy()
""",
        "test_decoding.py": """
import torch
from decode import decode
def main(model, batches):
    with torch.no_grad():
        for batch in batches:
            print(decode(model, batch))
""",
    },
    "tests call everything": {
        "decode.py": """
def decode(model: nn.Module, frames):
    return model(frames).numpy()  #! numpy
""",
        "test_decoding.py": """
import torch
from decode import decode
def test_decoding():
    with torch.no_grad():
        assert decode(torch.nn.Linear(2, 2), torch.ones(2)) is not None
""",
    },
    "a criterion without parameters, trained with and measured by": {
        "measure.py": """
from losses import Scaled
def measured(model, batches):
    criterion = Scaled()
    with torch.no_grad():
        outs = [model(batch) for batch in batches]
    return [criterion(out, out).numpy() for out in outs]
def train(model, batches):
    criterion = Scaled()
    for batch in batches:
        loss = criterion(model(batch), batch)
        loss.backward()
""",
        "losses.py": """
class Scaled(nn.Module):
    def forward(self, out, target):
        return 0.5 * nn.functional.mse_loss(out, target)
""",
    },
    "a score that one caller trains with, and another takes of numbers": {
        "evaluate.py": """
import numpy as np
from scores import Loss, score
net = nn.Linear(4, 4)
def scores_of(batches):
    with torch.no_grad():
        outs = [net(batch) for batch in batches]
    return [score(out, 1.0).numpy() for out in outs]
def trained(batches):
    objective = Loss()
    for batch in batches:
        loss = objective(net(batch))
        loss.backward()
        np.asarray(loss)  #! numpy
""",
        "scores.py": """
def score(out, smooth):
    hits = combined(out, smooth)
    return (2 * hits + smooth) / (hits + hits + smooth)
class Loss(nn.Module):
    def forward(self, out):
        return 1 - score(out, 0.5)
""",
    },
    "pieces of what its caller made": {
        "pieces.py": """
def pieces(values, lengths):
    parts, start = [], 0
    for length in lengths:
        parts.append(values[start : start + length])
        start += length
    return parts
""",
        "trainer.py": """
from pieces import pieces
net = nn.Linear(4, 4)
def step(x):
    values = net(x)
    parts = pieces(values, (1, 3))
    shown = torch.tensor([part.mean() for part in parts])
    loss = values.pow(2).mean()
    loss.backward()
    return loss.item(), shown.mean().item()
""",
    },
    "a loss that counts its rows, called from far away": {
        "trainer.py": """
class Trainer:
    def __init__(self, loss):
        self.loss = loss.to(self.device)

    def epoch(self, rows):
        counts = []
        for x, y in rows:
            loss, count = self.loss(self.model(x), y)
            loss.backward()
            counts.append(count)
        return sum(counts)

    def run(self):
        return self.epoch(self.rows)
""",
        "losses.py": """
class Smoothed(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("smooth", torch.full((3,), 0.1))

    def forward(self, x, y):
        return nn.functional.mse_loss(x, self.smooth), y.sum().item()
""",
        "train.py": """
from losses import Smoothed
from trainer import Trainer

def run(config):
    trainer = Trainer(loss=Smoothed())
    trainer.run()

run(3)
""",
    },
    "a method that others call by its name, all of them without grad": decoders(
        "    with torch.no_grad():\n        return model.transcribe(frames)",
        "    with torch.inference_mode():\n        return model.decode(frames)",
    ),
    "a method that others call by its name, one of them with grad": decoders(
        "    with torch.no_grad():\n        return model.transcribe(frames)",
        "    return model.decode(frames)",
        mark="  #! numpy",
    ),
    "a method that a file calls that knows nothing of torch": decoders(
        "    with torch.no_grad():\n        return model.transcribe(frames)",
        mark="  #! numpy",
    )
    | {"main.py": "from script0 import model\n\nprint(model.decode(3))\n"},
    "a method that is called by nobody in sight": decoders(mark="  #! numpy"),
    "a loss in a record, which other classes cut": objectives(
        "", ".data", ".item()", ".detach()", mark="  #! record"
    ),
    "a loss in a record, cut by two others only": objectives("", ".data", ".item()"),
    "a loss in a record, cut by some, not by others": objectives("", ".data", ".item()", ".detach()", ""),
    "a loss in a record that cuts it, too": objectives(".detach()", ".data", ".item()", ".detach()"),
    "a callee that the callers bring": {
        "helpers.py": """
def total(method, batches):
    found = 0
    for batch in batches:
        found = found + method.run(batch)  #! add
    print(found.item())
""",
        "main.py": TRAINER
        + """
class Method:
    def run(self, batch):
        return net(batch)
def main(batches):
    total(Method(), batches)
""",
    },
    "the same with a callee that detaches": {
        "helpers.py": """
def total(method, batches):
    found = 0
    for batch in batches:
        found = found + method.run(batch)
    print(found.item())
""",
        "main.py": TRAINER
        + """
class Method:
    def run(self, batch):
        return net(batch).detach()
def main(batches):
    total(Method(), batches)
""",
    },
    "a module that the caller holds in an attribute": {
        "helpers.py": HELD,
        "main.py": """
from helpers import Ranking
class Agent:
    def __init__(self):
        self.encoder = nn.Linear(4, 4)
        self.ranking = Ranking()
    def step(self, images, captions):
        return self.ranking(self.encoder(images), self.encoder(captions))
""",
    },
    "the same held by a caller that detaches": {
        "helpers.py": HELD.replace("  #! numpy", ""),
        "main.py": """
from helpers import Ranking
class Agent:
    def __init__(self):
        self.encoder = nn.Linear(4, 4)
        self.ranking = Ranking()
    def step(self, images, captions):
        return self.ranking(self.encoder(images).detach(), self.encoder(captions).detach())
""",
    },
    "an attribute of what the caller hands over": {
        "helpers.py": """
class History:
    def __init__(self):
        self.losses, self.sizes = [], []
    def after_batch(self, trainer):
        self.losses.append(trainer.loss)  #! store
        self.sizes.append(trainer.size)
""",
        "main.py": """
from helpers import History
class Trainer:
    def __init__(self):
        self.net = nn.Linear(4, 4)
        self.callbacks = [History()]
    def fit(self, batches):
        for batch in batches:
            self.loss, self.size = self.net(batch).sum(), len(batch)
            self.loss.backward()
            for callback in self.callbacks:
                callback.after_batch(self)
""",
    },
    "an attribute that the caller detaches": {
        "helpers.py": """
class History:
    def __init__(self):
        self.losses = []
    def after_batch(self, trainer):
        self.losses.append(trainer.loss)
""",
        "main.py": """
from helpers import History
class Trainer:
    def __init__(self):
        self.net = nn.Linear(4, 4)
        self.callbacks = [History()]
    def fit(self, batches):
        for batch in batches:
            loss = self.net(batch).sum()
            loss.backward()
            self.loss = loss.detach()
            for callback in self.callbacks:
                callback.after_batch(self)
""",
    },
    "a loss that keeps a total of its own": {
        "helpers.py": """
class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.criterion, self.total = nn.MSELoss(), 0
    def forward(self, y, target):
        loss = self.criterion(y, target)
        self.total += loss  #! add
        return loss
""",
        "main.py": """
from helpers import Loss
net, loss = nn.Linear(4, 4), Loss()
def main(batches):
    for batch in batches:
        loss(net(batch), batch).backward()
    print(loss.total.item())
""",
    },
    "a total that the program prints": {
        "helpers.py": TOTAL,
        "main.py": PROGRAM
        + "    print(f'{mean(net, batches):.3f}')\nif __name__ == '__main__':\n    main([])\n",
    },
    "a total that the program backpropagates": {
        "helpers.py": TOTAL.replace("  #! add", ""),
        "main.py": PROGRAM + "    mean(net, batches).backward()\nif __name__ == '__main__':\n    main([])\n",
    },
    "a total that the program prints and hands on": {
        "helpers.py": TOTAL.replace("  #! add", ""),
        "main.py": PROGRAM + "    print(mean(net, batches).item())\n    return mean(net, batches)\n"
        "if __name__ == '__main__':\n    main([])\n",
    },
    "a total that a part of a library prints": {
        "helpers.py": TOTAL.replace("  #! add", ""),
        "main.py": PROGRAM + "    print(f'{mean(net, batches):.3f}')\n",
    },
    "a list of a library that tries itself out": {
        "helpers.py": """
class Features:
    def __init__(self):
        self.net, self.found = nn.Linear(4, 4), []
    def loss(self, batches):
        total = 0
        for batch in batches:
            self.found.clear()
            self.found.append(self.net(batch))
            total = total + self.found[0].mean()
        return total
if __name__ == '__main__':
    print(Features().loss([torch.ones(4)]).item())
""",
        "main.py": "from helpers import Features\n",
    },
    "a caller in which async is still a name": {
        "helpers.py": HELD,
        "main.py": """
from helpers import Ranking
encoder = nn.Linear(4, 4)
ranking = Ranking()
def step(images, captions):
    images = images.cuda(async=True)
    return ranking(encoder(images), encoder(captions))
""",
    },
    "every caller turns grad mode off": {
        "helpers.py": """
def scores(model: nn.Module, batches):
    return [model(batch).numpy() for batch in batches]
""",
        "main.py": """
from helpers import scores
net = nn.Linear(4, 4)
@torch.no_grad()
def main(batches):
    scores(net, batches)
""",
        "other.py": """
import helpers
net = nn.Linear(4, 4)
def run(batches):
    with torch.no_grad():
        return helpers.scores(net, batches)
""",
    },
    "a worker turns grad mode off for good": {
        "policy.py": POLICY,
        "worker.py": """
def work(policy, queue):
    torch.set_grad_enabled(False)
    while True:
        policy.mutate(queue.get())
""",
        "script.py": """
torch.set_grad_enabled(False)
def main(policy, rows):
    policy.mutate(rows)
""",
    },
    "a worker turns grad mode off and on": {
        "policy.py": POLICY.rstrip() + "  #! numpy\n",
        "worker.py": """
def work(policy, queue):
    torch.set_grad_enabled(False)
    for rows in queue:
        torch.set_grad_enabled(True)
        policy.mutate(rows)
""",
    },
    "one of two callers forgets to": {
        "helpers.py": """
def scores(model: nn.Module, batches):
    return [model(batch).numpy() for batch in batches]  #! numpy
""",
        "main.py": """
from helpers import scores
net = nn.Linear(4, 4)
@torch.no_grad()
def main(batches):
    scores(net, batches)
""",
        "other.py": """
from helpers import scores
net = nn.Linear(4, 4)
def run(batches):
    return scores(net, batches)
""",
    },
    "tests do not count as callers": {
        "helpers.py": """
def scores(model: nn.Module, batches):
    return [model(batch).numpy() for batch in batches]
""",
        "main.py": """
from helpers import scores
net = nn.Linear(4, 4)
@torch.no_grad()
def main(batches):
    scores(net, batches)
""",
        "tests/test_helpers.py": """
from helpers import scores
def test_scores():
    scores(nn.Linear(4, 4), [])
""",
    },
    "what a base class runs is shown by a class derived from it": {
        "base.py": """
class Trainer:
    def evaluate(self, batches):
        rows = []
        for batch in batches:
            rows.append(self.predict(batch))  #! collect
        return torch.stack(rows).mean().item()
    def predict(self, batch):
        raise NotImplementedError
""",
        "mine.py": """
from base import Trainer
class Mine(Trainer):
    def __init__(self):
        self.net = nn.Linear(4, 4)
    def predict(self, batch):
        return self.net(batch)
""",
    },
    "through a package that hands the name on": {
        "lib/helpers.py": """
def scores(model: nn.Module, batches):
    return [model(batch).numpy() for batch in batches]
""",
        "lib/__init__.py": "from .helpers import scores",
        "main.py": """
from lib import scores
net = nn.Linear(4, 4)
@torch.no_grad()
def main(batches):
    scores(net, batches)
""",
    },
    "a program in a folder imports from that folder": {
        "study/src/hooks.py": """
def register(model: nn.Module, names, detach=True):
    seen, layers = {}, dict(model.named_modules())
    for name in names:
        def make(key):
            def hook(module, taken, given):
                seen[key] = (given.detach() if detach else given).flatten(1)
            return hook
        layers[name].register_forward_hook(make(name))
    return seen
""",
        "study/src/methods/penalty.py": """
from src.hooks import register
def penalty(model: nn.Module, names, batch):
    seen = register(model, names, detach=False)
    model(batch)
    return torch.stack([seen[name].pow(2).mean() for name in names]).mean()
""",
    },
    "the caller's own sinks are told when it is asked": {
        "helpers.py": """
def total(method, batches):
    found = 0
    for batch in batches:
        found = found + method.run(batch)
    return found
""",
        "main.py": TRAINER
        + """
class Method:
    def run(self, batch):
        return net(batch)
def main(batches):
    total(Method(), batches).numpy()
""",
    },
}


@pytest.mark.parametrize("files", PROJECTS.values(), ids=list(PROJECTS))
def test_callers_in_other_files(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(HEAD + text)
    asked = next(iter(files))
    source = HEAD + files[asked]
    events = track(asked, source, ast.parse(source), load(), tmp_path)
    assert sorted((event.node.lineno, event.sink) for event in events) == marked(source)


def test_a_finding_names_the_line_in_the_other_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = PROJECTS["a callee that the callers bring"]
    for name, text in files.items():
        (tmp_path / name).write_text(HEAD + text)
    source = HEAD + files["helpers.py"]
    (event,) = track("helpers.py", source, ast.parse(source), load(), tmp_path)
    assert event.notes[0].path == "main.py"
