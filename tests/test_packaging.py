"""What is shipped: the wheel carries rules and models inside the package, the sdist all it takes to test."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import detachlint

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling builds it")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return folder


def relative(folder: str, pattern: str) -> set[str]:
    """Files below a folder of the checkout, without the caches that tools leave there."""
    files = (path.relative_to(ROOT) for path in (ROOT / folder).rglob(pattern) if path.is_file())
    return {
        str(path) for path in files if not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }


def test_the_wheel_holds_the_program_the_models_and_the_rules(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name == f"detachlint-{detachlint.__version__}-py3-none-any.whl"
    assert {name for name in names if name.startswith("detachlint/") and name.endswith(".py")} >= relative(
        "detachlint", "*.py"
    )
    assert names >= relative("detachlint/models", "*.toml") | {"detachlint/py.typed"}
    assert names >= relative("detachlint/reports/assets", "*")
    assert names >= {f"detachlint/{name}" for name in relative("rules", "*")}
    outside = {name for name in names if not name.startswith("detachlint")}
    assert not outside


def test_the_sdist_holds_what_the_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    prefix = f"detachlint-{detachlint.__version__}/"
    with tarfile.open(archive) as file:
        names = {name.removeprefix(prefix) for name in file.getnames()}
    wanted = relative("rules", "*") | relative("tests", "*.py") | relative("detachlint", "*.py")
    assert names >= wanted | relative("examples", "*.py") | relative("tests/schemas", "*")
    assert names >= {"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", ".ci/run"}


def test_a_wheel_alone_finds_its_rules_and_models(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "a.py").write_text("import torch\n")
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from detachlint.cli import main; main(['--rules'])"
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 0, run.stderr
    assert "DTL101" in run.stdout
