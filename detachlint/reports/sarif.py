"""Findings as SARIF 2.1.0, which code scanning services take.

A rule brings its page as help. A finding brings its trace as a code flow, its fix as replacements, and a
fingerprint that stays when lines move. What comments or a baseline hold back is there as well, marked as
suppressed: services show it as dismissed, and notice when it goes.

Paths are relative to the repository, so that a report is the same on every machine. The fingerprint has a
key of its own: `primaryLocationLineHash` is for GitHub's uploader to compute, which warns about other values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from detachlint import __version__
from detachlint.findings import Edit, Finding, Location, Silenced, Step
from detachlint.fingerprints import path_in, told_apart
from detachlint.reports.context import Context, level
from detachlint.rulebook import Rule, RuleError

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/detachlint/detachlint"
_BASE = "%SRCROOT%"
_FINGERPRINT = "detachlint/v1"


def render(findings: Sequence[Finding], context: Context) -> str:
    """One SARIF log with one run."""
    return json.dumps(_Log(context).log(findings), indent=2) + "\n"


class _Log:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._index = {rule.code: number for number, rule in enumerate(context.rules)}

    def log(self, findings: Sequence[Finding]) -> dict[str, Any]:
        suppressed = {id(item.finding): item for item in self._context.silenced}
        every = sorted([*findings, *(item.finding for item in self._context.silenced)], key=Finding.sort_key)
        prints = told_apart(every, self._context.base)
        results = [
            self._result(finding, known, suppressed.get(id(finding)))
            for finding, known in zip(every, prints, strict=True)
        ]
        driver = {
            "name": "detachlint",
            "version": __version__,
            "informationUri": HOME,
            "rules": [_rule(rule) for rule in self._context.rules],
        }
        run = {
            "tool": {"driver": driver},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {_BASE: {"description": {"text": "The root of the repository."}}},
            "invocations": [self._invocation()],
            "results": results,
        }
        return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}

    def _invocation(self) -> dict[str, Any]:
        notes = [{"level": "error", "message": {"text": error}} for error in self._context.errors]
        told = {"toolExecutionNotifications": notes} if notes else {}
        return {"executionSuccessful": not notes, **told}

    def _result(self, finding: Finding, known: str, silenced: Silenced | None) -> dict[str, Any]:
        result: dict[str, Any] = {
            "ruleId": finding.code,
            "level": self._context.level(finding),
            "message": {"text": finding.message},
            "locations": [self._location(finding)],
            "partialFingerprints": {_FINGERPRINT: known},
        }
        if finding.code in self._index:
            result["ruleIndex"] = self._index[finding.code]
        if finding.trace:
            steps = [{"location": self._location(step)} for step in finding.trace]
            result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
        if finding.fix is not None and finding.cell is None:
            result["fixes"] = [self._fix(finding)]
        if silenced is not None:
            result["suppressions"] = [_suppression(silenced)]
        if self._context.compared:
            old = silenced is not None and silenced.kind == "external"
            result["baselineState"] = "unchanged" if old else "new"
        return result

    def _location(self, place: Finding | Step) -> dict[str, Any]:
        location: dict[str, Any] = {"physicalLocation": {"artifactLocation": self._artifact(place.filename)}}
        if place.cell is None:  # SARIF has no cells, and rows of a cell are no rows of the file
            location["physicalLocation"]["region"] = _region(place.location, place.end_location)
        if isinstance(place, Step):
            location["message"] = {"text": place.text}
        elif place.scope:
            name = place.scope.rpartition(".")[2]
            location["logicalLocations"] = [{"name": name, "fullyQualifiedName": place.scope}]
        return location

    def _artifact(self, filename: str) -> dict[str, str]:
        path = path_in(self._context.base, filename)
        if path.startswith("/"):
            return {"uri": "file://" + quote(path, errors="surrogatepass")}
        return {"uri": quote(path, errors="surrogatepass"), "uriBaseId": _BASE}

    def _fix(self, finding: Finding) -> dict[str, Any]:
        assert finding.fix is not None
        change = {
            "artifactLocation": self._artifact(finding.filename),
            "replacements": [_replacement(edit) for edit in finding.fix.edits],
        }
        safe = "" if finding.fix.applicability == "safe" else " (may change results)"
        return {"description": {"text": finding.fix.message + safe}, "artifactChanges": [change]}


def _rule(rule: Rule) -> dict[str, Any]:
    try:
        page = rule.page()
    except OSError as error:
        raise RuleError(f"{rule.folder / 'README.md'}: {error.strerror}") from error
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": page, "markdown": page},
        "helpUri": rule.url,
        "defaultConfiguration": {"level": level(rule.harm)},
        "properties": {"tags": ["pytorch", "autograd", rule.harm], "problem.severity": _severity(rule)},
    }


def _severity(rule: Rule) -> str:
    """GitHub's word for a level."""
    said = level(rule.harm)
    return "recommendation" if said == "note" else said


def _suppression(silenced: Silenced) -> dict[str, str]:
    reason = {"justification": silenced.reason} if silenced.reason else {}
    return {"kind": silenced.kind, **reason}


def _replacement(edit: Edit) -> dict[str, Any]:
    return {
        "deletedRegion": _region(edit.location, edit.end_location),
        "insertedContent": {"text": edit.content},
    }


def _region(start: Location, end: Location) -> dict[str, int]:
    return {
        "startLine": start.row,
        "startColumn": start.column,
        "endLine": end.row,
        "endColumn": end.column,
    }
