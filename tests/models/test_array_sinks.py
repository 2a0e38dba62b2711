"""Libraries that make arrays of tensors: they refuse one that requires grad, but only while grad mode is on."""

from __future__ import annotations

import importlib
import warnings

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import numpy as np
import torch
from observing import t
from sink_tables import ARGUMENTS, GUESSES, PANDAS

from detachlint import models

MODELS = models.load()
REFUSAL = "Can't call numpy() on Tensor that requires grad"


def tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return t(4), t(), t(4, 4)


def refuses(call, arguments) -> bool:
    """Does it raise with grad mode on, and only then?"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call(*arguments(*tensors()))
        except RuntimeError as error:
            if REFUSAL not in str(error):
                return False
        except Exception:
            return False
        else:
            return False
        given = tensors()
        with torch.no_grad():
            try:
                call(*arguments(*given))
            except Exception:
                return False
    return True


def is_a_sink(name, call) -> bool:
    table = {**ARGUMENTS, **PANDAS}
    return any(refuses(call, guess) for guess in ([table[name]] if name in table else GUESSES))


def resolved(name):
    """The function or method of this name."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found
    return None


def sinks(*prefixes, sink) -> list[str]:
    return [
        name
        for name, call in MODELS.calls.items()
        if call.sink == sink and name.startswith(prefixes) and not name.endswith(".*")
    ]


def test_numpy():
    np.random.seed(0)
    missed = []
    for name in sinks("numpy.", sink="numpy"):
        call = resolved(name)
        if name.startswith("numpy.random.Generator."):
            call = getattr(np.random.default_rng(0), name.rpartition(".")[2])
        if name not in ("numpy.array_equal", "numpy.array_equiv") and call and not is_a_sink(name, call):
            missed.append(name)
    assert missed == []
    assert len(sinks("numpy.", sink="numpy")) > 300


def test_numpy_reductions_refuse_lists_and_fail_on_a_bare_tensor_in_any_case():
    for name in sinks("numpy.", sink="numpy"):
        if not MODELS.calls[name].direct:
            call = resolved(name)
            assert refuses(call, lambda v, n, m: ([n, n],)) or refuses(call, lambda v, n, m: ([v, v],)), name
            assert not refuses(call, lambda v, n, m: (v,)), name
    for name in ("mean", "sum", "max", "std"):
        assert not MODELS.call(f"numpy.{name}").direct
        with pytest.raises(TypeError):
            getattr(np, name)(t(4).detach())


def test_numpy_answers_falsely():
    tensor = t(4)
    assert not np.array_equal(tensor, tensor)
    assert not np.array_equiv(tensor, tensor)
    with torch.no_grad():
        assert np.array_equal(tensor, tensor)
        assert np.array_equiv(tensor, tensor)
    assert MODELS.call("numpy.array_equal").sink == MODELS.call("numpy.array_equiv").sink == "numpy"


def test_numpy_that_hands_a_tensor_back():
    assert np.squeeze(t(1, 4)).requires_grad
    assert np.real(t(4)).requires_grad
    for name in ("squeeze", "real", "imag"):
        assert MODELS.call(f"numpy.{name}").sink is None
    for name in ("shape", "ndim", "size"):
        assert not MODELS.call(f"numpy.{name}").direct
        getattr(np, name)(t(4))


def test_methods_of_a_tensor():
    for name in ("numpy", "__array__"):
        assert refuses(lambda v, name=name: getattr(v, name)(), lambda v, n, m: (v,))
        assert MODELS.call(f"torch.Tensor.{name}").sink == "numpy"
    assert isinstance(t(4).numpy(force=True), np.ndarray)
    assert MODELS.call("torch.Tensor.numpy").unless == "force"


def test_assignment_to_an_array_refuses():
    assert refuses(lambda v: np.zeros(4).__setitem__(slice(None), v), lambda v, n, m: (v,))


def test_matplotlib():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    missed = []
    _, axes = pyplot.subplots(figsize=(1, 1))
    for name in sinks("matplotlib.axes.Axes.", sink="array-library"):
        method = name.rpartition(".")[2]
        call = getattr(axes, method, None)
        if call and not is_a_sink(name, call):
            missed.append(name)
        axes.clear()
    pyplot.close("all")
    assert missed == []
    assert pyplot.plot.__module__ == "matplotlib.pyplot"


@pytest.mark.parametrize(
    "name", ["plot", "scatter", "bar", "hist", "imshow", "imsave", "errorbar", "axhline"]
)
def test_pyplot(name):
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    assert is_a_sink(f"matplotlib.pyplot.{name}", getattr(pyplot, name))
    assert MODELS.call(f"matplotlib.pyplot.{name}").sink == "array-library"
    pyplot.close("all")


def test_pyplot_knows_what_axes_know():
    methods = {name.rpartition(".")[2] for name in sinks("matplotlib.axes.Axes.", sink="array-library")}
    functions = {name.rpartition(".")[2] for name in sinks("matplotlib.pyplot.", sink="array-library")}
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib import pyplot

    assert {name for name in methods - functions if hasattr(pyplot, name)} == set()


def test_matplotlib_text_takes_tensors():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.text(t(), t(), "here")
    pyplot.title(f"{t()}")
    pyplot.close("all")
    assert MODELS.call("matplotlib.pyplot.text").sink is None
    figure, axes = pyplot.subplots()
    assert isinstance(axes, resolved(MODELS.call("matplotlib.pyplot.subplots").result[1]))
    assert isinstance(figure, resolved(MODELS.call("matplotlib.pyplot.subplots").result[0]))
    assert isinstance(
        figure.add_subplot(), resolved(MODELS.call("matplotlib.figure.Figure.add_subplot").result)
    )
    pyplot.close("all")


SEABORN = (
    lambda call: lambda v, n, m: call(x=v, y=v),
    lambda call: lambda v, n, m: call(v),
    lambda call: lambda v, n, m: call(x=v),
    lambda call: lambda v, n, m: call(m),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [name.rpartition(".")[2] for name in sinks("seaborn.", sink="array-library")]
)
def test_seaborn(name):
    seaborn = pytest.importorskip("seaborn", reason="seaborn is not installed")
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("Agg")
    call = getattr(seaborn, name)
    assert any(refuses(way(call), lambda v, n, m: (v, n, m)) for way in SEABORN)
    pyplot.close("all")


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_and_polars(name):
    pytest.importorskip(name.partition(".")[0], reason=f"{name.partition('.')[0]} is not installed")
    assert is_a_sink(name, resolved(name))
    assert MODELS.call(name).sink == "array-library"


def test_pandas_keeps_single_numbers_as_objects():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame([{"loss": t()}])
    assert frame["loss"][0].requires_grad
    assert MODELS.call("pandas.DataFrame").deep
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert polars.Series([t(), t()]).dtype == polars.Float64
    assert not MODELS.call("polars.Series").deep


METRICS = """
accuracy_score average_precision_score balanced_accuracy_score confusion_matrix f1_score log_loss max_error
mean_absolute_error mean_squared_error precision_recall_curve precision_score r2_score recall_score roc_auc_score
roc_curve silhouette_score pairwise_distances euclidean_distances
"""


@pytest.mark.parametrize("name", METRICS.split())
def test_sklearn_metrics(name):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    call = getattr(metrics, name)
    arguments = [*GUESSES, lambda v, n, m: (m, LABELS_OF_ROWS)]
    assert any(refuses(call, guess) for guess in arguments)
    assert MODELS.call(f"sklearn.metrics.{name}").sink == "array-library"


LABELS_OF_ROWS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    "name", [name.rpartition(".")[2] for name in sinks("sklearn.preprocessing.", sink="array-library")]
)
def test_sklearn_preprocessing(name):
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is not installed")
    call = getattr(preprocessing, name)
    if name == "label_binarize":
        assert refuses(lambda v: call(v.round(), classes=[0, 1]), lambda v, n, m: (v,))
        return
    assert is_a_sink(name, call)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.decomposition.PCA",
        "sklearn.preprocessing.StandardScaler",
        "sklearn.cluster.KMeans",
        "sklearn.linear_model.LinearRegression",
        "sklearn.neighbors.KNeighborsClassifier",
    ],
)
def test_sklearn_estimators(estimator):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    options = {"KMeans": {"n_clusters": 2, "n_init": 1}, "KNeighborsClassifier": {"n_neighbors": 2}}

    def make():
        return resolved(estimator)(**options.get(estimator.rpartition(".")[2], {}))

    needs_labels = estimator.rpartition(".")[2].startswith(("Linear", "KN"))
    rest = (LABELS_OF_ROWS,) if needs_labels else ()
    assert refuses(lambda m: make().fit(m, *rest), lambda v, n, m: (m,))
    fitted = make().fit(np.eye(4), *rest)
    for method in ("predict", "transform"):
        if hasattr(fitted, method):
            assert refuses(getattr(fitted, method), lambda v, n, m: (m.double(),))
            assert MODELS.method(estimator, method).sink == "array-library"
    assert MODELS.method(estimator, "fit").sink == "array-library"
    assert MODELS.method(estimator, "fit").result == "same"


def test_scipy():
    pytest.importorskip("scipy", reason="scipy is not installed")
    missed = [
        name
        for name in sinks("scipy.", sink="array-library")
        if resolved(name) and not is_a_sink(name, resolved(name))
    ]
    assert missed == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "stats.pearsonr",
            "stats.spearmanr",
            "stats.entropy",
            "stats.zscore",
            "stats.describe",
            "stats.norm.pdf",
        ),
        *("special.softmax", "special.expit", "special.logsumexp", "special.erf"),
        *("spatial.distance.cdist", "spatial.distance.cosine", "spatial.distance.euclidean"),
    ],
)
def test_scipy_by_wildcard(name):
    pytest.importorskip("scipy", reason="scipy is not installed")
    assert is_a_sink(f"scipy.{name}", resolved(f"scipy.{name}"))
    assert MODELS.call(f"scipy.{name}").sink == "array-library"
