"""What a run leaves on disk: mended sources, reports, baselines.

How bytes get there in one step stands in `writing`; here stands what must hold before, and in whose words it
is told when it cannot be done: a source is one of the files of the run, a report is something the user named.
"""

from __future__ import annotations

from pathlib import Path

from detachlint import sources
from detachlint.config import ConfigError
from detachlint.sources import Source, SourceError
from detachlint.writing import NotWritten, write_atomically


def write_source(source: Source, text: str) -> None:
    """Replace a file's text, unless it is no longer the file that was read.

    Raises SourceError with the reason if it is left as it was.
    """
    old = source.encode(source.text)
    try:
        if old != (found := sources.read_bytes(source.filename)) and _text_of(source, found) == source.text:
            raise NotWritten(f"{source.encoding} would not give back all of its bytes")
        write_atomically(source.filename, source.encode(text), read=old)
    except NotWritten as error:
        raise SourceError(source.filename, f"not written: {error}") from error


def _text_of(source: Source, data: bytes) -> str | None:
    try:
        return sources.decode(source.filename, data).text
    except SourceError:
        return None


def write_report(path: Path, text: str) -> None:
    """Write a report, or a baseline: a file that is there is replaced in one step.

    Raises ConfigError with the reason if it can't be written.
    """
    try:
        if path.is_file():
            write_atomically(path, text.encode("utf-8", "backslashreplace"))
            return
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    except NotWritten as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error
