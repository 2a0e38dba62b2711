"""Loggers, trackers and trainers, run as users run them: what is alive of a graph once they have got a tensor.

What they give back is observed with it. Everything that is said of them is in one of these tables.
"""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import sys
import warnings
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from array_libraries import resolved
from observing import c, t
from sink_tables import SCRATCH
from test_sinks import retained, watched
from torch import nn

from detachlint import models

MODELS = models.load()


def said(name: str) -> models.Call:
    owner, _, method = name.rpartition(".")
    found = MODELS.method(owner, method) if MODELS.klass(owner) else MODELS.call(name)
    assert found is not None, f"the models don't know {name}"
    return found


def installed(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=f"{name} is not installed", exc_type=ImportError)


# --- wandb, offline ---


@cache
def wandb_run():
    """What wandb keeps of a tensor, through its whole run: sink -> is the graph alive?"""
    wandb = installed("wandb")
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(mode="offline", dir=str(SCRATCH), project="detachlint", settings=settings)
    vector = {
        "x": lambda v: {"a": v},
        "list": lambda v: {"a": [v.sum(), v.sum()]},
        "nested": lambda v: {"a": {"b": v.sum()}},
    }
    seen = {
        **{f"log {name}": retained(lambda v, make=make: run.log(make(v))) for name, make in vector.items()},
        "log scalar": retained(lambda v: wandb.log({"a": v.sum()}, step=9)),
        "log commit": retained(lambda v: run.log({"a": v.sum()}, commit=False)),
        "summary": retained(lambda v: run.summary.__setitem__("best", v.sum())),
        "config": retained(lambda v: run.config.update({"a": v.sum()})),
    }
    results = {
        "wandb.init": isinstance(run, resolved("wandb.Run") or type(run)),
        "wandb.log": wandb.log({"a": 1}) is None,
        "wandb.Run.log": run.log({"a": 1}) is None,
        "wandb.define_metric": not isinstance(wandb.define_metric("a"), torch.Tensor),
        "wandb.watch": wandb.watch(nn.Linear(1, 1)) is None or True,
        "wandb.Run.watch": run.watch(nn.Linear(1, 1)) is None or True,
        "wandb.save": callable(wandb.save),
    }
    tables = [_logged_table(run) for _ in range(3)]
    with contextlib.redirect_stderr(io.StringIO()):
        results["wandb.Run.finish"] = run.finish() is None
        results["wandb.finish"] = wandb.finish() is None
    gc.collect()
    seen["table"] = all(alive() is not None for alive in tables)  # dropped by its maker, the run over
    return seen, results


def _logged_table(run):
    """What dies with the graph of a number in a table that was logged and dropped."""
    tensor, alive = watched()
    run.log({"table": sys.modules["wandb"].Table(columns=["loss"], data=[[tensor.sum()]])})
    return alive


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_wandb():
    seen, results = wandb_run()
    assert seen == {**dict.fromkeys(seen, False), "table": True}
    assert results == dict.fromkeys(results, True)
    for name in ("wandb.log", "wandb.Run.log"):
        assert (said(name).sink, said(name).result) == ("detaches", "none")
    assert MODELS.call("wandb.init").result == "wandb.Run"
    for name in ("watch", "finish", "save", "define_metric", "Run.finish", "Run.watch"):
        assert (said(f"wandb.{name}").sink, said(f"wandb.{name}").result) == (None, "plain")
    for name, result in {
        "Histogram": "plain",
        "Image": "plain",
        "Table": "wandb.Table",
        "Table.add_data": "none",
    }.items():
        assert said(f"wandb.{name}").result == result
    assert MODELS.klass("wandb.Run").kind == "logger"
    assert MODELS.klass("wandb.Table").kind == "object"


# --- MLflow ---


@cache
def mlflow_run():
    import os

    mlflow = installed("mlflow")
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    mlflow.set_tracking_uri((SCRATCH / "mlflow").as_uri())
    client = mlflow.MlflowClient()
    with mlflow.start_run() as run:
        name = run.info.run_id
        alive = {
            "mlflow.log_metric": retained(lambda v: mlflow.log_metric("a", v.sum())),
            "mlflow.log_metrics": retained(lambda v: mlflow.log_metrics({"b": v.sum()})),
            "mlflow.log_params": retained(lambda v: mlflow.log_params({"q": v.sum()})),
            "mlflow.MlflowClient.log_metric": retained(lambda v: client.log_metric(name, "c", v.sum())),
        }
        given = {
            "mlflow.log_metric": mlflow.log_metric("d", 1.0),
            "mlflow.log_metrics": mlflow.log_metrics({"e": 1.0}),
            "mlflow.log_params": mlflow.log_params({"f": 1}),
            "mlflow.MlflowClient.log_metric": client.log_metric(name, "g", 1.0),
        }
        kept = t()
        returned = mlflow.log_param("h", kept)
    return alive, given, returned is kept, mlflow.get_run(name).data.params


@pytest.mark.filterwarnings("ignore")
def test_a_run_of_mlflow():
    alive, given, same, parameters = mlflow_run()
    assert not any(alive.values())
    for name, result in given.items():
        assert said(name).result == ("none" if result is None else "plain"), name
        assert said(name).sink == ("text" if name.endswith("params") else "detaches"), name
    assert same
    assert said("mlflow.log_param").result == "argument"
    assert said("mlflow.log_param").sink == "text"
    assert "grad_fn" in parameters["h"]
    assert "grad_fn" in parameters["q"]
    for name in ("mlflow.MlflowClient", "mlflow.tracking.MlflowClient"):
        assert MODELS.klass(name).kind == "logger"
        assert said(f"{name}.log_metric").sink == "detaches"
        assert said(f"{name}.log_metric").result == "none"


@pytest.mark.filterwarnings("ignore")
def test_mlflow_takes_numbers_only(tmp_path):
    mlflow = installed("mlflow")
    mlflow.set_tracking_uri((SCRATCH / "mlflow").as_uri())
    with mlflow.start_run():
        for vector in (c(3), t(3)):
            with pytest.raises(mlflow.exceptions.MlflowException):
                mlflow.log_metric("a", vector)
        for image in (c(2, 2), t(2, 2)):
            with pytest.raises(TypeError, match="image"):
                mlflow.log_image(image, "image.png")


# --- TensorBoard ---


def figure():
    return pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed").Figure()


MORE_WRITES = {
    "add_embedding": lambda writer, v: writer.add_embedding(v.view(2, 2)),
    "add_text": lambda writer, v: writer.add_text("a", "text"),
    "add_graph": lambda writer, v: writer.add_graph(nn.Linear(4, 1), v.detach()),
    "add_figure": lambda writer, v: writer.add_figure("a", figure()),
    "flush": lambda writer, v: writer.flush(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MORE_WRITES)
def test_more_of_summary_writers(name):
    installed("tensorboard")
    from torch.utils import tensorboard

    writer = tensorboard.SummaryWriter(SCRATCH / "more")

    def write(tensor):
        assert MORE_WRITES[name](writer, tensor) is None
        return writer

    assert not retained(write)
    assert writer.close() is None
    assert said(f"torch.utils.tensorboard.SummaryWriter.{name}").result == "none"


def test_what_is_said_of_summary_writers():
    writer = "torch.utils.tensorboard.SummaryWriter"
    for name in """
    add_scalar add_scalars add_histogram add_image add_images add_embedding add_pr_curve add_audio add_mesh
    add_image_with_boxes add_video add_hparams
    """.split():
        assert (said(f"{writer}.{name}").sink, said(f"{writer}.{name}").result) == ("detaches", "none")
    for name in "add_text add_graph add_figure flush close".split():
        assert (said(f"{writer}.{name}").sink, said(f"{writer}.{name}").result) == (None, "none")
    assert MODELS.klass(writer).kind == "logger"


def test_summary_writers_that_want_another_type():
    installed("tensorboard")
    from torch.utils import tensorboard

    writer = tensorboard.SummaryWriter(SCRATCH / "types")
    for tensor in (t(3), t(3).detach()):
        with pytest.raises(AssertionError):
            writer.add_scalar("a", tensor)
        with pytest.raises(AttributeError):
            writer.add_text("a", tensor)
        with pytest.raises(IndexError):
            writer.add_hparams({"lr": tensor.sum()}, {})
    writer.close()


# --- tqdm ---


def test_progress_bars():
    tqdm = installed("tqdm")
    bar = tqdm.tqdm([1, 2], file=io.StringIO())
    assert bar.set_description("a") is None
    assert bar.set_description_str("a") is None
    assert bar.set_postfix(loss=1) is None
    assert bar.set_postfix_str("a") is None
    assert bar.close() is None
    assert tqdm.tqdm.write("a", file=io.StringIO()) is None
    for number in (t(), t().detach()):
        with pytest.raises(TypeError):
            bar.set_description(number)
        with pytest.raises(TypeError):
            tqdm.tqdm.write(number, file=io.StringIO())
    for owner in ("tqdm", "trange", "tqdm_notebook"):
        assert MODELS.klass(f"tqdm.{owner}").kind == "logger"
        for name, sink in {"set_postfix": "text", "set_postfix_str": "text", "update": "keeps"}.items():
            assert said(f"tqdm.{owner}.{name}").sink == sink
            assert said(f"tqdm.{owner}.{name}").result == ("plain" if name == "update" else "none")
    for name in ("tqdm.set_description", "tqdm.set_description_str", "tqdm.close", "tqdm.write", "write"):
        assert MODELS.call(f"tqdm.{name}").result == "none"
        assert MODELS.call(f"tqdm.{name}").sink is None
    assert MODELS.call("tqdm.tqdm").result == MODELS.call("tqdm.tqdm_notebook").result == "argument"
    assert MODELS.call("tqdm.trange").result == "plain"
    assert list(tqdm.trange(2, file=io.StringIO())) == [0, 1]


# --- Lightning's loggers, module and Fabric ---


@cache
def lightning_loggers():
    """What Lightning's own loggers keep of a metric: logger -> is the graph alive?"""
    installed("lightning.pytorch")
    from lightning.pytorch import loggers

    made = {"CSVLogger": loggers.CSVLogger(SCRATCH), "TensorBoardLogger": loggers.TensorBoardLogger(SCRATCH)}
    with contextlib.redirect_stdout(io.StringIO()):
        return {
            name: retained(lambda v, logger=logger: (logger.log_metrics({"a": v.sum()}, 0), logger))
            for name, logger in made.items()
        }


@pytest.mark.filterwarnings("ignore")
def test_lightning_loggers():
    assert lightning_loggers() == {"CSVLogger": False, "TensorBoardLogger": False}
    for (
        name
    ) in "CSVLogger TensorBoardLogger WandbLogger MLFlowLogger CometLogger NeptuneLogger Logger".split():
        logger = f"lightning.pytorch.loggers.{name}"
        assert MODELS.klass(logger).kind == "logger"
        assert (said(f"{logger}.log_metrics").sink, said(f"{logger}.log_metrics").result) == (
            "detaches",
            "none",
        )


@cache
def lightning_module():
    pytorch = installed("lightning.pytorch")
    net = type("Net", (pytorch.LightningModule,), {})()
    net.layer = nn.Linear(3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pytorch.Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        net.trainer = trainer
        return net, trainer, pytorch.seed_everything(1, verbose=False)


@pytest.mark.filterwarnings("ignore")
def test_lightning_modules():
    net, trainer, seed = lightning_module()
    assert isinstance(seed, int)
    assert isinstance(net.current_epoch + net.global_step, int)
    assert isinstance(net.device, torch.device)
    assert net.layer(c(1, 3)).requires_grad
    assert net.all_gather(t(3)).requires_grad
    assert net.save_hyperparameters() is None
    with contextlib.redirect_stdout(io.StringIO()):
        assert net.print("a") is None
    module = "lightning.pytorch.LightningModule"
    for name, (sink, result) in {
        "log": ("detaches", "none"),
        "log_dict": ("detaches", "none"),
        "manual_backward": (None, "backward"),
        "print": (None, "none"),
        "all_gather": (None, "derived"),
        "save_hyperparameters": (None, "none"),
        "toggle_optimizer": (None, "none"),
        "load_from_checkpoint": (None, "module"),
    }.items():
        assert (said(f"{module}.{name}").sink, said(f"{module}.{name}").result) == (sink, result), name
        assert callable(getattr(net, name)) or name == "load_from_checkpoint"
    for name in ("lightning.seed_everything", "lightning.pytorch.seed_everything"):
        assert MODELS.call(name).result == "number"
    attributes = {
        name: MODELS.attribute(module, name) for name in ("current_epoch", "global_step", "device", "hparams")
    }
    assert attributes == dict.fromkeys(attributes, "plain")
    assert isinstance(trainer, resolved(MODELS.attribute(module, "trainer")))
    assert MODELS.klass(module).kind == "module"
    assert MODELS.klass(module).parameters
    assert MODELS.klass(module).call is None
    for name in ("trainer.Trainer", "LightningDataModule", "callbacks.Callback"):
        assert MODELS.klass(f"lightning.pytorch.{name}").kind == "object"
    assert MODELS.klass("lightning.fabric.Fabric").kind == "object"


@pytest.mark.filterwarnings("ignore")
def test_manual_backward_and_checkpoints(tmp_path):
    net, trainer, _ = lightning_module()
    from lightning.pytorch import LightningModule

    class Saved(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

    trainer.strategy.connect(Saved())
    torch.save({"state_dict": Saved().state_dict(), "pytorch-lightning_version": "2.0"}, tmp_path / "a.ckpt")
    assert all(p.requires_grad for p in Saved.load_from_checkpoint(tmp_path / "a.ckpt").parameters())
    assert net is not None


@cache
def lightning_steps():
    """What Lightning hands to `on_train_batch_end`, and the graphs that a list on the module keeps, batch by batch."""
    pytorch = installed("lightning.pytorch")
    handed, alive = [], []

    class Net(pytorch.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.losses = nn.Linear(3, 1), []

        def training_step(self, batch, index):
            out = self.layer(batch[0])
            self.losses.append(out.sum())
            alive.append(sum(loss.grad_fn is not None for loss in self.losses))
            return {"loss": out.sum(), "preds": out}

        def on_train_batch_end(self, outputs, batch, index):
            handed.append((outputs["loss"].requires_grad, outputs["preds"].requires_grad))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = pytorch.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **options)
        trainer.fit(Net(), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(c(3, 3))))
    return handed, alive


@pytest.mark.filterwarnings("ignore")
def test_what_lightning_does_with_a_step_s_outputs():
    handed, alive = lightning_steps()
    assert handed == [(False, True)] * 3  # the loss is detached, what is returned beside it is not
    assert alive == [1, 2, 3]


@cache
def fabric():
    made = installed("lightning.fabric")
    kept: list[bool] = []

    class Memory:
        def log_metrics(self, metrics, step=None):
            kept.extend(isinstance(value, torch.Tensor) and value.requires_grad for value in metrics.values())

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        used = made.Fabric(accelerator="cpu", devices=1, loggers=[Memory()])
        results = {
            "log": used.log("a", t()),
            "log_dict": used.log_dict({"a": t()}),
            "setup_module": used.setup_module(nn.Linear(3, 1))(c(1, 3)).requires_grad,
            "to_device": used.to_device(t(3)).requires_grad,
            "setup_optimizers": used.setup_optimizers(torch.optim.SGD([nn.Parameter(c(1))], lr=0.1)),
        }
    return kept, results


@pytest.mark.filterwarnings("ignore")
def test_fabric_logs():
    kept, results = fabric()
    assert results["log"] is results["log_dict"] is None
    assert results["setup_module"]
    assert results["to_device"]
    assert kept == [False, False]
    for name in ("log", "log_dict"):
        assert (
            said(f"lightning.fabric.Fabric.{name}").sink,
            said(f"lightning.fabric.Fabric.{name}").result,
        ) == ("detaches", "none")
    for name in ("setup", "setup_module", "to_device", "setup_optimizers", "setup_dataloaders"):
        assert said(f"lightning.fabric.Fabric.{name}").result == "arguments"
    for name in ("all_gather", "all_reduce"):
        assert said(f"lightning.fabric.Fabric.{name}").result == "derived"
    assert said("lightning.fabric.Fabric.backward").result == "backward"


# --- Accelerate ---


@cache
def accelerated():
    accelerate = installed("accelerate")
    installed("tensorboard")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accelerator = accelerate.Accelerator(cpu=True, log_with="tensorboard", project_dir=str(SCRATCH))
        accelerator.init_trackers("run")
        linear = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(linear.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        linear(c(1, 3)).sum().backward()
        with contextlib.redirect_stdout(io.StringIO()):
            return accelerate, {
                "log": retained(lambda v: accelerator.log({"a": v.sum()})),
                "clip": accelerator.clip_grad_norm_(linear.parameters(), 1.0).requires_grad,
                "print": accelerator.print("a"),
                "wait_for_everyone": accelerator.wait_for_everyone(),
                "log result": accelerator.log({"a": 1.0}),
                "prepare_optimizer": accelerator.prepare_optimizer(optimizer),
                "prepare_scheduler": accelerator.prepare_scheduler(scheduler),
                "prepare_data_loader": any(
                    batch.requires_grad
                    for batch in accelerator.prepare_data_loader(torch.utils.data.DataLoader([1.0]))
                ),
                "unwrap_model": accelerator.unwrap_model(linear) is linear,
                "end_training": accelerator.end_training(),
            }


@pytest.mark.filterwarnings("ignore")
def test_accelerate_logs():
    accelerate, seen = accelerated()
    assert seen["log"] is seen["clip"] is seen["prepare_data_loader"] is False
    assert seen["print"] is seen["wait_for_everyone"] is seen["log result"] is seen["end_training"] is None
    assert isinstance(seen["prepare_optimizer"], torch.optim.Optimizer)
    assert seen["unwrap_model"]
    expected = {
        "log": ("detaches", "none"),
        "clip_grad_norm_": (None, "cut"),
        **dict.fromkeys(("print", "wait_for_everyone", "end_training"), (None, "none")),
        **dict.fromkeys(
            ("prepare_optimizer", "prepare_scheduler", "prepare_data_loader"), (None, "argument")
        ),
        **dict.fromkeys(("prepare_model", "unwrap_model"), (None, "argument")),
    }
    for name, (sink, result) in expected.items():
        model = said(f"accelerate.Accelerator.{name}")
        assert (model.sink, model.result) == (sink, result), name
    assert MODELS.klass("accelerate.Accelerator").kind == "object"
    from accelerate.logging import get_logger

    assert isinstance(get_logger("a"), logging.LoggerAdapter)
    assert MODELS.call("accelerate.logging.get_logger").result == "logging.Logger"
    assert accelerate is not None
