"""Deep copies: a network and its copy are two, though they began as one.

A target network or a teacher is a copy of the network that learns. What is told to the one afterwards, that
its parameters need no gradients, that an optimizer steps them, says nothing of the other. So the copy of a
module gets a name of its own, and so do the modules in it. What was known of the original is known of both.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from detachlint.tracking import classes
from detachlint.tracking.analysis import Frame
from detachlint.tracking.values import Grad, Instance, Module, Value

_DEEPEST = 3


def deep(frame: Frame, node: ast.AST, value: Value, limit: int = _DEEPEST) -> Value:
    """What `copy.deepcopy(value)` gives; what holds no parameters is as good as itself."""
    if limit == 0:
        return value
    if isinstance(value, Module):
        frozen = frame.analysis.facts.is_frozen(value.key)
        child = deep(frame, node, value.child, limit - 1) if value.child is not None else None
        key = frame.analysis.keys("copy", node, value.key)
        if frame.analysis.facts.is_frozen(key):
            frozen = True
        trainable = Grad.CLEAR if frozen else value.trainable
        return replace(value, key=key, child=child, parts=(), trainable=trainable)
    if isinstance(value, Instance) and value.klass.is_module and len(value.sites) == 1:
        return _instance(frame, node, value, limit)
    return value


def _instance(frame: Frame, node: ast.AST, value: Instance, limit: int) -> Instance:
    (site,) = value.sites
    facts = frame.analysis.facts
    own = frame.analysis.keys("copy", node, site)
    frame.live.born[own] = frame.depth
    if facts.is_frozen(site):
        facts.frozen[own] = None
    common = [classes.self_site(frame, klass) for klass in value.klass.lineage()]
    for base in reversed((site, *common)):
        for offset in frame.analysis.offsets_of(base):
            held = frame.get((base, offset))
            if held is not None:
                frame.put((own, offset), deep(frame, node, held, limit - 1))
    return Instance((own,), value.klass)
