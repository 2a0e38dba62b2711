"""Judgements on code that nobody here wrote, and whether the linter still agrees with them.

`verdicts.jsonl` holds one judgement per line, data and no code: where it stands (a repository at a commit, or
a package at a version), the path, the line, the rule's code, the verdict of a careful reader (`right`: the
value can require grad there, the sink does what the rule says, no later backward needs it; `wrong`;
`arguable`), and why in one line. A change of the linter must not lose what is right nor bring back what is
wrong. This script says where it does:

    python tests/realworld/replay.py                     # fetches what is needed, with git and pip
    python tests/realworld/replay.py --sources DIR       # DIR/owner+name, DIR/name-version: already laid out
    python tests/realworld/replay.py --only owner/name

It prints every verdict that turned for the worse, then the counts, and ends with status 1 if there is one.
Findings on lines that nobody has judged are listed as `unjudged`; they change nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Judgement = Literal["right", "wrong", "arguable"]
RECORD = Path(__file__).with_name("verdicts.jsonl")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judged finding. `source` is `owner/name@commit` or `name==version`."""

    source: str
    path: str
    line: int
    code: str
    verdict: Judgement
    why: str

    @property
    def key(self) -> tuple[int, str]:
        """What names the finding in its file."""
        return self.line, self.code


def load(record: Path = RECORD) -> list[Verdict]:
    """All judgements. Raises ValueError, with the line's number, for one that is not complete."""
    found = []
    for number, text in enumerate(record.read_text(encoding="utf-8").splitlines(), 1):
        try:
            verdict = Verdict(**json.loads(text))
        except (TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{record.name}:{number}: {error}") from error
        if verdict.verdict not in get_args(Judgement) or not verdict.why.strip():
            raise ValueError(
                f"{record.name}:{number}: a verdict has to be one of {get_args(Judgement)}, with a reason"
            )
        found.append(verdict)
    return found


def compare(verdicts: Iterable[Verdict], found: set[tuple[int, str]]) -> list[tuple[str, Verdict]]:
    """The verdicts of one file that turned for the worse: `lost` what is right, `back` what is wrong."""
    worse = []
    for verdict in verdicts:
        reported = verdict.key in found
        if verdict.verdict == "right" and not reported:
            worse.append(("lost", verdict))
        if verdict.verdict == "wrong" and reported:
            worse.append(("back", verdict))
    return worse


def lint(root: Path, path: str, command: Sequence[str]) -> set[tuple[int, str]]:
    """The lines and codes that the linter reports for one file of a laid out source."""
    done = subprocess.run(
        [*command, "--isolated", "--output-format", "json", path],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return {(finding["location"]["row"], finding["code"]) for finding in json.loads(done.stdout)}


def lay_out(source: str, folder: Path) -> Path:
    """A source's files: below `folder` if they are there already, fetched otherwise."""
    if "@" in source:
        name, commit = source.split("@")
        root = folder / name.replace("/", "+")
        if not root.exists():
            clone = ["git", "clone", "--quiet", f"https://github.com/{name}", str(root)]
            subprocess.run(clone, check=True)
            subprocess.run(["git", "-C", str(root), "checkout", "--quiet", commit], check=True)
        return root
    root = folder / source.replace("==", "-")
    if not root.exists():
        download = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            source,
        ]
        subprocess.run(download, check=True)
        wheel = next(folder.glob(f"{source.split('==', maxsplit=1)[0].replace('-', '_')}-*.whl"))
        zipfile.ZipFile(wheel).extractall(root)
    return root


def by_file(verdicts: Iterable[Verdict]) -> Mapping[tuple[str, str], list[Verdict]]:
    """The judgements of each file."""
    found: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.source, verdict.path].append(verdict)
    return found


def replay(verdicts: list[Verdict], folder: Path, command: Sequence[str]) -> int:
    """Lint every judged file again and print what changed; 1 if a verdict turned for the worse."""
    counts: Counter[str] = Counter()
    for (source, path), judged in sorted(by_file(verdicts).items()):
        found = lint(lay_out(source, folder), path, command)
        for what, verdict in compare(judged, found):
            counts[what] += 1
            print(f"{what}: {source} {path}:{verdict.line} {verdict.code} ({verdict.why})")
        for line, code in sorted(found - {verdict.key for verdict in judged}):
            counts["unjudged"] += 1
            print(f"unjudged: {source} {path}:{line} {code}")
        counts.update(f"{v.verdict}, {'reported' if v.key in found else 'silent'}" for v in judged)
    print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))
    return 1 if counts["lost"] or counts["back"] else 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Replay the judgements of verdicts.jsonl.")
    parser.add_argument("--sources", type=Path, help="folder with the sources; a temporary one if not given")
    parser.add_argument("--only", help="only this repository or package")
    parser.add_argument("--record", type=Path, default=RECORD)
    arguments = parser.parse_args()
    verdicts = [
        v for v in load(arguments.record) if arguments.only is None or v.source.startswith(arguments.only)
    ]
    command = [sys.executable, "-m", "detachlint"]
    if arguments.sources is not None:
        return replay(verdicts, arguments.sources.resolve(), command)
    with tempfile.TemporaryDirectory() as folder:
        return replay(verdicts, Path(folder), command)


if __name__ == "__main__":
    sys.exit(main())
