"""What ends a run from outside: a signal, a reader that went away, a full disk behind standard output.

A run that is told to stop ends as one that failed: with one line, its workers gone, every file whole and no
temporary file left behind. SIGTERM is made the same as the interrupt from the keyboard, so that what must be
tidied up is; of SIGKILL nobody is told, and the next run sweeps. What must not be left halfway holds these
signals back for as long as it takes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_WAITING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(Exception):
    """The run ends here; the text says why."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted for everything from outside that ends what runs within."""
    try:
        with _told_to_terminate():
            yield
    except KeyboardInterrupt as error:
        raise Interrupted(str(error) or "interrupted") from error
    except OSError as error:
        if error.errno in (None, errno.EPIPE):  # click knows what to do about a reader that went away
            raise
        _forget_standard_output()
        named = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        raise Interrupted(f"{named}this run cannot go on: {error.strerror}") from error


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that can wait do so until the end of the block, and in a process that is started in it.

    To mask them is not enough: where there are other threads one of those is given the signal, and Python
    still tells the main thread of it. What comes that way is noted and sent again.
    """
    noted: list[int] = []
    try:
        with _masked(), _only_noted(noted):
            yield
    finally:
        for number in dict.fromkeys(noted):
            signal.raise_signal(number)


def leave_to_parent() -> None:
    """In a worker: the interrupt is for its parent, who ends its workers; what is to terminate it does so."""
    for number in _WAITING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITING)


@contextlib.contextmanager
def _masked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _only_noted(noted: list[int]) -> Iterator[None]:
    """Whatever else the signals do, if anything, happens to them in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)

    heard = [number for number in _WAITING if signal.getsignal(number) not in (None, signal.SIG_IGN)]
    before = [(number, signal.signal(number, note)) for number in heard]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextlib.contextmanager
def _told_to_terminate() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt("terminated")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _forget_standard_output() -> None:
    """What standard output still holds would be written, and fail, once more at the end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
