"""The rules, loaded from `rules/*/rule.toml`, and which of them speak.

A rule is data: which kinds of events with which sinks make it fire, what it says, how it is mended. This
room turns the files into frozen `Rule` objects, names the file of any mistake, and chooses rules by codes
and prefixes of codes. It knows no rule in particular.

The folder lies beside the package in a checkout and an editable install, and inside it in a wheel.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detachlint.config import ConfigError, Selection, Settings, shown, suggestion

if TYPE_CHECKING:
    from detachlint.tracking.events import Event

UNUSED_SUPPRESSION = "DTL001"
EVENTS = ("call", "keep", "copy", "output", "carry", "target", "weight", "feed")  # those of the tracker
SETS = ("default", "preview", "opt-in")
HARMS = ("raises", "retains", "gradient", "warns", "noise", "lost", "surprise", "none")
APPLICABILITIES = ("safe", "unsafe", "safe-if-spent", "none")
PAGES = "https://github.com/detachlint/detachlint/blob/main/rules"
_KEYS = frozenset(
    ("code", "name", "summary", "set", "harm", "harm_text", "message", "fires", "fix", "measured")
)
_FIRE_KEYS = frozenset(("event", "sinks", "spent"))
_MEASURED_KEYS = frozenset(("when", "nodes", "bytes"))
_FIX_KEYS = frozenset(("applicability", "message"))
_MEASURED_HEAD = """\
## Measured

What one iteration keeps for nothing (four times `Linear(32)` and `ReLU`, a batch of 32, on the CPU):

| | nodes of the graph | bytes they saved |
|---|---|---|
"""
_PLACES = frozenset(("callee", "value"))


class RuleError(ConfigError):
    """A rule's file says something that can't be understood. The text names the file."""


@dataclass(frozen=True, slots=True)
class Fires:
    """The events a rule fires on: their kind, the classes of sink, and whether the graph must be spent."""

    event: str
    sinks: frozenset[str]
    spent: bool | None = None

    def on(self, event: Event) -> bool:
        """Whether this event is meant."""
        if event.kind != self.event or event.sink not in self.sinks:
            return False
        return self.spent is None or self.spent == event.spent


@dataclass(frozen=True, slots=True)
class Measured:
    """What each iteration keeps for nothing: nodes of the graph, and bytes of the tensors they saved."""

    when: str
    nodes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the book."""

    code: str
    name: str
    summary: str
    set: str
    harm: str
    message: str
    folder: Path
    harm_text: str | None = None
    fires: tuple[Fires, ...] = ()
    applicability: str = "none"
    fix_message: str = ""
    measured: tuple[Measured, ...] = ()

    @property
    def url(self) -> str:
        """The rule's page for people."""
        return f"{PAGES}/{self.folder.name}/README.md"

    def page(self) -> str:
        """The text of the rule's page, and the sizes that were measured."""
        text = (self.folder / "README.md").read_text(encoding="utf-8")
        if not self.measured:
            return text
        rows = "".join(f"| {size.when} | {size.nodes} | {size.bytes:,} |\n" for size in self.measured)
        return f"{text.rstrip()}\n\n{_MEASURED_HEAD}{rows}"

    def says(self, callee: str, value: str) -> str:
        """The rule's message on one finding."""
        return self.message.format(callee=callee, value=value)


@dataclass(frozen=True)
class Rulebook:
    """Some rules, in the order of their codes."""

    rules: tuple[Rule, ...]

    @cached_property
    def codes(self) -> frozenset[str]:
        """The codes of these rules."""
        return frozenset(rule.code for rule in self.rules)

    @cached_property
    def _by_event(self) -> Mapping[tuple[str, str], list[tuple[Fires, Rule]]]:
        table: dict[tuple[str, str], list[tuple[Fires, Rule]]] = {}
        for rule in self.rules:
            for fires in rule.fires:
                for sink in fires.sinks:
                    table.setdefault((fires.event, sink), []).append((fires, rule))
        return table

    def rule_for(self, event: Event) -> Rule | None:
        """The first of these rules that fires on an event."""
        candidates = self._by_event.get((event.kind, event.sink), ())
        return next((rule for fires, rule in candidates if fires.on(event)), None)

    def rule(self, code: str) -> Rule | None:
        """The rule of this code or name."""
        wanted = (code.strip().upper(), code.strip().lower())
        return next((rule for rule in self.rules if rule.code == wanted[0] or rule.name == wanted[1]), None)

    def meant(self, selector: str) -> str:
        """A code or prefix as the book writes it; an error with a suggestion if it stands for no rule."""
        named = self.rule(selector)
        if named is not None:
            return named.code
        prefix = selector.strip().upper()
        if prefix == "ALL":
            return ""
        if prefix and any(rule.code.startswith(prefix) for rule in self.rules):
            return prefix
        known = [word for rule in self.rules for word in (rule.code, rule.name)]
        close = suggestion(prefix, known) or suggestion(selector.strip().lower(), known)
        raise ConfigError(f"unknown rule `{selector}`{close or '; `detachlint --rules` lists them'}")

    def chosen(self, layers: Iterable[Selection], preview: bool) -> Rulebook:
        """The rules that are to speak.

        Without a selection these are the default rules, and with `preview` the preview rules as well. A
        full code chooses its rule; a prefix chooses the rules below it, preview ones only with `preview`.
        Within a layer the longer selector wins, and of two equal ones the one that ignores.
        """
        sets = ("default", "preview") if preview else ("default",)
        chosen = {rule.code for rule in self.rules if rule.set in sets}
        for layer in layers:
            wanted = [self.meant(code) for code in (*(layer.select or ()), *layer.extend_select)]
            ignored = [self.meant(code) for code in layer.ignore]
            if layer.select is not None:
                chosen = set()
            for rule in self.rules:
                yes = _longest(wanted, rule.code)
                if rule.set == "preview" and not preview and yes < len(rule.code):
                    yes = -1
                no = _longest(ignored, rule.code)
                if no >= 0 and no >= yes:
                    chosen.discard(rule.code)
                elif yes >= 0:
                    chosen.add(rule.code)
        return self.only(chosen)

    def check(self, settings: Settings) -> None:
        """Complain of a word of the config that stands for no rule."""
        chosen = settings.selection
        named = [
            ("select", chosen.select or ()),
            ("extend-select", chosen.extend_select),
            ("ignore", chosen.ignore),
            *((f"per-file-ignores.{pattern}", codes) for pattern, codes in settings.per_file_ignores),
        ]
        for key, codes in named:
            try:
                self.without(codes)
            except ConfigError as error:
                file = "" if settings.file is None else f"{shown(settings.file)}: "
                raise ConfigError(f"{file}[tool.detachlint] `{key}`: {error}") from error

    def only(self, codes: Iterable[str]) -> Rulebook:
        """The rules of these codes."""
        wanted = frozenset(codes)
        return replace(self, rules=tuple(rule for rule in self.rules if rule.code in wanted))

    def without(self, selectors: Iterable[str]) -> Rulebook:
        """The rules that none of these codes and prefixes stands for."""
        prefixes = [self.meant(selector) for selector in selectors]
        return self.only(rule.code for rule in self.rules if _longest(prefixes, rule.code) < 0)

    def defaults_are_in(self, chosen: Rulebook) -> bool:
        """Whether every default rule of this book is among the chosen ones."""
        return all(rule.code in chosen.codes for rule in self.rules if rule.set == "default")


def _longest(prefixes: Iterable[str], code: str) -> int:
    """The length of the longest of the prefixes that this code starts with; -1 if there is none."""
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=-1)


def folder() -> Path:
    """Where the rules are: inside the package of a wheel, else beside it."""
    package = Path(__file__).resolve().parent
    for place in (package / "rules", package.parent / "rules"):
        if place.is_dir():
            return place
    raise RuleError(f"the folder of the rules is missing: looked in {package} and {package.parent}")


def load(place: Path | None = None) -> Rulebook:
    """The rules of a folder, or those the program came with."""
    files = sorted((place or folder()).glob("*/rule.toml"))
    rules = sorted((_load_rule(file) for file in files), key=lambda rule: rule.code)
    for rule, following in pairwise(rules):
        if rule.code == following.code:
            raise RuleError(f"{rule.folder.name} and {following.folder.name} have the same code")
    return Rulebook(tuple(rules))


def _load_rule(file: Path) -> Rule:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return _rule(file.parent, tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RuleError) as error:
        raise RuleError(f"{file}: {error}") from error


def _rule(place: Path, data: Mapping[str, Any]) -> Rule:
    _check_keys(data, _KEYS)
    fix = data.get("fix", {})
    _check_keys(fix, _FIX_KEYS)
    code, message = _text(data, "code"), _text(data, "message")
    if place.name != f"{code}-{_text(data, 'name')}":
        raise RuleError(f"its folder must be named {code}-{data['name']}")
    try:
        strange = {name for _, name, _, _ in string.Formatter().parse(message) if name is not None} - _PLACES
    except ValueError as error:
        raise RuleError(f"`message`: {error}") from error
    if strange:
        raise RuleError(f"`message` may hold {{callee}} and {{value}}, not {{{min(strange)}}}")
    return Rule(
        code=code,
        name=data["name"],
        summary=_text(data, "summary"),
        set=_one_of(data, "set", SETS),
        harm=_one_of(data, "harm", HARMS),
        harm_text=_text(data, "harm_text") if "harm_text" in data else None,
        message=message,
        folder=place,
        fires=tuple(_fires(item) for item in data.get("fires", [])),
        applicability=_one_of(fix, "applicability", APPLICABILITIES) if fix else "none",
        fix_message=_text(fix, "message") if "message" in fix else "",
        measured=_measured(data.get("measured", [])),
    )


def _measured(data: object) -> tuple[Measured, ...]:
    if not isinstance(data, list):
        raise RuleError("`measured` must be tables [[measured]]")
    for item in data:
        _check_keys(item, _MEASURED_KEYS)
    return tuple(
        Measured(_text(item, "when"), _number(item, "nodes"), _number(item, "bytes")) for item in data
    )


def _number(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    if type(value) is not int or value < 0:
        raise RuleError(f"`{key}` must be a whole number, 0 or more")
    return value


def _fires(data: Mapping[str, Any]) -> Fires:
    _check_keys(data, _FIRE_KEYS)
    sinks, spent = data.get("sinks"), data.get("spent")
    if not isinstance(sinks, list) or not sinks or not all(isinstance(sink, str) for sink in sinks):
        raise RuleError("`fires.sinks` must be a list of strings with at least one of them")
    if spent is not None and not isinstance(spent, bool):
        raise RuleError("`fires.spent` must be true or false")
    return Fires(_one_of(data, "event", EVENTS), frozenset(sinks), spent)


def _check_keys(data: object, known: frozenset[str]) -> None:
    if not isinstance(data, dict):
        raise RuleError(
            "`fires` and `measured` must be tables [[fires]] and [[measured]], `fix` a table [fix]"
        )
    for key in data:
        if key not in known:
            raise RuleError(f"unknown key `{key}`{suggestion(key, known)}")


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RuleError(f"`{key}` must be a text")
    return value


def _one_of(data: Mapping[str, Any], key: str, known: Iterable[str]) -> str:
    value = _text(data, key)
    if value not in known:
        raise RuleError(f"`{key}` must be one of {', '.join(known)}, not `{value}`{suggestion(value, known)}")
    return value
