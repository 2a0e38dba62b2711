"""The two programs of every tutorial on `detach`.

Tutorials show them as a pair: with `detach` the gradient of `x` is right, and without it, they say, the
later `y = y + 2` spoils it. It does not. `y + 2` makes a new tensor and binds the name `y` to it; the graph
that `out` was made of still holds the old one, and nothing in it changes. torch gives 4.5 in every place of
`x.grad` both times. What could spoil a gradient is an operation *in place* (`y += 2`), and torch notices that
itself and raises. So neither program is reported. The detached one is right for what comes afterwards: its
`y_detached` can be turned into an array.
"""

import torch


def good_first_program_of_the_tutorials():
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 2
    out = (y * y * 3).mean()
    y_detached = y.detach()
    y_detached = y_detached + 2
    out.backward()
    assert torch.equal(x.grad, torch.full((2, 2), 4.5))
    return x.grad, y_detached.numpy()


def good_second_program_of_the_tutorials():
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 2
    out = (y * y * 3).mean()
    y = y + 2
    out.backward()
    assert torch.equal(x.grad, torch.full((2, 2), 4.5))
    return x.grad


def good_in_place_on_the_copy_would_be_noticed():
    """`detach` shares memory: changing the detached tensor in place makes a later backward raise."""
    x = torch.ones(2, 2, requires_grad=True)
    y = x + 2
    out = (y * y * 3).mean()
    y_detached = y.detach()
    y_detached += 2
    try:
        out.backward()
    except RuntimeError as error:
        return "modified by an inplace operation" in str(error), y_detached.numpy()
    return False, None
