"""Programs that nobody wrote: drawn at random, run under torch, and tracked.

A program is ordinary Python over a few matrices, numbers and modules: assignments, branches, loops, calls of its own
functions and methods, containers, grad modes, detaches, in-place writes. Wherever it says `ask(number, value)` the
recorder notes whether the value requires grad, and the models (of this test only) call it a sink, so that the
tracker says what it believes of the same value at the same line; `grab` is a sink of numpy's kind, that minds the
grad mode it is called in.
"""

from __future__ import annotations

import ast
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch

from detachlint.models import load
from detachlint.tracking import track

PRELUDE = """\
import copy, functools
import torch
import torch.nn as nn
import torch.nn.functional as F
from recorder import ask, flag, grab

x = torch.rand(4, 4)
w = torch.rand(4, 4, requires_grad=True)
p = nn.Parameter(torch.rand(4, 4))
labels = torch.tensor([0, 1, 2, 3])
net = nn.Linear(4, 4)
frozen = nn.Linear(4, 4).requires_grad_(False)
relu = nn.ReLU()
deep = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)).eval()
"""
MODELS = load().extended(
    [
        {
            "names": ["recorder.ask"],
            "sink": "saves",
            "arguments": [1],
            "result": "none",
            "note": "it is asked",
        },
        {
            "names": ["recorder.grab"],
            "sink": "numpy",
            "arguments": [1],
            "result": "none",
            "note": "it is asked",
        },
        {"names": ["recorder.flag"], "result": "plain"},
    ]
)
LINES_OF_A_BLOCK = 5
DEPTH = 3
RUNS = 4  # of a program with branches: each takes others

Pick = Callable[[int], int]

# An expression of a matrix: {m} and {n} are matrices, {s} is a number, {module} a module. What hands on its input
# only sometimes (a dropout, a conversion of the type, a copy of what is not contiguous) is left out: with grad mode off the answer depends on it.
MATRICES = """
{m}|{m}|{m} + {n}|{m} * {n}|{m} @ {n}|{m} - {s}|-{m}|abs({m})|{m} ** 2|2 * {m}|{m} / 3|{m} % 2|{m} // 2
{m}.t()|{m}.view(4, 4)|{m}[:]|{m}.cpu()|{m}.float()|{m}.to("cpu")|{m}.T
{m}.flip(0)|{m}.clone()|{m}.relu()|torch.sigmoid({m})|F.relu({m})|{m}.softmax(1)
{m}.round()|{m}.sign()|{m}.floor()|{m}.clamp(0, 1)|{m}.masked_fill({n} > 0, 0.0)|{m}.unsqueeze(0)[0]
torch.where({m} > 0, {m}, {n})|torch.where({m} > 0, 1.0, 0.0)|torch.cat([{m}, {n}])[:4]|torch.stack([{m}, {n}]).mean(0)
{m}.detach()|{m}.data|{m}.detach().clone()|({m} > 0).float()|{m}.long().float()|{m}.isnan().float()
torch.zeros_like({m})|torch.ones_like({m}) * {n}|{m}.new_zeros(4, 4)|torch.rand(4, 4)|torch.tensor({m}.tolist())
{m}.sort(1)[0]|{m}.sort(1)[1].float()|{m}.argmax(1).float().expand(4, 4)|torch.max({m}, {n})|{m}.cumsum(0)
{module}({m})|{module}({m})|{module}({m}).detach()|nn.Parameter({m})|{m}.detach().requires_grad_()|{m}.expand(4, 4)
torch.as_tensor({m})|torch.einsum("ij,jk->ik", {m}, {n})|F.linear({m}, {n})|{m}.mul({n})|torch.outer({m}[0], {n}[1])
{m}.squeeze().view_as({n})|torch.zeros(4, 4) + {s}|{m}.type_as({n})|F.layer_norm({m}, (4,))|{m}.to(torch.float32)
"""
NUMBERS = """
{m}.sum()|{m}.mean()|{m}.norm()|F.mse_loss({m}, {n})|F.cross_entropy({m}, labels)|{m}.max()|{m}.min()|{m}[0, 0]
{s} * 2|{s} + {s}|{s}.detach()|{s}.clone()|torch.tensor({s}.item())|({m} > 0).sum()|{m}.std()|torch.dist({m}, {n})
torch.zeros(())|sum([{s}, {s}])|torch.stack([{s}, {s}]).mean()|{m}.max(1)[0].sum()|{m}.argmax()
(({m} - {n}) ** 2).mean()|-{s}|{s}.exp()|float({s}) * {m}.detach().sum()|torch.logsumexp({m}, (0, 1))
"""
MODULES = "net frozen relu deep".split()
MATRIX_FORMS = [form for line in MATRICES.split("\n") for form in line.split("|") if form]
NUMBER_FORMS = [form for line in NUMBERS.split("\n") for form in line.split("|") if form]
MODES = (
    "torch.no_grad()",
    "torch.no_grad()",
    "torch.enable_grad()",
    "torch.set_grad_enabled(False)",
    "torch.set_grad_enabled(True)",
    'torch.autocast("cpu", enabled=False)',
)
CALLS = ("{f}", "{f}", "{f}", "torch.no_grad()({f})", "torch.enable_grad()({f})", "functools.partial({f})")
# In place: the receiver is a buffer of its own, so that no leaf is written.
WRITES = (
    "{b} += {m}",
    "{b}.add_({m})",
    "{b}.copy_({m})",
    "{b}[0] = {m}[0]",
    "{b}.mul_({m})",
    "{b}.data.copy_({m})",
    "{b}[:, 1] = {s}",
    "{b}.zero_()",
    "{b}.lerp_({m}, 0.5)",
)
HOLDER = """\
class Holder:
    count = 0

    def __init__(self, value):
        self.value = value
        self.rows = [value]

    def put(self, value):
        self.value = value
        return self

    def add(self, value):
        self.rows.append(value)

    def get(self):
        return self.value

    def last(self):
        return self.rows[-1]

    @torch.no_grad()
    def quiet(self, value):
        self.value = value * 2
        return value

    def clean(self):
        self.value = self.value.detach()

    @property
    def doubled(self):
        return self.value * 2

    def __call__(self, value):
        return self.value + value
"""


@dataclass
class Names:
    """What a scope can name."""

    matrices: list[str] = field(default_factory=lambda: ["x", "w", "p"])
    numbers: list[str] = field(default_factory=list)
    buffers: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    dicts: list[str] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)

    def copy(self) -> Names:
        return Names(**{name: list(names) for name, names in vars(self).items()})


class Author:
    """Writes a program, line by line, from picks of a choice."""

    def __init__(self, pick: Pick, straight: bool) -> None:
        self.pick, self.straight = pick, straight
        self.lines = PRELUDE.split("\n") + HOLDER.split("\n")
        self.indent = 0
        self.fresh = 0
        self.inside_function = False
        self.in_loop = False

    def text(self) -> str:
        names = Names()
        for _ in range(self.pick(3)):
            self.function(names)
        self.block(names, 4 + self.pick(8))
        for function in names.functions:  # what nobody calls may be called by anybody
            self.line(f"ask({len(self.lines) + 1}, {function}(x))")
        return "\n".join(self.lines) + "\n"

    # --- words ---

    def one(self, options: list[str] | tuple[str, ...]) -> str:
        return options[self.pick(len(options))]

    def new(self, letter: str) -> str:
        self.fresh += 1
        return f"{letter}{self.fresh}"

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def matrix(self, names: Names, depth: int = 0) -> str:
        if depth >= DEPTH or self.pick(3) == 0:
            return self.held(names)
        if names.functions and self.pick(6) == 0:
            form = self.one(CALLS).replace("{f}", self.one(names.functions))
            return f"{form}({self.matrix(names, depth + 1)}, {self.held(names)})"
        return self.filled(self.one(MATRIX_FORMS), names, depth)

    def held(self, names: Names) -> str:
        """A matrix that exists already, by name or out of a container."""
        kind = self.pick(8)
        if kind == 0 and names.lists:
            return f"{self.one(names.lists)}[{self.one(('0', '-1'))}]"
        if kind == 1 and names.dicts:
            return f'{self.one(names.dicts)}["a"]'
        if kind == 2 and names.holders:
            ways = (
                "{h}.value",
                "{h}.get()",
                "{h}.doubled",
                "{h}(x)",
                *(() if self.straight else ("{h}.last()",)),
            )
            return self.one(ways).replace("{h}", self.one(names.holders))
        if kind == 3 and names.buffers:
            return f"({self.one(names.buffers)} * 1)"  # no second name: that a write shows there, too, is not followed
        return self.one(names.matrices)

    def number(self, names: Names, depth: int = 0) -> str:
        if names.numbers and (depth >= DEPTH or self.pick(3) == 0):
            return self.one(names.numbers)
        if depth >= DEPTH:
            return f"{self.held(names)}.sum()"
        return self.filled(self.one(NUMBER_FORMS), names, depth)

    def filled(self, form: str, names: Names, depth: int) -> str:
        found = form
        while "{" in found:
            before, _, rest = found.partition("{")
            hole, _, after = rest.partition("}")
            found = before + self.hole(hole, names, depth) + after
        return found

    def hole(self, hole: str, names: Names, depth: int) -> str:
        if hole == "module":
            return self.one(MODULES)
        if hole == "b":
            return self.one(names.buffers)
        if hole == "s":
            return f"({self.number(names, depth + 1)})"
        return f"({self.matrix(names, depth + 1)})" if self.pick(2) else self.held(names)

    # --- statements ---

    def block(self, names: Names, length: int) -> None:
        for _ in range(length):
            self.statement(names)
        self.ask(names)

    def statement(self, names: Names) -> None:
        kinds: list[Callable[[Names], None]] = [
            *(self.assign, self.assign, self.assign, self.measure, self.ask, self.ask),
            *(self.containers, self.containers, self.unpack, self.write, self.holder),
        ]
        if self.indent < DEPTH:
            kinds += [self.mode, self.mode]
            if not self.straight:
                kinds += [self.branch, self.branch, self.loop, self.attempt, self.comprehension]
        kinds[self.pick(len(kinds))](names)

    def assign(self, names: Names) -> None:
        name = self.one(names.matrices[3:]) if len(names.matrices) > 3 and self.pick(2) else self.new("m")
        expression = self.matrix(names)
        if not self.straight and self.pick(6) == 0:
            expression = f"{self.held(names)} if flag() else {self.matrix(names, 1)}"
        self.line(f"{name} = {expression}")
        if name not in names.matrices:
            names.matrices.append(name)

    def measure(self, names: Names) -> None:
        name = self.new("s")
        self.line(f"{name} = {self.number(names)}")
        names.numbers.append(name)

    def ask(self, names: Names) -> None:
        what = self.number(names) if self.pick(3) == 0 else self.matrix(names, 1)
        if names.buffers and self.pick(4) == 0:
            what = self.one(names.buffers)
        self.line(f"{self.one(('ask', 'ask', 'ask', 'grab'))}({len(self.lines) + 1}, {what})")

    def containers(self, names: Names) -> None:
        kind = self.pick(6)
        if kind == 0 or not (names.lists or names.dicts):
            name = self.new("l")
            self.line(f"{name} = [{self.matrix(names, 1)}, {self.matrix(names, 1)}]")
            names.lists.append(name)
        elif kind == 1:
            name = self.new("d")
            self.line(f'{name} = {{"a": {self.matrix(names, 1)}, "b": {self.matrix(names, 1)}}}')
            names.dicts.append(name)
        elif kind == 2 and names.dicts:
            self.line(f'{self.one(names.dicts)}["{self.one(("a", "c"))}"] = {self.matrix(names, 1)}')
        elif kind == 3 and names.dicts:
            self.line(f"{self.one(names.dicts)}.update({self.one(('a', 'b'))}={self.matrix(names, 1)})")
        elif names.lists:
            # Where a list grows its items have no known positions any more: there the tracker says "one of them".
            grows = ("{l}.append({m})", "{l}.insert(0, {m})", "{l} += [{m}]", "{l}.extend([{m}, {m}])")
            form = self.one(("{l}[0] = {m}", "{l}[1] = {m}", *(() if self.straight else grows)))
            self.line(form.replace("{l}", self.one(names.lists)).replace("{m}", self.matrix(names, 1)))

    def unpack(self, names: Names) -> None:
        one, two = self.new("m"), self.new("m")
        form = self.one(
            (
                "{a}, {b} = {m}, {n}",
                "{a}, {b} = [{m}, {n}]",
                "{a}, ({b}, _) = {m}, ({n}, 0)",
                "{a} = {b} = {m}",
                "({a} := {m})\n{b} = {n}",
                "{a}, {b} = torch.sort({m}, 1)\n{b} = {b}.float()",
                *(() if self.straight else ("{a}, *{b}_rest = {m}, {n}\n{b} = {b}_rest[0]",)),
                "{a}, {b} = ({m}).split(2)\n{a}, {b} = torch.cat([{a}, {a}]), torch.cat([{b}, {b}])",
            )
        )
        text = (
            form.replace("{a}", one)
            .replace("{b}", two)
            .replace("{m}", self.matrix(names, 1))
            .replace("{n}", self.matrix(names, 1))
        )
        for part in text.split("\n"):
            self.line(part)
        names.matrices += [one, two]

    def write(self, names: Names) -> None:
        if not names.buffers or self.pick(3) == 0:
            name = self.new("b")
            self.line(f"{name} = torch.zeros(4, 4)")
            names.buffers.append(name)
        else:
            self.line(self.filled(self.one(WRITES), names, 1))

    def holder(self, names: Names) -> None:
        if not names.holders or self.pick(4) == 0:
            name = self.new("h")
            self.line(f"{name} = Holder({self.matrix(names, 1)})")
            names.holders.append(name)
            return
        form = self.one(
            (
                *("{h}.put({m})", "{h}.value = {m}", "{h}.clean()", "{h}.quiet({m})", "{h}.put({m}).clean()"),
                *(() if self.straight else ("{h}.add({m})",)),
            )
        )
        self.line(form.replace("{h}", self.one(names.holders)).replace("{m}", self.matrix(names, 1)))

    def mode(self, names: Names) -> None:
        if self.pick(8) == 0:
            self.line("torch.no_grad()")
            return
        with self.indented(f"with {self.one(MODES)}:"):
            self.block(names, 1 + self.pick(LINES_OF_A_BLOCK))

    def comprehension(self, names: Names) -> None:
        if not names.lists:
            return
        name = self.new("l")
        inner = names.copy()
        inner.matrices.append("item")
        self.line(f"{name} = [{self.matrix(inner, 1)} for item in {self.one(names.lists)}]")
        names.lists.append(name)

    def function(self, names: Names) -> None:
        name = self.new("f")
        inner = Names(functions=list(names.functions))
        inner.matrices += ["a", "b"]
        if self.pick(4) == 0:
            self.line(
                self.one(
                    (
                        "@torch.no_grad()",
                        "@torch.no_grad",
                        "@torch.enable_grad()",
                        "@torch.set_grad_enabled(False)",
                    )
                )
            )
        with self.indented(f"def {name}(a, b=x):"):
            for _ in range(1 + self.pick(3)):
                self.statement(inner)
            self.line(f"return {self.matrix(inner, 1)}")
        names.functions.append(name)

    def branch(self, names: Names) -> None:
        with self.indented("if flag():"):
            self.block(names.copy(), 1 + self.pick(3))
        if self.pick(2):
            with self.indented("else:"):
                self.block(names.copy(), 1 + self.pick(3))

    def loop(self, names: Names) -> None:
        inner = names.copy()
        header = f"for {self.new('i')} in range({1 + self.pick(3)}):"
        if names.lists and self.pick(2):
            inner.matrices.append("item")
            header = f"for item in list({self.one(names.lists)})[:3]:"  # it may grow inside
        with self.indented(header):
            self.block(inner, 1 + self.pick(3))
            if self.pick(4) == 0:
                self.line(f"if flag(): {self.one(('break', 'continue'))}")
                self.assign(inner)

    def attempt(self, names: Names) -> None:
        fails = self.pick(3) > 0
        with self.indented("try:"):
            self.block(names.copy(), 1 + self.pick(2))
            if fails:
                self.line("if flag(): raise ValueError")
            self.assign(names.copy())
        with self.indented("except ValueError:" if fails else "finally:"):
            self.assign(names.copy())

    @contextmanager
    def indented(self, header: str) -> Iterator[None]:
        self.line(header)
        self.indent += 1
        yield
        self.indent -= 1


# --- what torch says ---


class Recorder(ModuleType):
    """The module `recorder` of a run: what each line was asked with."""

    def __init__(self, seed: int) -> None:
        super().__init__("recorder")
        self.seen: dict[int, set[bool]] = {}
        chance = random.Random(seed)
        self.flag = lambda: chance.random() < 0.5

    def ask(self, line: int, value: torch.Tensor) -> None:
        self.seen.setdefault(line, set()).add(value.requires_grad)

    def grab(self, line: int, value: torch.Tensor) -> None:
        self.seen.setdefault(line, set()).add(value.requires_grad and torch.is_grad_enabled())


def run(source: str, runs: int) -> dict[int, set[bool]] | None:
    """Line -> what torch said there; None if the program fails."""
    seen: dict[int, set[bool]] = {}
    code = compile(source, "program.py", "exec")
    for seed in range(runs):
        recorder = Recorder(seed)
        before = sys.modules.get("recorder")
        sys.modules["recorder"] = recorder
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, {"__name__": "program"})
        except (RuntimeError, ValueError, IndexError, NameError, TypeError):
            return None
        finally:
            torch.set_grad_enabled(True)
            sys.modules.pop("recorder")
            if before is not None:
                sys.modules["recorder"] = before
        for line, answers in recorder.seen.items():
            seen.setdefault(line, set()).update(answers)
    return seen


# --- what the tracker says ---


def told(source: str) -> set[int]:
    """The lines at which the tracker believes that the asked value may require grad."""
    events = track("program.py", source, ast.parse(source), MODELS)
    return {event.node.lineno for event in events if event.callee.startswith("recorder.")}


def disagreements(source: str, seen: dict[int, set[bool]], straight: bool) -> list[str]:
    """Where torch's answers and the tracker's differ."""
    believed = told(source)
    lines = source.split("\n")
    found = []
    for line, answers in sorted(seen.items()):
        if True in answers and line not in believed:
            found.append(f"{line}: torch tracks, the tracker does not: {lines[line - 1].strip()}")
        if straight and True not in answers and line in believed:
            found.append(f"{line}: torch does not track, the tracker does: {lines[line - 1].strip()}")
    return found


def write(pick: Pick, straight: bool) -> str:
    return Author(pick, straight).text()


def by_chance(seed: int, straight: bool) -> str:
    """The program of a number, without Hypothesis: the quick way to very many."""
    chance: Any = random.Random(seed)
    return write(chance.randrange, straight)
