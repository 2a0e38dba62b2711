"""The sizes that the rules state are measured again: nodes of the graph, and bytes they saved, kept per iteration.

`python tests/test_measured.py` prints what it measures, in the words of `rule.toml`.
"""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import harm

from detachlint import rulebook
from detachlint.reports import rules as reports

TOLERANCE = 0.1  # of a figure: another release of torch may split an operation otherwise
PROGRAM = """\
import torch
from torch import nn

def case(steps):
    layers = [layer for _ in range(4) for layer in (nn.Linear(32, 32), nn.ReLU())]
    net, data = nn.Sequential(*layers), torch.rand(32, 32)
    {before}
    for step in range(steps):
        out = net(data)
        loss = out.square().mean()
        {backward}
        {keep}
    return kept
"""
BACKWARD = {"after each backward": "loss.backward()", "without a backward": "pass"}
# Code of a rule -> what is kept how.
KEEPS = {
    "DTL201": ("kept = __import__('tqdm').tqdm(total=100, disable=True); kept.n = 0", "kept.n += loss"),
    "DTL203": ("kept = []", "kept.append({'loss': loss, 'out': out})"),
    "DTL301": ("kept = 0.0", "kept = kept + loss"),
    "DTL302": ("kept = []", "kept.append(loss)"),
    "DTL303": ("kept = torch.zeros(())", "kept = 0.9 * kept + 0.1 * loss"),
    "DTL401": ("kept = {}", "kept[step] = out"),
}
BOOK = rulebook.load()
MEASURED = [rule for rule in BOOK.rules if rule.measured]


def measure(code: str, backward: str) -> tuple[float, float]:
    """Nodes and bytes that each iteration adds."""
    before, keep = KEEPS[code]
    source = PROGRAM.format(before=before, keep=keep, backward=BACKWARD[backward])
    few, many = (_held(source, steps) for steps in (harm.FEW, harm.MANY))
    more = harm.MANY - harm.FEW
    return (many.nodes - few.nodes) / more, (many.bytes - few.bytes) / more


def _held(source: str, steps: int) -> harm.Held:
    watch = harm.Watch(weigh=True)
    observed = harm.run(source, "case", steps, watch)
    assert observed.error is None
    return observed.held


@pytest.mark.parametrize("rule", MEASURED, ids=lambda rule: rule.code)
def test_what_a_rule_states_is_what_torch_keeps(rule: rulebook.Rule) -> None:
    assert {size.when for size in rule.measured} == BACKWARD.keys()
    for size in rule.measured:
        nodes, kept = measure(rule.code, size.when)
        assert nodes == pytest.approx(size.nodes, rel=TOLERANCE), size.when
        assert kept == pytest.approx(size.bytes, rel=TOLERANCE), size.when


def test_every_rule_against_growing_memory_states_a_size() -> None:
    assert [rule.code for rule in BOOK.rules if rule.harm == "retains" and not rule.measured] == []


def test_sizes_are_shown() -> None:
    listed = {each["code"]: each for each in json.loads(reports.listing(BOOK, "json"))}
    for rule in MEASURED:
        expected = [{"when": size.when, "nodes": size.nodes, "bytes": size.bytes} for size in rule.measured]
        assert listed[rule.code]["measured"] == expected
        shown = reports.page(BOOK, rule.code)
        assert "## Measured" in shown
        assert all(f"| {size.when} | {size.nodes} | {size.bytes:,} |" in shown for size in rule.measured)
    assert listed["DTL101"]["measured"] == []
    assert "## Measured" not in reports.page(BOOK, "DTL101")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("measured = 1", "tables \\[\\[measured\\]\\]"),
        ("[[measured]]\nwhen = ''\nnodes = 1\nbytes = 1", "`when` must be a text"),
        ("[[measured]]\nwhen = 'x'\nnodes = 1.5\nbytes = 1", "`nodes` must be a whole number"),
        ("[[measured]]\nwhen = 'x'\nnodes = 1\nbytes = -1", "`bytes` must be a whole number"),
        ("[[measured]]\nwhen = 'x'\nnodes = 1\nbites = 1", "unknown key `bites`"),
    ],
)
def test_mistakes_are_named(tmp_path, text: str, problem: str) -> None:
    place = tmp_path / "DTL999-some-rule"
    place.mkdir()
    head = 'code = "DTL999"\nname = "some-rule"\nsummary = "s"\nset = "default"\nharm = "retains"\nmessage = "m"\n'
    (place / "rule.toml").write_text(head + text, encoding="utf-8")
    with pytest.raises(rulebook.RuleError, match=problem):
        rulebook.load(tmp_path)


if __name__ == "__main__":
    for rule_code in KEEPS:
        for mode in BACKWARD:
            grown = measure(rule_code, mode)
            print(
                f'{rule_code}\n[[measured]]\nwhen = "{mode}"\nnodes = {grown[0]:.0f}\nbytes = {grown[1]:.0f}'
            )
