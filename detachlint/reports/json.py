"""Findings as JSON, in the shape that ruff's users know, with the trace beside it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from detachlint.findings import Finding, Fix, Location, Step


def render(findings: Sequence[Finding]) -> str:
    """A JSON array, one object a finding."""
    return json.dumps([_finding(finding) for finding in findings], indent=2) + "\n"


def statistics(findings: Sequence[Finding]) -> str:
    """How often each rule fired, in the order of their codes."""
    counted = Counter((finding.code, finding.name) for finding in findings)
    listed = [{"code": code, "name": name, "count": count} for (code, name), count in sorted(counted.items())]
    return json.dumps(listed, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "cell": finding.cell,
        "code": finding.code,
        "name": finding.name,
        "message": finding.message,
        "filename": _absolute(finding.filename),
        "location": _location(finding.location),
        "end_location": _location(finding.end_location),
        "fix": None if finding.fix is None else _fix(finding.fix),
        "unfixable": finding.unfixable,
        "trace": [_step(step) for step in finding.trace],
        "url": finding.url,
    }


def _absolute(filename: str) -> str:
    return filename if filename in ("-", "<stdin>") else os.path.abspath(filename)


def _location(location: Location) -> dict[str, int]:
    return {"row": location.row, "column": location.column}


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [
        {
            "content": edit.content,
            "location": _location(edit.location),
            "end_location": _location(edit.end_location),
            **({} if edit.cell is None else {"cell": edit.cell}),
        }
        for edit in fix.edits
    ]
    return {"applicability": fix.applicability, "message": fix.message, "edits": edits}


def _step(step: Step) -> dict[str, Any]:
    return {
        "cell": step.cell,
        "filename": _absolute(step.filename),
        "location": _location(step.location),
        "end_location": _location(step.end_location),
        "text": step.text,
    }
