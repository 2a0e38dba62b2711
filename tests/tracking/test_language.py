"""Every form of statement and expression carries a tracking value, and stays silent once it is cut."""

import ast
import sys

import pytest
from programs import cases, check, check_cut, program

# Each program is run twice: with a tracking VALUE its marked lines are told, with a detached one nothing is.
STATEMENTS = cases("""
=== assignment
y = VALUE
y.numpy()  #! numpy
=== chained assignment
a = b = VALUE
a.numpy()  #! numpy
b.numpy()  #! numpy
=== tuple assignment
a, b = x, VALUE
a.numpy()
b.numpy()  #! numpy
=== nested tuple assignment
a, (b, c) = x, (VALUE, x)
a.numpy()
b.numpy()  #! numpy
c.numpy()
=== list target
[a, b] = [x, VALUE]
a.numpy()
b.numpy()  #! numpy
=== tuple through a name
pair = (x, VALUE)
a, b = pair
a.numpy()
b.numpy()  #! numpy
=== swap
a, b = x, VALUE
a, b = b, a
a.numpy()  #! numpy
b.numpy()
=== starred target, the rest tracks
first, *rest = x, VALUE, VALUE
rest[0].numpy()  #! numpy
=== starred target, the first tracks
first, *rest = VALUE, x, x
first.numpy()  #! numpy
=== starred target, the rest of a tracking first is clear | a starred target joins all items of a tuple of known length
first, *rest = VALUE, x, x
rest[0].numpy()
=== starred in the middle | a starred target joins all items of a tuple of known length
a, *middle, b = x, x, VALUE
a.numpy()
b.numpy()  #! numpy
=== walrus in an if
if (y := VALUE) is not None:
    y.numpy()  #! numpy
=== walrus in a while
while (y := VALUE).sum() > 0:
    y.numpy()  #! numpy
=== walrus in a comprehension
found = [y.numpy() for _ in range(3) if (y := VALUE) is not None]  #! numpy
=== walrus inside an argument
print((y := VALUE).shape)
y.numpy()  #! numpy
=== augmented assignment
y = torch.zeros(2, 4)
y += VALUE
y.numpy()  #! numpy
=== augmented matrix product
y = torch.zeros(4, 2)
y @= VALUE
y.numpy()  #! numpy
=== annotated assignment
y: torch.Tensor = VALUE
y.numpy()  #! numpy
=== annotation first, value later
y: torch.Tensor
y = VALUE
y.numpy()  #! numpy
=== attribute of an instance
class Box:
    pass
box = Box()
box.y = VALUE
box.y.numpy()  #! numpy
=== attribute of the class
class Box:
    y = VALUE
Box.y.numpy()  #! numpy
=== class attribute through an instance
class Box:
    y = VALUE
Box().y.numpy()  #! numpy
=== item under a key
d = {}
d["y"] = VALUE
d["n"] = x
d["y"].numpy()  #! numpy
d["n"].numpy()
=== item under an index
row = [x, x]
row[1] = VALUE
row[0].numpy()
row[1].numpy()  #! numpy
=== augmented item
d = {"y": torch.zeros(2, 4)}
d["y"] += VALUE
d["y"].numpy()  #! numpy
=== augmented attribute
class Box:
    pass
box = Box()
box.y = torch.zeros(2, 4)
box.y += VALUE
box.y.numpy()  #! numpy
=== slice assignment makes the buffer track
y = torch.zeros(8, 4)
y[:2] = VALUE
y.numpy()  #! numpy
=== if
y = x
if x.sum() > 0:
    y = VALUE
y.numpy()  #! numpy
=== else
if x.sum() > 0:
    y = x
else:
    y = VALUE
y.numpy()  #! numpy
=== elif
if x.sum() > 1:
    y = x
elif x.sum() > 0:
    y = VALUE
else:
    y = x
y.numpy()  #! numpy
=== both branches rebind
y = VALUE
y.numpy()  #! numpy
if x.sum() > 0:
    y = x
else:
    y = x + 1
y.numpy()
=== early return
def f(flag):
    if flag:
        return x
    y = VALUE
    return y.numpy()  #! numpy
=== for over a tuple
for y in (x, VALUE):
    y.numpy()  #! numpy
=== for over a list
for y in [VALUE, VALUE]:
    y.numpy()  #! numpy
=== for, value from the iteration before
y = x
for _ in range(3):
    y.numpy()  #! numpy
    y = VALUE
=== for else
for _ in range(3):
    y = x
else:
    y = VALUE
y.numpy()  #! numpy
=== for with a break that keeps
y = x
for _ in range(3):
    y = VALUE
    if x.sum() > 0:
        break
    y = x
y.numpy()  #! numpy
=== for with a continue that keeps
y = x
for _ in range(3):
    y.numpy()  #! numpy
    y = VALUE
    if x.sum() > 0:
        continue
    y = x
=== while
n, y = 0, x
while n < 3:
    y = VALUE
    n += 1
y.numpy()  #! numpy
=== while True
while True:
    y = VALUE
    if x.sum() > 0:
        break
y.numpy()  #! numpy
=== while else
n = 0
while n < 3:
    n += 1
    y = x
else:
    y = VALUE
y.numpy()  #! numpy
=== try
try:
    y = VALUE
except ValueError:
    y = x
y.numpy()  #! numpy
=== except
try:
    y = torch.load("x.pt").detach()
except OSError:
    y = VALUE
y.numpy()  #! numpy
=== except sees what the body did
y = x
try:
    y = VALUE
    print("risky")
except ValueError:
    y.numpy()  #! numpy
=== try else
try:
    print("risky")
except ValueError:
    y = x
else:
    y = VALUE
y.numpy()  #! numpy
=== finally
y = x
try:
    y = VALUE
finally:
    y.numpy()  #! numpy
=== finally after a return
def f():
    y = VALUE
    try:
        return 1
    finally:
        y.numpy()  #! numpy
=== with
with open("log") as file:
    y = VALUE
y.numpy()  #! numpy
=== with two items
with open("a") as first, open("b") as second:
    y = VALUE
    y.numpy()  #! numpy
=== with a target
with contextlib.nullcontext(VALUE) as y:
    y.numpy()  #! numpy
=== match a value
match len(x):
    case 1:
        y = x
    case _:
        y = VALUE
y.numpy()  #! numpy
=== match captures
match VALUE:
    case y:
        y.numpy()  #! numpy
=== match a sequence
match (x, VALUE):
    case (a, b):
        a.numpy()
        b.numpy()  #! numpy
=== match a mapping
match {"y": VALUE, "n": x}:
    case {"y": y, "n": n}:
        y.numpy()  #! numpy
        n.numpy()
=== match a class
@dataclasses.dataclass
class Box:
    y: torch.Tensor
match Box(VALUE):
    case Box(y=y):
        y.numpy()  #! numpy
=== match a class by position | class patterns by position bind nothing
@dataclasses.dataclass
class Box:
    y: torch.Tensor
match Box(VALUE):
    case Box(y):
        y.numpy()  #! numpy
=== match an or-pattern with as
match VALUE:
    case (None | 1) as y:
        pass
    case torch.Tensor() as y:
        y.numpy()  #! numpy
=== match a star
match [x, VALUE, VALUE]:
    case [first, *rest]:
        rest[0].numpy()  #! numpy
=== match with a guard
match VALUE:
    case y if y.ndim == 2:
        y.numpy()  #! numpy
=== match the rest of a mapping | `**rest` of a mapping pattern binds nothing
match {"n": x, "y": VALUE}:
    case {"n": n, **rest}:
        rest["y"].numpy()  #! numpy
=== assert
y = VALUE
assert y.ndim == 2, y
y.numpy()  #! numpy
=== assert with a call inside
assert VALUE.numpy().all()  #! numpy
=== raise with a call inside
def f():
    raise ValueError(VALUE.numpy())  #! numpy
=== return with a call inside
def f():
    return VALUE.numpy()  #! numpy
=== delete and rebind
y = VALUE
del y
y = x
y.numpy()
=== import inside a function
def f():
    import numpy
    return numpy.asarray(VALUE)  #! numpy
=== import as
from numpy import asarray as to_array
to_array(VALUE)  #! numpy
=== import of a submodule
import torch.nn.functional as fn
fn.relu(VALUE).numpy()  #! numpy
""")

EXPRESSIONS = cases("""
=== binary, left
(VALUE + 1).numpy()  #! numpy
=== binary, right
(1 - VALUE).numpy()  #! numpy
=== matrix product
(x @ VALUE.T).numpy()  #! numpy
=== unary
(-VALUE).numpy()  #! numpy
=== comparison cuts
(VALUE > 0).numpy()
=== chained comparison cuts
torch.logical_and(VALUE > 0, VALUE < 1).numpy()
=== not gives a bool
print(not VALUE.sum())
=== bool or
y = None or VALUE
y.numpy()  #! numpy
=== bool and
y = x is not None and VALUE
y.numpy()  #! numpy
=== conditional, first
y = VALUE if x.sum() > 0 else x
y.numpy()  #! numpy
=== conditional, second
y = x if x.sum() > 0 else VALUE
y.numpy()  #! numpy
=== conditional inside a call
np.asarray(VALUE if x.sum() > 0 else x)  #! numpy
=== slice
VALUE[0].numpy()  #! numpy
=== slice with steps
VALUE[:, 1:3].numpy()  #! numpy
=== ellipsis and None
VALUE[..., None].numpy()  #! numpy
=== mask
VALUE[x > 0].numpy()  #! numpy
=== index of a clear tensor by a tracking one's argmax
x[VALUE.argmax()].numpy()
=== method chain
VALUE.relu().mean(dim=0).cpu().numpy()  #! numpy
=== method chain over lines
(
    VALUE.relu()  #! numpy
    .cpu()
    .numpy()
)
=== attribute T
VALUE.T.numpy()  #! numpy
=== attribute data cuts
VALUE.data.numpy()
=== attribute shape
print(VALUE.shape[0], VALUE.dtype, VALUE.device)
=== named result
VALUE.max(dim=1).values.numpy()  #! numpy
=== named indices
VALUE.max(dim=1).indices.numpy()
=== pair
values, indices = VALUE.topk(2)
values.numpy()  #! numpy
indices.numpy()
=== underscore of a pair
_, best = torch.max(VALUE, 1)
best.cpu().numpy()
=== integer cast cuts
VALUE.long().numpy()
=== list display
np.array([VALUE, VALUE])  #! numpy
=== tuple display
np.stack((VALUE, x))  #! numpy
=== starred display
rows = [VALUE, VALUE]
np.stack([*rows])  #! numpy
=== set display
for y in {VALUE, VALUE}:
    y.numpy()  #! numpy
=== dict display and items
for name, y in {"y": VALUE}.items():
    y.numpy()  #! numpy
=== dict unpacked into a display
d = {"y": VALUE}
e = {**d, "n": x}
e["y"].numpy()  #! numpy
e["n"].numpy()
=== dict union | `d | e` of dicts loses the values
d = {"n": x} | {"y": VALUE}
d["y"].numpy()  #! numpy
=== dict keys cut
d = {"y": VALUE}
for name in d:
    print(name)
=== dict values
for y in dict(y=VALUE).values():
    y.numpy()  #! numpy
=== dict get
{"y": VALUE}.get("y").numpy()  #! numpy
=== dict pop
{"y": VALUE}.pop("y").numpy()  #! numpy
=== dict key overwritten
d = {"y": VALUE}
d["y"] = d["y"].detach()
d["y"].numpy()
=== dict update
d = {}
d.update({"y": VALUE})
d["y"].numpy()  #! numpy
=== dict update by keyword
d = {}
d.update(y=VALUE)
d["y"].numpy()  #! numpy
=== dict from pairs | dict([(key, value)]) loses the values
d = dict([("y", VALUE)])
d["y"].numpy()  #! numpy
=== list append
rows = []
rows.append(VALUE)
rows[0].numpy()  #! numpy
=== list negative index
rows = [x, VALUE]
rows[-1].numpy()  #! numpy
=== list negative index of the clear one
rows = [VALUE, x]
rows[-1].numpy()
=== list plus list
rows = [x] + [VALUE]
np.stack(rows)  #! numpy
=== list slice | a slice of a list keeps its old positions
rows = [x, VALUE]
rows[1:][0].numpy()  #! numpy
=== tuple slice
pair = (x, VALUE)
pair[1:][0].numpy()  #! numpy
=== tuple item
pair = (x, VALUE)
pair[0].numpy()
pair[1].numpy()  #! numpy
=== list comprehension
rows = [VALUE for _ in range(3)]
rows[0].numpy()  #! numpy
=== nested comprehension
rows = [[VALUE for _ in range(2)] for _ in range(3)]
rows[0][0].numpy()  #! numpy
=== sink in a comprehension
rows = [y.numpy() for y in (VALUE, VALUE)]  #! numpy
=== comprehension with two loops
rows = [z.numpy() for y in [(VALUE,)] for z in y]  #! numpy
=== dict comprehension
d = {k: VALUE for k in "ab"}
d["a"].numpy()  #! numpy
=== dict comprehension over items
d = {"a": VALUE}
d = {k: v.numpy() for k, v in d.items()}  #! numpy
=== set comprehension
for y in {VALUE for _ in range(2)}:
    y.numpy()  #! numpy
=== generator expression
for y in (VALUE for _ in range(2)):
    y.numpy()  #! numpy
=== generator expression, consumed
np.stack(list(VALUE for _ in range(2)))  #! numpy
=== zip
for a, b in zip([x], [VALUE]):
    a.numpy()
    b.numpy()  #! numpy
=== zip transposed
rows = [(x, VALUE), (x, VALUE)]
a, b = zip(*rows)
b[0].numpy()  #! numpy
=== enumerate
for n, y in enumerate([VALUE]):
    y.numpy()  #! numpy
=== map
for y in map(net, [x]):
    print(y.shape)
for y in map(lambda a: a * 2, [VALUE]):
    y.numpy()  #! numpy
=== reversed and sorted
for y in reversed([VALUE]):
    y.numpy()  #! numpy
=== next and iter
next(iter([VALUE])).numpy()  #! numpy
=== sum
sum([VALUE, VALUE]).numpy()  #! numpy
=== max of two
max(VALUE.sum(), x.sum()).numpy()  #! numpy
=== lambda
double = lambda y: y * 2
double(VALUE).numpy()  #! numpy
=== lambda body is a sink
to_array = lambda y: y.numpy()  #! numpy
to_array(VALUE)
=== lambda called at once
(lambda y: y * 2)(VALUE).numpy()  #! numpy
=== lambda default
f = lambda y=VALUE: y
f().numpy()  #! numpy
=== partial
f = functools.partial(torch.mul, VALUE)
f(2).numpy()  #! numpy
=== partial of an own function
def scale(y, by):
    return y * by
half = functools.partial(scale, by=0.5)
half(VALUE).numpy()  #! numpy
=== bound method taken
f = VALUE.mean
f().numpy()  #! numpy
=== getattr
getattr(VALUE, "T").numpy()  #! numpy
=== getattr with a default
class Box:
    pass
box = Box()
box.y = VALUE
getattr(box, "y", None).numpy()  #! numpy
=== setattr
class Box:
    pass
box = Box()
setattr(box, "y", VALUE)
box.y.numpy()  #! numpy
=== f-string with a sink
print(f"{VALUE.numpy()}")  #! numpy
=== starred arguments
def last(*values):
    return values[-1]
last(x, VALUE).numpy()  #! numpy
=== spread arguments
def second(a, b):
    return b
second(*(x, VALUE)).numpy()  #! numpy
=== keyword arguments
def pick(**values):
    return values["y"]
pick(n=x, y=VALUE).numpy()  #! numpy
=== spread keywords | f(**{...}) of a dict with known keys loses which value goes where
def pick(n, y):
    return y
pick(**{"n": x, "y": VALUE}).numpy()  #! numpy
=== keyword only
def pick(*, y, n=None):
    return y
pick(y=VALUE).numpy()  #! numpy
=== positional only
def pick(a, b, /):
    return b
pick(x, VALUE).numpy()  #! numpy
=== default argument
def pick(y=None):
    return y if y is not None else x
pick(VALUE).numpy()  #! numpy
pick().numpy()
""")


@pytest.mark.parametrize("body", STATEMENTS)
def test_statements(body):
    check(body)
    check_cut(body)


@pytest.mark.parametrize("body", EXPRESSIONS)
def test_expressions(body):
    check(body)
    check_cut(body)


@pytest.mark.parametrize("operator", "+ - * / // % ** @".split())
def test_arithmetic_keeps_the_graph(operator):
    check(f"(VALUE {operator} x).numpy()  #! numpy")
    check(f"(x {operator} VALUE).numpy()  #! numpy")
    check(f"y = x\ny = y * 1\ny {operator}= VALUE\ny.numpy()  #! numpy")
    check_cut(f"(VALUE {operator} x).numpy()")


@pytest.mark.parametrize("operator", "< <= > >= == !=".split())
def test_a_comparison_cuts_the_graph(operator):
    check(f"(VALUE {operator} x).numpy()")
    check(f"(x {operator} VALUE).numpy()")


@pytest.mark.parametrize("operator", "& | ^ << >>".split())
def test_what_works_on_integers_only_has_no_graph(operator):
    check(f"((VALUE > 0) {operator} (x > 0)).numpy()")
    check(f"(VALUE.long() {operator} 1).numpy()")


@pytest.mark.parametrize("question", ["is None", "is not None", "in [1]", "not in [1]"])
def test_a_question_gives_a_bool(question):
    check(f"np.asarray(VALUE {question})")


def test_signs():
    check("(-VALUE).numpy()  #! numpy")
    check("(+VALUE).numpy()  #! numpy")
    check("(~(VALUE > 0)).numpy()")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* is newer")
def test_exception_groups():
    body = "try:\n    y = VALUE\nexcept* ValueError:\n    y = x\ny.numpy()  #! numpy"
    check(body)
    check_cut(body)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are newer")
def test_type_parameters():
    body = "type T = int\ndef f[A](y: A) -> A:\n    return y\nf(VALUE).numpy()  #! numpy"
    check(body)
    check_cut(body)


def test_no_form_of_statement_pattern_or_expression_is_left_out():
    import test_functions

    tables = (STATEMENTS, EXPRESSIONS, test_functions.FUNCTIONS, test_functions.CLASSES)
    trees = (ast.parse(program(case.values[0])) for table in tables for case in table)
    met = {type(node) for tree in trees for node in ast.walk(tree)}
    tested_above = {"TryStar", "TypeAlias", "TemplateStr", "Interpolation"}
    kinds = [*ast.stmt.__subclasses__(), *ast.pattern.__subclasses__(), *ast.expr.__subclasses__()]
    old = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis"}
    assert {kind.__name__ for kind in kinds if kind not in met} <= tested_above | old
