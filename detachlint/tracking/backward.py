"""What a backward proves, spends and needs.

`x.backward()` says three things at once: the definition of `x` that reaches here requires grad; from here on
its graph is consumed, unless `retain_graph` or `create_graph` keeps it, which it does until an optimizer
steps the weights in it; and every place that `x` was read
from was kept for this.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from detachlint.tracking import carrying, expressions, feeding, library
from detachlint.tracking.analysis import Frame
from detachlint.tracking.arguments import Arguments
from detachlint.tracking.fates import Use, spend
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.values import Doubt, Grad, Lineage, Tensor, Value, grad_of, lineage_of


def backward(
    frame: Frame,
    node: ast.AST,
    value: Value,
    arguments: Arguments | None = None,
    inputs: Value | None = None,
    single: bool = True,
) -> None:
    """`value` is backpropagated at `node`: to all leaves, or as far as the `inputs` that are asked for.

    Not `single`: it may be a dict or tuple that its framework takes the loss from.
    """
    arguments = arguments or Arguments()
    retained = any(arguments.flag(name) is not False for name in ("retain_graph", "create_graph"))
    note = frame.note(node, f"`{_text(node)}` backpropagates it: it requires grad")
    wanted = expressions.flatten(frame, inputs) if inputs is not None else []
    until = frozenset(lineage for lineage in map(lineage_of, wanted) if lineage is not None)
    library.use(frame, node, value, Use.DIFFERENTIATED)
    _settle(frame, value)
    for leaf in expressions.flatten(frame, value):
        if grad_of(leaf) is not Grad.CLEAR or lineage_of(leaf) is not None:
            frame.analysis.facts.prove(lineage_of(leaf), note, single)
        carrying.returned_to(frame, node, leaf, until)
        if inputs is None:
            feeding.differentiated(frame, node, lineage_of(leaf), retained)
        if not retained:
            spend(lineage_of(leaf), frame.live, frame.analysis.facts, until)


def is_home_made(tree: ast.Module) -> bool:
    """Whether a file differentiates by itself: it has a class with a `backward`, and torch is not there."""
    classes = [part for part in tree.body if isinstance(part, ast.ClassDef)]
    methods = [part for klass in classes for part in klass.body if isinstance(part, ast.FunctionDef)]
    if not any(method.name == "backward" and not method.decorator_list for method in methods):
        return False
    imports = [part for part in ast.walk(tree) if isinstance(part, (ast.Import, ast.ImportFrom))]
    roots = {alias.name.partition(".")[0] for part in imports for alias in part.names}
    roots |= {(part.module or "").partition(".")[0] for part in imports if isinstance(part, ast.ImportFrom)}
    return not roots & {"torch", "accelerate", "lightning", "pytorch_lightning", "deepspeed"}


def _settle(frame: Frame, value: Value) -> None:
    """What is backpropagated is a tensor, and so is what it was made of: `_, loss = net(x, y)`."""
    if not isinstance(value, Tensor):
        return
    made_of = frame.analysis.facts.show_parts(value.lineage)
    for place, held in list(frame.live.cells.items()):
        if isinstance(held, Tensor) and Doubt.PART in held.doubt and held.lineage in made_of:
            frame.live.cells[place] = replace(held, doubt=Doubt.NONE)


def differentiate_by(frame: Frame, node: ast.AST, inputs: Value) -> None:
    """`autograd.grad(outputs, inputs)`: the inputs require grad too, or torch would raise."""
    note = frame.note(node, f"`{_text(node)}` differentiates with respect to it: it requires grad")
    library.use(frame, node, inputs, Use.DIFFERENTIATED)
    for leaf in expressions.flatten(frame, inputs):
        # What came in through a call may have been made to require grad for this very purpose.
        lineage = lineage_of(leaf)
        came_in = any(ancestor.entered is not None for ancestor in ancestors(lineage))
        made_here = _is_result(frame, lineage)
        if grad_of(leaf) is Grad.UNKNOWN and made_here and not came_in:
            frame.analysis.facts.prove(lineage_of(leaf), note)


def _is_result(frame: Frame, lineage: Lineage | None) -> bool:
    """Whether a value was computed here; an element of a list of parameters was not."""
    while lineage is not None and lineage.place is not None and lineage.parents:
        lineage = lineage.parents[0]
    if lineage is None or lineage.key < 0:
        return False
    thing = frame.analysis.keys.thing(lineage.key)
    return thing[0] not in ("call", "element") or (thing[0] == "call" and _stands_here(frame, thing[1]))


def _stands_here(frame: Frame, node: object) -> bool:
    """Whether a call stands in the function at hand, or in the one around it."""
    definition = frame.definition
    line = definition.node.lineno if definition is not None else 0
    for part in frame.module.tree.body:
        if part.lineno <= line <= (part.end_lineno or part.lineno):
            return any(inner is node for inner in ast.walk(part))
    return definition is None


def _text(node: ast.AST) -> str:
    text = ast.unparse(node) if isinstance(node, ast.expr) else "the framework"
    return text if len(text) <= 60 else text[:57] + "..."
