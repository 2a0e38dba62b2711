"""The rules' cases as tests see them, and the linter as cases need it.

A case is a function `bad_...` or `good_...` of rules/*/cases/*.py. Lines to be reported end in the rule's
code as a comment. A function whose harm is another than its rule's says so on its `def` line:
`# harm: lost`, or `# harm: raises: what the exception must say`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from detachlint import rulebook
from detachlint.config import Settings
from detachlint.findings import Finding
from detachlint.linter import Linter, Outcome
from detachlint.sources import Source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RULES = Path(__file__).parent.parent / "rules"
_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
_MARK = re.compile(r"#\s*(DTL\d{3}(?:[, ]+DTL\d{3})*)\s*$")
_HARM = re.compile(r"#\s*harm:\s*([\w-]+)(?::\s*(.*\S))?\s*$")


@dataclass(frozen=True)
class CaseFile:
    """One file of cases."""

    path: Path

    @property
    def name(self) -> str:
        return f"{self.folder.name[:6]}/{self.path.name}"

    @property
    def folder(self) -> Path:
        return self.path.parent.parent

    @property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def marks(self) -> Counter[tuple[int, str]]:
        """What must be reported: row and code."""
        return Counter(
            (row, code)
            for row, line in enumerate(self.source.splitlines(), start=1)
            if (match := _MARK.search(line)) and not line.lstrip().startswith("#")
            for code in re.findall(r"DTL\d{3}", match[1])
        )

    @property
    def functions(self) -> list[ast.FunctionDef]:
        """The case functions, good and bad."""
        nodes = ast.parse(self.source).body
        return [n for n in nodes if isinstance(n, ast.FunctionDef) and n.name.startswith(("bad_", "good_"))]

    def linter(self, **settings: Any) -> Linter:
        """The default rules and the one whose cases these are."""
        book = rulebook.load()
        codes = {rule.code for rule in book.rules if rule.set == "default"} | {self.folder.name[:6]}
        return Linter(Settings(self.path.parent, **settings), book, book.only(codes))

    def lint(self) -> list[Finding]:
        """The findings in this file."""
        return list(_lint(self))

    def repaired(self, text: str | None = None) -> Outcome:
        """What comes of linting the file, or a changed text of it, with every fix: the unsafe ones too."""
        return _repaired(self, self.source if text is None else text)


@cache
def _lint(file: CaseFile) -> tuple[Finding, ...]:
    return tuple(file.linter().lint(Source(str(file.path), file.source)))


@cache
def _repaired(file: CaseFile, text: str) -> Outcome:
    return file.linter(fix=True, unsafe_fixes=True).outcome_of(Source(str(file.path), text))


@dataclass(frozen=True)
class Case:
    """One function of a file of cases, with the harm a bad one must show."""

    file: CaseFile
    function: str
    harm: str
    harm_text: str

    @property
    def name(self) -> str:
        return f"{self.file.name}:{self.function}"

    @property
    def bad(self) -> bool:
        return self.function.startswith("bad_")

    @property
    def marks(self) -> set[int]:
        """The rows inside the function that must be reported by the rule whose case this is."""
        node = next(f for f in self.file.functions if f.name == self.function)
        code = self.file.folder.name[:6]
        rows = {row for row, marked in self.file.marks if marked == code}
        return {row for row in rows if node.lineno <= row <= (node.end_lineno or row)}

    @cached_property
    def rows(self) -> set[int]:
        """The rows of the function, and of what it uses of the file's own functions and classes."""
        defined = {
            node.name: node for node in ast.parse(self.file.source).body if isinstance(node, _DEFINITIONS)
        }
        used: set[str] = set()
        waiting = [self.function]
        while waiting:
            name = waiting.pop()
            if name in defined and name not in used:
                used.add(name)
                waiting += [node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)]
        spans = [(defined[name].lineno, defined[name].end_lineno or 0) for name in used]
        return {row for first, last in spans for row in range(first, last + 1)}


def folders() -> list[Path]:
    """The folders of all rules."""
    return sorted(path.parent for path in RULES.glob("*/rule.toml"))


def case_files() -> list[CaseFile]:
    """All files of cases, by rule and name."""
    return [CaseFile(path) for folder in folders() for path in sorted(folder.glob("cases/*.py"))]


def cases() -> list[Case]:
    """All case functions."""
    return [_case(file, function) for file in case_files() for function in file.functions]


def _case(file: CaseFile, function: ast.FunctionDef) -> Case:
    rule = rule_table(file.folder)
    own = _HARM.search(file.source.splitlines()[function.lineno - 1])
    if own:
        return Case(file, function.name, own[1], own[2] or "")
    return Case(file, function.name, rule["harm"], rule.get("harm_text", ""))


@cache
def rule_table(folder: Path) -> dict[str, Any]:
    """A rule's rule.toml as it stands there."""
    return tomllib.loads((folder / "rule.toml").read_text(encoding="utf-8"))
