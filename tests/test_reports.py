"""Findings as text: what it says, and that it fits."""

import json
import re
from dataclasses import replace

import pytest

from detachlint import reports
from detachlint.findings import Edit, Finding, Fix, Location, Step
from detachlint.positions import split_lines
from detachlint.reports import rules, text
from detachlint.reports.diff import diff
from detachlint.reports.plain import cells, plain
from detachlint.sources import Source

SOURCE = "for x in data:\n    loss = f(x)\n    loss.backward()\n\ttotal += loss\n"


def step(row: int, said: str, filename: str = "train.py") -> Step:
    return Step(filename, Location(row, 5), Location(row, 9), said)


def insertion(row: int, column: int, content: str = ".detach()") -> Edit:
    return Edit(Location(row, column), Location(row, column), content)


FINDING = Finding(
    code="DTL301",
    name="tracked-tensor-accumulated",
    message="`total +=` adds a tensor that still requires grad",
    filename="train.py",
    location=Location(4, 2),
    end_location=Location(4, 15),
    trace=(step(3, "`loss.backward()` has consumed the graph"), step(4, "the total outlives the iteration")),
    fix=Fix("safe", "Detach what is added", (insertion(4, 15),)),
    url="https://example.org/DTL301",
)


def lines_of(filename: str, cell: int | None = None) -> list[str]:
    return split_lines(SOURCE) if filename == "train.py" else []


def full(finding: Finding, width: int = 80, source: str = SOURCE) -> str:
    return reports.render("full", [finding], lambda name, cell: split_lines(source), width=width)


def test_full_shows_code_trace_fix_and_page():
    assert full(FINDING) == (
        "train.py:4:2: DTL301 [*] `total +=` adds a tensor that still requires grad\n"
        "   |\n"
        " 4 |     total += loss\n"
        "   |     ^^^^^^^^^^^^^\n"
        "  1. line 3: `loss.backward()` has consumed the graph\n"
        "       loss.backward()\n"
        "  2. line 4: the total outlives the iteration\n"
        "  help: Detach what is added (--fix)\n"
        "        total += loss.detach()\n"
        "  more: detachlint --explain DTL301\n"
        "\n"
    )


def changed(**values: object) -> Finding:
    import dataclasses

    return dataclasses.replace(FINDING, **values)


def test_what_has_no_fix_says_why():
    said = full(changed(fix=None, unfixable="a tuple has no detach()"))
    assert "  help: a tuple has no detach() (no automatic fix)\n" in said
    assert "[*]" not in said
    assert "help" not in full(changed(fix=None))


def test_an_unsafe_fix_says_so():
    said = full(changed(fix=Fix("unsafe", "Detach it", (insertion(4, 15),))))
    assert "(--fix --unsafe-fixes)" in said
    assert " [-] " in said


def test_several_rows_are_shortened():
    source = "x = f(\n" + "".join(f"    a{number},\n" for number in range(10)) + ")\n"
    said = full(
        changed(location=Location(1, 5), end_location=Location(12, 2), trace=(), fix=None), source=source
    )
    rows = re.findall(r"^ +(\d+|\.+) \| ?", said, re.MULTILINE)
    assert rows == ["1", "2", "3", "4", "..", "12"]
    assert "    ^^\n" in said.replace("|", "")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_everything_but_the_first_line_fits(width):
    long = "value = " + " + ".join(f"part_{number}" for number in range(40)) + " + out.numpy()"
    start = long.index("out") + 1
    finding = changed(
        location=Location(1, start),
        end_location=Location(1, start + 11),
        trace=(step(1, "a sentence that goes on " * 8, "other.py"),),
        fix=Fix("safe", "Detach it " * 12, (insertion(1, start + 3),)),
        url=None,
    )
    said = full(finding, width, long + "\n").splitlines()
    assert all(cells(line) <= width for line in said[1:])
    shown, carets = said[2], said[3]
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "out.numpy()"


@pytest.mark.parametrize("filename", ["a.py", "a/long/path/" * 4 + "漢.py"])
@pytest.mark.parametrize("width", [60, 80])
def test_for_people_the_first_line_is_broken_too(filename, width):
    message = "`running_total +=` adds a tensor that still requires grad to a total " * 3
    finding = changed(filename=filename, message=message.strip(), trace=(), fix=None)
    said = reports.render("full", [finding], lambda *_: [], color=True, width=width, broken=True)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    assert lines[0].startswith(f"{filename}:4:2: DTL301 ")
    assert all(cells(line) <= width for line in lines[1:])
    assert len(lines[0]) <= width or len(filename) > 40
    unbroken = reports.render("full", [finding], lambda *_: []).splitlines()[0]
    headline = lines[: next(n for n, line in enumerate(lines) if line.startswith("  more:"))]
    assert " ".join(" ".join(line.split()) for line in headline) == unbroken


def test_a_long_line_is_cut_around_the_change():
    line = "    plot(" + ", ".join(f"argument_{number}" for number in range(20)) + ", out)"
    fix = Fix("safe", "Detach it", (insertion(1, line.index("out") + 4),))
    trace = (step(1, "why", "b.py"),)
    said = full(
        changed(location=Location(1, 5), end_location=Location(1, 9), trace=trace, fix=fix), source=line
    )
    shown = said.splitlines()[-3].strip()
    assert shown.startswith("...")
    assert shown.endswith("out.detach())")
    assert all(cells(row) <= 80 for row in said.splitlines()[1:])


def test_carets_stand_under_wide_characters():
    source = "x = '漢字é'; y.numpy()\n"
    start = source.index("y.") + 1
    said = full(
        changed(location=Location(1, start), end_location=Location(1, start + 9), trace=(), fix=None),
        source=source,
    )
    shown, carets = said.splitlines()[2:4]
    assert cells(carets[: carets.index("^")]) == cells(shown[: shown.index("y.")])


def test_no_option_is_torn_apart():
    finding = changed(
        fix=Fix("unsafe", "Detach the state where it enters the next iteration", (insertion(4, 15),))
    )
    for width in range(60, 90):
        assert "(--fix --unsafe-fixes)" in " ".join(full(finding, width).split())


def test_steps_name_their_file_where_it_is_another_one():
    first, second = FINDING.trace
    said = reports.render(
        "full", [replace(FINDING, trace=(replace(first, filename="nets.py"), second))], lines_of
    )
    assert "\n  1. nets.py:3: " in said
    assert "\n  2. line 4: " in said
    cells_of_one = replace(FINDING, filename="a.ipynb", cell=4)
    steps = (replace(first, filename="a.ipynb", cell=2), replace(second, filename="a.ipynb", cell=4))
    said = reports.render("full", [replace(cells_of_one, trace=steps)], lambda name, cell: [])
    assert said.startswith("a.ipynb:cell 4:4:")
    assert "\n  1. cell 2, line 3: " in said
    assert "\n  2. line 4: " in said


def test_a_file_that_is_gone():
    said = reports.render("full", [FINDING], lambda name, cell: [])
    assert said.splitlines()[1].startswith("  1. line 3:")


def test_hostile_text_does_not_reach_the_terminal():
    source = "x = out.numpy()  # \x1b[2J\x07\u202e\r"
    finding = changed(
        location=Location(1, 5),
        end_location=Location(1, 16),
        filename="a\x1b[2J\n.py",
        message="\x9b2J",
        trace=(),
    )
    said = full(finding, source=source)
    assert not set(said) & set("\x1b\x07\u202e\r\x9b")
    assert said.splitlines()[0].startswith("a\ufffd[2J\ufffd.py:1:5: DTL301")


def test_plain_keeps_what_is_seen():
    assert plain("größe 漢字\t🙂") == "größe 漢字\t🙂"
    assert cells("e\u0301漢") == 3


def test_concise_is_a_line_each():
    said = reports.render("concise", [FINDING, FINDING], lines_of)
    assert said == "train.py:4:2: DTL301 [*] `total +=` adds a tensor that still requires grad\n" * 2


def test_links_lead_to_the_page_and_change_nothing_else():
    for name in ("full", "concise"):
        linked = reports.render(name, [FINDING], lines_of, links=True)
        assert "\x1b]8;;https://example.org/DTL301\x1b\\DTL301\x1b]8;;\x1b\\" in linked
        assert re.sub(r"\x1b\]8;;[^\x1b]*\x1b\\", "", linked) == reports.render(name, [FINDING], lines_of)
        assert reports.render(name, [changed(url=None)], lines_of, links=True) == reports.render(
            name, [FINDING], lines_of
        )


def test_colours_change_nothing_but_colours():
    for name in ("full", "concise"):
        colored = reports.render(name, [FINDING], lines_of, color=True)
        assert "\x1b[" in colored
        assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == reports.render(name, [FINDING], lines_of)


@pytest.mark.parametrize(
    ("findings", "fixed", "unsafe", "line"),
    [
        ([FINDING], 0, False, "Found 1 error (1 fixable with --fix)."),
        ([FINDING, changed(fix=None)], 0, False, "Found 2 errors (1 fixable with --fix)."),
        (
            [changed(fix=Fix("unsafe", "", ()))],
            0,
            False,
            "Found 1 error (1 fixable with --fix --unsafe-fixes).",
        ),
        ([changed(fix=Fix("unsafe", "", ()))], 0, True, "Found 1 error (1 fixable with --fix)."),
        ([changed(fix=None)], 0, False, "Found 1 error."),
        ([FINDING], 2, False, "Found 3 errors (2 fixed, 1 remaining)."),
        ([], 1, False, "Found 1 error (1 fixed, 0 remaining)."),
    ],
)
def test_summary(findings, fixed, unsafe, line):
    assert text.summary(findings, fixed, unsafe) == line


def test_statistics_count_the_most_frequent_first():
    other = changed(code="DTL101", name="numpy-of-tracked-tensor", fix=None)
    assert text.statistics([other] + [FINDING] * 11) == (
        "11  DTL301  [*]  tracked-tensor-accumulated\n 1  DTL101  [ ]  numpy-of-tracked-tensor\n"
    )
    assert text.statistics([]) == ""


def test_json_is_the_shape_that_ruff_has_and_the_trace():
    found = json.loads(reports.render("json", [FINDING], lines_of))[0]
    assert set(found) >= {
        "code",
        "name",
        "message",
        "filename",
        "location",
        "end_location",
        "fix",
        "url",
        "cell",
        "trace",
    }
    assert found["location"] == {"row": 4, "column": 2}
    assert found["fix"] == {
        "applicability": "safe",
        "message": "Detach what is added",
        "edits": [
            {
                "content": ".detach()",
                "location": {"row": 4, "column": 15},
                "end_location": {"row": 4, "column": 15},
            }
        ],
    }
    assert found["trace"][0]["text"] == "`loss.backward()` has consumed the graph"
    assert found["trace"][0]["location"] == {"row": 3, "column": 5}
    assert reports.render("json", [], lines_of) == "[]\n"


def test_github_commands_cannot_be_broken_out_of():
    finding = changed(filename="a,b:c\n::error::.py", message="100% \r\n::warning::x", trace=())
    said = reports.render("github", [finding], lines_of)
    assert said.count("\n") == 1
    assert said.startswith(
        "::error title=detachlint (DTL301),file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3A.py,line=4,col=2,endLine=4,endColumn=15::"
    )
    assert "100%25 %0D%0A::warning::x" in said


def test_github_gives_no_columns_over_several_lines():
    said = reports.render("github", [changed(end_location=Location(6, 1))], lines_of)
    assert ",line=4,endLine=6::" in said


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_diff_can_be_applied(tmp_path, end):
    import subprocess

    old, new = f"a = 1\nb = 2{end}", f"a = 1\nb = 2.detach(){end}"
    file = tmp_path / "x.py"
    file.write_bytes(old.encode())
    patch = diff(Source("x.py", old), new)
    subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=patch.encode(), cwd=tmp_path, check=True)
    assert file.read_bytes() == new.encode()
    colored = diff(Source("x.py", old), new, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == patch


def test_places_in_a_notebook_name_the_cell():
    finding = changed(cell=7, filename="nb.ipynb", trace=(replace(step(3, "spent", "nb.ipynb"), cell=5),))
    assert text.concise([finding]).startswith("nb.ipynb:cell 7:4:2: DTL301 ")
    asked = []

    def cells_lines(filename, cell=None):
        asked.append((filename, cell))
        return split_lines(SOURCE)

    said = reports.render("full", [finding], cells_lines)
    assert "  1. cell 5, line 3: spent\n       loss.backward()\n" in said
    assert set(asked) == {("nb.ipynb", 7), ("nb.ipynb", 5)}
    (found,) = json.loads(reports.render("json", [finding], cells_lines))
    assert (found["cell"], found["trace"][0]["cell"]) == (7, 5)
    assert "line=1::" in reports.render("github", [finding], cells_lines)
    assert "nb.ipynb:cell 7:4:2: DTL301" in reports.render("github", [finding], cells_lines)


def test_a_change_in_another_cell_is_not_shown_as_a_line_of_this_one():
    edits = (replace(insertion(4, 15), cell=2),)
    finding = changed(cell=7, filename="nb.ipynb", fix=Fix("safe", "Detach it", edits))
    said = reports.render("full", [finding], lambda name, cell: split_lines(SOURCE))
    assert "loss.detach()" not in said
    assert json.loads(reports.render("json", [finding], lines_of))[0]["fix"]["edits"][0]["cell"] == 2


def test_findings_of_a_notebook_are_ordered_by_cell():
    first, second = changed(cell=2, location=Location(9, 1)), changed(cell=10, location=Location(1, 1))
    assert sorted([second, first], key=Finding.sort_key) == [first, second]


PAGE = """\
# a-rule (DTL999)

Reports `total = total + loss` and the like, where the value still requires grad and
nobody differentiates it.

- The first item is a sentence that is a little too long for a narrow terminal.
- The second.

| depth | `total += loss` | each |
|---|---|---|
| 4 | 12.7 KB | 0 |
| 40 | 95.1 KB | 10 |

```python
total += loss  # code that is wider than the terminal, which stays as it is too
```
"""


def test_a_page_is_broken_to_a_width():
    said = rules.filled(PAGE, 40)
    assert said.splitlines()[2:] == [
        "Reports `total = total + loss` and the",
        "like, where the value still requires",
        "grad and nobody differentiates it.",
        "",
        "- The first item is a sentence that is a",
        "  little too long for a narrow terminal.",
        "- The second.",
        "",
        "depth  total += loss  each",
        "-----  -------------  ----",
        "4      12.7 KB        0",
        "40     95.1 KB        10",
        *PAGE.splitlines()[12:],
    ]
    assert "`total = total + loss`" in rules.filled(PAGE, 26), "code is not torn apart"
    assert "\ndepth 4:\n  total += loss: 12.7 KB\n  each: 0\ndepth 40:\n" in rules.filled(PAGE, 25)
    assert max(map(len, rules.filled(PAGE.replace("\nnobody", " nobody"), 500).splitlines()[2:4])) <= 100


def test_the_list_of_rules_is_broken_to_a_width():
    from detachlint import rulebook

    book = rulebook.load()
    narrow, wide = rules.listing(book, None, 72), rules.listing(book, None)
    assert narrow.split() == wide.split()
    assert all(len(line) <= 72 for line in narrow.splitlines() if line.startswith(" "))
    assert len(wide.splitlines()) == 2 * len(book.rules), "tools get a rule in two lines"


def test_pages_lose_no_word_when_they_are_broken():
    from detachlint import rulebook

    def words(page: str) -> set[str]:
        return {word.strip(":") for word in page.replace("`", "").split() if set(word) - set("|-")}

    for rule in rulebook.load().rules:
        page = rule.page().rstrip() + "\n"
        for width in (60, 140):
            assert words(rules.filled(page, width)) == words(page)
