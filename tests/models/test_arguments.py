"""Which arguments a call looks at: the parameters are named here, their places are the real signatures'."""

from __future__ import annotations

import inspect

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from array_libraries import refuses, resolved
from observing import t

from detachlint import models

MODELS = models.load()
# Function -> the parameters a tensor is looked for in.
PARAMETERS = {
    "builtins.float": "x",
    "builtins.complex": "real",
    "copy.deepcopy": "x",
    "dataclasses.asdict": "obj",
    "dataclasses.astuple": "obj",
    "pickle.dump": "obj",
    "pickle.dumps": "obj",
    "cloudpickle.dump": "obj",
    "cloudpickle.dumps": "obj",
    "joblib.dump": "value",
    "random.choices": "weights cum_weights",
    "multiprocessing.queues.Queue.put": "obj",
    "multiprocessing.queues.Queue.put_nowait": "obj",
    "multiprocessing.queues.SimpleQueue.put": "obj",
    "multiprocessing.connection.Connection.send": "obj",
    "csv.DictWriter.writerow": "rowdict",
    "csv.DictWriter.writerows": "rowdicts",
    "torch.save": "obj",
    "torch.utils.dlpack.from_dlpack": "ext_tensor",
    "torch.autograd.backward": "tensors",
    "torch.nn.Parameter": "data",
    "torch.utils.tensorboard.SummaryWriter.add_hparams": "metric_dict",
    "scipy.io.savemat": "mdict",
    "sklearn.utils.check_array": "array",
    "sklearn.utils.validation.check_array": "array",
    "tqdm.tqdm.update": "n",
    "mlflow.log_metric": "value",
    "mlflow.log_metrics": "metrics",
    "mlflow.log_param": "value",
    "mlflow.log_params": "params",
    "mlflow.MlflowClient.log_metric": "value",
    "mlflow.tracking.MlflowClient.log_metric": "value",
    "wandb.sdk.wandb_run.Run.log": "data",
    "wandb.Histogram": "sequence",
    "wandb.Table": "data rows",
    "wandb.Image": "data_or_path",
    "lightning.pytorch.LightningModule.log": "value",
    "lightning.pytorch.LightningModule.log_dict": "dictionary",
    "lightning.fabric.Fabric.log": "value",
    "lightning.fabric.Fabric.log_dict": "metrics",
    **{
        f"lightning.pytorch.loggers.{name}.log_metrics": "metrics"
        for name in """
        CSVLogger TensorBoardLogger WandbLogger MLFlowLogger CometLogger Logger
        """.split()
    },
}
# The same under another name, or without a signature that Python can show.
LIKE = {
    "multiprocessing.Queue.put": "multiprocessing.queues.Queue.put",
    "multiprocessing.Queue.put_nowait": "multiprocessing.queues.Queue.put_nowait",
    "multiprocessing.JoinableQueue.put": "multiprocessing.queues.Queue.put",
    "multiprocessing.JoinableQueue.put_nowait": "multiprocessing.queues.Queue.put_nowait",
    "multiprocessing.SimpleQueue.put": "multiprocessing.queues.SimpleQueue.put",
    "wandb.log": "wandb.sdk.wandb_run.Run.log",
    "wandb.Run.log": "wandb.sdk.wandb_run.Run.log",
    "tqdm.trange.update": "tqdm.tqdm.update",
    "tqdm.tqdm_notebook.update": "tqdm.tqdm.update",
    "csv.Writer.writerow": (0, "rowdict", "rowdicts"),
    "csv.Writer.writerows": (0, "rowdict", "rowdicts"),
    "accelerate.Accelerator.log": (0, "values"),
    "lightning.pytorch.loggers.NeptuneLogger.log_metrics": "lightning.pytorch.loggers.Logger.log_metrics",
    "dill.dump": "pickle.dump",
    "dill.dumps": "pickle.dumps",
    "torch.nn.UninitializedParameter": "torch.nn.Parameter",
}
OPTIONAL = (
    "cloudpickle",
    "joblib",
    "mlflow",
    "wandb",
    "accelerate",
    "lightning",
    "scipy",
    "sklearn",
    "tqdm",
    "torch.utils.tensorboard",
)


def places(name: str) -> set[int | str]:
    """Where these parameters can be given: a position (the receiver does not count), a keyword."""
    function = resolved(name)
    signature = list(inspect.signature(function).parameters.values())
    method = not inspect.isclass(function) and signature[0].name == "self"
    found: set[int | str] = set()
    for position, parameter in enumerate(signature[method:]):
        if parameter.name in PARAMETERS[name].split():
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                found.add(position)
            if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
                found.add(parameter.name)
    return found


@pytest.mark.parametrize("name", PARAMETERS)
def test_arguments(name):
    if name.startswith(OPTIONAL):
        pytest.importorskip(name.partition(".")[0], exc_type=ImportError)
    if name in ("builtins.float", "builtins.complex"):
        assert MODELS.call(name).arguments == (0,)
        assert not MODELS.call(name).deep
        with pytest.raises(TypeError):
            resolved(name)([t()])
        return
    said = set(MODELS.call(name).arguments)
    expected = places(name)
    assert len(expected) >= len(PARAMETERS[name].split())
    assert {place for place in said if isinstance(place, int)} == {p for p in expected if isinstance(p, int)}
    # One entry speaks for functions whose parameters have different names: more keywords do no harm.
    assert {place for place in expected if isinstance(place, str)} <= said
    assert not said & {"*", "**", "self"}


@pytest.mark.parametrize("name", LIKE)
def test_arguments_of_the_like(name):
    expected = LIKE[name]
    if isinstance(expected, str):
        expected = MODELS.call(expected).arguments
    assert MODELS.call(name).arguments == expected


def test_logs_show_positional_arguments_only():
    for name in ("logging.info", "logging.Logger.error", "logging.LoggerAdapter.log", "absl.logging.info"):
        assert MODELS.call(name).arguments == ("*",)


def test_estimators_take_data_by_position_or_name():
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is not installed")
    scaler = preprocessing.StandardScaler()
    assert refuses(lambda m: scaler.fit(X=m), lambda v, n, m: (m,))
    linear = pytest.importorskip("sklearn.linear_model").LinearRegression()
    assert refuses(lambda m, v: linear.fit(m.detach(), y=v), lambda v, n, m: (m, v))
    for method in ("fit", "predict", "transform"):
        assert MODELS.method("sklearn.linear_model.LinearRegression", method).arguments == ("*", "X", "y")


def test_writers_take_tensors_anywhere():
    for method in ("add_scalar", "add_histogram", "add_image"):
        assert MODELS.call(f"torch.utils.tensorboard.SummaryWriter.{method}").arguments == ("*", "**")


def test_every_entry_that_names_arguments_is_here():
    """But for those that take a number: each of their arguments is tried under torch, in a file of its own."""
    usual = {("*", "**"), ("self",), ("*",), ("*", "X", "y")}
    named = {
        name for name, call in MODELS.calls.items() if call.arguments not in usual and call.sink != "scalar"
    }
    canonical = {MODELS.canonical(name) for name in (*PARAMETERS, *LIKE)}
    assert named - canonical == set()
