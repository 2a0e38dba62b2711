"""What a finding stands in: rows, scope and code that live through edits elsewhere."""

import ast
from dataclasses import replace

import pytest

from detachlint.findings import Finding, Location
from detachlint.positions import split_lines
from detachlint.surroundings import essence, with_surroundings

SOURCE = """import torch

class Trainer:
    @decorated(
        1,
    )
    async def fit(self):
        def inner():
            kept.append(
                loss,
            )
        if a: total += x; other = y
        return inner

    last = out.numpy()


try:
    pass
except E:
    z = lambda: out.numpy()
match a:
    case 1:
        u = v
"""


def around(row: int, source: str = SOURCE) -> Finding:
    finding = Finding("DTL301", "", "", "a.py", Location(row, 1), Location(row, 1))
    (found,) = with_surroundings([finding], ast.parse(source), split_lines(source))
    return found


@pytest.mark.parametrize(
    ("row", "scope", "rows"),
    [
        (1, "", (1, 1)),
        (3, "Trainer", (3, 3)),
        (5, "Trainer.fit", (4, 7)),
        (7, "Trainer.fit", (4, 7)),
        (10, "Trainer.fit.inner", (9, 11)),
        (12, "Trainer.fit", (12, 12)),
        (15, "Trainer", (15, 15)),
        (21, "", (21, 21)),
        (24, "", (24, 24)),
    ],
)
def test_scope_and_statement(row, scope, rows):
    found = around(row)
    assert (found.scope, found.rows) == (scope, rows)


def test_what_spans_statements_has_all_their_rows():
    finding = Finding("DTL301", "", "", "a.py", Location(8, 1), Location(12, 20))
    (found,) = with_surroundings([finding], ast.parse(SOURCE), split_lines(SOURCE))
    assert found.rows == (8, 12)


def test_of_two_functions_in_a_row_the_inner_one():
    assert around(2, "def f():\n    def g(): return x.numpy()\n").scope == "f.g"
    assert around(1, "def f(): return x.numpy()\n").scope == "f"


def test_nothing_costs_nothing():
    assert with_surroundings([], ast.parse(""), []) == []


@pytest.mark.parametrize(
    "other",
    [
        "kept.append( f(a, 'b') )",
        'kept.append(\n    f(\n        a,\n        "b",\n    ),\n)',
        "kept.append(  # why\n    f(a, 'b')  # \"\n)",
        "kept.append(\r\n    f(a, 'b'),\r\n)",
    ],
)
def test_a_formatter_changes_nothing(other):
    assert essence(other) == essence('kept.append(f(a, "b"))') == 'kept.append(f(a,"b"))'


@pytest.mark.parametrize(
    "other",
    ["kept.append(f(a, 'c'))", "kept.append(f(a))", "kept.extend(f(a, 'b'))", "kept.append(f(a, '#'))"],
)
def test_other_code_is_other_code(other):
    assert essence(other) != essence('kept.append(f(a, "b"))')


def test_comments_go_and_what_looks_like_one_stays():
    assert essence("f(  # one\n  '# two',  # three\n)") == 'f("#two")'
    assert essence("x = '''\n# text\n'''") == 'x="""#text"""'
    assert essence("broken ( # '") == 'broken(#"'


def test_findings_carry_what_they_stand_in():
    finding = Finding("DTL301", "", "", "a.py", Location(9, 13), Location(11, 14))
    (found,) = with_surroundings([finding], ast.parse(SOURCE), split_lines(SOURCE))
    assert found.essence == "kept.append(loss)"
    assert replace(found, rows=(0, 0), scope="", essence="") == finding
