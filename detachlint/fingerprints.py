"""What a finding is known by from one run to the next.

A fingerprint is made of the rule, the file's path in the project, the function around the finding and its
code. It holds no line number, so that it stays while lines above come and go; several findings that are the
same in all of that are told apart by their order. Baselines, SARIF and GitLab compare by it.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from detachlint.findings import Finding

_SIZE = 16  # bytes; findings of a project are few, and nobody gains by forging one

_NO_PARENTHESES = str.maketrans("", "", "()")


def path_in(base: Path, filename: str) -> str:
    """The path of a file inside a folder, with slashes; its whole path if it lies elsewhere."""
    real = os.path.realpath(filename)
    try:
        return Path(real).relative_to(base).as_posix()
    except ValueError:
        return Path(real).as_posix()


def fingerprint(finding: Finding, base: Path) -> str:
    """What the finding shares with its like only."""
    path = path_in(base, finding.filename)
    code = finding.essence.translate(_NO_PARENTHESES)  # formatters put them around what they break
    parts = (finding.code, path, finding.scope, code or finding.message)
    data = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_SIZE).hexdigest()


def told_apart(findings: Sequence[Finding], base: Path) -> Iterator[str]:
    """A fingerprint for each finding, with its number among its like."""
    seen: Counter[str] = Counter()
    for finding in findings:
        own = fingerprint(finding, base)
        seen[own] += 1
        yield f"{own}:{seen[own]}"
