"""What an earlier run found, for the files of which it would find the same again.

A run's results lie in one JSON file in `.detachlint_cache`; which file, say the program's own files (so that
another version, other rules or other models never meet it), the Python that runs it, the settings, and the
folder that names are relative to. In it stand, for each linted file, the digest of its content, its findings,
and what its analysis asked of the project's other files, with the answers (`tracking.project`): a file is
linted again if it has changed, or if a question has another answer by now, and for no other reason.

Content is only read where the file's size or time differ from those that were noted. A time that was almost
"now" when it was noted proves nothing, because a file can change twice within a clock tick.

A cache must never be the reason for anything. Whatever is wrong with it (it is not ours, not whole, not
readable, not writable, gone in the middle of a run) it is as good as empty, and nobody is told. What it holds
is data and is never run. Results with errors are not kept: the next run shall try again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detachlint import __version__
from detachlint.digests import digest
from detachlint.findings import Answer, Edit, Finding, Fix, Heard, Location, Question, Silenced, Step

if TYPE_CHECKING:
    from detachlint.config import Settings
    from detachlint.linter import Linter, Outcome
    from detachlint.sources import Screened
    from detachlint.tracking.project import Project

FOLDER = ".detachlint_cache"
_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This folder holds what detachlint has found before. It can be deleted at any time.
"""
_MOST_RUNS = 20  # different settings, folders and versions whose results are kept
_MOST_BYTES = 200_000_000  # of a file of results that are read
_TICK = 2_000_000_000  # nanoseconds: how coarse a file system's clock can be

Stamp = tuple[int, int]


@dataclass
class _Entry:
    """One file: its stamp, the digest of its content, and what was found; nothing if it was not parsed."""

    stamp: Stamp | None
    digest: str
    found: list[Any] | None = None
    answers: list[int] = field(default_factory=list)


class Cache:
    """The results of earlier runs with the same settings, and those of this run that a later one may use."""

    def __init__(self, folder: Path, settings: Settings, said: object = None) -> None:
        self._folder = folder
        self._root = settings.root
        self._file = folder / f"{_context(settings, said)}.json"
        self._entries: dict[str, _Entry] = {}
        self._asked: list[tuple[Question, Answer]] = []
        self._numbers: dict[tuple[Question, Answer], int] = {}
        self._stamps: dict[str, tuple[Stamp, str]] = {}
        self._fresh: dict[int, bool] = {}
        self._seen: dict[str, tuple[Stamp, str]] = {}
        self._project: Project | None = None
        self._changed = False
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
            self._load()

    def recall(self, filename: str) -> Heard | None:
        """What there is to say of a file, if it is known and would be the same now."""
        try:
            entry = self._entries.get(filename)
            if entry is None or not self._is_unchanged(filename, entry):
                return None
            if not all(self._is_answered_so(number) for number in entry.answers):
                return None
            findings, silenced = entry.found or ([], [])
            return Heard(tuple(map(_finding, findings)), tuple(map(_silenced, silenced)))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None  # it is none of ours

    def outcomes(self, files: Iterable[str], linter: Callable[[], Linter]) -> dict[str, Outcome]:
        """The outcomes of the files that are known, and need no repair; the others are looked at."""
        found: dict[str, Outcome] = {}
        for name in files:
            heard = self.recall(name)
            outcome = None if heard is None else linter().recalled(name, heard)
            if outcome is None:
                self.look(name)
            else:
                found[name] = outcome
        return found

    def remember(self, screened: Screened, linted: Iterable[Outcome]) -> None:
        """Keep what was found, and which files are not worth parsing, for later runs."""
        for outcome in linted:
            if outcome.heard is not None and outcome.fixed is None:
                self.keep(outcome.filename, outcome.heard)
        for name in screened.idle:
            self.keep(name, None)
        self.save()

    def look(self, filename: str) -> None:
        """The file is about to be linted: note what it is now."""
        with contextlib.suppress(OSError, ValueError):
            self._seen[filename] = _look(filename)

    def keep(self, filename: str, heard: Heard | None) -> None:
        """Keep what was found in a file that is still what it was when it was looked at; None: nothing."""
        stamp, content = self._seen.get(filename, (None, ""))
        with contextlib.suppress(OSError, ValueError):
            if stamp is None or _stamp(filename) != stamp:
                return
            entry = _Entry(stamp, content)
            if heard is not None:
                entry.found = [[_plain(f) for f in heard.findings], [_plain(s) for s in heard.silenced]]
                entry.answers = [self._number(*item) for item in heard.answers.items()]
            self._entries[filename] = entry
            self._changed = True

    def save(self) -> None:
        """Write what a later run may use, in one step; of two runs at once, that of the last one stays."""
        if not self._changed:
            return
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, IndexError):
            self._make_folder()
            data = json.dumps(self._content(), separators=(",", ":")).encode("utf-8", "surrogatepass")
            handle, name = tempfile.mkstemp(prefix=".new-", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.replace(name, self._file)
            except BaseException:
                os.unlink(name)
                raise
            self._sweep()

    def _load(self) -> None:
        if self._folder.is_symlink() or self._file.stat().st_size > _MOST_BYTES:
            return
        content = json.loads(self._file.read_bytes().decode("utf-8", "surrogatepass"))
        asked = [(tuple(question), _tuple(answer)) for question, answer in content["asked"]]
        entries = {
            name: _Entry(None if stamp is None else (stamp[0], stamp[1]), content, found, answers)
            for name, (stamp, content, found, answers) in content["files"].items()
        }
        stamps = {path: ((size, at), content) for path, (size, at, content) in content["read"].items()}
        self._entries, self._asked, self._stamps = entries, asked, stamps
        self._numbers = {question: number for number, question in enumerate(self._asked)}

    def _is_unchanged(self, filename: str, entry: _Entry) -> bool:
        try:
            stamp = _stamp(filename)
            if entry.stamp == stamp:
                return True
            if _look(filename) != (stamp, entry.digest):
                return False
        except (OSError, ValueError):
            return False
        entry.stamp, self._changed = stamp, True
        return True

    def _is_answered_so(self, number: int) -> bool:
        """Whether a question has the answer that it had."""
        if number not in self._fresh:
            question, answer = self._asked[number]
            now = self._digest(question[1]) if question[0] == "read" else self._ask(question)
            self._fresh[number] = now == answer
        return self._fresh[number]

    def _ask(self, question: Question) -> Answer:
        if self._project is None:
            from detachlint.tracking.project import Project

            self._project = Project(self._root)
        return self._project.answer(question)

    def _digest(self, path: str) -> str | None:
        try:
            stamp = _stamp(path)
            known = self._stamps.get(path)
            if known is None or known[0] != stamp:
                known = self._stamps[path] = _look(path)
                self._changed = True
        except (OSError, ValueError):
            return None
        return known[1]

    def _number(self, question: Question, answer: Answer) -> int:
        item = (question, answer)
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self._asked)
            self._asked.append(item)
        return number

    def _content(self) -> Mapping[str, object]:
        """What is written: no stamp that is too young, no file that is gone, no question that nobody asks."""
        young = time.time_ns() - _TICK
        entries = {name: entry for name, entry in self._entries.items() if os.path.exists(name)}
        used = sorted({number for entry in entries.values() for number in entry.answers})
        numbers = {old: new for new, old in enumerate(used)}
        read = {path: known for path, known in self._stamps.items() if known[0][1] < young}
        return {
            "detachlint": __version__,
            "asked": [self._asked[number] for number in used],
            "read": {path: [*stamp, content] for path, (stamp, content) in read.items()},
            "files": {
                name: (
                    entry.stamp if entry.stamp is not None and entry.stamp[1] < young else None,
                    entry.digest,
                    entry.found,
                    [numbers[number] for number in entry.answers],
                )
                for name, entry in entries.items()
            },
        }

    def _make_folder(self) -> None:
        if self._folder.is_symlink():
            raise OSError("it leads elsewhere")
        self._folder.mkdir(exist_ok=True)
        for name, text in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")):
            with contextlib.suppress(FileExistsError), open(self._folder / name, "x") as file:
                file.write(text)

    def _sweep(self) -> None:
        """Remove the results that have not been written for longest, and what a killed run left behind."""
        results = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        old = time.time() - 3600
        left = [path for path in self._folder.glob(".new-*") if path.stat().st_mtime < old]
        for path in (*results[_MOST_RUNS:], *left):
            path.unlink(missing_ok=True)


def folder_for(settings: Settings, chosen: Path | None) -> Path:
    """Where the cache lies: where it was said, or else at the project's root."""
    return settings.root / FOLDER if chosen is None else chosen


def _context(settings: Settings, said: object) -> str:
    """What stands for all that a result depends on besides files of the project."""
    about = (_program(), sys.version, os.getcwd(), str(settings.root), settings.selection, settings.preview)
    more = (settings.per_file_ignores, settings.models, said)
    return hashlib.blake2b(
        repr((about, more)).encode("utf-8", "backslashreplace"), digest_size=16
    ).hexdigest()


def _program() -> list[tuple[str, int, int]]:
    """The program's own files: its code, its models, its rules."""
    from detachlint.rulebook import folder

    here = Path(__file__).parent
    files: Iterable[Path] = (*here.rglob("*.py"), *here.rglob("*.toml"), *folder().glob("*/rule.toml"))
    found = {os.path.realpath(path) for path in files}
    return [(path, *_stamp(path)) for path in sorted(found)]


def _stamp(path: str) -> Stamp:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _look(path: str) -> tuple[Stamp, str]:
    """A file's stamp and the digest of its content."""
    stamp = _stamp(path)
    with open(path, "rb") as file:
        return stamp, digest(file.read())


def _tuple(answer: object) -> Any:
    return tuple(answer) if isinstance(answer, list) else answer


def _plain(item: object) -> Any:
    """A finding, or a part of one, as lists of words and numbers, in the order of its fields."""
    if isinstance(item, (Finding, Silenced, Fix, Edit, Step, Location)):
        return [_plain(getattr(item, name)) for name in item.__dataclass_fields__]
    return [_plain(part) for part in item] if isinstance(item, tuple) else item


def _silenced(fields: list[Any]) -> Silenced:
    finding, kind, reason = fields
    return Silenced(_finding(finding), kind, reason)


def _finding(fields: list[Any]) -> Finding:
    named = dict(zip(Finding.__dataclass_fields__, fields, strict=True))
    named["location"], named["end_location"] = Location(*named["location"]), Location(*named["end_location"])
    named["trace"] = tuple(_placed(Step, 1, step) for step in named["trace"])
    named["rows"] = (named["rows"][0], named["rows"][1])
    if named["fix"] is not None:
        applicability, message, edits = named["fix"]
        named["fix"] = Fix(applicability, message, tuple(_placed(Edit, 0, edit) for edit in edits))
    return Finding(**named)


def _placed(kind: Any, first: int, fields: list[Any]) -> Any:
    """A step or an edit: two of its fields, from the `first` on, are places."""
    places = [Location(*place) for place in fields[first : first + 2]]
    return kind(*fields[:first], *places, *fields[first + 2 :])
