"""The rest of what the models say of torch and Python: methods of modules, legacy types, one-rank distributed."""

from __future__ import annotations

import multiprocessing
import operator
import pprint
import queue
import statistics
import warnings

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
from observing import c, flat, outcome, t
from torch import distributed, nn
from torch import distributions as dist

from detachlint import models

MODELS = models.load()
PLAIN = {
    "torch.is_tensor": lambda: torch.is_tensor(t(3)),
    "torch.is_grad_enabled": torch.is_grad_enabled,
    "torch.is_nonzero": lambda: torch.is_nonzero(t()),
    "torch.is_complex": lambda: torch.is_complex(t(3)),
    "torch.is_floating_point": lambda: torch.is_floating_point(t(3)),
    "torch.numel": lambda: torch.numel(t(3)),
    "torch.typename": lambda: torch.typename(t(3)),
    "torch.get_rng_state": torch.get_rng_state,
    "torch.get_default_dtype": torch.get_default_dtype,
    "torch.manual_seed": lambda: torch.manual_seed(0),
    "torch.Size": lambda: torch.Size([1]),
    "torch.finfo": lambda: torch.finfo(torch.float32),
    "torch.iinfo": lambda: torch.iinfo(torch.int32),
    "torch.autograd.gradcheck": lambda: torch.autograd.gradcheck(torch.sin, t(3).double()),
    "torch.autograd.gradgradcheck": lambda: torch.autograd.gradgradcheck(torch.sin, t(3).double()),
    **{
        f"torch.Tensor.{name}": lambda name=name: getattr(t(3), name)()
        for name in """
        size stride dim ndimension numel nelement element_size data_ptr get_device storage untyped_storage
        storage_offset is_contiguous is_pinned is_shared is_signed is_complex is_floating_point tolist
        """.split()
    },
    "torch.Tensor.is_nonzero": lambda: t().is_nonzero(),
    "torch.Tensor.register_hook": lambda: t(3).register_hook(lambda gradient: gradient),
    "torch.Tensor.register_post_accumulate_grad_hook": lambda: nn.Parameter(
        c(3)
    ).register_post_accumulate_grad_hook(lambda parameter: None),
    "torch.Tensor.retain_grad": lambda: t(3).retain_grad(),
    "torch.nn.Module.load_state_dict": lambda: net().load_state_dict(net().state_dict()),
    "torch.nn.Module.register_forward_hook": lambda: net().register_forward_hook(print),
    "torch.nn.Module.register_forward_pre_hook": lambda: net().register_forward_pre_hook(print),
    "torch.nn.Module.register_full_backward_hook": lambda: net().register_full_backward_hook(print),
    "torch.nn.Module.register_full_backward_pre_hook": lambda: net().register_full_backward_pre_hook(print),
    "torch.nn.Module.register_backward_hook": lambda: net().register_backward_hook(print),
    "torch.nn.Module.extra_repr": lambda: net().extra_repr(),
}


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PLAIN)
def test_plain_results(name):
    assert True not in flat(outcome(PLAIN[name]()))
    assert MODELS.call(name).result == "plain"


NOTHING = {
    "zero_grad": lambda module: module.zero_grad(),
    "register_parameter": lambda module: module.register_parameter("p", nn.Parameter(c(3))),
    "register_buffer": lambda module: module.register_buffer("b", c(3)),
    "register_module": lambda module: module.register_module("m", nn.ReLU()),
    "add_module": lambda module: module.add_module("m", nn.ReLU()),
    "set_submodule": lambda module: module.set_submodule("0", nn.Linear(3, 2)),
    "compile": lambda module: module.compile(backend="eager"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_methods_of_modules_that_return_nothing(name):
    assert NOTHING[name](net()) is None
    assert MODELS.method("torch.nn.Linear", name).result == "none"


@pytest.mark.parametrize(
    "name",
    "train eval cpu half float double bfloat16 requires_grad_ share_memory to type apply to_empty".split(),
)
def test_methods_of_modules_that_return_the_module(name):
    module = net()
    arguments = {"to": ("cpu",), "type": (torch.float32,), "apply": (lambda child: None,)}.get(name, ())
    options = {"device": "cpu"} if name == "to_empty" else {}
    assert getattr(module, name)(*arguments, **options) is module
    assert MODELS.method("torch.nn.Linear", name).result == "same"


def test_parts_of_modules():
    module = net()
    assert isinstance(module.get_submodule("0"), nn.Module)
    assert MODELS.method("torch.nn.Linear", "get_submodule").result == "module"
    assert not module.get_buffer("1.running_mean").requires_grad
    assert MODELS.method("torch.nn.Linear", "get_buffer").result == "cut"


@pytest.mark.filterwarnings("ignore")
def test_removed_parametrizations():
    for add, remove in (
        (nn.utils.weight_norm, nn.utils.remove_weight_norm),
        (nn.utils.spectral_norm, nn.utils.remove_spectral_norm),
    ):
        linear = add(nn.Linear(3, 2))
        linear(c(1, 3))
        assert linear.weight.requires_grad
        assert remove(linear) is linear
        assert MODELS.call(f"torch.nn.utils.{remove.__name__}").result == "argument"


def test_vectors_of_parameters():
    assert nn.utils.vector_to_parameters(c(3), [nn.Parameter(c(3))]) is None
    assert MODELS.call("torch.nn.utils.vector_to_parameters").result == "none"
    assert nn.UninitializedParameter().requires_grad
    assert MODELS.call("torch.nn.UninitializedParameter").result == "leaf"


@pytest.mark.parametrize("name", "LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor".split())
def test_integer_tensors_are_free(name):
    assert not getattr(torch, name)([1, 0]).requires_grad
    assert MODELS.call(f"torch.{name}").result == "cut"


def test_other_float_tensors():
    assert torch.DoubleTensor(t(3).double()).requires_grad
    assert MODELS.call("torch.DoubleTensor").result == "view"
    assert len(t(3)) == 3
    assert MODELS.call("torch.Tensor.__len__").result == "number"
    assert "grad_fn" not in format(t(), ".2f")
    assert MODELS.call("torch.Tensor.__format__").sink is None


@pytest.mark.filterwarnings("ignore:.*sample_n:FutureWarning")
def test_rarer_methods_of_distributions():
    categorical = dist.Categorical(logits=t(3))
    for name in ("sample_n", "enumerate_support"):
        assert not getattr(categorical, name)(*((2,) if name == "sample_n" else ())).requires_grad
        assert MODELS.method("torch.distributions.Categorical", name).result == "cut"
    assert categorical.perplexity().requires_grad
    assert MODELS.method("torch.distributions.Categorical", "perplexity").result == "derived"
    assert categorical.expand((2, 3)[:1]).logits.requires_grad
    assert MODELS.method("torch.distributions.Categorical", "expand").result == "same"


def test_optimizers_and_scalers_return_nothing():
    parameter = nn.Parameter(c(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    assert optimizer.zero_grad() is None
    assert optimizer.add_param_group({"params": [nn.Parameter(c(3))]}) is None
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    assert scaler.unscale_(optimizer) is None
    assert scaler.update() is None
    for owner, name in (
        ("torch.optim.SGD", "zero_grad"),
        ("torch.optim.SGD", "add_param_group"),
        ("torch.amp.GradScaler", "unscale_"),
        ("torch.amp.GradScaler", "update"),
    ):
        assert MODELS.method(owner, name).result == "none"


@pytest.fixture
def one_rank(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("one_rank")
def test_collectives():
    from torch.distributed.nn import functional

    for name in ("all_reduce", "broadcast", "reduce"):
        tensor = t(3)
        rank = () if name == "all_reduce" else (0,)
        assert getattr(distributed, name)(tensor, *rank) is None
        assert tensor.requires_grad, name
        assert MODELS.call(f"torch.distributed.{name}").result == "plain"
    gathered = [torch.zeros(3)]
    distributed.all_gather(gathered, t(3))
    assert not gathered[0].requires_grad
    assert MODELS.call("torch.distributed.all_gather").result == "plain"
    assert functional.all_reduce(t(3)).requires_grad
    gathered = functional.all_gather(t(3))
    assert isinstance(gathered, tuple)
    assert gathered[0].requires_grad
    assert MODELS.call("torch.distributed.nn.functional.all_gather").levels == 1
    for name in ("functional.all_reduce", "functional.all_gather", "all_reduce", "all_gather"):
        assert MODELS.call(f"torch.distributed.nn.{name}").result == "derived"
    assert distributed.barrier() is None
    assert distributed.get_rank() == 0
    assert distributed.is_initialized()
    wrapped = nn.parallel.DistributedDataParallel(nn.Linear(3, 1))
    assert wrapped(c(2, 3)).requires_grad
    assert MODELS.call("torch.nn.parallel.DistributedDataParallel").result == "argument"


@pytest.mark.parametrize("method", ["put", "put_nowait"])
@pytest.mark.parametrize("kind", ["Queue", "JoinableQueue"])
def test_process_queues_lose_the_item(kind, method, capfd):
    for owner, name in ((multiprocessing, "multiprocessing"), (multiprocessing.get_context(), "context")):
        channel = getattr(owner, kind)()
        getattr(channel, method)(t(3))
        with pytest.raises(queue.Empty):
            channel.get(timeout=0.2)
        channel.close()
        channel.join_thread()
        made = (
            f"multiprocessing.{kind}"
            if owner is multiprocessing
            else MODELS.method(MODELS.call("multiprocessing.get_context").result, kind).result
        )
        assert MODELS.method(made, method).sink == "lost", name
    assert "Cowardly refusing" in capfd.readouterr().err


def test_python_that_hands_tensors_on():
    one, two = t(), t()
    for name in ("median", "median_low", "median_high"):
        assert getattr(statistics, name)([one, two, one]).requires_grad
        assert MODELS.call(f"statistics.{name}").result == "derived"
    for name in ("add", "sub", "mul", "truediv", "pow"):
        assert getattr(operator, name)(one, two).requires_grad
        assert MODELS.call(f"operator.{name}").result == "derived"
    assert operator.neg(one).requires_grad
    assert operator.matmul(t(3), t(3)).requires_grad
    assert "grad_fn" in pprint.pformat({"a": one})
    assert MODELS.call("pprint.pformat").result == MODELS.call("builtins.ascii").result == "text"


def test_fabric():
    fabric_module = pytest.importorskip("lightning.fabric", reason="lightning is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = fabric_module.Fabric(accelerator="cpu", devices=1)
        linear = nn.Linear(3, 1)
        module, optimizer = fabric.setup(linear, torch.optim.SGD(linear.parameters(), lr=0.1))
        assert MODELS.method("lightning.Fabric", "setup").result == "arguments"
        loss = module(c(2, 3)).sum()
        assert loss.requires_grad
        assert fabric.all_gather(loss).requires_grad
        assert fabric.all_reduce(loss).requires_grad
        assert fabric.setup_module(nn.Linear(3, 1))(c(2, 3)).requires_grad
        fabric.backward(loss)
    assert linear.weight.grad is not None
    assert MODELS.method("lightning.Fabric", "backward").result == "backward"
    assert MODELS.method("lightning.Fabric", "all_gather").result == "derived"
    assert optimizer is not None


def test_accelerate_prepares_one_by_one():
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
    accelerator = accelerate.Accelerator(cpu=True)
    linear = nn.Linear(3, 1)
    assert accelerator.prepare_model(linear)(c(2, 3)).requires_grad
    assert accelerator.pad_across_processes(t(3)).requires_grad
    assert MODELS.method("accelerate.Accelerator", "prepare_model").result == "argument"
    assert MODELS.method("accelerate.Accelerator", "pad_across_processes").result == "derived"
    assert not any(value.requires_grad for value in accelerator.get_state_dict(linear).values())
    assert MODELS.method("accelerate.Accelerator", "get_state_dict").result == "state"
