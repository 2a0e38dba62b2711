"""Training programs that nobody wrote, to be run before and after they are fixed.

Each is a loop over a few batches: values are computed (tensors, tuples, dicts, numbers, None, objects, what code out
of sight returns), a backward runs every step, every other one or after the loop, and the values are kept, added up,
converted and used again. `trace` writes down every number it is given and ends with the weights, so that a
`.detach()` too many shows: the weights differ, or an exception says that nothing requires grad, or that a tuple has
no `detach`.
"""

from __future__ import annotations

import random
import re
import sys
import textwrap
import warnings
from types import ModuleType
from typing import Any

import torch

PRELUDE = """\
import collections, copy, dataclasses, functools, io, math
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint
from outside import call, trace

torch.manual_seed(0)
Output = collections.namedtuple("Output", "scores loss")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 3)
        self.head = nn.Linear(3, 3)
        self.lstm = nn.LSTM(3, 3)
        self.gru = nn.GRU(3, 3)
        self.attention = nn.MultiheadAttention(3, 1)
        self.reader = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3))
        self.parts = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.last = None
        self.seen = []

    def forward(self, x):
        return torch.tanh(self.head(torch.tanh(self.body(x))))

    def pair(self, x):
        out = self(x)
        return out, out.mean()

    def table(self, x):
        out = self(x)
        return {"out": out, "mean": out.mean(), "size": len(out)}

    def named(self, x):
        out = self(x)
        return Output(out, out.square().mean())

    @property
    def norms(self):
        return {name: parameter.norm() for name, parameter in self.named_parameters()}

    def chosen(self, x, both=False):
        out = self(x)
        return (out, out.sum()) if both else out

    def nested(self, x):
        return self.table(x), [self.body(x)]

    def through(self, x):
        return [part(x) for part in self.parts]

    def maybe(self, x, step):
        return self(x).mean() if step else None

    def number(self, x):
        return self(x).mean().item()

    def rows(self, x):
        return [self(row) for row in x]

    def each(self, x):
        for row in x:
            yield self(row)

    def quiet(self, x):
        with torch.no_grad():
            return self(x)

    def remember(self, value):
        self.last = value
        self.seen.append(value)
        return value


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(context, value):
        return value.clone(), value.clone()

    @staticmethod
    def backward(context, one, two):
        return one + two


@dataclasses.dataclass
class Result:
    loss: torch.Tensor
    extra: object = None


class Meter:
    def __init__(self):
        self.total, self.count, self.values = 0, 0, []

    def update(self, value):
        self.total = self.total + value
        self.count += 1
        self.values.append(value)

    def mean(self):
        return self.total / max(self.count, 1)


class Box:
    def __init__(self, value=None):
        self.value = value


def scaled(value, factor=0.5):
    return value * factor


def store(rows, value):
    rows.append(value)


def doubled(rows, value):
    rows.append(value * 2)
    return value


def average(values):
    return sum(values) / len(values)


def first(values):
    return values[0]


net = Net()
other = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
batches = [torch.randn(2, 3) for _ in range(4)]
out = io.StringIO()
"""
SETUP = """\
kept, more, losses = [], [], []
table, by_step, history, scores = {}, {}, collections.defaultdict(list), collections.defaultdict(list)
total, best, top, state, carried = 0, None, None, None, None
running = 0
meter, gauge, box = Meter(), Meter(), Box()
"""
SETUP_NAMES = [name for line in SETUP.splitlines() for name in line.partition(" = ")[0].split(", ")]
KINDS = "tensor scalar tuple dict number none object list".split()
FORMS: dict[str, str] = {
    "tensor": """
net(x)|net.body(x)|other(x)|net.quiet(x)|x|x * 2|F.relu(<tensor>)|<tensor> * 0.5|<tensor>.detach()|<tensor>.clone()|<tensor>[0]
first(<tuple>)|<tuple>[0]|<dict>["out"]|net.lstm(x)[0]|net.gru(x)[1]|call(net, x)|net.reader(x)[0]|net.attention(x, x, x)[0]|net.parts[0](x)|net.chosen(x)|Twice.apply(<tensor>)[1]
Result(<scalar>, <tensor>).extra|checkpoint(net, x, use_reentrant=False)|net.nested(x)[0]["out"]|net.nested(x)[1][0]|call(net.pair, x)[0]|net.named(x).scores
torch.cat([<tensor>, <tensor>])|<tensor>.softmax(-1)|<tensor>.sort(0)[0]|<list>[0]|scaled(<tensor>)
<tensor>.split(1)[0]|torch.stack(<list>)|<tensor> + <scalar>|<tensor>.abs()|call(scaled, <tensor>)|<tensor>.view(-1)|next(net.each(x))
""",
    "scalar": """
<tensor>.mean()|<tensor>.sum()|net.pair(x)[1]|net.table(x)["mean"]|net.named(x).loss|<scalar> * 0.5|<scalar> + <scalar>
F.mse_loss(<tensor>, torch.ones(()))|call(net.pair, x)[1]|<scalar>.detach()|<tensor>.norm()|torch.stack([<scalar>, <scalar>]).mean()
scaled(<scalar>)|<tensor>.max()|sum([<scalar>, <scalar>])|max(<scalar>, <scalar>)|<scalar>.clone()|call(scaled, <scalar>)
""",
    "tuple": """
net.reader(x)|net.attention(x, x, x)|net.chosen(x, both=True)|net.chosen(x, True)|Twice.apply(<tensor>)|net.nested(x)
checkpoint(net.pair, x, use_reentrant=False)|tuple(net.through(x))|<tensor>.unique(return_counts=True)|torch.std_mean(<tensor>)
net.lstm(x)|net.gru(x)|net.pair(x)|call(net.pair, x)|pad_packed_sequence(pack_sequence([net(x), x]))|(*<list>, <scalar>)
net.named(x)|(<tensor>, <scalar>)|<tensor>.split(1)|<tensor>.sort(0)
torch.max(<tensor>, 0)|<tensor>.unbind(0)|tuple(<list>)|net.lstm(x)[1]|torch.chunk(<tensor>, 2)|(<scalar>, <number>)|call(net.lstm, x)
""",
    "dict": """
net.norms|functools.partial(net.table, x)()|net.nested(x)[0]|{**net.table(x), "step": step}|dict(zip("ab", <list>))
net.table(x)|call(net.table, x)|{"out": <tensor>, "mean": <scalar>}|dict(out=<tensor>, loss=<scalar>)
""",
    "number": """
net.number(x)|<scalar>.item()|float(<scalar>)|step|len(x)|<tensor>.argmax().item()|call(net.number, x)|0.5|math.sqrt(step)
""",
    "none": """
net.maybe(x, step)|None|<scalar> if step else None|call(net.maybe, x, step)|table.get("last")|None if step else <tensor>
<number> if step else <scalar>|top|net.last|box.value
""",
    "object": "Box(<tensor>)|Result(<scalar>)|Result(<scalar>, <tensor>)|pack_sequence([net(x), x])|Box(<scalar>)|torch.distributions.Normal(<tensor>, 1.0)|Output(<tensor>, <scalar>)",
    "list": "net.through(x)|list(map(net, x))|sorted([<number>, <number>])|list(reversed(<list>))|list(net.norms.values())|net.rows(x)|[<tensor>, <tensor>]|list(net.each(x))|[<tensor> for _ in range(2)]|list(<tuple>)|call(net.rows, x)",
}
SINKS = """
kept.append(<v>)|kept.append((<v>, step))|kept.append({"v": <v>})|kept += [<v>]|table[step] = <v>|table["last"] = <v>
history["v"].append(<v>)|box.value = <v>|box = Box(<v>)|net.remember(<v>)|more.append(<v>)|kept.extend([<v>])|kept.insert(0, <v>)|store(kept, <v>)|store(more, <v>)
top = <v>|carried = <v>|table.update(last=<v>)|call(kept.append, <v>)|kept = kept + [<v>]|history.setdefault(step, <v>)|del kept[:-1]
"""
SCALAR_SINKS = """
running += <v>|running = running + <v>|gauge.update(<v>)|kept.append(<v>.cpu())|doubled(kept, <v>)|doubled(more, <v>)|table["sum"] = table.get("sum", 0) + <v>|box.value = 0.9 * (box.value or 0) + <v>
top = <v> if top is None else min(top, <v>)|history["mean"].append(<v> / 2)|print("loss", <v>, file=out)|trace(format(<v>, ".2f"))|kept.append(float(<v>))
"""
TENSOR_SINKS = """
kept.append(<v>.mean(0))|kept.append(<v>.cpu().numpy())|trace(np.asarray(<v>))|table[step] = <v>.flatten()|kept.append(<v>[-1])|top = copy.deepcopy(<v>)
kept.append(<v> if step else 0)|history["rows"].extend(<v>)|state = <v>|trace(torch.tensor(<v>))
"""
USES = """
trace(len(kept))|trace(kept)|trace([k for k in kept if isinstance(k, torch.Tensor)])|trace(table)|trace(running)|trace(history)
trace(gauge.mean())|trace(box.value)|trace(net.last)|trace(top)|trace(carried)
for k in kept:\n    trace(k)|if isinstance(top, tuple):\n    trace(top[0])|if top is not None:\n    trace(top)
trace(max((k for k in kept if isinstance(k, float)), default=0.0))|trace(list(table.values()))
"""
OWN_FUNCTIONS = ("remember", "store", "doubled", "update")
# What is kept in the loop for a backward after it.
LATER = (
    ("losses.append(loss)", "sum(losses).backward()"),
    ("losses.append(loss)", "torch.stack(losses).mean().backward()"),
    ("losses.append(loss)", "average(losses).backward()"),
    ("losses.append((step, loss))", "sum(loss for _, loss in losses).backward()"),
    ("losses.append({'v': loss, 'n': step})", "sum(entry['v'] for entry in losses).backward()"),
    ("total = total + loss", "total.backward()"),
    ("total += loss", "(total / len(batches)).backward()"),
    ("meter.update(loss)", "meter.total.backward()"),
    ("meter.update(loss)", "meter.mean().backward()"),
    ("meter.update(loss)", "torch.stack(meter.values).sum().backward()"),
    ("net.remember(loss)", "sum(net.seen).backward()"),
    ("scores['a'].append(loss)", "sum(scores['a']).backward()"),
    ("box = Box(loss + (box.value or 0))", "box.value.backward()"),
    ("by_step[step] = loss", "sum(by_step.values()).backward()"),
    ("losses.append(net(x))", "torch.cat(losses).mean().backward()"),
    ("best = loss if best is None else torch.max(best, loss)", "best.backward()"),
    ("store(losses, loss)", "sum(losses).backward()"),
)
# A state that is carried from one step to the next.
CARRIED = (
    ("out_, state = net.gru(x, state)", "state = state.detach()"),
    ("out_, state = net.lstm(x, state)", "state = tuple(part.detach() for part in state)"),
    ("state = torch.tanh(net(x) + (state if state is not None else 0))", "state = state.detach()"),
)


def _bars(text: str) -> list[str]:
    joined = text.replace("\n    ", "\0    ")
    return [form.replace("\0", "\n") for line in joined.split("\n") for form in line.split("|") if form]


class Author:
    """Writes one program."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.lines: list[str] = []
        self.known: dict[str, list[str]] = {}
        self.fresh = 0
        self.opaque: list[str] = []

    def write(self) -> str:
        """The program, as a script, a function, a function whose caller uses what it kept, or a class."""
        ending = self.body()
        body = indented(self.lines)
        self.lines = []
        self.after(ending)
        self.line("trace([p for p in net.parameters()])")
        self.line("trace([p.grad for p in net.parameters()])")
        style = self.dice.choice((script, script, function, returning, trainer))
        return PRELUDE + style(body, indented(self.lines))

    def body(self) -> str | None:
        """What is done with a batch; and how the backward after the loop is written, if there is one."""
        if self.dice.random() < 0.1:
            self.line("if step == 2:\n    continue")
        for _ in range(self.dice.randint(1, 4)):
            self.value()
        early = self.dice.random() < 0.4
        if early:
            self.keep()
        later = self.dice.random() < 0.35
        carried = self.dice.choice(CARRIED) if self.dice.random() < 0.2 else None
        if carried:
            self.line(carried[0])
            self.known.setdefault("tensor", []).append("out_" if "out_" in carried[0] else "state")
        loss = self.expression("scalar", 1)
        self.line(f"loss = {enclosed(loss)} + net(x).mean()")
        self.known.setdefault("scalar", []).append("loss")
        kept, ending = self.dice.choice(LATER)
        if later:
            self.line(kept)
        else:
            self.step()
        if carried:
            self.line(carried[1])
        for _ in range(self.dice.randint(1, 3)):
            self.keep()
        return ending if later else None

    def line(self, text: str) -> None:
        self.lines += text.split("\n")

    def step(self) -> None:
        if self.dice.random() < 0.2:
            self.line("carried = loss if carried is None else carried + loss")
            self.line(
                "if step % 2:\n    optimizer.zero_grad()\n    carried.backward()\n    optimizer.step()\n    carried = None"
            )
            return
        self.line("optimizer.zero_grad()")
        self.line("loss.backward()" if self.dice.random() < 0.8 else "loss.backward(retain_graph=True)")
        self.line("optimizer.step()")

    def after(self, ending: str | None) -> None:
        if ending is not None:
            self.line("optimizer.zero_grad()")
            self.line(ending)
            self.line("optimizer.step()")
        for _ in range(self.dice.randint(1, 3)):
            self.line(self.dice.choice(_bars(USES)))

    def value(self) -> None:
        kind = self.dice.choice(KINDS)
        self.fresh += 1
        name = f"{kind}{self.fresh}"
        if kind == "tuple" and self.dice.random() < 0.3:
            self.line(f"{name}, rest{self.fresh} = net.{self.dice.choice(('lstm', 'gru', 'pair'))}(x)")
            self.known.setdefault("tensor", []).append(name)
            self.known.setdefault("none", []).append(f"rest{self.fresh}")
            return
        text = self.expression(kind)
        self.line(f"{name} = {text}")
        if self.is_opaque(text):
            self.opaque.append(name)
        self.known.setdefault(kind, []).append(name)

    def is_opaque(self, expression: str) -> bool:
        """Whether a value comes from code out of sight: the tracker takes such for what the others are."""
        return "call(" in expression or any(re.search(rf"\b{name}\b", expression) for name in self.opaque)

    def keep(self) -> None:
        kind = self.dice.choice(KINDS)
        value = self.expression(kind, 2)
        forms = _bars(SINKS)
        if kind == "scalar":
            forms += _bars(SCALAR_SINKS) * 2
        if kind == "tensor":
            forms += _bars(TENSOR_SINKS)
        if self.is_opaque(value):
            forms = [form for form in forms if not any(own in form for own in OWN_FUNCTIONS)]
        text = self.dice.choice(forms).replace("<v>", enclosed(value))
        if self.dice.random() < 0.1:
            self.line("with torch.no_grad():\n    " + text)
            return
        if self.dice.random() < 0.2:
            condition = self.dice.choice(("step", "step % 2 == 0", "loss > 0", "top is None"))
            self.line(
                f"if {condition}:\n    {text}"
                if "loss" not in condition or "loss" in self.known.get("scalar", ())
                else text
            )
            return
        self.line(text)

    def expression(self, kind: str, depth: int = 0) -> str:
        known = self.known.get(kind, [])
        if known and self.dice.random() < 0.5:
            return self.dice.choice(known)
        forms = _bars(FORMS[kind])
        if depth >= 3:
            forms = [form for form in forms if "<" not in form] or forms
        text = self.dice.choice(forms)
        for inner in KINDS:
            while f"<{inner}>" in text:
                text = text.replace(f"<{inner}>", enclosed(self.expression(inner, depth + 1)), 1)
        return text


def indented(lines: list[str], depth: int = 1) -> str:
    return "".join("    " * depth + line + "\n" for line in lines)


def _block(text: str, depth: int) -> str:
    return indented(text.rstrip("\n").split("\n"), depth)


def script(body: str, after: str) -> str:
    return SETUP + "for step, x in enumerate(batches):\n" + body + textwrap.dedent(after)


def function(body: str, after: str) -> str:
    setup = _block(SETUP, 1)
    return f"def train():\n{setup}    for step, x in enumerate(batches):\n{_block(body, 1)}{after}\ntrain()\n"


def returning(body: str, after: str) -> str:
    names = ", ".join(SETUP_NAMES)
    loop = f"{_block(SETUP, 1)}    for step, x in enumerate(batches):\n{_block(body, 1)}    return {names}\n"
    return f"def train():\n{loop}\n{names} = train()\n{textwrap.dedent(after)}"


def trainer(body: str, after: str) -> str:
    """What the loop keeps are attributes; a batch is a method of its own."""
    own = re.compile(rf"(?<![\w.'\"])({'|'.join(SETUP_NAMES)})\b(?!['\"(]|=(?!=))")
    setup, step, end = (own.sub(r"self.\1", text) for text in (SETUP, body, after))
    return (
        f"class Trainer:\n    def __init__(self):\n{_block(setup, 2)}\n"
        f"    def step(self, step, x):\n{_block(step.replace('continue', 'return'), 1)}\n"
        f"    def fit(self):\n        for step, x in enumerate(batches):\n            self.step(step, x)\n"
        f"        self.finish()\n\n    def finish(self):\n{_block(end, 1)}\nTrainer().fit()\n"
    )


def enclosed(expression: str) -> str:
    """In parentheses, where a method called on it would get a part only."""
    simple = all(sign not in expression for sign in (" + ", " * ", " if ", "0.5"))
    return expression if simple else f"({expression})"


def by_chance(number: int) -> str:
    """The program of this number."""
    return Author(random.Random(number)).write()


class Trace:
    """What a program wrote down, and what ended it."""

    def __init__(self) -> None:
        self.lines: list[object] = []
        self.error: str | None = None

    def note(self, value: object) -> None:
        """Write a value down as plain numbers."""
        self.lines.append(plain(value))


def plain(value: object, depth: int = 0) -> object:
    """Numbers and structure of a value, without what graphs are like."""
    if isinstance(value, torch.Tensor):
        return [round(number, 4) for number in value.detach().double().flatten().tolist()]
    if isinstance(value, float):
        return round(value, 4)
    if hasattr(value, "tolist"):
        return plain(torch.as_tensor(value))
    if isinstance(value, dict):
        return [(str(key), plain(item, depth + 1)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if depth < 3 and hasattr(value, "__dict__"):
        return plain(vars(value), depth + 1) if type(value).__module__ == "program" else type(value).__name__
    return str(value)


def run(source: str) -> Trace:
    """Run a program; what it wrote down, and the exception that ended it."""
    trace = Trace()
    outside: Any = ModuleType("outside")
    outside.call = lambda function, *arguments: function(*arguments)
    outside.trace = trace.note
    program = ModuleType("program")
    sys.modules |= {"outside": outside, "program": program}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(source, "program.py", "exec"), vars(program))
    except Exception as error:
        trace.error = f"{type(error).__name__}: {error}".partition("\n")[0]
    finally:
        del sys.modules["outside"], sys.modules["program"]
    return trace
