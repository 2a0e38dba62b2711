"""Patterns that leave paths out, written as in a `.gitignore`.

Most patterns are plain names (`.venv`, `/build`). Those are looked up in a set; only the others ask
`pathspec`, which is imported when the first of them is met: a commit hook that is given its files by name
never pays for it. Paths are given relative to the folder the patterns belong to, with slashes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_STAR = "[^/]*"  # what `*` becomes in a regular expression
_MOST_FOLDERS = 4  # `**` in a pattern
_MOST_IGNORED = 1_000_000  # bytes of a `.gitignore`
_GLOB = frozenset("*?[\\! #")


@dataclass(frozen=True, slots=True)
class Patterns:
    """A list of patterns, the plain names apart from those that need matching."""

    names: frozenset[str]
    rooted: frozenset[str]
    rest: tuple[str, ...]

    def match(self, inside: str, is_folder: bool = False) -> bool:
        """Whether a path is left out, by itself or by a folder it lies in."""
        if self.names or self.rooted:
            parts = inside.split("/")
            if parts[0] in self.rooted or not self.names.isdisjoint(parts):
                return True
        if not self.rest:
            return False
        return compiled(self.rest).match_file(inside + "/" if is_folder else inside)

    def without_those_matching(self, inside: str) -> Patterns:
        """Only the patterns that do not leave out this folder, which somebody asked for by name."""
        parts = inside.split("/")
        rest = (pattern for pattern in self.rest if not compiled((pattern,)).match_file(inside + "/"))
        return Patterns(self.names.difference(parts), self.rooted - {parts[0]}, tuple(rest))


def patterns(lines: Iterable[str]) -> Patterns:
    """Sort patterns into names and the rest; with an exception (`!name`) their order matters."""
    lines = tuple(lines)
    if any(line.startswith("!") for line in lines):
        return Patterns(frozenset(), frozenset(), lines)
    plain = [line for line in lines if line and _GLOB.isdisjoint(line) and "/" not in line[1:]]
    names = frozenset(line for line in plain if not line.startswith("/"))
    rooted = frozenset(line[1:] for line in plain if line.startswith("/"))
    return Patterns(names, rooted, tuple(line for line in lines if line not in plain))


@cache
def compiled(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """The matcher of some patterns. A pattern that means nothing raises ValueError."""
    from pathspec import GitIgnoreSpec, RegexPattern

    if any(line.count("**") > _MOST_FOLDERS for line in lines):
        raise ValueError("more wildcards for folders than can be matched in time")
    spec = GitIgnoreSpec.from_lines(lines)
    for pattern in spec.patterns:
        regex = getattr(pattern, "regex", None)
        if isinstance(pattern, RegexPattern) and regex is not None and regex.pattern.count(_STAR) > 1:
            pattern.regex = re.compile(tamed(regex.pattern))
    return spec


def tamed(regex: str) -> str:
    """The expression for a pattern, matched in a time that does not explode with its wildcards.

    Of several wildcards in a name only the last must try all places: what follows an earlier one is
    best found as far left as it goes, and once found is found for good.
    """
    head, *rest = regex.split(_STAR)
    pieces = [head]
    for number, text in enumerate(rest):
        within = "/" not in text.replace("[^/]", "") and number < len(rest) - 1
        if not within:
            pieces.append(_STAR + text)
        elif text:  # two wildcards in a row are one
            pieces.append(f"(?=(?P<w{number}>[^/]*?{text}))(?P=w{number})")
    return "".join(pieces)


def gitignore_says(folder: str, path: str, is_folder: bool) -> bool | None:
    """What the `.gitignore` of a folder says of a path below it: ignored, not ignored, or nothing."""
    lines = _gitignore_lines(folder)
    if not lines or not path.startswith(folder.rstrip("/") + "/"):
        return None
    inside = path[len(folder.rstrip("/")) + 1 :]
    return compiled(lines).check_file(inside + "/" if is_folder else inside).include


@cache
def _gitignore_lines(folder: str) -> tuple[str, ...]:
    name = os.path.join(folder, ".gitignore")
    try:
        if not os.path.isfile(name):
            return ()
        with open(name, encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST_IGNORED).splitlines()
    except OSError:
        return ()
    said = (line for line in lines if line.strip() and not line.startswith("#"))
    return tuple(line for line in said if _means_something(line))


def _means_something(line: str) -> bool:
    try:
        compiled((line,))
    except ValueError:
        return False
    return True


def gitignores_above(folder: str) -> Iterator[str]:
    """The folders above this one, up to the root of its repository, top first, that have a `.gitignore`."""
    above: list[str] = []
    current = folder
    while not os.path.exists(os.path.join(current, ".git")):
        parent = os.path.dirname(current)
        if parent == current:
            return iter(())
        above.append(parent)
        current = parent
    return (name for name in reversed(above) if os.path.isfile(os.path.join(name, ".gitignore")))
