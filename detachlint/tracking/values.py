"""What a value can be, and how two of them join.

The lattice is small on purpose. A value has a kind (tensor, module, container, function ...), and what
may carry a graph has a grad state besides: `TRACKS` (the code shows that it requires grad), `CLEAR` (it is
known not to) or `UNKNOWN` (nothing is known, so nothing is said). Values are immutable; what can change,
a list or an object, is a reference to sites whose contents live in the environment.

Two things ride along and never take part in a comparison, so that loops reach their fixpoint:

* the *origin*, a cons list of steps that explains why a tensor tracks. It is built while values flow and
  read only where a finding is made.
* the *lineage*, the graph of definitions a value was computed from. It stands for the autograd graph:
  a backward walks it to learn what was consumed, what that proves, and which places were needed.

Joining two paths keeps the evidence of either: TRACKS on one path is "possibly tracking".
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition
    from detachlint.tracking.places import Place


class Grad(enum.IntEnum):
    """Whether a tensor requires grad, as far as the code shows."""

    CLEAR = 0
    UNKNOWN = 1
    TRACKS = 2


class Doubt(enum.IntFlag):
    """Why what counts as a tensor may have no `detach()`: of its graph the same holds in any case."""

    NONE = 0
    STRUCTURE = 1  # an output, or a part of one, of code that cannot be seen: a tuple or dict, it may be
    PATH = 2  # on another path it is a number, None or a collection
    SEVERAL = 4  # it is a tuple of tensors
    PART = 8  # an item of an output of unknown structure, a number or index as often as not, or made of such
    PACKED = 16  # it is a packed sequence, a tuple whose `data` is the tensor itself, graph and all


class GradMode(enum.Enum):
    """Torch's grad mode. One that is not known counts as on, because on one path it is.

    Inference mode is off, too, and nothing inside turns it on again.
    """

    __hash__ = object.__hash__  # an enum's own is Python code
    ON = "on"
    OFF = "off"
    INFERENCE = "inference"


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """One step of the answer to "why does it track?"; `before` holds the earlier ones."""

    path: str
    node: ast.AST
    text: str
    before: Origin | None = None

    def steps(self) -> list[Origin]:
        """The steps in the order in which they happen."""
        found: list[Origin] = []
        step: Origin | None = self
        while step is not None:
            found.append(step)
            step = step.before
        return found[::-1]


# The values that are made by the million are frozen by custom: it takes Python three times as long to make
# one that it freezes.
@dataclass(slots=True, eq=False)
class Lineage:
    """A definition and what it was computed from: the static twin of an autograd node.

    `key` names the definition across contexts and rounds (see `Keys`). `place` is set where the value
    was read from, or kept in, a place whose fate matters. `summed` marks sums, whose backward speaks for
    their summands too. `tracks` marks results that require grad, `opaque` those of code that cannot be seen,
    of which nobody knows whether a backward gets through. `from_before` is what `consumption.is_carried` has
    found of it: graphs grow by joins, and are not walked to their ends for each. `context` is the call in
    which a function made it, 0 where it was interpreted alone, or is a method.
    """

    key: int
    parents: tuple[Lineage, ...] = ()
    place: Place | None = None
    call: Lineage | None = None
    summed: bool = False
    arity: int = 0
    entered: Entry | None = None
    left: Exit | None = None
    tracks: bool = False
    opaque: bool = False
    carried: Carry | None = None
    from_before: bool | None = None
    context: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """A value goes on to the next iteration of a loop, or to the next call of a method.

    `spent`: a backward has consumed its graph there. Without, the mark says the opposite: what looks spent
    here was so on another path only.
    """

    spent: bool
    name: str = ""
    path: str = ""
    node: ast.AST | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Exit:
    """The return through which a value whose graph was spent left the function that spent it."""

    function: str
    path: str
    node: ast.AST
    detach: tuple[ast.expr, ...]
    unfixable: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """The call through which a value entered a function, and the argument expression it came from.

    `only_taken`: the function gives nothing back, so that detaching the argument can't cut its result.
    """

    context: int
    call: ast.Call
    argument: ast.expr
    path: str
    tracked: bool
    only_taken: bool

    @property
    def callee(self) -> str:
        """What is called, as it is written; asked for where there is something to tell, few times of many."""
        return ast.unparse(self.call.func)


@dataclass(slots=True, unsafe_hash=True)
class Plain:
    """Python data that carries no graph: numbers, text, None, shapes, arrays' results."""

    constant: object = ...


@dataclass(slots=True, unsafe_hash=True)
class Tensor:
    """A torch tensor, or an output made of tensors whose structure is not known.

    `rows` are the tuples that it is on other paths, as long as it goes straight to where it is taken apart.
    """

    grad: Grad
    origin: Origin | None = field(default=None, compare=False)
    lineage: Lineage | None = field(default=None, compare=False)
    leaf: bool = field(default=False, compare=False)
    doubt: Doubt = field(default=Doubt.NONE, compare=False)
    rows: tuple[Tuple, ...] = field(default=(), compare=False)


@dataclass(slots=True, unsafe_hash=True)
class Unknown:
    """Anything: a parameter, a loop variable, what an unseen function returned.

    `key` names its definition, so that what is learnt of it later (it is backpropagated, its
    `parameters()` go to an optimizer) can be looked up in the next round.
    """

    key: int
    lineage: Lineage | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Module:
    """A library's `nn.Module`. `trainable` says whether its output tracks on an input that does not.

    `child` speaks for what it was made of; `parts` are the keys of all of it.
    """

    name: str
    trainable: Grad
    key: int
    child: Value | None = None
    parts: tuple[int, ...] = ()
    alone: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Object:
    """An instance of a library class that the models know by its dotted name.

    `alone` says, here as of a module, that it is this one on all paths.
    """

    name: str
    key: int
    grad: Grad = Grad.CLEAR
    origin: Origin | None = field(default=None, compare=False)
    lineage: Lineage | None = field(default=None, compare=False)
    alone: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Library:
    """A module, class or function of a library, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Tuple:
    """A tuple of known length; `fields` are the names of a named tuple's items."""

    items: tuple[Value, ...]
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sequence:
    """Something to iterate over, of unknown length, whose elements are alike.

    `rows` are the tuples of different lengths that it may be, where that is known. `mode` is the grad mode
    that a generator is suspended in, and leaves to those that iterate over it.
    """

    element: Value
    rows: tuple[Tuple, ...] = ()
    mode: GradMode | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A list, set, deque or dict: a reference to the sites that made it.

    `open`: on another path it is something else, that others may hold.
    """

    sites: tuple[int, ...]
    kind: str = "list"
    open: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class of the project; `also` are those of other classes that it is on other paths."""

    sites: tuple[int, ...]
    klass: ClassDefinition
    also: tuple[Instance, ...] = ()

    def each(self) -> tuple[Instance, ...]:
        """What it may be, one class at a time."""
        return (replace(self, also=()), *self.also) if self.also else (self,)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the project with the scopes it sees, and its receiver where it is a method."""

    definition: FunctionDefinition
    receiver: Value | None = None


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the project."""

    klass: ClassDefinition


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a value, taken but not yet called."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """A callable with arguments already given, or with a grad mode that it runs in."""

    function: Value
    positional: tuple[Value, ...] = ()
    keywords: tuple[tuple[str, Value], ...] = ()
    mode: GradMode | None = None


@dataclass(frozen=True, slots=True)
class ModeSwitch:
    """A grad-mode object: usable as a context manager and as a decorator."""

    mode: GradMode


@dataclass(frozen=True, slots=True)
class Imported:
    """A name of another file of the project, looked up when it is used; `name` None is the module itself."""

    path: str
    name: str | None
    submodule: str | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """A module of the project: its names live in its global scope."""

    scope: int


@dataclass(frozen=True, slots=True)
class ManagedBlock:
    """What a project's own context manager hands to its block, and the grad mode it sets for it, if any."""

    mode: GradMode | None
    value: Value


Value: TypeAlias = (
    Plain
    | Tensor
    | Unknown
    | Module
    | Object
    | Library
    | Tuple
    | Sequence
    | Container
    | Instance
    | Function
    | Class
    | Method
    | Partial
    | ModeSwitch
    | Imported
    | Namespace
    | ManagedBlock
)

PLAIN = Plain()
NONE = Plain(None)
CLEAR = Tensor(Grad.CLEAR)
ARRAY = "numpy.ndarray"
TEXT = "builtins.str"


def lineage_of(value: Value) -> Lineage | None:
    """The graph a single value hangs on (of a tuple: see `lineages`)."""
    if isinstance(value, (Tensor, Unknown, Object)):
        return value.lineage
    return None


def grad_of(value: Value) -> Grad:
    """The grad state of a value; data, modules and functions themselves are CLEAR."""
    if isinstance(value, (Tensor, Object)):
        return value.grad
    if isinstance(value, Unknown):
        return Grad.UNKNOWN
    if isinstance(value, Tuple):
        return max((grad_of(item) for item in value.items), default=Grad.CLEAR)
    if isinstance(value, Sequence):
        return grad_of(value.element)
    return Grad.CLEAR


def origin_of(value: Value) -> Origin | None:
    """The origin of a tracking value, the first one in a tuple."""
    if isinstance(value, (Tensor, Object)):
        return value.origin
    if isinstance(value, Tuple):
        return next((origin_of(item) for item in value.items if grad_of(item) is Grad.TRACKS), None)
    if isinstance(value, Sequence):
        return origin_of(value.element)
    return None


def tracks(value: Value) -> bool:
    """Whether the code shows that `value`, or one of a tuple's items, requires grad."""
    return grad_of(value) is Grad.TRACKS


def placed(value: Value, place: Place) -> Value:
    """The same value, read from a place of its own: what becomes of that is asked at the end."""
    lineage = lineage_of(value)
    return with_lineage(value, Lineage(place[0], (lineage,) if lineage is not None else (), place))


def with_lineage(value: Value, lineage: Lineage) -> Value:
    """The same value hanging on another lineage."""
    if isinstance(value, Tensor):
        return Tensor(value.grad, value.origin, lineage, value.leaf, value.doubt)
    if isinstance(value, Unknown):
        return Unknown(value.key, lineage)
    return replace(value, lineage=lineage) if isinstance(value, Object) else value


def doubted(value: Value, doubt: Doubt) -> Value:
    """The same value, which may be no tensor for one more reason."""
    if not isinstance(value, Tensor) or doubt in value.doubt or value.grad is Grad.CLEAR:
        return value
    return Tensor(value.grad, value.origin, value.lineage, value.leaf, value.doubt | doubt, value.rows)


def doubt_of(value: Value) -> Doubt:
    """Why a value may be no tensor."""
    return value.doubt if isinstance(value, Tensor) else Doubt.NONE


def join_lineage(left: Lineage | None, right: Lineage | None) -> Lineage | None:
    """A lineage that leads to both."""
    if left is None or left is right:
        return right
    if right is None:
        return left
    same = left.key == right.key and left.place == right.place and left.carried is right.carried
    if same and left.parents == right.parents:
        return left
    return Lineage(-1, (left, right))


def join(left: Value, right: Value) -> Value:
    """What a name can hold after two paths meet."""
    if left is right:
        return left
    kind = type(left)
    if kind is type(right):
        joined = _join_same(left, right)
        if joined is not None:
            return joined
    return _join_mixed(left, right)


def join_all(values: Iterable[Value]) -> Value | None:
    """The join of any number of values; None for none."""
    joined: Value | None = None
    for value in values:
        joined = value if joined is None else join(joined, value)
    return joined


def _join_same(left: Value, right: Value) -> Value | None:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return _join_tensors(left, right)
    if isinstance(left, Tuple) and isinstance(right, Tuple):
        if len(left.items) == len(right.items):
            fields = left.fields if left.fields == right.fields else ()
            return Tuple(tuple(map(join, left.items, right.items)), fields)
        return Sequence(join_all(left.items + right.items) or PLAIN, (left, right))
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return Sequence(join(left.element, right.element), _join_rows(left.rows, right.rows))
    if isinstance(left, Plain):
        return left if left == right else PLAIN
    if isinstance(left, Unknown) and isinstance(right, Unknown):
        return Unknown(left.key, join_lineage(left.lineage, right.lineage))
    if isinstance(left, Container) and isinstance(right, Container):
        return Container(_join_sites(left.sites, right.sites), left.kind, left.open or right.open)
    if isinstance(left, Instance) and isinstance(right, Instance):
        return _join_instances(left, right)
    if isinstance(left, Module) and isinstance(right, Module):
        stronger_module = left if left.trainable >= right.trainable else right
        if left.key == right.key and left.trainable is right.trainable:
            stronger_module = max(left, right, key=lambda module: len(module.parts))  # it grew on one path
        alone = left.alone and right.alone and left.key == right.key
        return stronger_module if stronger_module.alone is alone else replace(stronger_module, alone=alone)
    if isinstance(left, Object) and isinstance(right, Object) and left.name == right.name:
        stronger = left if left.grad >= right.grad else right
        alone = left.alone and right.alone and left.key == right.key
        return replace(stronger, lineage=join_lineage(left.lineage, right.lineage), alone=alone)
    return left if left == right else None


_MOST_CLASSES = 3  # every call of a method is one of each of them


def _join_instances(left: Instance, right: Instance) -> Instance:
    found: list[Instance] = list(left.each())
    for other in right.each():
        same = next((known for known in found if known.klass is other.klass), None)
        if same is not None:
            found[found.index(same)] = Instance(_join_sites(same.sites, other.sites), same.klass)
        elif len(found) < _MOST_CLASSES:
            found.append(other)
    return replace(found[0], also=tuple(found[1:]))


def _join_tensors(left: Tensor, right: Tensor) -> Tensor:
    stronger = left if left.grad >= right.grad else right
    lineage = join_lineage(left.lineage, right.lineage)
    leaf = left.leaf and right.leaf if left.grad is right.grad else stronger.leaf
    doubt = left.doubt if left.doubt is right.doubt else left.doubt | right.doubt
    rows = (
        left.rows
        if left.rows == right.rows
        else left.rows + tuple(row for row in right.rows if row not in left.rows)
    )
    return Tensor(stronger.grad, stronger.origin, lineage, leaf, doubt, rows)


def _join_rows(left: tuple[Tuple, ...], right: tuple[Tuple, ...]) -> tuple[Tuple, ...]:
    """One tuple for each length; none if one side's are not known."""
    if not left or not right:
        return ()
    found: dict[int, Tuple] = {}
    for row in left + right:
        known = found.get(len(row.items))
        joined = row if known is None else join(known, row)
        found[len(row.items)] = joined if isinstance(joined, Tuple) else row
    return tuple(found.values())


def _join_sites(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return left if left == right else tuple(dict.fromkeys(left + right))


# What a value yields to when kinds differ: `None` or a number before the loop gives way to what the loop
# puts there; evidence of tracking outlives everything.
def _join_mixed(left: Value, right: Value) -> Value:
    if isinstance(left, ModeSwitch) and isinstance(right, ModeSwitch):
        return ModeSwitch(GradMode.ON)
    for first in (left, right):
        # `no_grad() if frozen else nullcontext()`: whoever asks for numbers inside may have asked for it too.
        if isinstance(first, ModeSwitch):
            return first
    for first, second in ((left, right), (right, left)):
        if isinstance(first, Plain):
            return doubted(second, Doubt.PATH)
    # What a list holds is needed where the list is: it must not be lost.
    for first, second in ((left, right), (right, left)):
        if isinstance(first, Container) and isinstance(second, (Tensor, Unknown)):
            return replace(first, open=True)
    for first, second in ((left, right), (right, left)):
        if isinstance(first, Sequence) and first.rows and isinstance(second, Tuple):
            element = join_all((first.element, *second.items)) or PLAIN
            return Sequence(element, _join_rows(first.rows, (second,)))
    for first, second in ((left, right), (right, left)):
        if isinstance(first, Tensor) and isinstance(second, (Tuple, Sequence, Object)):
            lineage = _whole_lineage(second)
            other = Tensor(grad_of(second), origin_of(second), lineage, first.leaf, rows=_rows_of(second))
            return doubted(doubted(_join_tensors(first, other), Doubt.PATH), Doubt.STRUCTURE)
    for first, second in ((left, right), (right, left)):
        if isinstance(first, Tensor) and first.grad is Grad.TRACKS:
            doubt = Doubt.STRUCTURE if isinstance(second, Unknown) else Doubt.PATH
            joined = replace(first, lineage=join_lineage(first.lineage, lineage_of(second)))
            return doubted(joined, doubt)
    for first, second in ((left, right), (right, left)):
        if isinstance(first, Unknown):
            return Unknown(first.key, join_lineage(first.lineage, lineage_of(second)))
    return _as_unknown(left, right)


def _rows_of(value: Value) -> tuple[Tuple, ...]:
    """The tuples that a value is, or may be."""
    if isinstance(value, Tuple):
        return (value,)
    return value.rows if isinstance(value, Sequence) else ()


def _whole_lineage(value: Value) -> Lineage | None:
    """The graph that a value hangs on, with all its items."""
    if isinstance(value, Sequence):
        return _whole_lineage(value.element)
    found = lineage_of(value)
    for item in value.items if isinstance(value, Tuple) else ():
        found = join_lineage(found, _whole_lineage(item))
    return found


def _as_unknown(left: Value, right: Value) -> Value:
    if isinstance(left, (Container, Instance)) or not isinstance(right, (Container, Instance)):
        return left
    return right
