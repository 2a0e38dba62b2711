"""The project's own modules: where an import leads, as far as the project's files show.

An import of a linted file may name a module of the same project: relative to its package, or absolute from
one of the folders that Python would look in (the project's root, its `src`, the folder that holds the file's
outermost package, the file's own folder for scripts). Only files below the root are ever read, as text;
nothing is imported, and nothing outside is looked at.
"""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

# An imported name -> the files that import it, with the dots and the module it is imported from.
Index: TypeAlias = dict[str, list[tuple[Path, int, str]]]

_LARGEST = 1_000_000  # bytes: a module larger than this is data or generated, not a helper


class Project:
    """Finds the files of one project's modules; remembers what it has looked up."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._found: dict[tuple[str, Path], Path | None] = {}
        self._importers: Index | None = None

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

    def importers(self, names: Iterable[str], file: Path) -> list[Path]:
        """The project's files that import one of these names from `file`, or from a package around it."""
        if self._importers is None:
            self._importers = _index(self.root)
        stem = file.parent.name if file.name == "__init__.py" else file.stem
        found: dict[Path, None] = {}
        for name in (*names, stem):
            for path, level, module in self._importers.get(name, ()):
                if path != file and path not in found and self._leads_to(path, level, module, name, file):
                    found[path] = None
        return list(found)

    def _leads_to(self, path: Path, level: int, module: str, name: str, file: Path) -> bool:
        whole = f"{module}.{name}" if module else name
        for dotted in (whole, module):
            if level:
                origin = self.relative(level, dotted or None, path)
            else:
                origin = self.locate(dotted, path) if dotted else None
            if origin is not None and origin.resolve() == file:
                return True
            if origin is not None and origin.name == "__init__.py" and origin.parent in file.parents:
                return True
        return False

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
        return _parsed(data.decode(encoding))
    except (OSError, SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None


# `async` and `await` were names until Python 3.7: `images.cuda(async=True)` stands in many a training loop.
_OLD_NAME = re.compile(r"(?<=[(,. ])(async|await)(?=\s*[=,)])")


def _parsed(text: str) -> ast.Module:
    """The tree of a module; words that were names when it was written are read as such, in their places."""
    try:
        return ast.parse(text)
    except SyntaxError:
        renamed = _OLD_NAME.sub(lambda match: match[1].title(), text)
        if renamed == text:
            raise
        return ast.parse(renamed)


_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|[^\n\\]*(?:\\\r?\n[^\n\\]*)*)"
    rb"|import[ \t]+([^\n#;]+))",
    re.MULTILINE,
)
_COMMENT = re.compile(rb"#[^\n]*")
_ASIDE = frozenset({"node_modules", "site-packages", "build", "dist", "__pycache__", "venv"})
_MOST_FILES = 20_000


def _index(root: Path) -> Index:
    """Who imports what, read off the import lines of all files of the project."""
    found: Index = {}
    for position, path in enumerate(_python_files(root)):
        if position >= _MOST_FILES:
            break
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if len(data) > _LARGEST or b"\0" in data:
            continue
        for level, module, name in _imports(data):
            found.setdefault(name, []).append((path, level, module))
    return found


def _imports(data: bytes) -> Iterator[tuple[int, str, str]]:
    for match in _IMPORT.finditer(data):
        dots, module, names, modules = match.groups()
        if modules is not None:
            for part in modules.split(b","):
                dotted = part.split(b" as ")[0].strip().decode(errors="replace")
                before, _, last = dotted.rpartition(".")
                yield 0, before, last
            continue
        for part in _COMMENT.sub(b"", names).strip(b" ()\r\n").replace(b"\\", b" ").split(b","):
            name = part.split(b" as ")[0].strip().decode(errors="replace")
            if name:
                yield len(dots), module.decode(errors="replace"), name


def _python_files(root: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(n for n in inner if not n.startswith(".") and n not in _ASIDE)
        inner[:] = [n for n in inner if not os.path.exists(os.path.join(folder, n, "pyvenv.cfg"))]
        for name in sorted(files):
            if name.endswith(".py"):
                yield Path(folder, name)
