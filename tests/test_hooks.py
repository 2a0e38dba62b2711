"""The pre-commit hooks as people have them: installed from a repository, run by `git commit`.

These tests install packages, so they run only when asked for (`pytest -m installs`, as `.ci/run` does).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import detachlint

pre_commit = pytest.importorskip("pre_commit.clientlib")

ROOT = Path(__file__).resolve().parent.parent
URL = "https://github.com/detachlint/detachlint"
SHIPPED = ("detachlint", "rules", ".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE")

BAD = """\
import torch
from torch import nn

model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
total = 0
for step in range(10):
    loss = model(torch.randn(4, 2)).mean()
    loss.backward()
    optimizer.step()
    total += loss
print(total)
"""
PLOT = """\
import matplotlib.pyplot as plt
import torch

x = torch.ones(2, requires_grad=True)
rows = [x * 2 for _ in range(2)]
plt.plot(rows)
"""
FIXED = BAD.replace("total += loss", "total += loss.detach()")
CLEAN = BAD.replace("total += loss", "total += loss.item()")


def test_the_manifest_is_valid() -> None:
    hooks = pre_commit.load_manifest(ROOT / ".pre-commit-hooks.yaml")
    assert [hook["id"] for hook in hooks] == ["detachlint", "detachlint-fix"]
    assert all(hook["entry"].startswith("detachlint --force-exclude") for hook in hooks)
    assert all(hook["require_serial"] and hook["types_or"] == ["python", "jupyter"] for hook in hooks)


def readme_config() -> str:
    (block,) = re.findall(
        r"^```yaml\n(repos:.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return str(block)


def test_the_readme_names_the_version_that_it_belongs_to() -> None:
    assert f"repo: {URL}\n    rev: v{detachlint.__version__}\n" in readme_config()


class Repository:
    """A scratch repository with the hook installed, as the README says."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        folder.mkdir()
        self.git("init", "--quiet")

    def git(self, *arguments: str, status: int = 0) -> str:
        return self.run("git", *arguments, status=status)

    def run(self, *command: str, status: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def install(self, hook: str) -> None:
        config = readme_config().replace("id: detachlint ", f"id: {hook} ")
        self.write(".pre-commit-config.yaml", config)
        self.run("pre-commit", "install")
        self.git("add", ".pre-commit-config.yaml")
        assert "Skipped" in self.git("commit", "-m", "the hooks")  # no Python file is in it

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commit(self, *names: str, status: int = 0) -> str:
        self.git("add", *names)
        return self.git("commit", "-m", "a change", status=status)

    def committed(self, name: str) -> str:
        return self.git("show", f"HEAD:{name}")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What git and pre-commit run in: the project's address leads to a repository of this checkout."""
    folder = tmp_path_factory.mktemp("hooks")
    release = folder / "release"
    release.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, release / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, release / name)
    settings = {
        f"url.{release.as_uri()}.insteadOf": URL,
        "user.name": "somebody",
        "user.email": "somebody@example.org",
        "init.defaultBranch": "main",
        "commit.gpgSign": "false",
    }
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GIT_", "PYTHON", "PRE_COMMIT"))
    }
    environment = {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]]),
        "PRE_COMMIT_HOME": str(folder / "home"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
        **{f"GIT_CONFIG_KEY_{index}": key for index, key in enumerate(settings)},
        **{f"GIT_CONFIG_VALUE_{index}": value for index, value in enumerate(settings.values())},
    }
    for command in (["init"], ["add", "."], ["commit", "-m", "x"], ["tag", f"v{detachlint.__version__}"]):
        subprocess.run(["git", *command], cwd=release, env=environment, check=True, capture_output=True)
    return environment


@pytest.fixture
def linting(tmp_path: Path, environment: dict[str, str]) -> Repository:
    repository = Repository(tmp_path / "project", environment)
    repository.install("detachlint")
    return repository


@pytest.fixture
def fixing(tmp_path: Path, environment: dict[str, str]) -> Repository:
    repository = Repository(tmp_path / "project", environment)
    repository.install("detachlint-fix")
    return repository


@pytest.mark.installs
def test_a_commit_with_a_finding_is_blocked_until_it_is_mended(linting: Repository) -> None:
    path = linting.write("src/train.py", BAD)
    said = linting.commit("src", status=1)
    assert "src/train.py:11:5: DTL301 [*]" in said
    assert "1. line 8: the output of `model` requires grad" in said
    assert path.read_text() == BAD
    linting.git("rev-parse", "HEAD~0:src/train.py", status=128)
    path.write_text(CLEAN)
    assert "Passed" in linting.commit("src")
    assert linting.committed("src/train.py") == CLEAN


@pytest.mark.installs
def test_what_needs_nothing_passes(linting: Repository) -> None:
    linting.write("clean.py", CLEAN)
    linting.write("plain.py", "print('hello')\n")
    assert "Passed" in linting.commit("clean.py", "plain.py")
    linting.write("notes.md", "total += loss\n")
    assert "(no files to check)Skipped" in linting.commit("notes.md")
    linting.write("only.py", "x = 1\n")
    assert "Passed" in linting.commit("only.py")


@pytest.mark.installs
def test_a_file_that_cannot_be_parsed_blocks_and_is_named(linting: Repository) -> None:
    linting.write("broken.py", "import torch\nx = (\n")
    assert "error: broken.py:2:5: cannot be parsed" in linting.commit("broken.py", status=1)


@pytest.mark.installs
def test_what_the_project_excludes_is_left_out_though_it_is_named(linting: Repository) -> None:
    linting.write("pyproject.toml", '[tool.detachlint]\nextend-exclude = ["legacy/"]\n')
    linting.write("legacy/old.py", BAD)
    linting.write("src/new.py", BAD)
    said = linting.commit(".", status=1)
    assert "src/new.py:11:5" in said
    assert "legacy" not in said
    linting.write("src/new.py", CLEAN)
    assert "Passed" in linting.commit(".")


@pytest.mark.installs
def test_a_helper_that_is_not_part_of_the_commit_is_read(linting: Repository) -> None:
    linting.write("helpers.py", "from torch import nn\n\n\ndef make():\n    return nn.Linear(2, 1)\n")
    linting.commit("helpers.py")
    linting.write(
        "use.py",
        "import torch\nfrom helpers import make\n\nmodel = make()\nprint(model(torch.ones(2)).numpy())\n",
    )
    assert "use.py:5:7: DTL101" in linting.commit("use.py", status=1)


@pytest.mark.installs
def test_only_what_is_staged_counts(linting: Repository) -> None:
    path = linting.write("train.py", CLEAN)
    linting.git("add", "train.py")
    path.write_text(BAD)
    assert "Passed" in linting.git("commit", "-m", "clean is staged, bad is not")
    assert path.read_text() == BAD
    linting.git("add", "train.py")
    path.write_text(CLEAN + "print('more')\n")
    assert "DTL301" in linting.git("commit", "-m", "bad is staged, clean is not", status=1)
    assert path.read_text() == CLEAN + "print('more')\n"


@pytest.mark.installs
def test_the_fix_hook_repairs_and_the_next_commit_passes(fixing: Repository) -> None:
    path = fixing.write("train.py", BAD)
    said = fixing.commit("train.py", status=1)
    assert "files were modified by this hook" in said
    assert "(1 fixed, 0 remaining)" in said
    assert path.read_text() == FIXED
    assert "Passed" in fixing.commit("train.py")
    assert fixing.committed("train.py") == FIXED


@pytest.mark.installs
def test_the_fix_hook_repairs_what_is_staged_and_leaves_the_rest(fixing: Repository) -> None:
    path = fixing.write("train.py", BAD)
    fixing.git("add", "train.py")
    path.write_text("print('not staged')\n" + BAD)
    assert "files were modified by this hook" in fixing.git("commit", "-m", "staged", status=1)
    assert path.read_text() == "print('not staged')\n" + FIXED


@pytest.mark.installs
def test_a_repair_of_the_lines_that_are_being_edited_is_rolled_back(fixing: Repository) -> None:
    path = fixing.write("train.py", BAD)
    fixing.git("add", "train.py")
    edited = BAD.replace("total += loss", "total += 2 * loss")
    path.write_text(edited)
    assert "Rolling back fixes" in fixing.git("commit", "-m", "staged", status=1)
    assert path.read_text() == edited


@pytest.mark.installs
def test_the_fix_hook_still_blocks_what_it_cannot_mend(fixing: Repository) -> None:
    fixing.write("train.py", BAD)
    fixing.write("plot.py", PLOT)
    said = fixing.commit("train.py", "plot.py", status=1)
    assert "plot.py:6:1: DTL102" in said
    assert "(1 fixed, 1 remaining)" in said
    assert "files were modified" not in fixing.commit("train.py", "plot.py", status=1)


@pytest.mark.installs
def test_notebooks(fixing: Repository) -> None:
    lines = BAD.splitlines(keepends=True)
    cells = [
        {"cell_type": "code", "execution_count": 3, "metadata": {}, "outputs": [], "source": source}
        for source in (lines[:5], lines[5:])
    ]
    notebook = {"nbformat_minor": 4, "nbformat": 4, "metadata": {}, "cells": cells}
    text = json.dumps(notebook, indent=3)
    path = fixing.write("notebooks/train.ipynb", text)
    assert "files were modified by this hook" in fixing.commit("notebooks", status=1)
    assert path.read_text() == text.replace("total += loss", "total += loss.detach()")
    assert "Passed" in fixing.commit("notebooks")


@pytest.mark.installs
def test_it_can_be_tried_without_a_config(tmp_path: Path, environment: dict[str, str]) -> None:
    repository = Repository(tmp_path / "project", environment)
    repository.write("train.py", BAD)
    repository.git("add", ".")
    release = environment["GIT_CONFIG_KEY_0"].removeprefix("url.").removesuffix(".insteadOf")
    said = repository.run("pre-commit", "try-repo", release, "detachlint", "--all-files", status=1)
    assert "train.py:11:5: DTL301" in said
