"""torchmetrics: which metrics keep the graph of what update() gets, which values they give track."""

from __future__ import annotations

import contextlib

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from observing import c, t
from test_array_sinks import sinks as names_of
from test_sinks import retained

from detachlint import models

MODELS = models.load()
METRICS = sorted({name.split(".")[1] for name in names_of("torchmetrics.", sink="keeps")})
INPUTS = (
    lambda v: (v,),
    lambda v: (v, torch.tensor([0, 1, 0, 1])),
    lambda v: (v, c(4)),
    lambda v: (torch.stack((v, 1 - v, v), 1).softmax(1), torch.tensor([0, 1, 2, 1])),
    lambda v: (torch.stack((v, 1 - v, v), 1), torch.tensor([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 0]])),
    lambda v: (v[:, None] * c(4, 3), c(4, 3)),
    lambda v: (v[:2, None, None, None] * c(2, 3, 32, 32), c(2, 3, 32, 32)),
)
OPTIONS = ({}, {"task": "binary"}, {"num_classes": 3}, {"num_labels": 3})


def metric_class(name):
    torchmetrics = pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    for place in ("", "classification", "regression", "image"):
        owner = pytest.importorskip(f"torchmetrics.{place}".rstrip("."))
        if hasattr(owner, name):
            return getattr(owner, name)
    pytest.skip(f"torchmetrics {torchmetrics.__version__} has no {name}")


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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", METRICS)
def test_metrics_with_a_list_for_a_state_keep(name):
    make = metric_class(name)
    options, inputs = fitting(make)
    for way in ("update", "__call__"):
        metric = make(**options)

        def feed(tensor, metric=metric, way=way):
            getattr(metric, way)(*inputs(tensor))
            return metric

        said = MODELS.method(f"torchmetrics.{name}", way)
        assert retained(feed) == (said is not None and said.sink == "keeps"), way
    result = make(**options)(*inputs(t(4)))
    assert isinstance(result, torch.Tensor | tuple | list)
    tracks = isinstance(result, torch.Tensor) and result.requires_grad
    assert tracks == (MODELS.klass(f"torchmetrics.{name}").call == "derived")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    """
    MeanMetric SumMetric MaxMetric MinMetric MeanSquaredError MeanAbsoluteError R2Score PearsonCorrCoef
    ExplainedVariance BinaryAccuracy BinaryF1Score BinaryConfusionMatrix MulticlassAccuracy BinaryHingeLoss
    """.split(),
)
def test_metrics_with_a_sum_for_a_state_detach(name):
    make = metric_class(name)
    options, inputs = fitting(make)
    metric = make(**options)

    def feed(tensor):
        metric.update(*inputs(tensor))
        return metric

    assert not retained(feed)
    assert MODELS.method(f"torchmetrics.{name}", "update").sink == "detaches"
    assert MODELS.method(f"torchmetrics.{name}", "compute").result == "cut"
    assert not metric.compute().requires_grad
    result = make(**options)(*inputs(t(4)))
    assert result.requires_grad == (MODELS.klass(f"torchmetrics.{name}").call == "derived")


@pytest.mark.filterwarnings("ignore")
def test_functional_metrics():
    functional = pytest.importorskip("torchmetrics.functional", reason="torchmetrics is not installed")
    target = torch.tensor([0, 1, 0, 1])
    for name in ("accuracy", "f1_score", "precision", "recall"):
        assert not getattr(functional, name)(t(4), target, task="binary").requires_grad
        assert MODELS.call(f"torchmetrics.functional.{name}").result == "cut"
    for name in (
        "mean_squared_error",
        "mean_absolute_error",
        "r2_score",
        "pearson_corrcoef",
        "explained_variance",
    ):
        assert getattr(functional, name)(t(4), c(4)).requires_grad
        assert MODELS.call(f"torchmetrics.functional.{name}").result == "derived"
