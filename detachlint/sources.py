"""Which files are linted, and how their bytes become text and bytes again.

A folder is walked for Python files and notebooks. What Git ignores, and what the settings exclude, is left
out; both are judged by the path inside the project, so that a project that itself lies in a folder named
`build` or `.venv` is linted like any other. A file that is named outright is taken as it is, unless excludes
are forced on it, as commit hooks want.

Bytes are looked at before text is parsed: a file that mentions neither torch nor a training loop costs a
read and a search.

Text keeps its byte order mark, its encoding and its line ends: `Source.encode` gives back what was read. A
notebook is one source, the program of its cells; `localized` and `lines` lead back to these.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from detachlint import patterns
from detachlint.bounds import MAX_BYTES, MAX_NOTEBOOK_BYTES

if TYPE_CHECKING:  # few runs meet a notebook
    from detachlint.cells import Program
    from detachlint.findings import Finding

DEFAULT_EXCLUDES = (
    *(".bzr", ".direnv", ".eggs", ".git", ".git-rewrite", ".hg", ".ipynb_checkpoints", ".mypy_cache"),
    *(".nox", ".pants.d", ".pyenv", ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv"),
    *(".vscode", "__pycache__", "__pypackages__", "/_build", "/build", "/buck-out", "/dist", "node_modules"),
    *("site-packages", "/venv", "/env"),
)
# A loop without a word of torch calls `backward`; prose speaks of backward compatibility.
_WORTH = (b"torch", b"lightning", b".backward", b"_backward", b"backward(", b"detachlint:", b"DTL")
NOTEBOOK = ".ipynb"
_SOURCES = (".py", NOTEBOOK)
_LONGEST_WORD = max(map(len, _WORTH))
_PIECE = 1 << 20  # bytes of a large file that are looked at together
_LOOKED_AT = 1 << 26  # bytes of a file of any size that are looked at
_LINE_END = re.compile(rb"\r\n|\r|\n")
MARK = b"\xef\xbb\xbf"


class SourceError(Exception):
    """A path or file that can't be linted, in words for its owner."""

    def __init__(self, filename: str, reason: str) -> None:
        super().__init__(filename, reason)
        self.filename = filename
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.filename}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file's text, and what it takes to turn it into bytes again. A notebook's text is its program."""

    filename: str
    text: str
    encoding: str = "utf-8"
    mark: bool = False
    program: Program | None = None

    def document(self, text: str) -> str:
        """What the whole file holds when its program has this text."""
        return text

    def changed(self, text: str) -> Source:
        """The source of the file when its program has this text."""
        return replace(self, text=text)

    def localized(self, finding: Finding) -> Finding:
        """The finding with its places as the file's owner sees them: inside of cells."""
        return finding if self.program is None else self.program.localized(finding)

    def lines(self, cell: int | None = None) -> Sequence[str]:
        """The lines of the file, or of one of its cells, as its owner sees them."""
        from detachlint.positions import split_lines

        return split_lines(self.text) if self.program is None or cell is None else self.program.lines(cell)

    def encode(self, text: str) -> bytes:
        """The bytes of the file when its program has this text."""
        try:
            data = self.document(text).encode(self.encoding)
        except UnicodeError as error:
            raise SourceError(self.filename, f"the new text can't be written as {self.encoding}") from error
        return MARK + data if self.mark else data


def read_bytes(filename: str) -> bytes:
    """The bytes of a file, or an error that says what is the matter with it."""
    try:
        with opened(filename) as file:
            data = file.read(_most_bytes(filename) + 1)
    except (OSError, ValueError) as error:
        raise SourceError(filename, f"cannot be read: {_reason(error)}") from error
    if len(data) > _most_bytes(filename):
        raise too_large(filename, _most_bytes(filename))
    return data


def _most_bytes(filename: str) -> int:
    return MAX_NOTEBOOK_BYTES if filename.endswith(NOTEBOOK) else MAX_BYTES


def opened(filename: str) -> IO[bytes]:
    """A file opened for reading, if it is one: a pipe would wait for its writer, a device never end."""
    file = open(filename, "rb", opener=_open_without_waiting)  # noqa: SIM115 - the caller closes it
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError("not a regular file")


def _open_without_waiting(filename: str, flags: int) -> int:
    return os.open(filename, flags | getattr(os, "O_NONBLOCK", 0))


def too_large(filename: str, most: int = MAX_BYTES) -> SourceError:
    """The error of a file whose bytes, or whose program, are more than is lintable."""
    return SourceError(filename, f"too large: files of more than {most:,} bytes are left out")


def decode(filename: str, data: bytes) -> Source:
    """The text of Python source, by its byte order mark and its coding comment (PEP 263)."""
    if len(data) > _most_bytes(filename):
        raise too_large(filename, _most_bytes(filename))
    if filename.endswith(NOTEBOOK):
        from detachlint import notebooks

        return notebooks.decode(filename, data)
    mark = data.startswith(MARK)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(_first_lines(data)).readline)
        encoding = "utf-8" if mark else encoding
        text = (data[len(MARK) :] if mark else data).decode(encoding)
    except SyntaxError as error:
        raise SourceError(filename, f"cannot be decoded: {error.msg}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"cannot be decoded as {error.encoding}: line {line}: {error.reason}"
        raise SourceError(filename, reason) from error
    except (LookupError, ValueError) as error:
        raise SourceError(filename, f"cannot be decoded: {error}") from error
    return Source(filename, text, encoding, mark)


def _first_lines(data: bytes) -> bytes:
    """The two lines that may name the encoding; a carriage return ends one, unknown to the tokenizer."""
    return b"".join(line + b"\n" for line in _LINE_END.split(data, maxsplit=2)[:2]) if b"\r" in data else data


def read(filename: str) -> Source:
    """A file's text."""
    return decode(filename, read_bytes(filename))


@dataclass(frozen=True, slots=True)
class Found:
    """The files to lint, in order, and the paths that could not be."""

    files: tuple[str, ...]
    errors: tuple[SourceError, ...] = ()


@dataclass(frozen=True, slots=True)
class Screened:
    """The files worth parsing, their size in bytes together, those that could not be read, and all others."""

    worth: tuple[str, ...]
    size: int
    errors: tuple[SourceError, ...]
    idle: tuple[str, ...] = ()


def is_worth_parsing(data: bytes) -> bool:
    """Whether a file's bytes mention anything that could lead to a finding."""
    return any(word in data for word in _WORTH)


def screen(files: Iterable[str]) -> Screened:
    """Look into each file for a reason to parse it."""
    worth: list[str] = []
    idle: list[str] = []
    errors: list[SourceError] = []
    total = 0
    for filename in files:
        try:
            size = _size_if_worth(filename)
        except SourceError as error:
            errors.append(error)
            continue
        if size:
            worth.append(filename)
            total += size
        else:
            idle.append(filename)
    return Screened(tuple(worth), total, tuple(errors), tuple(idle))


def _size_if_worth(filename: str) -> int:
    """The size of a file that is worth parsing, 0 for others; an error for one too large to be parsed."""
    try:
        with opened(filename) as file:
            data = file.read(_most_bytes(filename))
            worth, rest = is_worth_parsing(data), file.read(_PIECE)
            more = bool(rest)
            while rest and not worth and file.tell() < _LOOKED_AT:
                data = data[-_LONGEST_WORD:] + rest
                worth, rest = is_worth_parsing(data), file.read(_PIECE)
    except (OSError, ValueError) as error:
        raise SourceError(filename, f"cannot be read: {_reason(error)}") from error
    if worth and more:
        raise too_large(filename, _most_bytes(filename))
    return len(data) if worth else 0


@dataclass(frozen=True)
class Walk:
    """How files are looked for: the project's root (resolved), and patterns for paths inside it."""

    root: Path
    exclude: tuple[str, ...] = DEFAULT_EXCLUDES
    respect_gitignore: bool = True
    force_exclude: bool = False

    def find(self, paths: Iterable[str]) -> Found:
        """The Python files and notebooks among and below these paths, each once."""
        files: dict[str, str] = {}
        errors: list[SourceError] = []
        for path in paths:
            try:
                for name in self._below(path, errors):
                    files.setdefault(os.path.realpath(name), name)
            except SourceError as error:
                errors.append(error)
            except (OSError, ValueError) as error:
                errors.append(SourceError(path, f"cannot be read: {_reason(error)}"))
        return Found(tuple(files.values()), tuple(errors))

    def excludes(self, path: str) -> bool:
        """Whether the patterns leave this path out, by itself or by a folder of the project it lies in."""
        inside = self._inside(os.path.realpath(path))
        return bool(inside) and self._patterns.match(inside, os.path.isdir(path))

    @cached_property
    def _patterns(self) -> patterns.Patterns:
        return patterns.patterns(self.exclude)

    def _inside(self, path: str) -> str:
        """A resolved path relative to the root, with slashes; empty for the root and what lies outside."""
        root = str(self.root).rstrip(os.sep) + os.sep
        return path[len(root) :].replace(os.sep, "/") if path.startswith(root) else ""

    def _below(self, path: str, errors: list[SourceError]) -> Iterator[str]:
        if not os.path.exists(path):
            raise SourceError(path, "no such file or folder")
        if self.force_exclude and self.excludes(path):
            return
        if os.path.isdir(path):
            yield from self._walk(os.path.normpath(path), errors)
            return
        if not path.endswith(".pyi"):
            yield os.path.normpath(path)

    def _walk(self, top: str, errors: list[SourceError]) -> Iterator[str]:
        real = os.path.realpath(top)
        inside = self._inside(real)
        excluded = self._patterns.without_those_matching(inside) if inside else self._patterns
        waiting = [(top, real, self._ignores_of(real))]
        while waiting:
            folder, real, ignores = waiting.pop()
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                errors.append(SourceError(folder, f"cannot be read: {_reason(error)}"))
                continue
            if self.respect_gitignore and any(entry.name == ".gitignore" for entry in entries):
                ignores = (*ignores, real)
            folders = []
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not is_folder and not (entry.name.endswith(_SOURCES) and _is_file(entry)):
                    continue
                place = os.path.join(real, entry.name)
                if excluded.match(self._inside(place) or entry.name, is_folder):
                    continue
                if _ignored(place, is_folder, ignores):
                    continue
                name = entry.name if folder == "." else entry.path
                if is_folder:
                    folders.append((name, place, ignores))
                else:
                    yield name
            waiting.extend(reversed(folders))

    def _ignores_of(self, real: str) -> tuple[str, ...]:
        """The `.gitignore` files above a folder, unless they ignore the folder itself: it was asked for."""
        if not self.respect_gitignore:
            return ()
        above = tuple(patterns.gitignores_above(real))
        return () if _ignored(real, True, above) else above


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _ignored(path: str, is_folder: bool, ignores: tuple[str, ...]) -> bool:
    """The nearest `.gitignore` that says anything of a path decides."""
    for folder in reversed(ignores):
        said = patterns.gitignore_says(folder, path.replace(os.sep, "/"), is_folder)
        if said is not None:
            return said
    return False


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
