"""Text from linted files, made safe to show.

File names, messages and source lines come from code that may be hostile: an escape sequence in a comment
must not move the cursor of the terminal, a right-to-left mark must not reorder what is read. Such characters
are shown as replacement characters, one for one, so that columns stay what they are.
"""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = "\x00-\x08\x0a-\x1f\x7f-\x9f"
_DIRECTIONS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = re.compile(f"[{_CONTROLS}{_DIRECTIONS}\u2028\u2029\ufeff]")


def plain(text: str) -> str:
    """The text with every character that controls a terminal replaced."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
