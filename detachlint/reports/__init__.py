"""Findings as text for people and as data for programs.

Every format is a function from findings to text; nothing here prints or reads the command line. A format's
module is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from detachlint.findings import Finding


class LinesOf(Protocol):
    """Gives the lines of a file, or of a notebook's cell; empty when they can't be read any more."""

    def __call__(self, filename: str, cell: int | None = None, /) -> Sequence[str]: ...


def statistics(findings: Sequence[Finding], output_format: str) -> str:
    """How often each rule fired, for people or as JSON."""
    if output_format == "json":
        from detachlint.reports.json import statistics as counted

        return counted(findings)
    from detachlint.reports.text import statistics as listed

    return listed(findings)


def render(
    output_format: str, findings: Sequence[Finding], lines_of: LinesOf, color: bool = False, width: int = 80
) -> str:
    """The findings in one of the output formats; text that is not empty ends in a newline."""
    if not findings and output_format != "json":
        return ""
    if output_format == "json":
        from detachlint.reports.json import render as render_json

        return render_json(findings)
    if output_format == "github":
        from detachlint.reports.github import render as render_github

        return render_github(findings)
    from detachlint.reports import text

    if output_format == "concise":
        return text.concise(findings, color)
    return text.full(findings, lines_of, color, width)
