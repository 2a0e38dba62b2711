"""From the parser's places to an editor's."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detachlint import positions
from detachlint.findings import Location


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\nb\r\nc\rd", ["a\n", "b\r\n", "c\r", "d"]),
        ("a\x0cb\x1cc\x85d\u2028e\n", ["a\x0cb\x1cc\x85d\u2028e\n"]),
    ],
)
def test_lines_end_where_python_ends_them(text, lines):
    assert positions.split_lines(text) == lines


@given(st.text(alphabet="a\r\n\x0c\u2028é"))
def test_lines_join_to_the_text(text):
    assert "".join(positions.split_lines(text)) == text


@given(st.text(alphabet="aé漢🙂 ", max_size=8), st.sampled_from(["name", "größe", "漢"]))
def test_spans_count_code_points(before, name):
    line = f"x = '{before}'; {name}.numpy()\n"
    node = ast.parse(line).body[1].value
    lines = positions.split_lines(line)
    start, end = positions.span(lines, node)
    assert start == Location(1, line.index(name + ".") + 1)
    assert positions.text_between(lines, start, end) == f"{name}.numpy()"


def test_text_over_several_lines():
    source = "é = f(\r\n  a,\r  b,\n)\n"
    lines = positions.split_lines(source)
    call = ast.parse(source).body[0].value
    assert positions.text_between(lines, *positions.span(lines, call)) == source[4:-1]


def test_a_node_without_a_place():
    assert positions.span([], ast.parse("")) == (Location(1, 1), Location(1, 1))
