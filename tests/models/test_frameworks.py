"""Trainers, experiment trackers and helpers, run as users run them: Lightning, Accelerate, wandb, MLflow, einops."""

from __future__ import annotations

import warnings
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import numpy as np
import torch
from array_libraries import refuses
from observing import c, t
from sink_tables import SCRATCH
from test_sinks import retained

from detachlint import models

MODELS = models.load()

EVALUATION = "validation test predict".split()
HOOKS = [
    f"on_{phase}_{moment}"
    for phase in EVALUATION
    for moment in ("start", "end", "epoch_start", "epoch_end", "batch_start", "batch_end")
]


def tracks() -> bool:
    return (torch.rand(3, requires_grad=True) * 1).requires_grad


@pytest.fixture
def lightning_run():
    return run_lightning()


@cache
def run_lightning():
    """Hook -> grad mode while Lightning ran it, for a module and a callback; and what log() kept."""
    pytorch = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
    seen: dict[str, set[bool]] = {}
    kept: list[bool] = []

    def note(name):
        def hook(*args, **kwargs):
            seen.setdefault(name, set()).add(tracks())

        return hook

    class Net(pytorch.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, index):
            seen.setdefault("training_step", set()).add(tracks())
            self.log("each", self.layer(batch[0]).mean(), on_step=True, on_epoch=True)
            kept.append(retained(lambda tensor: self.log("one", tensor.sum())))
            kept.append(retained(lambda tensor: self.log_dict({"two": tensor.sum()}, on_epoch=True)))
            kept.append(
                retained(lambda tensor: self.log("bar", tensor.sum(), prog_bar=True, reduce_fx="max"))
            )
            with pytest.raises(ValueError, match="single element"):
                self.log("vector", self.layer(batch[0]))
            return self.layer(batch[0]).mean()

        def validation_step(self, batch, index):
            seen.setdefault("validation_step", set()).add(self.layer(batch[0]).requires_grad)

        def test_step(self, batch, index):
            seen.setdefault("test_step", set()).add(self.layer(batch[0]).requires_grad)

        def predict_step(self, batch, index):
            seen.setdefault("predict_step", set()).add(self.layer(batch[0]).requires_grad)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    for name in HOOKS:
        setattr(Net, name, note(name))
    callback = type("Watch", (pytorch.Callback,), {name: note(f"callback.{name}") for name in HOOKS})()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(c(4, 3)), batch_size=2)
    net = Net()
    weight = net.layer.weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pytorch.Trainer(
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            accelerator="cpu",
            callbacks=[callback],
            default_root_dir=SCRATCH,
        )
        trainer.fit(net, loader, loader)
        kept += [value.requires_grad for value in trainer.callback_metrics.values()]
        trainer.test(net, loader, verbose=False)
        trainer.predict(net, loader)
    assert not torch.equal(weight, net.layer.weight)
    return seen, kept


def test_lightning_runs_these_hooks_with_grad_mode_off(lightning_run):
    seen, _ = lightning_run
    module = MODELS.klass("lightning.pytorch.LightningModule").grad_off
    callback = MODELS.klass("lightning.pytorch.callbacks.Callback").grad_off
    assert {name for name in module if seen.get(name) != {False}} == set()
    assert {name for name in callback if seen.get(f"callback.{name}") != {False}} == set()
    known = {name for name, modes in seen.items() if modes == {False} and "." not in name}
    assert known - module == set()
    called = {name.removeprefix("callback.") for name, modes in seen.items() if name.startswith("callback.")}
    assert {name for name in called if seen[f"callback.{name}"] == {False}} == callback


def test_lightning_backpropagates_what_training_step_returns(lightning_run):
    seen, _ = lightning_run
    assert seen["training_step"] == {True}
    assert MODELS.klass("pytorch_lightning.LightningModule").backward == {"training_step"}


def test_lightning_log_detaches(lightning_run):
    _, kept = lightning_run
    assert kept
    assert not any(kept)
    assert MODELS.method("lightning.LightningModule", "log").sink == "detaches"
    assert MODELS.method("lightning.LightningModule", "log_dict").sink == "detaches"


def test_accelerate():
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
    accelerator = accelerate.Accelerator(cpu=True)
    net = torch.nn.Linear(3, 1)
    prepared, _ = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=0.1))
    assert prepared(c(2, 3)).requires_grad
    assert MODELS.method("accelerate.Accelerator", "prepare").result == "arguments"
    assert accelerator.prepare(net)(c(2, 3)).requires_grad
    assert accelerator.unwrap_model(prepared)(c(2, 3)).requires_grad
    accelerator.backward(prepared(c(2, 3)).sum())
    assert net.weight.grad is not None
    assert MODELS.method("accelerate.Accelerator", "backward").result == "backward"
    for name in ("gather", "gather_for_metrics", "reduce"):
        assert getattr(accelerator, name)(t(3)).requires_grad, name
        assert MODELS.method("accelerate.Accelerator", name).result == "derived"


def test_wandb():
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    assert refuses(wandb.Histogram, lambda v, n, m: (v,))
    assert MODELS.call("wandb.Histogram").sink == "array-library"

    def row(tensor):
        table = wandb.Table(columns=["loss"])
        table.add_data(tensor.sum())
        return table

    assert retained(row)
    assert retained(lambda tensor: wandb.Table(columns=["loss"], data=[[tensor.sum()]]))
    assert MODELS.call("wandb.Table").sink == MODELS.method("wandb.Table", "add_data").sink == "keeps"
    assert not retained(lambda tensor: wandb.Image(tensor.view(1, 2, 2)))
    assert MODELS.call("wandb.Image").sink == "detaches"


def test_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed", exc_type=ImportError)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    with mlflow.start_run():
        assert not retained(lambda tensor: mlflow.log_metric("a", tensor.sum()))
        assert not retained(lambda tensor: mlflow.log_metrics({"b": tensor.sum()}))
        run = mlflow.active_run().info.run_id
        mlflow.log_param("p", t())
    assert "grad_fn" in mlflow.get_run(run).data.params["p"]
    assert MODELS.call("mlflow.log_metric").sink == MODELS.call("mlflow.log_metrics").sink == "detaches"
    assert MODELS.call("mlflow.log_param").sink == "text"


def test_einops():
    einops = pytest.importorskip("einops", reason="einops is not installed")
    from einops.layers.torch import Rearrange, Reduce

    tensor = t(2, 3)
    with torch.no_grad():
        assert einops.rearrange(tensor, "a b -> b a").requires_grad
        assert einops.repeat(tensor, "a b -> a b 2").requires_grad
        assert not einops.reduce(tensor, "a b -> a", "mean").requires_grad
        assert Rearrange("a b -> b a")(tensor).requires_grad
        assert not Reduce("a b -> a", "mean")(tensor).requires_grad
    assert einops.reduce(tensor, "a b -> a", "mean").requires_grad
    assert einops.einsum(tensor, tensor, "a b, a b -> a").requires_grad
    assert Reduce("a b -> a", "mean")(tensor).requires_grad
    for name, result in {
        "rearrange": "view",
        "repeat": "view",
        "reduce": "derived",
        "einsum": "derived",
    }.items():
        assert MODELS.call(f"einops.{name}").result == result
        assert MODELS.call(f"einops.{name}").sink is None
    for name, call in {"Rearrange": "view", "Reduce": None}.items():
        model = MODELS.klass(f"einops.layers.torch.{name}")
        assert (model.kind, model.parameters, model.call) == ("module", False, call)
        assert model.bases == ("torch.nn.Module",)
    assert isinstance(einops.asnumpy(t(3)), np.ndarray)
    assert MODELS.call("einops.asnumpy").sink == "detaches"
    assert MODELS.call("einops.asnumpy").result == "numpy.ndarray"
