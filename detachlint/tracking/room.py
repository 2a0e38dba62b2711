"""Room for the interpreter's own frames.

The tracker is deeply recursive. CPython 3.11 and newer keep the frames of Python functions in chunks of
16 KiB, ask the system for the next one when a frame does not fit, and give it back when that frame returns.
A recursion that goes up and down across the end of a chunk maps and unmaps memory at each step: a fifth of
the time of a run went there. A frame that is larger than a chunk gets one that is a power of two in size,
and the frames above it live in what is left of it. So the tracker is entered through a frame that asks for
just over half of such a chunk; what nobody touches of it costs no memory.

See `push_chunk` and `allocate_chunk` in CPython's `Python/pystate.c`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

Result = TypeVar("Result")
_SLOTS = 70_000  # of eight bytes: more than half of a mebibyte, so that the chunk is a whole one


def with_room(function: Callable[[], Result]) -> Result:
    """What `function` gives, called where its frames lie in one piece of memory."""
    result: Result = _ENTRY(function)
    return result


def _enter(function: Callable[[], Result]) -> Result:
    return function()


# The size of a frame is part of a function's code; older versions take it from the heap and don't mind.
_ENTRY = FunctionType(_enter.__code__.replace(co_stacksize=_SLOTS), {})
