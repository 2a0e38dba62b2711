"""Every fix, the unsafe ones included, mends the cases: what was fixed is gone and nothing else changed."""

from __future__ import annotations

import ast

import pytest
from case_files import CaseFile, case_files

FILES = pytest.mark.parametrize("file", [f for f in case_files() if f.marks], ids=lambda file: file.name)


@FILES
def test_fixes_are_applied_and_nothing_new_is_found(file: CaseFile) -> None:
    before = file.lint()
    outcome = file.repaired()
    assert outcome.error is None
    assert not outcome.refused
    fixable = [finding for finding in before if finding.fix]
    if not fixable:
        assert outcome.fixed is None
        return
    assert outcome.fixed is not None
    ast.parse(outcome.fixed)
    hopeless = {(f.location.row, f.code) for f in before if f.unfixable}
    left = {(f.location.row, f.code) for f in outcome.findings}
    assert left <= hopeless, f"still or newly reported: {sorted(left - hopeless)}"


@FILES
def test_a_fix_inserts_detach_and_nothing_else(file: CaseFile) -> None:
    fixed = file.repaired().fixed
    if fixed is not None:
        assert ast.dump(_without_detach(fixed)) == ast.dump(_without_detach(file.source))
        assert fixed.count("\n") == file.source.count("\n")


@FILES
def test_a_second_run_changes_nothing(file: CaseFile) -> None:
    fixed = file.repaired().fixed
    if fixed is not None:
        again = file.repaired(fixed)
        assert again.fixed is None
        assert again.error is None


def _without_detach(source: str) -> ast.Module:
    class Undo(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            detaches = isinstance(node.func, ast.Attribute) and node.func.attr == "detach"
            return node.func.value if detaches else node  # type: ignore[attr-defined]

    return Undo().visit(ast.parse(source))  # type: ignore[no-any-return]
