"""What the callers in sight pass for a function's parameters.

A function is interpreted on its own with arguments of which nothing is known: whoever calls it may be out of
sight. Then `model(x)` is the output of some network, and `if mode == "val"` may go either way. Where this
leads to a finding, the calls that were seen have the word: a parameter that is an object of the same classes
in all of them is such an object, and a function that is told by a word what to do does what it is told there,
and nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable
from dataclasses import dataclass, field

from detachlint.tracking.definitions import FunctionDefinition
from detachlint.tracking.values import Instance, Module, Plain, Value

_MOST_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Layer:
    """A module of a library, which is all that it is made of: a loss, an activation."""

    name: str


@dataclass(slots=True)
class Heard:
    """The kinds of values that calls pass for each parameter; None stands for one that is unknown."""

    kinds: dict[ast.arg, dict[Hashable, None]] = field(default_factory=dict)
    missed: set[FunctionDefinition] = field(default_factory=set)

    def passed(self, parameter: ast.arg, value: Value) -> None:
        """A call that is interpreted passes `value`."""
        for kind in _kinds_of(value):
            self.kinds.setdefault(parameter, {})[kind] = None

    def settled(self) -> dict[ast.arg, tuple[Hashable, ...]]:
        """The parameters of which all calls in sight say what they are."""
        open_ = {parameter for definition in self.missed for parameter in parameters(definition)}
        return {
            parameter: tuple(kinds)
            for parameter, kinds in self.kinds.items()
            if None not in kinds and len(kinds) <= _MOST_CLASSES and parameter not in open_
        }


def parameters(definition: FunctionDefinition) -> tuple[ast.arg, ...]:
    """The named parameters of a function."""
    spec = definition.node.args
    return (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)


def _kinds_of(value: Value) -> tuple[Hashable, ...]:
    if isinstance(value, Instance):
        return tuple(each.klass for each in value.each())
    if isinstance(value, Module) and value.name and value.child is None and not value.parts:
        return (Layer(value.name),)
    if isinstance(value, Plain) and isinstance(value.constant, (str, bool)):
        return (value.constant,)
    return (None,)


def are_words(kinds: tuple[Hashable, ...]) -> bool:
    """Whether calls pass nothing but words and flags."""
    return bool(kinds) and all(isinstance(kind, (str, bool)) for kind in kinds)
