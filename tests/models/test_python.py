"""What Python's own library gives back when it is given tensors, and what the models say of it."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import multiprocessing
import operator
import pprint
import random
import statistics
import struct
from array import array
from dataclasses import dataclass

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from observing import c, flat, outcome, t

from detachlint import models

MODELS = models.load()


@dataclass
class Record:
    """A field that a tensor without a graph can be copied out of."""

    value: object


def logger() -> logging.Logger:
    made = logging.Logger("silent")
    made.addHandler(logging.StreamHandler(io.StringIO()))
    return made


def writer() -> object:
    return csv.writer(io.StringIO())


NUMBERS = {
    **{
        f"builtins.{function.__name__}": lambda function=function: function(t())
        for function in (int, bool, float, complex, hash, id)
    },
    "builtins.len": lambda: len(t(3)),
    "builtins.ord": lambda: ord("a"),
    "statistics.fmean": lambda: statistics.fmean([t(), t()]),
    "torch.Tensor.item": lambda: t().item(),
    **{
        f"torch.Tensor.__{name}__": lambda name=name: getattr(t(), f"__{name}__")()
        for name in ("int", "bool", "float", "complex")
    },
    "torch.Tensor.__len__": lambda: len(t(3)),
    "numpy.float64": lambda: __import__("numpy").float64(t()),
    "numpy.double": lambda: __import__("numpy").double(t()),
}
TEXTS = {
    **{
        f"builtins.{function.__name__}": lambda function=function: function(t())
        for function in (str, repr, ascii, format)
    },
    "pprint.pformat": lambda: pprint.pformat(t()),
    "json.dumps": lambda: json.dumps({"a": t()}, default=float),
    **{
        f"torch.Tensor.__{name}__": lambda name=name: getattr(t(), f"__{name}__")()
        for name in ("repr", "str")
    },
    "torch.Tensor.__format__": lambda: format(t(), ".2f"),
}
PLAIN = {
    "builtins.any": lambda: any([t()]),
    "builtins.all": lambda: all([t()]),
    "builtins.isinstance": lambda: isinstance(t(), torch.Tensor),
    "builtins.issubclass": lambda: issubclass(torch.Tensor, object),
    "builtins.callable": lambda: callable(t()),
    "builtins.hasattr": lambda: hasattr(t(), "data"),
    "builtins.type": lambda: type(t()),
    "builtins.range": lambda: range(3),
    "struct.pack": lambda: struct.pack("f", t()),
    "array.array": lambda: array("f", [t()]),
    "random.choices": lambda: random.choices([1, 2], weights=[t(), t()]),
    "pickle.dump": lambda: __import__("pickle").dump(t(), io.BytesIO()),
    "pickle.dumps": lambda: __import__("pickle").dumps(t()),
    "torch.Tensor.__dlpack__": lambda: t().detach().__dlpack__(),
    "torch.Tensor.__reduce_ex__": lambda: t().detach().__reduce_ex__(2)[0],
}
NOTHING = {
    "builtins.print": lambda: print(t(), file=io.StringIO()),
    "pprint.pprint": lambda: pprint.pprint(t(), stream=io.StringIO()),
    "json.dump": lambda: json.dump({"a": t()}, io.StringIO(), default=float),
    **{
        f"logging.{owner}{level}": lambda level=level: getattr(logger(), level)("%s", t())
        for owner in ("", "Logger.")
        for level in ("debug", "info", "warning", "error", "critical", "fatal", "exception")
    },
    **{f"logging.{owner}log": lambda: logger().log(logging.ERROR, "%s", t()) for owner in ("", "Logger.")},
    **{f"logging.{owner}warn": lambda: logger().warning("%s", t()) for owner in ("", "Logger.")},
    **{
        f"logging.LoggerAdapter.{level}": lambda level=level: getattr(
            logging.LoggerAdapter(logger(), {}), level
        )("%s", t())
        for level in ("debug", "info", "warning", "error", "critical", "exception")
    },
    "logging.LoggerAdapter.log": lambda: logging.LoggerAdapter(logger(), {}).log(logging.ERROR, "%s", t()),
    "torch.save": lambda: torch.save(t(), io.BytesIO()),
    "numpy.ndarray.fill": lambda: __import__("numpy").zeros(2).fill(t()),
}
TRACKED = {
    "builtins.abs": lambda: abs(t()),
    "builtins.sum": lambda: sum([t(), t()]),
    "builtins.pow": lambda: pow(t(), 2),
    "math.prod": lambda: math.prod([t(), t()]),
    **{
        f"statistics.{name}": lambda name=name: getattr(statistics, name)([t(), t(), t()])
        for name in ("median", "median_low", "median_high")
    },
    **{
        f"operator.{name}": lambda name=name: getattr(operator, name)(t(), t())
        for name in ("add", "sub", "mul", "truediv", "pow")
    },
    "operator.neg": lambda: operator.neg(t()),
    "operator.matmul": lambda: operator.matmul(t(3), t(3)),
}
ONE_OF_THEM = {"builtins.min": lambda: min(t(), t()), "builtins.max": lambda: max(t(), t())}
WORDS = {
    "number": NUMBERS,
    "text": TEXTS,
    "plain": PLAIN,
    "none": NOTHING,
    "derived": TRACKED,
    "view": ONE_OF_THEM,
}
TYPES = {"number": int | float | complex, "text": str}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("word", "name"), [(word, name) for word, table in WORDS.items() for name in table])
def test_results(word, name):
    value = WORDS[word][name]()
    if word in ("derived", "view"):
        assert value.requires_grad
    else:
        assert not any(isinstance(leaf, bool) for leaf in flat(outcome(value))), "it gives a tensor"
    if word in TYPES:
        assert isinstance(value, TYPES[word])
    if word == "none":
        assert value is None
    assert MODELS.call(name).result == word
    if word in ("derived", "view"):
        assert MODELS.call(name).sink is None


@pytest.mark.parametrize("function", [list, tuple, sorted, set, frozenset, iter, reversed])
def test_containers_hand_on(function):
    number = t()
    assert next(iter(function([number]))) is number
    assert MODELS.call(f"builtins.{function.__name__}").result == "argument"
    assert MODELS.call(f"builtins.{function.__name__}").sink is None


def test_maths_and_rows_give_numbers_and_nothing():
    for name in dir(math):
        model = MODELS.call(f"math.{name}")
        if model and name != "prod":
            assert model.result == "number"
            assert model.sink == "number"
    for owner in ("Writer", "DictWriter"):
        for method in ("writerow", "writerows"):
            assert MODELS.method(f"csv.{owner}", method).result == "none"
    assert MODELS.call("csv.writer").result == "csv.Writer"
    assert type(writer()).__name__ == "writer"
    assert MODELS.klass("csv.Writer").kind == MODELS.klass("csv.DictWriter").kind == "object"
    for name in ("fromiter",):
        assert not isinstance(MODELS.call(f"numpy.{name}").result, tuple)
        assert MODELS.call(f"numpy.{name}").result in ("number", "numpy.ndarray")


def test_copies_give_copies():
    import copy
    from dataclasses import asdict, astuple

    kept = c(3)
    assert copy.copy(t(3)).requires_grad
    assert copy.deepcopy([kept])[0] is not kept
    assert MODELS.call("copy.copy").result == MODELS.call("copy.deepcopy").result == "argument"
    assert not asdict(Record(c(3)))["value"].requires_grad
    assert not astuple(Record(c(3)))[0].requires_grad
    for name in ("asdict", "astuple"):
        assert MODELS.call(f"dataclasses.{name}").result == "plain"
    for name in ("cloudpickle.dump", "cloudpickle.dumps", "dill.dump", "dill.dumps", "joblib.dump"):
        assert MODELS.call(name).result == "plain"
        assert MODELS.call(name).sink == "saves"


@pytest.mark.parametrize("name", ["cloudpickle", "dill"])
def test_other_picklers(name):
    module = pytest.importorskip(name, reason=f"{name} is not installed")
    assert module.loads(module.dumps(t(3))).requires_grad
    assert isinstance(module.dumps(t(3)), bytes)
    module.dump(t(3), io.BytesIO())


def test_processes():
    context = multiprocessing.get_context()
    assert isinstance(context, multiprocessing.context.BaseContext)
    assert MODELS.call("multiprocessing.get_context").result == "multiprocessing.BaseContext"
    assert MODELS.canonical("multiprocessing.context.BaseContext") == "multiprocessing.BaseContext"
    queues = {
        "Queue": "multiprocessing.Queue",
        "JoinableQueue": "multiprocessing.Queue",
        "SimpleQueue": "multiprocessing.SimpleQueue",
    }
    for name, made in queues.items():
        assert issubclass(
            type(getattr(context, name)()), getattr(multiprocessing.queues, made.rpartition(".")[2])
        )
        assert MODELS.method("multiprocessing.BaseContext", name).result == made
    both = multiprocessing.Pipe()
    for end in both:
        assert isinstance(end, multiprocessing.connection.Connection)
        end.close()
    connection = "multiprocessing.connection.Connection"
    assert MODELS.call("multiprocessing.Pipe").result == (connection, connection)
    assert MODELS.method("multiprocessing.BaseContext", "Pipe").result == (connection, connection)
    for owner in ("Queue", "JoinableQueue", "queues.Queue"):
        for method in ("put", "put_nowait"):
            model = MODELS.method(f"multiprocessing.{owner}", method)
            assert (model.sink, model.result) == ("lost", "none")
    assert multiprocessing.queues.JoinableQueue.put_nowait is multiprocessing.queues.Queue.put_nowait
    for owner in ("SimpleQueue", "queues.SimpleQueue"):
        model = MODELS.method(f"multiprocessing.{owner}", "put")
        assert (model.sink, model.result) == ("copy", "none")
    assert (MODELS.method(connection, "send").sink, MODELS.method(connection, "send").result) == (
        "copy",
        "none",
    )
    for name in (*queues, "queues.Queue", "queues.SimpleQueue", "connection.Connection", "BaseContext"):
        assert MODELS.klass(f"multiprocessing.{name}").kind == "object"
    assert multiprocessing.SimpleQueue().put(1) is None


LOG_METHODS = "debug info warning warn error critical fatal exception log".split()


def test_loggers():
    assert isinstance(logging.getLogger("x"), logging.Logger)
    assert isinstance(logging.getLogger("x").getChild("y"), logging.Logger)
    for name in ("logging.getLogger", "logging.Logger.getChild"):
        assert MODELS.call(name).result == "logging.Logger"
    for name in LOG_METHODS:
        assert MODELS.call(f"logging.{name}").sink == "text"
        assert MODELS.method("logging.Logger", name).sink == "text"
        if name not in ("fatal", "warn"):
            assert MODELS.method("logging.LoggerAdapter", name).sink == "text"
            assert callable(getattr(logging.LoggerAdapter, name))
    assert type(logging.root).__mro__[1] is logging.Logger
    assert MODELS.canonical("logging.root.info") == "logging.info"
    for name in ("Logger", "LoggerAdapter"):
        assert MODELS.klass(f"logging.{name}").kind == "logger"


def test_logs_of_absl():
    absl_logging = pytest.importorskip("absl.logging", reason="absl is not installed")
    assert isinstance(absl_logging.get_absl_logger(), logging.Logger)
    assert MODELS.call("absl.logging.get_absl_logger").result == "logging.Logger"
    for name in ("debug", "info", "warning", "error"):
        assert getattr(absl_logging, name)("%s", 1) is None
        model = MODELS.call(f"absl.logging.{name}")
        assert (model.sink, model.result) == ("text", "none")
    assert absl_logging.log(absl_logging.ERROR, "%s", 1) is None
    assert MODELS.call("absl.logging.log").sink == "text"
    assert MODELS.call("absl.logging.log").result == "none"


@pytest.mark.parametrize("old", ["cPickle", "_pickle", "pickle"])
def test_pickle_by_other_names(old):
    assert MODELS.canonical(f"{old}.dumps") == "pickle.dumps"


def test_handlers_that_keep_records_keep_the_graph():
    """MemoryHandler and any handler that stores records; a QueueHandler formats the text first."""
    import logging.handlers
    import queue

    from test_sinks import retained

    def to_memory(tensor):
        memory = logging.handlers.MemoryHandler(9, flushLevel=logging.CRITICAL + 1)
        keeper = logging.Logger("keeper")
        keeper.addHandler(memory)
        keeper.info("loss %s", tensor)
        return memory

    def to_queue(**extra):
        def put(tensor):
            channel: queue.Queue[object] = queue.Queue()
            keeper = logging.Logger("keeper")
            keeper.addHandler(logging.handlers.QueueHandler(channel))
            if extra:
                keeper.info("loss", extra={"loss": tensor})
            else:
                keeper.info("loss %s", tensor)
            return channel

        return put

    assert retained(to_memory)
    assert retained(to_queue(extra=True))
    assert not retained(to_queue())


@pytest.mark.parametrize(
    "call",
    [
        round,
        lambda n: statistics.mean([n, n]),
        lambda n: __import__("decimal").Decimal(n),
        json.dumps,
        memoryview,
        bytes,
    ],
)
def test_what_fails_with_or_without_a_graph(call):
    for number in (t(), t().detach()):
        with pytest.raises((TypeError, AttributeError)):
            call(number)


def test_formatting():
    """A single number is clean text; a vector or a Parameter can't be formatted with a specification."""
    for tensor in (t(3), t(1), t(3).detach(), torch.nn.Parameter(c())):
        with pytest.raises(TypeError, match="unsupported format string"):
            format(tensor, ".3f")
    assert "grad_fn" in f"{t(3)}"
    assert "grad_fn" in f"{t()!r}"
    assert "grad_fn" in json.dumps({"a": t()}, default=str)
    assert "grad_fn" not in "{:.4f}".format(t())  # noqa: UP032


def test_command_lines():
    import argparse

    parser = argparse.ArgumentParser()
    for name in ("parse_args", "parse_intermixed_args"):
        assert isinstance(getattr(parser, name)([]), argparse.Namespace)
        assert MODELS.method("argparse.ArgumentParser", name).result == "plain"
    known, rest = parser.parse_known_args([])
    assert isinstance(known, argparse.Namespace)
    assert rest == []
    assert MODELS.method("argparse.ArgumentParser", "parse_known_args").result == ("plain", "plain")
    assert MODELS.klass("argparse.ArgumentParser").kind == "object"
