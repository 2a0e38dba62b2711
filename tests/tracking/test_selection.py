"""Where `.detach()` would go, and where it must not, because the value may be no tensor there."""

import ast

import pytest
from programs import events

LOOP = """
def train(net, criterion, optimizer, loader):
    kept = []
    for step, (batch, target) in enumerate(loader):
        out = net(batch)
        loss = criterion(out, target)
        loss.backward()
        optimizer.step()
        extra = {extra}
        kept.append({kept})
    print(len(kept))
"""


def put(kept: str, extra: str = "None") -> tuple[list[str], str | None]:
    """What is detached of what the loop keeps, and why not."""
    (event,) = events(LOOP.format(kept=kept, extra=extra))
    return [ast.unparse(node) for node in event.detach], event.unfixable


@pytest.mark.parametrize(
    ("kept", "extra", "detached"),
    [
        ("loss", "None", ["loss"]),
        ("loss if step else 0", "None", ["loss"]),
        ("0 if step else 2 * loss", "None", ["loss"]),
        ("(step, loss)", "None", ["loss"]),
        ("out", "out.mean()", ["out"]),
        ("out[:2]", "out[:2] - target", ["out[:2]"]),
        ("loss.cpu()", "None", ["loss"]),
    ],
)
def test_a_tensor_is_detached(kept, extra, detached):
    assert put(kept, extra) == (detached, None)


@pytest.mark.parametrize(
    ("kept", "extra", "said"),
    [
        ("out", "None", "nothing here shows that `out` is a tensor, and no tuple or dict of them"),
        ("out[:2]", "None", "nothing here shows that `out[:2]` is a tensor, and no tuple or dict of them"),
        ("extra", "loss if step else 0", "`extra` may be something else than a tensor on another path"),
        ("extra", "loss if step else None", "`extra` may be something else than a tensor on another path"),
    ],
)
def test_what_may_be_no_tensor_is_not_detached(kept, extra, said):
    assert put(kept, extra) == ([], said)


def test_a_question_about_the_value_settles_the_doubt():
    guard = "loss if step else None\n        if extra is None: continue"
    assert put("extra", guard) == (["extra"], None)
    guard = "out\n        if not isinstance(extra, torch.Tensor): continue"
    assert put("extra", guard) == (["extra"], None)


RECURRENT = """
import torch
from torch import nn
class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.{cells}(4, 4)

def train(optimizer, loader):
    net = Reader()
    kept = []
    for batch in loader:
        given = net.cells(batch){part}
        given[0].sum().backward()
        optimizer.step()
        kept.append({kept})
    print(len(kept))
"""


_TUPLE = "`{}` is a tuple of tensors: detach each of them"


@pytest.mark.parametrize(
    ("cells", "part", "kept", "said"),
    [
        ("LSTM", "", "given", _TUPLE.format("given")),
        ("LSTM", "[1]", "given", "nothing here shows that `given` is a tensor, and no tuple or dict of them"),
        ("LSTM", "", "given[0]", None),
        ("LSTM", "", "given[0].mean()", None),
        ("GRU", "", "given", _TUPLE.format("given")),
        ("GRU", "", "given[0]", None),
        ("GRU", "[1]", "given", None),
        ("GRU", "[1]", "torch.svd(given)", _TUPLE.format("torch.svd(given)")),
        ("GRU", "[1]", "torch.svd(given)[1]", None),
        ("GRU", "[1]", "given.split(2)", _TUPLE.format("given.split(2)")),
    ],
)
def test_a_tuple_of_tensors_is_not_detached(cells, part, kept, said):
    (event,) = events(RECURRENT.format(cells=cells, part=part, kept=kept))
    assert event.unfixable == said
    assert [ast.unparse(node) for node in event.detach] == ([] if said else [kept])


HELPERS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x)

    def table(self, x):
        return {{"out": self(x)}}

    def rows(self, x):
        return [self(row) for row in x]

def doubled(rows, value):
    rows.append(value * 2)

def train(optimizer, loader):
    net, kept, seen = Net(), [], {{}}
    for batch in loader:
        loss = net(batch).sum()
        loss.backward()
        optimizer.step()
        seen["loss"] = loss.detach()
        seen["last"] = loss.detach()
        {kept}
    print(len(kept))
"""
_ELSEWHERE = "the tensors are kept in a container: detach them where they are put into it"


@pytest.mark.parametrize(
    ("kept", "detached", "said"),
    [
        ("kept.append(net.table(batch))", [], _ELSEWHERE),
        ("kept.append(net.rows(batch))", [], _ELSEWHERE),
        ("kept.append([loss, 1])", ["loss"], None),
        ("kept.append(dict(loss=loss))", ["loss"], None),
        ("doubled(kept, loss)", ["loss"], None),
        ("doubled(kept, loss) if batch.any() else doubled(kept, 3)", ["loss"], None),
    ],
)
def test_containers_and_helpers(kept, detached, said):
    (event,) = events(HELPERS.format(kept=kept))
    assert ([ast.unparse(node) for node in event.detach], event.unfixable) == (detached, said)


REMEMBERING = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.seen = []

    def forward(self, x):
        return self.layer(x)

    def remember(self, value):
        self.seen.append(value)
        return value

def halved(value):
    return value * 0.5

net = Net()
for step, batch in enumerate(torch.rand(3, 4)):
    net.remember(halved(net(batch)))
    net(batch).sum().backward()
    net.remember({second})
print(len(net.seen))
"""


@pytest.mark.parametrize("second", ["None", "(step, 0)", "[batch]", "1.5", "halved(net(batch))"])
def test_what_is_no_tensor_in_another_call_is_not_detached(second):
    (event,) = events(REMEMBERING.format(second=second))
    if second == "halved(net(batch))":
        assert [ast.unparse(node) for node in event.detach] == ["value"]
    else:
        assert event.unfixable == "`value` may be something else than a tensor in another call"
