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
    assert completed("--select", "DTL10") == ["DTL101", "DTL102", "DTL103", "DTL104"]
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


@pytest.mark.skipif(shutil.which("bash") is None, reason="asks bash")
def test_bash_completes(tmp_path):
    (tmp_path / "detachlint").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detachlint "$@"\n')
    (tmp_path / "detachlint").chmod(0o755)
    (tmp_path / "script").write_text(detachlint("--completion", "bash"))
    asked = (
        f"source {tmp_path}/script; COMP_WORDS=(detachlint --select DTL30); COMP_CWORD=2; "
        '_detachlint_completion detachlint; echo "${COMPREPLY[@]}"'
    )
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", asked], check=True, capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert done.stdout.split() == ["DTL301", "DTL302", "DTL303"]
