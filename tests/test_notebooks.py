"""Notebooks: one program of cells, and files in which nothing but a cell's source ever changes."""

import json
from pathlib import Path

import faketracker
import nbformat
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from detachlint import cli, rulebook, sources, tracking
from detachlint.config import Settings
from detachlint.findings import Location
from detachlint.linter import Linter, parse
from detachlint.sources import SourceError

BAD = ["import torch\nloss.backward()", "total += loss"]


def code(source, **more):
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source,
        **more,
    }


def notebook(*cells, **more):
    listed = [code(cell) if isinstance(cell, str | list) else cell for cell in cells]
    return {"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 4, **more}


def decode(*cells, **more):
    return sources.decode("nb.ipynb", json.dumps(notebook(*cells, **more)).encode())


def linter(**given_settings):
    book = rulebook.load()
    chosen = book.only(("DTL001", "DTL101", "DTL301"))
    return Linter(Settings(Path.cwd(), **given_settings), book, chosen, faketracker.track)


def fixed(data, **given_settings):
    """The bytes of a notebook after `--fix`."""
    source = sources.decode("nb.ipynb", data)
    outcome = linter(fix=True, **given_settings).outcome_of(source)
    assert outcome.error is None, outcome.error
    return source.encode(source.text if outcome.fixed is None else outcome.fixed)


def places(*cells):
    outcome = linter().outcome_of(decode(*cells))
    assert outcome.error is None, outcome.error
    return [(found.code, found.cell, found.location, found.end_location) for found in outcome.findings]


# --- what is a program ---------------------------------------------------------------------------------------


def test_cells_are_one_program_in_order_and_places_are_in_cells():
    markdown = {"cell_type": "markdown", "metadata": {}, "source": "# total += loss"}
    outcome = linter().outcome_of(decode(BAD[0], markdown, "\n\n  # %%\n", "x = 1\ntotal += loss"))
    (finding,) = outcome.findings
    assert (finding.code, finding.cell) == ("DTL301", 4)
    assert (finding.location, finding.end_location) == (Location(2, 1), Location(2, 14))
    assert [(step.cell, step.location.row) for step in finding.trace] == [(1, 2), (4, 2)]
    assert finding.fix.applicability == "safe"  # the backward stands in another cell
    assert (finding.fix.edits[0].cell, finding.fix.edits[0].location) == (4, Location(2, 14))


def test_columns_are_those_of_the_notebook_where_a_line_magic_stands():
    assert places("if x:\n    %time y = é + out.numpy()") == [("DTL101", 1, Location(2, 19), Location(2, 30))]
    assert places("    y = out.numpy()\n    if y:\n        !ls") == [
        ("DTL101", 1, Location(1, 9), Location(1, 20))
    ]


def test_magics_and_cells_in_other_languages_are_no_python():
    cells = [
        "%load_ext x\n!pip install torch",
        "%%bash\nfor x in (",
        "%%time\ntotal += loss\nmodel?",
        "%%html\n<",
    ]
    assert [place[:3] for place in places(*cells)] == [("DTL301", 3, Location(2, 1))]


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "language": "R"}},
        {"language_info": {"name": "julia"}},
        {"kernelspec": {"name": "x", "language": "python"}, "language_info": {"name": "scala"}},
    ],
)
def test_a_notebook_in_another_language_has_no_program(metadata):
    assert decode("x <- (", metadata=metadata).text == ""
    assert linter().outcome_of(decode("x <- (", metadata=metadata)).findings == ()


@pytest.mark.parametrize(
    "metadata", [{}, {"language_info": {"name": "python"}}, {"kernelspec": {}}, {"kernelspec": 3}]
)
def test_a_notebook_is_python_unless_it_says_otherwise(metadata):
    assert "total" in decode("total = 1", metadata=metadata).text


def test_a_cell_may_say_that_it_is_in_another_language():
    sql = code("select (", metadata={"vscode": {"languageId": "sql"}})
    assert len(places(sql, "total += loss")) == 1


def test_suppressions_hold_in_cells():
    assert places("total += loss  # detachlint: ignore[DTL301]") == []
    assert places("# detachlint: ignore-file[DTL301]", "total += loss") == []
    assert places("x = 1", "# detachlint: ignore[DTL301]") == [("DTL001", 2, Location(1, 1), Location(1, 29))]


# --- what is no notebook -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is no notebook: invalid JSON: expecting value: line 1 column 1 (char 0)"),
        (
            '{"cells": [\n<<<<<<< HEAD\n',
            "is no notebook: invalid JSON: expecting value: line 2 column 1 (char 12)",
        ),
        ("[" * 100_000, "is no notebook: nested too deeply"),
        ("[]", "is no notebook: it has no `nbformat`"),
        ('{"nbformat": "4"}', "is no notebook: it has no `nbformat`"),
        ('{"nbformat": 4}', "is no notebook: it has no list of `cells`"),
        ('{"nbformat": 3, "worksheets": []}', "is a notebook of format 3; `jupyter nbconvert` renews it"),
        ('{"nbformat": 4, "cells": [3]}', "is no notebook: cell 1 has no `cell_type`"),
        (
            '{"nbformat": 4, "cells": [{"cell_type": "code"}]}',
            "is no notebook: the source of cell 1 is not text",
        ),
        (
            '{"nbformat": 4, "cells": [{"cell_type": "code", "source": ["x", 3]}]}',
            "is no notebook: the source of cell 1 is not text",
        ),
    ],
)
def test_what_is_no_notebook_is_one_clear_line(content, reason):
    with pytest.raises(SourceError) as error:
        sources.decode("nb.ipynb", content.encode())
    assert str(error.value) == f"nb.ipynb: {reason}"


def test_bytes_that_are_no_text():
    with pytest.raises(SourceError, match=r"nb.ipynb: cannot be decoded as utf-8: line 2: invalid"):
        sources.decode("nb.ipynb", b'{\n"nbformat": "\xff"}')


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["x = 1", "y = 2\nx = ("], "nb.ipynb:cell 2:2:5: cannot be parsed: '(' was never closed"),
        (["x = '''", "'''"], "nb.ipynb:cell 1:1:5: cannot be parsed: unterminated"),
        (["if x:", "    y = 1"], "nb.ipynb:cell 1:1:6: cannot be parsed: expected an indented block"),
        (["x = 1 \\", "y"], "nb.ipynb:cell 1:1:"),
        (["x\0"], "nb.ipynb:cell 1: cannot be parsed: "),
        (["'\ud800'"], "nb.ipynb:cell 1: cannot be parsed: "),
    ],
)
def test_a_cell_that_is_not_whole_is_named(cells, message):
    with pytest.raises(SourceError) as error:
        parse(decode(*cells))
    assert str(error.value).startswith(message)


# --- files ---------------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(
    [
        *BAD,
        *("total_2 += loss\n\n", "x = 'é\\u00e9\\\\' + '😀'  # \"quoted\"\ntotal += loss  # é\n", ""),
        *(
            "%%bash\ntotal += loss\nx = (",
            "%matplotlib inline\n!ls /\ntotal += a + b\nx?",
            "%time y = out.numpy()",
        ),
        *(
            "  total += loss\n  !ls",
            "x = 1\r\ntotal += loss\r\ny = 2",
            "files = !ls\nx = {\n  'a': out.numpy(),\n}",
        ),
        *(
            "def f():\n\ttotal = 0\n\ttotal += loss\n\treturn total",
            "x = '\u2028'",
            "x = 1\x0c\n",
            "pip install x\ntotal += x",
        ),
        "total += '''\n%time\n'''.numpy()",
    ]
)
PLAIN = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@st.composite
def notebooks(draw, texts=TEXTS):
    def source(text):
        return draw(st.sampled_from([text, text.splitlines(keepends=True), [text[:3], text[3:]]]))

    cells = []
    for text in draw(st.lists(texts, max_size=5)):
        kind = draw(st.sampled_from(["code", "code", "code", "markdown"]))
        cell = {"cell_type": kind, "metadata": {"x": draw(PLAIN)}, "source": source(text)}
        if kind == "code":
            cell |= {"outputs": [{"output_type": "stream", "text": source(text)}], "execution_count": None}
        cells.append({key: cell[key] for key in draw(st.permutations(sorted(cell)))})
    whole = {"cells": cells, "metadata": {"more": draw(PLAIN)}, "nbformat": 4, "nbformat_minor": 4}
    whole = {key: whole[key] for key in draw(st.permutations(sorted(whole)))}
    text = json.dumps(
        whole,
        indent=draw(st.sampled_from([None, 0, 1, 2, "\t"])),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([None, (",", ":"), (" , ", " : ")])),
    )
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"]))) + draw(
        st.sampled_from(["", "\n", " \n\n"])
    )
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode("utf-8", "surrogatepass")


CLEAN = st.sampled_from(
    [
        "x = 1",
        "",
        "!ls\n%time y = 2",
        "%%bash\nx = (",
        "  x = '\\u00e9 é'\n",
        "pip install torch",
        "y?",
        "\n\n",
    ]
)


@settings(max_examples=40, deadline=None)
@given(notebooks(CLEAN))
def test_a_notebook_without_findings_is_byte_identical_after_fix(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    source = sources.decode("nb.ipynb", data)
    assert linter().outcome_of(source).findings == ()
    assert source.encode(source.text) == data
    assert fixed(data) == data


@settings(max_examples=60, deadline=None)
@given(notebooks())
def test_a_fix_inserts_detach_into_cells_and_changes_no_other_byte(data):
    try:
        old = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return
    result = fixed(data, unsafe_fixes=True)
    undone = result.replace(b".detach()", b"")
    assert undone.replace(b"(a + b)", b"a + b") == data
    new = json.loads(result.decode("utf-8-sig"))
    for before, after in zip(old["cells"], new["cells"], strict=True):
        if before != after:
            assert before["cell_type"] == "code"
            assert {**before, "source": 0} == {**after, "source": 0}
            assert type(before["source"]) is type(after["source"])
    assert fixed(result, unsafe_fixes=True) == result
    left = linter(unsafe_fixes=True).outcome_of(sources.decode("nb.ipynb", result))
    assert left.error or not any(found.fix for found in left.findings)


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize(
    "comment", ["# detachlint: ignore[DTL301]", "# é\n# detachlint: ignore[DTL101]\nx = 2\n"]
)
def test_a_line_that_is_removed_leaves_a_valid_notebook(lines, comment):
    texts = [f"x = 1\n{comment}", comment]
    data = json.dumps(
        notebook(*[text.splitlines(keepends=True) if lines else text for text in texts]), indent=1
    )
    new = json.loads(fixed(data.encode()))
    nbformat.validate(new)
    found = ["".join(cell["source"]) for cell in new["cells"]]
    left = "# é\nx = 2\n" if "é" in comment else ""
    assert found == [f"x = 1\n{left}" if left else "x = 1", left]
    assert all(isinstance(cell["source"], list) == lines for cell in new["cells"])


def test_escapes_stay_as_they_were_written():
    text = json.dumps(notebook("@"), indent=1)
    odd = text.replace('"@"', r'"\u0074otal\u0020+= loss \/ \"\u00e9é\" \ud83d\ude00\n"')
    odd = odd.replace("\\ud83d\\ude00", "# \\ud83d\\ude00")
    assert fixed(odd.encode(), unsafe_fixes=True).decode() == odd.replace("loss", "(loss").replace(
        'é\\"', 'é\\").detach()'
    )


def test_a_change_stays_in_its_line():
    lines = ["total += f(\n", "    g(x\n", ")\n", ")\n", "z"]
    new = json.loads(fixed(json.dumps(notebook(lines)).encode(), unsafe_fixes=True))
    assert new["cells"][0]["source"] == [*lines[:3], ").detach()\n", "z"]


def test_the_last_of_two_equal_keys_counts():
    text = json.dumps(notebook("total += loss")).replace('"source"', '"source": "x = 1", "source"')
    new = fixed(text.encode(), unsafe_fixes=True).decode()
    assert new == text.replace("loss", "loss.detach()")


# --- the command ---------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "track", faketracker.track)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    return tmp_path


def run(*arguments, status, **options):
    result = CliRunner().invoke(cli.main, arguments, **options)
    assert result.exit_code == status, (result.output, result.exception)
    return result


def write(name, *cells):
    Path(name).write_text(json.dumps(notebook(*cells), indent=1) + "\n")
    return Path(name)


def test_a_folders_notebooks_are_linted_and_fixed(project):
    path = write("nb.ipynb", BAD[0], ["%time total += loss\n", "x"])
    before = path.read_text()
    report = run(status=1).stdout
    assert report.startswith("nb.ipynb:cell 2:1:7: DTL301 [*] ")
    assert "\n 1 | %time total += loss\n   |       ^^^^^^^^^^^^^\n" in report
    assert "  1. cell 1, line 2: `loss.backward()` has consumed the graph\n       loss.backward()\n" in report
    assert "        %time total += loss.detach()\n" in report
    difference = run("--diff", status=1).stdout
    assert '-    "%time total += loss\\n",\n+    "%time total += loss.detach()\\n",\n' in difference
    assert path.read_text() == before
    run("--fix", status=0)
    assert path.read_text() == before.replace("+= loss", "+= loss.detach()")


def test_ignores_are_added_to_cells(project):
    path = write("nb.ipynb", BAD[0], "total += loss", "%time x = out.numpy()")
    run("--add-ignores", status=0)
    cells = [cell["source"] for cell in json.loads(path.read_text())["cells"]]
    assert cells[1:] == [
        "total += loss  # detachlint: ignore[DTL301]",
        "%time x = out.numpy()  # detachlint: ignore[DTL101]",
    ]
    run(status=0)


def test_a_notebook_on_standard_input(project):
    text = json.dumps(notebook(BAD[0], BAD[1]))
    result = run("-", "--fix", "--stdin-filename", "nb.ipynb", input=text, status=0)
    assert result.stdout == text.replace("+= loss", "+= loss.detach()")
    assert run("-", "--stdin-filename", "nb.ipynb", input=text, status=1).stdout.startswith(
        "nb.ipynb:cell 2:1:1"
    )


def test_a_broken_notebook_costs_itself(project):
    write("a.ipynb", "import torch\nx = (")
    Path("b.ipynb").write_text('{"torch": ')
    write("c.ipynb", *BAD)
    result = run(status=2)
    assert result.stdout.startswith("c.ipynb:cell 2:1:1: DTL301")
    assert result.stderr.splitlines() == [
        "detachlint: error: a.ipynb:cell 1:2:5: cannot be parsed: '(' was never closed",
        "detachlint: error: b.ipynb: is no notebook: invalid JSON: expecting value: line 1 column 11 (char 10)",
    ]


def test_percent_scripts_are_plain_files(project):
    text = "# %%\nimport torch\nloss.backward()\n\n# %% [markdown]\n# # Total\n\n# %%\n# !ls\ntotal += loss\n"
    Path("script.py").write_text(text)
    assert run(status=1).stdout.startswith("script.py:10:1: DTL301 [*] ")
    run("--fix", status=0)
    assert Path("script.py").read_text() == text.replace("+= loss", "+= loss.detach()")


def test_a_baseline_knows_the_findings_of_cells(project):
    path = write("nb.ipynb", BAD[0], "total += loss", "y = 1")
    run("--write-baseline", "known.json", status=0)
    run("--baseline", "known.json", status=0)
    text = path.read_text().replace('"y = 1"', '"y = 1\\ntotal_2 += loss"')
    path.write_text(text)
    report = run("--baseline", "known.json", "--output-format", "concise", status=1).stdout
    assert report.startswith("nb.ipynb:cell 3:2:1: DTL301")
    assert "cell 2" not in report
    run("--baseline", "known.json", "--fix", status=0)
    assert path.read_text() == text.replace("_2 += loss", "_2 += loss.detach()")
