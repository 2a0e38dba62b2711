"""Tiny programs with their answer written into them.

A line that must be told ends in `#! sink` (several sinks: `#! add, numpy`); every other line must stay silent.
`VALUE` stands for a tensor: once the output of a trainable network, once the same, detached.
"""

import ast
import re
import textwrap
from pathlib import Path

import pytest

from detachlint.models import load
from detachlint.tracking import track
from detachlint.tracking.events import Event

PRELUDE = """\
import copy, contextlib, dataclasses, functools, math
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

net = nn.Linear(4, 4)
x = torch.randn(2, 4)
"""
TRACKS, CUT = "net(x)", "net(x).detach()"
_MARK = re.compile(r"#! ([\w-]+(?:, [\w-]+)*)")


def events(source: str, path: str = "program.py", root: Path | None = None) -> list[Event]:
    """What the tracker tells of a source."""
    return track(path, source, ast.parse(source), load(), root)


def told(source: str, path: str = "program.py", root: Path | None = None) -> list[tuple[int, str]]:
    """The lines of the events, with their sinks."""
    return sorted((getattr(event.node, "lineno", 0), event.sink) for event in events(source, path, root))


def marked(source: str) -> list[tuple[int, str]]:
    """The lines that a source itself says must be told."""
    found = []
    for number, line in enumerate(source.split("\n"), 1):
        mark = _MARK.search(line)
        if mark is not None:
            found += [(number, sink) for sink in mark[1].split(", ")]
    return sorted(found)


def program(body: str, value: str = TRACKS) -> str:
    """A whole file: the prelude, then the body with its value filled in."""
    return PRELUDE + textwrap.dedent(body).strip("\n").replace("VALUE", value) + "\n"


def check(body: str) -> None:
    """What is marked is told, and nothing else."""
    source = program(body)
    assert told(source) == marked(source), "\n" + source


def check_cut(body: str) -> None:
    """Nothing is told once the value is detached."""
    source = program(body, CUT)
    assert told(source) == [], "\n" + source


def cases(text: str) -> list:
    """A table of programs: each begins with a line `=== its name`.

    `=== its name | what is wrong` is one that the tracker does not get right yet; it must fail until it does.
    """
    found = []
    parts = re.split(r"^=== (.+)\n", textwrap.dedent(text), flags=re.MULTILINE)
    for header, body in zip(parts[1::2], parts[2::2], strict=True):
        name, _, wrong = header.partition(" | ")
        marks = [pytest.mark.xfail(strict=True, reason=wrong)] if wrong else []
        found.append(pytest.param(body, id=name, marks=marks))
    assert len({case.id for case in found}) == len(found), "two programs have one name"
    return found
