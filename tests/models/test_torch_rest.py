"""torch's odds and ends, each as it is seen: what gives no tensor, attributes, wrappers, other devices, kinds."""

from __future__ import annotations

import warnings
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
import torch.nn.functional as F
from array_libraries import resolved
from observing import c, flat, graded, outcome, t
from torch import distributed, nn
from torch import distributions as dist

from detachlint import models

MODELS = models.load()
PLAIN = {
    "torch.Generator": torch.Generator,
    "torch.Size": lambda: torch.Size([1]),
    "torch.can_cast": lambda: torch.can_cast(torch.float, torch.int),
    "torch.device": lambda: torch.device("cpu"),
    "torch.dtype": lambda: torch.float32,
    "torch.initial_seed": torch.initial_seed,
    "torch.seed": torch.seed,
    "torch.promote_types": lambda: torch.promote_types(torch.float, torch.int),
    "torch.result_type": lambda: torch.result_type(t(3), 1),
    "torch.to_dlpack": lambda: torch.to_dlpack(t(3)),
    "torch.utils.dlpack.to_dlpack": lambda: torch.utils.dlpack.to_dlpack(t(3)),
    "torch.allclose": lambda: torch.allclose(t(3), t(3)),
    "torch.equal": lambda: torch.equal(t(3), t(3)),
    "torch.broadcast_shapes": lambda: torch.broadcast_shapes((1,), (3,)),
    "torch.Tensor.allclose": lambda: t(3).allclose(t(3)),
    "torch.Tensor.equal": lambda: t(3).equal(t(3)),
    "torch.Tensor.q_scale": lambda: torch.quantize_per_tensor(c(3), 0.1, 0, torch.quint8).q_scale(),
    "torch.autocast": lambda: torch.autocast("cpu"),
    "torch.amp.autocast": lambda: torch.amp.autocast("cpu"),
    "torch.cuda.amp.autocast": torch.cuda.amp.autocast,
    "torch.cpu.amp.autocast": torch.cpu.amp.autocast,
    "torch.amp.GradScaler.get_scale": lambda: torch.amp.GradScaler("cpu").get_scale(),
    "torch.amp.GradScaler.state_dict": lambda: torch.amp.GradScaler("cpu").state_dict(),
    "torch.optim.Optimizer.state_dict": lambda: torch.optim.SGD([nn.Parameter(c(3))], lr=0.1).state_dict(),
    "torch.distributed.is_initialized": distributed.is_initialized,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PLAIN)
def test_what_gives_no_tensor(name):
    assert not any(isinstance(leaf, bool) for leaf in flat(outcome(PLAIN[name]())) if leaf is True)
    assert MODELS.call(name).result == ("number" if name.endswith("get_scale") else "plain")
    assert MODELS.call(name).sink in (None, "scalar")


@pytest.mark.filterwarnings("ignore")
def test_operations_that_hand_on_their_input_by_chance_only():
    """With grad mode off they are free where there is anything to compute: `derived`, no view."""
    given = t(3)
    with torch.no_grad():
        assert not torch.cartesian_prod(given, t(2)).requires_grad
        assert not torch.masked.prod(t(3), 0, mask=torch.ones(3, dtype=torch.bool)).requires_grad
        assert not torch.normal(given, t(3)).requires_grad
    for name in ("torch.cartesian_prod", "torch.masked.prod", "torch.normal"):
        assert MODELS.call(name).result == "derived"


def test_dlpack():
    assert not torch.from_dlpack(c(3)).requires_grad
    assert not torch.utils.dlpack.from_dlpack(c(3)).requires_grad
    for name in ("torch.from_dlpack", "torch.utils.dlpack.from_dlpack"):
        assert (MODELS.call(name).sink, MODELS.call(name).result) == ("copy", "cut")
    assert (MODELS.call("numpy.from_dlpack").sink, MODELS.call("numpy.from_dlpack").result) == (
        "copy",
        "numpy.ndarray",
    )
    with pytest.raises(RuntimeError):
        t(3).__deepcopy__({})
    assert MODELS.call("torch.Tensor.__deepcopy__").result == "cut"
    assert t(3).__reduce_ex__(2)  # what pickle asks for: it works, the graph stays behind
    assert MODELS.call("torch.Tensor.__reduce_ex__").sink == "saves"


DROPOUTS = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout".split()


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropouts_return_their_input_outside_training(name):
    given = t(2, 3, 4, 4, 4) if name.endswith("3d") else t(2, 3, 4, 4) if name.endswith("2d") else t(2, 3, 4)
    with torch.no_grad():
        assert getattr(F, name)(given, 0.5, False).requires_grad
    assert MODELS.call(f"torch.nn.functional.{name}").result == "view"
    if hasattr(torch, name):
        with torch.no_grad():
            assert getattr(torch, name)(given, 0.5, False).requires_grad
        assert MODELS.call(f"torch.{name}").result == "view"
    with torch.no_grad():
        assert torch.feature_dropout(given, 0.5, False).requires_grad
    assert MODELS.call("torch.feature_dropout").result == "view"


@pytest.mark.parametrize("name", ["double", "half", "bfloat16", "to", "type", "__getitem__"])
def test_conversions_return_their_input_where_nothing_is_to_do(name):
    types = {"double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16}
    given = t(3).to(types.get(name, torch.float32))
    arguments = {"to": ("cpu",), "type": (torch.float32,), "__getitem__": (0,)}.get(name, ())
    with torch.no_grad():
        assert getattr(given, name)(*arguments).requires_grad
    assert MODELS.call(f"torch.Tensor.{name}").result == "view"


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(context, value):
        return value.clone(), value.clone()

    @staticmethod
    def backward(context, *gradients):
        return sum(gradients)


class Both(nn.Module):
    def forward(self, value):
        return value.sin(), value.cos()


STRUCTURES = {
    "torch.autograd.Function.apply": lambda: Twice.apply(t(3)),
    "torch.utils.checkpoint.checkpoint": lambda: torch.utils.checkpoint.checkpoint(
        Both(), t(3), use_reentrant=False
    ),
    "torch.utils.checkpoint.checkpoint_sequential": lambda: torch.utils.checkpoint.checkpoint_sequential(
        [nn.Identity(), Both()], 1, t(3), use_reentrant=False
    ),
    "torch.func.functional_call": lambda: torch.func.functional_call(Both(), {}, (t(3),)),
    "torch.nn.utils.stateless.functional_call": lambda: nn.utils.stateless.functional_call(
        Both(), {}, (t(3),)
    ),
    "torch.func.vjp": lambda: torch.func.vjp(torch.sin, t(3)),
    "torch.utils.data.default_collate": lambda: tuple(torch.utils.data.default_collate([(t(3), t(3))])),
    "torch.utils.data.default_convert": lambda: tuple(torch.utils.data.default_convert((t(3), t(3)))),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STRUCTURES)
def test_what_decides_by_what_it_is_given_whether_it_gives_a_tuple(name):
    assert isinstance(STRUCTURES[name](), tuple)
    assert MODELS.call(name).levels is None


OPTIONS = {
    "torch.unique": lambda **options: torch.unique(t(3), **options),
    "torch.unique_consecutive": lambda **options: torch.unique_consecutive(t(3), **options),
    "torch.Tensor.unique": lambda **options: t(3).unique(**options),
    "torch.Tensor.unique_consecutive": lambda **options: t(3).unique_consecutive(**options),
    "torch.nn.functional.max_pool1d": lambda **options: F.max_pool1d(t(1, 4), 2, **options),
    "torch.nn.functional.max_pool2d": lambda **options: F.max_pool2d(t(1, 4, 4), 2, **options),
    "torch.nn.functional.max_pool3d": lambda **options: F.max_pool3d(t(1, 4, 4, 4), 2, **options),
    "torch.nn.functional.adaptive_max_pool1d": lambda **options: F.adaptive_max_pool1d(t(1, 4), 2, **options),
    "torch.nn.functional.adaptive_max_pool2d": lambda **options: F.adaptive_max_pool2d(
        t(1, 4, 4), 2, **options
    ),
    "torch.nn.functional.adaptive_max_pool3d": lambda **options: F.adaptive_max_pool3d(
        t(1, 4, 4, 4), 2, **options
    ),
    "torch.nn.functional.fractional_max_pool2d": lambda **options: F.fractional_max_pool2d(
        t(1, 4, 4), 2, output_size=2, **options
    ),
    "torch.nn.functional.fractional_max_pool3d": lambda **options: F.fractional_max_pool3d(
        t(1, 4, 4, 4), 2, output_size=2, **options
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_make_a_tuple_of_the_result(name):
    assert not isinstance(OPTIONS[name](), tuple)
    model = MODELS.call(name)
    assert model.tuple_with
    assert all(isinstance(OPTIONS[name](**{word: True}), tuple) for word in model.tuple_with)


def test_functional_calls():
    linear = nn.Linear(3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stateless = nn.utils.stateless.functional_call(linear, dict(linear.named_parameters()), (c(3),))
    assert stateless.requires_grad
    value, _ = torch.func.vjp(torch.sin, t(3))
    assert value.requires_grad
    for name in ("torch.nn.utils.stateless.functional_call", "torch.func.vjp", "torch.func.functional_call"):
        assert MODELS.call(name).result == "derived"
    assert MODELS.klass("torch.autograd.Function").kind == "object"
    assert MODELS.klass("torch.amp.GradScaler").kind == "object"


# --- attributes ---

ATTRIBUTES = {"data": "cut", "grad": "cut", **dict.fromkeys(("T", "mT", "H", "mH", "real", "imag"), "view")}
NO_TENSORS = """
shape dtype device layout ndim itemsize nbytes is_leaf is_cuda is_sparse requires_grad retains_grad grad_fn
output_nr _version
"""


def test_attributes_of_a_tensor_under_no_grad():
    tensor = (torch.rand(2, 3, requires_grad=True) * 1).to(torch.complex64)
    said = MODELS.klass("torch.Tensor").attributes
    with torch.no_grad():
        for name, result in ATTRIBUTES.items():
            assert said[name] == result
            if name != "grad":
                assert getattr(tensor, name).requires_grad is (result == "view"), name
    for name in NO_TENSORS.split():
        assert not isinstance(getattr(tensor, name), torch.Tensor)
        assert said[name] == "plain"
    assert said.keys() == ATTRIBUTES.keys() | set(NO_TENSORS.split())
    assert MODELS.klass("torch.Tensor").kind == MODELS.klass("torch.nn.Parameter").kind == "tensor"
    assert MODELS.klass("torch.nn.Parameter").bases == ("torch.Tensor",)
    assert MODELS.attribute("torch.nn.Parameter", "data") == "cut"


@cache
def _distribution_attributes():
    """Attribute -> does it track, in the distributions that have it of their own parameters."""
    made = {
        "probs logits mean variance stddev": dist.Bernoulli(t(3)),
        "loc scale": dist.Normal(t(3), t(3)),
        "mode": dist.Normal(t(3), t(3)),
        "rate concentration": dist.Gamma(t(3), t(3)),
        "concentration0 concentration1": dist.Beta(t(3), t(3)),
        "covariance_matrix precision_matrix scale_tril": dist.MultivariateNormal(
            t(2), torch.eye(2) + t(1) ** 2 * torch.eye(2)
        ),
    }
    return {name: getattr(made[names], name).requires_grad for names in made for name in names.split()}


def test_attributes_of_distributions():
    said = MODELS.klass("torch.distributions.Distribution").attributes
    assert _distribution_attributes() == dict.fromkeys(_distribution_attributes(), True)
    for name in _distribution_attributes():
        assert said[name] == "derived"
    normal = dist.Normal(t(3), t(3))
    for name in "batch_shape event_shape support has_rsample has_enumerate_support".split():
        assert not isinstance(getattr(normal, name), torch.Tensor)
        assert said[name] == "plain"
    assert not isinstance(dist.Categorical(t(3)).param_shape, torch.Tensor)
    assert said["param_shape"] == "plain"
    categorical = MODELS.klass("torch.distributions.Categorical").attributes
    assert categorical == dict.fromkeys(("mode", "mean", "variance", "stddev"), "cut")
    for name in categorical:
        assert not getattr(dist.Categorical(t(3)), name).requires_grad
    for name in ("OneHotCategorical", "OneHotCategoricalStraightThrough"):
        assert not getattr(dist, name)(t(3)).mode.requires_grad
        assert MODELS.klass(f"torch.distributions.{name}").attributes == {"mode": "cut"}
    for name in ("Distribution", "ExponentialFamily"):
        assert issubclass(getattr(dist, name, dist.exp_family.ExponentialFamily), dist.Distribution)
        assert MODELS.klass(f"torch.distributions.{name}").kind == "distribution"
    assert dist.Independent(normal, 1).rsample().requires_grad


# --- modules ---


def with_weights() -> dict[str, nn.Module]:
    return {
        "Linear": nn.Linear(3, 1),
        "Conv1d": nn.Conv1d(1, 1, 1),
        "LayerNorm": nn.LayerNorm(3),
        "BatchNorm1d": nn.BatchNorm1d(3),
        "BatchNorm2d": nn.BatchNorm2d(3),
    }


@pytest.mark.parametrize("name", with_weights())
def test_attributes_of_modules(name):
    module = with_weights()[name]
    said = MODELS.klass(f"torch.nn.{name}").attributes
    for attribute in ("weight", "bias"):
        assert getattr(module, attribute).requires_grad
        assert getattr(module, attribute).is_leaf
        assert said[attribute] == "leaf"
    if name.startswith("BatchNorm"):
        for attribute in ("running_mean", "running_var", "num_batches_tracked"):
            assert not getattr(module, attribute).requires_grad
            assert said[attribute] == "cut"
    assert isinstance(module.training, bool)
    assert MODELS.attribute(f"torch.nn.{name}", "training") == "plain"


NORMS = {
    "LayerNorm": lambda: nn.LayerNorm(3),
    "RMSNorm": lambda: nn.RMSNorm(3),
    "GroupNorm": lambda: nn.GroupNorm(1, 3),
    "EmbeddingBag": lambda: nn.EmbeddingBag(3, 3),
    **{f"InstanceNorm{n}d": lambda n=n: getattr(nn, f"InstanceNorm{n}d")(3) for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": lambda n=n: getattr(nn, f"BatchNorm{n}d")(3) for n in (1, 2, 3)},
}


@pytest.mark.parametrize("name", NORMS)
def test_options_do_not_count_where_they_are_left_out(name):
    has_weights = any(parameter.requires_grad for parameter in NORMS[name]().parameters())
    assert MODELS.klass(f"torch.nn.{name}").parameters is has_weights


# Made to be inherited from, or to hold others: their own weights are those of what they hold.
BASES = """
Module Container Sequential ModuleList ModuleDict ParameterList ParameterDict RNNBase RNNCellBase SyncBatchNorm
"""


@pytest.mark.parametrize("name", BASES.split())
def test_bases_and_containers(name):
    made = getattr(nn, name)
    assert issubclass(made, nn.Module)
    model = MODELS.klass(f"torch.nn.{name}")
    assert (model.kind, model.parameters, model.call) == ("module", True, None)


def test_every_module_is_a_module():
    for name in dir(nn):
        found = getattr(nn, name)
        model = MODELS.klass(f"torch.nn.{name}")
        if isinstance(found, type) and issubclass(found, nn.Module) and model:
            assert model.kind == "module", name
            assert model.bases == (() if name == "Module" else ("torch.nn.Module",)), name


ELSEWHERE = "cuda xpu bfloat16".split()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_moving_a_module_gives_the_module(name):
    linear = nn.Linear(3, 1)
    if name == "bfloat16" or getattr(torch, name).is_available():
        assert getattr(linear, name)() is linear
    assert "return self._apply" in __import__("inspect").getsource(getattr(nn.Module, name))
    assert MODELS.call(f"torch.nn.Module.{name}").result == "same"


@pytest.mark.parametrize("name", ["cuda", "xpu", "mtia", "pin_memory"])
def test_moving_a_tensor_is_like_to(name):
    """On a machine without the device only its relatives can be run: `to` and `cpu` hand on the graph."""
    assert hasattr(torch.Tensor, name)
    with torch.no_grad():
        assert t(3).to("cpu").requires_grad
    assert t(3).to("meta").requires_grad
    assert MODELS.call(f"torch.Tensor.{name}").result == MODELS.call("torch.Tensor.to").result == "view"


@pytest.mark.parametrize("name", ["FloatTensor", "LongTensor", "ByteTensor"])
def test_types_of_another_device_are_like_those_of_this_one(name):
    assert hasattr(torch.cuda, name)
    assert MODELS.call(f"torch.cuda.{name}") == MODELS.call(f"torch.{name}")


def test_quantised_numbers():
    assert not torch.quantize_per_tensor(t(3), 0.1, 0, torch.quint8).int_repr().requires_grad
    assert MODELS.call("torch.Tensor.int_repr").result == "cut"


# --- wrappers and helpers ---


@pytest.mark.filterwarnings("ignore")
def test_more_wrappers():
    assert nn.parallel.DataParallel(nn.Linear(3, 1))(c(1, 3)).requires_grad
    net = nn.Sequential(nn.Linear(3, 1)).train()
    net.qconfig = torch.ao.quantization.get_default_qat_qconfig("x86")
    for name in ("torch.quantization.prepare_qat", "torch.ao.quantization.prepare_qat"):
        assert resolved(name)(net)(c(1, 3)).requires_grad
    for name in """
    torch.nn.parallel.DataParallel torch.quantization.prepare_qat torch.ao.quantization.prepare_qat
    torch.distributed.fsdp.FullyShardedDataParallel torch.distributed.fsdp.fully_shard
    """.split():
        assert MODELS.call(name).result == "argument"
        assert callable(resolved(name))
    assert issubclass(distributed.fsdp.FullyShardedDataParallel, nn.Module)


def test_more_of_nn_utils():
    assert nn.utils.clip_grad_value_([graded()], 1.0) is None
    assert MODELS.call("torch.nn.utils.clip_grad_value_").result == "none"
    for name in ("Embedding", "EmbeddingBag"):
        frozen = getattr(nn, name).from_pretrained(c(4, 3))
        assert not frozen(torch.tensor([[0]])).requires_grad
        assert MODELS.call(f"torch.nn.{name}.from_pretrained").result == "unknown"
    assert nn.Module().set_submodule.__name__ == "set_submodule"
    iterators = ("parameters", "buffers", "modules", "children")
    assert all(iter(getattr(nn.Linear(1, 1), name)()) for name in iterators)


@pytest.fixture
def one_rank(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_rank")
def test_a_reduced_loss_stays_on_its_graph_and_its_backward_warns():
    loss = t(3).sum()
    distributed.all_reduce(loss)
    with pytest.warns(UserWarning, match="autograd kernel was not registered"):
        loss.backward()
    gathered = [None]
    distributed.all_gather_object(gathered, t(3))
    assert gathered[0].requires_grad
    assert gathered[0].is_leaf  # pickled on its way


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("one_rank")
def test_more_collectives():
    tensor, gathered = t(3), [torch.zeros(3)]
    whole = torch.zeros(3)
    results = {
        "barrier": distributed.barrier(),
        "all_gather": distributed.all_gather(gathered, tensor),
        "gather": distributed.gather(t(3), gathered),
        "all_gather_into_tensor": distributed.all_gather_into_tensor(whole, t(3).detach()),
        "all_gather_object": distributed.all_gather_object([None], {"a": 1}),
        "get_rank": distributed.get_rank(),
        "get_world_size": distributed.get_world_size(),
        "is_initialized": distributed.is_initialized(),
    }
    assert not any(isinstance(result, torch.Tensor) for result in results.values())
    for _ in range(
        50
    ):  # gloo's thread races with the wait: now and then torch refuses the view it made itself
        whole = torch.zeros(3)
        try:
            distributed.all_gather_into_tensor(whole, tensor)
        except RuntimeError as error:
            assert "view was created in no_grad mode" in str(error)
            continue
        break
    assert whole.requires_grad
    gathered[0] = tensor
    assert gathered[0].requires_grad  # `outputs[rank] = mine`, as it is often written
    for name in (*results, "init_process_group", "destroy_process_group"):
        assert MODELS.call(f"torch.distributed.{name}").result == "plain"
        assert MODELS.call(f"torch.distributed.{name}").sink is None


# --- optimizers ---


def test_schedulers_and_optimizers():
    assert MODELS.klass("torch.optim.Optimizer").kind == "optimizer"
    for name in ("StepLR", "CosineAnnealingLR", "ReduceLROnPlateau"):
        assert isinstance(getattr(torch.optim.lr_scheduler, name), type)
        assert MODELS.klass(f"torch.optim.lr_scheduler.{name}").kind == "object"
    for name in dir(torch.optim):
        found = getattr(torch.optim, name)
        if isinstance(found, type) and issubclass(found, torch.optim.Optimizer) and name != "Optimizer":
            assert MODELS.klass(f"torch.optim.{name}").bases == ("torch.optim.Optimizer",), name
    assert MODELS.method("torch.optim.SGD", "state_dict").result == "plain"
