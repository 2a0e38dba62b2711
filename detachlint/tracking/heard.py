"""What the callers in sight pass for a function's parameters.

A function is interpreted on its own with arguments of which nothing is known: whoever calls it may be out of
sight. Then `model(x)` is the output of some network, and `if mode == "val"` may go either way. Where this
leads to a finding, the calls that were seen have the word: a parameter that is an object of the same classes
in all of them is such an object, and a function that is told by a word what to do does what it is told there,
and nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from detachlint.tracking.definitions import FunctionDefinition
from detachlint.tracking.values import GradMode, Instance, Module, Plain, Value

ANY_MODULE = "torch.nn.Module"
_MOST_KINDS = 3


@dataclass(frozen=True, slots=True)
class Layer:
    """A module of a library, which is all that it is made of: a loss, an activation."""

    name: str


@dataclass(frozen=True, slots=True)
class Order:
    """The words that calls tell a function, and their grad modes: none where nothing was heard."""

    words: Mapping[ast.arg, Plain]
    modes: frozenset[GradMode]


Settled: TypeAlias = "dict[ast.arg, dict[Hashable, frozenset[GradMode]]]"


@dataclass(slots=True)
class Heard:
    """The kinds of values that calls pass for each parameter; None stands for one that is unknown.

    Of each word the grad modes are known in which it is passed. Calls that were `missed` may pass anything;
    of those `cut_short` nobody knows what they do when they are told a word.
    """

    kinds: dict[ast.arg, dict[Hashable, set[GradMode]]] = field(default_factory=dict)
    missed: set[FunctionDefinition] = field(default_factory=set)
    cut_short: set[FunctionDefinition] = field(default_factory=set)

    def passed(self, parameter: ast.arg, value: Value, mode: GradMode) -> None:
        """A call that is interpreted passes `value`, in this grad mode."""
        for kind in _kinds_of(value):
            self.kinds.setdefault(parameter, {}).setdefault(kind, set()).add(mode)

    def settled(self) -> Settled:
        """The parameters of which all calls in sight say what they are."""
        missed = {parameter for definition in self.missed for parameter in parameters(definition)}
        cut = {parameter for definition in self.cut_short for parameter in parameters(definition)}
        return {
            parameter: {kind: frozenset(modes) for kind, modes in kinds.items()}
            for parameter, kinds in self.kinds.items()
            if None not in kinds and len(kinds) <= _MOST_KINDS and parameter not in missed
            if not (parameter in cut and _are_words(kinds))
        }


def parameters(definition: FunctionDefinition) -> tuple[ast.arg, ...]:
    """The named parameters of a function."""
    spec = definition.node.args
    return (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)


def orders(definition: FunctionDefinition, settled: Settled, closed: bool) -> list[Order]:
    """What the calls in sight tell a function to do, by a word or flag; nothing, if they tell it nothing.

    Not all calls are in sight, unless the file is `closed` or the function is its own.
    """
    own = definition.name.startswith("_") and not definition.name.startswith("__")
    told = [parameter for parameter in parameters(definition) if _are_words(settled.get(parameter, {}))]
    if not told or not (own or closed):
        return [Order({}, frozenset())]
    several = max(told, key=lambda parameter: len(settled[parameter]))
    alone = {p: Plain(next(iter(settled[p]))) for p in told if len(settled[p]) == 1}
    return [Order({**alone, several: Plain(word)}, modes) for word, modes in settled[several].items()]


def _are_words(kinds: Mapping[Hashable, object]) -> bool:
    return bool(kinds) and all(isinstance(kind, (str, bool)) for kind in kinds)


def _kinds_of(value: Value) -> tuple[Hashable, ...]:
    if isinstance(value, Instance):
        return tuple(each.klass for each in value.each())
    if isinstance(value, Module) and value.name == ANY_MODULE:
        return ()  # an annotation, which says nothing against a class that another call passes
    if isinstance(value, Module) and value.name and value.child is None and not value.parts:
        return (Layer(value.name),)
    if isinstance(value, Plain) and isinstance(value.constant, (str, bool)):
        return (value.constant,)
    return (None,)
