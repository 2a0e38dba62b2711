"""Putting bytes where a file was, in one step.

The new bytes go to a temporary file in the same folder, which is then renamed over the old one: a reader, a
crash or a signal sees the old file or the new one, never half of one.

A process that is killed leaves its temporary file behind. The next one that writes sweeps it away, and must
not take the file of one that is still at work: a writer holds a lock on its temporary file, which the system
drops when the writer is gone, however it went.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from detachlint.interrupts import undisturbed

_PREFIX, _SUFFIX = ".detachlint-", ".tmp"
_OLD = 3600.0  # seconds after which a temporary file is nobody's where files can't be locked


class NotWritten(Exception):
    """The file was left as it is; the text says why."""


def write_atomically(path: str | os.PathLike[str], data: bytes, read: bytes | None = None) -> None:
    """Replace the content of `path` by `data` in one step, keeping its mode and, where possible, its owner.

    A symbolic link stays, its target is replaced. `read` are the bytes that `data` was made from: if the file
    holds others by now, somebody else is at work on it. Raises NotWritten with the reason; the file is then
    as it was.
    """
    try:
        with undisturbed():  # a signal could come before the cleaning up
            _replace(Path(os.path.realpath(path)), data, read)
    except OSError as error:
        raise NotWritten(error.strerror or str(error)) from error


def _replace(path: Path, data: bytes, read: bytes | None) -> None:
    status = path.stat()
    _demand_replaceable(path, status)
    if read is not None and path.read_bytes() != read:
        raise NotWritten("it has changed since it was read")
    with _temporary(path.parent) as (handle, name):
        _write_all(handle, data)
        os.fsync(handle)
        _dress(path, name, status)
        if _identity(path.stat()) != _identity(status):
            raise NotWritten("it has changed since it was read")
        if os.name == "nt":  # no file is renamed there while it is open
            os.close(handle)
        os.replace(name, path)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[int, str]]:
    """A new file beside the one to replace, locked; gone afterwards, unless it was renamed."""
    handle, name = _locked(folder)
    try:
        yield handle, name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
        with contextlib.suppress(OSError):
            os.close(handle)


def _locked(folder: Path) -> tuple[int, str]:
    while True:
        handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder)
        _lock(handle)
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(name), os.fstat(handle)):
                return handle, name
        os.close(handle)  # swept away between its making and its locking


def _lock(handle: int, wait: bool = True) -> bool:
    """Whether the file could be locked; without `wait`, False if another process holds it."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _demand_replaceable(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotWritten("it is not a regular file")
    if not os.access(path, os.W_OK):
        raise NotWritten("it is read-only")
    if status.st_nlink > 1:
        raise NotWritten("it has other hard links, which would keep the old text")


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _dress(path: Path, name: str, status: os.stat_result) -> None:
    """Give the new file the owner, attributes and mode of the old one; a new owner resets the mode."""
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(name, status.st_uid, status.st_gid)
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for attribute in os.listxattr(path):
                with contextlib.suppress(OSError):
                    os.setxattr(name, attribute, os.getxattr(path, attribute))
    os.chmod(name, stat.S_IMODE(status.st_mode))


# --- what killed writers left ---------------------------------------------------------------------


def sweep(files: Iterable[str]) -> None:
    """Remove what killed writers left beside these files, and beside what they link to."""
    for folder in {os.path.dirname(os.path.realpath(file)) for file in files}:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            left = [e.path for e in entries if e.name.startswith(_PREFIX) and e.name.endswith(_SUFFIX)]
            for name in left:
                _remove_if_abandoned(name)


def _remove_if_abandoned(name: str) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(name, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            if _lock(handle, wait=False) or time.time() - os.fstat(handle).st_mtime > _OLD:
                os.unlink(name)
        finally:
            os.close(handle)
