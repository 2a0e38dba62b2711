"""Grad modes, autograd and distributions: what turns tracking off, what only seems to."""

from __future__ import annotations

import asyncio
import inspect
import threading
import warnings

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from observing import c, flat, graded, outcome, t
from torch import distributions as dist
from torch import nn

from detachlint import models

MODELS = models.load()


def tracks() -> bool:
    return (torch.rand(3, requires_grad=True) * 1).requires_grad


MODES = {
    "torch.no_grad": (torch.no_grad, "grad-off", False),
    "torch.inference_mode": (torch.inference_mode, "grad-never", False),
    "torch.enable_grad": (torch.enable_grad, "grad-on", True),
    "torch.autograd.no_grad": (torch.autograd.no_grad, "grad-off", False),
    "torch.autograd.grad_mode.no_grad": (torch.autograd.grad_mode.no_grad, "grad-off", False),
    "torch.autograd.grad_mode.set_grad_enabled": (
        lambda: torch.autograd.grad_mode.set_grad_enabled(False),
        "grad-argument",
        False,
    ),
    "torch.set_grad_enabled": (lambda: torch.set_grad_enabled(True), "grad-argument", True),
}


@pytest.mark.parametrize("name", MODES)
def test_modes(name):
    mode, result, tracking = MODES[name]
    assert MODELS.call(name).result == result
    with mode():
        assert tracks() is tracking
    assert tracks()
    assert mode()(tracks)() is tracking
    if name.endswith(("no_grad", "inference_mode", "enable_grad")):
        assert mode(tracks)() is tracking


def test_inference_mode_false_tracks():
    with torch.inference_mode(False):
        assert tracks()


def test_set_grad_enabled_as_a_statement():
    torch.set_grad_enabled(False)
    try:
        assert not tracks()
    finally:
        torch.set_grad_enabled(True)
    assert tracks()


def test_a_bare_no_grad_does_nothing():
    torch.no_grad()
    assert tracks()


def test_modes_inside_modes():
    with torch.no_grad(), torch.enable_grad():
        assert tracks()
    with torch.inference_mode(), torch.enable_grad():
        tensor = torch.rand(3)
        assert not (tensor * 1).requires_grad
        assert not tracks()


def test_a_coroutine_runs_after_the_decorator_is_left():
    @torch.no_grad()
    async def step():
        return tracks()

    assert asyncio.run(step())


def test_a_class_is_wrapped_only_where_it_is_made():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        @torch.no_grad()
        class Thing:
            def __init__(self):
                self.tracked = tracks()

            def step(self):
                return tracks()

    assert not Thing().tracked
    assert Thing().step()


def test_a_new_thread_tracks():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(tracks()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_generators():
    @torch.no_grad()
    def decorated():
        yield tracks()

    def inside():
        with torch.no_grad():
            yield tracks()

    assert list(decorated()) == [False]
    assert list(inside()) == [False]
    suspended = inside()
    next(suspended)
    assert not tracks()  # the suspended generator's mode leaks into its caller
    suspended.close()
    assert tracks()


def test_no_grad_does_not_clean_what_exists():
    tensor = t(2, 2)
    with torch.no_grad():
        for view in (
            tensor.view(4),
            tensor.t(),
            tensor[0],
            tensor.cpu(),
            tensor.float(),
            tensor.contiguous(),
        ):
            assert view.requires_grad
        for result in (tensor * 1, tensor.clone(), tensor.sum()):
            assert not result.requires_grad
        tensor.numpy()
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        view.numpy()
    for name in ("view", "t", "__getitem__", "cpu", "float", "contiguous"):
        assert MODELS.call(f"torch.Tensor.{name}").result == "view"
    for name in ("mul", "clone", "sum"):
        assert MODELS.call(f"torch.Tensor.{name}").result == "derived"


def test_parameters_made_under_no_grad_require_grad():
    with torch.no_grad():
        assert nn.Parameter(torch.rand(3)).requires_grad
        assert nn.Linear(3, 1).weight.requires_grad
    assert MODELS.call("torch.nn.Parameter").result == "leaf"


# --- autograd and its neighbours ---


def test_backward_in_all_its_forms():
    for name in ("torch.Tensor.backward", "torch.autograd.backward"):
        assert MODELS.call(name).result == "backward"
    leaf = torch.rand(3, requires_grad=True)
    torch.autograd.backward(leaf.sin().sum())
    torch.autograd.backward([leaf.sin().sum(), leaf.cos().sum()])
    assert leaf.grad is not None
    with torch.no_grad(), pytest.raises(RuntimeError, match="does not require grad"):
        leaf.sin().sum().backward()


def test_gradients_are_free_unless_a_graph_is_asked_for():
    leaf = torch.rand(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(leaf.sin().sum(), leaf)
    assert not gradient.requires_grad
    (gradient,) = torch.autograd.grad(leaf.sin().sum(), leaf, create_graph=True)
    assert gradient.requires_grad
    assert MODELS.call("torch.autograd.grad").result == "cut"


def test_an_own_function():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2

    assert Double.apply(t(3)).requires_grad
    assert not Double.apply(c(3)).requires_grad
    assert MODELS.method("torch.autograd.Function", "apply").result == "derived"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("enabled", [True, False])
def test_gradient_scaler(enabled):
    scaler = torch.amp.GradScaler("cpu", enabled=enabled)
    assert scaler.scale(t()).requires_grad
    tensor = t()
    with torch.no_grad():
        assert scaler.scale(tensor).requires_grad is not enabled
    assert MODELS.method("torch.cuda.amp.GradScaler", "scale").result == "view"
    assert isinstance(scaler.get_scale(), float)


def test_autocast_changes_nothing():
    with torch.autocast("cpu"):
        assert tracks()
    assert MODELS.call("torch.autocast").result == "plain"


def test_functional_call():
    linear = nn.Linear(3, 1)
    assert torch.func.functional_call(linear, dict(linear.named_parameters()), (c(3),)).requires_grad
    assert not torch.func.functional_call(linear, linear.state_dict(), (c(3),)).requires_grad
    assert MODELS.call("torch.func.functional_call").result == "derived"


def test_functions_of_functions():
    for name, mapped in (
        ("torch.vmap", torch.vmap(torch.sin)),
        ("torch.func.vmap", torch.func.vmap(torch.sin)),
    ):
        assert mapped(t(3)).requires_grad
        assert MODELS.call(name).result == "argument"


def test_norms_of_gradients_are_free():
    for name in ("clip_grad_norm_",):
        assert not getattr(nn.utils, name)([graded()], 1.0).requires_grad
        assert MODELS.call(f"torch.nn.utils.{name}").result == "cut"
    assert nn.utils.clip_grad_value_([graded()], 1.0) is None


def test_optimizers():
    parameter = nn.Parameter(torch.rand(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1)

    def closure():
        loss = parameter.sin().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).requires_grad
    assert MODELS.method("torch.optim.SGD", "step") is None
    assert True not in flat(outcome(list(optimizer.state_dict().values())))
    for name in MODELS.classes:
        if name.startswith("torch.optim.") and not name.endswith("*"):
            assert issubclass(getattr(torch.optim, name.rpartition(".")[2]), torch.optim.Optimizer)
            assert MODELS.klass(name).kind == "optimizer"
    known = [name for name in dir(torch.optim) if inspect.isclass(getattr(torch.optim, name))]
    for name in known:
        if issubclass(getattr(torch.optim, name), torch.optim.Optimizer):
            assert MODELS.klass(f"torch.optim.{name}").kind == "optimizer", name
    assert MODELS.klass("torch.optim.lr_scheduler.StepLR").kind == "object"


# --- distributions ---

P = {
    "Bernoulli": lambda: dist.Bernoulli(t(3)),
    "Beta": lambda: dist.Beta(t(3), t(3)),
    "Binomial": lambda: dist.Binomial(5, t(3)),
    "Categorical": lambda: dist.Categorical(logits=t(3)),
    "Cauchy": lambda: dist.Cauchy(t(3), t(3)),
    "Chi2": lambda: dist.Chi2(t(3)),
    "ContinuousBernoulli": lambda: dist.ContinuousBernoulli(t(3)),
    "Dirichlet": lambda: dist.Dirichlet(t(3)),
    "Exponential": lambda: dist.Exponential(t(3)),
    "FisherSnedecor": lambda: dist.FisherSnedecor(t(3), t(3) + 4),
    "Gamma": lambda: dist.Gamma(t(3), t(3)),
    "GeneralizedPareto": lambda: dist.GeneralizedPareto(t(3), t(3), t(3)),
    "Geometric": lambda: dist.Geometric(t(3)),
    "Gumbel": lambda: dist.Gumbel(t(3), t(3)),
    "HalfCauchy": lambda: dist.HalfCauchy(t(3)),
    "HalfNormal": lambda: dist.HalfNormal(t(3)),
    "Independent": lambda: dist.Independent(dist.Normal(t(3), t(3)), 1),
    "InverseGamma": lambda: dist.InverseGamma(t(3) + 2, t(3)),
    "Kumaraswamy": lambda: dist.Kumaraswamy(t(3), t(3)),
    "LKJCholesky": lambda: dist.LKJCholesky(3, t(1)),
    "Laplace": lambda: dist.Laplace(t(3), t(3)),
    "LogNormal": lambda: dist.LogNormal(t(3), t(3)),
    "LogisticNormal": lambda: dist.LogisticNormal(t(3), t(3)),
    "LowRankMultivariateNormal": lambda: dist.LowRankMultivariateNormal(t(3), t(3, 2), t(3)),
    "MixtureSameFamily": lambda: dist.MixtureSameFamily(
        dist.Categorical(logits=t(3)), dist.Normal(t(3), t(3))
    ),
    "Multinomial": lambda: dist.Multinomial(5, t(3)),
    "MultivariateNormal": lambda: dist.MultivariateNormal(t(2), torch.eye(2) + t(1) ** 2 * torch.eye(2)),
    "NegativeBinomial": lambda: dist.NegativeBinomial(5, t(3)),
    "Normal": lambda: dist.Normal(t(3), t(3)),
    "OneHotCategorical": lambda: dist.OneHotCategorical(logits=t(3)),
    "OneHotCategoricalStraightThrough": lambda: dist.OneHotCategoricalStraightThrough(logits=t(3)),
    "Pareto": lambda: dist.Pareto(t(3), t(3) + 3),
    "Poisson": lambda: dist.Poisson(t(3)),
    "RelaxedBernoulli": lambda: dist.RelaxedBernoulli(t(1), logits=t(3)),
    "RelaxedOneHotCategorical": lambda: dist.RelaxedOneHotCategorical(t(1), logits=t(3)),
    "StudentT": lambda: dist.StudentT(t(3) + 3, t(3), t(3)),
    "TransformedDistribution": lambda: dist.TransformedDistribution(
        dist.Normal(t(3), t(3)), [dist.transforms.TanhTransform()]
    ),
    "Uniform": lambda: dist.Uniform(t(3), t(3) + 1),
    "VonMises": lambda: dist.VonMises(t(3), t(3)),
    "Weibull": lambda: dist.Weibull(t(3), t(3)),
    "Wishart": lambda: dist.Wishart(t() + 3, torch.eye(2) + t(1) ** 2 * torch.eye(2)),
}


def test_every_distribution_is_run():
    abstract = {"Distribution", "ExponentialFamily"}
    known = {name for name in dir(dist) if inspect.isclass(getattr(dist, name))}
    known = {name for name in known if issubclass(getattr(dist, name), dist.Distribution)} - abstract
    assert known == set(P)
    for name in known:
        assert MODELS.klass(f"torch.distributions.{name}").kind == "distribution"
        made = getattr(dist, name)
        assert MODELS.klass(f"{made.__module__}.{name}").kind == "distribution"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", P)
def test_distributions(name):
    torch.manual_seed(0)
    made = P[name]()
    full = f"torch.distributions.{name}"
    sample = made.sample()
    assert not sample.requires_grad
    assert MODELS.method(full, "sample").result == "cut"
    if made.has_rsample:
        assert made.rsample().requires_grad
        assert MODELS.method(full, "rsample").result == "derived"
    for method in ("log_prob", "cdf", "icdf"):
        value = torch.full_like(sample, 0.5) if method == "icdf" else sample
        try:
            result = getattr(made, method)(value)
        except NotImplementedError:
            continue
        assert result.requires_grad, method
        assert MODELS.method(full, method).result == "derived"
    try:
        assert made.entropy().requires_grad
    except NotImplementedError:
        return
    assert MODELS.method(full, "entropy").result == "derived"


# mean, mode ... that do not depend on what is tracked here, or are numbers for every parameter.
CONSTANT = {
    *(("Bernoulli", "mode"), ("Binomial", "mode"), ("NegativeBinomial", "mode"), ("Poisson", "mode")),
    *(("Geometric", "mode"), ("HalfCauchy", "mode"), ("HalfNormal", "mode"), ("Exponential", "mode")),
    *(("Cauchy", "mean"), ("Cauchy", "variance"), ("Cauchy", "stddev"), ("HalfCauchy", "mean")),
    *(("HalfCauchy", "variance"), ("HalfCauchy", "stddev"), ("Chi2", "rate")),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", P)
def test_attributes_of_distributions(name):
    made = P[name]()
    for attribute in MODELS.klass("torch.distributions.Distribution").attributes:
        try:
            value = getattr(made, attribute)
        except (AttributeError, NotImplementedError):
            continue
        said = MODELS.attribute(f"torch.distributions.{name}", attribute)
        if not isinstance(value, torch.Tensor):
            assert said == "plain" or isinstance(value, int | float), attribute
        elif (name, attribute) not in CONSTANT:
            assert value.requires_grad is (said == "derived"), attribute


def test_divergence():
    divergence = dist.kl_divergence(dist.Normal(t(3), t(3)), dist.Normal(c(3), c(3) + 1))
    assert divergence.requires_grad
    assert MODELS.call("torch.distributions.kl.kl_divergence").result == "derived"
