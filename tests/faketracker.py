"""A tracker that believes names, so that the rooms around the real one are tested apart from it.

Every `total += loss` whose left side starts with `total` is an event of kind keep/add, and every
`*.numpy()` one of kind call/numpy, unless what they use is `.detach()`ed. Two more names make it fail: `crash` raises, `deep` recurses.
"""

import ast

from detachlint.tracking.events import Event, Note


def track(path, source, tree, models, root):
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if "crash" in names:
        raise KeyError("no such\nplace")
    if "deep" in names:
        raise RecursionError
    events = [event for node in ast.walk(tree) for event in _events(path, node, tree)]
    return [event for event in events if not ast.unparse(event.detach[0]).endswith(".detach()")]


def _events(path, node, tree):
    if isinstance(node, ast.AugAssign) and ast.unparse(node.target).startswith("total"):
        backward = [
            Note(path, call, "`loss.backward()` has consumed the graph")
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".backward")
        ]
        kept = Note(path, node, "the total outlives the iteration and keeps what is added")
        callee = f"{ast.unparse(node.target)} +="
        yield Event("keep", "add", callee, node, (node.value,), (*backward, kept), spent=bool(backward))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "numpy":
        note = Note(path, node, "numpy() refuses a tensor that requires grad")
        yield Event("call", "numpy", "Tensor.numpy", node, (node.func.value,), (note,))
