"""Names that come from imports: libraries by their dotted names, the project's own files by their contents."""

from __future__ import annotations

import ast

from detachlint.tracking.analysis import Frame
from detachlint.tracking.values import Library, Value


class Project:
    """The project's own files (first slice: none is followed)."""


def module_value(frame: Frame, name: str) -> Value:
    """What `import name` binds."""
    return Library(name)


def imported(frame: Frame, node: ast.ImportFrom, name: str) -> Value:
    """What `from module import name` binds."""
    if node.level:
        return frame.analysis.unknown(frame.analysis.keys("import", node.level, node.module, name))
    return Library(f"{node.module}.{name}")


def import_star(frame: Frame, node: ast.ImportFrom) -> None:
    """`from module import *` binds nothing that can be seen from here."""
