"""Libraries that make arrays of tensors: they refuse one that requires grad, but only while grad mode is on.

Every public function of a library is called, and the models must name those that refuse a tensor, and no others.
"""

from __future__ import annotations

import importlib
import warnings
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import array_libraries
import numpy as np
import torch
from array_libraries import is_a_sink, refused, refuses, resolved
from observing import t
from sink_tables import ARGUMENTS, NO_SINKS, PANDAS

from detachlint import models

MODELS = models.load()
TENSORS = frozenset(
    {"derived", "view", "same", "into", "cut", "fresh", "leaf", "reduce", "pair", "packed", "argument"}
)


def disagreements(seen, sink) -> dict[str, str]:
    """Where what is seen of a library's functions is not what the models say of them."""
    wrong = {}
    for name, refusal in seen.items():
        model = MODELS.call(name) or models.Call()
        expected = sink if any(refusal) and name not in NO_SINKS else None
        if model.sink != expected:
            wrong[name] = f"{refusal}, the model says {model.sink}"
        elif expected == "numpy" and name not in ARGUMENTS and model.direct != refusal.direct:
            wrong[name] = f"{refusal}, the model says direct = {model.direct}"
        elif expected and (model.result in TENSORS or not model.deep):
            wrong[name] = f"gives an array, the model says {model.result}, deep = {model.deep}"
    return wrong


def without_wildcards(seen):
    """Where a wildcard stands for a whole package, it must hold for what refuses; the rest it may say too much."""
    return {name: refusal for name, refusal in seen.items() if any(refusal)}


# Answers falsely, is refused for another reason, or warns: tested on its own.
ELSEWHERE = """
numpy.array_equal numpy.array_equiv numpy.from_dlpack numpy.fromiter numpy.float64 numpy.double
""".split()


@pytest.mark.parametrize("name", ["numpy", "numpy.linalg", "numpy.fft"])
def test_numpy(name):
    seen = dict(array_libraries.namespace(name))
    for other in ELSEWHERE:
        seen.pop(other, None)
    assert disagreements(seen, "numpy") == {}
    assert any(any(refusal) for refusal in seen.values())


RANDOM = """
choice normal permutation multinomial multivariate_normal binomial poisson beta gamma exponential dirichlet
"""


@cache
def _random():
    np.random.seed(0)
    generator = np.random.default_rng(0)
    seen = {f"numpy.random.{name}": getattr(np.random, name) for name in RANDOM.split()}
    seen |= {f"numpy.random.Generator.{name}": getattr(generator, name) for name in RANDOM.split()}
    return {name: refused(name, call) for name, call in seen.items()}


def test_numpy_random():
    assert {name for name, refusal in _random().items() if not any(refusal)} == set()
    assert disagreements(_random(), "numpy") == {}
    assert MODELS.call("numpy.random.default_rng").result == "numpy.random.Generator"
    for owner in ("numpy.random.Generator", "numpy.random.RandomState"):
        assert isinstance(resolved(owner), type)
        assert MODELS.klass(owner).kind == "object"


FILES_AND_ARRAYS = """
numpy.copyto numpy.fill_diagonal numpy.place numpy.put numpy.putmask numpy.save numpy.savetxt numpy.savez
numpy.savez_compressed numpy.testing.assert_allclose numpy.testing.assert_array_almost_equal
numpy.testing.assert_array_less numpy.testing.assert_array_equal numpy.testing.assert_equal
numpy.testing.assert_almost_equal numpy.ndarray.dot numpy.ndarray.searchsorted
"""


@cache
def _files_and_arrays():
    return {name: refused(name, resolved(name)) for name in FILES_AND_ARRAYS.split()}


def test_numpy_files_and_arrays():
    assert {name for name, refusal in _files_and_arrays().items() if not any(refusal)} == set()
    for name in _files_and_arrays():
        model = MODELS.call(name)
        assert model.sink == "numpy", name
        assert model.result == ("numpy.ndarray" if name.startswith("numpy.ndarray.") else "none"), name
    assert MODELS.klass("numpy.ndarray").kind == "array"
    assert MODELS.call("numpy.some_future_function").result == "numpy.ndarray"


def test_numpy_reductions_fail_on_a_bare_tensor_in_any_case():
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
    assert np.array_equal(tensor.detach(), tensor.detach())
    for name in ("numpy.array_equal", "numpy.array_equiv"):
        assert MODELS.call(name).sink == "numpy"
        assert MODELS.call(name).result == "plain"


def test_numpy_that_hands_a_tensor_back():
    """`float64 * t` and `squeeze(t)` stay tensors; `x += t` of a numpy number is an accumulation of tensors."""
    assert np.squeeze(t(1, 4)).requires_grad
    assert np.real(t(4)).requires_grad
    assert (np.float64(2) * t(4)).requires_grad
    total = np.float64(0)
    total += t()
    assert total.requires_grad
    with torch.no_grad():
        assert np.squeeze(t(1, 4)).requires_grad
    for name in ("squeeze", "real", "imag"):
        assert MODELS.call(f"numpy.{name}").sink is None
        assert MODELS.call(f"numpy.{name}").result == "view"
    for name in ("shape", "ndim", "size"):
        assert not MODELS.call(f"numpy.{name}").direct
        getattr(np, name)(t(4))


def test_an_array_on_the_left_fails_in_any_case():
    for tensor in (t(4), t(4).detach().requires_grad_()):
        for operate in (lambda v: np.ones(4) + v, lambda v: np.ones(4) * v):
            with pytest.raises((TypeError, RuntimeError)):
                operate(tensor)
    assert refuses(lambda v: v + np.ones(4), lambda v, n, m: (v,))


def test_methods_of_a_tensor():
    for name in ("numpy", "__array__"):
        assert refuses(lambda v, name=name: getattr(v, name)(), lambda v, n, m: (v,))
        assert MODELS.call(f"torch.Tensor.{name}").sink == "numpy"
        assert MODELS.call(f"torch.Tensor.{name}").result == "numpy.ndarray"
    assert isinstance(t(4).numpy(force=True), np.ndarray)
    assert MODELS.call("torch.Tensor.numpy").unless == "force"
    assert MODELS.call("torch.Tensor.__array__").unless is None
    shared = torch.rand(4, requires_grad=True) * 1
    shared.detach().numpy()[0] = 7
    assert shared[0] == 7


def test_a_parameter_is_refused_like_any_tensor():
    parameter = torch.nn.Parameter(torch.rand(4))
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        parameter.numpy()
    with torch.no_grad():
        assert isinstance(parameter.numpy(), np.ndarray)
    assert MODELS.method("torch.nn.Parameter", "numpy").sink == "numpy"


def test_assignment_to_an_array_refuses():
    assert refuses(lambda v: np.zeros(4).__setitem__(slice(None), v), lambda v, n, m: (v,))


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("pyplot")
def test_matplotlib():
    axes = array_libraries.axes()
    assert disagreements(axes, "array-library") == {}
    assert disagreements(array_libraries.pyplot_functions(), "array-library") == {}
    assert MODELS.call("matplotlib.figure.Figure.figimage").sink == "array-library"
    assert MODELS.call("matplotlib.figure.Figure.figimage").result == "plain"
    for name, refusal in axes.items():  # they draw, they return no data
        if any(refusal) and name not in NO_SINKS:
            assert MODELS.call(name).result == "plain", name


def three_dimensional() -> dict[str, bool]:
    from matplotlib import pyplot

    axes = pyplot.figure().add_subplot(projection="3d")
    return {
        "plot_surface": refuses(axes.plot_surface, lambda v, n, m: (m, m, m)),
        "plot_wireframe": refuses(axes.plot_wireframe, lambda v, n, m: (m, m, m)),
        "plot_trisurf": refuses(axes.plot_trisurf, lambda v, n, m: (v, v.flip(0) ** 2, v)),
        "plot3D": refuses(axes.plot3D, lambda v, n, m: (v, v, v)),
        "scatter3D": refuses(axes.scatter3D, lambda v, n, m: (v, v, v)),
    }


@pytest.mark.usefixtures("pyplot")
def test_three_dimensional_axes():
    seen = three_dimensional()
    assert seen == dict.fromkeys(seen, True)
    for name in seen:
        assert MODELS.call(f"matplotlib.axes.Axes.{name}").sink == "array-library"
        assert MODELS.call(f"matplotlib.axes.Axes.{name}").result == "plain"
        assert MODELS.call(f"mpl_toolkits.mplot3d.Axes3D.{name}").sink == "array-library"
        assert MODELS.call(f"mpl_toolkits.mplot3d.axes3d.Axes3D.{name}").sink == "array-library"


UNTOUCHED = """
text annotate title xlabel ylabel suptitle legend show savefig close grid tight_layout draw pause cla clf colorbar
"""
UNTOUCHED_BY_AXES = "text annotate set_title set_xlabel set_ylabel legend grid"


def test_matplotlib_text_takes_tensors(pyplot):
    pyplot.text(t(), t(), "here")
    pyplot.title(f"{t()}")
    pyplot.title(t())
    assert "grad_fn" in pyplot.gca().get_title()
    for name in UNTOUCHED.split():
        assert callable(getattr(pyplot, name))
        assert MODELS.call(f"matplotlib.pyplot.{name}").sink is None
        assert MODELS.call(f"matplotlib.pyplot.{name}").result == "plain"
    for name in UNTOUCHED_BY_AXES.split():
        assert callable(getattr(pyplot.gca(), name))
        assert MODELS.call(f"matplotlib.axes.Axes.{name}").sink is None
        assert MODELS.call(f"matplotlib.axes.Axes.{name}").result == "plain"


def test_matplotlib_figures_and_axes(pyplot):
    figure, axes = pyplot.subplots()
    of_subplots = MODELS.call("matplotlib.pyplot.subplots").result
    assert isinstance(axes, resolved(of_subplots[1]))
    assert isinstance(figure, resolved(of_subplots[0]))
    grid = pyplot.subplots(2, 2)[1]
    makes = {
        **dict.fromkeys(("matplotlib.pyplot.figure", "matplotlib.pyplot.gcf"), ()),
        **dict.fromkeys(("matplotlib.pyplot.gca", "matplotlib.pyplot.axes", "matplotlib.pyplot.subplot"), ()),
        "matplotlib.pyplot.subplot2grid": ((2, 2), (0, 0)),
        **dict.fromkeys(("matplotlib.pyplot.twinx", "matplotlib.pyplot.twiny"), ()),
        "matplotlib.figure.Figure.add_subplot": (figure,),
        "matplotlib.figure.Figure.add_axes": (figure, (0, 0, 1, 1)),
        "matplotlib.figure.Figure.gca": (figure,),
        "matplotlib.figure.Figure.subplots": (figure,),
        "matplotlib.axes.Axes.twinx": (axes,),
        "matplotlib.axes.Axes.twiny": (axes,),
        "matplotlib.axes.Axes.inset_axes": (axes, (0, 0, 1, 1)),
    }
    for name, arguments in makes.items():
        made = MODELS.call(name).result
        assert isinstance(resolved(name)(*arguments), resolved(made)), name
        assert MODELS.klass(made).kind == "object"
        assert MODELS.call(name).sink is None
    for method in ("flatten", "ravel"):  # of an array of Axes
        assert isinstance(
            getattr(grid, method)()[0], resolved(f"matplotlib.axes.Axes.{method}".rpartition(".")[0])
        )
        assert MODELS.method("matplotlib.axes.Axes", method).result == "matplotlib.axes.Axes"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("pyplot")
def test_seaborn():
    pytest.importorskip("seaborn", reason="seaborn is not installed")
    seen = array_libraries.seaborn_functions()
    said = {name: MODELS.call(name) for name in seen}
    assert {
        name for name in seen if seen[name] != bool(said[name] and said[name].sink == "array-library")
    } == set()
    assert {name for name in seen if seen[name] and said[name].result != "plain"} == set()


@pytest.mark.parametrize("name", PANDAS)
def test_pandas_and_polars(name):
    pytest.importorskip(name.partition(".")[0], reason=f"{name.partition('.')[0]} is not installed")
    assert is_a_sink(name, resolved(name))
    assert MODELS.call(name).sink == "array-library"
    assert MODELS.call(name).result == name
    assert MODELS.klass(name).kind == "array"


def test_pandas_keeps_single_numbers_as_objects():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    number = t()
    frame = pandas.DataFrame([{"loss": number}])
    assert frame["loss"][0].requires_grad
    assert "grad_fn" in frame.to_csv()
    assert pandas.Series([number])[0] is number
    assert pandas.Series(number)[0] is number
    frame["also"] = number
    assert frame["also"][0] is number
    grown = pandas.DataFrame({"step": [0], "loss": [0.0]}).astype(object)
    grown.loc[len(grown)] = [1, number]
    assert grown["loss"][1] is number
    assert MODELS.call("pandas.DataFrame").deep
    assert MODELS.call("pandas.Series").deep


def test_pandas_that_fails_in_its_own_words():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for accessor in ("loc", "at"):
        frame = pandas.DataFrame({"x": [0.0]})
        for number in (t(), t().detach()):
            with pytest.raises(AttributeError, match="has no attribute 'kind'"):
                getattr(frame, accessor)[0, "x"] = number
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        pandas.DataFrame({"x": [0.0] * 4})["y"] = t(4)


def test_polars_makes_numbers_of_lists():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert polars.Series([t(), t()]).dtype == polars.Float64
    assert not MODELS.call("polars.Series").deep
    assert polars.DataFrame({"a": [t(), t()]})["a"].dtype == polars.Float64


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pandas.DataFrame.from_dict", ({"a": [1]},)),
        ("pandas.DataFrame.from_records", ([{"a": 1}],)),
        ("pandas.concat", ([],)),
        ("pandas.merge", ()),
        ("pandas.read_csv", ()),
        ("pandas.read_json", ()),
        ("pandas.read_parquet", ()),
    ],
)
def test_frames_by_other_ways(name, arguments):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    if arguments and name != "pandas.concat":
        assert isinstance(resolved(name)(*arguments), pandas.DataFrame)
    assert callable(resolved(name))
    assert MODELS.call(name).result == "pandas.DataFrame"
    assert MODELS.call(name).sink is None


@pytest.mark.filterwarnings("ignore")
def test_sklearn_metrics():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    seen = without_wildcards(array_libraries.namespace("sklearn.metrics"))
    assert len(seen) > 50
    assert disagreements(seen, "array-library") == {}
    for name in ("make_scorer", "get_scorer", "get_scorer_names"):
        assert callable(resolved(f"sklearn.metrics.{name}"))
        assert MODELS.call(f"sklearn.metrics.{name}").sink is None
        assert MODELS.call(f"sklearn.metrics.{name}").result == "plain"


LABELS_OF_ROWS = np.array([0, 0, 1, 1])


def test_sklearn_metrics_of_rows():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    assert refuses(metrics.silhouette_score, lambda v, n, m: (m, LABELS_OF_ROWS))
    for take in (lambda v: (v > 0.5).int(), lambda v: (v * 2).long()):
        tensor = take(t(4))
        metrics.accuracy_score(tensor, tensor)


def test_sklearn_preprocessing():
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is not installed")
    functions = {
        name: refusal
        for name, refusal in array_libraries.namespace("sklearn.preprocessing").items()
        if not isinstance(resolved(name), type) and not name.endswith("label_binarize")
    }
    assert disagreements(functions, "array-library") == {}
    assert refuses(lambda v: preprocessing.label_binarize(v.round(), classes=[0, 1]), lambda v, n, m: (v,))
    assert MODELS.call("sklearn.preprocessing.label_binarize").sink == "array-library"
    assert MODELS.call("sklearn.preprocessing.label_binarize").result == "numpy.ndarray"
    for name in ("sklearn.utils.check_array", "sklearn.utils.validation.check_array"):
        assert refuses(resolved(name), lambda v, n, m: (m,))
        assert MODELS.call(name).sink == "array-library"
        assert MODELS.call(name).result == "numpy.ndarray"


METHODS = """
predict predict_proba predict_log_proba decision_function transform inverse_transform fit_transform fit_predict
score score_samples kneighbors fit partial_fit
"""


@cache
def _estimators() -> dict[str, bool]:
    """Method -> do all estimators tried refuse?"""
    from sklearn import cluster, decomposition, linear_model, neighbors, preprocessing

    seen: dict[str, list[bool]] = {}
    made = (
        decomposition.PCA(),
        preprocessing.StandardScaler(),
        cluster.KMeans(n_clusters=2, n_init=1),
        linear_model.LinearRegression(),
        linear_model.LogisticRegression(),
        linear_model.SGDClassifier(),
        neighbors.KNeighborsClassifier(n_neighbors=2),
    )
    for estimator in made:
        estimator.fit(np.eye(4), LABELS_OF_ROWS)
    for method in METHODS.split():
        for estimator in made:
            call = getattr(estimator, method, None)
            if call:
                ways = (lambda v, n, m: (m.double(),), lambda v, n, m: (m.double(), LABELS_OF_ROWS))
                seen.setdefault(method, []).append(any(refuses(call, way) for way in ways))
    return {method: all(refusals) for method, refusals in seen.items()}


@pytest.mark.filterwarnings("ignore")
def test_sklearn_estimators():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert _estimators() == dict.fromkeys(METHODS.split(), True)
    for method in METHODS.split():
        for estimator in ("sklearn.decomposition.PCA", "sklearn.base.BaseEstimator"):
            model = MODELS.method(estimator, method)
            assert model.sink == "array-library", method
            assert model.result == ("same" if method in ("fit", "partial_fit") else "numpy.ndarray"), method


# Packages that hold estimators; sklearn's other packages hold none of their own.
PACKAGES = """
calibration cluster covariance cross_decomposition decomposition discriminant_analysis dummy ensemble
feature_selection gaussian_process impute isotonic kernel_approximation kernel_ridge linear_model manifold mixture
multiclass naive_bayes neighbors neural_network pipeline preprocessing random_projection svm tree
"""


@pytest.mark.parametrize("package", PACKAGES.split())
def test_sklearn_packages_hold_estimators(package):
    base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    module = importlib.import_module(f"sklearn.{package}")
    estimators = [
        name
        for name in dir(module)
        if not name.startswith("_")
        and isinstance(getattr(module, name), type)
        and issubclass(getattr(module, name), base.BaseEstimator)
    ]
    assert estimators
    for name in estimators:
        lineage = [model.name for model in MODELS.lineage(f"sklearn.{package}.{name}")]
        assert lineage[-1] == "sklearn.base.BaseEstimator", name


SCIPY = """
scipy.optimize scipy.linalg scipy.signal scipy.ndimage scipy.interpolate scipy.integrate scipy.fft
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCIPY.split())
def test_scipy(name):
    pytest.importorskip("scipy", reason="scipy is not installed")
    assert disagreements(array_libraries.namespace(name), "array-library") == {}


WILDCARDS = """
scipy.stats.pearsonr scipy.stats.spearmanr scipy.stats.entropy scipy.stats.zscore scipy.stats.describe
scipy.stats.norm.pdf scipy.special.softmax scipy.special.expit scipy.special.logsumexp scipy.special.erf
scipy.spatial.distance.cdist scipy.spatial.distance.cosine scipy.spatial.distance.euclidean
"""


@cache
def _by_wildcard():
    return {name: refused(name, resolved(name)) for name in WILDCARDS.split()}


@pytest.mark.filterwarnings("ignore")
def test_scipy_by_wildcard():
    pytest.importorskip("scipy", reason="scipy is not installed")
    assert all(any(refusal) for refusal in _by_wildcard().values())
    assert disagreements(_by_wildcard(), "array-library") == {}


def test_scipy_files():
    pytest.importorskip("scipy", reason="scipy is not installed")
    assert is_a_sink("scipy.io.savemat", resolved("scipy.io.savemat"))
    assert MODELS.call("scipy.io.savemat").sink == "array-library"
    assert MODELS.call("scipy.io.savemat").result == "none"


def test_the_oracle_sees_what_it_should():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert refuses(np.asarray, lambda v, n, m: (v,))
        assert not refuses(np.asarray, lambda v, n, m: (v.detach(),))
        assert not refuses(np.shape, lambda v, n, m: (v,))
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        refuses(np.shape, lambda v, n, m: (m + np.eye(4),))
