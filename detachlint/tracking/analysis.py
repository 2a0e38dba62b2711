"""The state of one analysis: what all frames of one file's interpretation share.

A `Frame` is one activation of a function (or of a file's top level): its scope, the state at the point
that is being interpreted, and the exits collected so far. Frames of inlined calls share their caller's
state, so that what a callee does to an object is done.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detachlint.tracking.definitions import ClassDefinition, FunctionDefinition, SourceModule
from detachlint.tracking.environment import State, Switch
from detachlint.tracking.events import Event, Note
from detachlint.tracking.facts import Facts
from detachlint.tracking.fates import Fates
from detachlint.tracking.heard import Heard, Settled
from detachlint.tracking.lineages import ancestors
from detachlint.tracking.places import OUTSIDE, PARAMETERS, Keys, Place
from detachlint.tracking.values import (
    Doubt,
    Function,
    Grad,
    GradMode,
    Lineage,
    Module,
    Origin,
    Partial,
    Tensor,
    Unknown,
    Value,
    join,
)
from detachlint.uses import Uses

if TYPE_CHECKING:
    from detachlint.models import Models
    from detachlint.tracking.forgetting import Stored
    from detachlint.tracking.project import Project
    from detachlint.tracking.terms import Item
    from detachlint.tracking.twins import Twin

MAX_DEPTH = 5
MAX_DEPTH_ELSEWHERE = 3
MAX_WORK = 16_000
MAX_WORK_OF_ENTRY = 2_000


@dataclass(slots=True, eq=False)
class Hook:
    """A forward hook that waits for its module to be called; registered `within` a function, if any."""

    node: ast.AST
    function: Function | Partial
    receiver: Value
    modules: frozenset[int]
    within: FunctionDefinition | None = None
    seen: bool = False


@dataclass(slots=True)
class Analysis:
    """What the frames of one file's analysis share; one object per file and round-independent tables.

    `seen` is what an expression was when it was last evaluated; those in `untensed` were no tensor some time.
    What calls pass is `heard`; what is `settled` of it is taken for granted in this round.
    A `closed` file is a program that no other file of the project uses.
    """

    models: Models
    project: Project | None
    keys: Keys
    facts: Facts
    fates: Fates
    surroundings: Analysis | None = None
    base: dict[Place, Value] = field(default_factory=dict)
    functions: dict[Hashable, FunctionDefinition] = field(default_factory=dict)
    classes: dict[Hashable, ClassDefinition] = field(default_factory=dict)
    definitions: list[FunctionDefinition] = field(default_factory=list)
    seen: dict[ast.expr, Value] = field(default_factory=dict)
    untensed: set[ast.expr] = field(default_factory=set)
    events: dict[tuple[int, str, str], Event] = field(default_factory=dict)
    modules: dict[str, SourceModule] = field(default_factory=dict)
    target: str = ""
    hooks: list[Hook] = field(default_factory=list)
    offsets: dict[int, dict[str, None]] = field(default_factory=dict)
    buffers: dict[Place, None] = field(default_factory=dict)
    inert: dict[Hashable, Value] = field(default_factory=dict)
    texts: dict[ast.AST, object] = field(default_factory=dict)
    ranked: dict[ast.expr, list[ast.expr]] = field(default_factory=dict)
    used: dict[SourceModule, Uses] = field(default_factory=dict)
    optimizers: dict[int, frozenset[int] | None] = field(default_factory=dict)
    stored: dict[tuple[int, ClassDefinition], Stored] = field(default_factory=dict)
    undecided: dict[FunctionDefinition, None] = field(default_factory=dict)
    around: dict[ast.AST, ast.AST] = field(default_factory=dict)
    written: dict[ast.AST, dict[str, list[ast.expr | Item]]] = field(default_factory=dict)
    branches: dict[ast.AST, list[tuple[range, range]]] = field(default_factory=dict)
    decided: frozenset[FunctionDefinition] = frozenset()
    heard: Heard = field(default_factory=Heard)
    settled: Settled = field(default_factory=dict)
    closed: bool = False
    twins: Mapping[ast.Call, list[Twin]] = field(default_factory=dict)
    twins_met: dict[ast.Call, Frame] = field(default_factory=dict)
    compared: set[ast.AST] = field(default_factory=set)
    stale: set[Lineage] = field(default_factory=set)
    context: int = 0
    work: int = 0
    writes: int = 0
    training_calls: int = 0
    lines: int = 0

    def effects(self) -> tuple[int, ...]:
        """Changes with everything that an interpretation leaves behind, other than names and values."""
        fates = self.fates
        return (
            self.facts.size(),
            len(fates.keeps),
            fates.noted,
            len(self.events),
            self.writes,
            self.training_calls,
            len(self.hooks),
        )

    def unknown(self, key: int, lineage: Lineage | None = None) -> Value:
        """A value of which nothing is known but what facts say of its definition."""
        lineage = lineage or Lineage(key, context=self.context_of(key))
        note = self.facts.proof(key, lineage.context) if key not in self.facts.objects else None
        if note is not None:
            origin = Origin(note.path, note.node, note.text)
            doubt = Doubt.NONE if key in self.facts.single else Doubt.STRUCTURE
            return Tensor(Grad.TRACKS, origin, lineage, doubt=doubt)
        note = self.facts.weights.get(key)
        if note is not None:
            made = Lineage(self.keys(PARAMETERS, key))
            return Tensor(Grad.TRACKS, Origin(note.path, note.node, note.text), made, leaf=True)
        if key in self.facts.modules:
            trainable = Grad.CLEAR if self.facts.is_frozen(key) else Grad.TRACKS
            return Module("", trainable, key)
        return Unknown(key, lineage)

    def context_of(self, key: int) -> int:
        """The call that is interpreted, for a definition of which each call of its function has its own."""
        made = self.context != 0 and self.root_of(key)[0] in ("call", "operation")
        return self.context if made else 0

    def root_of(self, key: int) -> tuple[Hashable, ...]:
        """What a definition is, or what it is a part or element of."""
        thing = self.keys.thing(key) if key >= 0 else (None,)
        while thing[0] in ("part", "element") and isinstance(thing[1], int) and thing[1] >= 0:
            thing = self.keys.thing(thing[1])
        return thing

    def uses(self, module: SourceModule) -> Uses:
        """What a file does with its values besides what happens to their graphs."""
        if module not in self.used:
            self.used[module] = Uses(module.tree)
        return self.used[module]

    def offsets_of(self, base: int) -> list[str]:
        """The attributes and items that something was ever stored in, of the object at `base`."""
        own = self.offsets.get(base)
        around = self.surroundings.offsets.get(base) if self.surroundings is not None else None
        if around is None:
            return list(own) if own is not None else []
        return list(around) if own is None else list({**own, **around})

    def emit(self, event: Event) -> None:
        """Tell the rules, once per place and kind of sink."""
        self.events.setdefault((id(event.node), event.kind, event.sink), event)


@dataclass(slots=True)
class Loop:
    """A loop that runs: the states with which its body is left early, and the mode in which it is entered.

    `trained` tells how many calls that train had been seen before. The `counter` is the name that is 0 in the
    `first` turn, if the body asks for it.
    """

    mode: GradMode = GradMode.ON
    node: ast.AST | None = None
    trained: int = 0
    counter: str = ""
    first: bool = False
    breaks: list[State] = field(default_factory=list)
    continues: list[State] = field(default_factory=list)


@dataclass(slots=True)
class Frame:
    """One activation of a function or of a file's top level.

    `own_context` is its call, where what it makes hangs on the arguments alone: 0 in a method, which has its
    object, too.
    """

    analysis: Analysis
    module: SourceModule
    scopes: tuple[int, ...]
    state: State | None
    context: int = 0
    depth: int = 0
    level: int = 0
    definition: FunctionDefinition | None = None
    receiver: Value | None = None
    loops: list[Loop] = field(default_factory=list)
    returns: list[tuple[Value, State, ast.AST]] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
    yield_mode: GradMode | None = None
    caller: Frame | None = None
    guarded: bool = False
    asked: list[Lineage] = field(default_factory=list)
    entry_depth: int = 0
    spent_before: int = 0
    statement: ast.stmt | None = None
    active: frozenset[ast.AST] = frozenset()
    budget: int = MAX_WORK
    own_context: int = 0

    @property
    def scope(self) -> int:
        """The scope of the frame's own names."""
        return self.scopes[0]

    @property
    def live(self) -> State:
        """The state at a point that is known to be reachable."""
        assert self.state is not None
        return self.state

    @property
    def grad_on(self) -> bool:
        """Whether operations build a graph here, on at least one path."""
        return self.live.mode is GradMode.ON

    @property
    def constructs(self) -> bool:
        """Whether an `__init__` runs here, or called what does; or a method that is there for it alone."""
        current: Frame | None = self
        while current is not None:
            if current.definition is not None and current.definition.is_of_init:
                return True
            current = current.caller
        return False

    def get(self, place: Place) -> Value | None:
        """What a place holds here; places of the surroundings are looked up in the file's own table."""
        assert self.state is not None
        value = self.state.cells.get(place)
        if value is None:
            analysis = self.analysis
            value = analysis.base.get(place)
            if value is None and analysis.surroundings is not None:
                value = analysis.surroundings.base.get(place)
        return value

    def put(self, place: Place, value: Value) -> None:
        """The place holds `value` from here on."""
        assert self.state is not None
        self.state.cells[place] = value
        base, offset = place
        if offset[0] in ".[":
            analysis = self.analysis
            analysis.writes += 1
            offsets = analysis.offsets.get(base)
            if offsets is None:
                offsets = analysis.offsets[base] = {}
            offsets[offset] = None

    def add(self, place: Place, value: Value) -> None:
        """The place may hold `value` too from here on."""
        old = self.get(place)
        self.put(place, value if old is None else join(old, value))

    def switch(self, key: int, on: bool) -> None:
        """The parameters of the module `key` require grad from here on, or do not."""
        self.analysis.writes += 1
        self.live.switched = {**self.live.switched, key: Switch(self.analysis.writes, on)}

    def is_frozen(self, key: int) -> bool:
        """Whether the module's parameters do not require grad: here, or anywhere in the program."""
        told = self.live.switched.get(key)
        return (told is not None and not told.on) or self.analysis.facts.is_frozen(key)

    def born(self, key: Place | int) -> int:
        """The loop depth at which a place, or the object it belongs to, was born."""
        return self.live.born.get(key, OUTSIDE)

    def site(self, node: ast.AST, kind: str = "site") -> int:
        """The number of what `node` allocates here, in this calling context; it is born now."""
        number = self.analysis.keys(kind, node, self.context)
        self.live.born[number] = self.depth
        return number

    def leave_open(self, lineage: Lineage | None, kept: bool = False) -> None:
        """Whether what a sink of this file got tracks is up to the callers of the outermost function.

        A value that only came in is theirs alone: asked are those who say what a call in between gives, or
        what the elements and attributes of an argument are. And what is `kept` by a function that gives
        something back is told where it is kept, whoever brought it.
        """
        if self.module.path != self.analysis.target:
            return
        outermost = self
        while outermost.caller is not None:
            outermost = outermost.caller
        definition = outermost.definition
        if definition is not None and ((kept and definition.gives_back) or self._is_made_here(lineage)):
            self.analysis.undecided[definition] = None

    def _is_made_here(self, lineage: Lineage | None) -> bool:
        return any(each.call is not None or self._is_element(each) for each in ancestors(lineage))

    def _is_element(self, lineage: Lineage) -> bool:
        if lineage.key < 0:
            return False
        kind, *rest = self.analysis.keys.thing(lineage.key)
        return kind == "element" or (kind == "part" and str(rest[-1])[0] == ".")

    def note(self, node: ast.AST, text: str) -> Note:
        """A note on a node of this frame's file."""
        return Note(self.module.path, node, text)

    def origin(self, node: ast.AST, text: str, before: Origin | None = None) -> Origin:
        """A step of an explanation, at a node of this frame's file."""
        return Origin(self.module.path, node, text, before)
