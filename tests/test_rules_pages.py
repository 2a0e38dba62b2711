"""Every rule is complete: its table, its page for people, its cases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from case_files import CaseFile, folders, rule_table

KEYS = {"code", "name", "summary", "set", "harm", "message"}
HEADINGS = [
    "What it does",
    "Why is this bad?",
    "Example",
    "Use instead",
    "When to ignore it",
    "Fix safety",
    "References",
]
FOLDERS = pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name[:6])


@FOLDERS
def test_the_table_is_complete(folder: Path) -> None:
    table = rule_table(folder)
    assert table.keys() >= KEYS
    assert folder.name == f"{table['code']}-{table['name']}"
    assert table["harm"] not in {"raises", "warns"} or table.get("harm_text")
    assert table["summary"].endswith(".")
    if table["code"] != "DTL001":
        assert table["fires"]
        assert table["fix"]["applicability"]


@FOLDERS
def test_the_page_has_all_its_parts(folder: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    table = rule_table(folder)
    assert page.startswith(f"# {table['name']} ({table['code']})\n")
    assert re.findall(r"^## (.+)$", page, flags=re.MULTILINE) == HEADINGS
    parts = re.split(r"^## .+$", page, flags=re.MULTILINE)[1:]
    assert all(part.strip() for part in parts)
    assert "```python" in parts[HEADINGS.index("Example")]
    assert "detach" in parts[HEADINGS.index("Use instead")] or table["code"] in {"DTL001", "DTL204"}


@FOLDERS
def test_there_are_enough_cases(folder: Path) -> None:
    if folder.name.startswith("DTL001"):
        pytest.skip("made from comments, not from what torch does")
    files = [CaseFile(path) for path in sorted(folder.glob("cases/*.py"))]
    names = [function.name for file in files for function in file.functions]
    assert len(names) == len(set(names))
    assert sum(name.startswith("bad_") for name in names) >= 6
    assert sum(name.startswith("good_") for name in names) >= 8


@FOLDERS
def test_cases_take_no_argument_but_steps(folder: Path) -> None:
    for path in folder.glob("cases/*.py"):
        for function in CaseFile(path).functions:
            assert [a.arg for a in function.args.args] in ([], ["steps"]), function.name
            assert not function.args.kwonlyargs


@FOLDERS
def test_every_case_has_its_mark(folder: Path) -> None:
    """A bad case is marked in itself, or in a class or function of its file that it uses."""
    for path in folder.glob("cases/*.py"):
        file = CaseFile(path)
        outside = [
            row
            for row, _ in file.marks
            if not any(f.lineno <= row <= (f.end_lineno or row) for f in file.functions)
        ]
        for function in file.functions:
            inside = [r for r, _ in file.marks if function.lineno <= r <= (function.end_lineno or r)]
            if function.name.startswith("bad_"):
                assert inside or outside, f"{file.name}:{function.name} has no mark"
