"""The full report as a picture of a terminal, for a README, an issue or a slide.

The report is made with colours as for a terminal, and its escape sequences are turned into text in a drawing.
Every piece of text is given its place and its length in cells, so that columns stay columns in whatever
monospaced font the reader has. The picture follows the reader's choice of light or dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from detachlint.findings import Finding
from detachlint.reports.context import Context
from detachlint.reports.plain import cells
from detachlint.reports.text import full, summary

_WIDTH = 100  # cells
_CELL, _LINE, _SIZE = 8.4, 19, 14
_MARGIN, _TOP = 16, 44
_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")
_CLASSES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "34": "blue", "36": "cyan"}
_STYLE = """
    .page { fill: #ffffff; stroke: #d0d7de; }
    text { fill: #1f2328; font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
    .bold { font-weight: bold; } .dim { fill: #59636e; }
    .red { fill: #b42318; } .green { fill: #116329; } .blue { fill: #0550ae; } .cyan { fill: #1b6a7a; }
    .dot { fill: #d0d7de; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #161b22; stroke: #30363d; }
      text { fill: #e6edf3; } .dim { fill: #9198a1; }
      .red { fill: #ff7b72; } .green { fill: #7ee787; } .blue { fill: #79c0ff; } .cyan { fill: #76e3ea; }
      .dot { fill: #30363d; }
    }
"""


def render(findings: Sequence[Finding], context: Context) -> str:
    """The drawing."""
    text = full(findings, context.lines_of, color=True, width=_WIDTH)
    text += summary(findings) if findings else "Nothing to detach."
    lines = text.split("\n")
    longest = max(_WIDTH, *(cells(_SEQUENCE.sub("", line)) for line in lines))
    width = round(longest * _CELL + 2 * _MARGIN)
    height = _TOP + len(lines) * _LINE + _MARGIN // 2
    return "".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" ',
            f'viewBox="0 0 {width} {height}" role="img" aria-label="What detachlint reports">\n',
            f"  <style>{_STYLE}  </style>\n",
            f'  <rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>\n',
            *(f'  <circle class="dot" cx="{_MARGIN + 6 + 20 * dot}" cy="20" r="6"/>\n' for dot in range(3)),
            *(_line(line, _TOP + number * _LINE) for number, line in enumerate(lines)),
            "</svg>\n",
        )
    )


def _line(line: str, y: int) -> str:
    drawn = []
    column = 0
    for text, look in _pieces(line):
        length = cells(text)
        if text.strip():
            lead = length - cells(text.lstrip(" "))
            shown = text.strip(" ")
            place = f'x="{_MARGIN + (column + lead) * _CELL:.1f}" textLength="{cells(shown) * _CELL:.1f}"'
            kind = f' class="{look}"' if look else ""
            drawn.append(f'<tspan {place}{kind} lengthAdjust="spacingAndGlyphs">{escape(shown)}</tspan>')
        column += length
    return f'  <text y="{y + _SIZE}">{"".join(drawn)}</text>\n' if drawn else ""


def _pieces(line: str) -> Iterator[tuple[str, str]]:
    """A line cut where its style changes, each piece with the names of its styles."""
    looks: list[str] = []
    parts = _SEQUENCE.split(line)
    for number, part in enumerate(parts):
        if number % 2 == 0:
            if part:
                yield part, " ".join(looks)
        elif part in ("", "0"):
            looks = []
        else:
            looks += [_CLASSES[code] for code in part.split(";") if code in _CLASSES]
