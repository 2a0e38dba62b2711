"""The command in a process of its own: what only shows there."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
}
ENVIRONMENT["PYTHONPATH"] = str(Path(__file__).parent.parent)


def detachlint(*arguments, cwd, **options):
    command = [sys.executable, "-m", "detachlint", *arguments]
    options = {"env": ENVIRONMENT, "capture_output": True, **options}
    return subprocess.run(command, cwd=cwd, timeout=60, check=False, **options)


def test_python_dash_m(tmp_path):
    (tmp_path / "a.py").write_text("print(1)\n")
    done = detachlint("a.py", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Nothing to detach.\n", b"")


def test_modules_of_the_linted_folder_stand_in_for_none(tmp_path):
    for name in ("bisect", "random", "queue", "click", "tomllib", "token", "concurrent", "platform"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the linted code ran')\n")
    (tmp_path / "a.py").write_text("import torch\nx = torch.ones(1, requires_grad=True).exp().numpy()\n")
    done = detachlint("--jobs", "2", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"a.py:2:5: DTL101" in done.stdout


def test_an_error_is_status_2_and_no_traceback(tmp_path):
    done = detachlint("nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"detachlint: error: nowhere: no such file or folder\n"


def test_files_without_torch_load_neither_tracker_nor_models(tmp_path):
    (tmp_path / "a.py").write_text("print(1)\n")
    script = (
        "import sys; from detachlint.cli import main\n"
        "try: main(['a.py'])\n"
        "except SystemExit: pass\n"
        "heavy = ('detachlint.models', 'detachlint.tracking', 'detachlint.linter', 'multiprocessing', 'pathspec',\n"
        "         'torch', 'numpy', 'libcst', 'rich')\n"
        "loaded = [name for name in sys.modules if name.startswith(heavy)]\n"
        "print(loaded)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, check=True
    )
    assert done.stdout.splitlines()[-1] == b"[]"


def test_a_reader_that_stops_early_is_no_traceback(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m detachlint --rules | head -n 1",
        shell=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr


def test_a_stream_that_cannot_show_a_character(tmp_path):
    (tmp_path / "漢.py").write_text("import torch\nx = (\n")
    done = detachlint(
        "漢.py", cwd=tmp_path, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert done.returncode == 2
    assert b".py:2:5: cannot be parsed" in done.stderr
    assert b"Traceback" not in done.stderr


def on_terminal(folder, *arguments, **environment):
    """What the command writes to a terminal."""
    master, slave = pty.openpty()
    detachlint(
        *arguments,
        cwd=folder,
        stdout=slave,
        stderr=slave,
        capture_output=False,
        env={**ENVIRONMENT, "TERM": "xterm", **environment},
    )
    os.close(slave)
    said = b""
    try:
        while chunk := os.read(master, 4096):
            said += chunk
    except OSError:  # the terminal's other end is closed
        pass
    os.close(master)
    return said


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_colours_on_a_terminal(tmp_path):
    (tmp_path / "a.py").write_text("import torch\nx = 1  # detachlint: ignore[DTL301]\n")
    colored = on_terminal(tmp_path, "a.py")
    assert b"DTL001" in colored
    assert b"\x1b[" in colored
    assert b"\x1b[" not in on_terminal(tmp_path, "a.py", NO_COLOR="1")
    assert b"\x1b[" not in on_terminal(tmp_path, "a.py", TERM="dumb")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_a_page_fits_the_terminal(tmp_path):
    page = on_terminal(tmp_path, "--explain", "DTL001", NO_COLOR="1", COLUMNS="50").decode()
    prose = page.partition("## What it does")[2].partition("```")[0]
    assert 40 < max(map(len, prose.splitlines())) <= 50
    assert detachlint("--explain", "DTL001", cwd=tmp_path, env=ENVIRONMENT).stdout != page.encode()


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path):
    for number in range(30):
        (tmp_path / f"{number}.py").write_text("import torch\nx = 1  # detachlint: ignore[DTL301]\n")
    command = [sys.executable, "-m", "detachlint", "--fix", "--quiet"]
    runs = [
        subprocess.Popen(
            command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in runs:
        _, stderr = process.communicate(timeout=200)
        assert b"Traceback" not in stderr
    assert {path.read_text() for path in tmp_path.glob("*.py")} == {"import torch\nx = 1\n"}
    assert len(list(tmp_path.iterdir())) == 30 + (tmp_path / ".detachlint_cache").exists()
