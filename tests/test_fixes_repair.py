"""The contract of a fix: what `repair` promises, and what it refuses when a promise would break."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detachlint.edits import inserted_calls
from detachlint.findings import Applicability, Edit, Finding, Fix, Location
from detachlint.fixes import NotFixable, Repaired, detach_edits, repair


def finding(code: str, node: ast.AST, fix: Fix | None = None) -> Finding:
    place = Location(node.lineno, node.col_offset + 1)  # type: ignore[attr-defined]
    return Finding(code, "name", "message", "file.py", place, place, fix=fix)


def toy(source: str, level: Applicability = "safe") -> list[Finding]:
    """A linter of one rule: what `sink` is given must be detached."""
    return list(toy_findings(source, level))


def toy_findings(source: str, level: Applicability) -> Iterator[Finding]:
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sink"):
            continue
        for argument in node.args:
            if ast.unparse(argument).endswith(".detach()"):
                continue
            try:
                yield finding("T1", node, Fix(level, "detach", detach_edits(source, [argument])))
            except NotFixable:
                yield finding("T1", node)


def mended(source: str) -> Repaired:
    found = toy(source)
    return repair(source, [f.fix for f in found if f.fix], toy, found)


def test_all_findings_of_a_file_are_mended_in_one_pass() -> None:
    source = "sink(a)  # first\nx = sink(b + c, d)\nsink(sink(-y))\n"
    result = mended(source)
    assert result.source == (
        "sink(a.detach())  # first\nx = sink((b + c).detach(), d.detach())\n"
        "sink(sink((-y).detach()).detach())\n"
    )
    assert len(result.applied) == 5
    assert not result.refused
    assert mended(result.source) == Repaired(result.source, (), ())


def test_what_has_no_fix_is_left_and_hinders_nothing() -> None:
    result = mended("sink((a, b))\nsink(c)\n")
    assert result.source == "sink((a, b))\nsink(c.detach())\n"


def test_without_the_findings_the_source_is_linted_first() -> None:
    source = "sink(a)\n"
    fixes = [f.fix for f in toy(source) if f.fix]
    assert repair(source, fixes, toy).source == "sink(a.detach())\n"


def test_a_file_that_does_not_parse_is_untouched() -> None:
    fix = Fix("safe", "x", (Edit(Location(1, 1), Location(1, 1), "y"),))
    result = repair("def (", [fix], lambda _: [])
    assert result.source == "def ("
    assert result.refused[0].reason == "the file can't be parsed"


@pytest.mark.parametrize("error", [RecursionError, MemoryError, ValueError])
def test_a_file_that_the_parser_cannot_bear_is_untouched(monkeypatch, error: type[Exception]) -> None:
    def refuse(source: str) -> None:
        raise error

    with monkeypatch.context() as patch:  # pytest parses too, to tell of a failure
        patch.setattr(ast, "parse", refuse)
        result = repair("sink(a)", [insertion(1, 7, ".detach()")], lambda _: [])
    assert [refusal.reason for refusal in result.refused] == ["the file can't be parsed"]


def insertion(row: int, column: int, content: str) -> Fix:
    return Fix("safe", "x", (Edit(Location(row, column), Location(row, column), content),))


def refused(source: str, fix: Fix) -> str:
    result = repair(source, [fix], lambda _: [])
    assert result.source == source
    assert not result.applied
    return result.refused[0].reason


def test_a_result_that_does_not_parse_is_refused() -> None:
    assert refused("f(a b)"[:3] + ")", insertion(1, 3, "(")) == "a parenthesis is opened that nothing closes"
    assert refused("f(a)", insertion(1, 2, ")")) == "the result could not be parsed"


def test_a_result_that_differs_in_anything_else_is_refused() -> None:
    for content in (".item()", " + 1", ".detach().clone()", "b", "; import os #"):
        assert (
            "more than detach() calls" in refused("f(a)", insertion(1, 4, content))
            or content == "; import os #"
        )
    assert "more than detach() calls" in refused("f('a')", insertion(1, 4, ".detach()"))
    assert "more than detach() calls" in refused("f()  # a", insertion(1, 9, ".detach()"))


def test_a_finding_that_stays_is_refused() -> None:
    stubborn = insertion(1, 7, ".detach()")

    def lint(source: str) -> list[Finding]:
        return [finding("T2", ast.parse(source).body[0], stubborn)]

    result = repair("sink(a)", [stubborn], lint)
    assert result.source == "sink(a)"
    assert result.refused[0].reason == "T2 would be reported in line 1 of the result"


def test_a_new_finding_is_refused_and_the_others_are_applied() -> None:
    """The second line's detach makes the toy say something new; the first and third are done all the same."""

    def lint(source: str) -> list[Finding]:
        lines = source.splitlines()
        extra = [finding("T9", ast.parse(source).body[1])] if "detach" in lines[1] else []
        return toy(source) + extra

    source = "sink(a)\nsink(b)\nsink(c)\n"
    result = repair(source, [f.fix for f in toy(source) if f.fix], lint)
    assert result.source == "sink(a.detach())\nsink(b)\nsink(c.detach())\n"
    assert [refusal.reason for refusal in result.refused] == ["T9 would be reported in line 2 of the result"]


def test_a_fix_that_makes_another_possible_is_refused() -> None:
    """A second run would go on; nobody may need two."""

    def lint(source: str) -> list[Finding]:
        found = toy(source)
        if "detach" in source.splitlines()[0]:
            return found
        return [found[0], *(finding("T1", node) for node in ast.parse(source).body[1:])]

    source = "sink(a)\nsink(b)\n"
    fixes = [f.fix for f in lint(source) if f.fix]
    result = repair(source, fixes, lint)
    assert result.source == source
    assert result.refused[0].reason == "a second run would change the file again"


def test_other_levels_do_not_count_as_a_second_run() -> None:
    def lint(source: str) -> list[Finding]:
        return [*toy(source), finding("T3", ast.parse(source).body[0], Fix("unsafe", "y", ()))]

    source = "sink(a)\n"
    assert repair(source, [f.fix for f in toy(source) if f.fix], lint).source == "sink(a.detach())\n"


def comment(source: str, start: int, row: int = 1) -> Fix:
    """Delete from a column to the end of the line."""
    line = source.splitlines()[row - 1]
    return Fix("safe", "x", (Edit(Location(row, start), Location(row, len(line) + 1), ""),))


def test_an_unused_comment_is_removed_beside_a_detach() -> None:
    source = "sink(a)  # ignore\n"
    fixes = [f.fix for f in toy(source) if f.fix] + [comment(source, 8)]
    assert repair(source, fixes, toy).source == "sink(a.detach())\n"


def test_rows_below_a_removed_line_move_up() -> None:
    source = "# ignore\nsink((a, b))\nsink(c)\n"
    line = Fix("safe", "x", (Edit(Location(1, 1), Location(2, 1), ""),))
    result = repair(source, [line, *(f.fix for f in toy(source) if f.fix)], toy)
    assert result.source == "sink((a, b))\nsink(c.detach())\n"
    assert not result.refused


def test_fixes_that_stand_in_each_others_way_get_a_second_round() -> None:
    """Two codes unused in one comment: the second edit is made anew for the shorter comment."""

    def lint(source: str) -> list[Finding]:
        found = []
        for code in ("A", "B"):
            if code in source:
                rest = source.replace(code, "").rstrip()
                change = Edit(Location(1, 1), Location(1, len(source) + 1), rest)
                found.append(
                    Finding(
                        code, "n", "m", "f", Location(1, 1), Location(1, 1), fix=Fix("safe", code, (change,))
                    )
                )
        return found

    source = "x  #AB"
    result = repair(source, [f.fix for f in lint(source) if f.fix], lint)
    assert result.source == "x  #"
    assert not result.refused


def test_invalid_escapes_do_not_warn(recwarn) -> None:
    source = "sink(a)\nb = '\\d'\n"
    repair(source, [insertion(1, 7, ".detach()")], lambda _: [])
    assert not recwarn.list


ARGUMENT = st.sampled_from(["a", "-a", "a + b", "(a + b)", "a if b else c", "a[0]", "f(a)", "(a, b)", "a.detach()", "lambda: a", "1", "not a", "a < b", "(x := a)", "[a]", "sink(b)", "sink(-b)", "(  # s\n  a)"])  # fmt: skip
STATEMENT = st.sampled_from(["sink({})", "x = sink({}, {})  # sink(", "if sink(-({})): sink({})", "y = [sink({}) for a in b]", "sink(\n    {},\n    {},\n)", "'é'; sink({})", "z = lambda: sink({})"])  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(STATEMENT, ARGUMENT, ARGUMENT), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_program_is_mended_once_and_for_all(parts, newline) -> None:
    source = "".join(form.format(a, b) + "\n" for form, a, b in parts).replace("\n", newline)
    before = toy(source)
    result = mended(source)
    assert not result.refused
    assert inserted_calls(ast.parse(source), ast.parse(result.source)) == len(
        {f.fix for f in before if f.fix}
    )
    assert all(f.fix is None for f in toy(result.source))
    assert mended(result.source).source == result.source
    assert len(result.source.split(newline)) == len(source.split(newline))


def test_fixes_that_spoil_each_other_are_not_tried_for_ever() -> None:
    """Every result has a new finding, so that halving would go down to each of them."""
    tried = []

    def lint(source: str) -> list[Finding]:
        tried.append(source)
        extra = [finding("T9", ast.parse(source).body[0])] if "detach" in source else []
        return toy(source) + extra

    source = "sink(a)\n" * 200
    result = repair(source, [f.fix for f in toy(source) if f.fix], lint, toy(source))
    assert result.source == source
    assert len(result.refused) == 200
    assert len(tried) < 120
    assert "spoil each other" in result.refused[-1].reason


def test_rounds_end() -> None:
    """Each round finds that of all fixes left one can be applied: all would take as many rounds as fixes."""

    def lint(source: str) -> list[Finding]:
        end = Location(1, len(source) + 1)
        shorter = (Edit(Location(1, 1), end, source[:-1]),)
        return [
            Finding("T1", "n", "m", "f", Location(1, 1), end, fix=Fix("safe", str(number), shorter))
            for number in range(source.count("b"))
        ]

    source = "a  #" + "b" * 9
    result = repair(source, [f.fix for f in lint(source) if f.fix], lint)
    assert result.source == "a  #" + "b" * 5
    assert len(result.applied) == 4
    assert "too many fixes of this file spoil each other to try them all" in {
        refusal.reason for refusal in result.refused
    }
