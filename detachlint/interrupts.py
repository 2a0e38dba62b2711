"""What ends a run from outside: a signal, a reader that went away, a full disk behind standard output.

A run that is told to stop ends as one that failed: with one line, its workers gone, every file whole and no
temporary file left behind. SIGTERM is made the same as the interrupt from the keyboard, so that what must be
tidied up is; of SIGKILL nobody is told, and the next run sweeps.
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
