"""Remembering: a second run says the same, does less, and no cache is ever the reason for anything."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from detachlint import cache, parallel, tracking
from detachlint.cli import main

HELPER = """\
import torch

def scaled(x):
    return x * 2
"""
USER = """\
import torch
from helper import scaled

w = torch.ones(3, requires_grad=True)
print(scaled(w).numpy())
"""
ALONE = """\
import torch

w = torch.ones(3, requires_grad=True)
print((w * 2).numpy())
"""
PLAIN = "print(1)\n"
CUTTING = HELPER.replace("x * 2", "x.detach() * 2")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project in which `user.py` depends on `helper.py`, and `alone.py` on nothing."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / ".git").mkdir()
    for name, text in (("helper", HELPER), ("user", USER), ("alone", ALONE), ("plain", PLAIN)):
        write(f"{name}.py", text)
    return folder


@pytest.fixture
def tracked(monkeypatch):
    """The names of the files that were tracked since this list was emptied."""
    names: list[str] = []
    whole = tracking.track

    def track(path, *rest):
        names.append(path)
        return whole(path, *rest)

    monkeypatch.setattr(tracking, "track", track)
    return names


def write(name: str, text: str) -> None:
    """Write a file of long ago, as most files of a project are."""
    Path(name).write_text(text)
    age(name)


def age(name: str) -> None:
    write.clock -= 1
    os.utime(name, (write.clock, write.clock))


write.clock = time.time() - 10_000


def lint(*arguments: str) -> str:
    """What a run says, as JSON."""
    tracking.forget()
    result = CliRunner().invoke(main, [*arguments, "--output-format", "json", "."])
    assert result.exit_code in (0, 1), (result.output, result.exception)
    assert result.stderr == ""
    return result.stdout


def found(report: str) -> set[str]:
    """The files that a report speaks of."""
    return {Path(item["filename"]).name for item in json.loads(report)}


def folder() -> Path:
    return Path(cache.FOLDER)


def results() -> list[Path]:
    return sorted(folder().glob("*.json"))


def test_a_second_run_says_the_same_and_tracks_nothing(tracked):
    cold = lint()
    assert found(cold) == {"alone.py", "user.py"}
    tracked.clear()
    assert lint() == cold
    assert tracked == []
    assert lint("--no-cache") == cold
    assert sorted(tracked) == ["alone.py", "helper.py", "user.py"]


def test_a_run_without_a_cache_leaves_none():
    lint("--no-cache")
    assert not folder().exists()


def test_the_cache_is_no_part_of_the_project(tmp_path):
    lint()
    assert (folder() / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert (folder() / ".gitignore").read_text() == "*\n"
    lint("--cache-dir", str(tmp_path / "elsewhere"))
    assert list((tmp_path / "elsewhere").glob("*.json"))


def test_a_changed_helper_is_read_again_and_so_are_those_that_depend_on_it(tracked):
    lint()
    tracked.clear()
    write("helper.py", CUTTING)
    warm = lint()
    assert sorted(tracked) == ["helper.py", "user.py"]
    assert found(warm) == {"alone.py"}
    assert lint("--no-cache") == warm


def test_a_helper_behind_a_helper_counts_too(tracked):
    write("helper.py", "from deeper import scaled\nimport torch\n")
    write("deeper.py", HELPER)
    assert found(lint()) == {"alone.py", "user.py"}
    tracked.clear()
    write("deeper.py", CUTTING)
    assert found(lint()) == {"alone.py"}
    assert "user.py" in tracked
    assert "alone.py" not in tracked


def test_a_missing_module_that_appears_is_a_change(tracked):
    Path("helper.py").unlink()
    lint()
    tracked.clear()
    write("helper.py", HELPER)
    warm = lint()
    assert sorted(tracked) == ["helper.py", "user.py"]
    assert warm == lint("--no-cache")


def test_a_new_caller_is_a_change_for_what_it_calls(tracked):
    write(
        "shown.py",
        "import torch\nw = torch.ones(3, requires_grad=True)\ndef show():\n    return (w * 2).numpy()\n",
    )
    assert "shown.py" in found(lint())
    tracked.clear()
    write("caller.py", "import torch\nfrom shown import show\nwith torch.no_grad():\n    show()\n")
    warm = lint()
    assert sorted(tracked) == ["caller.py", "shown.py"]
    assert warm == lint("--no-cache")
    assert "shown.py" not in found(warm)


def test_a_touched_file_is_no_change(tracked):
    cold = lint()
    tracked.clear()
    for path in Path().glob("*.py"):
        age(path.name)
    assert lint() == cold
    assert tracked == []


def test_a_file_that_changes_twice_within_a_tick_is_a_change(tracked):
    now = time.time()
    os.utime("alone.py", (now, now))
    lint()
    tracked.clear()
    Path("alone.py").write_text(ALONE.replace("True", "None"))
    os.utime("alone.py", (now, now))
    assert found(lint()) == {"user.py"}
    assert tracked == ["alone.py"]


def test_other_settings_have_other_results():
    both = lint()
    assert json.loads(lint("--ignore", "DTL101")) == []
    assert lint() == both
    Path("pyproject.toml").write_text('[tool.detachlint]\nper-file-ignores = {"alone.py" = ["DTL101"]}\n')
    assert found(lint()) == {"user.py"}


def test_another_version_of_the_program_has_other_results(monkeypatch, tracked):
    cold = lint()
    tracked.clear()
    monkeypatch.setattr(cache, "_program", lambda: [("another", 1, 1)])
    assert lint() == cold
    assert len(tracked) == 3
    assert len(results()) == 2


def test_errors_are_not_remembered():
    write("broken.py", "import torch\n(\n")
    for _ in range(2):
        result = CliRunner().invoke(main, ["."])
        assert result.exit_code == 2
        assert "broken.py:2:1: cannot be parsed" in result.stderr


def test_a_fix_is_made_of_what_is_remembered_too():
    lint()
    result = CliRunner().invoke(main, ["--fix", "alone.py"])
    assert result.exit_code == 0, result.output
    assert "(w.detach() * 2)" in Path("alone.py").read_text()
    assert found(lint()) == {"user.py"}


def test_a_baseline_silences_what_is_remembered():
    lint()
    assert CliRunner().invoke(main, ["--write-baseline", "known.json", "."]).exit_code == 0
    assert json.loads(lint("--baseline", "known.json")) == []
    assert len(json.loads(lint())) == 2


@pytest.mark.parametrize("name", ["alone.py", "helper.py"])
def test_two_processes_find_what_one_finds(monkeypatch, name):
    monkeypatch.setattr(parallel, "_SMALL", 0)
    whole = lint("--no-cache", "--jobs", "1")
    assert lint("--no-cache", "--jobs", "2") == whole
    assert lint("--jobs", "2") == whole
    age(name)
    assert lint("--jobs", "2") == lint("--jobs", "1") == whole


WRONG = {
    "nothing": b"",
    "no text": b"\xff\x00\xfe",
    "no json": b"{",
    "another shape": b"[]",
    "no tables": b"{}",
    "deep": b"[" * 100_000,
    "odd entries": b'{"asked": [], "read": {}, "files": {"alone.py": [null, "", 3, [7]]}}',
    "odd questions": b'{"asked": [3], "read": {}, "files": {}}',
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_a_damaged_cache_is_ignored(data):
    cold = lint()
    for path in results():
        path.write_bytes(data)
    assert lint() == cold
    assert lint() == cold


def test_a_foreign_result_is_ignored(tracked):
    cold = lint()
    (file,) = results()
    content = json.loads(file.read_text())
    for entry in content["files"].values():
        entry[2] = [[["DTL101", "name"]], []] if entry[2] else None
    file.write_text(json.dumps(content))
    tracked.clear()
    assert lint() == cold
    assert sorted(tracked) == ["alone.py", "helper.py", "user.py"]


def test_a_cache_that_cannot_be_written_is_ignored(tracked):
    folder().write_text("no folder")
    cold = lint()
    assert lint() == cold
    assert len(tracked) == 6
    assert folder().read_text() == "no folder"


def test_a_read_only_cache_is_used(tracked, monkeypatch):
    cold = lint()
    write("helper.py", CUTTING)
    tracked.clear()

    def refuse(*arguments, **options):
        raise PermissionError("read-only")

    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    for _ in range(2):
        tracked.clear()
        assert lint() != cold
        assert sorted(tracked) == ["helper.py", "user.py"]


def test_a_cache_that_leads_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    folder().symlink_to(tmp_path / "precious")
    lint()
    assert list((tmp_path / "precious").iterdir()) == []


def test_results_behind_a_link_are_not_read(tmp_path, tracked):
    cold = lint()
    folder().rename(tmp_path / "elsewhere")
    folder().symlink_to(tmp_path / "elsewhere")
    tracked.clear()
    assert lint() == cold
    assert sorted(tracked) == ["alone.py", "helper.py", "user.py"]


def test_a_result_that_is_a_link_is_replaced_and_not_followed(tmp_path):
    cold = lint()
    (file,) = results()
    precious = tmp_path / "precious"
    precious.write_text("mine")
    file.unlink()
    file.symlink_to(precious)
    assert lint() == cold
    assert precious.read_text() == "mine"
    assert not file.is_symlink()


def test_results_are_written_whole_or_not_at_all(monkeypatch):
    lint()
    (file,) = results()
    before = file.read_bytes()
    write("helper.py", CUTTING)

    def refuse(*arguments):
        raise OSError("no room")

    monkeypatch.setattr(cache.os, "replace", refuse)
    lint()
    assert file.read_bytes() == before
    assert not list(folder().glob(".new-*"))


def test_a_result_that_is_too_large_is_not_read(monkeypatch, tracked):
    cold = lint()
    tracked.clear()
    monkeypatch.setattr(cache, "_MOST_BYTES", 10)
    assert lint() == cold
    assert len(tracked) == 3


def test_a_cache_that_is_removed_in_the_middle_of_a_run(monkeypatch):
    cold = lint()
    whole = tracking.track

    def track(*arguments):
        shutil.rmtree(folder(), ignore_errors=True)
        return whole(*arguments)

    monkeypatch.setattr(tracking, "track", track)
    for path in Path().glob("*.py"):
        write(path.name, path.read_text() + "\n")
    assert lint() == cold
    assert lint() == cold


def test_two_runs_at_once(monkeypatch, tracked):
    """Another run begins and ends while this one is at work."""
    whole = tracking.track
    inner: list[str] = []

    def track(*arguments):
        if not inner:
            inner.append("")
            inner[0] = CliRunner().invoke(main, ["--output-format", "json", "."]).stdout
        return whole(*arguments)

    monkeypatch.setattr(tracking, "track", track)
    outer = lint()
    assert inner == [outer]
    tracked.clear()
    assert lint() == outer
    assert tracked == []


def test_what_is_left_behind_is_swept_away():
    lint()
    for number in range(30):
        (folder() / f"{number}.json").write_text("{}")
        os.utime(folder() / f"{number}.json", (number, number))
    (folder() / ".new-left").write_text("half")
    os.utime(folder() / ".new-left", (1, 1))
    write("helper.py", CUTTING)
    lint()
    assert len(results()) == 20
    assert not (folder() / ".new-left").exists()


def test_what_is_gone_is_forgotten():
    lint()
    Path("alone.py").unlink()
    write("helper.py", CUTTING)
    lint()
    (file,) = results()
    assert set(json.loads(file.read_text())["files"]) == {"helper.py", "user.py", "plain.py"}
