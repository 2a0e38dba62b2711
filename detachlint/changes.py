"""What has changed since a revision, as git tells it.

A finding is of a change when a line of its statement is new, or a line between two of its lines is gone, or
when this is so of a step of its trace: a backward added above makes an old `append` wrong. The whole project
is linted all the same; only what is reported is chosen.

The revision is where the branch left it: what others have done there since is no change of this one. Files
that git does not know yet are new in all their lines. Git is run without anything that a repository's own
settings could make it start.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detachlint.config import ConfigError
from detachlint.findings import Finding, Silenced
from detachlint.fingerprints import path_in

_HUNK = re.compile(rb"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules", "--find-renames")
_SETTINGS = ("core.fsmonitor=false", "core.quotePath=false", "diff.interHunkContext=0")


class _GitFailed(Exception):
    """Git said no; the text is what it said."""


@dataclass(frozen=True)
class Changes:
    """The files that differ from a revision, by their path in the repository, with their path at that time.

    None instead of a path at that time: the file is new.
    """

    top: Path
    base: str
    files: Mapping[str, str | None]
    _known: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict, repr=False, compare=False)

    def sift(self, findings: list[Finding]) -> tuple[list[Finding], list[Silenced]]:
        """The findings that the changes have to do with."""
        return [finding for finding in findings if self._concern(finding)], []

    def _concern(self, finding: Finding) -> bool:
        if self._touch(finding.filename, finding.cell, *finding.rows):
            return True
        return any(
            self._touch(step.filename, step.cell, step.location.row, step.end_location.row)
            for step in finding.trace
        )

    def _touch(self, filename: str, cell: int | None, first: int, last: int) -> bool:
        path = path_in(self.top, filename)
        if path not in self.files:
            return False
        old = self.files[path]
        if old is None or cell is not None:  # git counts the lines of a notebook's JSON, not of its cells
            return True
        if path not in self._known:
            self._known[path] = _changed_rows(self.top, self.base, old, path)
        return any(first <= end and last >= start for start, end in self._known[path])


def _changed_rows(top: Path, base: str, old: str, new: str) -> tuple[tuple[int, int], ...]:
    """First and last row of each change. Where rows are only gone, the last one is before the first."""
    paths = [f":(top,literal){path}" for path in dict.fromkeys((old, new))]
    said = _git(top, "diff", "--unified=0", *_PLAIN, base, "--", *paths)
    hunks = ((int(match[1]), int(match[2] or 1)) for match in _HUNK.finditer(said))
    return tuple((start, start + count - 1) if count else (start + 1, start) for start, count in hunks)


def since(revision: str, root: Path) -> Changes:
    """What has changed in the project's repository since a revision; ConfigError if git can't tell."""
    try:
        top = Path(os.fsdecode(_git(root, "rev-parse", "--show-toplevel")).rstrip("\n"))
    except _GitFailed as error:
        raise ConfigError(f"--diff-base needs a git repository: {root}: {error}") from error
    try:
        base = _forked(top, _commit(top, revision))
        return Changes(top, base, dict(_changed_files(top, base)))
    except _GitFailed as error:
        raise ConfigError(f"--diff-base: git failed: {error}") from error


def _commit(top: Path, revision: str) -> str:
    try:
        if revision.startswith("-"):
            raise _GitFailed("it looks like an option")
        return _git(top, "rev-parse", "--verify", "--quiet", revision + "^{commit}").decode().strip()
    except _GitFailed as error:
        hint = "is it fetched? (a shallow clone holds one revision only)"
        raise ConfigError(f"--diff-base: git knows no revision `{revision}`; {hint}") from error


def _forked(top: Path, commit: str) -> str:
    """Where the current branch left a commit's; the commit itself where the two have nothing in common."""
    try:
        return _git(top, "merge-base", commit, "HEAD").decode().strip() or commit
    except _GitFailed:
        return commit


def _changed_files(top: Path, base: str) -> Iterator[tuple[str, str | None]]:
    told = iter(_names(_git(top, "diff", "--name-status", "-z", *_PLAIN, base, "--")))
    for status in told:
        path = next(told)
        if status[0] in "RC":
            yield next(told), path
        elif status[0] in "MT":
            yield path, path
        elif status[0] != "D":
            yield path, None
    for path in _names(_git(top, "ls-files", "-z", "--others", "--exclude-standard")):
        yield path, None


def _names(said: bytes) -> list[str]:
    return [os.fsdecode(name) for name in said.split(b"\0") if name]


def _git(folder: Path, *arguments: str) -> bytes:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", "--no-pager", *settings, "-C", str(folder), *arguments]
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=environment
        )
    except OSError as error:
        raise _GitFailed(f"git can't be run: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _GitFailed(said[0] if said else f"status {done.returncode}")
    return done.stdout
