"""Torch's own word: every bad case shows its harm, no fixed one and no good one does, and values stay.

harm.py says what a harm is and how it is seen. A case whose libraries are missing is skipped.
"""

from __future__ import annotations

import re

import harm
import pytest
from case_files import Case, cases

from detachlint.fixes import apply_edits

ALL = cases()
BAD = pytest.mark.parametrize("case", [c for c in ALL if c.bad], ids=lambda case: case.name)
GOOD = pytest.mark.parametrize("case", [c for c in ALL if not c.bad], ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _libraries(case: Case) -> None:
    for name in re.findall(r"^(?:import|from) (\w+)", case.file.source, flags=re.MULTILINE):
        pytest.importorskip(name)


@BAD
def test_a_bad_case_shows_its_harm(case: Case) -> None:
    seen, words = harm.shows(case.harm, case.harm_text, case.file.source, case.function)
    expected = case.harm != "none"
    assert seen is expected, words
    if case.harm not in {"raises", "lost"}:
        assert harm.run(case.file.source, case.function).error is None


@GOOD
def test_a_good_case_shows_none(case: Case) -> None:
    seen, words = harm.shows(case.harm, case.harm_text, case.file.source, case.function)
    assert not seen, words
    observed = harm.run(case.file.source, case.function)
    assert observed.error is None
    assert not observed.lost


@BAD
def test_the_fix_ends_the_harm_and_keeps_the_values(case: Case) -> None:
    fixed = _fixed(case)
    seen, words = harm.shows(case.harm, case.harm_text, fixed, case.function)
    assert not seen, words
    after = harm.run(fixed, case.function)
    assert after.error is None
    assert not after.lost
    if case.harm not in {"raises", "lost", "gradient"}:
        before = harm.run(case.file.source, case.function)
        assert harm.quiet(before.value) == harm.quiet(after.value)


@pytest.mark.parametrize("case", [c for c in ALL if c.bad and len(c.marks) > 1], ids=lambda case: case.name)
def test_every_reported_line_is_harmful_alone(case: Case) -> None:
    findings = case.file.lint()
    for row in sorted(case.marks):
        others = [f.fix for f in findings if f.fix and f.location.row != row]
        source = apply_edits(case.file.source, [edit for fix in others for edit in fix.edits])
        seen, words = harm.shows(case.harm, case.harm_text, source, case.function)
        assert seen, f"line {row} does no harm once the others are mended: {words}"


def _fixed(case: Case) -> str:
    """The repaired file; skips a case that can't be mended by detaching, which the linter must say."""
    outcome = case.file.repaired()
    for finding in outcome.findings:
        if finding.unfixable and finding.location.row in case.rows:
            pytest.skip(f"no fix: {finding.unfixable}")
    assert outcome.fixed is not None, "nothing was fixed"
    return outcome.fixed
