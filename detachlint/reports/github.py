"""Findings as workflow commands: GitHub shows them as annotations in the changed files.

What comes from the linted code is escaped, so that no file name or message can end the command and begin
another.
"""

from __future__ import annotations

from collections.abc import Sequence

from detachlint.findings import Finding, Step, line_of
from detachlint.fingerprints import path_in
from detachlint.reports.context import Context


def render(findings: Sequence[Finding], context: Context) -> str:
    """One `::error` command a finding."""
    return "".join(_command(finding, context) + "\n" for finding in findings)


def _command(finding: Finding, context: Context) -> str:
    start, end = finding.location, finding.end_location
    path = path_in(context.base, finding.filename)
    properties = {"title": f"detachlint ({finding.code})", "file": path, "line": str(start.row)}
    if finding.cell is not None:  # GitHub counts the lines of the notebook's JSON, which nobody reads
        properties["line"] = "1"
    elif end.row == start.row:
        properties |= {"col": str(start.column), "endLine": str(end.row), "endColumn": str(end.column)}
    else:  # GitHub takes columns only where a finding stays on its line
        properties["endLine"] = str(end.row)
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    steps = enumerate(finding.trace, 1)
    trace = "".join(f"\n{number}. {_place(step)}: {step.text}" for number, step in steps)
    message = f"{_place(finding)}:{start.column}: {finding.code} {finding.message}{trace}"
    return f"::error {said}::{_data(message)}"


def _place(place: Finding | Step) -> str:
    return line_of(place).replace("\\", "/")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
