"""What the user wants, from `[tool.detachlint]` of the nearest pyproject.toml, as one frozen Settings.

The table is looked for from the common folder of the paths to lint upward. A pyproject.toml without the
table is passed by, but the nearest one still marks the project's root: the folder that excludes and
per-file ignores are relative to, and that first-party imports are resolved from.

A mistyped key must never be a silent nothing: every key and value is checked, and the error names the
likely one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detachlint.bounds import OutOfTime, time_bound
from detachlint.sources import DEFAULT_EXCLUDES

OUTPUT_FORMATS = ("full", "concise", "json", "sarif", "github", "gitlab", "junit", "html", "svg")
_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
_MOST_BYTES = 1_000_000
_MOST_SECONDS = 5.0
_NO_MODELS = '{"call": [], "class": []}'


class ConfigError(Exception):
    """A config that can't be understood, in words for its owner."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One layer of choosing rules: the config's, or the command line's above it. None: not said."""

    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run depends on besides its paths. `models` are the user's model tables, as JSON text."""

    root: Path
    selection: Selection = Selection()
    preview: bool = False
    exclude: tuple[str, ...] = DEFAULT_EXCLUDES
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    respect_gitignore: bool = True
    models: str = _NO_MODELS
    fix: bool = False
    unsafe_fixes: bool = False
    output_format: str = "full"
    baseline: Path | None = None
    file: Path | None = None

    @property
    def chooses_rules(self) -> bool:
        """Whether the config names any rules."""
        return self.selection != Selection() or bool(self.per_file_ignores)


def load(paths: Iterable[str], config: Path | None = None, isolated: bool = False) -> Settings:
    """The settings for linting these paths: of the config file given, or else of the nearest one."""
    start = _common_folder(paths)
    root = _nearest_root(start)
    if isolated:
        return Settings(root)
    if config is not None:
        return _settings(root, config, _table_of(config, required=True) or {})
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        table = _table_of(file) if file.is_file() else None
        if table is not None:
            return _settings(folder, file, table)
    return Settings(root)


def _common_folder(paths: Iterable[str]) -> Path:
    resolved = [os.path.realpath(path) for path in paths] or [os.getcwd()]
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in resolved]
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # paths on different drives have nothing in common
        return Path.cwd()


def _nearest_root(start: Path) -> Path:
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in _ROOT_MARKS):
            return folder
    here = Path.cwd()
    return here if here in start.parents else start


def _table_of(file: Path, required: bool = False) -> dict[str, Any] | None:
    """The file's [tool.detachlint]; for a file of the tool's own, its top level."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with file.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if not required and b"detachlint" not in data:
            return None
        if len(data) > _MOST_BYTES:
            raise ConfigError(f"{shown(file)}: is larger than {_MOST_BYTES:,} bytes")
        with time_bound(_MOST_SECONDS):
            content = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{shown(file)}: cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(f"{shown(file)}: is nested too deeply") from error
    except OutOfTime as error:
        raise ConfigError(f"{shown(file)}: takes more than {_MOST_SECONDS:g} seconds to read") from error
    except ValueError as error:  # of bytes, of TOML, of numbers with thousands of digits
        raise ConfigError(f"{shown(file)}: is not valid TOML: {error}") from error
    if required and file.name != "pyproject.toml" and "tool" not in content:
        return content
    tool = content.get("tool", {})
    table = tool.get("detachlint") if isinstance(tool, dict) else None
    if table is None and not required:
        return None
    if not isinstance(table, dict):
        raise ConfigError(f"{shown(file)}: has no table [tool.detachlint]")
    return table


def _settings(root: Path, file: Path, table: Mapping[str, Any]) -> Settings:
    try:
        return _read(root, file, table)
    except ConfigError as error:
        raise ConfigError(f"{shown(file)}: [tool.detachlint] {error}") from error


def _read(root: Path, file: Path, table: Mapping[str, Any]) -> Settings:
    for key in table:
        if key not in _READERS:
            raise ConfigError(f"unknown key `{key[:80]}`{suggestion(key[:80], _READERS)}")
    values = {key: _READERS[key](key, value) for key, value in table.items()}
    return Settings(
        root=root,
        selection=Selection(values.get("select"), values.get("extend-select", ()), values.get("ignore", ())),
        preview=values.get("preview", False),
        exclude=(*values.get("exclude", DEFAULT_EXCLUDES), *values.get("extend-exclude", ())),
        per_file_ignores=values.get("per-file-ignores", ()),
        respect_gitignore=values.get("respect-gitignore", True),
        models=_models(values.get("call", []), values.get("class", [])),
        fix=values.get("fix", False),
        unsafe_fixes=values.get("unsafe-fixes", False),
        output_format=values.get("output-format", "full"),
        baseline=root / values["baseline"] if "baseline" in values else None,
        file=file,
    )


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown word: the known one that was likely meant, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"`{key}` must be true or false, not {_said(value)}")
    return value


def _texts(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"`{key}` must be a list of strings, not {_said(value)}")
    return tuple(value)


def _patterns(key: str, value: object) -> tuple[str, ...]:
    texts = _texts(key, value)
    for text in texts:
        check_pattern(key, text)
    return texts


def check_pattern(key: str, text: str) -> None:
    """Refuse a pattern that no path could ever match."""
    from detachlint.patterns import compiled

    try:
        compiled((text,))
    except ValueError as error:
        raise ConfigError(f"`{key}` holds a pattern that means nothing: `{text}`") from error


def _per_file(key: str, value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise ConfigError(f"`{key}` must be a table of pattern = [codes], not {_said(value)}")
    for pattern in value:
        check_pattern(key, pattern)
    return tuple((pattern, _texts(f"{key}.{pattern}", codes)) for pattern, codes in value.items())


def _format(key: str, value: object) -> str:
    if not isinstance(value, str) or value not in OUTPUT_FORMATS:
        close = suggestion(value, OUTPUT_FORMATS) if isinstance(value, str) else ""
        raise ConfigError(f"`{key}` must be one of {', '.join(OUTPUT_FORMATS)}, not {_said(value)}{close}")
    return value


def _file(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"`{key}` must be the path of a file, not {_said(value)}")
    return value


def _tables(key: str, value: object) -> list[dict[str, object]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigError(f"`{key}` must be tables: [[tool.detachlint.{key}]]")
    return value


def _models(calls: list[dict[str, object]], classes: list[dict[str, object]]) -> str:
    """The user's model tables, checked. As text they are hashable, and cheap to hand to another process."""
    if not calls and not classes:
        return _NO_MODELS
    import json

    from detachlint.models import ModelError, load

    try:
        load().extended(calls, classes)
        return json.dumps({"call": calls, "class": classes})
    except ModelError as error:
        raise ConfigError(str(error).removeprefix("[tool.detachlint]").lstrip(": ")) from error
    except TypeError as error:  # dates and times are TOML but nothing a model can say
        raise ConfigError(f"call, class: {error}") from error


def _said(value: object) -> str:
    import json

    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def shown(file: Path) -> str:
    """A file's path as its user would write it here."""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "select": _texts,
    "extend-select": _texts,
    "ignore": _texts,
    "preview": _flag,
    "exclude": _patterns,
    "extend-exclude": _patterns,
    "per-file-ignores": _per_file,
    "respect-gitignore": _flag,
    "call": _tables,
    "class": _tables,
    "fix": _flag,
    "unsafe-fixes": _flag,
    "output-format": _format,
    "baseline": _file,
}
