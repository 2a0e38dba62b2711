"""Torch and the tracker are asked the same of generated programs.

On a straight path the tracker must say exactly what torch says of every asked value. Where a program branches, the
tracker speaks of all paths at once: whatever torch shows on one of them it must have said; it may say more. The
profile `normal` tries a few hundred programs, always the same ones; `nightly` thousands of new ones:

    DETACHLINT_PROFILE=nightly python -m pytest -n 0 tests/tracking/test_differential.py
    DETACHLINT_PROGRAMS=20000 ...      # how many, in either profile
    DETACHLINT_FIRST=50000 ...         # the number of the first of those that are written by number
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import generated
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from programs import cases, check

NIGHTLY = os.environ.get("DETACHLINT_PROFILE", "normal") == "nightly"
PROGRAMS = int(os.environ.get("DETACHLINT_PROGRAMS", "5000" if NIGHTLY else "120"))
FIRST = int(os.environ.get("DETACHLINT_FIRST", "0"))
PROFILE = settings(
    max_examples=PROGRAMS,
    deadline=None,
    derandomize=not NIGHTLY,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@st.composite
def programs(draw: st.DrawFn, straight: bool) -> str:
    return generated.write(lambda options: draw(st.integers(0, options - 1)), straight)


def compare(source: str, straight: bool) -> None:
    torch.set_num_threads(1)
    seen = generated.run(source, 1 if straight else generated.RUNS)
    assume(seen is not None)
    assert generated.disagreements(source, seen or {}, straight) == [], "\n" + source


@PROFILE
@given(programs(straight=True))
def test_on_a_straight_path_the_tracker_says_what_torch_says(source: str) -> None:
    compare(source, straight=True)


@PROFILE
@given(programs(straight=False))
def test_with_branches_the_tracker_says_all_that_torch_shows(source: str) -> None:
    compare(source, straight=False)


@pytest.mark.parametrize("straight", [True, False])
def test_programs_by_number(straight: bool, record_property: Callable[[str, object], None]) -> None:
    """The same author, without Hypothesis between: the numbers of a run can be told."""
    compared = asked = 0
    for number in range(FIRST, FIRST + PROGRAMS):
        source = generated.by_chance(number, straight)
        seen = generated.run(source, 1 if straight else generated.RUNS)
        if seen is None:
            continue
        found = generated.disagreements(source, seen, straight)
        assert found == [], f"program {number}\n" + source
        compared += 1
        asked += len(seen)
    kind = "straight" if straight else "branching"
    record_property("figure", f"{compared} {kind} programs compared with torch at {asked} lines")
    assert compared > PROGRAMS * 0.7
    assert asked > compared * 3


def test_the_comparison_sees_a_wrong_answer() -> None:
    """A belief turned round, each way, must show."""
    source = generated.PRELUDE + "ask(15, w)\nask(16, x)\n"
    assert generated.run(source, 1) == {15: {True}, 16: {False}}
    assert generated.disagreements(source, {15: {True}, 16: {False}}, straight=True) == []
    assert len(generated.disagreements(source, {15: {False}, 16: {True}}, straight=True)) == 2
    assert len(generated.disagreements(source, {15: {False}, 16: {True}}, straight=False)) == 1


# What the comparison found.
FOUND = cases("""
=== the type of another tensor is taken, not its graph
y = x.type_as(net(x))
y.numpy()
=== the shape of another tensor is taken, not its graph
y = x.view_as(net(x)).expand_as(net(x))
y.numpy()
=== a tensor of which nothing is known, in the type of one that tracks
def f(a):
    return a.type_as(net(x)).numpy()
=== a detached tensor starts to require grad, the first one does not
y = torch.zeros(2, 4)
z = y.detach().requires_grad_()
y.numpy()
z.numpy()  #! numpy
=== a clone is written, the first one is not
y = torch.zeros(2, 4)
z = y.clone().add_(net(x))
y.numpy()
z.numpy()  #! numpy
=== a view is written, and with it the tensor
y = torch.zeros(2, 4)
y.view(8)[0] = net(x).sum()
y.numpy()  #! numpy
=== an augmented assignment is in place, also where grad mode is off
y = net(x)
with torch.no_grad():
    y += x
y.numpy()  #! numpy
=== an augmented assignment of a number is none
total = 0
with torch.no_grad():
    total += net(x)
total.numpy()
=== a list whose items moved
rows = [x, x]
rows.insert(0, net(x))
rows[0].numpy()  #! numpy
=== a list whose items moved in a branch
def f(flag):
    rows = [x, x]
    if flag:
        rows.insert(0, net(x))
    rows[0].numpy()  #! numpy
=== the last of a list that may have grown
def f(flag):
    rows = [x, net(x)]
    if flag:
        rows += [x]
    rows[-1].numpy()  #! numpy
=== a first item that is replaced in a branch
def f(flag):
    rows = [net(a) for a in x]
    if flag:
        rows[0] = x
    rows[0].numpy()  #! numpy
=== a comprehension has names of its own
y = net(x)
z = [y for y in [x, x]]
y.numpy()  #! numpy
=== a view of itself in a loop, with grad mode off
y = net(x)
with torch.no_grad():
    for _ in range(3):
        y = y.flatten()
y.numpy()  #! numpy
=== a second name of a buffer that is written | two names of one tensor are not known to be one
buffer = torch.zeros(2, 4)
same = buffer
buffer[0] = net(x)[0]
same.numpy()  #! numpy
""")


@pytest.mark.parametrize("body", FOUND)
def test_found(body: str) -> None:
    check(body)
