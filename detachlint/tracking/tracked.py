"""The parts of a value that require grad.

A value may be a tensor or hold some; text made of a tracking tensor says `grad_fn=` and counts only where
text is what matters.
"""

from __future__ import annotations

from detachlint.tracking import expressions
from detachlint.tracking.analysis import Frame
from detachlint.tracking.values import (
    TEXT,
    Doubt,
    Object,
    Tensor,
    Value,
    doubt_of,
    tracks,
)


def tracking_leaf(frame: Frame, value: Value, deep: bool = True, text: bool = False) -> Value | None:
    """The first part of a value that requires grad; `text` made of a tensor counts where it is asked for."""
    leaves = expressions.flatten(frame, value) if deep else [value]
    sure = (leaf for leaf in leaves if Doubt.PART not in doubt_of(leaf))
    return next((leaf for leaf in sure if tracks(leaf) and (text or not is_text(leaf))), None)


def is_text(value: Value) -> bool:
    return isinstance(value, Object) and value.name == TEXT


def is_leaf(value: Value) -> bool:
    return isinstance(value, Tensor) and value.leaf
