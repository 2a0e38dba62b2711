"""The published schema of the config says what the program says: what one accepts the other does."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from detachlint import config, models

try:
    import tomllib
except ImportError:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "detachlint" / "config-schema.json").read_text(encoding="utf-8"))
CHECK = jsonschema.Draft202012Validator(SCHEMA)

GOOD = """
select = ["DTL3", "tracked-tensor-collected"]
extend-select = []
ignore = ["DTL202"]
preview = true
exclude = ["/build"]
extend-exclude = ["x/**/y"]
respect-gitignore = false
fix = false
unsafe-fixes = true
output-format = "sarif"
baseline = "detachlint-baseline.json"
per-file-ignores = { "tests/*" = ["DTL1"] }
[[call]]
names = ["lab.track", "lab.Run.log"]
sink = "keeps"
result = ["derived", "lab.Thing", "iterable of same"]
arguments = [0, "*", "value"]
unless = "detach"
note = "keeps"
direct = true
deep = false
levels = "unknown"
tuple_with = ["return_counts"]
[[class]]
names = "lab.nn.* lab.Block"
kind = "module"
bases = ["torch.nn.Module"]
parameters = false
grad_off = ["evaluate"]
backward = ["step"]
call = "derived"
levels = 2
attributes = { weight = "leaf" }
"""
BAD = [
    "selct = []",
    'select = "DTL3"',
    "select = [1]",
    "ignore = {}",
    'preview = "yes"',
    "exclude = [true]",
    "per-file-ignores = []",
    'per-file-ignores = { a = "DTL1" }',
    'output-format = "xml"',
    "output-format = 1",
    "baseline = 1",
    'baseline = ""',
    "fix = 1",
    "call = {}",
    "[[call]]\nsink = 'keeps'",
    "[[call]]\nnames = []",
    "[[call]]\nnames = ['a b']",
    "[[call]]\nnames = ['a.b']\nsink = 'eats'",
    "[[call]]\nnames = ['a.b']\nresult = 'nothing'",
    "[[call]]\nnames = ['a.b']\narguments = [1.5]",
    "[[call]]\nnames = ['a.b']\nkind = 'module'",
    "[[call]]\nnames = ['a.b']\ndeep = 'no'",
    "[[call]]\nnames = ['a.b']\nlevels = 3",
    "[[class]]\nnames = ['A']\nlevels = 'many'",
    "[[class]]\nnames = ['A']\nkind = 'thing'",
    "[[class]]\nnames = ['A']\nattributes = []",
    "[[class]]\nnames = ['A']\nbases = 'B'",
]


def accepted(tmp_path: Path, text: str) -> bool:
    file = tmp_path / "detachlint.toml"
    file.write_text(text, encoding="utf-8")
    try:
        config.load([str(tmp_path)], config=file)
    except config.ConfigError:
        return False
    return True


def test_it_is_a_schema_and_knows_every_key_and_word():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"].keys() == config._READERS.keys()
    assert tuple(SCHEMA["properties"]["output-format"]["enum"]) == config.OUTPUT_FORMATS
    call, klass = SCHEMA["$defs"]["call"]["properties"], SCHEMA["$defs"]["class"]["properties"]
    assert call.keys() == models._CALL_KEYS
    assert klass.keys() == models._CLASS_KEYS
    assert set(call["sink"]["enum"]) == models.SINKS
    assert set(klass["kind"]["enum"]) == models.KINDS
    word = re.compile(SCHEMA["$defs"]["word"]["pattern"])
    assert all(word.match(name) for name in models.RESULTS)


def test_the_defaults_it_names_are_those_of_the_program():
    settings = config.Settings(Path())
    said = {key: value["default"] for key, value in SCHEMA["properties"].items() if "default" in value}
    assert said == {key: getattr(settings, key.replace("-", "_")) for key in said}
    assert len(said) == 5


def test_what_is_right_is_right_for_both(tmp_path):
    CHECK.validate(tomllib.loads(GOOD))
    assert accepted(tmp_path, GOOD)
    assert tomllib.loads(GOOD).keys() == config._READERS.keys()


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_wrong_for_both(tmp_path, text):
    assert not CHECK.is_valid(tomllib.loads(text))
    assert not accepted(tmp_path, text)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "detachlint" / "models").glob("*.toml")), ids=lambda file: file.stem
)
def test_the_models_that_come_along_are_right_for_it(file):
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    CHECK.validate({key: tables[key] for key in ("call", "class") if key in tables})


def test_the_configs_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        table = tomllib.loads(block).get("tool", {}).get("detachlint")
        if table is not None:
            CHECK.validate(table)
