"""What libraries that work on arrays do with a tensor that requires grad, observed once in a process.

Nothing here looks at the models: which functions there are is the library's word, what they do is seen by calling
them with arguments out of GUESSES. A function *refuses* a tensor if it raises numpy's well-known error while grad
mode is on, and takes the same tensor while it is off: then the error is the graph's fault and nothing else's.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from observing import reseed, t
from sink_tables import ARGUMENTS, BARE, LISTS, NOT_CALLED, PANDAS

REFUSAL = "Can't call numpy() on Tensor that requires grad"


class Refused(NamedTuple):
    """Is a tensor refused as an argument of its own, and is one inside a list refused?"""

    direct: bool
    deep: bool


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    reseed()
    return t(4), t(), t(4, 4)


def refuses(call: Callable[..., object], arguments: Callable[..., tuple[object, ...]]) -> bool:
    """Does it raise with grad mode on, and only then?"""
    given = arguments(*tensors())  # what the arguments themselves refuse is no word of the function's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(*given)
        except RuntimeError as error:
            if REFUSAL not in str(error):
                return False
        except Exception:
            return False
        else:
            return False
        given = arguments(*tensors())
        with torch.no_grad():
            try:
                call(*given)
            except Exception:
                return False
    return True


def refused(name: str, call: Callable[..., object]) -> Refused:
    """How this function refuses, by its own arguments or by all guesses."""
    known = {**ARGUMENTS, **PANDAS}
    arguments = known.get(name) or known.get(name.replace("matplotlib.pyplot.", "matplotlib.axes.Axes."))
    if arguments is not None:
        return Refused(refuses(call, arguments), False)
    direct = any(refuses(call, guess) for guess in BARE)
    return Refused(direct, not direct and any(refuses(call, guess) for guess in LISTS))


def is_a_sink(name: str, call: Callable[..., object]) -> bool:
    return any(refused(name, call))


def resolved(name: str) -> object:
    """The function or method of this name."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None


@cache
def namespace(name: str) -> dict[str, Refused]:
    """Every public callable of a module, and how it refuses."""
    np.random.seed(0)
    with np.errstate(all="ignore"):
        return {
            f"{name}.{key}": refused(f"{name}.{key}", value)
            for key, value in _public(importlib.import_module(name))
            if f"{name}.{key}" not in NOT_CALLED
        }


def _public(owner: object) -> Iterator[tuple[str, Callable[..., object]]]:
    for key in dir(owner):
        value = getattr(owner, key)
        error = inspect.isclass(value) and issubclass(value, BaseException)
        if not key.startswith("_") and callable(value) and not error:
            yield key, value


@cache
def axes() -> dict[str, Refused]:
    """Every public method of matplotlib's Axes that other artists don't have, but for its properties' getters."""
    from matplotlib import artist, axes, pyplot

    seen = {}
    for key, value in _public(axes.Axes):
        name = f"matplotlib.axes.Axes.{key}"
        own = inspect.isfunction(value) and not key.startswith("get_") and not hasattr(artist.Artist, key)
        if own and name not in NOT_CALLED:
            seen[name] = refused(name, getattr(pyplot.Figure(figsize=(1, 1)).add_subplot(), key))
    return seen


@cache
def pyplot_functions() -> dict[str, Refused]:
    """Every public function of pyplot."""
    from matplotlib import pyplot

    seen = {}
    for key, value in _public(pyplot):
        name = f"matplotlib.pyplot.{key}"
        if inspect.isfunction(value) and value.__module__ == pyplot.__name__ and name not in NOT_CALLED:
            pyplot.figure(figsize=(1, 1))
            seen[name] = refused(name, value)
            pyplot.close("all")
    return seen


@cache
def seaborn_functions() -> dict[str, bool]:
    """Every plotting function of seaborn; they want names for their arguments."""
    import seaborn
    from matplotlib import pyplot

    ways = (
        lambda call: lambda v, n, m: call(x=v, y=v),
        lambda call: lambda v, n, m: call(v),
        lambda call: lambda v, n, m: call(x=v),
        lambda call: lambda v, n, m: call(m),
    )
    seen = {}
    for key, value in _public(seaborn):
        name = f"seaborn.{key}"
        if key.endswith(("plot", "map")) and inspect.isfunction(value) and name not in NOT_CALLED:
            seen[name] = any(refuses(way(value), lambda v, n, m: (v, n, m)) for way in ways)
            pyplot.close("all")
    return seen
