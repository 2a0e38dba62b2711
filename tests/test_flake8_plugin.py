"""The plugin inside a real flake8."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytest.importorskip("flake8")

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "detachlint.flake8_plugin:Plugin"
BAD = "import torch\n\nx = torch.ones(2, requires_grad=True)\ny = 'é', x.numpy()\n"
MESSAGE = "DTL101 `Tensor.numpy` gets a tensor that still requires grad"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "setup.cfg").write_text("")
    (tmp_path / "pyproject.toml").write_text("[tool.detachlint]\n")
    registered = {point.name for point in importlib.metadata.entry_points(group="flake8.extension")}
    local = "" if "DTL" in registered else f"[flake8:local-plugins]\nextension =\n    DTL = {PLUGIN}\n"
    (tmp_path / ".flake8").write_text(f"[flake8]\nselect = DTL\n{local}")
    return tmp_path


def flake8(folder: Path, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flake8", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=input,
        stdin=None if input else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_package_announces_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["flake8.extension"] == {"DTL": PLUGIN}


def test_findings_are_flake8s_own(project: Path) -> None:
    (project / "a.py").write_text(BAD)
    (project / "b.py").write_text("print('no tensor')\n")
    done = flake8(project, ".")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == f"./a.py:4:10: {MESSAGE}\n"


def test_standard_input_and_comments(project: Path) -> None:
    assert flake8(project, "-", input=BAD).stdout == f"stdin:4:10: {MESSAGE}\n"
    for comment in ("# noqa: DTL101", "# detachlint: ignore[DTL101]"):
        assert flake8(project, "-", input=BAD.replace("()\n", f"()  {comment}\n")).stdout == ""
    unused = flake8(project, "-", input="import torch  # detachlint: ignore[DTL101]\n")
    assert unused.stdout.startswith("stdin:1:15: DTL001")


def test_both_configs_hold(project: Path) -> None:
    (project / "a.py").write_text(BAD)
    assert flake8(project, "--extend-ignore", "DTL1", ".").stdout == ""
    (project / "pyproject.toml").write_text('[tool.detachlint]\nignore = ["DTL101"]\n')
    assert flake8(project, ".").stdout == ""
    (project / "pyproject.toml").write_text('[tool.detachlint]\nextend-exclude = ["a.py"]\n')
    assert flake8(project, ".").stdout == ""


def test_a_mistake_in_the_config_is_a_finding_and_no_crash(project: Path) -> None:
    (project / "a.py").write_text(BAD)
    (project / "pyproject.toml").write_text("[tool.detachlint]\nselct = []\n")
    done = flake8(project, ".")
    assert done.returncode == 1
    assert done.stdout.startswith("./a.py:1:1: DTL000 pyproject.toml: [tool.detachlint] unknown key `selct`")
