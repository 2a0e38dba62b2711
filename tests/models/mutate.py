"""Breaks the models one word at a time and runs the tests that asked for that word: do they notice?

    python tests/models/mutate.py [--only torch.nn.] [--every 10] [--shard 0/2] [tests ...]

A test that no wrong model can fail proves nothing. Each mutant is one word of a TOML file: a name is dropped, a
result, a sink, an argument, a base, an attribute or an alias is dropped or changed to one that means something
else. The mutants are made in the loaded tables, so that torch and its neighbours are imported, and what they do is
observed, once for all of them. A first run writes down which entries each test looks up; a mutant then needs only
the tests that looked it up, cheapest first and last those that read the whole table, until one fails. Which tests
exist must not depend on the models, or a dropped name would take its own test with it: looking something up while
the tests are collected is an error.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

import detachlint.linter
from detachlint import models

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TESTS = Path(__file__).parent
FOLDER = Path(models.__file__).parent
EVERYTHING = "*"
CONTROL = 50  # before every so many mutants their tests are run on the healthy models
# What stands for "wrong": a word that means something else to the tracker. `none`, `plain`, `number` and `text` are
# four ways to say "no tensor": between them only `derived` is a lie.
_TRACKING = frozenset(
    {"derived", "view", "leaf", "reduce", "pair", "packed", "argument", "arguments", "module", "parameters"}
)


class Noting(dict):
    """A table that writes down what is looked up in it."""

    def __init__(self, name: str, entries: dict, note: Callable[[str, str], None]) -> None:
        super().__init__(entries)
        self.name, self.note = name, note

    def __getitem__(self, key):
        self.note(self.name, key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.note(self.name, key)
        return super().__contains__(key)

    def get(self, key, default=None):
        self.note(self.name, key)
        return super().get(key, default)

    def __iter__(self):
        self.note(self.name, EVERYTHING)
        return super().__iter__()

    def keys(self):
        self.note(self.name, EVERYTHING)
        return super().keys()

    def values(self):
        self.note(self.name, EVERYTHING)
        return super().values()

    def items(self):
        self.note(self.name, EVERYTHING)
        return super().items()


@dataclass
class Mutant:
    """New entries for keys of a table (None: the entry is gone), and the line that says what is broken."""

    place: str
    what: str
    table: str
    entries: dict[str, object]


@dataclass
class Patient:
    """The models that every test sees, and what was looked up in them."""

    asked: set[tuple[str, str]] = field(default_factory=set)
    models: models.Models = field(init=False)

    def __post_init__(self) -> None:
        healthy = models.load_folder(FOLDER)
        tables = (
            Noting(name, dict(getattr(healthy, name)), lambda table, key: self.asked.add((table, key)))
            for name in ("calls", "classes", "aliases")
        )
        self.models = models.Models(*tables)

    def forget(self) -> None:
        """Look-ups are memoised: a new test, or another model, starts without."""
        known = self.models
        for memo in (known._canonical, known._calls, known._methods, known._lineages):
            memo.clear()
        detachlint.linter.known_models.cache_clear()

    @contextlib.contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        table = getattr(self.models, mutant.table)
        before = {key: dict.get(table, key) for key in mutant.entries}
        try:
            _put(table, mutant.entries)
            yield
        finally:
            _put(table, before)


def _put(table: dict, entries: dict[str, object]) -> None:
    for key, entry in entries.items():
        if entry is None:
            table.pop(key, None)
        else:
            dict.__setitem__(table, key, entry)


# --- the mutants ---


def mutants(patient: Patient) -> Iterator[Mutant]:
    """Every mutant of every file."""
    for path in sorted(FOLDER.glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
        for name, line in _aliases(text):
            yield Mutant(f"{path.name}:{line}", f"alias {name} dropped", "aliases", {name: None})
        for kind, table, make in (
            ("call", "calls", _call_mutants),
            ("class", "classes", _class_mutants),
        ):
            entries: dict[str, object] = dict(getattr(patient.models, table).items())
            for entry, block in zip(tables.get(kind, ()), _blocks(text, kind), strict=True):
                names = entry["names"].split() if isinstance(entry["names"], str) else entry["names"]
                for what, key, changed in make(entry, names, {name: entries[name] for name in names}):
                    yield Mutant(f"{path.name}:{_line(block, key)}", what, table, changed)


def _aliases(text: str) -> Iterator[tuple[str, int]]:
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("["):
            inside = line == "[aliases]"
        alias = re.match(r'"?([\w.]+)"? = "', line)
        if inside and alias:
            yield alias[1], number


def _blocks(text: str, kind: str) -> list[list[tuple[int, str]]]:
    blocks: list[list[tuple[int, str]]] = []
    current: list[tuple[int, str]] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("[["):
            current = [] if line == f"[[{kind}]]" else None
            if current is not None:
                blocks.append(current)
        if current is not None:
            current.append((number, line))
    return blocks


def _line(block: list[tuple[int, str]], word: str) -> int:
    pattern = re.compile(rf"(?<![\w.]){re.escape(word)}(?![\w.])")
    return next((number for number, line in block if pattern.search(line)), block[0][0])


def _call_mutants(
    entry: dict, names: list[str], calls: dict[str, models.Call]
) -> Iterator[tuple[str, str, dict]]:
    for name, call in calls.items():
        yield f"{name} dropped", name, {name: None}
        for wrong in _wrong(call.result):
            changed = dataclasses.replace(call, result=wrong)
            yield f"{name}: result {call.result} -> {wrong}", name, {name: changed}
        for sink in _wrong_sinks(call.sink):
            yield f"{name}: sink {call.sink} -> {sink}", name, {name: dataclasses.replace(call, sink=sink)}
        for target in _wrong_targets(call.target):
            changed = dataclasses.replace(call, target=target)
            yield f"{name}: target {call.target} -> {target}", name, {name: changed}

    def all_of_them(**changes: object) -> dict[str, models.Call]:
        return {name: dataclasses.replace(call, **changes) for name, call in calls.items()}

    first = names[0]
    arguments = entry.get("arguments", [])
    for argument in arguments:
        rest = tuple(other for other in arguments if other != argument)
        yield f"{first} ...: argument {argument!r} dropped", "arguments", all_of_them(arguments=rest)
    if arguments and set(arguments) != {"*", "**"}:
        yield f"{first} ...: `arguments` dropped", "arguments", all_of_them(arguments=("*", "**"))
    if "unless" in entry:
        yield f"{first} ...: `unless` dropped", "unless", all_of_them(unless=None)
    for key in ("direct", "deep"):
        if key in entry:
            yield f"{first} ...: {key} turned round", key, all_of_them(**{key: not entry[key]})


def _wrong(result: object) -> list[object]:
    if isinstance(result, tuple):
        return ["derived", "cut"]
    if result == "derived":
        return ["cut", "view"]
    if result == "view":
        return ["cut", "derived"]
    if result == "grad-never":
        return ["plain", "grad-off"]
    if result in ("grad-off", "grad-on", "grad-argument", "backward", "state"):
        return ["plain"]
    return ["cut"] if result in _TRACKING else ["derived"]


def _wrong_sinks(sink: str | None) -> list[str | None]:
    return ["keeps"] if sink is None else [None, "detaches" if sink != "detaches" else "keeps"]


def _wrong_targets(target: tuple[int | str, ...]) -> list[tuple[int | str, ...]]:
    """It is forgotten, stands elsewhere, or is not found by its keyword."""
    if not target:
        return []
    moved = tuple(word + 1 if isinstance(word, int) else word for word in target)
    return [(), moved, tuple(word for word in target if isinstance(word, int))]


def _class_mutants(
    entry: dict, names: list[str], classes: dict[str, models.ClassModel]
) -> Iterator[tuple[str, str, dict]]:
    for name, model in classes.items():
        yield f"class {name} dropped", name, {name: None}
        if model.kind == "module":
            flipped = dataclasses.replace(model, parameters=not model.parameters)
            yield f"class {name}: parameters = {flipped.parameters}", name, {name: flipped}
        if model.kind in ("module", "metric"):
            for call in ("view", None, "cut"):
                if call != model.call:
                    yield f"class {name}: call = {call}", name, {name: dataclasses.replace(model, call=call)}

        for target in _wrong_targets(model.target):
            changed = dataclasses.replace(model, target=target)
            yield f"class {name}: target {model.target} -> {target}", name, {name: changed}

    def all_of_them(**changes: object) -> dict[str, models.ClassModel]:
        return {name: dataclasses.replace(model, **changes) for name, model in classes.items()}

    first, model = names[0], classes[names[0]]
    if model.kind != "object":
        yield f"class {first} ...: `kind` dropped", "kind", all_of_them(kind="object")
    for base in model.bases:
        rest = tuple(other for other in model.bases if other != base)
        yield f"class {first} ...: base {base} dropped", "bases", all_of_them(bases=rest)
    for method in sorted(model.grad_off):
        yield (
            f"class {first} ...: {method} runs with grad",
            method,
            all_of_them(grad_off=model.grad_off - {method}),
        )
    for method in sorted(model.backward):
        yield (
            f"class {first} ...: {method} backpropagates nothing",
            method,
            all_of_them(backward=model.backward - {method}),
        )
    for attribute, result in model.attributes.items():
        rest = {key: value for key, value in model.attributes.items() if key != attribute}
        yield f"class {first} ...: attribute {attribute} dropped", attribute, all_of_them(attributes=rest)
        for wrong in _wrong(result):
            changed = {**model.attributes, attribute: wrong}
            yield (
                f"class {first} ...: attribute {attribute} = {wrong}",
                attribute,
                all_of_them(attributes=changed),
            )


# --- the run ---


@dataclass
class Run:
    """A pytest session that, instead of running its tests once, runs them against every mutant."""

    patient: Patient
    options: argparse.Namespace
    askers: dict[tuple[str, str], list[pytest.Item]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, float] = field(default_factory=dict)
    survivors: list[Mutant] = field(default_factory=list)
    killed: Counter = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    tried: int = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        asked = {key for table, key in self.patient.asked}
        if asked:
            self.broken.append(f"looked up while the tests were collected: {sorted(asked)[:10]}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or self.broken:
            self.broken.append("the tests can't be collected")
            return True
        items = [item for item in session.items if item.get_closest_marker("xfail") is None]
        for _ in range(2):  # the second time what is observed is remembered: that time counts
            for item in items:
                self._note(item)
        begun = time.monotonic()
        for number, mutant in enumerate(self._chosen()):
            self._try(mutant)
            if number % 500 == 0:
                print(f"{number} mutants, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        return True

    def _chosen(self) -> list[Mutant]:
        part, parts = (int(number) for number in self.options.shard.split("/"))
        found = [
            mutant for mutant in mutants(self.patient) if any(map(self._wanted, (mutant.what, mutant.place)))
        ]
        return found[:: self.options.every][part::parts]

    def _wanted(self, text: str) -> bool:
        return self.options.only in text

    def _note(self, item: pytest.Item) -> None:
        self.patient.asked.clear()
        begun = time.perf_counter()
        if self._fails(item):
            self.broken.append(f"{item.nodeid} fails on the healthy models")
        self.seconds[item.nodeid] = time.perf_counter() - begun
        for question in self.patient.asked:
            if item not in self.askers[question]:
                self.askers[question].append(item)

    def _try(self, mutant: Mutant) -> None:
        meant = {item for key in mutant.entries for item in self.askers[mutant.table, key]}
        asking = meant.union(self.askers[mutant.table, EVERYTHING])
        # What reads a whole table seldom minds one word of it.
        cheapest = sorted(asking, key=lambda item: (item not in meant, self.seconds[item.nodeid]))
        if self.tried % CONTROL == 0:  # a test that fails without a reason would notice every mutant
            failing = next((item for item in cheapest if self._fails(item)), None)
            if failing is not None:
                self.broken.append(f"{failing.nodeid} fails on the healthy models, sometimes")
        self.tried += 1
        with self.patient.broken(mutant):
            noticed = next((item for item in cheapest if self._fails(item)), None)
        if noticed is None:
            self.survivors.append(mutant)
            print(f"survives: {mutant.place}: {mutant.what}", flush=True)
        else:
            self.killed[mutant.place.partition(":")[0]] += 1

    def _fails(self, item: pytest.Item) -> bool:
        self.patient.forget()
        with contextlib.redirect_stdout(io.StringIO()):
            reports = runtestprotocol(item, log=False, nextitem=item)
            item.session._setupstate.teardown_exact(None)
        return any(report.failed for report in reports)


def main() -> int:
    """Run, print the survivors and the rate; exit status 1 below the rate that is asked for."""
    parser = argparse.ArgumentParser(description="Break the models word by word; do the tests notice?")
    parser.add_argument("tests", nargs="*", default=[str(TESTS)])
    parser.add_argument("--only", default="", help="mutants whose line or text holds this")
    parser.add_argument("--every", type=int, default=1, help="try every n-th mutant only")
    parser.add_argument("--shard", default="0/1", help="try this part: 0/2 and 1/2 are the halves")
    parser.add_argument(
        "--at-least", type=float, default=95.0, help="the rate that must be noticed, in percent"
    )
    options = parser.parse_args()
    patient = Patient()
    models.load = lambda: patient.models
    detachlint.linter.load_models = models.load
    run = Run(patient, options)
    pytest.main(
        ["-o", "addopts=", "-q", "-p", "no:cacheprovider", "-W", "ignore", *options.tests], plugins=[run]
    )
    for problem in run.broken:
        print(f"error: {problem}")
    killed, left = sum(run.killed.values()), len(run.survivors)
    rate = 100 * killed / max(killed + left, 1)
    for name, missed in sorted(Counter(mutant.place.partition(":")[0] for mutant in run.survivors).items()):
        print(f"{name}: {missed} of {missed + run.killed[name]} survive")
    print(f"{killed + left} mutants, {killed} noticed ({rate:.1f} %), {left} survive")
    return int(bool(run.broken) or rate < options.at_least)


if __name__ == "__main__":
    sys.exit(main())
