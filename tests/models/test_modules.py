"""Every class of torch.nn: do its outputs track by themselves, or only if an input does?

Torch's own module database gives constructors and inputs; what it lacks is written here.
"""

from __future__ import annotations

import contextlib
import warnings
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("expecttest", reason="torch's module database needs expecttest")

import torch
from observing import c, flat, levels, lifted, outcome, t
from torch import nn
from torch.utils._pytree import tree_map

from detachlint import models

MODELS = models.load()
INPUTS_OF_A_MODULE = 4
# Only options decide whether these have weights, or they are made to be inherited from.
OPTIONAL = frozenset(
    """
    Module Container Sequential ModuleList ModuleDict ParameterList ParameterDict DataParallel RNNBase
    RNNCellBase SyncBatchNorm
    """.split()
)

BY_HAND = {
    "AdaptiveLogSoftmaxWithLoss": lambda: (
        nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2]),
        c(3, 4),
        torch.tensor([0, 1, 5]),
    ),
    "AlphaDropout": lambda: (nn.AlphaDropout(), c(3)),
    "ChannelShuffle": lambda: (nn.ChannelShuffle(2), c(1, 4, 2, 2)),
    "CosineSimilarity": lambda: (nn.CosineSimilarity(), c(2, 3), c(2, 3)),
    "CrossMapLRN2d": lambda: (nn.CrossMapLRN2d(2), c(1, 3, 2, 2)),
    "Dropout": lambda: (nn.Dropout(), c(3)),
    "Dropout1d": lambda: (nn.Dropout1d(), c(2, 3, 4)),
    "Dropout2d": lambda: (nn.Dropout2d(), c(2, 3, 4, 4)),
    "Dropout3d": lambda: (nn.Dropout3d(), c(2, 3, 4, 4, 4)),
    "EmbeddingBag": lambda: (nn.EmbeddingBag(4, 3), torch.tensor([[0, 1]])),
    "FeatureAlphaDropout": lambda: (nn.FeatureAlphaDropout(), c(2, 3, 4)),
    "Flatten": lambda: (nn.Flatten(), c(2, 3, 4)),
    "Fold": lambda: (nn.Fold((4, 5), (2, 2)), c(1, 12, 12)),
    "FractionalMaxPool2d": lambda: (nn.FractionalMaxPool2d(2, output_size=4), c(1, 3, 8, 8)),
    "FractionalMaxPool3d": lambda: (nn.FractionalMaxPool3d(2, output_size=4), c(1, 3, 8, 8, 8)),
    "Hardsigmoid": lambda: (nn.Hardsigmoid(), c(3)),
    "Identity": lambda: (nn.Identity(), c(3)),
    "LazyBatchNorm1d": lambda: (nn.LazyBatchNorm1d(), c(4, 3)),
    "LazyBatchNorm2d": lambda: (nn.LazyBatchNorm2d(), c(4, 3, 2, 2)),
    "LazyBatchNorm3d": lambda: (nn.LazyBatchNorm3d(), c(4, 3, 2, 2, 2)),
    "LazyInstanceNorm1d": lambda: (nn.LazyInstanceNorm1d(), c(4, 3, 4)),
    "LazyInstanceNorm2d": lambda: (nn.LazyInstanceNorm2d(), c(4, 3, 4, 4)),
    "LazyInstanceNorm3d": lambda: (nn.LazyInstanceNorm3d(), c(4, 3, 4, 4, 4)),
    "LazyLinear": lambda: (nn.LazyLinear(2), c(4, 3)),
    "MaxUnpool1d": lambda: (nn.MaxUnpool1d(2), c(1, 1, 2), torch.tensor([[[0, 3]]])),
    "MaxUnpool2d": lambda: (nn.MaxUnpool2d(2), c(1, 1, 1, 1), torch.tensor([[[[0]]]])),
    "MaxUnpool3d": lambda: (nn.MaxUnpool3d(2), c(1, 1, 1, 1, 1), torch.tensor([[[[[0]]]]])),
    "PairwiseDistance": lambda: (nn.PairwiseDistance(), c(2, 3), c(2, 3)),
    "PixelShuffle": lambda: (nn.PixelShuffle(2), c(1, 4, 2, 2)),
    "PixelUnshuffle": lambda: (nn.PixelUnshuffle(2), c(1, 1, 4, 4)),
    "RReLU": lambda: (nn.RReLU(), c(3)),
    "SoftMarginLoss": lambda: (nn.SoftMarginLoss(), c(3), torch.ones(3, dtype=torch.int)),
    "TransformerDecoder": lambda: (
        nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), 1),
        c(2, 1, 4),
        c(2, 1, 4),
    ),
    "TripletMarginLoss": lambda: (nn.TripletMarginLoss(), c(2, 3), c(2, 3), c(2, 3)),
    "TripletMarginWithDistanceLoss": lambda: (nn.TripletMarginWithDistanceLoss(), c(2, 3), c(2, 3), c(2, 3)),
    "NLLLoss2d": lambda: (nn.NLLLoss2d(), c(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long)),
    "Unflatten": lambda: (nn.Unflatten(1, (2, 2)), c(2, 4)),
    "Unfold": lambda: (nn.Unfold((2, 2)), c(1, 1, 4, 4)),
    "Upsample": lambda: (nn.Upsample(scale_factor=2), c(1, 1, 2, 2)),
    "UpsamplingBilinear2d": lambda: (nn.UpsamplingBilinear2d(scale_factor=2), c(1, 1, 2, 2)),
    "UpsamplingNearest2d": lambda: (nn.UpsamplingNearest2d(scale_factor=2), c(1, 1, 2, 2)),
}


def names() -> list[str]:
    classes = (name for name in dir(nn) if isinstance(getattr(nn, name), type))
    return [name for name in classes if issubclass(getattr(nn, name), nn.Module)]


@pytest.fixture
def observed():
    return observe()


@cache
def observe():
    """Class -> {(has weights, did an input track): outcomes}."""
    from torch.testing._internal.common_modules import module_db

    seen: dict[str, dict[tuple[bool, bool], set[object]]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info in module_db:
            for training in (True, False):
                _run_info(info, training, seen.setdefault(info.name.removeprefix("nn."), {}))
        for name, make in BY_HAND.items():
            for training in (True, False):
                module, *args = make()
                _run(module.train(training), args, {}, seen.setdefault(name, {}))
    return seen


def _run_info(info, training, seen):
    inputs = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=training
    )
    for given in inputs[:INPUTS_OF_A_MODULE]:
        constructor, call = given.constructor_input, given.forward_input
        module = info.module_cls(*constructor.args, **constructor.kwargs).train(training)
        _run(module, call.args, call.kwargs, seen)


def _run(module, args, kwargs, seen):
    for tracked in (False, True):
        lift = lifted if tracked else lambda value: value
        some, named = tree_map(lift, (list(args), dict(kwargs)))
        try:
            result = outcome(module(*some, **named))
        except (RuntimeError, ValueError):
            continue
        seen.setdefault((any(True for _ in module.parameters()), tracked), set()).add(result)


@cache
def handed_on():
    """Class -> may it return its very input, or a view of it? Then that tracks with grad mode off, too."""
    from torch.testing._internal.common_modules import module_db

    made = [(info.name.removeprefix("nn."), *_made(info)) for info in module_db]
    made += [(name, module, args, {}) for name, make in BY_HAND.items() for module, *args in (make(),)]
    seen: dict[str, bool] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module, args, kwargs in made:
            given, named = tree_map(lifted, (list(args), dict(kwargs)))
            with torch.no_grad(), contextlib.suppress(RuntimeError):
                seen[name] = True in flat(outcome(module.eval()(*given, **named)))
    return seen


def _made(info):
    given = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=False
    )
    constructor, call = given[0].constructor_input, given[0].forward_input
    return info.module_cls(*constructor.args, **constructor.kwargs), call.args, call.kwargs


def test_every_module_is_modelled():
    missing = [
        name for name in names() if not (MODELS.klass(f"torch.nn.{name}") or MODELS.call(f"torch.nn.{name}"))
    ]
    assert missing == []


def test_every_module_is_run(observed):
    assert sorted(set(names()) - observed.keys() - OPTIONAL) == []


def test_modules_with_weights_track_by_themselves(observed):
    wrong = {}
    for name, seen in observed.items():
        model = MODELS.klass(f"torch.nn.{name}")
        clear = {with_weights for with_weights, tracked in seen if not tracked}
        if model.parameters not in clear and clear:
            wrong[name] = f"model says parameters = {model.parameters}"
        for (with_weights, tracked), outcomes in seen.items():
            first = {flat(one)[0] for one in outcomes}
            integers = name in ("Embedding", "EmbeddingBag")
            if first != {with_weights or (tracked and not integers)}:
                wrong[name] = f"weights {with_weights}, tracked input {tracked}: {outcomes}"
    assert wrong == {}


def test_modules_that_return_tuples(observed):
    """A model says nothing of the tuple, only that it tracks: every part of it must, but for indices of pools."""
    for name, seen in observed.items():
        tuples = [one for outcomes in seen.values() for one in outcomes if isinstance(one, tuple)]
        if not name.startswith("MaxPool"):
            assert all(len(set(flat(one))) == 1 for one in tuples), name
        assert MODELS.klass(f"torch.nn.{name}").call in (None, "view"), name


def test_how_deep_the_tuples_of_a_module_nest(observed):
    wrong = {}
    for name, seen in observed.items():
        found = {levels(one) for outcomes in seen.values() for one in outcomes}
        said = MODELS.klass(f"torch.nn.{name}").levels
        if found != {said} and not (said == 0 and 0 in found):
            wrong[name] = f"model says {said}, torch gives {found}"
    assert wrong == {}
    assert MODELS.klass("torch.nn.LSTM").levels == 2


def test_modules_that_return_a_view_keep_the_graph_under_no_grad():
    said = {name: MODELS.klass(f"torch.nn.{name}").call == "view" for name in handed_on()}
    assert said == handed_on()
    assert handed_on()["Dropout"]


def test_options_that_change_what_tracks():
    lstm, (hidden, cell) = nn.LSTM(2, 3)(c(4, 1, 2))
    assert lstm.requires_grad
    assert hidden.requires_grad
    assert cell.requires_grad
    attended, weights = nn.MultiheadAttention(4, 2)(c(3, 1, 4), c(3, 1, 4), c(3, 1, 4))
    assert attended.requires_grad
    assert weights.requires_grad
    pooled, indices = nn.MaxPool1d(2, return_indices=True)(t(1, 1, 4))
    assert pooled.requires_grad
    assert not indices.requires_grad
    assert not nn.Embedding.from_pretrained(c(4, 3))(torch.tensor([0])).requires_grad
    assert nn.Embedding.from_pretrained(c(4, 3), freeze=False)(torch.tensor([0])).requires_grad
    assert MODELS.call("torch.nn.Embedding.from_pretrained").result == "unknown"


def test_eval_stops_nothing():
    assert nn.Linear(3, 1).eval()(c(3)).requires_grad


def test_a_frozen_module_passes_on_what_its_input_carries():
    frozen = nn.Linear(3, 1).requires_grad_(False)
    assert not frozen(c(3)).requires_grad
    assert frozen(t(3)).requires_grad


def test_attributes():
    norm = nn.BatchNorm1d(3)
    for name, result in MODELS.klass("torch.nn.BatchNorm1d").attributes.items():
        assert getattr(norm, name).requires_grad is (result == "leaf"), name
    linear = nn.Linear(3, 1)
    for name, result in MODELS.klass("torch.nn.Linear").attributes.items():
        assert result == "leaf"
        assert getattr(linear, name).is_leaf
        assert getattr(linear, name).requires_grad


def test_what_modules_offer():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    says = {
        name: MODELS.method("torch.nn.Sequential", name).result
        for name in dir(net)
        if MODELS.method("torch.nn.Sequential", name)
    }
    assert says["parameters"] == "parameters"
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert says["named_parameters"] == "named_parameters"
    assert all(parameter.requires_grad for _, parameter in net.named_parameters())
    assert says["state_dict"] == "state"
    assert not any(value.requires_grad for value in net.state_dict().values())
    assert any(value.requires_grad for value in net.state_dict(keep_vars=True).values())
    assert says["buffers"] == "iterable of cut"
    assert not any(buffer.requires_grad for buffer in net.buffers())
    assert says["get_parameter"] == "leaf"
    assert net.get_parameter("0.weight").requires_grad
    for name in (name for name, result in says.items() if result == "same"):
        if name in ("train", "eval", "cpu", "float", "double", "requires_grad_", "share_memory"):
            assert getattr(net, name)() is net
    assert says["train"] == says["eval"] == says["to"] == "same"
    assert net.to("cpu") is net
    for name in ("modules", "children"):
        assert says[name] == "iterable of module"
        assert all(isinstance(child, nn.Module) for child in getattr(net, name)())


@pytest.mark.filterwarnings("ignore")
def test_wrappers_behave_like_what_they_wrap():
    from torch.nn.utils import parametrizations
    from torch.optim.swa_utils import AveragedModel

    wrap = {
        "torch.optim.swa_utils.AveragedModel": AveragedModel,
        "torch.nn.utils.parametrizations.weight_norm": parametrizations.weight_norm,
        "torch.nn.utils.parametrizations.spectral_norm": parametrizations.spectral_norm,
        "torch.nn.utils.parametrizations.orthogonal": parametrizations.orthogonal,
        "torch.nn.utils.weight_norm": nn.utils.weight_norm,
        "torch.nn.utils.spectral_norm": nn.utils.spectral_norm,
        "torch.nn.DataParallel": nn.DataParallel,
        "torch.nn.SyncBatchNorm.convert_sync_batchnorm": nn.SyncBatchNorm.convert_sync_batchnorm,
        "torch.jit.script": torch.jit.script,
        "torch.jit.trace": lambda module: torch.jit.trace(module, c(2, 3)),
        "torch.compile": lambda module: torch.compile(module, backend="eager"),
    }
    for name, wrapper in wrap.items():
        assert wrapper(nn.Linear(3, 2))(c(2, 3)).requires_grad, name
        assert MODELS.call(name).result == "argument", name
