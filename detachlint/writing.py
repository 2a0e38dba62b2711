"""Putting bytes where a file was, in one step.

The new bytes go to a temporary file in the same folder, which is then renamed over the old one: a reader, a
crash or a signal sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path


class NotWritten(Exception):
    """The file was left as it is; the text says why."""


def write_atomically(path: str | os.PathLike[str], data: bytes, read: bytes | None = None) -> None:
    """Replace the content of `path` by `data` in one step, keeping its mode and, where possible, its owner.

    A symbolic link stays, its target is replaced. `read` are the bytes that `data` was made from: if the file
    holds others by now, somebody else is at work on it. Raises NotWritten with the reason; the file is then
    as it was.
    """
    try:
        _replace(Path(os.path.realpath(path)), data, read)
    except OSError as error:
        raise NotWritten(error.strerror or str(error)) from error


def _replace(path: Path, data: bytes, read: bytes | None) -> None:
    status = path.stat()
    _demand_replaceable(path, status)
    if read is not None and path.read_bytes() != read:
        raise NotWritten("it has changed since it was read")
    handle, name = tempfile.mkstemp(prefix=".detachlint-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _dress(name, status)
        if _identity(path.stat()) != _identity(status):
            raise NotWritten("it has changed since it was read")
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _demand_replaceable(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotWritten("it is not a regular file")
    if not os.access(path, os.W_OK):
        raise NotWritten("it is read-only")
    if status.st_nlink > 1:
        raise NotWritten("it has other hard links, which would keep the old text")


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _dress(name: str, status: os.stat_result) -> None:
    """Give the new file the owner and the mode of the old one; the owner first, as that resets the mode."""
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(name, status.st_uid, status.st_gid)
    os.chmod(name, stat.S_IMODE(status.st_mode))
