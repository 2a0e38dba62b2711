"""What a shell completes, asked as the shell asks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def detachlint(*arguments: str, **variables: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "detachlint", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, stdin=subprocess.DEVNULL
    )
    return done.stdout


def completed(*words: str) -> list[str]:
    variables = {
        "_DETACHLINT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("detachlint", *words)),
        "COMP_CWORD": str(len(words)),
    }
    return [line.partition(",")[2] for line in detachlint(**variables).splitlines()]


def test_rules_are_completed_by_code_and_name():
    assert completed("--select", "DTL10") == ["DTL101", "DTL102", "DTL103", "DTL104", "DTL105"]
    assert completed("--explain", "numpy") == ["numpy-of-tracked-tensor"]
    assert completed("--ignore", "DTL301,DTL30") == ["DTL301,DTL301", "DTL301,DTL302", "DTL301,DTL303"]
    assert "DTL001" in completed("--ignore", "")[:1]


def test_options_and_formats_are_completed():
    assert completed("--output-fo") == ["--output-format"]
    assert completed("--output-format", "s") == ["sarif", "svg"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(shell, tmp_path):
    script = detachlint("--completion", shell)
    assert "_DETACHLINT_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here to read it")
    file = tmp_path / "script"
    file.write_text(script)
    subprocess.run([shell, "-n", str(file)], check=True)


def needs(shell: str):
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"asks {shell}, which is not installed")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with the command and two files of the user's, and a place in it; nobody's own settings."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "detachlint").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detachlint "$@"\n')
    (folder / "detachlint").chmod(0o755)
    for name in ("train_one.py", "train_two.py"):
        (tmp_path / name).write_text("")
    for name in ("HOME", "ZDOTDIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said_by(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout


@needs("bash")
def test_bash_completes(home):
    (home / "script").write_text(detachlint("--completion", "bash"))
    asked = (
        "source ./script; COMP_WORDS=(detachlint --select DTL30); COMP_CWORD=2; "
        '_detachlint_completion detachlint; echo "${COMPREPLY[@]}"'
    )
    assert said_by("bash", "-c", asked).split() == ["DTL301", "DTL302", "DTL303"]


@needs("fish")
def test_fish_completes(home):
    def asked(line: str) -> dict[str, str]:
        setup = "detachlint --completion fish | source"
        answers = said_by("fish", "-c", f"{setup}; complete --do-complete '{line}'").splitlines()
        return dict(answer.partition("\t")[::2] for answer in answers)

    assert list(asked("detachlint --ignore DTL301,DTL30")) == [
        f"DTL301,DTL30{number}" for number in (1, 2, 3)
    ]
    (help_of_302,) = asked("detachlint --select DTL302").values()
    assert help_of_302.startswith("A list, dict or queue collects"), "the help is not cut at its first comma"
    assert list(asked("detachlint --output-file train_o")) == ["train_one.py"]
    assert list(asked("detachlint --fix train_")) == ["train_one.py", "train_two.py"]


@needs("zsh")
def test_zsh_completes_though_nothing_has_loaded_its_completion(home):
    pexpect = pytest.importorskip("pexpect")
    (home / ".zshrc").write_text("eval \"$(detachlint --completion zsh)\"; PS1='ready> '\n")
    shell = pexpect.spawn("zsh", ["-i"], encoding="utf-8", timeout=60, dimensions=(40, 140))
    shell.expect_exact("ready> ")
    for typed, expected in (
        ("detachlint --explain num\t", "numpy-of-tracked-tensor"),
        ("detachlint --fix train_o\t", "train_one.py"),
        ("detachlint --ignore DTL301,DTL40\t\t", "DTL301,DTL402"),
    ):
        shell.send(typed)
        shell.expect_exact(expected)
        shell.sendcontrol("u")
    shell.close(force=True)


@pytest.mark.parametrize(
    "words", [("train",), ("--fix", "train"), ("--exclude", "train"), ("--stdin-filename", "t")]
)
def test_paths_are_left_to_the_shell(words):
    variables = {
        "_DETACHLINT_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("detachlint", *words)),
        "COMP_CWORD": str(len(words)),
    }
    assert detachlint(**variables).splitlines() == [f"file,{words[-1]}"]
