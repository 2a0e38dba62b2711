"""Programs that nobody wrote: real files detached anywhere, real files broken, and training loops made up."""

from __future__ import annotations

import random
import time

import pytest
from fuzzing import (
    Tally,
    corpus,
    demand_contract,
    detach_anywhere,
    linter,
    mutations,
    readable,
    some,
    times,
    without_inserted,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detachlint import parallel, sources
from detachlint.edits import parsed
from detachlint.sources import Screened, Source, SourceError

MOST_SECONDS = 10


# --- real files -----------------------------------------------------------------------------------


def test_expressions_of_real_files_are_detached_anywhere():
    dice = random.Random(1)
    done = refused = 0
    for source in readable(times(30, 10_000)):
        if len(source.text) > times(30_000, 400_000):
            continue
        try:
            more, less = detach_anywhere(source.text, dice, times(25, 60))
        except AssertionError as error:
            raise AssertionError(source.filename) from error
        done, refused = done + more, refused + less
    print(f"{done} expressions detached, {refused} refused")
    assert done > 100


def test_the_fixes_of_real_files_keep_the_contract():
    """Files that mention torch first: in others nothing can be found."""
    tally = Tally()
    slowest = 0.0
    for source in readable(times(20, 10_000), worth=True):
        began = time.process_time()
        outcome = linter().outcome_of(source)
        slowest = max(slowest, time.process_time() - began)
        demand_contract(source, outcome)
        tally.add(outcome)
    print(f"{tally}, the slowest {slowest:.1f} s")
    assert tally.files


def test_one_job_and_two_find_the_same():
    files = [source.filename for source in readable(times(8, 600), worth=True)]
    screened = Screened(tuple(files), 10_000_000, ())
    alone, together = (list(parallel.run(linter().outcome, screened, jobs)) for jobs in (1, 2))
    for one, two in zip(alone, together, strict=True):
        assert (one.filename, one.findings, one.fixed, one.error) == (
            two.filename,
            two.findings,
            two.fixed,
            two.error,
        )


def test_real_files_that_are_no_source_are_one_line():
    """Test suites hold what no parser takes: bad encodings, old syntax, unfinished strings."""
    met = 0
    for path in [path for path in corpus() if "bad" in path.name or "lib2to3" in str(path)][: times(40, 400)]:
        outcome = linter().outcome(str(path))
        met += outcome.error is not None
        assert "\n" not in (outcome.error or "")
        assert "internal error" not in (outcome.error or "")
    assert met or not corpus()


# --- broken files ---------------------------------------------------------------------------------


def test_broken_files_end_soon_and_in_no_traceback():
    dice = random.Random(2)
    files = [
        source
        for source in readable(times(60, 2_000), worth=True)
        if len(source.text) < times(15_000, 60_000)
    ]
    parsing = 0
    for source in some(files, times(60, 5_000), dice):
        for data in mutations(source.encode(source.text), dice):
            began = time.process_time()
            try:
                broken = sources.decode("x.py", data)
            except SourceError as error:
                assert "\n" not in str(error)
                continue
            outcome = linter().outcome_of(broken)
            assert time.process_time() - began < MOST_SECONDS, source.filename
            parsing += outcome.error is None
            demand_contract(broken, outcome)
            assert outcome.error is None or outcome.error.startswith("x.py:")
    assert parsing or not files


# --- training loops -------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["loss", "out", "x", "y", "h", "total", "losses", "self.h", "hist['a']", "kept", "model", "opt"]
)
ATOMS = NAMES | st.sampled_from(
    [
        "model(x)",
        "crit(out, y)",
        "w",
        "0",
        "1.5",
        "None",
        "[]",
        "{}",
        "torch.zeros(3)",
        "self.net(h)",
        "'a'",
        "lambda v: v * w",
    ]
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions of which tensors are made in training loops."""
    forms = [
        "({a} + {b})", "({a} * 0.9 + {b})", "-{a}", "({a} if c else {b})", "{a}.mean()", "{a}.detach()", "({a}).item()",
        "({a}).cpu().numpy()", "({a})[0]", "({a})[{b}]", "torch.stack([{a}, {b}])", "float({a})", "[{a}, {b}]", "({a}, {b})",
        "{{'loss': {a}, 'b': {b}}}", "[{a} for v in {b}]", "f'{{{a}:.3f}}'", "(v := {a})", "sum({a})", "f({a}, *{b})", "f(**{{'a': {a}}})",
        "max({a}, key=lambda v: {b})", "({a} or {b})", "({a}, *{b})", "copy.deepcopy({a})", "({a}) @ {b}", "({a} < {b})",
        "np.asarray({a})", "({a}\n        + {b})", "({a}  # one\n        )", "({a})\\\n        .sum()",
    ]  # fmt: skip
    return st.builds(lambda form, a, b: form.format(a=a, b=b), st.sampled_from(forms), inner, inner)


EXPRESSIONS = st.recursive(ATOMS, larger, max_leaves=5)
SIMPLE = st.builds(
    lambda form, name, a, b: form.format(n=name, a=a, b=b),
    st.sampled_from(
        [
            "{n} = {a}", "{n} += {a}", "total = total + {a}", "losses.append({a})", "kept.extend([{a}, {b}])", "hist['a'] = {a}",
            "hist.setdefault('k', []).append({a})", "loss.backward()", "({a}).backward()", "loss.backward(retain_graph=True)",
            "opt.step(); opt.zero_grad()", "print({a})", "writer.add_scalar('l', {a}, 1)", "self.h = {a}", "return {a}", "yield {a}",
            "x, *h = {a}, {b}", "x: float = {a}", "del {n}", "assert {a}, {b}", "raise E({a})", "break", "continue", "global total",
            "buf.copy_({a})", "{n}[{a}] = {b}", "plt.plot({a}, {b})", "logging.info('%s', {a})", "pass", "self.cache[{a}] = {b}",
            "torch.save({a}, p)", "q.put({a})", "model.load_state_dict({a})", "{n} = x = {a}", "{a}", "await {a}", "from m import *",
        ]
    ),
    NAMES, EXPRESSIONS, EXPRESSIONS,
)  # fmt: skip
HEADERS = [
    "for x, y in loader:", "for i in range(3):", "while c:", "if {a}:", "with torch.no_grad():", "with torch.set_grad_enabled({a}):",
    "try:", "def step(x, h={a}):", "class Net(nn.Module):", "async def f(x):", "for x in {a}:", "with {a} as h, {a}:", "def forward(self, x):",
    "@torch.no_grad()\ndef g(x=None, *a, **k):", "match {a}:",
]  # fmt: skip


def indented(lines: str) -> str:
    return "".join(f"    {line}\n" for line in lines.rstrip("\n").split("\n"))


@st.composite
def blocks(draw, depth: int = 3) -> str:
    """Statements, some of them with statements in them."""
    text = ""
    for _ in range(draw(st.integers(1, 4))):
        if depth == 0 or draw(st.booleans()):
            text += (
                draw(SIMPLE)
                + draw(st.sampled_from(["", "", "  # note", "  # noqa: DTL101", "  # detachlint: ignore"]))
                + "\n"
            )
            continue
        header = draw(st.sampled_from(HEADERS)).format(a=draw(EXPRESSIONS))
        body = indented(draw(blocks(depth - 1)))
        if header.startswith("match"):
            body = "    case [h, *_] | {'a': h}:\n" + indented(body) + "    case _:\n        pass\n"
        text += f"{header}\n{body}"
        if header == "try:":
            text += draw(
                st.sampled_from(
                    ["finally:\n    pass\n", "except E as h:\n    x = h\nelse:\n    total += x\n"]
                )
            )
        elif header.startswith(("if", "for x,", "while")) and draw(st.booleans()):
            text += "else:\n" + indented(draw(blocks(0)))
    return text


@st.composite
def programs(draw) -> str:
    """A file of a training loop or several, as the tracker meets them."""
    head = "import torch, copy\nimport numpy as np\nfrom torch import nn\nmodel = nn.Linear(3, 1)\nw = nn.Parameter(torch.ones(3))\n"
    return (head + draw(blocks())).replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])))


@settings(max_examples=times(80, 20_000), deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
def test_any_training_loop_is_linted_and_fixed_within_the_contract(text):
    source = Source("x.py", text)
    began = time.process_time()
    outcome = linter().outcome_of(source)
    assert time.process_time() - began < MOST_SECONDS
    assert outcome.error is None or "cannot be parsed" in outcome.error or "bound" in outcome.error
    assert (outcome.error is None) == (parsed(text) is not None)
    demand_contract(source, outcome)


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        ("f(a)", "f(a.detach())", True),
        ("f(-a)", "f((-a).detach())", True),
        ("f(a)  # x", "f(a.detach())  # y", False),
        ("f(a)", "f(a).item()", False),
        ("f( a )", "f(a.detach())", False),
        ("f(a)\n", "f(a.detach())", False),
        ("a.det()", "a.detach().det()", True),
        ("a.detach()", "a.detach().detach()", True),
        ("a.det()", "a.detach().dot()", False),
    ],
)
def test_the_measure_of_texts(old, new, holds):
    assert without_inserted(old, new) == holds
