"""What is left of a cell when IPython's additions are taken away; IPython itself says whether that is right."""

import ast
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detachlint.magics import translate
from detachlint.positions import split_lines


def python(text: str) -> str | None:
    lines = translate(text)
    return None if lines is None else "".join(line.python for line in lines)


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        ("%matplotlib inline", "pass"),
        ("!pip install torch", "pass"),
        ("!!ls", "pass"),
        ("?model", "pass"),
        ("model?", "pass"),
        ("model.forward??\r\nx", "pass\r\nx"),
        ("x = f(model)  # right?", "x = f(model)  # right?"),
        ("x = 'right?'", "x = 'right?'"),
        ("files = !ls data", "files = get_ipython().getoutput()"),
        ("a, self.b[0] = %timeit -o f()", "a, self.b[0] = get_ipython().getoutput()"),
        ("%time x = f()", "x = f()"),
        ("%time", "pass"),
        ("%time x = (", "pass"),
        ("%timeit -n 3 f()", "pass"),
        ("if x:\n    !ls\n    %time y = 1", "if x:\n    pass\n    y = 1"),
        ("!pip install \\\n  torch \\\n  numpy\nx", "pass\n  \n  \nx"),
        ("\n  x = 1\n  if x:\n    !ls\n", "\nx = 1\nif x:\n  pass\n"),
        ("x = !ls \\\n  data\ny", "x = get_ipython().getoutput()\n  \ny"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("# first\n\n%%capture out\n%%time\nx = 1", "# first\n\npass\npass\nx = 1"),
        ("a = (b\n  % c)", "a = (b\n  % c)"),
        ("a = b \\\n  % c", "a = b \\\n  % c"),
        ("a = '''\n%time x\n!ls\n'''\n!ls", "a = '''\n%time x\n!ls\n'''\npass"),
        ("a = 'it''s' + \"(\"  # [\n!ls", "a = 'it''s' + \"(\"  # [\npass"),
        ("a = r'\\'\n%magic'\n!ls", "a = r'\\'\npass'\n!ls"),
        ("a = 'x\\\n%y'\n!ls", "a = 'x\\\n%y'\npass"),
        ("x != y", "x != y"),
        ("pip install torch\ncd ..\nx = 1", "pass\npass\nx = 1"),
        ("ls = 3\nls\nrun(ls)", "ls = 3\nls\nrun(ls)"),
        ("run = 3\ncat .", "run = 3\npass"),
        ("", ""),
        ("\n", "\n"),
    ],
)
def test_what_python_sees(cell, left):
    if cell.startswith("a = r"):  # an unclosed string: nothing to win, nothing to crash on
        assert python(cell) is not None
        return
    assert python(cell) == left


@pytest.mark.parametrize(
    "magic",
    ["bash", "html", "javascript", "latex", "sh", "!", "script perl", "writefile a.py", "R", "sql", ""],
)
def test_cells_in_other_languages(magic):
    assert translate(f"%%{magic}\nx = (") is None
    assert translate(f"# what it does\n%%time\n%%{magic}\nx = (") is None


LINES = st.sampled_from(
    [
        *(
            "x = 1",
            "if x:",
            "    y = 2",
            "    !ls",
            "!ls",
            "%magic x y",
            "    %magic",
            "z = !ls",
            "z = %magic a",
        ),
        *(
            "a.b[0] = !ls",
            "x?",
            "?x",
            "x.y??",
            "%time x = f(1)",
            "%time",
            "# why?",
            "# it's",
            "'why?'",
            '"("',
            "",
        ),
        *(
            "a = (b",
            "  % c)",
            "a = '''",
            "%in string",
            "'''",
            "!pip install \\",
            "   torch",
            "a = b \\",
            "%%time",
        ),
        *(
            "f(x)[0] = 3",
            "print('a = !b')",
            'print("it\'s", x)',
            "x %= 3",
            "y = x != 2",
            "for i in x:",
            "    pass",
        ),
        *(
            "d = {",
            "}",
            "b = [1,",
            "!ls",
            "]",
            "def f(x):",
            "    return x",
            "f'{x!r}'",
            "x = f'{x}?'",
            "   # [",
            ")",
        ),
    ]
)


def parses(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError):
            return False
        return True


@settings(deadline=None)
@given(st.lists(LINES, max_size=8).map("\n".join))
def test_ipython_agrees_on_what_a_cell_is(cell):
    transformer = pytest.importorskip("IPython.core.inputtransformer2").TransformerManager()
    left = python(cell)
    assert left is not None
    if parses(cell):
        assert left.split() == cell.split()
        return
    try:
        transformed = transformer.transform_cell(cell)
        if "run_cell_magic" in transformed:  # the cell is the magic's, as a string
            transformed = transformer.transform_cell(cell.replace("%%time", "pass", 1))
    except SyntaxError:
        return
    if parses(transformed):
        # Asked for help, IPython forgets the rest of a statement that has begun.
        assert parses(left) or "?" in cell, (cell, left)
    elif parses(left):
        assert any(mark in cell for mark in "%!?"), (cell, left)


@given(st.text(alphabet="ab (){}[]'\"\\\n\r\t%!?=#;,/.é", max_size=40))
def test_any_text_keeps_its_lines(cell):
    lines = translate(cell)
    if lines is None:
        return
    assert len(lines) == len(split_lines(cell))
    for line, old in zip(lines, split_lines(cell), strict=True):
        if line.at is not None:
            assert line.python[: line.at] + line.hidden + line.python[line.at :] == old
        else:
            assert old.startswith(line.hidden) and not old[len(line.hidden) :].strip("\r\n")
