"""The loader: look-ups, wildcards, aliases, inheritance, the user's entries, and errors that name their place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detachlint import models
from detachlint.models import ModelError

MODELS = models.load()


def tables(folder: Path, text: str, name: str = "some.toml") -> models.Models:
    (folder / name).write_text(text, encoding="utf-8")
    return models.load_folder(folder)


def test_what_is_shipped_is_known():
    assert len(MODELS.calls) > 2500
    assert len(MODELS.classes) > 300
    assert models.load() is MODELS


def test_every_name_is_said_under_its_canonical_name():
    names = [*MODELS.calls, *MODELS.classes]
    assert [
        name for name in names if MODELS.canonical(name.removesuffix(".*")) != name.removesuffix(".*")
    ] == []


def test_every_class_that_a_result_or_base_names_is_known():
    named = [base for model in MODELS.classes.values() for base in model.bases]
    results = [call.result for call in MODELS.calls.values()]
    results += [result for model in MODELS.classes.values() for result in model.attributes.values()]
    results += [model.call for model in MODELS.classes.values() if model.call]
    words = {word for result in results for word in (result if isinstance(result, tuple) else (result,))}
    named += [word.removeprefix("iterable of ") for word in words]
    assert [name for name in named if "." in name and MODELS.klass(name) is None] == []


def test_every_sink_says_what_it_does():
    assert [name for name, call in MODELS.calls.items() if call.sink and not call.note] == []
    assert [name for name, call in MODELS.calls.items() if call.note and not call.sink] == []
    assert [
        call.note for call in MODELS.calls.values() if call.note.endswith(".") or len(call.note) > 100
    ] == []


def test_methods_of_a_known_class_belong_to_it():
    """A method entry is of use only if the tracker can find the class; class methods are called by name."""
    for name in MODELS.calls:
        owner, _, method = name.rpartition(".")
        if owner.rpartition(".")[2][:1].isupper() and not method.startswith(("*", "from_")):
            assert MODELS.klass(owner), name


def test_aliases():
    assert MODELS.canonical("torch.nn.modules.linear.Linear") == "torch.nn.Linear"
    assert MODELS.canonical("pytorch_lightning.core.LightningModule") == "lightning.pytorch.LightningModule"
    assert MODELS.canonical("lightning.LightningModule") == "lightning.pytorch.LightningModule"
    assert MODELS.canonical("torch.cuda.amp.GradScaler.scale") == "torch.amp.GradScaler.scale"
    assert MODELS.canonical("my.project.linear") == "my.project.linear"
    assert MODELS.canonical("torch.multiprocessing.Queue.put") == "multiprocessing.Queue.put"


def test_methods_and_attributes_are_inherited():
    assert MODELS.method("torch.nn.Parameter", "numpy").sink == "numpy"
    assert MODELS.method("torch.distributions.normal.Normal", "sample").result == "cut"
    assert MODELS.method("torch.optim.Adam", "zero_grad").result == "none"
    assert MODELS.method("lightning.pytorch.LightningModule", "parameters").result == "parameters"
    assert MODELS.method("torch.nn.Linear", "no_such_method") is None
    assert MODELS.method("no.such.Class", "method") is None
    assert MODELS.attribute("torch.distributions.Categorical", "mode") == "cut"
    assert MODELS.attribute("torch.distributions.Categorical", "logits") == "derived"
    assert MODELS.attribute("torch.nn.BatchNorm2d", "running_mean") == "cut"
    assert [model.name for model in MODELS.lineage("torch.nn.Linear")] == [
        "torch.nn.Linear",
        "torch.nn.Module",
    ]


def test_wildcards():
    assert MODELS.call("sklearn.metrics.some_future_score").sink == "array-library"
    assert MODELS.call("sklearn.metrics.make_scorer").sink is None
    assert MODELS.klass("sklearn.cluster.SomeFutureCluster").bases == ("sklearn.base.BaseEstimator",)
    assert MODELS.klass("sklearn.cluster.a_function") is None
    assert MODELS.klass("torchmetrics.functional.accuracy") is None
    assert MODELS.klass("torchmetrics.classification.BinaryF1Score").kind == "metric"


def test_longest_wildcard_wins(tmp_path):
    known = tables(
        tmp_path,
        """
        [[call]]
        names = "a.*"
        result = "cut"
        [[call]]
        names = ["a.b.*"]
        result = "view"
        [[call]]
        names = ["a.b.c"]
        result = "plain"
        """,
    )
    assert known.call("a.x.y").result == "cut"
    assert known.call("a.b.y").result == "view"
    assert known.call("a.b.c").result == "plain"
    assert known.call("b") is None


def test_values(tmp_path):
    known = tables(
        tmp_path,
        """
        [[call]]
        names = ["pack.Meter.update"]
        sink = "keeps"
        arguments = [0, "value", "**"]
        note = "the meter keeps it"
        unless = "detach"
        direct = false
        deep = false
        result = ["derived", "pack.Meter"]
        [[class]]
        names = ["pack.Meter"]
        kind = "metric"
        parameters = false
        call = "iterable of cut"
        attributes = { last = "derived" }
        """,
    )
    call = known.method("pack.Meter", "update")
    assert call == models.Call(
        ("derived", "pack.Meter"), "keeps", (0, "value", "**"), "detach", "the meter keeps it", False, False
    )
    meter = known.klass("pack.Meter")
    assert (meter.kind, meter.parameters, meter.call) == ("metric", False, "iterable of cut")
    assert known.attribute("pack.Meter", "last") == "derived"


def test_defaults():
    assert MODELS.call("torch.Tensor.numpy").arguments == ("self",)
    assert MODELS.call("matplotlib.pyplot.plot").arguments == ("*", "**")
    assert models.Call().result == "unknown"


def test_the_users_entries_win():
    mine = MODELS.extended(
        [{"names": ["torch.relu"], "result": "cut"}, {"names": ["mine.log"], "sink": "keeps"}],
        [{"names": ["mine.Net"], "kind": "module", "bases": ["torch.nn.Module"]}],
    )
    assert mine.call("torch.relu").result == "cut"
    assert mine.call("mine.log").sink == "keeps"
    assert mine.method("mine.Net", "parameters").result == "parameters"
    assert MODELS.call("torch.relu").result == "derived"
    assert MODELS.klass("mine.Net") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", "some.toml: "),
        ("x = 1", "some.toml: x: unknown table"),
        ("call = 1", "some.toml: call: expected an array of tables"),
        ("call = [1]", "some.toml: [[call]] number 1: expected a table"),
        ("[[call]]\nresult = 'cut'", "some.toml: [[call]] number 1: `names` must list"),
        ("[[call]]\nnames = ['a.b']\nsnik = 'keeps'", "[[call]] number 1 (a.b): unknown key 'snik'"),
        ("[[call]]\nnames = ['a..b']", "'a..b' is no dotted name"),
        ("[[call]]\nnames = 'a.b c.d a.b'", "a.b is said twice"),
        ("[[call]]\nnames = ['a']\n[[call]]\nnames = ['a']", "[[call]] number 2 (a): a is said twice"),
        ("[[call]]\nnames = ['a']\nsink = 'drain'", "sink 'drain' is unknown, known are array-library"),
        ("[[call]]\nnames = ['a']\nresult = 'someting'", "result 'someting' is neither"),
        ("[[call]]\nnames = ['a']\nresult = ['cut', 1]", "result 1 is neither"),
        ("[[call]]\nnames = ['a']\ndeep = 1", "`deep` must be true or false"),
        ("[[call]]\nnames = ['a']\nlevels = true", "`levels` must be 0, 1, 2 or"),
        ("[[class]]\nnames = ['A']\nlevels = 3", "`levels` must be 0, 1, 2 or"),
        ("[[call]]\nnames = ['a']\nnote = 1", "`note` must be a string"),
        ("[[call]]\nnames = ['a']\narguments = [true]", "`arguments` must be a list"),
        ("[[class]]\nnames = ['A']\nkind = 'thing'", "kind 'thing' is unknown"),
        ("[[class]]\nnames = ['A']\nbases = 'B'", "`bases` must be a list of strings"),
        ("[[class]]\nnames = ['A']\nattributes = 1", "`attributes` must be a table"),
        ("[[class]]\nnames = ['A']\nattributes = { x = 'odd' }", "attributes.x 'odd' is neither"),
        ("aliases = 1", "some.toml: aliases: expected a table"),
        ("[aliases]\na = 'a.b'", "alias 'a': leads back to itself"),
        ("[aliases]\na = 1", "alias 'a': 1 is no dotted name"),
    ],
)
def test_errors_name_file_and_entry(tmp_path, text, message):
    with pytest.raises(ModelError) as error:
        tables(tmp_path, text)
    assert message in str(error.value)
    assert str(error.value).startswith("some.toml: ")


def test_two_files_may_not_contradict_each_other(tmp_path):
    (tmp_path / "first.toml").write_text("[[call]]\nnames = ['a']\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"some.toml: a: another file"):
        tables(tmp_path, "[[call]]\nnames = ['a']\n")


def test_the_users_errors_name_the_config():
    with pytest.raises(ModelError, match=r"pyproject.toml: \[\[call\]\] number 1 \(a\): unknown key"):
        MODELS.extended([{"names": ["a"], "snik": 1}], origin="pyproject.toml")


def test_no_library_is_imported():
    program = (
        "import sys; from detachlint import models; models.load();"
        "sys.exit(bool({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
