"""Generated training programs compute after their fixes, safe and unsafe ones, what they computed before.

The rules about what is wrong at run time or in memory promise this of every fix; those that repair gradients
(DTL5) change the weights on purpose and are tested by their cases. `DETACHLINT_PROGRAMS=20000` tries as many,
`DETACHLINT_FIRST=50000` is the number of the first.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
import training_programs

from detachlint import rulebook
from detachlint.config import Settings
from detachlint.linter import Linter
from detachlint.sources import Source

PROGRAMS = int(os.environ.get("DETACHLINT_PROGRAMS", "80"))
FIRST = int(os.environ.get("DETACHLINT_FIRST", "0"))


def linter() -> Linter:
    book = rulebook.load()
    kept = book.only({rule.code for rule in book.rules if rule.code < "DTL5"})
    return Linter(Settings(Path("/nowhere"), preview=True, fix=True, unsafe_fixes=True), kept, kept)


def broken(before: str, after: str) -> str | None:
    """What a fix broke: a program that ran to its end does so with the same numbers, others fail as they did."""
    first, second = training_programs.run(before), training_programs.run(after)
    if first.error is None:
        if second.error is not None:
            return second.error
        return None if first.lines == second.lines else "other numbers"
    # A refused tensor lets the program go on, to the next line that fails.
    return second.error if "'detach'" in (second.error or "") and "'detach'" not in first.error else None


def test_fixed_programs_compute_the_same(record_property: Callable[[str, object], None]) -> None:
    torch.set_num_threads(1)
    repair = linter()
    ran = fixed = fixes = 0
    for number in range(FIRST, FIRST + PROGRAMS):
        source = training_programs.by_chance(number)
        ran += training_programs.run(source).error is None
        outcome = repair.outcome_of(Source("program.py", source))
        assert outcome.error is None, f"program {number}: {outcome.error}"
        if outcome.fixed is None:
            continue
        fixed, fixes = fixed + 1, fixes + outcome.fixes
        change = difflib.unified_diff(source.split("\n"), outcome.fixed.split("\n"), lineterm="", n=0)
        assert broken(source, outcome.fixed) is None, f"program {number}\n" + "\n".join(change)
    record_property(
        "figure", f"{fixes} fixes in {fixed} of {PROGRAMS} generated training programs: all compute the same"
    )
    assert ran > 0.7 * PROGRAMS
    assert fixed > 0.15 * PROGRAMS


LOOP = "for x in batches:\n    {kept}\n    net(x).sum().backward()\ntrace({then})\n"


@pytest.mark.parametrize(
    ("kept", "wrong", "then", "shows"),
    [
        ("kept.append(net.table(x))", "kept.append(net.table(x).detach())", "len(kept)", "no attribute 'detach'"),
        ("kept.append(net(x).sum())", "kept.append(net(x).sum() * 2)", "kept", "other numbers"),
        ("kept.append(net(x).sum())", "kept.append(net(x).sum().detach())", "sum(kept).backward()", "does not require grad"),
        ("kept.append(net(x).sum())", "kept.append(net(x).sum().detach())", "kept", None),
    ],
)  # fmt: skip
def test_the_comparison_sees_a_broken_program(kept: str, wrong: str, then: str, shows: str | None) -> None:
    programs = [
        training_programs.PRELUDE + training_programs.SETUP + LOOP.format(kept=line, then=then)
        for line in (kept, wrong)
    ]
    found = broken(*programs)
    assert (found is None) if shows is None else (shows in (found or ""))
