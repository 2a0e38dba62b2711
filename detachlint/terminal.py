"""What the terminal at the other end can show: colours, links, a width, a line of progress.

Nothing of it is put into a file or a pipe. NO_COLOR and FORCE_COLOR (no-color.org, force-color.org) have the
last word on colours. Links are written only for terminals known to understand them: others show the escape
sequence as rubbish. A CI server keeps what it is sent as a log, where a line that is written over and over
is noise, and a link is nothing.
"""

from __future__ import annotations

import os
import time
from typing import IO

import click

_PATIENCE = 1.0  # seconds before progress is shown
_BAR = 24
_KNOWN = frozenset(("iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio"))
_FIRST_VTE = 5000


def wants_color(stream: IO[str]) -> bool:
    """Colours on terminals only, unless NO_COLOR or FORCE_COLOR says otherwise."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_links(stream: IO[str]) -> bool:
    """Links on terminals that are known for them, where there are colours."""
    if not wants_color(stream) or not stream.isatty() or in_ci():
        return False
    said = os.environ.get
    if said("TERM_PROGRAM") in _KNOWN or said("WT_SESSION") or said("KONSOLE_VERSION"):
        return True
    vte = said("VTE_VERSION", "")
    return "kitty" in said("TERM", "") or (vte.isdecimal() and int(vte) >= _FIRST_VTE)


def in_ci() -> bool:
    """Whether this is a run on a CI server, by the variable that all of them set."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def width(stream: IO[str]) -> int:
    """The terminal's width, within what is easy to read; 80 where there is no terminal."""
    if not stream.isatty():
        return 80
    from shutil import get_terminal_size

    return min(get_terminal_size().columns, 140)


class Progress:
    """A line on a terminal that comes after a second and goes when the run is done."""

    def __init__(self, stream: IO[str], wanted: bool = True) -> None:
        self._stream = stream
        self._shown = wanted and stream.isatty() and not in_ci() and os.environ.get("TERM") != "dumb"
        self._start = self._last = time.monotonic()
        self._visible = 0

    def show(self, done: int, total: int) -> None:
        """Say how far the run has come, ten times a second at most."""
        now = time.monotonic()
        if done == total or not self._shown or now - self._start < _PATIENCE or now - self._last < 0.1:
            return
        self._last = now
        full = _BAR * done // total
        line = f"Linting [{'#' * full}{'.' * (_BAR - full)}] {done} of {total} files"
        self._visible = len(line)
        click.echo("\r" + line, file=self._stream, nl=False)

    def clear(self) -> None:
        """Leave the line as it was before."""
        if self._visible:
            click.echo("\r" + " " * self._visible + "\r", file=self._stream, nl=False)
            self._visible = 0
