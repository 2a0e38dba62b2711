"""The arguments of one call: their values, and the expressions they were written as."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from detachlint.tracking.values import Plain, Value


@dataclass(slots=True, eq=False)
class Arguments:
    """Positional and keyword arguments. `expressions` is shorter where a value has no expression of its own.

    `spread` says that `*` or `**` hid how many there are; what they hold is in `hidden`. Of this the elements
    of `*` are the `starred` ones.
    """

    positional: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    expressions: tuple[ast.expr | None, ...] = ()
    keyword_expressions: Mapping[str, ast.expr] = field(default_factory=dict)
    spread: bool = False
    hidden: tuple[Value, ...] = ()
    starred: tuple[Value, ...] = ()

    def get(self, position: int, keyword: str | None = None) -> Value | None:
        """The argument at `position`, or given as `keyword`."""
        if keyword is not None and keyword in self.keywords:
            return self.keywords[keyword]
        return self.positional[position] if 0 <= position < len(self.positional) else None

    def values(self) -> list[Value]:
        """All values, whatever way they were given."""
        return [*self.positional, *self.keywords.values(), *self.hidden]

    def pairs(self) -> Iterator[tuple[int | str, ast.expr | None, Value]]:
        """Position or keyword, expression and value of every argument that was written out."""
        for position, value in enumerate(self.positional):
            expression = self.expressions[position] if position < len(self.expressions) else None
            yield position, expression, value
        for name, value in self.keywords.items():
            yield name, self.keyword_expressions.get(name), value

    def flag(self, name: str, default: bool = False) -> bool | None:
        """The truth of a keyword: None where it is given but not known."""
        value = self.keywords.get(name)
        if value is None:
            return default
        if isinstance(value, Plain) and isinstance(value.constant, (bool, type(None))):
            return bool(value.constant)
        return None
