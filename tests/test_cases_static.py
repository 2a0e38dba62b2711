"""The linter reports exactly the marked lines of every case, and its reports are complete."""

from __future__ import annotations

from collections import Counter

import pytest
from case_files import CaseFile, case_files

FILES = pytest.mark.parametrize("file", case_files(), ids=lambda file: file.name)


@FILES
def test_exactly_the_marked_lines_are_reported(file: CaseFile) -> None:
    reported = Counter((finding.location.row, finding.code) for finding in file.lint())
    lines = file.source.splitlines()
    missed = [f"missed {code}: {row}: {lines[row - 1]}" for row, code in sorted(file.marks - reported)]
    wrong = [f"wrong {code}: {row}: {lines[row - 1]}" for row, code in sorted(reported - file.marks)]
    assert not missed + wrong, "\n".join(["", *missed, *wrong])


@FILES
def test_findings_explain_themselves(file: CaseFile) -> None:
    rows = len(file.source.splitlines())
    for finding in file.lint():
        where = f"{finding.code} in line {finding.location.row}"
        assert finding.trace or finding.code == "DTL001", f"{where} has no trace"
        assert all(step.text.strip() for step in finding.trace), f"{where} has an empty step"
        assert all(1 <= step.location.row <= rows for step in finding.trace), f"{where}: a step outside"
        assert finding.location < finding.end_location, f"{where} underlines nothing"
        assert finding.fix or finding.unfixable, f"{where} has no fix and does not say why"


@FILES
def test_marks_stand_in_bad_functions_or_helpers(file: CaseFile) -> None:
    good = [f for f in file.functions if f.name.startswith("good_")]
    for row, code in file.marks:
        inside = [f.name for f in good if f.lineno <= row <= (f.end_lineno or row)]
        assert not inside, f"{code} is marked in {inside[0]}"
