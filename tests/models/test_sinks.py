"""What libraries do with a tensor that requires grad: keep its graph, print it, detach it, refuse to copy it.

Each table names the sink and reaches it in the real library; the model's word is compared with what is seen.
Retention is seen by a token in the autograd node: it dies with the node, and with nothing else.
"""

from __future__ import annotations

import contextlib
import copy
import csv
import dataclasses
import gc
import io
import logging
import math
import multiprocessing
import pickle
import queue
import statistics
import struct
import warnings
import weakref
from array import array

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import numpy as np
import torch
from observing import c, t
from sink_tables import NOT_RUN, SCRATCH

from detachlint import models

MODELS = models.load()


class Token:
    """Hangs on an autograd node."""


def watched() -> tuple[torch.Tensor, weakref.ref[Token]]:
    """A tensor with a graph, and what dies with the graph."""
    token = Token()
    alive = weakref.ref(token)
    with torch.enable_grad():
        tensor = t(4).sigmoid()
    tensor.grad_fn.metadata["token"] = token
    return tensor, alive


def retained(keep) -> bool:
    """Is the graph of a tensor alive after `keep` got it and everybody else dropped it?"""
    gc.freeze()  # what was there before can't hold the graph: don't search it
    tensor, alive = watched()
    holder = keep(tensor)
    del tensor
    gc.collect()
    gc.unfreeze()
    assert holder is not Token
    return alive() is not None


def test_the_oracle_sees_what_it_should():
    assert retained(lambda tensor: tensor)
    assert retained(lambda tensor: [tensor * 2])
    assert retained(lambda tensor: (tensor, 1))
    assert not retained(lambda tensor: tensor.detach())
    assert not retained(lambda tensor: tensor.sum().item())
    with torch.no_grad():
        assert not retained(lambda tensor: tensor * 2)


def model(name: str) -> models.Call:
    owner, _, method = name.rpartition(".")
    found = MODELS.call(name) if MODELS.klass(owner) is None else MODELS.method(owner, method)
    assert found is not None, name
    return found


# --- copies ---


@dataclasses.dataclass
class Record:
    value: object


def simple_queue(tensor):
    channel = multiprocessing.SimpleQueue()
    try:
        channel.put(tensor)
    finally:
        channel.close()


def pipe(tensor):
    here, there = multiprocessing.Pipe()
    try:
        here.send(tensor)
    finally:
        here.close()
        there.close()


COPIES = {
    "copy.deepcopy": (copy.deepcopy, "support the deepcopy protocol"),
    "torch.Tensor.__deepcopy__": (lambda tensor: tensor.__deepcopy__({}), "support the deepcopy protocol"),
    "dataclasses.asdict": (
        lambda tensor: dataclasses.asdict(Record(tensor)),
        "support the deepcopy protocol",
    ),
    "dataclasses.astuple": (
        lambda tensor: dataclasses.astuple(Record(tensor)),
        "support the deepcopy protocol",
    ),
    "torch.from_dlpack": (torch.from_dlpack, "Can't export tensors that require gradient"),
    "torch.utils.dlpack.from_dlpack": (
        torch.utils.dlpack.from_dlpack,
        "Can't export tensors that require gradient",
    ),
    "numpy.from_dlpack": (np.from_dlpack, "Can't export tensors that require gradient"),
    "torch.Tensor.__dlpack__": (
        lambda tensor: tensor.__dlpack__(),
        "Can't export tensors that require gradient",
    ),
    "multiprocessing.SimpleQueue.put": (simple_queue, "Cowardly refusing to serialize"),
    "multiprocessing.connection.Connection.send": (pipe, "Cowardly refusing to serialize"),
}


@pytest.mark.parametrize("grad_mode", [True, False])
@pytest.mark.parametrize("name", COPIES)
def test_copies_are_refused_in_any_grad_mode(name, grad_mode):
    call, message = COPIES[name]
    tensor = t(4)
    with torch.set_grad_enabled(grad_mode), pytest.raises((RuntimeError, BufferError), match=message):
        call(tensor)
    assert model(name).sink == "copy"
    if name not in ("torch.Tensor.__dlpack__", "torch.from_dlpack"):
        call(tensor.detach())


def test_copies_of_leaves_and_containers():
    assert copy.deepcopy(torch.nn.Parameter(c(3))).requires_grad
    with pytest.raises(RuntimeError, match="deepcopy protocol"):
        copy.deepcopy({"a": [t(3)]})
    assert model("copy.deepcopy").deep
    assert copy.copy(t(3)).is_leaf
    assert copy.copy(t(3)).requires_grad
    assert model("copy.copy").sink is None
    torch.utils.dlpack.to_dlpack(t(3))
    assert model("torch.utils.dlpack.to_dlpack").sink is None


def test_a_process_queue_loses_the_item(capfd):
    channel = multiprocessing.Queue()
    try:
        channel.put(t(4))
        with pytest.raises(queue.Empty):
            channel.get(timeout=0.5)
        channel.put(1)
        assert channel.get(timeout=60) == 1
    finally:
        channel.close()
        channel.join_thread()
    assert "Cowardly refusing" in capfd.readouterr().err
    assert model("multiprocessing.Queue.put").sink == "lost"
    assert model("torch.multiprocessing.Queue.put").sink == "lost"


def test_a_thread_queue_hands_on_the_tensor():
    channel: queue.Queue[torch.Tensor] = queue.Queue()
    channel.put(t(4))
    assert channel.get().requires_grad
    assert MODELS.call("queue.Queue.put") is None


SAVES = {
    "torch.save": (torch.save, torch.load),
    "pickle.dump": (pickle.dump, pickle.load),
    "joblib.dump": (
        lambda value, file: pytest.importorskip("joblib").dump(value, file),
        lambda file: pytest.importorskip("joblib").load(file),
    ),
}


@pytest.mark.parametrize("name", SAVES)
def test_saved_tensors_load_as_leaves_that_require_grad(name):
    save, load = SAVES[name]
    file = io.BytesIO()
    save(t(4), file)
    file.seek(0)
    loaded = load(file)
    assert loaded.requires_grad
    assert loaded.is_leaf
    assert model(name).sink == "saves"
    assert pickle.loads(pickle.dumps(t(4))).requires_grad
    assert model("pickle.dumps").sink == "saves"


# --- numbers ---

NUMBERS = {
    "builtins.float": float,
    "builtins.complex": complex,
    "torch.Tensor.__float__": lambda n: n.__float__(),
    "torch.Tensor.__complex__": lambda n: n.__complex__(),
    "numpy.float64": np.float64,
    "numpy.double": np.double,
    "numpy.fromiter": lambda n: np.fromiter([n], dtype=float),
    "numpy.ndarray.fill": lambda n: np.zeros(2).fill(n),
    "statistics.fmean": lambda n: statistics.fmean([n, n]),
    "struct.pack": lambda n: struct.pack("f", n),
    "array.array": lambda n: array("f", [n]),
    "random.choices": lambda n: __import__("random").choices([1, 2], weights=[n, n]),
    "math.fsum": lambda n: math.fsum([n]),
    "math.dist": lambda n: math.dist([n], [n]),
    "math.ldexp": lambda n: math.ldexp(n, 1),
    "math.acosh": lambda n: math.acosh(n + 1),
}
# What takes whole numbers, or hands on what it is given.
NOT_MATHS = """
comb factorial gcd isqrt lcm perm prod sumprod trunc fma
"""
MATHS = {
    f"math.{name}": getattr(math, name)
    for name in dir(math)
    if callable(getattr(math, name)) and not name.startswith("_") and name not in NOT_MATHS.split()
}


@pytest.fixture
def always_warn():
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


def warns(call) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return any("to a scalar may lead to unexpected behavior" in str(one.message) for one in caught)


@pytest.mark.usefixtures("always_warn")
@pytest.mark.filterwarnings("ignore")  # `warns` hears them all the same
@pytest.mark.parametrize("name", NUMBERS | MATHS)
def test_numbers_warn_only_with_grad_mode_on(name):
    call = NUMBERS.get(name) or MATHS[name]
    number = t()
    arguments = (number,)
    with contextlib.suppress(TypeError):
        call(*arguments)
    try:
        call(*arguments)
    except TypeError:
        arguments = (number, number)
    assert warns(lambda: call(*arguments))
    with torch.no_grad():
        assert not warns(lambda: call(*arguments))
    assert model(name).sink == "number"


@pytest.mark.usefixtures("always_warn")
def test_conversions_that_are_silent():
    number = t()
    for call in (int, bool, str, repr, lambda n: f"{n:.3f}", lambda n: n.item(), lambda n: n.tolist(), hash):
        assert not warns(lambda call=call: call(number))
    for name in ("int", "bool", "str", "repr", "format", "hash", "print"):
        assert MODELS.call(f"builtins.{name}").sink is None
    assert warns(lambda: f"{number:.3f}" + "%.3f" % number)  # noqa: UP031
    assert warns(lambda: np.zeros(3).__setitem__(0, number))


def test_builtins_that_give_tensors():
    number = t()
    assert sum([number, number]).requires_grad
    assert abs(number).requires_grad
    assert pow(number, 2).requires_grad
    with torch.no_grad():
        assert not sum([number, number]).requires_grad
        assert max(number, number).requires_grad
        assert min([number]).requires_grad
    assert MODELS.call("builtins.sum").result == MODELS.call("builtins.abs").result == "derived"
    assert MODELS.call("builtins.max").result == MODELS.call("builtins.min").result == "view"
    for make in (list, tuple, sorted, set, frozenset, iter, reversed):
        assert next(iter(make([number]))).requires_grad
        assert MODELS.call(f"builtins.{make.__name__}").result == "argument"
    assert statistics.median([number, number, number]).requires_grad
    assert MODELS.call("statistics.median").result == "derived"
    assert math.prod([number]).requires_grad
    assert MODELS.call("math.prod").result == "derived"


# --- text ---


def logged(method):
    """What a stream handler writes for `logger.method("%s", tensor)`."""

    def write(tensor):
        stream = io.StringIO()
        logger = logging.Logger("detachlint-test")
        logger.addHandler(logging.StreamHandler(stream))
        arguments = (logging.ERROR, "loss %s", tensor) if method == "log" else ("loss %s", tensor)
        getattr(logger, method)(*arguments)
        return stream.getvalue()

    return write


def tqdm_text(method):
    def write(tensor):
        tqdm = pytest.importorskip("tqdm", reason="tqdm is not installed")
        stream = io.StringIO()
        bar = tqdm.tqdm(total=2, file=stream, mininterval=0)
        getattr(bar, method)(loss=tensor) if method == "set_postfix" else getattr(bar, method)(str(tensor))
        bar.close()
        return stream.getvalue()

    return write


def rows(writer):
    def write(tensor):
        stream = io.StringIO()
        writer(stream, tensor)
        return stream.getvalue()

    return write


TEXTS = {
    **{
        f"logging.Logger.{method}": logged(method)
        for method in ("debug", "info", "warning", "error", "critical", "fatal", "exception", "log", "warn")
    },
    "tqdm.tqdm.set_postfix": tqdm_text("set_postfix"),
    "tqdm.tqdm.set_postfix_str": tqdm_text("set_postfix_str"),
    "csv.Writer.writerow": rows(lambda stream, tensor: csv.writer(stream).writerow([1, tensor])),
    "csv.Writer.writerows": rows(lambda stream, tensor: csv.writer(stream).writerows([[1, tensor]])),
    "csv.DictWriter.writerow": rows(
        lambda stream, tensor: csv.DictWriter(stream, ["a"]).writerow({"a": tensor})
    ),
    "csv.DictWriter.writerows": rows(
        lambda stream, tensor: csv.DictWriter(stream, ["a"]).writerows([{"a": tensor}])
    ),
    "torch.Tensor.__repr__": repr,
    "torch.Tensor.__str__": str,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", TEXTS)
def test_texts_show_grad_fn(name):
    assert "grad_fn=" in TEXTS[name](t())
    assert "grad_fn=" not in TEXTS[name](t().detach())
    assert model(name).sink == "text"
    assert not retained(TEXTS[name])


def test_module_level_logging_is_the_root_logger():
    for method in ("debug", "info", "warning", "error", "critical", "fatal", "exception", "log"):
        assert MODELS.call(f"logging.{method}").sink == "text"
        assert callable(getattr(logging, method))
    assert isinstance(logging.getLogger("x"), logging.Logger)
    assert MODELS.call("logging.getLogger").result == "logging.Logger"


def test_formatted_numbers_are_clean():
    assert "grad_fn" not in f"{t()}{t():.3f}"
    assert "grad_fn" in "%s" % t()  # noqa: UP031


# --- trackers that detach by themselves ---


def writers():
    from torch.utils import tensorboard

    yield tensorboard.SummaryWriter(SCRATCH / "tensorboard")
    with contextlib.suppress(ImportError):
        import tensorboardX

        yield tensorboardX.SummaryWriter(str(SCRATCH / "tensorboardX"))


WRITES = {
    "add_scalar": lambda writer, tensor: writer.add_scalar("a", tensor.sum(), 0),
    "add_scalars": lambda writer, tensor: writer.add_scalars("b", {"x": tensor.sum()}, 0),
    "add_histogram": lambda writer, tensor: writer.add_histogram("c", tensor, 0),
    "add_image": lambda writer, tensor: writer.add_image("d", tensor.view(1, 2, 2), 0),
    "add_images": lambda writer, tensor: writer.add_images("e", tensor.view(1, 1, 2, 2), 0),
    "add_pr_curve": lambda writer, tensor: writer.add_pr_curve("f", tensor > 0, tensor.sigmoid(), 0),
    "add_mesh": lambda writer, tensor: writer.add_mesh("g", tensor[:3].expand(1, 4, 3)),
    "add_hparams": lambda writer, tensor: writer.add_hparams({"lr": 1.0}, {"loss": tensor.sum()}),
    "add_audio": lambda writer, tensor: writer.add_audio("h", tensor.view(1, 4), 0),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.filterwarnings("ignore")
def test_summary_writers_detach(name):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    for writer in writers():
        if name == "add_audio" and type(writer).__module__.startswith("tensorboardX"):
            continue  # wants a library for sound files

        def write(tensor, writer=writer):
            WRITES[name](writer, tensor)
            return writer

        assert not retained(write)
        writer.close()
    assert model(f"torch.utils.tensorboard.SummaryWriter.{name}").sink == "detaches"
    assert model(f"tensorboardX.SummaryWriter.{name}").sink == "detaches"


# --- what keeps ---


def test_a_progress_bar_keeps_what_it_counts():
    tqdm = pytest.importorskip("tqdm", reason="tqdm is not installed")

    def count(tensor):
        bar = tqdm.tqdm(total=9, file=io.StringIO())
        bar.update(tensor.sum())
        bar.disable = True  # its last words would need a number
        return bar

    assert retained(count)
    assert model("tqdm.tqdm.update").sink == "keeps"
    assert list(tqdm.tqdm([1, 2], file=io.StringIO())) == [1, 2]
    assert MODELS.call("tqdm.auto.tqdm").result == "argument"


# --- nothing is believed unseen ---


def test_every_sink_is_run_or_has_a_reason():
    """But for the scalars: all of them are run in their own file."""
    run = {*COPIES, *SAVES, *NUMBERS, *MATHS, *TEXTS, "pickle.dumps", "tqdm.tqdm.update", "numpy.array_equal"}
    run |= {f"torch.utils.tensorboard.SummaryWriter.{name}" for name in WRITES}
    arrays = ("numpy.", "matplotlib.", "seaborn.", "pandas.", "polars.", "scipy.", "sklearn.")
    elsewhere = ("torchmetrics.", "lightning.pytorch.LightningModule", "logging.", "torch.Tensor.", "einops.")
    elsewhere += ("wandb.Table", "wandb.Histogram", "wandb.Image", "mlflow.log_")
    missing = [
        name
        for name, call in MODELS.calls.items()
        if call.sink not in (None, "scalar")
        and name not in run
        and not name.startswith((*arrays, *elsewhere, *NOT_RUN))
    ]
    assert [name for name in missing if hasattr(math, name.rpartition(".")[2]) or name[:5] != "math."] == []
