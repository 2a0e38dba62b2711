"""The same findings inside flake8, for projects that already run it everywhere.

The rules are chosen by the project's `[tool.detachlint]`, as always; flake8's own selection works on top of
it. There are no fixes and no traces here: flake8 shows a line a finding. What stops `detachlint` (a mistake
in its config) is reported as DTL000, because flake8 would call it a crash.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from detachlint import __version__
from detachlint.config import ConfigError
from detachlint.rulebook import RuleError
from detachlint.sources import Source, SourceError, is_worth_parsing

Report: TypeAlias = "tuple[int, int, str, type[Plugin]]"


class Plugin:
    """One file of a run of flake8."""

    name = "detachlint"
    version = __version__

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        self._source = Source(filename, "".join(lines))

    def run(self) -> Iterator[Report]:
        """Row, column from 0, code and message of each finding."""
        if not is_worth_parsing(self._source.text.encode("utf-8", "surrogatepass")):
            return
        from detachlint.inspection import GivenUp, inspect

        try:
            inspected = inspect(self._source)
        except (ConfigError, RuleError, SourceError, GivenUp) as error:
            yield 1, 0, f"DTL000 {error}", Plugin
            return
        for finding in inspected.findings if inspected is not None else ():
            place = finding.location
            yield place.row, place.column - 1, f"{finding.code} {finding.message}", Plugin
