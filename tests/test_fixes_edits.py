"""What `.detach()` looks like in every kind of expression: the text that comes out, and the tree."""

from __future__ import annotations

import ast
import copy
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detachlint.edits import inserted_calls
from detachlint.findings import Edit, Location
from detachlint.fixes import NotFixable, apply_edits, detach_edits


def expressions(source: str) -> list[ast.expr]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr)]


def named(source: str, segment: str) -> ast.expr:
    """The outermost expression of `source` whose own text is `segment`."""
    for node in expressions(source):
        if ast.get_source_segment(source, node) == segment:
            return node
    raise AssertionError(f"no {segment!r} in {source!r}")


def detached(source: str, *segments: str) -> str:
    return apply_edits(source, detach_edits(source, [named(source, segment) for segment in segments]))


TEXTS = [
    # primaries take the call as it is
    ("kept.append(loss)", "loss", "kept.append(loss.detach())"),
    ("x = out.loss", "out.loss", "x = out.loss.detach()"),
    ("x = out[0]", "out[0]", "x = out[0].detach()"),
    ("x = model(y)[0].mean()", "model(y)", "x = model(y).detach()[0].mean()"),
    ("x = y.cpu().numpy()", "y", "x = y.detach().cpu().numpy()"),
    ("x = y .mean() .numpy()", "y .mean()", "x = y .mean().detach() .numpy()"),
    # operators need a pair of parentheses
    ("total += a + b", "a + b", "total += (a + b).detach()"),
    ("x = -y", "-y", "x = (-y).detach()"),
    ("x=-y", "-y", "x=(-y).detach()"),
    ("x = -y ** 2", "y ** 2", "x = -(y ** 2).detach()"),
    ("x = -y ** 2", "-y ** 2", "x = (-y ** 2).detach()"),
    ("x = 2 ** -y", "-y", "x = 2 ** (-y).detach()"),
    ("x = y ** 2", "y", "x = y.detach() ** 2"),
    ("x = y @ z", "y @ z", "x = (y @ z).detach()"),
    ("x = a < b", "a < b", "x = (a < b).detach()"),
    ("x = a or b", "a or b", "x = (a or b).detach()"),
    ("f(a if c else b)", "a if c else b", "f((a if c else b).detach())"),
    ("f(a if c else b)", "a", "f(a.detach() if c else b)"),
    ("f(y := g(x))", "y := g(x)", "f((y := g(x)).detach())"),
    ("x[y := g()] = 1", "y := g()", "x[(y := g()).detach()] = 1"),
    ("async def f():\n    x = await g(y)", "await g(y)", "async def f():\n    x = (await g(y)).detach()"),
    ("async def f():\n    x = (await g(y)).cpu()", "await g(y)", "async def f():\n    x = (await g(y)).detach().cpu()"),
    ("def f():\n    x = yield y", "yield y", "def f():\n    x = (yield y).detach()"),
    ("def f():\n    yield y", "y", "def f():\n    yield y.detach()"),
    # a pair that is already there is used
    ("x = (a + b).numpy()", "a + b", "x = (a + b).detach().numpy()"),
    ("x = ( a + b )", "a + b", "x = ( a + b ).detach()"),
    ("x = ((a + b))", "a + b", "x = ((a + b).detach())"),
    ("f((a + b))", "a + b", "f((a + b).detach())"),
    ("return_ = not(a + b)", "a + b", "return_ = not(a + b).detach()"),
    ("(a + b).numpy()", "a + b", "(a + b).detach().numpy()"),
    ("x = (\n    a\n    + b  # both\n)", "a\n    + b", "x = (\n    a\n    + b  # both\n).detach()"),
    ("x = \\\n  (a + b)", "a + b", "x = \\\n  (a + b).detach()"),
    # but not a pair that calls, or one that holds more
    ("f(a + b)", "a + b", "f((a + b).detach())"),
    ("f (a + b)", "a + b", "f ((a + b).detach())"),
    ("f(\n    a + b\n)", "a + b", "f(\n    (a + b).detach()\n)"),
    ("f(g)(a + b)", "a + b", "f(g)((a + b).detach())"),
    ("f[0](a + b)", "a + b", "f[0]((a + b).detach())"),
    ("match(a + b)", "a + b", "match((a + b).detach())"),
    ("print(a + b)", "a + b", "print((a + b).detach())"),
    ("x = (a + b, c)", "a + b", "x = ((a + b).detach(), c)"),
    ("x = (a + b) * c", "a + b", "x = (a + b).detach() * c"),
    ("x = (a + b for a in c)", "a + b", "x = ((a + b).detach() for a in c)"),
    ("x = f(  # =(\n    a + b\n)", "a + b", "x = f(  # =(\n    (a + b).detach()\n)"),
    ("x = f \\\n  (a + b)", "a + b", "x = f \\\n  ((a + b).detach())"),
    ("x = (\\\n  a + b)", "a + b", "x = (\\\n  a + b).detach()"),
    ("x = f(g  # =\n    (a + b))", "a + b", "x = f(g  # =\n    ((a + b).detach()))"),
    # places
    ("f(*xs)", "xs", "f(*xs.detach())"),
    ("f(*a + b)", "a + b", "f(*(a + b).detach())"),
    ("f(**{'a': x})", "x", "f(**{'a': x.detach()})"),
    ("f(a=x, )", "x", "f(a=x.detach(), )"),
    ("f(\n    x,  # why\n)", "x", "f(\n    x.detach(),  # why\n)"),
    ("kept += [x for x in xs]", "x", "kept += [x.detach() for x in xs]"),
    ("kept = {k: -v for k, v in d}", "-v", "kept = {k: (-v).detach() for k, v in d}"),
    ("x = lambda: -y", "-y", "x = lambda: (-y).detach()"),
    ("x = 1 if-y else 2", "-y", "x = 1 if(-y).detach() else 2"),
    ("x = a \\\n    + b", "a \\\n    + b", "x = (a \\\n    + b).detach()"),
    ("x = (model(y)\n     .mean()  # all\n     .numpy())", "model(y)\n     .mean()", "x = (model(y)\n     .mean().detach()  # all\n     .numpy())"),
    # columns are code points, lines are Python's
    ("größe = {'ключ': ösen + 1}", "ösen + 1", "größe = {'ключ': (ösen + 1).detach()}"),
    ("s = '😀'; f(x)", "x", "s = '😀'; f(x.detach())"),
    ("a = 1\r\nf(x)\r\n", "x", "a = 1\r\nf(x.detach())\r\n"),
    ("a = 1\rf(x)\r", "x", "a = 1\rf(x.detach())\r"),
    ("a = 'x\x0cy\x1c'; f(-x)\nb", "-x", "a = 'x\x0cy\x1c'; f((-x).detach())\nb"),
    ("\tx", "x", "\tx.detach()"),
    # a constant branch needs no detach and has none
    ("f(a if c else 0.0)", "a if c else 0.0", "f(a.detach() if c else 0.0)"),
    ("f(None if c else -a)", "None if c else -a", "f(None if c else (-a).detach())"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "segment", "after"), TEXTS)
def test_text(before: str, segment: str, after: str) -> None:
    before, after = before.removeprefix("\t"), after.removeprefix("\t")
    assert detached(before, segment) == after
    ast.parse(after)


TOGETHER = [
    ("f(a, b)", ("a", "b"), "f(a.detach(), b.detach())"),
    ("f(a, a)", ("a", "a"), "f(a.detach(), a)"),
    ("x = y + z", ("y + z", "z"), "x = (y + z.detach()).detach()"),
    ("x = y * -z", ("-z", "y * -z"), "x = (y * (-z).detach()).detach()"),
    ("x = y * -z", ("y * -z", "-z"), "x = (y * (-z).detach()).detach()"),
    ("x = y * -z", ("y * -z", "-z", "z"), "x = (y * (-z.detach()).detach()).detach()"),
    ("x = -y * z", ("-y", "-y * z"), "x = ((-y).detach() * z).detach()"),
    ("x = (y * -z)", ("-z", "y * -z"), "x = (y * (-z).detach()).detach()"),
]


@pytest.mark.parametrize(("before", "segments", "after"), TOGETHER)
def test_several_in_one_pass(before: str, segments: tuple[str, ...], after: str) -> None:
    assert detached(before, *segments) == after


def test_the_same_expression_twice_is_detached_once() -> None:
    source = "x = -y + z"
    edits = detach_edits(source, [named(source, "-y"), named(source, "-y"), named(source, "z")])
    assert apply_edits(source, [*edits, *edits]) == "x = (-y).detach() + z.detach()"


REFUSED = [
    ("f((a, b))", "(a, b)", "tuple"),
    ("f([a, b])", "[a, b]", "list"),
    ("f({a, b})", "{a, b}", "set"),
    ("f({'a': b})", "{'a': b}", "dict"),
    ("f([a for a in b])", "[a for a in b]", "list"),
    ("f(a for a in b)", "(a for a in b)", "generator"),
    ("f({a: 1 for a in b})", "{a: 1 for a in b}", "dict"),
    ("f(*a)", "*a", "several values"),
    ("f(lambda: a)", "lambda: a", "function"),
    ("f(1.5)", "1.5", "constant"),
    ("f(f'{a}')", "f'{a}'", "string"),
    ("f('%s' % a)", "'%s' % a", "string"),
    ("f(not a)", "not a", "bool"),
    ("f(a is b)", "a is b", "bool"),
    ("f(a in b)", "a in b", "bool"),
    ("f(a < b < c)", "a < b < c", "bool"),
    ("f(a and b)", "a and b", "no tensor"),
    ("f(a or 0.0)", "a or 0.0", "no tensor"),
    ("f(1 if a else 2)", "1 if a else 2", "constant"),
    ("a = 1", "a", "target"),
    ("x[a:b]", "a:b", "slice"),
]


@pytest.mark.parametrize(("source", "segment", "reason"), REFUSED)
def test_what_has_no_detach_is_refused_with_the_reason(source: str, segment: str, reason: str) -> None:
    node = named(source, segment) if segment != "(a for a in b)" else expressions(source)[2]
    if isinstance(node, ast.Name) and reason != "target":
        node = expressions(source)[2]
    with pytest.raises(NotFixable, match=reason):
        detach_edits(source, [node])


@pytest.mark.parametrize("source", ['f"{x + y=}"', 'print(f"a {x + y = :.3f} b")'])
def test_a_debug_specifier_would_print_the_call(source: str) -> None:
    (sum_,) = [node for node in expressions(source) if isinstance(node, ast.BinOp)]
    with pytest.raises(NotFixable, match="own source text"):
        detach_edits(source, [sum_])


@pytest.mark.parametrize(
    "source", ['f"{x:.3f}"', 'f"""a\n{ x }{y}"""', "f'{x!r}'", 'f"x {x}"', 'f"{y}{x}é{x}"']
)
def test_parts_of_an_f_string_are_detached_in_place_or_refused(source: str) -> None:
    for node in expressions(source):
        if not isinstance(node, ast.Name):
            continue
        try:
            new = apply_edits(source, detach_edits(source, [node]))
        except NotFixable:
            continue
        assert inserted_calls(ast.parse(source), ast.parse(new)) in (1, None)
        if sys.version_info >= (3, 12):
            assert inserted_calls(ast.parse(source), ast.parse(new)) == 1


@pytest.mark.parametrize("expression", ["a + b", "a", "-a", "a.b"])
def test_a_place_that_does_not_fit_the_text_is_refused(expression: str) -> None:
    """What Python before 3.12 says of the parts of an f-string: rows and columns of another text."""
    node = named(f"f({expression})", expression)
    for source in ("f( x - y )", f"g(1, {expression})", "f(xxxxxxxx)", "f('aaaaaa')"):
        with pytest.raises(NotFixable, match="place"):
            detach_edits(source, [node])


def test_overlapping_replacements_are_refused() -> None:
    comment = Edit(Location(1, 5), Location(1, 12), "")
    part = Edit(Location(1, 7), Location(1, 9), "x")
    with pytest.raises(NotFixable, match="same text"):
        apply_edits("a    # note", [comment, part])


def test_an_edit_outside_of_the_text_is_refused() -> None:
    with pytest.raises(NotFixable, match="line 3"):
        apply_edits("a\n", [Edit(Location(3, 1), Location(3, 1), "b")])


def test_the_end_of_the_text_is_a_place() -> None:
    assert apply_edits("a\n", [Edit(Location(2, 1), Location(2, 1), "b")]) == "a\nb"
    assert apply_edits("a", [Edit(Location(1, 2), Location(1, 2), "b")]) == "ab"
    assert apply_edits("a\n# c\n", [Edit(Location(2, 1), Location(3, 1), "")]) == "a\n"
    assert apply_edits("", [Edit(Location(1, 1), Location(1, 1), "b")]) == "b"


def test_a_chain_of_thousands_is_compared_without_recursion() -> None:
    old = "x" + ".a()" * 900
    assert inserted_calls(ast.parse(old), ast.parse(old + ".detach()")) == 1
    assert inserted_calls(ast.parse(old), ast.parse(old + ".b()")) is None


def test_only_added_calls_of_detach_are_no_difference() -> None:
    def compare(old: str, new: str) -> int | None:
        return inserted_calls(ast.parse(old), ast.parse(new))

    assert compare("f(x)", "f(x)") == 0
    assert compare("f(x.detach())", "f(x.detach())") == 0
    assert compare("f(x.detach())", "f(x.detach().detach())") == 1
    assert compare("f(x, 1)", "f(x.detach(), 1)") == 1
    assert compare("f(x.detach())", "f(x)") is None
    assert compare("f(x, 1)", "f(x, True)") is None
    assert compare("f(x)", "f(x.detach(1))") is None
    assert compare("f(x)", "f(x, y)") is None
    assert compare("f(x)", "f(*x)") is None


# --- properties: any expression, in any formatting ------------------------------------------------

BLANK = st.sampled_from(["", " ", "  ", "\n", " # (x\n", "  # ) =\n    ", "\\\n", "\t"])
WORD = st.sampled_from(["x", "loss", "out", "größe", "match", "_", "if_", "returns"])


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One more layer around expressions; everything stands inside parentheses, so that blanks may break lines."""
    forms = [
        "{a}{s}+{s}{b}", "-{s}{a}", "~{a}", "not {a}", "{a}{s}**{s}{b}", "{a} @{s}{b}", "{a}{s}if {b} else{s}({c})",
        "{a} or {b}", "{a} and {b}", "{a}{s}<{s}{b}", "{a} is not {b}", "({s}{a}{s})", "(({a}))", "({n} := {a})",
        "{n}({a},{s}{b})", "{n}(*{a})", "{n}({s}{a}{s})", "{n}(**{a})", "{n}(k={a},)", "({a}).{n}", "({a}){s}.{n}({b})",
        "({a})[{b}]", "{n}[{a}:{b}]", "{n}[{a},]", "[{a},{s}{b}]", "({a},{s}{b})", "({a},)", "{{{a}:{s}{b}}}", "{{{a}}}",
        "[{n} for {n} in {s}({a}) if {b}]", "({n} for {n} in ({a}))", "{n}({a} for {n} in ({b}))", "lambda:{s}{a}",
        "lambda k=({a}): {b}", "'%s'{s}%{s}({a})", "'€'.join([{a}])", "(yield {a})", "(await {n}({a}))", "(yield)",
        "1.5 *{s}{a}", "{n}.detach()", "({a}).detach()",
    ]  # fmt: skip
    return st.builds(
        lambda form, a, b, c, n, s: form.format(a=a, b=b, c=c, n=n, s=s),
        st.sampled_from(forms), inner, inner, inner, WORD, BLANK,
    )  # fmt: skip


EXPRESSION = st.recursive(WORD, combined, max_leaves=12)


def program(expression: str, form: str) -> str:
    return "async def f():\n    " + form.format(expression) + "\n"


FORMS = ["x = ({})", "return_({})", "g(y,\n  {})  # (", "[{}]", "x[{}] = 1", "'é', ({}),", "raise_(é=({}))"]


class Wrap(ast.NodeTransformer):
    """The tree that the edits are meant to give, made the other way: by wrapping the nodes."""

    def __init__(self, chosen: set[tuple[int, ...]]) -> None:
        self.chosen = chosen

    def visit(self, node: ast.AST) -> ast.AST:
        key = place(node)
        self.generic_visit(node)
        if key not in self.chosen:
            return node
        assert isinstance(node, ast.expr)
        return ast.Call(ast.Attribute(node, "detach", ast.Load()), [], [])


def place(node: ast.AST) -> tuple[int, ...]:
    """A node's kind and place; only expression statements and tuples without parentheses share the rest."""
    if not isinstance(node, ast.expr):
        return ()
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return (hash(type(node)), node.lineno, node.col_offset, *end)


def plain_branches(node: ast.AST) -> bool:
    return not isinstance(node, ast.IfExp) or not any(
        isinstance(branch, ast.Constant) for branch in (node.body, node.orelse)
    )


@settings(max_examples=400, deadline=None)
@given(EXPRESSION, st.sampled_from(FORMS), st.randoms(use_true_random=False))
def test_the_new_tree_is_the_old_one_with_the_chosen_nodes_wrapped(expression, form, random) -> None:
    source = program(expression, form)
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    fixable: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and plain_branches(node) and getattr(node, "attr", "") != "detach":
            try:
                detach_edits(source, [node])
            except NotFixable:
                continue
            fixable.append(node)
    chosen = random.sample(fixable, random.randint(0, min(4, len(fixable))))
    if len({place(node) for node in chosen}) < len(chosen):
        return
    new = apply_edits(source, detach_edits(source, chosen))
    expected = Wrap({place(node) for node in chosen}).visit(copy.deepcopy(tree))
    assert ast.dump(ast.parse(new)) == ast.dump(expected)
    assert inserted_calls(tree, ast.parse(new)) == len(chosen)
    assert is_subsequence(source, new)


def is_subsequence(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(character in rest for character in part)


@settings(max_examples=150, deadline=None)
@given(EXPRESSION, st.sampled_from(FORMS))
def test_detaching_nothing_changes_nothing(expression, form) -> None:
    source = program(expression, form)
    assert apply_edits(source, []) == source
