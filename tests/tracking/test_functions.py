"""Functions and classes carry a tracking value in every way Python has, and stay silent once it is cut."""

import pytest
from programs import cases, check, check_cut

FUNCTIONS = cases("""
=== a word that the caller says decides
def f(x, mode="train"):
    if mode == "train":
        return VALUE.detach()
    elif mode == "test":
        return VALUE
f(1).numpy()
f(1, mode="test").numpy()  #! numpy
=== a word that nobody says
def f(x, mode):
    return VALUE if mode != "train" else VALUE.detach()
f(1, MODE).numpy()  #! numpy
=== a function returns it
def f():
    return VALUE
f().numpy()  #! numpy
=== a function gets it
def f(y):
    return y.numpy()  #! numpy
f(VALUE)
=== a function hands it through
def f(y):
    return y
f(VALUE).numpy()  #! numpy
f(x).numpy()
=== a function of two branches
def f(flag):
    if flag:
        return VALUE
    return x
f(len(x) > 1).numpy()  #! numpy
=== a flag decides
def f(y, cut=False):
    if cut:
        y = y.detach()
    return y
f(VALUE, cut=True).numpy()
f(VALUE).numpy()  #! numpy
=== a function returns a pair
def f():
    return x, VALUE
a, b = f()
a.numpy()
b.numpy()  #! numpy
=== a function returns a dict
def f():
    return {"n": x, "y": VALUE}
f()["n"].numpy()
f()["y"].numpy()  #! numpy
=== a function fills a list it gets
def f(rows):
    rows.append(VALUE)
rows = []
f(rows)
rows[0].numpy()  #! numpy
=== a function fills a dict it gets
def f(d):
    d["y"] = VALUE
d = {}
f(d)
d["y"].numpy()  #! numpy
=== a function sets an attribute of what it gets
class Box:
    pass
def f(box):
    box.y = VALUE
box = Box()
f(box)
box.y.numpy()  #! numpy
=== a helper detaches
def clean(y):
    return y.detach().cpu()
clean(VALUE).numpy()
=== a helper converts
def to_numpy(y):
    return y.cpu().numpy()  #! numpy
to_numpy(VALUE)
=== a helper detaches what requires grad
def to_numpy(y):
    if y.requires_grad:
        y = y.detach()
    return y.numpy()
to_numpy(VALUE)
=== a helper asks for tensors
def to_numpy(y):
    if isinstance(y, torch.Tensor):
        return y.numpy()  #! numpy
    return np.asarray(y)
to_numpy(VALUE)
=== recursion over a nest
def to_numpy(y):
    if isinstance(y, dict):
        return {k: to_numpy(v) for k, v in y.items()}
    return y.numpy()  #! numpy
to_numpy(VALUE)
=== called before it is defined
def g():
    return f().numpy()  #! numpy
def f():
    return VALUE
=== a closure reads it
def f():
    y = VALUE
    def g():
        return y.numpy()  #! numpy
    return g()
=== a closure is returned
def f():
    y = VALUE
    def g():
        return y
    return g
f()().numpy()  #! numpy
=== a closure reads what is bound later
def f():
    def g():
        return y.numpy()  #! numpy
    y = VALUE
    return g()
=== nonlocal
def f():
    y = x
    def g():
        nonlocal y
        y = VALUE
    g()
    return y.numpy()  #! numpy
=== global
y = x
def f():
    global y
    y = VALUE
f()
y.numpy()  #! numpy
=== global seen from another function
y = None
def f():
    global y
    y = VALUE
def g():
    return y.numpy()  #! numpy
=== a name of the file
y = VALUE
def f():
    return y.numpy()  #! numpy
=== a local hides the name of the file
y = VALUE
def f():
    y = x
    return y.numpy()
=== generator
def f():
    yield VALUE
for y in f():
    y.numpy()  #! numpy
=== generator in a loop
def f():
    for _ in range(3):
        yield x, VALUE
for a, b in f():
    a.numpy()
    b.numpy()  #! numpy
=== yield from
def f():
    yield from [VALUE]
for y in f():
    y.numpy()  #! numpy
=== a generator keeps its parts apart
def f():
    yield VALUE
    yield x
list(f())[0].numpy()  #! numpy
=== async function
async def f():
    return VALUE
async def g():
    y = await f()
    return y.numpy()  #! numpy
=== async for
async def f():
    yield VALUE
async def g():
    async for y in f():
        y.numpy()  #! numpy
=== async with
async def g(lock):
    async with lock:
        y = VALUE
    return y.numpy()  #! numpy
=== async comprehension
async def f():
    yield VALUE
async def g():
    return [y.numpy() async for y in f()]  #! numpy
=== own decorator
def twice(function):
    def wrapper(*args):
        return function(*args) * 2
    return wrapper
@twice
def f(y):
    return y
f(VALUE).numpy()  #! numpy
=== own decorator that detaches
def detached(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs).detach()
    return wrapper
@detached
def f():
    return VALUE
f().numpy()
=== own decorator with arguments
def times(by):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs) * by
        return wrapper
    return decorate
@times(2)
def f(y):
    return y
f(VALUE).numpy()  #! numpy
=== own decorator on a method that detaches | decorators of the project are not applied to methods
def detached(function):
    @functools.wraps(function)
    def wrapper(self, *args):
        return function(self, *args).detach()
    return wrapper
class Box:
    @detached
    def get(self):
        return VALUE
Box().get().numpy()
=== lru_cache
@functools.lru_cache(maxsize=None)
def f():
    return VALUE
f().numpy()  #! numpy
=== a function in a dict
table = {"id": lambda y: y}
table["id"](VALUE).numpy()  #! numpy
=== a function as an argument
def apply(function, y):
    return function(y)
apply(torch.relu, VALUE).numpy()  #! numpy
=== a mutable default
def f(rows=[]):
    rows.append(VALUE)
    return rows
f()[0].numpy()  #! numpy
=== own context manager hands it out
@contextlib.contextmanager
def f():
    yield VALUE
with f() as y:
    y.numpy()  #! numpy
=== own context manager class hands it out
class Box:
    def __enter__(self):
        return VALUE
    def __exit__(self, *error):
        return False
with Box() as y:
    y.numpy()  #! numpy
""")

CLASSES = cases("""
=== attribute set in init
class Box:
    def __init__(self, y):
        self.y = y
    def show(self):
        return self.y.numpy()  #! numpy
Box(VALUE).show()
=== attribute set in init, read outside
class Box:
    def __init__(self, y):
        self.y = y
Box(VALUE).y.numpy()  #! numpy
Box(x).y.numpy()
=== attribute set in another method
class Box:
    def __init__(self):
        self.y = None
    def fill(self):
        self.y = VALUE
    def show(self):
        return self.y.numpy()  #! numpy
=== two instances stay apart
class Box:
    def __init__(self, y):
        self.y = y
a, b = Box(VALUE), Box(x)
a.y.numpy()  #! numpy
b.y.numpy()
=== method returns it
class Box:
    def get(self):
        return VALUE
Box().get().numpy()  #! numpy
=== method detaches it
class Box:
    def __init__(self, y):
        self.y = y.detach()
Box(VALUE).y.numpy()
=== inherited method
class Base:
    def get(self):
        return VALUE
class Box(Base):
    pass
Box().get().numpy()  #! numpy
=== overridden method
class Base:
    def get(self):
        return x
class Box(Base):
    def get(self):
        return VALUE
Box().get().numpy()  #! numpy
Base().get().numpy()
=== super
class Base:
    def get(self):
        return VALUE
class Box(Base):
    def get(self):
        return super().get() * 2
Box().get().numpy()  #! numpy
=== super init
class Base:
    def __init__(self, y):
        self.y = y
class Box(Base):
    def __init__(self, y):
        super().__init__(y)
        self.n = 1
Box(VALUE).y.numpy()  #! numpy
=== the base calls what the child overrides
class Base:
    def show(self):
        return self.get().numpy()  #! numpy
class Box(Base):
    def get(self):
        return VALUE
Box().show()
=== second base
class A:
    pass
class B:
    def get(self):
        return VALUE
class Box(A, B):
    pass
Box().get().numpy()  #! numpy
=== property
class Box:
    @property
    def y(self):
        return VALUE
Box().y.numpy()  #! numpy
=== cached property
class Box:
    @functools.cached_property
    def y(self):
        return VALUE
Box().y.numpy()  #! numpy
=== property that detaches
class Box:
    def __init__(self):
        self._y = VALUE
    @property
    def y(self):
        return self._y.detach()
Box().y.numpy()
=== setter that detaches
class Box:
    @property
    def y(self):
        return self._y
    @y.setter
    def y(self, value):
        self._y = value.detach()
box = Box()
box.y = VALUE
box.y.numpy()
=== setter
class Box:
    @property
    def y(self):
        return self._y
    @y.setter
    def y(self, value):
        self._y = value
box = Box()
box.y = VALUE
box.y.numpy()  #! numpy
=== static method
class Box:
    @staticmethod
    def get(y):
        return y
Box.get(VALUE).numpy()  #! numpy
Box().get(VALUE).numpy()  #! numpy
=== class method
class Box:
    @classmethod
    def get(cls, y):
        return y
Box.get(VALUE).numpy()  #! numpy
=== class method that builds
class Box:
    def __init__(self, y):
        self.y = y
    @classmethod
    def of(cls, y):
        return cls(y)
Box.of(VALUE).y.numpy()  #! numpy
=== call
class Box:
    def __call__(self, y):
        return y * 2
Box()(VALUE).numpy()  #! numpy
=== getitem
class Box:
    def __init__(self):
        self.rows = [VALUE]
    def __getitem__(self, index):
        return self.rows[index]
Box()[0].numpy()  #! numpy
=== setitem
class Box:
    def __init__(self):
        self.rows = {}
    def __setitem__(self, key, y):
        self.rows[key] = y
    def __getitem__(self, key):
        return self.rows[key]
box = Box()
box["y"] = VALUE
box["y"].numpy()  #! numpy
=== iter
class Box:
    def __iter__(self):
        yield VALUE
for y in Box():
    y.numpy()  #! numpy
=== iter and next
class Box:
    def __iter__(self):
        return self
    def __next__(self):
        return VALUE
for y in Box():
    y.numpy()  #! numpy
=== own operator | an object's own operators (`__add__` ...) are not called
class Box:
    def __init__(self, y):
        self.y = y
    def __add__(self, other):
        return Box(self.y + other)
(Box(VALUE) + 1).y.numpy()  #! numpy
=== own augmented operator
class Box:
    def __init__(self, y):
        self.y = y
    def __iadd__(self, other):
        self.y = self.y + other
        return self
box = Box(torch.zeros(2, 4))
box += VALUE
box.y.numpy()  #! numpy
=== setattr hook that detaches
class Box:
    def __setattr__(self, name, value):
        super().__setattr__(name, value.detach())
box = Box()
box.y = VALUE
box.y.numpy()
=== slots
class Box:
    __slots__ = ("y",)
    def __init__(self, y):
        self.y = y
Box(VALUE).y.numpy()  #! numpy
=== dataclass
@dataclasses.dataclass
class Box:
    n: torch.Tensor
    y: torch.Tensor
box = Box(x, VALUE)
box.n.numpy()
box.y.numpy()  #! numpy
=== dataclass by keyword
@dataclasses.dataclass(frozen=True)
class Box:
    n: torch.Tensor
    y: torch.Tensor
box = Box(y=VALUE, n=x)
box.n.numpy()
box.y.numpy()  #! numpy
=== dataclass method
@dataclasses.dataclass
class Box:
    y: torch.Tensor
    def show(self):
        return self.y.numpy()  #! numpy
Box(VALUE).show()
=== dataclass post init detaches | `__post_init__` is not run
@dataclasses.dataclass
class Box:
    y: torch.Tensor
    def __post_init__(self):
        self.y = self.y.detach()
Box(VALUE).y.numpy()
=== dataclass replace | dataclasses.replace loses the fields
@dataclasses.dataclass
class Box:
    y: torch.Tensor
dataclasses.replace(Box(x), y=VALUE).y.numpy()  #! numpy
=== dataclass list field | a field's default_factory is not run
@dataclasses.dataclass
class Box:
    rows: list = dataclasses.field(default_factory=list)
box = Box()
box.rows.append(VALUE)
box.rows[0].numpy()  #! numpy
=== namedtuple
from collections import namedtuple
Row = namedtuple("Row", "n y")
row = Row(x, VALUE)
row.n.numpy()
row.y.numpy()  #! numpy
=== namedtuple by keyword
from collections import namedtuple
Row = namedtuple("Row", ["n", "y"])
row = Row(y=VALUE, n=x)
row.n.numpy()
row.y.numpy()  #! numpy
=== namedtuple unpacked
from collections import namedtuple
Row = namedtuple("Row", ["n", "y"])
n, y = Row(x, VALUE)
n.numpy()
y.numpy()  #! numpy
=== typed namedtuple
from typing import NamedTuple
class Row(NamedTuple):
    n: torch.Tensor
    y: torch.Tensor
row = Row(x, VALUE)
row.n.numpy()
row.y.numpy()  #! numpy
=== typed namedtuple unpacked | an instance of a NamedTuple class does not unpack
from typing import NamedTuple
class Row(NamedTuple):
    n: torch.Tensor
    y: torch.Tensor
n, y = Row(x, VALUE)
n.numpy()
y.numpy()  #! numpy
=== simple namespace | SimpleNamespace holds items, its attributes are not found
from types import SimpleNamespace
box = SimpleNamespace(n=x, y=VALUE)
box.y.numpy()  #! numpy
box.n.numpy()
=== class variable through cls | what a class method leaves on `cls` is not found by another method
class Box:
    y = None
    @classmethod
    def fill(cls):
        cls.y = VALUE
    @classmethod
    def show(cls):
        return cls.y.numpy()  #! numpy
=== nested class
class Outer:
    class Inner:
        def get(self):
            return VALUE
    def show(self):
        return self.Inner().get().numpy()  #! numpy
Outer().show()
=== an object in an object
class Inner:
    def __init__(self, y):
        self.y = y
class Outer:
    def __init__(self, y):
        self.inner = Inner(y)
Outer(VALUE).inner.y.numpy()  #! numpy
=== an object in a list
class Box:
    def __init__(self, y):
        self.y = y
boxes = [Box(VALUE) for _ in range(3)]
for box in boxes:
    box.y.numpy()  #! numpy
=== an object in a dict
class Box:
    def __init__(self, y):
        self.y = y
boxes = {"a": Box(VALUE)}
boxes["a"].y.numpy()  #! numpy
=== alias of an object
class Box:
    pass
a = Box()
b = a
a.y = VALUE
b.y.numpy()  #! numpy
=== alias of a list
a = []
b = a
a.append(VALUE)
b[0].numpy()  #! numpy
=== copied dict | `.copy()` of a list or dict is an alias
a = {"y": VALUE}
b = a.copy()
b["y"] = x
a["y"].numpy()  #! numpy
b["y"].numpy()
=== method taken as a value
class Box:
    def get(self, y):
        return y
f = Box().get
f(VALUE).numpy()  #! numpy
=== a module calls itself with data
class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
    def forward(self, features):
        return features, net(x) * 2, VALUE
    def scores(self, features):
        return self(features)[2]
class Model:
    def __init__(self, head: Head):
        self.head = head
    def predict(self, texts):
        return self.head.scores(len(texts)).numpy()  #! numpy
=== abstract base
import abc
class Base(abc.ABC):
    @abc.abstractmethod
    def get(self): ...
    def show(self):
        return self.get().numpy()  #! numpy
class Box(Base):
    def get(self):
        return VALUE
Box().show()
=== generic class | `Box[int](...)` does not make a Box
from typing import Generic, TypeVar
T = TypeVar("T")
class Box(Generic[T]):
    def __init__(self, y: T):
        self.y = y
Box(VALUE).y.numpy()  #! numpy
Box[int](VALUE).y.numpy()  #! numpy
=== enum member as a key
import enum
class Key(enum.Enum):
    Y = "y"
    N = "n"
d = {Key.Y: VALUE, Key.N: x}
d[Key.Y].numpy()  #! numpy
""")


@pytest.mark.parametrize("body", FUNCTIONS)
def test_functions(body):
    check(body)
    check_cut(body)


@pytest.mark.parametrize("body", CLASSES)
def test_classes(body):
    check(body)
    check_cut(body)
