"""What the fuzzers share: real files, how often to try, what must hold of any outcome, and detaching anywhere.

The normal run takes small numbers. `DETACHLINT_LONG=1` takes those of a release (10,000 files, 10,000 mutations,
200 kills); `DETACHLINT_CORPUS` names folders of real code, separated as in PATH, beside the standard library and
the installed packages.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from detachlint import rulebook, sources
from detachlint.config import Settings
from detachlint.edits import NotFixable, apply_edits, detach_edits, inserted_calls, parsed
from detachlint.linter import Linter, Outcome
from detachlint.sources import Source, SourceError

LONG = bool(os.environ.get("DETACHLINT_LONG"))
MOST_BYTES = 400_000  # of a file that is fuzzed: larger ones are slow and no other


def times(short: int, long: int) -> int:
    """How often to try."""
    return long if LONG else short


@cache
def corpus() -> tuple[Path, ...]:
    """Real Python files, mixed once and for all."""
    paths = sysconfig.get_paths()
    named = [Path(name) for name in os.environ.get("DETACHLINT_CORPUS", "").split(os.pathsep) if name]
    folders = [*named, Path(paths["stdlib"]), Path(paths["purelib"])]
    found = [
        os.path.join(place, name)
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in sorted(names)
        if name.endswith(".py")
    ]
    files = list(map(Path, dict.fromkeys(found)))
    random.Random(0).shuffle(files)
    first = [path for path in files if any(folder in path.parents for folder in named)]
    return tuple(dict.fromkeys([*first, *files]))


@cache
def readable(number: int, worth: bool = False) -> tuple[Source, ...]:
    """So many real sources that Python can parse; `worth` takes those alone that mention torch."""
    found: list[Source] = []
    for path in corpus():
        try:
            data = sources.read_bytes(str(path))
            if len(data) > MOST_BYTES:
                continue
            if worth and not sources.is_worth_parsing(data):
                continue
            source = sources.decode(str(path), data)
        except SourceError:
            continue
        if parsed(source.text) is not None:
            found.append(source)
        if len(found) == number:
            break
    return tuple(found)


@cache
def linter() -> Linter:
    """Every rule there is, each file by itself, and every fix."""
    book = rulebook.load()
    return Linter(Settings(Path("/nowhere"), preview=True, fix=True, unsafe_fixes=True), book, book)


@dataclass
class Tally:
    """What came of the fixes of many files."""

    files: int = 0
    applied: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unfixable: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one file."""
        self.files += 1
        self.applied += outcome.fixes
        self.errors += [outcome.error] if outcome.error else []
        for line in outcome.refused:
            reason = line.partition(": not fixed: ")[2]
            self.refused[reason] = self.refused.get(reason, 0) + 1
        for finding in outcome.findings:
            if finding.fix is None:
                reason = str(finding.unfixable)
                self.unfixable[reason] = self.unfixable.get(reason, 0) + 1


def demand_contract(source: Source, outcome: Outcome) -> None:
    """What a fixed text promises, judged without the judge that let it through."""
    assert "internal error" not in (outcome.error or ""), outcome.error
    assert "Traceback" not in (outcome.error or ""), outcome.error
    if outcome.fixed is None:
        return
    old, new = ast.parse(source.text), parsed(outcome.fixed)
    assert new is not None, source.filename
    added = inserted_calls(old, new)
    assert added is not None, source.filename
    comments = sum(finding.code == "DTL001" for finding in outcome.before)
    assert added >= outcome.fixes - comments, source.filename
    if not comments:
        assert without_inserted(source.text, outcome.fixed), source.filename
    assert source.encode(outcome.fixed)
    again = linter().outcome_of(Source(source.filename, outcome.fixed))
    assert again.fixed is None, source.filename
    assert len(outcome.findings) <= len(outcome.before), source.filename


def without_inserted(old: str, new: str) -> bool:
    """Whether the new text is the old one with parentheses and `.detach()` put in, character by character.

    All readings are followed at once: the `.de` of `x.detach().det()` may be the old text's or the inserted one.
    """
    places = _past_inserted({0}, new)
    for character in old:
        places = {at + 1 for at in places if at < len(new) and new[at] == character}
        places = _past_inserted(places, new)
        if not places:
            return False
    return len(new) in places


def _past_inserted(places: set[int], text: str) -> set[int]:
    """These places, and those behind what may be inserted there."""
    found, waiting = set(places), list(places)
    while waiting:
        at = waiting.pop()
        behind = {at + len(put) for put in (".detach()", "(", ")") if text.startswith(put, at)} - found
        found |= behind
        waiting += behind
    return found


# --- detaching anywhere ---------------------------------------------------------------------------


def detach_anywhere(source: str, dice: random.Random, number: int) -> tuple[int, int]:
    """Detach expressions at random places of a source; how many it was, and how many were refused.

    The tree of the result must be the old tree with just those nodes wrapped.
    """
    tree = ast.parse(source)
    barred = _barred(tree)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.expr) and id(node) not in barred]
    chosen: list[ast.expr] = []
    refused = 0
    for node in dice.sample(nodes, min(number, len(nodes))):
        try:
            edits = detach_edits(source, [node])
        except NotFixable:
            refused += 1
            continue
        if len(edits) <= 2 and not _has_constant_branch(node):
            chosen.append(node)
    edits = detach_edits(source, chosen)
    new = parsed(apply_edits(source, edits))
    assert new is not None
    marks = {id(node) for node in chosen}
    assert _same(_wrapped(tree, marks), new)
    assert inserted_calls(tree, new) == len(chosen)
    return len(chosen), refused


def _barred(tree: ast.Module) -> set[int]:
    """What a fix may be asked for but is then refused: parts of `{x.y=}`, which prints its text, and `x.detach`.

    The values of a `case` are written like expressions, and are none.
    """
    barred: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "detach":
            barred.add(id(node))
        if isinstance(node, ast.pattern) or _prints_its_text(node):
            barred |= {id(part) for part in ast.walk(node)}
    return barred


def _prints_its_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) and any(_says_text(value) for value in node.values)


def _says_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).rstrip().endswith("=")


def _has_constant_branch(node: ast.expr) -> bool:
    return isinstance(node, ast.IfExp) and any(
        isinstance(branch, ast.Constant) for branch in (node.body, node.orelse)
    )


class _Wrap(ast.NodeTransformer):
    def __init__(self, marks: set[int]) -> None:
        self.marks = marks

    def visit(self, node: ast.AST) -> ast.AST:
        marked = id(node) in self.marks
        self.generic_visit(node)
        return ast.Call(ast.Attribute(node, "detach", ast.Load()), [], []) if marked else node


def _wrapped(tree: ast.Module, marks: set[int]) -> ast.Module:
    kept = {id(node) for node in ast.walk(tree)} & marks
    positions = [index for index, node in enumerate(ast.walk(tree)) if id(node) in kept]
    other = copy.deepcopy(tree)
    nodes = list(ast.walk(other))
    _Wrap({id(nodes[index]) for index in positions}).visit(other)
    return other


def _same(left: ast.AST, right: ast.AST) -> bool:
    return inserted_calls(left, right) == 0


# --- mutations ------------------------------------------------------------------------------------

TOKENS = """( ) [ ] { } : , . ; = == := -> @ * ** // % + - ~ not is in and or if else elif for while try except except* finally with as
def class lambda return yield await async del global nonlocal import from raise pass break continue match case _ None True ... 0 1.5
'a' f'{x!r:>{w}}' b'' \\ # \t \x0c \r \0 é \ud800 loss loss.backward() .detach() .item() torch.no_grad() self super()
total += losses.append(loss) .numpy() requires_grad_() *args **kw x: print( """.split(" ")


def mutations(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """One mutation by bytes and one by words, each of one to a few places."""
    yield _by_bytes(data, dice)
    yield _by_words(data, dice)


def _by_bytes(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 5, 20])):
        at = dice.randrange(len(changed) + 1)
        size = dice.choice([0, 1, 1, 3, 40])
        new = bytes(dice.randrange(256) for _ in range(dice.choice([0, 1, 1, 4])))
        changed[at : at + size] = new
    return bytes(changed)


def _by_words(data: bytes, dice: random.Random) -> bytes:
    words = _split(data.decode("utf-8", "replace"))
    for _ in range(dice.choice([1, 1, 2, 3, 8])):
        at, other = dice.randrange(len(words) + 1), dice.randrange(len(words) + 1)
        kind = dice.randrange(6)
        if kind == 0:
            words[at : at + 1] = []
        elif kind == 1:
            words[at:at] = [dice.choice(TOKENS)]
        elif kind == 2:
            words[at : at + 1] = [dice.choice(TOKENS)]
        elif kind == 3 and at < len(words) and other < len(words):
            words[at], words[other] = words[other], words[at]
        elif kind == 4:
            words[at:at] = words[other : other + dice.randrange(60)] * dice.choice([1, 1, 30])
        else:
            words[at : at + dice.randrange(60)] = []
    return "".join(words).encode("utf-8", "surrogatepass")


def _split(text: str) -> list[str]:
    import re

    return re.findall(r"\w+|\s+|[^\w\s]", text)


def some(items: Sequence[Source], number: int, dice: random.Random) -> list[Source]:
    """A choice of sources, with repetition where there are too few."""
    return [dice.choice(items) for _ in range(number)] if items else []
