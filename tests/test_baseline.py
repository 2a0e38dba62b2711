"""A baseline: what is in it is not reported, what is new is, and what is gone is said to be."""

import json
from pathlib import Path

import faketracker
import pytest
from click.testing import CliRunner

from detachlint import tracking
from detachlint.cli import main

BAD = "import torch\nloss.backward()\ntotal += loss\n"
FILE = "baseline.json"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "track", faketracker.track, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.detachlint]\n")
    return tmp_path


def run(*arguments: str, status: int):
    result = CliRunner().invoke(main, ["--no-cache", *arguments])
    assert result.exit_code == status, (result.exit_code, result.output, result.exception)
    return result


def write(name: str, text: str = BAD) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def entries() -> list[dict[str, object]]:
    return json.loads(Path(FILE).read_text())["findings"]


def test_what_is_written_is_not_reported():
    write("src/a.py")
    write("b.py", BAD + "x = out.numpy()\n")
    assert (
        run("--write-baseline", FILE, status=0).stderr == "detachlint: Wrote 3 findings into baseline.json.\n"
    )
    assert run("--baseline", FILE, status=0).stdout == "Nothing to detach but the 3 in the baseline.\n"
    assert [(entry["path"], entry["code"], entry["source"], entry["count"]) for entry in entries()] == [
        ("b.py", "DTL101", "out.numpy()", 1),
        ("b.py", "DTL301", "total+=loss", 1),
        ("src/a.py", "DTL301", "total+=loss", 1),
    ]
    assert run(status=1).stdout.endswith("Found 3 errors (3 fixable with --fix).\n")


def test_it_lives_through_moves_formatting_and_another_folder(monkeypatch):
    write("src/a.py", BAD + "x = out.numpy()\ny = f(['a', 'b']).numpy()\n")
    run("--write-baseline", FILE, status=0)
    moved = (
        '"""A text."""\n\nimport torch\n\n\nloss.backward()\ntotal   +=   loss  # noted\nx = (\n    out.numpy()\n)\n'
        'y = f(\n    [\n        "a",  # first\n        "b",\n    ],\n).numpy()\n'
    )
    write("src/a.py", moved)
    assert run("--baseline", FILE, status=0).stderr == ""
    monkeypatch.chdir("src")
    assert run("--baseline", f"../{FILE}", status=0).stderr == ""


def test_what_is_new_is_reported():
    write("a.py")
    run("--write-baseline", FILE, status=0)
    write("a.py", BAD + "total += loss\n")
    result = run("--baseline", FILE, status=1)
    assert result.stdout.startswith("a.py:4:1: DTL301")
    assert result.stdout.endswith("Found 1 error (1 fixable with --fix). 1 more in the baseline.\n")
    write("a.py", BAD.replace("total", "total_loss"))
    assert "a.py:3:1: DTL301" in run("--baseline", FILE, status=1).stdout
    write("a.py")
    write("b.py")
    assert "b.py:3:1: DTL301" in run("--baseline", FILE, status=1).stdout


def test_the_same_code_in_another_function_is_new():
    inside = "import torch\ndef f():\n    loss.backward()\n    total += loss\n"
    write("a.py", inside)
    run("--write-baseline", FILE, status=0)
    assert entries()[0]["scope"] == "f"
    write("a.py", inside + inside.removeprefix("import torch\n").replace("f()", "g()"))
    assert "a.py:7:5: DTL301" in run("--baseline", FILE, status=1).stdout


def test_stale_entries_are_named_and_taken_out():
    write("a.py", BAD + "total += loss\n")
    write("b.py")
    write("gone.py")
    run("--write-baseline", FILE, status=0)
    write("a.py")
    Path("gone.py").unlink()
    result = run("--baseline", FILE, status=0)
    assert result.stderr.splitlines() == [
        "detachlint: baseline.json: 2 entries stand for nothing any more; --write-baseline drops such entries:",
        "detachlint:   a.py: DTL301: total+=loss",
        "detachlint:   gone.py: DTL301: total+=loss",
    ]
    assert run("--baseline", FILE, "--quiet", status=0).stderr == ""
    run("--write-baseline", FILE, status=0)
    assert [entry["path"] for entry in entries()] == ["a.py", "b.py"]
    assert run("--baseline", FILE, status=0).stderr == ""


def test_what_a_run_cannot_know_is_neither_stale_nor_forgotten():
    write("a.py", BAD + "x = out.numpy()\n")
    write("b.py")
    run("--write-baseline", FILE, status=0)
    before = Path(FILE).read_text()
    assert run("a.py", "--select", "DTL301", "--baseline", FILE, status=0).stderr == ""
    run("b.py", "--select", "DTL101", "--write-baseline", FILE, status=0)
    assert Path(FILE).read_text() == before
    write("b.py", "import torch(\n")
    assert "stand for nothing" not in run("--baseline", FILE, status=2).stderr
    run("--write-baseline", FILE, status=2)
    assert Path(FILE).read_text() == before


def test_from_the_config_relative_to_it(monkeypatch):
    write("pyproject.toml", f'[tool.detachlint]\nbaseline = "{FILE}"\n')
    write("src/a.py")
    result = run(status=2)
    assert result.stderr == (
        "detachlint: error: baseline.json: no such baseline; --write-baseline baseline.json writes one\n"
    )
    run("--write-baseline", FILE, status=0)
    run(status=0)
    monkeypatch.chdir("src")
    run(status=0)
    run("--isolated", status=1)


def test_fixes_leave_what_is_in_the_baseline_alone():
    write("a.py", "import torch\nloss.backward()\ntotal += loss\nx = out.numpy()\n")
    run("--select", "DTL301", "--write-baseline", FILE, status=0)
    assert "+x = out.detach().numpy()" in run("--baseline", FILE, "--diff", status=1).stdout
    result = run("--baseline", FILE, "--fix", status=0)
    assert result.stdout == "Found 1 error (1 fixed, 0 remaining). 1 more in the baseline.\n"
    assert (
        Path("a.py").read_text() == "import torch\nloss.backward()\ntotal += loss\nx = out.detach().numpy()\n"
    )
    run("--baseline", FILE, "--add-ignores", status=0)
    assert "ignore" not in Path("a.py").read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON"),
        ("[]", "`version` must be 1"),
        ('{"version": 2, "findings": []}', "`version` must be 1"),
        ('{"version": 1}', "`findings` must be a list"),
        ('{"version": 1, "findings": [1]}', "finding 1: must be an object"),
        ('{"version": 1, "findings": [{}]}', "finding 1: `fingerprint` must be a text"),
        ("[" * 100_000, "is no baseline"),
    ],
)
def test_a_file_that_is_no_baseline(text, reason):
    write("a.py")
    write(FILE, text)
    for option in ("--baseline", "--write-baseline"):
        result = run(option, FILE, status=2)
        assert result.stderr.startswith("detachlint: error: baseline.json: ")
        assert reason in result.stderr
        assert result.stderr.count("\n") == 1
    assert Path(FILE).read_text() == text


@pytest.mark.parametrize("count", ["0", "true", '"1"', "null"])
def test_a_count_that_counts_nothing(count):
    item = f'{{"fingerprint": "", "code": "", "path": "", "scope": "", "source": "", "count": {count}}}'
    write(FILE, f'{{"version": 1, "findings": [{item}]}}')
    write("a.py")
    assert "`count` must be a number from 1" in run("--baseline", FILE, status=2).stderr


def test_it_goes_with_nothing_that_writes_or_chooses():
    for others in (
        ["--fix"],
        ["--diff"],
        ["--add-ignores"],
        ["--baseline", FILE],
        ["--diff-base", "HEAD"],
        ["-"],
    ):
        assert "--write-baseline goes with neither" in run("--write-baseline", FILE, *others, status=2).stderr


def test_ignores_with_a_reason():
    write("a.py")
    run("--add-ignores", "--reason", "known since spring", status=0)
    line = "total += loss  # detachlint: ignore[DTL301] known since spring"
    assert Path("a.py").read_text().splitlines()[2] == line
    assert run(status=0).stdout == "Nothing to detach.\n"
    assert "give both" in run("--reason", "x", status=2).stderr
    for reason in ("see #3", "two\nlines"):
        assert "without `#`" in run("--add-ignores", "--reason", reason, status=2).stderr
