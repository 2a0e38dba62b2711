"""Comments that silence, and those that silence nothing."""

from pathlib import Path

import pytest
from faketracker import track

from detachlint import suppressions
from detachlint.config import Settings
from detachlint.edits import apply_edits
from detachlint.linter import Linter
from detachlint.positions import split_lines
from detachlint.rulebook import Fires, Rule, Rulebook
from detachlint.sources import Source


def rule(code: str, event: str = "keep", sink: str = "-", set: str = "default") -> Rule:
    return Rule(
        code,
        f"name-{code}",
        "",
        set,
        "none",
        "{callee}: {value}",
        Path("rules") / code,
        fires=(Fires(event, frozenset((sink,))),),
    )


BOOK = Rulebook(
    (
        rule("DTL001"),
        rule("DTL101", "call", "numpy"),
        rule("DTL301", "keep", "add"),
        rule("DTL104", set="opt-in"),
    )
)


def lint(source: str, *codes: str):
    codes = codes or ("DTL001", "DTL101", "DTL301")
    return Linter(Settings(Path.cwd()), BOOK, BOOK.only(codes), track).lint(Source("x.py", source))


def codes_of(source: str, *codes: str) -> list[tuple[int, str]]:
    return [(finding.location.row, finding.code) for finding in lint(source, *codes)]


@pytest.mark.parametrize(
    "comment",
    [
        "# detachlint: ignore",
        "# detachlint: ignore[DTL301]",
        "#detachlint:ignore[ DTL301 ]",
        "# Detachlint: Ignore[dtl301] the total is small",
        "# detachlint: ignore[DTL3]",
        "# detachlint: ignore[DTL]",
        "# detachlint: ignore [DTL301]",
        "# fine  # detachlint: ignore[DTL301]",
        "# detachlint: ignore[DTL301]  # type: ignore",
        "# noqa",
        "# NOQA",
        "# noqa: DTL301",
        "#noqa:DTL301",
        "# noqa : DTL301",
        "# noqa: E501,DTL301",
        "# noqa: E501 DTL301 because",
        "# type: ignore  # noqa: DTL301",
        "# noqa: some reason",
    ],
)
def test_comments_that_silence(comment):
    assert codes_of(f"total += loss  {comment}\n") == []


@pytest.mark.parametrize(
    "comment",
    [
        "# detachlint: ignored",
        "# detachlint: ignore-not",
        "# detachlint ignore",
        "# noqa: E501",
        "# noqa:E501,W291",
        "# noqaDTL301",
        "# noqa-DTL301",
        "# flake8: noqa",
        "# ignore[DTL301]",
    ],
)
def test_comments_that_do_not(comment):
    assert codes_of(f"total += loss  {comment}\n") == [(1, "DTL301")]


def test_strings_are_no_comments():
    source = "total += loss; s = '# noqa'\nt = '''\n# detachlint: ignore-file\n'''\n"
    assert codes_of(source) == [(1, "DTL301")]


@pytest.mark.parametrize("row", [1, 2, 3, 4])
def test_any_row_of_a_simple_statement(row):
    lines = ["x = f(", "    out.numpy(),", "    1,", ")"]
    lines[row - 1] += "  # detachlint: ignore[DTL101]"
    assert codes_of("\n".join(lines) + "\n") == []


def test_only_the_header_of_a_compound_statement():
    header = "if f(\n    out.numpy()\n):  # noqa: DTL101\n    pass\n"
    assert codes_of(header) == []
    body = "if f(\n    out.numpy()\n):\n    pass  # noqa: DTL101\n"
    assert codes_of(body) == [(2, "DTL101"), (4, "DTL001")]
    decorated = "@f(out.numpy())\ndef g():  # noqa: DTL101\n    pass\n"
    assert codes_of(decorated) == []
    matched = "match out.numpy():  # noqa: DTL101\n    case 1:\n        pass\n"
    assert codes_of(matched) == []
    inner = "def f():  # detachlint: ignore[DTL301]\n    total += loss\n"
    assert codes_of(inner) == [(1, "DTL001"), (2, "DTL301")]


def test_whole_file():
    source = "total += loss\nx = out.numpy()\n"
    assert codes_of(source + "# detachlint: ignore-file\n") == []
    assert codes_of("# detachlint: ignore-file[DTL101]\n" + source) == [(2, "DTL301")]


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("x = 1  # detachlint: ignore[DTL301]\n", "x = 1\n"),
        ("x = 1  # detachlint: ignore[DTL301] with a reason\n", "x = 1\n"),
        ("x = 1  # detachlint: ignore\r\n", "x = 1\r\n"),
        ("x = 1\t# noqa: DTL301", "x = 1"),
        ("x = 1  # noqa: DTL301, E501\n", "x = 1  # noqa: E501\n"),
        ("x = 1  # noqa: E501,DTL301,DTL101\n", "x = 1  # noqa: E501\n"),
        (
            "total += loss  # detachlint: ignore[DTL101, DTL301]\n",
            "total += loss  # detachlint: ignore[DTL301]\n",
        ),
        ("x = 1  # say  # noqa: DTL301\n", "x = 1  # say\n"),
        ("x = 1  # noqa: DTL301  # type: ignore\n", "x = 1  # type: ignore\n"),
        ("x = 1  # detachlint: ignore[DTL301]  # type: ignore\n", "x = 1  # type: ignore\n"),
        ("# detachlint: ignore-file[DTL101]\nx = 1\n", "x = 1\n"),
        ("    # detachlint: ignore[DTL101]\nx = 1\n", "x = 1\n"),
        ("x = 1\n# detachlint: ignore[DTL101]", "x = 1\n"),
        ("x = 1  # detachlint: ignore[DTL999]\n", "x = 1\n"),
        ("é = '漢'  # noqa: DTL301\n", "é = '漢'\n"),
        ("# noqa: DTL301 why it is so\nx = 1\n", "# why it is so\nx = 1\n"),
    ],
)
def test_unused_suppressions_are_reported_and_removed(line, fixed):
    findings = lint(line)
    assert [finding.code for finding in findings] == ["DTL001"]
    assert findings[0].fix.applicability == "safe"
    text = apply_edits(line, findings[0].fix.edits)
    assert text == fixed
    assert lint(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa\n",
        "x = 1  # noqa: E501\n",
        "x = 1  # noqa: DTL104\n",
        "x = 1  # detachlint: ignore[DTL104]\n",
        "x = 1  # detachlint: ignore[DTL1]\n",
        "x = 1  # detachlint: ignore[DTL001]\n",
        "x = 1  # detachlint: ignore[DTL301, DTL001]\n",
    ],
)
def test_what_this_run_cannot_know_is_not_called_unused(line):
    assert lint(line) == []


def test_unused_depends_on_the_rules_that_ran():
    assert lint("x = 1  # detachlint: ignore[DTL301]\n", "DTL001", "DTL101") == []
    assert lint("x = 1  # detachlint: ignore\n", "DTL001", "DTL101") == []
    assert lint("x = 1  # detachlint: ignore\n", "DTL101", "DTL301") == []


def test_a_source_that_cannot_be_cut_into_tokens_has_no_suppressions():
    assert suppressions.find(split_lines("x = (\n# noqa")) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end):
    source = f"a = 1{end}total += loss  # noqa: DTL301{end}x = 1  # noqa: DTL101{end}"
    assert codes_of(source) == [(3, "DTL001")]
