"""The same thing under another path: imported by it, it is the same object, and the models know that."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from collections.abc import Iterator
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from array_libraries import resolved

from detachlint import models

MODELS = models.load()
# path -> the name that the models use
SAME = {
    "accelerate.accelerator.Accelerator": "accelerate.Accelerator",
    "pytorch_lightning.LightningModule": "lightning.pytorch.LightningModule",
    "lightning.pytorch.core.LightningModule": "lightning.pytorch.LightningModule",
    "lightning.pytorch.core.module.LightningModule": "lightning.pytorch.LightningModule",
    "lightning.pytorch.core.datamodule.LightningDataModule": "lightning.pytorch.LightningDataModule",
    "lightning.pytorch.callbacks.callback.Callback": "lightning.pytorch.callbacks.Callback",
    "lightning.pytorch.Callback": "lightning.pytorch.callbacks.Callback",
    "lightning.pytorch.trainer.trainer.Trainer": "lightning.pytorch.trainer.Trainer",
    "lightning.pytorch.Trainer": "lightning.pytorch.trainer.Trainer",
    "lightning.LightningModule": "lightning.pytorch.LightningModule",
    "lightning.LightningDataModule": "lightning.pytorch.LightningDataModule",
    "lightning.Callback": "lightning.pytorch.callbacks.Callback",
    "lightning.Trainer": "lightning.pytorch.trainer.Trainer",
    "lightning.Fabric": "lightning.fabric.Fabric",
    "lightning.fabric.fabric.Fabric": "lightning.fabric.Fabric",
    "matplotlib.pylab.plot": "matplotlib.pyplot.plot",
    "pylab.plot": "matplotlib.pyplot.plot",
    "matplotlib.axes._axes.Axes": "matplotlib.axes.Axes",
    "matplotlib.pyplot.Axes": "matplotlib.axes.Axes",
    "matplotlib.pyplot.Figure": "matplotlib.figure.Figure",
    "numpy._core.asarray": "numpy.asarray",
    "pandas.core.frame.DataFrame": "pandas.DataFrame",
    "pandas.core.series.Series": "pandas.Series",
    "pandas.core.api.DataFrame": "pandas.DataFrame",
    "multiprocessing.context.BaseContext": "multiprocessing.BaseContext",
    "_pickle.dumps": "pickle.dumps",
    "torch.utils.tensorboard.writer.SummaryWriter": "torch.utils.tensorboard.SummaryWriter",
    "torch.functional.einsum": "torch.einsum",
    "torch._C._nn.gelu": "torch.nn.functional.gelu",
    "torch.autograd.grad_mode.no_grad": "torch.no_grad",
    "torch.autograd.no_grad": "torch.no_grad",
    "torch.autograd.enable_grad": "torch.enable_grad",
    "torch.autograd.set_grad_enabled": "torch.set_grad_enabled",
    "torch.autograd.inference_mode": "torch.inference_mode",
    "torch.autograd.variable.Variable": "torch.autograd.Variable",
    "torch.autograd.function.Function": "torch.autograd.Function",
    "torch.amp.grad_scaler.GradScaler": "torch.amp.GradScaler",
    "torch.nn.parameter.Parameter": "torch.nn.Parameter",
    "torch.nn.parameter.UninitializedParameter": "torch.nn.UninitializedParameter",
    "torch._tensor.Tensor": "torch.Tensor",
    "tqdm.std.tqdm": "tqdm.tqdm",
    "tqdm.std.tqdm.update": "tqdm.tqdm.update",
    "wandb.sdk.wandb_run.Run": "wandb.Run",
}
# path -> a base of the same behaviour: subclasses, wrappers, and what does the same work elsewhere
ALIKE = {
    "torch.cuda.amp.GradScaler": "torch.amp.GradScaler",
    "torch.cuda.amp.grad_scaler.GradScaler": "torch.amp.GradScaler",
    "torch.cpu.amp.GradScaler": "torch.amp.GradScaler",
    "torch.distributed.fsdp.sharded_grad_scaler.ShardedGradScaler": "torch.amp.GradScaler",
    "mpl_toolkits.mplot3d.Axes3D": "matplotlib.axes.Axes",
    "mpl_toolkits.mplot3d.axes3d.Axes3D": "matplotlib.axes.Axes",
    "tqdm.auto.tqdm": "tqdm.tqdm",
    "tqdm.notebook.tqdm": "tqdm.tqdm",
    "tqdm.autonotebook.tqdm": "tqdm.tqdm",
    "tqdm.asyncio.tqdm": "tqdm.tqdm",
    "tqdm.rich.tqdm": "tqdm.tqdm",
}
# Older releases, other packages with the same behaviour, or private paths that move: said, but not the same object.
ELSEWHERE = {
    "torch._VF.stft": "torch.stft",
    "torch._C._VariableFunctions.relu": "torch.relu",
    "torch._C.TensorBase.add": "torch.Tensor.add",
    "torch.multiprocessing.SimpleQueue.put": "multiprocessing.SimpleQueue.put",
    "tensorboardX.SummaryWriter.add_scalar": "torch.utils.tensorboard.SummaryWriter.add_scalar",
    "tensorboardX.writer.SummaryWriter": "torch.utils.tensorboard.SummaryWriter",
    "tensorboardX.GlobalSummaryWriter": "torch.utils.tensorboard.SummaryWriter",
    "lightning_fabric.Fabric": "lightning.fabric.Fabric",
    "wandb.wandb_run.Run": "wandb.Run",
    "cPickle.dumps": "pickle.dumps",
    "logging.root.info": "logging.info",
    "numpy.core.asarray": "numpy.asarray",
    "numpy.lib.npyio.save": "numpy.save",
    "numpy.core.shape_base.stack": "numpy.stack",
    "numpy.core.fromnumeric.argmax": "numpy.argmax",
    "numpy.core.numeric.asarray": "numpy.asarray",
    "numpy.core.multiarray.array": "numpy.array",
    "numpy._core.umath.exp": "numpy.exp",
    "numpy.core.function_base.linspace": "numpy.linspace",
    "numpy.core.einsumfunc.einsum": "numpy.einsum",
    "segmentation_models_pytorch.decoders.Unet": "segmentation_models_pytorch.Unet",
}


def _found(name: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = resolved(name)
    if found is None:
        pytest.skip(f"{name} is not in the installed version")
    return found


@pytest.mark.parametrize("path", SAME)
def test_one_thing_with_two_paths(path):
    assert MODELS.canonical(path) == SAME[path]
    assert _found(path) is _found(SAME[path]) or path.startswith("pytorch_lightning.")


@pytest.mark.parametrize("path", ALIKE)
def test_subclasses_under_the_name_of_their_base(path):
    assert MODELS.canonical(path) == ALIKE[path]
    assert issubclass(_found(path), _found(ALIKE[path]))


@pytest.mark.parametrize("path", ELSEWHERE)
def test_other_paths(path):
    assert MODELS.canonical(path) == ELSEWHERE[path]


@cache
def homes(package: str) -> dict[str, str]:
    """The full path of every public class of a package, by the module it is made in -> its public name."""
    public = importlib.import_module(package)
    return {
        f"{made.__module__}.{name}": f"{package}.{name}"
        for name, made in inspect.getmembers(public, inspect.isclass)
        if made.__module__.startswith(f"{package}.") and made.__name__ == name
    }


@pytest.mark.parametrize("package", ["torch.nn", "torch.distributions", "torch.optim"])
def test_classes_by_the_module_they_are_made_in(package):
    known = {path: name for path, name in homes(package).items() if MODELS.klass(name)}
    assert {path for path, name in known.items() if MODELS.canonical(path) != name} == set()
    assert len(known) > 10


def modules(package: str) -> Iterator[str]:
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
        yield found.name


def test_modules_and_distributions_by_their_packages():
    for name in modules("torch.nn.modules"):
        module = importlib.import_module(f"torch.nn.modules.{name}")
        for shown in getattr(module, "__all__", ()):
            if MODELS.klass(f"torch.nn.{shown}"):
                assert MODELS.canonical(f"torch.nn.modules.{name}.{shown}") == f"torch.nn.{shown}"
                assert MODELS.canonical(f"torch.nn.modules.{shown}") == f"torch.nn.{shown}"
    for name in modules("torch.distributions"):
        module = importlib.import_module(f"torch.distributions.{name}")
        for shown in getattr(module, "__all__", ()):
            found = getattr(torch.distributions, shown, None)
            if isinstance(found, type) and issubclass(found, torch.distributions.Distribution):
                assert (
                    MODELS.canonical(f"torch.distributions.{name}.{shown}") == f"torch.distributions.{shown}"
                )
    assert torch.distributions.kl.kl_divergence is torch.distributions.kl_divergence
    assert MODELS.canonical("torch.distributions.kl.kl_divergence") == "torch.distributions.kl_divergence"


TORCHMETRICS = """
classification regression aggregation image audio retrieval text clustering nominal segmentation shape wrappers
"""


@pytest.mark.parametrize("package", TORCHMETRICS.split())
def test_metrics_by_their_packages(package):
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    module = importlib.import_module(f"torchmetrics.{package}")
    for name in getattr(module, "__all__", ("MeanMetric", "CatMetric")):
        assert MODELS.canonical(f"torchmetrics.{package}.{name}") == f"torchmetrics.{name}"


@pytest.mark.parametrize("package", ["classification", "regression", "image", "audio"])
def test_functional_metrics_by_their_packages(package):
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    module = importlib.import_module(f"torchmetrics.functional.{package}")
    for name in module.__all__:
        assert (
            MODELS.canonical(f"torchmetrics.functional.{package}.{name}") == f"torchmetrics.functional.{name}"
        )


@pytest.mark.parametrize("path", ["torchmetrics.metric.Metric", "torchmetrics.collections.MetricCollection"])
def test_metrics_of_their_own(path):
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")
    assert MODELS.canonical(path) == f"torchmetrics.{path.rpartition('.')[2]}"
    assert _found(path) is _found(MODELS.canonical(path))
