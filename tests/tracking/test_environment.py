"""States: copies, joins, births, the mode, and what a condition brings back."""

import pytest
from programs import cases, check

from detachlint.tracking.environment import State, join_states, same
from detachlint.tracking.values import CLEAR, NONE, PLAIN, Grad, GradMode, Lineage, Tensor

Y, Z = (1, "y"), (1, "z")
TRACKING = Tensor(Grad.TRACKS)


def state(mode=GradMode.ON, **cells):
    made = State(mode)
    made.cells = {(1, name): value for name, value in cells.items()}
    return made


def test_a_copy_is_independent():
    first = state(y=CLEAR)
    first.born[Y] = 1
    second = first.copy()
    second.cells[Y], second.born[Y], second.mode = TRACKING, 2, GradMode.OFF
    second.spent[Lineage(1)] = None
    second.splits["a"] = {}
    assert (first.cells[Y], first.born[Y], first.mode) == (CLEAR, 1, GradMode.ON)
    assert not first.spent
    assert not first.splits


def test_a_path_that_does_not_get_there_says_nothing():
    only = state(y=CLEAR)
    assert join_states(only, None) is only
    assert join_states(None, only) is only
    assert join_states(None, None) is None


def test_a_join_takes_every_place_of_either():
    joined = join_states(state(y=CLEAR), state(y=TRACKING, z=NONE))
    assert joined.cells == {Y: TRACKING, Z: NONE}


def test_a_join_leaves_its_sides_alone():
    left, right = state(y=CLEAR), state(y=TRACKING)
    join_states(left, right, "flag")
    assert (left.cells[Y], right.cells[Y]) == (CLEAR, TRACKING)
    assert not left.splits


def test_a_place_is_as_old_as_on_its_older_side():
    left, right = state(y=CLEAR), state(y=CLEAR)
    left.born, right.born = {Y: 2}, {Y: 1, Z: 3}
    assert join_states(left, right).born == {Y: 1, Z: 3}
    assert join_states(right, left).born == {Y: 1, Z: 3}


def test_grad_mode_is_off_only_if_it_is_on_both_sides():
    off, on = state(GradMode.OFF), state(GradMode.ON)
    assert join_states(off, state(GradMode.OFF)).mode is GradMode.OFF
    assert join_states(off, on).mode is GradMode.ON
    assert join_states(on, off).mode is GradMode.ON


def test_what_one_side_spent_is_spent():
    left, right, lineage = state(), state(), Lineage(1)
    right.spent[lineage] = None
    assert lineage in join_states(left, right).spent


def test_a_module_is_in_eval_mode_if_it_is_on_both_sides():
    left, right = state(), state()
    left.evaluating, right.evaluating = frozenset({1, 2}), frozenset({2})
    assert join_states(left, right).evaluating == {2}


def test_a_condition_brings_back_its_side():
    joined = join_states(state(y=TRACKING), state(y=CLEAR), "flag")
    assert joined.cells[Y] == TRACKING
    joined.assume("flag", False)
    assert joined.cells[Y] == CLEAR
    joined.assume("flag", True)
    assert joined.cells[Y] == CLEAR, "what was narrowed once is not widened"


def test_another_condition_brings_nothing_back():
    joined = join_states(state(y=TRACKING), state(y=CLEAR), "flag")
    joined.assume("other", False)
    assert joined.cells[Y] == TRACKING


def test_a_place_written_since_is_not_brought_back():
    joined = join_states(state(y=TRACKING), state(y=CLEAR), "flag")
    joined.cells[Y] = PLAIN
    joined.assume("flag", True)
    assert joined.cells[Y] is PLAIN


def test_a_split_survives_a_join_only_on_both_sides():
    split = join_states(state(y=TRACKING), state(y=CLEAR), "flag")
    assert "flag" in join_states(split, split.copy()).splits
    assert "flag" not in join_states(split, state(y=CLEAR)).splits


def test_a_loop_ends_when_nothing_is_new():
    first = state(y=CLEAR)
    assert same(first, first.copy())
    assert not same(first, state(y=TRACKING))
    assert not same(first, state(GradMode.OFF, y=CLEAR))
    later = first.copy()
    later.born[Y] = 1
    assert not same(first, later)


CONDITIONS = cases("""
=== two tests of one flag
def f(train):
    if train:
        y = net(x)
    else:
        y = x
    if train:
        y.sum().backward()
    else:
        y.numpy()
=== two tests of one flag, the tracking side
def f(train):
    if train:
        y = net(x)
    else:
        y = x
    if train:
        y.numpy()  #! numpy
=== the second test is turned round
def f(train):
    if train:
        y = net(x)
    else:
        y = x
    if not train:
        y.numpy()
=== the flag changes in between
def f(train):
    if train:
        y = net(x)
    else:
        y = x
    train = not train
    if train:
        y.numpy()  #! numpy
=== a comparison
def f(phase):
    if phase == "train":
        y = net(x)
    else:
        y = x
    if phase != "train":
        y.numpy()
=== an attribute
class Box:
    def f(self):
        if self.training:
            y = net(x)
        else:
            y = x
        if not self.training:
            y.numpy()
=== y is None
def f(flag):
    y = None
    if flag:
        y = net(x)
    if y is None:
        y = x
        y.numpy()
    else:
        y.numpy()  #! numpy
=== y is not None
def f(flag):
    y = net(x) if flag else None
    if y is not None:
        y.numpy()  #! numpy
=== y.requires_grad
def f(flag):
    y = net(x) if flag else x
    if y.requires_grad:
        y = y.detach()
    y.numpy()
=== not y.requires_grad
def f(flag):
    y = net(x) if flag else x
    if not y.requires_grad:
        y.numpy()
=== y.requires_grad in a conditional
def f(flag):
    y = net(x) if flag else x
    return (y.detach() if y.requires_grad else y).numpy()
=== y.requires_grad and more
def f(flag):
    y = net(x) if flag else x
    if y.requires_grad and flag:
        y = y.detach()
    y.numpy()  #! numpy
=== y.grad_fn
def f(flag):
    y = net(x) if flag else x
    if y.grad_fn is not None:
        y = y.detach()
    y.numpy()
=== isinstance of a tensor
def f(flag):
    y = net(x) if flag else 1.0
    if not isinstance(y, torch.Tensor):
        np.asarray(y)
    else:
        np.asarray(y)  #! numpy
=== torch.is_tensor
def f(flag):
    y = net(x) if flag else 1.0
    if torch.is_tensor(y):
        y = y.item()
    np.asarray(y)
=== isinstance of an array
def f(flag):
    y = net(x) if flag else np.zeros(3)
    if isinstance(y, np.ndarray):
        np.asarray(y)
=== isinstance of a float
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        if isinstance(loss, float):
            total += loss
=== hasattr detach
def f(flag):
    y = net(x) if flag else 1.0
    if hasattr(y, "detach"):
        y = y.detach()
    np.asarray(y)
=== hasattr item
def f(loader):
    total = 0
    for a in loader:
        loss = net(a).sum()
        loss.backward()
        total += loss.item() if hasattr(loss, "item") else loss
=== early return on a flag
def f(y, detach):
    y = net(y)
    if not detach:
        return y
    return y.detach().numpy()
=== guard by an exception
def f(y):
    y = net(y)
    if y.requires_grad:
        raise ValueError("detach it")
    return y.numpy()
=== guard by an assertion
def f(y):
    y = net(y)
    assert not y.requires_grad
    return y.numpy()
=== try numpy, except detach
def f(y):
    y = net(y)
    try:
        return y.numpy()
    except RuntimeError:
        return y.detach().numpy()
=== try numpy, except another error
def f(y):
    y = net(y)
    try:
        return y.numpy()  #! numpy
    except KeyError:
        return None
""")


@pytest.mark.parametrize("body", CONDITIONS)
def test_conditions(body):
    check(body)
