"""What is used like a container is not detached as if it were a tensor."""

import ast

import pytest

from detachlint.uses import Uses

LOOP = """
def train(net, batches, opt):
    kept = []
    for batch in batches:
        out = net.step(batch)
        {use}
        kept.append(out)
    return kept
"""


def said(source: str, name: str = "out") -> str | None:
    """What is said of the last use of a name."""
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr) and ast.unparse(node) == name]
    return Uses(tree).contradict(max(nodes, key=lambda node: node.lineno))


@pytest.mark.parametrize(
    "use",
    [
        "out['loss'].backward()",
        "loss = sum(out) if isinstance(out, tuple) else out",
        "loss = sum(out) if isinstance(out, (list, torch.Tensor)) else out",
        "assert isinstance(out, collections.abc.Mapping)",
        "for name, value in out.items(): log(name, value)",
        "report(**out)",
    ],
)
def test_what_is_used_like_a_container(use):
    assert (
        said(LOOP.format(use=use))
        == "`out` is used like a container: what it holds would have to be detached"
    )


@pytest.mark.parametrize(
    "use",
    [
        "out.backward()",
        "x = out[0]",
        "assert isinstance(out, torch.Tensor)",
        "report(out=out)",
        "other['loss'] = out",
    ],
)
def test_what_a_tensor_bears_too(use):
    assert said(LOOP.format(use=use)) is None


def test_another_function_speaks_of_another_value():
    assert said("def f(out):\n    return out['a']\n" + LOOP.format(use="out.backward()")) is None


def test_attributes():
    assert (
        said("def f(self):\n    self.out['loss'].backward()\n    kept.append(self.out)\n", "self.out")
        is not None
    )


@pytest.mark.parametrize(
    "use",
    [
        "out.mean().backward()",
        "print(out.shape)",
        "error = out - batch",
        "scaled = 0.5 * out",
        "moved = out + 1",
        "negative = -out",
        "first = out[:, 0]",
        "print(f'{out:.3f}')",
        "probabilities = F.softmax(out, 1)",
        "number = float(out)",
        "parts.append(out)\n        whole = torch.cat(parts)",
    ],
)
def test_what_only_a_tensor_bears(use):
    assert shown(LOOP.format(use=use))


@pytest.mark.parametrize(
    "use",
    [
        "torch.save(out, path)",
        "total = total + out",
        "twice = 2 * out",
        "first = out[0]",
        "print(f'{out}')",
        "loss = criterion(out, batch)",
        "values = out.values()",
        "torch.cat(parts)\n        others.append(out)",
    ],
)
def test_what_a_tuple_or_a_dict_bears_too(use):
    assert not shown(LOOP.format(use=use))


def test_an_inner_function_speaks_of_its_own_values():
    assert not shown(
        "def f(net):\n    def g(out):\n        return out.mean()\n    out = net()\n    kept.append(out)\n"
    )


def shown(source: str, name: str = "out") -> bool:
    """Whether the last use of a name is known to be of a tensor."""
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr) and ast.unparse(node) == name]
    return Uses(tree).show_tensor(max(nodes, key=lambda node: node.lineno))
