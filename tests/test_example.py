"""The project in examples/trainer: its README says what is reported, what is not, and what a fix does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
TRAINER = ROOT / "examples" / "trainer"
ROW = re.compile(r"^\| (?P<file>\w+\.py) \| `(?P<line>.+?)` \| (?P<rest>.*) \|$")


def table(title: str) -> list[tuple[str, str, str]]:
    """File, source line and the next column of each row below a title of the README."""
    section = (TRAINER / "README.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [match for line in section.splitlines() if (match := ROW.match(line))]
    return [(row["file"], row["line"], row["rest"].split(" | ")[0]) for row in rows]


def row_of(file: str, line: str) -> int:
    """The row of the only line of a file that reads so."""
    lines = [text.strip() for text in (TRAINER / file).read_text().splitlines()]
    assert lines.count(line) == 1, f"{file}: {line}"
    return lines.index(line) + 1


def detachlint(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detachlint", "--no-cache", *arguments, "."]
    return run(command, folder)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            "OMP_NUM_THREADS": "1",
        },
    )


def findings(folder: Path) -> list[dict[str, Any]]:
    result = detachlint("--output-format", "json", folder=folder)
    assert result.returncode in (0, 1), result.stderr
    return list(json.loads(result.stdout))


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    return findings(TRAINER)


@pytest.fixture
def reported(found: list[dict[str, Any]]) -> set[tuple[str, int, str]]:
    return {(Path(f["filename"]).name, f["location"]["row"], f["code"]) for f in found}


def test_exactly_the_first_table_is_reported(reported: set[tuple[str, int, str]]) -> None:
    assert reported == {(file, row_of(file, line), code) for file, line, code in table("Reported")}


def test_the_second_table_is_silent_and_as_long_as_the_first(reported: set[tuple[str, int, str]]) -> None:
    right = {(file, row_of(file, line)) for file, line, _ in table("Right as they are")}
    assert not right & {(file, row) for file, row, _ in reported}
    assert len(right) >= len(table("Reported")) >= 8


def test_every_finding_has_its_trace(found: list[dict[str, Any]]) -> None:
    assert all(len(finding["trace"]) >= 2 for finding in found)


@pytest.mark.parametrize(("width", "quotes"), [(40, "single"), (60, "double"), (200, "single")])
def test_formatting_changes_neither_what_is_found_nor_what_is_known(
    width: int, quotes: str, tmp_path: Path
) -> None:
    copy = tmp_path / "trainer"
    shutil.copytree(TRAINER, copy)
    assert detachlint("--isolated", "--write-baseline", "known.json", folder=copy).returncode == 0
    style = ["--line-length", str(width), "--config", f"format.quote-style='{quotes}'"]
    run([sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", *style, "."], copy)
    assert (copy / "train.py").read_text() != (TRAINER / "train.py").read_text()
    result = detachlint("--isolated", "--baseline", "known.json", folder=copy)
    assert (result.stdout, result.stderr) == ("Nothing to detach but the 12 in the baseline.\n", "")


def test_the_fixed_copy_runs_through_with_the_same_numbers(tmp_path: Path) -> None:
    train = [sys.executable, "train.py", "--epochs", "2", "--reports", "--output", str(tmp_path / "out")]
    before = run(train, TRAINER)
    assert "Can't call numpy() on Tensor that requires grad" in before.stderr
    copy = tmp_path / "trainer"
    shutil.copytree(TRAINER, copy, ignore=shutil.ignore_patterns("__pycache__", "trainer-output"))
    fixed = detachlint("--fix", "--unsafe-fixes", folder=copy)
    assert fixed.returncode in (0, 1), fixed.stderr
    assert findings(copy) == []
    after = run(train, copy)
    assert after.returncode == 0, after.stderr
    printed = before.stdout.splitlines()
    assert len(printed) >= 6
    assert after.stdout.splitlines()[: len(printed)] == printed
    assert detachlint("--diff", "--unsafe-fixes", folder=copy).stdout == ""
