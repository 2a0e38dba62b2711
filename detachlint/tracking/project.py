"""The project's own modules: where an import leads, as far as the project's files show.

An import of a linted file may name a module of the same project: relative to its package, or absolute from
one of the folders that Python would look in (the project's root, its `src`, the folder that holds the file's
outermost package, the file's own folder for scripts). Only files below the root are ever read, as text;
nothing is imported, and nothing outside is looked at.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

_LARGEST = 1_000_000  # bytes: a module larger than this is data or generated, not a helper


class Project:
    """Finds the files of one project's modules; remembers what it has looked up."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._found: dict[tuple[str, Path], Path | None] = {}

    def locate(self, dotted: str, near: Path) -> Path | None:
        """The file of the module `dotted`, seen from the file `near`; None if it is not the project's."""
        key = (dotted, near.parent)
        if key not in self._found:
            self._found[key] = self._search(dotted, near)
        return self._found[key]

    def relative(self, level: int, module: str | None, near: Path) -> Path | None:
        """The file of `from ..module import x` in the file `near`; `level` counts the dots."""
        folder = near.parent
        for _ in range(level - 1):
            folder = folder.parent
        return self._module_in(folder, module.split(".") if module else [])

    def name_of(self, path: Path) -> str:
        """The dotted name under which the file is imported: by its chain of packages."""
        parts = [] if path.name == "__init__.py" else [path.stem]
        folder = path.parent
        while (folder / "__init__.py").exists() and folder != folder.parent:
            parts.insert(0, folder.name)
            folder = folder.parent
        return ".".join(parts)

    def _search(self, dotted: str, near: Path) -> Path | None:
        parts = dotted.split(".")
        for folder in dict.fromkeys((_outermost(near), near.parent, self.root, self.root / "src")):
            found = self._module_in(folder, parts)
            if found is not None:
                return found
        return None

    def _module_in(self, folder: Path, parts: list[str]) -> Path | None:
        if folder != self.root and self.root not in folder.parents:
            return None
        target = folder.joinpath(*parts)
        for candidate in (target.with_name(target.name + ".py") if parts else None, target / "__init__.py"):
            if candidate is not None and candidate.is_file():
                return candidate
        return None


def _outermost(near: Path) -> Path:
    folder = near.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def tree_of(path: Path) -> ast.Module | None:
    """The tree of a module of the project; None if it can't be read or parsed (its own lint says so)."""
    try:
        data = path.read_bytes()
        if len(data) > _LARGEST:
            return None
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return ast.parse(data.decode(encoding))
    except (OSError, SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None
