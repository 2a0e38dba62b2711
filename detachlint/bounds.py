"""What one file may cost, so that a file made to hurt costs itself and never the run.

Three things are bounded: the size of a source, since a tree takes some hundred times the bytes of its
text; the depth to which its constructs may be nested; and the processor's time that is spent on it.
The tracker has finer bounds of its own (work, rounds, depth of calls), which end in a value that
nothing is known of; the ones here are the last resort, and end in one line that names the file and the bound.

Time is the processor's and not the clock's: what else the machine does must not decide what is found.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

MAX_BYTES = 3_000_000
"""Of a source's text. The largest file that is known to speak of torch has half of it."""

MAX_NOTEBOOK_BYTES = 100_000_000
"""Of a notebook, most of whose bytes are pictures; its code has the bound of any source."""

MAX_SECONDS = 20.0
"""Of the processor's time for one file, its repair included."""

MAX_DEPTH = 3_000
"""Of Python's calls within calls; what is nested some hundred levels deep needs as many."""

_REPEAT = 0.2  # seconds until the bound is said again: Python drops what is raised in some callbacks


class OutOfTime(BaseException):
    """A file took longer than it may. No `Exception`, so that no room mistakes it for an error of a file."""


@contextmanager
def time_bound(seconds: float = MAX_SECONDS) -> Iterator[None]:
    """Raise OutOfTime within the block once it has used so much of the processor's time."""
    in_main = threading.current_thread() is threading.main_thread()
    with _by_signal(seconds) if in_main and hasattr(signal, "setitimer") else _by_watcher(seconds):
        yield


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    """A signal interrupts Python code at any place, and regular expressions too."""
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise OutOfTime

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _REPEAT)
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _by_watcher(seconds: float) -> Iterator[None]:
    """Where there are no such signals, and in other threads than the main one: a thread that looks on."""
    import ctypes

    lock, done, sent = threading.Lock(), threading.Event(), threading.Event()
    target = threading.get_ident()

    def throw() -> None:
        sent.set()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(target), ctypes.py_object(OutOfTime))

    def watch() -> None:
        end = time.process_time() + seconds
        while not done.wait(_REPEAT):
            with lock:
                if time.process_time() > end and not done.is_set():
                    throw()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        _settle(lock, done, sent, throw)


def _settle(
    lock: threading.Lock, done: threading.Event, sent: threading.Event, throw: Callable[[], None]
) -> None:
    """Stop the watcher, and take what it threw but has not arrived: it must not arrive in what comes after.

    It is never taken back with a NULL: that leaves CPython's flag of "something is thrown" set for good, with
    which 3.11 slows down and, under a trace function, runs in a circle at the next call. One more is thrown
    instead, in the place of what is on its way, and awaited.
    """
    last = False
    while not last:
        try:
            with lock:
                done.set()
            if not sent.is_set():
                return
            last = True
            throw()
            while True:
                time.sleep(0)
        except OutOfTime:
            continue


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from a file while it is worked on: it would look through growing trees.

    What is garbage then is freed when the block is left, as soon as anything is made.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def deep_calls() -> Iterator[None]:
    """Let calls go as deep as MAX_DEPTH; in the main thread alone, whose stack is known to bear it."""
    before = sys.getrecursionlimit()
    if threading.current_thread() is not threading.main_thread() or before >= MAX_DEPTH:
        yield
        return
    sys.setrecursionlimit(MAX_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
