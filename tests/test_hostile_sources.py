"""Sources made to hurt: each ends in findings or in one line that names the file, soon, and never otherwise."""

from __future__ import annotations

import ast
import time
import warnings
from pathlib import Path

import pytest

from detachlint import rulebook, sources
from detachlint.config import Settings
from detachlint.linter import Linter
from detachlint.sources import SourceError

HEAD = "import torch\nw = torch.ones(3, requires_grad=True)\n"
BAD = "(w * 2).numpy()\n"
MOST_SECONDS = 15  # of the processor, on a slow machine


def nested(opening: str, inner: str, closing: str, depth: int) -> str:
    return opening * depth + inner + closing * depth


def blocks(header: str, depth: int, last: str = "pass") -> str:
    return "".join(f"{' ' * level}{header.format(level)}\n" for level in range(depth)) + " " * depth + last


def chain(link: str, number: int, first: str = "w") -> str:
    return first + link * number


def functions(number: int, body: str) -> str:
    return "".join(
        f"def f{i}(x, g=None):\n    {body.format(a=(i + 1) % number, b=(i + 2) % number, i=i)}\n"
        for i in range(number)
    )


# What must be linted in full: the finding behind it is found.
BORNE = {
    "150 parentheses": "x = " + nested("(", "1", ")", 150),
    "150 brackets": "x = " + nested("[", "1", "]", 150),
    "90 dicts": "x = " + nested("{1: ", "1", "}", 90),
    "90 functions": blocks("def f{}():", 90),
    "90 classes": blocks("class C{}:", 90),
    "60 ifs in ifs": blocks("if x{}:", 60),
    "18 loops in loops": "t = 0\n" + blocks("for i{} in x:", 18, "t += i17"),
    "60 loops in loops": blocks("for i{} in x:", 60),
    "450 elifs": "if a == 0:\n  x = 1\n" + "".join(f"elif a == {i}:\n  x = {i}\n" for i in range(450)),
    "300 chained calls": "x = " + chain(".a()", 300),
    "900 operands": "x = y" + "+y" * 900,
    "many comparisons": "x = " + "a<" * 5000 + "b",
    "many targets": "a=" * 5000 + "b",
    "many statements in a line": "x=1;" * 8_000,
    "many lines": "\n" * 1_000_000,
    "many short lines": "x=1\n" * 8_000,
    "a long string": f"x = '{'a' * 2_000_000}'",
    "a long comment": f"# {'a' * 2_000_000} noqa",
    "a long line of items": "x = [" + "1," * 20_000 + "]",
    "many decorators": "@f\n" * 2000 + "def g(): pass",
    "many arguments": "f(" + ",".join(f"a{i}" for i in range(5000)) + ")",
    "many loops of a comprehension": "x = [a " + "for a in b " * 800 + "]",
    "exponentially large lists": "l = [w]\n" + "l = [l, l]\n" * 300,
    "exponentially large tuples": "l = (w,)\n" + "l = (l, l)\n" * 300,
    "exponentially large dicts": "l = {'a': w}\n" + "l = {'a': l, 'b': l, **l}\n" * 100,
    "exponentially many paths": "".join(f"if c{i}:\n  x = w + {i}\nelse:\n  x = w * {i}\n" for i in range(300)),
    "paths that grow": "x = w\n" + "".join(f"if c{i}:\n  x = x + {i}\nelse:\n  x = x * {i}\n" for i in range(300)),
    "exponentially many calls": functions(40, "return f{a}(x) + f{a}(x)") + "f0(w)",
    "recursion in circles": functions(40, "for j in x: f{a}(g, x); f{b}(x, x)") + "f0(w, 1)",
    "a diamond of classes": "class A0: pass\nclass B0: pass\n"
    + "".join(f"class A{i}(A{i - 1}, B{i - 1}): pass\nclass B{i}(A{i - 1}, B{i - 1}): pass\n" for i in range(1, 60)),
    "a long line of classes": "class C0: pass\n"
    + "".join(f"class C{i}(C{i - 1}):\n  def m(self): return super().m()\n" for i in range(1, 150)),
    "a class that is its own base": "class A(A):\n  def m(self): return super().m()\nA().m()",
    "a function that is its own default": "def f(x=f): return f(f)\nf(f)(f)",
    "tries in tries": blocks("try:", 40) + "\n" + "".join(f"{' ' * i}except E: x = w\n{' ' * i}finally: y = x\n" for i in reversed(range(40))),
    "invalid escapes": "x = '\\d\\8'\ny = b'\\q'\nz = 1 is 1\n1if x else 2\n",
    "names that Python folds": "ﬁ = w\nµ = ﬁ\n",
    "null in a string": "x = '\\0'",
    "an empty f-string": "x = f''\ny = f'{w!r:>{10}}'",
    "many unused comments": "x = 1  # noqa: DTL101\n" * 2000,
}  # fmt: skip

# What may be given up, if the line says so; most of it is more than Python's own parser takes.
GIVEN_UP = {
    "10,000 parentheses": "x = " + nested("(", "1", ")", 10_000),
    "10,000 unclosed brackets": "x = " + "[" * 10_000,
    "150 unclosed brackets": "x = " + "[" * 150,
    "5,000 elifs": "if a == 0:\n  x = 1\n" + "".join(f"elif a == {i}:\n  x = {i}\n" for i in range(5000)),
    "2,000 chained calls": "x = " + chain(".a()", 2000),
    "2,900 items of items": "x = " + chain("[0]", 2900),
    "5,000 operands": "x = y" + "+y" * 5000,
    "100,000 signs": "x = " + "-" * 100_000 + "y",
    "100,000 nots": "x = " + "not " * 100_000 + "y",
    "3,000 lambdas": "x = " + "lambda: " * 3000 + "y",
    "3,000 ternaries": "x = " + "a if b else " * 3000 + "c",
    "100 parentheses behind with": "with " + "(" * 100 + "a as b" + ")" * 99 + ":\n  pass",
    "200 indentations": blocks("if x{}:", 200),
    "strings in strings": "x = " + "f'{" * 100 + "1" + "}'" * 100,
    "Python 2": "print 'x'\nexec 'x'\nraise E, 'x'\nx = 0777L\n`x`",
    "a NUL byte": "x = 1\0",
    "tabs and spaces": "if x:\n\ty = 1\n        z = 2",
    "nothing but NUL bytes": "\0" * 1000,
    "a lone surrogate": "x = '\ud800'",
    "a lone surrogate in a comment": "# \udfff noqa",
}


@pytest.fixture(scope="module")
def linter() -> Linter:
    book = rulebook.load()
    return Linter(Settings(Path("/nowhere"), fix=True, unsafe_fixes=True), book, book)


def timed(linter: Linter, text: str):
    source = sources.Source("x.py", text)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = linter.outcome_of(source)
    assert time.process_time() - began < MOST_SECONDS
    return outcome


@pytest.mark.parametrize("name", BORNE)
def test_what_hurts_is_linted_all_the_same(linter, name):
    outcome = timed(linter, f"{HEAD}{BORNE[name]}\n{BAD}")
    assert outcome.error is None
    assert "DTL101" in {finding.code for finding in outcome.before}
    assert outcome.fixed.endswith("(w.detach() * 2).numpy()\n")


@pytest.mark.parametrize("name", GIVEN_UP)
def test_what_hurts_too_much_is_named(linter, name):
    outcome = timed(linter, f"{HEAD}{GIVEN_UP[name]}\n{BAD}")
    assert outcome.error is None or outcome.error.startswith("x.py:")
    assert "\n" not in (outcome.error or "")
    assert "internal error" not in (outcome.error or "")
    assert "Traceback" not in (outcome.error or "")


def test_many_findings_of_a_file_are_no_square(linter):
    outcome = timed(linter, HEAD + BAD * 1500)
    assert outcome.fixes == 1500


def test_an_error_of_syntax_at_every_place(linter):
    program = "import torch\nfor x in y:\n    loss = m(x)[0]; loss.backward()\n    s += f'{loss:.3f}'  # é\n"
    ends = [program[:end] for end in range(len(program))]
    holes = [program[:at] + program[at + 1 :] for at in range(len(program))]
    more = [
        program[:at] + sign + program[at:] for at in range(0, len(program), 3) for sign in "(\"'\\\n:=\0\x0c"
    ]
    for text in ends + holes + more:
        outcome = linter.outcome_of(sources.Source("x.py", text))
        assert outcome.error is None or outcome.error.startswith("x.py:"), text
        assert "internal" not in (outcome.error or ""), text


CODECS = """ascii latin-1 cp1252 cp437 cp037 utf-7 utf-8 utf-8-sig utf-16 utf-32 idna punycode undefined unicode_escape
raw_unicode_escape rot13 hex zlib bz2 base64 uu quopri mbcs oem shift_jis shift_jis_2004 iso2022_jp iso2022_kr hz big5 gb18030
euc_kr euc_jp johab ptcp154 tis_620 charmap palmos klingon os sys ../../evil a.b""".split()


@pytest.mark.parametrize("codec", CODECS)
def test_every_encoding_gives_a_text_or_one_line(codec):
    body = HEAD.encode() + b"x = 'a'\n" + BAD.encode()
    tails = [
        b"",
        b"# \xe9\xff\xfe\n",
        b'# \x1b$B$"\x1b(B ~{<:~} +AGE- \\ud800\n',
        bytes(range(128, 256)) + b"\n",
    ]
    for tail in tails:
        data = f"# coding: {codec}\n".encode() + body + tail
        try:
            source = sources.decode("x.py", data)
        except SourceError as error:
            assert str(error).startswith("x.py: cannot be decoded")
            assert "\n" not in str(error)
            continue
        try:
            assert isinstance(source.encode(source.text), bytes)
        except SourceError as error:
            assert "can't be written" in str(error)


@pytest.mark.parametrize(
    "start", [b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"\xef\xbb\xbf\xef\xbb\xbf", b"\x1f\x8b", b"MZ"]
)
def test_bytes_that_are_no_source(linter, tmp_path, start):
    path = tmp_path / "x.py"
    path.write_bytes(start + b"import torch\n")
    outcome = linter.outcome(str(path))
    assert outcome.error is not None
    assert outcome.error.startswith(str(path))


def test_what_the_parser_takes_the_tracker_takes(linter):
    """Every kind of node, in every place that the grammar has for it, is at least not fatal."""
    grammar = (Path(ast.__file__).parent / "test" / "test_grammar.py", Path(ast.__file__).parent / "ast.py")
    for path in grammar:
        if path.exists():
            outcome = linter.outcome_of(sources.Source("x.py", path.read_text(encoding="utf-8")))
            assert outcome.error is None
