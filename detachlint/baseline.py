"""The findings a project has got used to, in a file beside it: only what is not in there is reported.

An entry is known by its fingerprint, which holds no line number, and says how many findings share it: the
first so many of a file are old, one more is new. Rule, path, function and code stand in it for people who
review the file; nobody reads them back. An entry that stands for nothing any more is stale, and said to be,
so that the file shrinks as the project heals.

Entries of files that a run did not look at, and of rules that did not run, are neither stale nor forgotten.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from detachlint.config import ConfigError, shown
from detachlint.findings import Finding, Silenced
from detachlint.fingerprints import fingerprint, path_in

VERSION = 1
_REASON = "in the baseline"
_LONGEST_SOURCE = 100
_TEXTS = ("fingerprint", "code", "path", "scope", "source")


@dataclass(frozen=True, slots=True)
class Entry:
    """One or several findings that are the same in all but their lines."""

    path: str
    code: str
    scope: str
    source: str
    count: int
    fingerprint: str

    def __str__(self) -> str:
        inside = f" in {self.scope}" if self.scope else ""
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.path}: {self.code}{inside}: {self.source}{times}"


@dataclass(frozen=True)
class Baseline:
    """The entries of a file; `base` is the folder that paths are counted from."""

    base: Path
    entries: tuple[Entry, ...] = ()

    def sift(self, findings: list[Finding]) -> tuple[list[Finding], list[Silenced]]:
        """The new ones of a file's findings, and the old ones."""
        left = self._counts()
        new, old = [], []
        for finding in findings:
            known = fingerprint(finding, self.base)
            if left[known] > 0:
                left[known] -= 1
                old.append(Silenced(finding, "external", _REASON))
            else:
                new.append(finding)
        return new, old

    def _counts(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for entry in self.entries:
            counts[entry.fingerprint] += entry.count
        return counts

    def of(self, findings: Sequence[Finding]) -> Baseline:
        """A baseline of these findings."""
        entries: dict[str, Entry] = {}
        for finding in findings:
            known = fingerprint(finding, self.base)
            old = entries.get(known)
            entries[known] = self._entry(finding, known) if old is None else replace(old, count=old.count + 1)
        return replace(self, entries=tuple(entries.values()))

    def _entry(self, finding: Finding, known: str) -> Entry:
        path = path_in(self.base, finding.filename)
        source = finding.essence or finding.message
        source = source if len(source) <= _LONGEST_SOURCE else source[: _LONGEST_SOURCE - 3] + "..."
        return Entry(path, finding.code, finding.scope, source, 1, known)

    def renewed(
        self, findings: Sequence[Finding], looked_at: Iterable[str], codes: Collection[str]
    ) -> Baseline:
        """A baseline of what a run over these files with these rules has found or could not know."""
        new = self.of(findings)
        return replace(self, entries=(*new.entries, *self._unseen(looked_at, codes)))

    def _unseen(self, looked_at: Iterable[str], codes: Collection[str]) -> list[Entry]:
        """The entries that a run can say nothing about."""
        seen = {path_in(self.base, filename) for filename in looked_at}
        return [
            entry
            for entry in self.entries
            if entry.code not in codes or (entry.path not in seen and (self.base / entry.path).exists())
        ]

    def stale(
        self, silenced: Iterable[Silenced], looked_at: Iterable[str], codes: Collection[str]
    ) -> list[Entry]:
        """The entries, or parts of entries, that no finding of a run stands for any more."""
        seen = Counter(fingerprint(item.finding, self.base) for item in silenced if item.kind == "external")
        unseen = {entry.fingerprint for entry in self._unseen(looked_at, codes)}
        idle = [
            replace(entry, count=entry.count - seen[entry.fingerprint])
            for entry in self.entries
            if entry.fingerprint not in unseen
        ]
        return [entry for entry in idle if entry.count > 0]

    def text(self) -> str:
        """The file's content: an entry a line, sorted, so that two branches seldom change the same one."""
        lines = sorted(json.dumps(asdict(entry), ensure_ascii=True) for entry in self.entries)
        listed = ",\n    ".join(lines)
        findings = f"[\n    {listed}\n  ]" if lines else "[]"
        return f'{{\n  "version": {VERSION},\n  "findings": {findings}\n}}\n'


def read(file: Path, base: Path) -> Baseline:
    """The baseline of a file; ConfigError with the reason if it is none."""
    name = shown(file)
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{name}: no such baseline; --write-baseline {name} writes one") from error
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: is no baseline: not valid JSON: {error}") from error
    version = data.get("version") if isinstance(data, dict) else None
    if version != VERSION:
        raise ConfigError(f"{name}: is no baseline of this version: `version` must be {VERSION}")
    findings = data.get("findings")
    if not isinstance(findings, list):
        raise ConfigError(f"{name}: is no baseline: `findings` must be a list")
    return Baseline(base, tuple(_read_entry(name, number, item) for number, item in enumerate(findings, 1)))


def _read_entry(name: str, number: int, item: Any) -> Entry:
    if not isinstance(item, Mapping):
        raise ConfigError(f"{name}: finding {number}: must be an object")
    for key in _TEXTS:
        if not isinstance(item.get(key), str):
            raise ConfigError(f"{name}: finding {number}: `{key}` must be a text")
    count = item.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ConfigError(f"{name}: finding {number}: `count` must be a number from 1")
    return Entry(count=count, **{key: item[key] for key in _TEXTS})
