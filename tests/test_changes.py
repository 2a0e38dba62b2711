"""`--diff-base`: only what has changed since a revision is reported, as git sees it."""

import shutil
import subprocess
from pathlib import Path

import faketracker
import pytest
from click.testing import CliRunner

from detachlint import tracking
from detachlint.cli import main

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is what tells of changes")

OLD = "import torch\nloss.backward()\ntotal += loss\n\n\nkept = 1\n"


def git(*arguments: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *settings, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "track", faketracker.track, raising=False)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    write("a.py", OLD)
    write("sub/b ü.py", OLD)
    commit()
    return tmp_path


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text.encode())


def commit() -> None:
    git("add", "--all")
    git("commit", "-q", "-m", "x")


def run(*arguments: str, status: int):
    result = CliRunner().invoke(main, ["--no-cache", "--output-format", "concise", *arguments])
    assert result.exit_code == status, (result.exit_code, result.output, result.exception)
    return result


def places(*arguments: str, base: str = "HEAD") -> list[str]:
    """The places reported, in files and lines."""
    result = run("--diff-base", base, *arguments, "--exit-zero", "--quiet", status=0)
    return [":".join(line.split(":")[:2]) for line in result.stdout.splitlines()]


def test_nothing_has_changed():
    said = run("--diff-base", "HEAD", status=0).stdout
    assert said == "Nothing to detach in what has changed since HEAD.\n"


def test_only_the_lines_that_changed():
    write("a.py", OLD.replace("kept = 1", "kept = out.numpy()"))
    assert places() == ["a.py:6"]
    commit()
    assert places() == []
    assert places(base="HEAD~1") == ["a.py:6"]


def test_lines_that_only_moved_have_not_changed():
    write("a.py", "# a comment\n" * 30 + OLD)
    assert places() == []


def test_any_line_of_the_statement_counts():
    write("a.py", OLD.replace("kept = 1", "kept = f(\n    1,\n    2,\n).numpy()"))
    commit()
    write("a.py", OLD.replace("kept = 1", "kept = f(\n    1,\n    3,\n).numpy()"))
    assert places() == ["a.py:6"]
    write("a.py", OLD.replace("kept = 1", "kept = f(\n    2,\n).numpy()"))  # a line of it is gone
    assert places() == ["a.py:6"]


def test_a_line_that_is_gone_beside_a_statement_is_no_change_of_it():
    write("a.py", OLD.replace("\n\nkept = 1\n", "kept = 1\n"))
    assert places() == []


def test_a_step_of_the_trace_counts():
    write("a.py", OLD.replace("loss.backward()", "loss.mean().backward()"))
    assert places() == ["a.py:3"]


def test_new_files_are_new_in_all_their_lines():
    write("untracked.py", OLD)
    write("staged.py", OLD)
    git("add", "staged.py")
    assert places() == ["staged.py:3", "untracked.py:3"]


def test_a_renamed_file_has_changed_where_its_lines_have():
    text = OLD + "# padding\n" * 20
    write("a.py", text)
    commit()
    git("mv", "a.py", "moved.py")
    assert places() == []
    write("moved.py", text + "x = out.numpy()\n")
    assert places() == ["moved.py:27"]


def test_strange_names_and_folders_below(monkeypatch):
    write("sub/b ü.py", OLD + "x = out.numpy()\n")
    write('sub/*"q\\.py', OLD)
    assert places() == ['sub/*"q\\.py:3', "sub/b ü.py:7"]
    monkeypatch.chdir("sub")
    assert places() == ['*"q\\.py:3', "b ü.py:7"]
    assert places("b ü.py") == ["b ü.py:7"]


def test_what_others_did_since_the_branch_left_is_no_change():
    git("checkout", "-q", "-b", "feature")
    write("sub/b ü.py", OLD + "x = out.numpy()\n")
    commit()
    git("checkout", "-q", "main")
    write("a.py", OLD.replace("total += loss", "total = 0"))
    commit()
    git("checkout", "-q", "feature")
    assert places(base="main") == ["sub/b ü.py:7"]


def test_line_ends_and_settings_of_the_user_change_nothing():
    write("a.py", OLD.replace("\n", "\r\n"))
    commit()
    for setting in (
        "diff.noprefix=true",
        "diff.interHunkContext=100",
        "color.diff=always",
        "diff.context=50",
    ):
        git("config", *setting.split("="))
    git("config", "diff.external", "false")
    write("a.py", OLD.replace("kept = 1", "kept = out.numpy()").replace("\n", "\r\n"))
    assert places() == ["a.py:6"]


def test_fixes_stay_within_the_change():
    write("a.py", OLD.replace("kept = 1", "kept = out.numpy()"))
    run("--diff-base", "HEAD", "--fix", status=0)
    assert Path("a.py").read_text() == OLD.replace("kept = 1", "kept = out.detach().numpy()")


def test_with_a_baseline():
    write("a.py", OLD + "x = out.numpy()\ny = out.numpy()\n")
    run("--write-baseline", "baseline.json", status=0)
    write("a.py", OLD + "x = out.numpy()\ny = out.numpy()\nz = other.numpy()\n")
    assert places("--baseline", "baseline.json") == ["a.py:9"]


def test_a_revision_that_is_none():
    for revision in ("nowhere", "--output=x", "HEAD:a.py", ""):
        result = run("--diff-base", revision, status=2)
        assert f"git knows no revision `{revision}`" in result.stderr
        assert result.stderr.count("\n") == 1


def test_no_repository(tmp_path, monkeypatch):
    shutil.rmtree(".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "--diff-base needs a git repository" in run("--diff-base", "HEAD", status=2).stderr


def test_no_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git can't be run: " in run("--diff-base", "HEAD", status=2).stderr


def test_not_of_standard_input():
    assert "compares files" in run("-", "--diff-base", "HEAD", status=2).stderr
