"""Controls of the runtime oracle: programs whose harm is known, before it judges any other."""

from __future__ import annotations

import textwrap

import pytest
from harm import Watch, comparable, quiet, run, shows

PRELUDE = """
import collections, io, logging, queue, sys
import numpy as np, torch
from torch import nn
logger = logging.getLogger("case")
KEPT = []
def make():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)
def batch():
    return torch.randn(4, 8), torch.randn(4, 1)
class Box:
    def __init__(self): self.items = []
    def add(self, item): self.items.append(item)
def train(model, optimizer):
    x, y = batch()
    loss = ((model(x) - y) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss
"""

LEAKS = {
    "total of spent losses": """
        model, opt = make(); total = 0
        for _ in range(steps):
            total += train(model, opt)
        return total.item()
    """,
    "list after backward": """
        model, opt = make(); losses = []
        for _ in range(steps):
            losses.append(train(model, opt))
        return [loss.item() for loss in losses]
    """,
    "comprehension over a training step": """
        model, opt = make()
        return sum(loss.item() for loss in [train(model, opt) for _ in range(steps)])
    """,
    "evaluation without no_grad": """
        model, _ = make()
        outputs = [model(batch()[0]) for _ in range(steps)]
        return torch.cat(outputs).argmax().item()
    """,
    "attribute of an object": """
        model, opt = make(); box = Box()
        for _ in range(steps):
            box.add(train(model, opt))
        return len(box.items)
    """,
    "closures": """
        model, opt = make(); later = []
        for _ in range(steps):
            later.append(lambda loss=train(model, opt): loss)
        return len(later)
    """,
    "module global": """
        model, opt = make()
        for _ in range(steps):
            KEPT.append(train(model, opt))
    """,
    "returned list": """
        model, opt = make()
        return [train(model, opt) for _ in range(steps)]
    """,
    "hook that keeps outputs": """
        model, opt = make(); kept = []
        model.register_forward_hook(lambda m, i, o: kept.append(o))
        for _ in range(steps):
            train(model, opt)
        return len(kept)
    """,
    "appended under no_grad": """
        model, opt = make(); kept = []
        for _ in range(steps):
            loss = train(model, opt)
            with torch.no_grad():
                kept.append(loss)
        return len(kept)
    """,
    "running average": """
        model, opt = make(); ema = torch.zeros(())
        for _ in range(steps):
            ema = 0.9 * ema + 0.1 * train(model, opt)
        return ema.item()
    """,
    "inside a helper that returns a number": """
        def epoch():
            total = 0
            for _ in range(steps):
                total = total + train(model, opt)
            return float(total.detach())
        model, opt = make()
        return epoch()
    """,
}

CLEAN = {
    "items": """
        model, opt = make(); total = 0
        for _ in range(steps):
            total += train(model, opt).item()
        return total
    """,
    "detached": """
        model, opt = make(); losses = []
        for _ in range(steps):
            losses.append(train(model, opt).detach())
        return losses
    """,
    "summed, then backpropagated": """
        model, opt = make()
        for _ in range(2):
            total = 0
            for _ in range(steps):
                x, y = batch()
                total = total + (model(x) - y).abs().mean()
            opt.zero_grad(); total.backward(); opt.step()
        return total.item()
    """,
    "collected, then stacked and backpropagated": """
        model, opt = make(); losses = []
        for _ in range(steps):
            losses.append((model(batch()[0]) ** 2).mean())
        torch.stack(losses).sum().backward()
        return [loss.item() for loss in losses]
    """,
    "recurrent state until backward": """
        cell = nn.GRUCell(4, 4); h = torch.zeros(2, 4)
        for _ in range(steps):
            h = cell(torch.randn(2, 4), h)
        h.sum().backward()
        return h.detach()
    """,
    "gradients of inputs only": """
        model, _ = make(); losses = []
        x = torch.randn(4, 8, requires_grad=True)
        for _ in range(steps):
            losses.append(model(x).sum())
        grad, = torch.autograd.grad(sum(losses), x)
        return grad
    """,
    "bounded buffer": """
        model, opt = make(); last = collections.deque(maxlen=5)
        for _ in range(steps):
            last.append(train(model, opt))
        return [loss.item() for loss in last]
    """,
    "one slot": """
        model, opt = make(); best = None
        for _ in range(steps):
            loss = train(model, opt)
            best = loss if best is None or loss < best else best
        return best.item()
    """,
    "no_grad evaluation": """
        model, _ = make()
        with torch.no_grad():
            return torch.cat([model(batch()[0]) for _ in range(steps)])
    """,
    "garbage in cycles": """
        model, opt = make()
        for _ in range(steps):
            box = Box(); box.add(box); box.add(train(model, opt))
        return 0
    """,
    "backward hook": """
        model, opt = make(); norms = []
        model[0].weight.register_hook(lambda g: norms.append(g))
        for _ in range(steps):
            train(model, opt)
        return norms
    """,
}


def program(body: str) -> str:
    return PRELUDE + "def case(steps):\n" + textwrap.indent(textwrap.dedent(body), "    ")


@pytest.mark.parametrize("body", LEAKS.values(), ids=LEAKS.keys())
def test_a_known_leak_is_seen(body: str) -> None:
    seen, words = shows("retains", "", program(body), "case")
    assert run(program(body), "case").error is None
    assert seen, words


@pytest.mark.parametrize("body", CLEAN.values(), ids=CLEAN.keys())
def test_a_known_clean_program_is_clean(body: str) -> None:
    seen, words = shows("retains", "", program(body), "case")
    assert run(program(body), "case").error is None
    assert not seen, words


def test_saved_bytes_grow_only_without_backward() -> None:
    without = LEAKS["evaluation without no_grad"]
    few, many = (run(program(without), "case", n, Watch(weigh=True)).held.bytes for n in (6, 18))
    assert many - few >= 12 * 4 * 8 * 4
    spent = LEAKS["list after backward"]
    few, many = (run(program(spent), "case", n, Watch(weigh=True)).held.bytes for n in (6, 18))
    assert many == few


OTHERS = [
    ("raises", "Can't call numpy()", "t.numpy()", "t.detach().numpy()"),
    ("warns", "Converting a tensor with requires_grad=True", "float(t)", "float(t.detach())"),
    ("noise", "", "logger.debug('%s', t)", "logger.debug('%s', t.detach())"),
    ("noise", "", "sys.stderr.write(str(t))", "print(t)"),
    ("noise", "", "return str(t)", "return f'{t:.3f}'"),
    ("lost", "", "queue.Queue().get(timeout=0.01)", "t.item()"),
    (
        "surprise",
        "",
        "f = io.BytesIO(); torch.save(t, f); f.seek(0); return [torch.load(f)]",
        "f = io.BytesIO(); torch.save(t.detach(), f); f.seek(0); return [torch.load(f)]",
    ),
]


@pytest.mark.parametrize(("harm", "text", "bad", "good"), OTHERS)
def test_other_harms(harm: str, text: str, bad: str, good: str) -> None:
    before = "t = torch.ones(1, requires_grad=True).sum()\n"
    for _ in range(2):  # a warning given once per process must be seen every time
        assert shows(harm, text, program(before + bad), "case")[0]
    assert not shows(harm, text, program(before + good), "case")[0]


def test_runs_repeat_bit_for_bit() -> None:
    source = program(LEAKS["returned list"])
    assert run(source, "case", 6).value == run(source, "case", 6, Watch()).value
    assert run(source, "case", 6).value != run(source, "case", 7).value


def test_comparable_values() -> None:
    import torch

    tracked = torch.ones(2, requires_grad=True) * float("nan")
    assert comparable({"a": [tracked]}) == comparable({"a": [tracked.detach()]})
    assert comparable(0.0) != comparable(-0.0)
    assert comparable(torch.zeros(2)) != comparable(torch.zeros(2, 1))
    assert quiet(comparable(f"loss={tracked}")) == quiet(comparable(f"loss={tracked.detach()}"))


TWINS = """
def bad_target():
    model, opt = make(); x, y = batch()
    loss = ((model(x) - 0.9 * model(x + 1)) ** 2).mean(); loss.backward()
def good_target():
    model, opt = make(); x, y = batch()
    with torch.no_grad():
        target = 0.9 * model(x + 1)
    loss = ((model(x) - target) ** 2).mean(); loss.backward()
def bad_detached():
    model, opt = make(); x, y = batch()
    loss = ((model(x) - 0.9 * model(x + 1).detach()) ** 2).mean(); loss.backward()
def bad_reached():
    model, opt = make(); other, _ = make(); x, y = batch()
    loss = (model(x) - other(x)).abs().mean(); loss.backward()
def good_reached():
    model, opt = make(); other, _ = make(); x, y = batch()
    loss = (model(x) - other(x).detach()).abs().mean(); loss.backward()
def bad_once():
    model, opt = make(); x, y = batch()
    for _ in range(2):
        model(x).mean().backward()
def good_once():
    model, opt = make(); x, y = batch()
    model(x).mean().backward()
def bad_alone():
    pass
def bad_idle():
    pass
def good_idle():
    pass
"""


@pytest.mark.parametrize(
    ("function", "expected"),
    [("bad_target", True), ("bad_reached", True), ("bad_once", True), ("good_target", False)],
)
def test_gradients_are_compared_with_the_twins(function: str, expected: bool) -> None:
    seen, words = shows("gradient", "", PRELUDE + TWINS, function)
    assert seen is expected, words


def test_another_way_of_cutting_gives_the_same_gradients() -> None:
    source = TWINS.replace("bad_target", "other").replace("bad_detached", "bad_target")
    seen, words = shows("gradient", "", PRELUDE + source, "bad_target")
    assert not seen, words


@pytest.mark.parametrize("function", ["bad_alone", "bad_idle"])
def test_a_gradient_needs_something_to_compare_with(function: str) -> None:
    with pytest.raises(ValueError, match=r"twin|no gradients"):
        shows("gradient", "", PRELUDE + TWINS, function)
