"""What a fix would change, as a unified diff that `patch` and `git apply` take."""

from __future__ import annotations

import difflib

import click

from detachlint.positions import split_lines
from detachlint.sources import Source

_COLORS = {"+": "green", "-": "red", "@": "cyan"}


def diff(source: Source, new: str, color: bool = False) -> str:
    """The difference between a source's file and the file with its new text. Line ends are the file's own."""
    name = source.filename.replace("\\", "/")
    old = source.document(source.text)
    lines = difflib.unified_diff(split_lines(old), split_lines(source.document(new)), name, name)
    return "".join(_line(line, color) for line in lines)


def _line(line: str, color: bool) -> str:
    ending = "" if line.endswith(("\n", "\r")) else "\n\\ No newline at end of file\n"
    if not color or line[0] not in _COLORS:
        return line + ending
    body = line.rstrip("\r\n")
    return click.style(body, fg=_COLORS[line[0]]) + line[len(body) :] + ending
