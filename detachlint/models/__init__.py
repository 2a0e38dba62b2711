"""What torch and its neighbours do to the autograd graph, read from the TOML files beside this module.

The tracker knows how Python works; it knows nothing of torch. What a call gives back (a tensor that tracks,
one that does not, a view, a module), what it does with what it gets (refuses it, keeps it, prints it,
detaches it), and what a class is good for stands in data, one file per library, and tests run the real
library to confirm it. A logging library more is a TOML file more and no code.

Every file holds `[aliases]` (other import paths of the same thing), `[[call]]` tables (functions by their
dotted name, methods as `package.Class.method`) and `[[class]]` tables. `names` is a list of names, or one
string of them (which TOML reads ten times faster). A name may end in `.*` and then stands for everything
below, in a `[[class]]` for everything with a capital; an exact name beats a wildcard, a longer wildcard a
shorter one. The user's own entries in `[tool.detachlint]` are the same tables and win over the shipped ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar

from detachlint.config import suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Result: TypeAlias = "str | tuple[str, ...]"
"""What comes back: one word of RESULTS, `iterable of ...`, a dotted class name, or a tuple of those."""

RESULTS = frozenset(
    {
        *("derived", "view", "same", "into", "cut", "fresh", "leaf", "reduce", "pair", "packed", "backward"),
        *("number", "text", "none", "plain", "unknown", "argument", "arguments"),
        *("parameters", "named_parameters", "state", "module", "loaded"),
        *("grad-off", "grad-on", "grad-never", "grad-argument"),
    }
)
SINKS = frozenset(
    {"numpy", "array-library", "copy", "lost", "number", "scalar", "keeps", "text", "detaches", "saves"}
)
KINDS = frozenset({"tensor", "module", "optimizer", "distribution", "metric", "logger", "array", "object"})

_CALL_KEYS = frozenset(
    (
        "names",
        "result",
        "levels",
        "tuple_with",
        "sink",
        "arguments",
        "unless",
        "note",
        "direct",
        "deep",
        "target",
    )
)
_CLASS_KEYS = frozenset(
    ("names", "kind", "bases", "parameters", "grad_off", "backward", "call", "levels", "attributes", "target")
)
_EACH = "iterable of "
_TENSOR = "torch.Tensor."
_LONGEST_ALIAS_CHAIN = 8

T = TypeVar("T")


class ModelError(ValueError):
    """A model file or a user's entry says something this program can't understand."""


@dataclass(frozen=True)
class Call:
    """What calling a function or method gives back and does with its arguments.

    `arguments` are the ones the sink looks at: a position, a keyword's name, `*` (all positional), `**`
    (all keywords), `self` (the receiver). `unless` names a keyword that, given as True, makes the call
    harmless. `direct` says that a tensor given as the argument itself counts, `deep` that tensors inside
    lists, tuples and dicts count. `target` is the argument, by position and by keyword, that a loss compares
    its first one with. `levels` tells how deep the tuples nest that the result's tensors come in: 1 for
    `torch.split`, 2 for an LSTM, None where a function that is handed in decides; a keyword of `tuple_with`
    that is given as True makes a tuple of the result.
    """

    result: Result = "unknown"
    sink: str | None = None
    arguments: tuple[int | str, ...] = ("*", "**")
    unless: str | None = None
    note: str = ""
    direct: bool = True
    deep: bool = True
    target: tuple[int | str, ...] = ()
    levels: int | None = 0
    tuple_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassModel:
    """What a library's class is: its kind, and what calling its instances and reading its attributes gives.

    `parameters` tells modules with weights (whose output tracks by itself) from those without. `grad_off`
    are methods that the framework runs with grad mode off, `backward` those whose result it backpropagates.
    `target` is the argument that an instance, called as a loss, compares its first one with. Calling one
    gives tuples nested `levels` deep.
    """

    name: str
    kind: str = "object"
    bases: tuple[str, ...] = ()
    parameters: bool = True
    grad_off: frozenset[str] = frozenset()
    backward: frozenset[str] = frozenset()
    call: Result | None = None
    attributes: Mapping[str, Result] = field(default_factory=dict)
    target: tuple[int | str, ...] = ()
    levels: int | None = 0


@dataclass(frozen=True, eq=False)
class Models:
    """All that is known of libraries. Look-ups are memoised; nothing else ever changes."""

    calls: Mapping[str, Call]
    classes: Mapping[str, ClassModel]
    aliases: Mapping[str, str]
    _canonical: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    _calls: dict[str, Call | None] = field(default_factory=dict, repr=False, compare=False)
    _methods: dict[tuple[str, str], Call | None] = field(default_factory=dict, repr=False, compare=False)
    _lineages: dict[str, tuple[ClassModel, ...]] = field(default_factory=dict, repr=False, compare=False)

    def canonical(self, name: str) -> str:
        """The one name under which the models know this thing."""
        found = self._canonical.get(name)
        if found is None:
            found = self._canonical[name] = self._resolve(name)
        return found

    def _resolve(self, name: str) -> str:
        for _ in range(_LONGEST_ALIAS_CHAIN):
            prefix = next((prefix for prefix in _prefixes(name) if prefix in self.aliases), None)
            if prefix is None:
                return name
            name = self.aliases[prefix] + name[len(prefix) :]
        return name

    def call(self, name: str) -> Call | None:
        """What calling this function, class or `Class.method` does, as far as it is known."""
        name = self.canonical(name)
        if name not in self._calls:
            self._calls[name] = _find(self.calls, name)
        return self._calls[name]

    def klass(self, name: str) -> ClassModel | None:
        """The class of this name, if it is known."""
        name = self.canonical(name)
        if not name.rpartition(".")[2][:1].isupper():
            return self.classes.get(name)
        return _find(self.classes, name)

    def lineage(self, name: str) -> tuple[ClassModel, ...]:
        """The class and its known bases, nearest first, each once."""
        name = self.canonical(name)
        found = self._lineages.get(name)
        if found is None:
            found = self._lineages[name] = self._ancestors(name)
        return found

    def _ancestors(self, name: str) -> tuple[ClassModel, ...]:
        seen: dict[str, ClassModel] = {}
        waiting = [name]
        while waiting:
            current = self.canonical(waiting.pop(0))
            model = self.klass(current)
            if model is None or current in seen:
                continue
            seen[current] = model
            waiting.extend(model.bases)
        return tuple(seen.values())

    def method(self, class_name: str, method: str) -> Call | None:
        """What calling this method of an instance does; looked up in the class, then in its bases."""
        key = (class_name, method)
        if key not in self._methods:
            names = [self.canonical(class_name), *(model.name for model in self.lineage(class_name))]
            found = (_find(self.calls, f"{name.removesuffix('.*')}.{method}") for name in names)
            self._methods[key] = next((call for call in found if call is not None), None)
        return self._methods[key]

    def attribute(self, class_name: str, attribute: str) -> Result | None:
        """What reading this attribute of an instance gives; inherited like methods."""
        found = (model.attributes.get(attribute) for model in self.lineage(class_name))
        return next((result for result in found if result is not None), None)

    def extended(
        self,
        calls: Iterable[Mapping[str, object]] = (),
        classes: Iterable[Mapping[str, object]] = (),
        origin: str = "[tool.detachlint]",
    ) -> Models:
        """These models and the user's `[[call]]` and `[[class]]` tables, which win."""
        tables = {"call": list(calls), "class": list(classes)}
        more_calls, more_classes, _ = _read(tables, origin)
        return Models({**self.calls, **more_calls}, {**self.classes, **more_classes}, self.aliases)


@cache
def load() -> Models:
    """The models shipped with the program."""
    return load_folder(Path(__file__).parent)


def load_folder(folder: Path) -> Models:
    """The models of every TOML file of a folder, in the order of their names."""
    calls: dict[str, Call] = {}
    classes: dict[str, ClassModel] = {}
    aliases: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ModelError(f"{path.name}: {error}") from error
        more_calls, more_classes, more_aliases = _read(tables, path.name)
        for known, more in ((calls, more_calls), (classes, more_classes), (aliases, more_aliases)):
            twice = known.keys() & more.keys()
            if twice:
                _fail(path.name, min(twice), "another file says something about this name already")
        calls.update(more_calls)
        classes.update(more_classes)
        aliases.update(more_aliases)
    return Models(calls, classes, aliases)


def _find(table: Mapping[str, T], name: str) -> T | None:
    exact = table.get(name)
    if exact is not None:
        return exact
    wildcards = (table.get(f"{prefix}.*") for prefix in _prefixes(name))
    return next((entry for entry in wildcards if entry is not None), None)


def _prefixes(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b`, `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _fail(origin: str, entry: str, problem: str) -> NoReturn:
    raise ModelError(f"{origin}: {entry}: {problem}")


def _read(
    tables: Mapping[str, object], origin: str
) -> tuple[dict[str, Call], dict[str, ClassModel], dict[str, str]]:
    unknown = tables.keys() - {"aliases", "call", "class"}
    if unknown:
        _fail(origin, min(unknown), "unknown table, known are aliases, call, class")
    calls: dict[str, Call] = {}
    for reader in _readers(tables.get("call", []), "call", _CALL_KEYS, origin):
        calls.update(reader.fresh(reader.calls(), calls))
    classes: dict[str, ClassModel] = {}
    for reader in _readers(tables.get("class", []), "class", _CLASS_KEYS, origin):
        classes.update(reader.fresh(reader.classes(), classes))
    return calls, classes, _aliases(tables.get("aliases", {}), origin)


def _aliases(table: object, origin: str) -> dict[str, str]:
    if not isinstance(table, Mapping):
        _fail(origin, "aliases", "expected a table")
    for name, target in table.items():
        if not isinstance(target, str) or not _is_dotted(target):
            _fail(origin, f"alias {name!r}", f"{target!r} is no dotted name")
        if f"{target}.".startswith(f"{name}."):
            _fail(origin, f"alias {name!r}", "leads back to itself")
    return dict(table)


def _readers(entries: object, kind: str, keys: frozenset[str], origin: str) -> Iterator[_Reader]:
    if not isinstance(entries, list):
        _fail(origin, kind, f"expected an array of tables: [[{kind}]]")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, Mapping):
            _fail(origin, f"[[{kind}]] number {number}", "expected a table")
        names = entry.get("names")
        words = names.split() if isinstance(names, str) else names
        first = f" ({words[0]})" if isinstance(words, list) and words else ""
        reader = _Reader(entry, f"[[{kind}]] number {number}{first}", origin)
        reader.check_keys(keys)
        yield reader


@dataclass(frozen=True)
class _Reader:
    """One table, its place for error messages, and the checks on its values."""

    entry: Mapping[str, object]
    place: str
    origin: str

    def fail(self, problem: str) -> NoReturn:
        _fail(self.origin, self.place, problem)

    def check_keys(self, keys: frozenset[str]) -> None:
        unknown = self.entry.keys() - keys
        if unknown:
            word = min(unknown)
            self.fail(f"unknown key {word!r}, known are {', '.join(sorted(keys))}{suggestion(word, keys)}")

    def calls(self) -> dict[str, Call]:
        result = self.result("result") or "unknown"
        sink = self.choice("sink", SINKS)
        arguments = self.arguments()
        unless = self.text("unless")
        note = self.text("note") or ""
        direct, deep = self.flag("direct", True), self.flag("deep", True)
        target = self.arguments("target")
        levels, tuple_with = self.levels(), self.texts("tuple_with")

        def made(name: str) -> Call:
            looked_at = arguments or (("self",) if name.startswith(_TENSOR) else ("*", "**"))
            return Call(result, sink, looked_at, unless, note, direct, deep, target, levels, tuple_with)

        return {name: made(name) for name in self.names()}

    def classes(self) -> dict[str, ClassModel]:
        kind = self.choice("kind", KINDS) or "object"
        bases = self.texts("bases")
        grad_off = frozenset(self.texts("grad_off"))
        backward = frozenset(self.texts("backward"))
        parameters = self.flag("parameters", True)
        call = self.result("call")
        attributes = self.attributes()
        target = self.arguments("target")
        levels = self.levels()
        return {
            name: ClassModel(
                name, kind, bases, parameters, grad_off, backward, call, attributes, target, levels
            )
            for name in self.names()
        }

    def fresh(self, entries: dict[str, T], known: Mapping[str, T]) -> dict[str, T]:
        twice = entries.keys() & known.keys()
        if twice:
            self.fail(f"{min(twice)} is said twice")
        return entries

    def names(self) -> tuple[str, ...]:
        value = self.entry.get("names")
        names = tuple(value.split()) if isinstance(value, str) else self.texts("names")
        if not names:
            self.fail("`names` must list at least one dotted name")
        for name in names:
            if not _is_dotted(name.removesuffix(".*")):
                self.fail(f"{name!r} is no dotted name")
        if len(set(names)) != len(names):
            self.fail(f"{next(name for name in names if names.count(name) > 1)} is said twice")
        return names

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(f"`{key}` must be a list of strings")
        return tuple(value)

    def text(self, key: str) -> str | None:
        value = self.entry.get(key)
        if value is not None and not isinstance(value, str):
            self.fail(f"`{key}` must be a string")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.entry.get(key, default)
        if not isinstance(value, bool):
            self.fail(f"`{key}` must be true or false")
        return value

    def levels(self) -> int | None:
        value = self.entry.get("levels", 0)
        if value == "unknown":
            return None
        if type(value) is not int or value not in (0, 1, 2):
            self.fail('`levels` must be 0, 1, 2 or "unknown"')
        return value

    def choice(self, key: str, words: frozenset[str]) -> str | None:
        value = self.text(key)
        if value is not None and value not in words:
            known = ", ".join(sorted(words))
            self.fail(f"{key} {value!r} is unknown, known are {known}{suggestion(value, words)}")
        return value

    def arguments(self, key: str = "arguments") -> tuple[int | str, ...]:
        value = self.entry.get(key, [])
        if not isinstance(value, list) or not all(type(item) in (int, str) for item in value):
            self.fail(f'`{key}` must be a list of positions, keyword names, "*", "**" and "self"')
        return tuple(value)

    def result(self, key: str) -> Result | None:
        return None if key not in self.entry else self.checked(self.entry[key], key)

    def attributes(self) -> dict[str, Result]:
        table = self.entry.get("attributes", {})
        if not isinstance(table, Mapping):
            self.fail("`attributes` must be a table")
        return {name: self.checked(value, f"attributes.{name}") for name, value in table.items()}

    def checked(self, value: object, key: str) -> Result:
        if isinstance(value, list):
            return tuple(self.word(item, key) for item in value)
        return self.word(value, key)

    def word(self, value: object, key: str) -> str:
        bare = value.removeprefix(_EACH) if isinstance(value, str) else ""
        if not isinstance(value, str) or not (bare in RESULTS or ("." in bare and _is_dotted(bare))):
            self.fail(f"{key} {value!r} is neither a known result nor a dotted class name")
        return value


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
