"""Data frames: a vector is refused, a single number is kept as an object, with its graph, and shows it later."""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")

import pandas
import torch
from array_libraries import refuses
from observing import t
from test_sinks import retained, warns


@pytest.fixture
def always_warn():
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


def put(frame, value):
    frame["y"] = value
    return frame


def added(value):
    frame = pandas.DataFrame({"step": [0], "loss": [0.0]}).astype(object)
    frame.loc[len(frame)] = [1, value]
    return frame


def first(value):
    frame = pandas.DataFrame()
    frame.loc[0, "x"] = value
    return frame


REFUSING = {
    "DataFrame": pandas.DataFrame,
    "Series": pandas.Series,
    "a column": lambda v: pandas.DataFrame({"a": v}),
    "a new column": lambda v: put(pandas.DataFrame({"x": [0.0] * 4}), v),
}
KEEPING = {
    "Series": pandas.Series,
    "a list": lambda n: pandas.Series([n, n]),
    "a column": lambda n: pandas.DataFrame({"a": [n, n]}),
    "rows": lambda n: pandas.DataFrame([{"loss": n}]),
    "a new column": lambda n: put(pandas.DataFrame({"x": [0.0]}), n),
    "a new row": added,
    "a first value": first,
}


@pytest.mark.parametrize("how", REFUSING)
def test_vectors_are_refused(how):
    assert refuses(REFUSING[how], lambda v, n, m: (v,))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", KEEPING)
def test_numbers_are_kept_with_their_graphs(how):
    frame = KEEPING[how](t())
    assert any(
        isinstance(value, torch.Tensor) and value.requires_grad
        for value in pandas.DataFrame(frame).values.flat
    )
    assert "grad_fn" in frame.to_csv()
    assert retained(lambda tensor: KEEPING[how](tensor.sum()))


@pytest.mark.usefixtures("always_warn")
@pytest.mark.filterwarnings("ignore:Tensor.H is deprecated")
def test_columns_of_objects_fail_later():
    frame = pandas.DataFrame({"a": [t(), t()]})
    assert warns(frame["a"].mean)
    with pytest.raises(TypeError):
        frame["a"].plot()
    with pytest.raises(ValueError):
        frame.to_json()


@pytest.mark.usefixtures("always_warn")
def test_polars_warns():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert warns(lambda: polars.DataFrame({"a": [t(), t()]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not retained(lambda v: polars.DataFrame({"a": [v.sum(), v.sum()]}))
