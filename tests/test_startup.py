"""What a run imports: told by the names of modules, because times depend on the machine."""

import sys
from pathlib import Path

import command
import pytest

# What only a file that is worth parsing needs; what only a report that says something needs; what only a
# run that is to remember something needs.
HEAVY = (
    *("detachlint.tracking", "detachlint.models", "detachlint.linter", "detachlint.rulebook"),
    *("detachlint.findings", "detachlint.positions", "json", "shutil"),
    *("detachlint.reports.text", "detachlint.reports.json", "detachlint.parallel", "multiprocessing"),
    *("detachlint.fixes", "detachlint.edits", "detachlint.baseline", "detachlint.changes", "tempfile"),
    *("detachlint.cache", "hashlib", "pathspec", "click.testing", "detachlint.server", "pygls"),
    *("libcst", "rich", "torch", "numpy"),
)


def imported(*arguments: str, cwd: Path) -> set[str]:
    """The modules that the command imports."""
    program = (sys.executable, "-X", "importtime", "-m", "detachlint", *arguments)
    done = command.subprocess.run(program, cwd=cwd, env=command.ENVIRONMENT, capture_output=True, check=True)
    lines = done.stderr.decode().splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


@pytest.fixture
def commit(tmp_path):
    """A project whose commit has nothing to do with torch."""
    (tmp_path / ".git").mkdir()
    for number in range(20):
        (tmp_path / f"part{number}.py").write_text(f"import os\n\nprint(os.sep * {number})\n")
    return tmp_path


def test_the_version_is_told_without_loading_the_program(commit):
    found = imported("--version", cwd=commit)
    assert "detachlint.cli" in found
    assert found.isdisjoint(HEAVY)


def test_a_commit_without_torch_loads_nothing_that_lints(commit):
    names = sorted(path.name for path in commit.glob("*.py"))
    found = imported("--force-exclude", *names, cwd=commit)
    assert "detachlint.sources" in found
    assert found.isdisjoint(HEAVY)


def test_a_file_with_torch_loads_the_tracker(commit):
    """The test above would notice."""
    (commit / "part0.py").write_text("import torch\n")
    assert {"detachlint.tracking", "detachlint.cache"} <= imported("part0.py", cwd=commit)
    again = imported("part0.py", cwd=commit)
    assert "detachlint.tracking.interpreter" not in again
