"""Rules from files: loaded, refused, chosen."""

import ast
from pathlib import Path
from typing import get_args

import pytest

from detachlint import rulebook
from detachlint.config import ConfigError, Selection
from detachlint.rulebook import RuleError
from detachlint.tracking.events import Event, EventKind

RULE = """
code = "{code}"
name = "{name}"
summary = "Something is kept."
set = "{set}"
harm = "retains"
message = "`{{callee}}` keeps `{{value}}`"
[[fires]]
event = "keep"
sinks = ["{sink}"]
{more}
[fix]
applicability = "safe-if-spent"
message = "Detach it first"
"""


def plant(root: Path, code: str, name: str, set: str = "default", sink: str = "add", more: str = "") -> Path:
    folder = root / f"{code}-{name}"
    folder.mkdir()
    text = RULE.format(code=code, name=name, set=set, sink=sink, more=more)
    (folder / "rule.toml").write_text(text)
    return folder / "rule.toml"


@pytest.fixture
def book(tmp_path):
    plant(tmp_path, "DTL301", "added")
    plant(tmp_path, "DTL302", "collected", sink="collect")
    plant(tmp_path, "DTL104", "as-number", set="opt-in", sink="number")
    plant(tmp_path, "DTL402", "saved", set="preview", sink="saves")
    return rulebook.load(tmp_path)


def keep(sink: str, spent: bool = False) -> Event:
    return Event("keep", sink, "total +=", ast.Pass(), (), (), spent=spent)


def test_the_rules_of_the_program_load():
    book = rulebook.load()
    assert "DTL301" in book.codes
    assert [rule.code for rule in book.rules] == sorted(book.codes)
    rule = book.rule("dtl301")
    assert rule is book.rule(rule.name)
    assert rule.url.endswith(f"/rules/{rule.code}-{rule.name}/README.md")
    assert rule.page()


def test_a_rule_is_found_for_an_event(book):
    assert book.rule_for(keep("add")).code == "DTL301"
    assert book.rule_for(keep("elsewhere")) is None
    assert book.only(["DTL302"]).rule_for(keep("add")) is None
    assert book.rule("DTL301").says("total +=", "loss") == "`total +=` keeps `loss`"


def test_the_events_are_those_of_the_tracker():
    assert get_args(EventKind) == rulebook.EVENTS


def test_a_rule_for_spent_graphs_only(tmp_path):
    plant(tmp_path, "DTL301", "added", more="spent = true")
    book = rulebook.load(tmp_path)
    assert book.rule_for(keep("add")) is None
    assert book.rule_for(keep("add", spent=True)).code == "DTL301"


@pytest.mark.parametrize(
    ("layers", "preview", "codes"),
    [
        ([], False, "DTL301 DTL302"),
        ([], True, "DTL301 DTL302 DTL402"),
        ([Selection(select=("DTL3",))], False, "DTL301 DTL302"),
        ([Selection(select=("dtl301",))], False, "DTL301"),
        ([Selection(select=("as-number",))], False, "DTL104"),
        ([Selection(select=("DTL4",))], False, ""),
        ([Selection(select=("DTL4",))], True, "DTL402"),
        ([Selection(select=("DTL402",))], False, "DTL402"),
        ([Selection(select=("ALL",))], False, "DTL104 DTL301 DTL302"),
        ([Selection(select=("ALL",), ignore=("DTL3",))], True, "DTL104 DTL402"),
        ([Selection(ignore=("DTL3",))], False, ""),
        ([Selection(extend_select=("DTL402", "DTL1"))], False, "DTL104 DTL301 DTL302 DTL402"),
        ([Selection(select=("DTL301",), ignore=("DTL3",))], False, "DTL301"),
        ([Selection(select=("DTL3",), ignore=("DTL301",))], False, "DTL302"),
        ([Selection(select=("DTL301",), ignore=("DTL301",))], False, ""),
        ([Selection(ignore=("DTL301",)), Selection(select=("DTL301",))], False, "DTL301"),
        ([Selection(select=("DTL302",)), Selection(extend_select=("DTL301",))], False, "DTL301 DTL302"),
        ([Selection(select=("DTL302",)), Selection(select=("DTL301",))], False, "DTL301"),
        ([Selection(), Selection(ignore=("DTL302",))], False, "DTL301"),
    ],
)
def test_rules_are_chosen_by_codes_and_prefixes(book, layers, preview, codes):
    assert " ".join(rule.code for rule in book.chosen(layers, preview).rules) == codes


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("DTL3011", "unknown rule `DTL3011`; did you mean `DTL301`?"),
        ("colected", "did you mean `collected`?"),
        ("E501", "unknown rule `E501`; `detachlint --rules` lists them"),
        ("", "unknown rule ``"),
    ],
)
def test_unknown_codes_get_a_suggestion(book, code, words):
    with pytest.raises(ConfigError) as error:
        book.chosen([Selection(select=(code,))], False)
    assert words in str(error.value)


def test_rules_ignored_in_a_file(book):
    assert book.without(["DTL3"]).codes == {"DTL104", "DTL402"}
    assert book.defaults_are_in(book)
    assert not book.defaults_are_in(book.only(["DTL301"]))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('code = "DTL301"', 'code = "DTL999"', "its folder must be named DTL999-added"),
        ('set = "default"', 'set = "defalt"', "did you mean `default`?"),
        ('harm = "retains"', 'harm = "bad"', "`harm` must be one of"),
        ('event = "keep"', 'event = "kept"', "did you mean `keep`?"),
        ('sinks = ["add"]', "sinks = []", "`fires.sinks`"),
        ('sinks = ["add"]', 'sinks = ["add"]\nspent = "yes"', "`fires.spent`"),
        ("{value}", "{node}", "may hold {callee} and {value}, not {node}"),
        ("{value}", "{value", "`message`"),
        ("summary =", "sumary =", "did you mean `summary`?"),
        ('"safe-if-spent"', '"sometimes"', "`applicability` must be one of"),
        ("[fix]", "[[fix]]", "`fix` a table"),
        ("[fix]", "[fix", "rule.toml"),
    ],
)
def test_mistakes_name_the_file(tmp_path, old, new, words):
    file = plant(tmp_path, "DTL301", "added")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(RuleError) as error:
        rulebook.load(tmp_path)
    assert str(error.value).startswith(str(file))
    assert words in str(error.value)


def test_two_rules_of_one_code(tmp_path):
    plant(tmp_path, "DTL301", "added")
    plant(tmp_path, "DTL301", "summed")
    with pytest.raises(RuleError, match="have the same code"):
        rulebook.load(tmp_path)
