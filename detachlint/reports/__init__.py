"""Findings as text for people and as data for programs.

Every format is a function from findings to text; nothing here prints or reads the command line. A format's
module is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from detachlint.findings import Finding
    from detachlint.reports.context import Context


class LinesOf(Protocol):
    """Gives the lines of a file, or of a notebook's cell; empty when they can't be read any more."""

    def __call__(self, filename: str, cell: int | None = None, /) -> Sequence[str]: ...


class Report(Protocol):
    """A format that asks for more than the findings."""

    def __call__(self, findings: Sequence[Finding], context: Context, /) -> str: ...


def statistics(findings: Sequence[Finding], output_format: str) -> str:
    """How often each rule fired, for people or as JSON."""
    if output_format == "json":
        from detachlint.reports.json import statistics as counted

        return counted(findings)
    from detachlint.reports.text import statistics as listed

    return listed(findings)


def render(
    output_format: str,
    findings: Sequence[Finding],
    lines_of: LinesOf,
    color: bool = False,
    width: int = 80,
    context: Context | None = None,
    links: bool = False,
    broken: bool = False,
) -> str:
    """The findings in one of the output formats; text that is not empty ends in a newline."""
    if output_format in ("full", "concise"):
        if not findings:
            return ""
        from detachlint.reports import text

        if output_format == "concise":
            return text.concise(findings, color, links)
        return text.full(findings, lines_of, color, width, links, broken)
    if output_format == "json":
        from detachlint.reports.json import render as render_json

        return render_json(findings)
    return _with_context(output_format, findings, context)


def _with_context(output_format: str, findings: Sequence[Finding], context: Context | None) -> str:
    """The formats that ask for more than the findings."""
    from importlib import import_module

    from detachlint.reports.context import Context

    report: Report = import_module(f"detachlint.reports.{output_format}").render
    return report(findings, context or Context())
