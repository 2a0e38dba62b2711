"""What is written to a terminal, and to what is none."""

import io
import time

import pytest

from detachlint import terminal

VARIABLES = (
    "NO_COLOR",
    "FORCE_COLOR",
    "CI",
    "TERM",
    "TERM_PROGRAM",
    "VTE_VERSION",
    "WT_SESSION",
    "KONSOLE_VERSION",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("stream", "variables", "wanted"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": ""}, False),
        (Terminal(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"CI": "true"}, True),
    ],
)
def test_colours(monkeypatch, stream, variables, wanted):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.wants_color(stream) is wanted


@pytest.mark.parametrize(
    ("stream", "variables", "wanted"),
    [
        (Terminal(), {}, False),
        (Terminal(), {"TERM_PROGRAM": "vscode"}, True),
        (Terminal(), {"TERM_PROGRAM": "Apple_Terminal"}, False),
        (Terminal(), {"TERM": "xterm-kitty"}, True),
        (Terminal(), {"VTE_VERSION": "7600"}, True),
        (Terminal(), {"VTE_VERSION": "4205"}, False),
        (Terminal(), {"TERM_PROGRAM": "vscode", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM_PROGRAM": "vscode", "CI": "1"}, False),
        (io.StringIO(), {"TERM_PROGRAM": "vscode", "FORCE_COLOR": "1"}, False),
    ],
)
def test_links(monkeypatch, stream, variables, wanted):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.wants_links(stream) is wanted


def progress(stream, monkeypatch, seconds: float, wanted: bool = True) -> str:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = terminal.Progress(stream, wanted)
    now[0] = seconds
    line.show(1, 4)
    line.clear()
    return stream.getvalue()


def test_progress_comes_after_a_second_and_goes(monkeypatch):
    assert progress(Terminal(), monkeypatch, 0.9) == ""
    written = progress(Terminal(), monkeypatch, 1.1)
    shown = "Linting [######..................] 1 of 4 files"
    assert written == f"\r{shown}\r{' ' * len(shown)}\r"


def test_progress_does_not_flash_up_at_the_very_end(monkeypatch):
    stream, now = Terminal(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = terminal.Progress(stream)
    now[0] = 5.0
    line.show(4, 4)
    line.clear()
    assert stream.getvalue() == ""


def test_progress_is_for_terminals_that_people_look_at(monkeypatch):
    assert progress(io.StringIO(), monkeypatch, 2) == ""
    assert progress(Terminal(), monkeypatch, 2, wanted=False) == ""
    monkeypatch.setenv("CI", "true")
    assert progress(Terminal(), monkeypatch, 2) == ""
    monkeypatch.setenv("CI", "false")
    monkeypatch.setenv("TERM", "dumb")
    assert progress(Terminal(), monkeypatch, 2) == ""


def test_a_width_that_can_be_read(monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    assert terminal.width(Terminal()) == 140
    assert terminal.width(io.StringIO()) == 80
    monkeypatch.setenv("COLUMNS", "60")
    assert terminal.width(Terminal()) == 60
