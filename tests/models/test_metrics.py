"""torchmetrics: which metrics keep the graph of what update() gets, which values they give track.

Every class of the library that takes one of INPUTS is run; what the models say of each is compared with it.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import warnings
from functools import cache
from typing import NamedTuple

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")

import torch
import torchmetrics
from observing import c, flat, outcome, t
from test_sinks import retained

from detachlint import models

MODELS = models.load()
PACKAGES = "classification regression aggregation image audio clustering nominal segmentation".split()
INPUTS = (
    lambda v: (v,),
    lambda v: (v, torch.tensor([0, 1, 0, 1])),
    lambda v: (v, c(4)),
    lambda v: (torch.stack((v, 1 - v, v), 1).softmax(1), torch.tensor([0, 1, 2, 1])),
    lambda v: (torch.stack((v, 1 - v, v), 1), torch.tensor([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]])),
    lambda v: (v[:, None] * c(4, 3), c(4, 3)),
    lambda v: (v[:2, None, None, None] * c(2, 3, 32, 32), c(2, 3, 32, 32)),
    lambda v: (v.view(2, 2, 1) * c(2, 2, 3), torch.tensor([[0, 1], [2, 0]])),
)
OPTIONS = ({}, {"task": "binary"}, {"num_classes": 3}, {"num_labels": 3}, {"p": 2.0})


class Metric(NamedTuple):
    """Does the state hold the graph after update() and after a call; do a call's value and compute() track?"""

    update: bool
    call: bool
    value: bool
    compute: bool


def fitting(make):
    """Options and inputs that this metric accepts."""
    for options in OPTIONS:
        for inputs in INPUTS:
            with contextlib.suppress(Exception):
                metric = make(**options)
                metric.update(*inputs(c(4)))
                metric.compute()
                return options, inputs
    return None


@cache
def observed() -> dict[str, Metric]:
    seen = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in ("torchmetrics", *(f"torchmetrics.{name}" for name in PACKAGES)):
            module = importlib.import_module(package)
            for name, made in inspect.getmembers(module, inspect.isclass):
                fits = fitting(made) if issubclass(made, torchmetrics.Metric) else None
                if fits:
                    seen[f"{package}.{name}"] = _observed(made, *fits)
    return seen


def _observed(make, options, inputs) -> Metric:
    def fed(way):
        metric = make(**options)

        def feed(tensor):
            getattr(metric, way)(*inputs(tensor))
            return metric

        return feed

    updated = make(**options)
    updated.update(*inputs(t(4)))
    return Metric(
        retained(fed("update")),
        retained(fed("__call__")),
        True in flat(outcome(make(**options)(*inputs(t(4))))),
        True in flat(outcome(updated.compute())),
    )


def test_every_metric():
    wrong = {}
    for name, seen in observed().items():
        update, call = (MODELS.method(name, way) for way in ("update", "__call__"))
        said = (
            (update.sink, update.result),
            call.sink if call else None,
            MODELS.klass(name).call,
            call.result if call else MODELS.klass(name).call,
            MODELS.method(name, "compute").result,
        )
        value = "derived" if seen.value else "cut"
        torch_says = (
            ("keeps" if seen.update else "detaches", "none"),
            # A call without a list for a state keeps one graph until the next call: no growth.
            "keeps" if seen.update and seen.call else None,
            value,
            value,
            "unknown" if seen.compute else "cut",
        )
        if said != torch_says:
            wrong[name] = f"{said}, torchmetrics says {torch_says}"
    assert wrong == {}
    assert len(observed()) > 120
    assert sum(seen.update for seen in observed().values()) > 30


def test_metrics_are_modules_without_weights():
    for name in (
        *observed(),
        "torchmetrics.Metric",
        "torchmetrics.MetricCollection",
        "torchmetrics.metric.Metric",
    ):
        model = MODELS.klass(name)
        assert model.kind == "metric", name
        assert not model.parameters, name
        assert "torch.nn.Module" in [base.name for base in MODELS.lineage(name)], name
        assert MODELS.method(name, "reset").result == "none"
    assert issubclass(torchmetrics.Metric, torch.nn.Module)
    assert not list(torchmetrics.MeanMetric().parameters())
    assert torchmetrics.collections.MetricCollection is torchmetrics.MetricCollection
    assert MODELS.canonical("torchmetrics.collections.MetricCollection") == "torchmetrics.MetricCollection"
    assert (
        MODELS.klass("torchmetrics.MetricCollection").call is MODELS.klass("torchmetrics.Metric").call is None
    )
    assert torchmetrics.MeanMetric().reset() is None
    collection = torchmetrics.MetricCollection([torchmetrics.MeanMetric()])
    assert collection.update(t()) is None
    assert collection.reset() is None
    assert MODELS.method("torchmetrics.MetricCollection", "update").result == "none"


def test_collections_and_retrieval_by_their_package():
    import torchmetrics.retrieval
    import torchmetrics.text

    for name in (
        "retrieval.RetrievalMAP",
        "text.WordErrorRate",
        "shape.ProcrustesDisparity",
        "wrappers.MinMaxMetric",
    ):
        package, _, last = name.partition(".")
        assert issubclass(
            getattr(importlib.import_module(f"torchmetrics.{package}"), last), torchmetrics.Metric
        )
        assert MODELS.canonical(f"torchmetrics.{name}") == f"torchmetrics.{last}"
        assert MODELS.klass(f"torchmetrics.{name}").kind == "metric"
        assert MODELS.klass(f"torchmetrics.{name}").call == "cut"


def test_update_runs_with_grad_mode_off():
    seen = []

    class Own(torchmetrics.Metric):
        def update(self, value):
            seen.append((value * 1).requires_grad)

        def compute(self):
            return 0

    Own().update(t(4))
    assert seen == [False]
    for name in ("Metric", "MetricCollection"):
        assert MODELS.klass(f"torchmetrics.{name}").grad_off == {"update"}


def test_a_call_keeps_one_graph_and_no_more():
    metric = torchmetrics.MeanMetric()
    assert retained(lambda v: (metric(v.sum()), metric)[1])
    assert not retained(lambda v: (metric(v.sum()), metric(v.detach().sum()), metric)[2])
    assert not retained(lambda v: (metric(v.sum()), metric.reset(), metric)[2])


def test_an_own_state_that_is_a_list_keeps():
    class Own(torchmetrics.Metric):
        def __init__(self):
            super().__init__()
            self.add_state("values", [])

        def update(self, value):
            self.values.append(value)

        def compute(self):
            return torch.stack(self.values).mean()

    metric = Own()
    assert retained(lambda v: (metric.update(v), metric)[1])


@cache
def functions() -> dict[str, bool]:
    """Every functional metric that takes one of INPUTS: does its value track?"""
    seen = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in ("", ".classification", ".regression", ".image", ".audio"):
            module = importlib.import_module(f"torchmetrics.functional{package}")
            for name, function in inspect.getmembers(module, inspect.isfunction):
                value = _first_value(function)
                if value is not None:
                    seen[f"torchmetrics.functional{package}.{name}"] = True in flat(outcome(value))
    return seen


def _first_value(function):
    for options in (*OPTIONS, {"threshold": 0.5, "beta": 1.0}):
        for inputs in INPUTS:
            with contextlib.suppress(Exception):
                return function(*inputs(t(4)), **options)
    return None


def test_functional_metrics():
    seen = functions()
    wrong = {
        name: f"{MODELS.call(name).result}, torchmetrics says {tracks}"
        for name, tracks in seen.items()
        if MODELS.call(name).result != ("derived" if tracks else "cut")
    }
    assert wrong == {}
    assert len(seen) > 80
