"""Findings as JUnit XML, which nearly every CI server can show: a failed test for each of them.

A file is a suite. A file that could not be linted is an error, and a run without any of these is one test
that passed: an empty report is a fault to most servers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from detachlint.findings import Finding, line_of
from detachlint.reports.context import Context

_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold, not even escaped."""


def render(findings: Sequence[Finding], context: Context) -> str:
    """One document with a suite for each file."""
    top = ET.Element("testsuites", name="detachlint")
    for filename, group in groupby(findings, key=lambda finding: finding.filename):
        suite = _suite(top, filename)
        for finding in group:
            _failure(suite, finding)
    if context.errors:
        suite = _suite(top, "detachlint")
        for error in context.errors:
            case = _case(suite, "detachlint", "lint")
            ET.SubElement(case, "error", type="error", message=_xml(error)).text = _xml(error)
    if not len(top):
        _case(_suite(top, "detachlint"), "detachlint", "nothing to detach")
    _count(top)
    ET.indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(top, encoding="unicode") + "\n"


def _suite(top: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(top, "testsuite", name=_xml(name))


def _case(suite: ET.Element, place: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_xml(place), name=_xml(name), time="0")


def _failure(suite: ET.Element, finding: Finding) -> None:
    place = line_of(finding)
    case = _case(suite, _module(finding), f"{finding.code} {finding.name} ({place})")
    case.set("file", _xml(finding.filename))
    case.set("line", str(finding.location.row))
    steps = (f"{number}. {line_of(step)}: {step.text}" for number, step in enumerate(finding.trace, 1))
    text = "\n".join([f"{place}:{finding.location.column}: {finding.message}", *steps, finding.url or ""])
    failure = ET.SubElement(case, "failure", type=finding.code, message=_xml(finding.message))
    failure.text = _xml(text.rstrip())


def _module(finding: Finding) -> str:
    """The file as tests name theirs, and the function in it."""
    parts = re.split(r"[/\\]", re.sub(r"\.(py|ipynb)$", "", finding.filename))
    return ".".join([*(part for part in parts if part.strip(".")), *filter(None, [finding.scope])])


def _count(top: ET.Element) -> None:
    for element in (top, *top):
        element.set("tests", str(len(list(element.iter("testcase")))))
        element.set("failures", str(len(list(element.iter("failure")))))
        element.set("errors", str(len(list(element.iter("error")))))
        element.set("time", "0")


def _xml(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
