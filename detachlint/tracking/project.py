"""The project's own modules: where an import leads, as far as the project's files show.

An import of a linted file may name a module of the same project: relative to its package, or absolute from
one of the folders that Python would look in (the project's root, its `src`, the folder that holds the file's
outermost package, the file's own folder for scripts). Only files below the root are ever read, as text;
nothing is imported, and nothing outside is looked at.

All that an analysis learns of other files it learns by asking here, and every question is noted with its
answer: which file a module is, if it is one of the project's, who imports a name, what a file contains. An
analysis would come out the same as long as the answers are the same, which is what a cache must know. What
was asked while another file's top level was interpreted belongs to all who use that file.
"""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from detachlint.digests import digest, digest_of
from detachlint.findings import Answer, Question
from detachlint.sources import opened

# An imported name -> the files that import it, with the dots and the module it is imported from.
Index: TypeAlias = dict[str, list[tuple[Path, int, str]]]

_LARGEST = 1_000_000  # bytes: a module larger than this is data or generated, not a helper


class Project:
    """Finds the files of one project's modules; remembers what it has looked up, and what it was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._found: dict[tuple[str, Path], Path | None] = {}
        self._outermost: dict[Path, Path] = {}
        self._names: dict[Path, frozenset[str]] = {}
        self._importers: Index | None = None
        self._calling: dict[str, list[Path]] | None = None
        self._setting: dict[str, list[Path]] | None = None
        self._answers: dict[Question, Answer] = {}
        self._answers_by_file: dict[str, dict[Question, Answer]] = {}
        self._digests: dict[str, str] = {}

    def begin(self) -> None:
        """A file's analysis begins: nothing was asked for it yet."""
        self._answers = {}

    def answers(self) -> Mapping[Question, Answer]:
        """What was asked since then, for the file itself and for the files whose interpretation it used."""
        found = dict(self._answers)
        waiting = list(found)
        while waiting:
            kind, *words = waiting.pop()
            if kind != "read":
                continue
            for question, answer in self._answers_by_file.get(words[0], {}).items():
                if question not in found:
                    found[question] = answer
                    waiting.append(question)
        return found

    @contextmanager
    def noting_for(self, path: str) -> Iterator[None]:
        """What is asked within the block is asked for the file `path`, and for all who use it."""
        before, self._answers = self._answers, self._answers_by_file.setdefault(path, {})
        try:
            yield
        finally:
            self._answers = before

    def answer(self, question: Question) -> Answer:
        """The answer that a question has now."""
        kind, *words = question
        if kind == "locate":
            return _text(self._locate(words[0], Path(words[1])))
        if kind == "relative":
            return _text(self._relative(int(words[0]), words[1] or None, Path(words[2])))
        if kind == "name":
            return _name_of(Path(words[0]))
        if kind == "calling":
            return tuple(map(str, self._calling_of(words[0])))
        if kind == "setting":
            return tuple(map(str, self._setting_of(words[0])))
        if kind == "importers":
            return tuple(map(str, self._importers_of(words[1:], Path(words[0]))))
        return digest_of(words[0])

    def locate(self, dotted: str, near: Path) -> Path | None:
        """The file of the module `dotted`, seen from the file `near`; None if it is not the project's."""
        found = self._locate(dotted, near.parent)
        self._answers["locate", dotted, str(near.parent)] = _text(found)
        return found

    def relative(self, level: int, module: str | None, near: Path) -> Path | None:
        """The file of `from ..module import x` in the file `near`; `level` counts the dots."""
        found = self._relative(level, module, near.parent)
        self._answers["relative", str(level), module or "", str(near.parent)] = _text(found)
        return found

    def name_of(self, path: Path) -> str:
        """The dotted name under which the file is imported: by its chain of packages."""
        name = _name_of(path)
        self._answers["name", str(path)] = name
        return name

    def importers(self, names: Iterable[str], file: Path) -> list[Path]:
        """The project's files that import one of these names from `file`, or from a package around it."""
        names = list(names)
        found = self._importers_of(names, file)
        question = ("importers", str(file), *names)
        self._answers[question] = tuple(map(str, found))
        return found

    def calling(self, name: str) -> list[Path]:
        """The project's files in whose text something of this name is called."""
        found = self._calling_of(name)
        self._answers["calling", name] = tuple(map(str, found))
        return found

    def setting(self, name: str) -> list[Path]:
        """The project's files in whose text an attribute of this name is assigned, of whatever object."""
        found = self._setting_of(name)
        self._answers["setting", name] = tuple(map(str, found))
        return found

    def read(self, path: Path) -> ast.Module | None:
        """The tree of a module of the project; None if it can't be read or parsed (its own lint says so)."""
        question = ("read", str(path))
        self._answers[question] = None
        try:
            data = _read(path)
            self._answers[question] = self._digests[str(path)] = digest(data)
            if len(data) > _LARGEST:
                return None
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            return _parsed(data.decode(encoding))
        except (OSError, SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
            return None

    def reread(self, path: str) -> None:
        """What was made of a file that was read before is used once more."""
        if path in self._digests:
            self._answers["read", path] = self._digests[path]

    def _locate(self, dotted: str, folder: Path) -> Path | None:
        key = (dotted, folder)
        if key not in self._found:
            self._found[key] = self._search(dotted, folder)
        return self._found[key]

    def _relative(self, level: int, module: str | None, folder: Path) -> Path | None:
        for _ in range(level - 1):
            folder = folder.parent
        return self._module_in(folder, module.split(".") if module else [])

    def _importers_of(self, names: Iterable[str], file: Path) -> list[Path]:
        if self._importers is None:
            self._importers = _index(self.root)
        stem = file.parent.name if file.name == "__init__.py" else file.stem
        found: dict[Path, None] = {}
        for name in (*names, stem):
            for path, level, module in self._importers.get(name, ()):
                if path != file and path not in found and self._leads_to(path, level, module, name, file):
                    found[path] = None
        return list(found)

    def _calling_of(self, name: str) -> list[Path]:
        if self._calling is None:
            self._calling = _words(self.root, _CALL)
        return self._calling.get(name, [])

    def _setting_of(self, name: str) -> list[Path]:
        if self._setting is None:
            self._setting = _words(self.root, _SET)
        return self._setting.get(name, [])

    def _leads_to(self, path: Path, level: int, module: str, name: str, file: Path) -> bool:
        whole = f"{module}.{name}" if module else name
        for dotted in (whole, module):
            if level:
                origin = self._relative(level, dotted or None, path.parent)
            else:
                origin = self._locate(dotted, path.parent) if dotted else None
            if origin is not None and origin.resolve() == file:
                return True
            if origin is not None and origin.name == "__init__.py" and origin.parent in file.parents:
                return True
        return False

    def _search(self, dotted: str, near: Path) -> Path | None:
        parts = dotted.split(".")
        outermost = self._outermost.get(near)
        if outermost is None:
            outermost = self._outermost[near] = _outermost(near)
        # A program in a folder is run from there, or from a folder above it that is no package.
        above = [folder for folder in outermost.parents if self.root in folder.parents]
        for folder in dict.fromkeys((outermost, near, self.root, self.root / "src", *above)):
            found = self._module_in(folder, parts) if self._has(folder, parts[0]) else None
            if found is not None:
                return found
        return None

    def _has(self, folder: Path, name: str) -> bool:
        """Whether a folder has a module or package of this name: asked once for all of its names."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._names[folder] = frozenset()
        return name in self._names[folder] or f"{name}.py" in self._names[folder]

    def _module_in(self, folder: Path, parts: list[str]) -> Path | None:
        if folder != self.root and self.root not in folder.parents:
            return None
        target = folder.joinpath(*parts)
        for candidate in (target.with_name(target.name + ".py") if parts else None, target / "__init__.py"):
            if candidate is not None and candidate.is_file():
                return candidate
        return None


def _outermost(folder: Path) -> Path:
    while (folder / "__init__.py").exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _name_of(path: Path) -> str:
    parts = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _read(path: Path) -> bytes:
    """A file's bytes, and no more of them than tell that it is too large: some have more than memory has.

    Raises OSError, of what is no regular file, too: a pipe would wait for its writer.
    """
    with opened(str(path)) as file:
        return file.read(_LARGEST + 1)


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
    for path, data in _texts(root):
        for level, module, name in _imports(data):
            found.setdefault(name, []).append((path, level, module))
    return found


_CALL = re.compile(rb"([A-Za-z_]\w*)[ \t]*\(")


_SET = re.compile(rb"\.([A-Za-z_]\w*)[ \t]*(?::[^=\n]*)?=(?!=)")


def _words(root: Path, pattern: re.Pattern[bytes]) -> dict[str, list[Path]]:
    """In which files the pattern finds a name, by the look of their text."""
    found: dict[str, list[Path]] = {}
    for path, data in _texts(root):
        for name in dict.fromkeys(pattern.findall(data)):
            found.setdefault(name.decode(), []).append(path)
    return found


def _texts(root: Path) -> Iterator[tuple[Path, bytes]]:
    """The project's files that are no data, with their bytes."""
    for path in islice(_python_files(root), _MOST_FILES):
        try:
            data = _read(path)
        except OSError:
            continue
        if len(data) <= _LARGEST and b"\0" not in data:
            yield path, data


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
