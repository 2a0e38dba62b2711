"""What a missing detach does to training: each fact that the rules rest on, run again."""

from __future__ import annotations

import collections
import copy
import functools
import gc
import itertools
import warnings
import weakref

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch
import torch.nn.functional as F
from observing import c, t
from torch import nn

from detachlint import models

MODELS = models.load()
SECOND = "Trying to backward through the graph a second time"
LEAF = "a leaf Variable that requires grad is being used in an in-place operation"
DEEPCOPY = "support the deepcopy protocol"


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def nodes(*tensors: torch.Tensor) -> int:
    """How many autograd nodes these tensors keep alive."""
    waiting, seen = [tensor.grad_fn for tensor in tensors if tensor.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions if following]
    return len(seen)


def growth(keep, backward: bool = True) -> list[int]:
    """Nodes kept after each of four iterations; `keep(loss)` gives what is kept, as tensors."""
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    sizes = []
    for _ in range(4):
        loss = net(c(2, 4)).sum()
        if backward:
            loss.backward()
        sizes.append(nodes(*keep(loss)))
    return sizes


def grows(sizes: list[int]) -> bool:
    steps = [later - earlier for earlier, later in itertools.pairwise(sizes)]
    return all(step > 0 for step in steps) and len(set(steps)) == 1


# --- accumulation ---


class Sum:
    """A running total in one of its spellings."""

    def __init__(self, how: str) -> None:
        self.how, self.total, self.kept = how, torch.zeros(()), []
        self.sums, self.calls = {"loss": 0.0}, []

    def __call__(self, loss):
        if self.how == "+=":
            self.total += loss
        elif self.how == "+":
            self.total = self.total + loss
        elif self.how == "average":
            self.total = 0.9 * self.total + 0.1 * loss
        elif self.how == "max":
            self.total = torch.max(self.total, loss)
        elif self.how == "append":
            self.kept.append(loss)
        elif self.how == "d[k] +=":
            self.sums["loss"] += loss
        elif self.how == "append a dict":
            self.kept.append({"loss": loss}["loss"])
        elif self.how == "append a function":
            self.calls.append(lambda: loss)
        elif self.how == "cpu":
            self.kept.append(loss.cpu())
        elif self.how == "append under no_grad":
            with torch.no_grad():
                self.kept.append(loss)
        held = [value for value in self.sums.values() if isinstance(value, torch.Tensor)]
        return [self.total, *self.kept, *held, *(call() for call in self.calls)]


HOWS = (
    *("+=", "+", "d[k] +=", "average", "max", "append", "append a dict", "append a function", "cpu"),
    "append under no_grad",
)


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("how", HOWS)
def test_what_grows(how, backward):
    assert grows(growth(Sum(how), backward))


def test_what_does_not_grow():
    total = torch.zeros(())

    def under_no_grad(loss):
        with torch.no_grad():
            total.add_(loss)
        return [total]

    for keep in (
        lambda loss: [loss.detach()],
        lambda loss: [(loss > 0).sum()],
        lambda loss: [loss.argmax()],
        lambda loss: [torch.tensor(loss.item()), torch.tensor(float(f"{loss:.3f}"))],
        lambda loss: [0.9 * total + 0.1 * loss.detach()],
        under_no_grad,
    ):
        assert set(growth(keep)) == {0}
    assert len(set(growth(lambda loss: [loss]))) == 1  # one graph, always the last
    ring: collections.deque[torch.Tensor] = collections.deque(maxlen=2)
    sizes = growth(lambda loss: (ring.append(loss), list(ring))[1])
    assert sizes[1] == sizes[2] == sizes[3]


def test_norms_of_parameters_are_graphs_and_of_gradients_are_not():
    linear = nn.Linear(3, 1)
    linear(c(1, 3)).sum().backward()
    assert nodes(sum(parameter.norm() for parameter in linear.parameters())) > 0
    assert nodes(*[parameter.clone() for parameter in linear.parameters()]) > 0
    assert nodes(sum(parameter.grad.norm() for parameter in linear.parameters())) == 0
    assert nodes(*linear.parameters()) == 0
    assert nodes(nn.utils.clip_grad_norm_(linear.parameters(), 1.0)) == 0


def test_a_backward_frees_what_was_saved_but_not_the_nodes():
    kept = []
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def pack(tensor):
        plain = tensor.detach()  # keeping the saved output itself would be a cycle
        kept.append(weakref.ref(plain))
        return plain

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = net(torch.rand(2, 4)).exp().sum()
    alive = sum(reference() is not None for reference in kept)
    loss.backward()
    gc.collect()
    assert alive > 0
    assert sum(reference() is not None for reference in kept) < alive
    assert nodes(loss) > 0


def test_a_long_chain_can_be_dropped():
    total = torch.ones((), requires_grad=True)
    for _ in range(20_000):
        total = total + 1
    assert total.requires_grad
    del total  # no recursion, no crash


# --- a second backward ---


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_carried_hidden_state_raises_in_the_second_iteration(kind):
    net, hidden = kind(2, 3), None
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step(hidden, **options):
        out, hidden = net(c(4, 1, 2), hidden)
        optimizer.zero_grad()
        out.sum().backward(**options)
        optimizer.step()
        return hidden

    hidden = step(hidden)
    with pytest.raises(RuntimeError, match=SECOND):
        step(hidden)
    hidden = step(None, retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        step(hidden, retain_graph=True)


def test_a_state_made_by_hand_raises_in_the_second_iteration():
    linear, state = nn.Linear(3, 3), c(1, 3)
    state = linear(state).tanh()
    state.sum().backward()
    with pytest.raises(RuntimeError, match=SECOND):
        linear(state).tanh().sum().backward()


def test_a_total_that_is_backpropagated_every_iteration():
    net, total = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1)), torch.zeros(())
    total = total + net(c(1, 3)).sum()
    total.backward()
    total = total + net(c(1, 3)).sum()
    with pytest.raises(RuntimeError, match=SECOND):
        total.backward()
    leaf, total = torch.rand(3, requires_grad=True), torch.zeros(())
    for _ in range(2):  # nothing was saved: nothing is missing
        total = total + leaf.sum()
        total.backward()


def test_a_cached_function():
    leaf = torch.rand(3, requires_grad=True)
    cached = functools.lru_cache(leaf.exp)
    cached().sum().backward()
    with pytest.raises(RuntimeError, match=SECOND):
        cached().sum().backward()


def test_backward_under_no_grad():
    with torch.no_grad(), pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        nn.Linear(3, 1)(c(1, 3)).sum().backward()


# --- wrong gradients ---


def networks():
    torch.manual_seed(1)
    return nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))


def test_a_generator_in_the_step_of_the_discriminator():
    generator, judge = networks()
    judge(generator(c(2, 3))).sum().backward()
    assert generator.weight.grad is not None
    generator, judge = networks()
    judge(generator(c(2, 3)).detach()).sum().backward()
    assert generator.weight.grad is None
    fake = generator(c(2, 3))
    judge(fake).sum().backward()
    with pytest.raises(RuntimeError, match=SECOND):
        (judge(fake) ** 2).sum().backward()


def test_a_generator_s_gradient_is_right_only_after_zero_grad():
    def gradient(detach, zero):
        generator, judge = networks()
        noise, other = torch.ones(2, 3), torch.full((2, 3), 0.5)
        fake = generator(noise)
        judge(fake.detach() if detach else fake).sum().backward()
        if zero:
            generator.zero_grad()
        (-judge(generator(other)).sum()).backward()
        return generator.weight.grad

    right = gradient(detach=True, zero=False)
    assert torch.equal(gradient(detach=False, zero=True), right)
    assert not torch.allclose(gradient(detach=False, zero=False), right)


def test_a_target_of_the_network_itself():
    def gradient(target):
        torch.manual_seed(2)
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        state, following = torch.rand(4, 3), torch.rand(4, 3)
        F.mse_loss(net(state), target(lambda: 1 + 0.9 * net(following))).backward()
        return torch.cat([parameter.grad.flatten() for parameter in net.parameters()])

    def quiet(make):
        with torch.no_grad():
            return make()

    right = gradient(lambda make: make().detach())
    assert torch.equal(gradient(quiet), right)
    assert F.cosine_similarity(gradient(lambda make: make()), right, dim=0) < 0.9


def test_an_advantage_that_is_not_detached():
    def gradients(detach):
        torch.manual_seed(3)
        policy, critic, state = nn.Linear(3, 2), nn.Linear(3, 1), torch.rand(4, 3)
        advantage = 1 - critic(state).squeeze()
        chosen = policy(state).log_softmax(1)[:, 0]
        (-(chosen * (advantage.detach() if detach else advantage)).mean()).backward()
        return policy.weight.grad, critic.weight.grad

    policy, critic = gradients(detach=False)
    right, untouched = gradients(detach=True)
    assert torch.equal(policy, right)
    assert critic is not None
    assert untouched is None


LOSSES = {
    "mse_loss": lambda target: F.mse_loss(c(3), target),
    "l1_loss": lambda target: F.l1_loss(c(3), target),
    "smooth_l1_loss": lambda target: F.smooth_l1_loss(c(3), target),
    "huber_loss": lambda target: F.huber_loss(c(3), target),
    "binary_cross_entropy": lambda target: F.binary_cross_entropy(c(3), target),
    "binary_cross_entropy_with_logits": lambda target: F.binary_cross_entropy_with_logits(c(3), target),
    "kl_div": lambda target: F.kl_div(c(3).log(), target, reduction="batchmean"),
    "cross_entropy": lambda target: F.cross_entropy(c(3), target),
    "cosine_embedding_loss": lambda target: F.cosine_embedding_loss(c(1, 3), target[None], torch.ones(1)),
    "gaussian_nll_loss": lambda target: F.gaussian_nll_loss(c(3), c(3), target),
    "poisson_nll_loss": lambda target: F.poisson_nll_loss(c(3), target),
    "triplet_margin_loss": lambda target: F.triplet_margin_loss(c(1, 3), target[None], c(1, 3)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_flows_into_a_target_without_a_word(name):
    target = torch.rand(3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LOSSES[name](target * 1).backward()
    assert target.grad is not None
    assert MODELS.call(f"torch.nn.functional.{name}").result == "derived"


def test_kl_div_warns_of_its_reduction_only():
    with pytest.warns(UserWarning, match="reduction"):
        F.kl_div(c(3).log(), t(3))


def test_targets_that_are_refused():
    for call in (
        lambda: F.soft_margin_loss(c(3), t(3)),
        lambda: F.binary_cross_entropy(c(3), c(3), weight=t(3)),
    ):
        with pytest.raises(RuntimeError, match="is not differentiable with respect to argument"):
            call()


# --- averages of weights, buffers ---


def test_averaged_weights():
    teacher, student = nn.Parameter(c(3)), nn.Parameter(c(3))
    teacher.data = 0.9 * teacher + 0.1 * student
    teacher.data.mul_(0.9).add_(student)
    with torch.no_grad():
        teacher.mul_(0.9).add_(student)
    teacher.detach().lerp_(student.detach(), 0.1)
    assert teacher.is_leaf
    assert teacher.requires_grad
    with pytest.raises(RuntimeError, match=LEAF):
        teacher.copy_(0.9 * teacher + 0.1 * student)
    frozen = c(3).requires_grad_(False)
    frozen.mul_(0.9).add_(student)
    assert frozen.requires_grad
    with pytest.raises(RuntimeError, match="leaf"):
        frozen.requires_grad_(False)


def test_averages_in_a_dict():
    weight = nn.Parameter(c(3))
    shadow, sizes = weight.detach().clone(), []
    for _ in range(3):
        shadow = 0.9 * shadow + 0.1 * weight
        sizes.append(nodes(shadow))
    assert grows(sizes)
    assert nodes(0.9 * c(3) + 0.1 * nn.Linear(3, 1).state_dict()["weight"]) == 0


INDEX = torch.tensor([0, 1])
WRITES = {
    "[i] =": lambda buffer, v: buffer.__setitem__(0, v[0]),
    "[:] =": lambda buffer, v: buffer.__setitem__(slice(None), v),
    "[mask] =": lambda buffer, v: buffer.__setitem__(torch.tensor([True, False, True]), v[:2]),
    "copy_": lambda buffer, v: buffer.copy_(v),
    "add_": lambda buffer, v: buffer.add_(v),
    "lerp_": lambda buffer, v: buffer.lerp_(v, 0.5),
    "index_copy_": lambda buffer, v: buffer.index_copy_(0, INDEX, v[:2]),
    "scatter_": lambda buffer, v: buffer.scatter_(0, INDEX, v[:2]),
    "masked_fill_": lambda buffer, v: buffer.masked_fill_(buffer > 0, v[0]),
    "fill_": lambda buffer, v: buffer.fill_(v[0]),
    "set_": lambda buffer, v: buffer.set_(v),
}
QUIET = {
    "data.copy_": lambda buffer, v: buffer.data.copy_(v),
    "data[i] =": lambda buffer, v: buffer.data.__setitem__(0, v[0]),
    "detach().copy_": lambda buffer, v: buffer.detach().copy_(v.detach()),
    "data =": lambda buffer, v: setattr(buffer, "data", v),
    "[i] = item": lambda buffer, v: buffer.__setitem__(0, v[0].item()),
}


@pytest.mark.parametrize("how", WRITES)
def test_a_buffer_that_is_written_starts_to_track(how):
    buffer = c(3)
    WRITES[how](buffer, t(3))
    assert buffer.requires_grad
    quiet, given = c(3), t(3)
    with torch.no_grad():
        WRITES[how](quiet, given)
    assert not quiet.requires_grad
    if how.endswith("_"):
        assert MODELS.call(f"torch.Tensor.{how}").result == "into"


@pytest.mark.parametrize("how", QUIET)
def test_a_buffer_that_is_written_quietly_stays_clear(how):
    buffer = c(3)
    QUIET[how](buffer, t(3))
    assert not buffer.requires_grad


class Running(nn.Module):
    """A mean that runs on, in one of its spellings."""

    def __init__(self, how: str = "=") -> None:
        super().__init__()
        self.how = how
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, value):
        if self.how == "=":
            self.mean = 0.9 * self.mean + 0.1 * value.mean()
        elif self.how == "in place":
            self.mean.mul_(0.9).add_(value.mean())
        elif self.how == "copy_":
            self.mean.copy_(0.9 * self.mean + 0.1 * value.mean())
        elif self.how == "detached":
            self.mean = 0.9 * self.mean + 0.1 * value.mean().detach()
        elif self.how == "data":
            self.mean.data = 0.9 * self.mean + 0.1 * value.mean()
        return value - self.mean


def held_by_a_running_mean(how: str) -> list[int]:
    module, leaf = Running(how), torch.rand(3, requires_grad=True)
    sizes = []
    for _ in range(3):
        module(leaf * 2)
        sizes.append(nodes(module.mean))
    return sizes


@pytest.mark.parametrize("how", ["=", "in place", "copy_"])
def test_running_means_grow(how):
    assert grows(held_by_a_running_mean(how))


@pytest.mark.parametrize("how", ["detached", "data"])
def test_running_means_that_are_cut_do_not_grow(how):
    assert held_by_a_running_mean(how) == [0, 0, 0]


def test_a_running_mean_of_a_module():
    module, leaf = Running(), torch.rand(3, requires_grad=True)
    sizes = []
    for _ in range(3):
        module(leaf * 2)
        sizes.append(nodes(module.mean))
    assert grows(sizes)
    with pytest.raises(RuntimeError, match=DEEPCOPY):
        copy.deepcopy(module)
    assert not module.state_dict()["mean"].requires_grad
    used = Running()
    used(leaf * 2).exp().sum().backward()
    with pytest.raises(RuntimeError, match=SECOND):
        used((leaf * 2).exp()).exp().sum().backward() or used(leaf * 2).exp().sum().backward()
    norm = nn.BatchNorm1d(3)
    norm(t(4, 3))
    assert not norm.running_mean.requires_grad


def test_registering_and_setting_on_a_module():
    module = nn.Module()
    module.register_buffer("kept", t(3))
    assert module.kept.requires_grad
    with pytest.raises(RuntimeError, match=DEEPCOPY):
        copy.deepcopy(module)
    linear = nn.Linear(3, 1)
    with pytest.raises(TypeError, match="cannot assign"):
        linear.weight = t(1, 3)
    linear.other = t(3)
    assert linear.other.requires_grad
    source = t(3)
    parameter = nn.Parameter(source)
    assert parameter.is_leaf
    assert parameter.data_ptr() == source.data_ptr()
    best = linear.state_dict()
    assert best["weight"].data_ptr() == linear.weight.data_ptr()  # detached is not copied


def test_steps_by_hand():
    weight = torch.rand(3, requires_grad=True)
    weight.square().sum().backward()
    for change in (
        lambda: weight.__isub__(0.1 * weight.grad),
        lambda: weight.__setitem__(0, 1.0),
        weight.zero_,
    ):
        with pytest.raises(RuntimeError, match="leaf"):
            change()
    following = weight - 0.1 * weight.grad
    assert following.requires_grad
    assert not following.is_leaf
    following.square().sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that a non-leaf's .grad is read
        with pytest.raises(TypeError):
            following - 0.1 * following.grad
    with torch.no_grad():
        assert not (weight - 0.1 * weight.grad).requires_grad


def test_hooks():
    outputs, gradients = [], []
    linear = nn.Linear(3, 1)
    linear.register_forward_hook(lambda module, given, output: outputs.append(output))
    linear.register_full_backward_hook(lambda module, given, output: gradients.extend(output))
    result = linear(t(1, 3))
    result.register_hook(gradients.append)
    result.sum().backward()
    assert outputs[0].requires_grad
    assert gradients
    assert not any(gradient.requires_grad for gradient in gradients)


def test_loaders():
    items = [t(3), t(3)]
    assert next(iter(torch.utils.data.DataLoader(items, batch_size=2))).requires_grad
    for held in (items, [torch.rand(3, requires_grad=True) for _ in range(2)]):
        loader = torch.utils.data.DataLoader(held, batch_size=2, num_workers=1)
        with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
            next(iter(loader))


class Holding(torch.utils.data.Dataset):
    """A data set that has kept a tensor with its graph."""

    def __init__(self):
        self.kept = t(3)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return 1.0


def test_a_data_set_that_holds_a_graph():
    def batch(context):
        loader = torch.utils.data.DataLoader(Holding(), num_workers=1, multiprocessing_context=context)
        return next(iter(loader))

    assert batch("fork") == 1
    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        batch("spawn")


def test_inference_tensors():
    with torch.inference_mode():
        made = torch.rand(3, requires_grad=True) * 1
    assert made.numpy() is not None
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        (made * nn.Parameter(c(3))).sum().backward()
    for change in (made.requires_grad_, lambda: made.add_(1)):
        with pytest.raises(RuntimeError, match=r"[Ii]nference tensor"):
            change()


def test_a_detached_tensor_is_guarded_and_data_is_not():
    def gradient(take):
        leaf = torch.ones(3, requires_grad=True)
        out = leaf.exp()
        take(out).mul_(2)
        out.sum().backward()
        return leaf.grad

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        gradient(lambda out: out.detach())
    assert torch.allclose(gradient(lambda out: out.data), 2 * torch.ones(3).exp())
