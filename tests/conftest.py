"""What a run says at its end besides passed and failed: the figures that tests noted, and what it had to leave out.

A test notes a figure with `record_property("figure", text)`. A library that is not installed skips the tests that
run it; a skip is easily overlooked, so that they are counted by library.

Generated examples are always the same ones, and no clock is asked how long one took: how busy a machine is decides
nothing. `DETACHLINT_LONG=1` and `DETACHLINT_PROFILE=nightly` take new ones each time.
"""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest
from hypothesis import settings

FRESH = bool(os.environ.get("DETACHLINT_LONG")) or os.environ.get("DETACHLINT_PROFILE") == "nightly"
settings.register_profile("project", deadline=None, derandomize=not FRESH, database=None)
settings.load_profile("project")

_MISSING = re.compile(r"(\S+) (?:is not installed|can't be imported)|could not import '(\S+?)'")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the figures, and how many tests wait for which library."""
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, ())]
    for report in reports:
        for name, text in getattr(report, "user_properties", ()):
            if name == "figure":
                terminalreporter.write_line(str(text))
    missing = Counter(map(_library, terminalreporter.stats.get("skipped", ())))
    missing.pop("", None)
    if missing:
        by_library = ", ".join(f"{name} {count}" for name, count in sorted(missing.items()))
        terminalreporter.write_line(f"{missing.total()} tests skipped for want of a library: {by_library}")


def _library(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The library that a skipped test asks for, or nothing if it was skipped for another reason."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    found = _MISSING.search(reason)
    return (found[1] or found[2]).partition(".")[0] if found else ""
