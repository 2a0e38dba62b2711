"""Findings as a GitLab code quality report, which merge requests show beside the changed lines.

GitLab compares the reports of two branches by fingerprint and shows one finding for each, so they are all
different, and none depends on a line number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from detachlint.findings import Finding
from detachlint.fingerprints import path_in, told_apart
from detachlint.reports.context import Context

_SEVERITIES = {"error": "critical", "warning": "major", "note": "minor"}


def render(findings: Sequence[Finding], context: Context) -> str:
    """A JSON array, one object a finding."""
    known = told_apart(findings, context.base)
    issues = [_issue(finding, own, context) for finding, own in zip(findings, known, strict=True)]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, known: str, context: Context) -> dict[str, Any]:
    cell = "" if finding.cell is None else f"cell {finding.cell}: "
    first, last = (1, 1) if finding.cell else (finding.location.row, finding.end_location.row)
    return {
        "type": "issue",
        "check_name": finding.code,
        "description": f"{finding.code}: {cell}{finding.message}",
        "categories": ["Bug Risk"],
        "severity": _SEVERITIES[context.level(finding)],
        "fingerprint": known,
        "location": {
            "path": path_in(context.base, finding.filename),
            "lines": {"begin": first, "end": last},
        },
        "content": {"body": _body(finding, context)},
    }


def _body(finding: Finding, context: Context) -> str:
    """The trace as a list, and where the rule is explained."""
    steps = [
        f"{number}. `{path_in(context.base, step.filename)}:{step.location.row}`: {step.text}"
        for number, step in enumerate(finding.trace, 1)
    ]
    page = [f"[{finding.code} {finding.name}]({finding.url})"] if finding.url else []
    return "\n".join([*steps, *page]) or finding.message
