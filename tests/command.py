"""The command as a process, in a tree of its own, with nothing of this process's folder to import from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "COLUMNS")}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)
COMMAND = (sys.executable, "-m", "detachlint", "--no-cache", "--quiet")
TRACKED = "import torch\nw = torch.ones(3, requires_grad=True)\n"
BAD = f"{TRACKED}print((w * 2).numpy())\n"
MENDED = BAD.replace("w * 2", "w.detach() * 2")


def run(
    *arguments: str | bytes | Path, cwd: Path, timeout: float = 200, **options
) -> subprocess.CompletedProcess:
    """The command's status, what it said and what it complained of."""
    options = {"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, "capture_output": True, **options}
    return subprocess.run([*COMMAND, *arguments], cwd=cwd, timeout=timeout, check=False, **options)


def hear_interrupts() -> None:
    """For a process to be started: a shell that runs these tests in the background has it ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def complaints(done: subprocess.CompletedProcess) -> list[str]:
    """The lines of standard error, of which each must be an error and none a traceback."""
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    assert all(line.startswith("detachlint: ") for line in lines), lines
    return [line.removeprefix("detachlint: error: ") for line in lines]
