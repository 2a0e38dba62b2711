"""Comments that silence findings, and the report of those that silence nothing.

    x = out.numpy()  # detachlint: ignore[DTL101] grad mode is off here     one line, the codes named
    x = out.numpy()  # detachlint: ignore                                   one line, every code
    x = out.numpy()  # noqa: DTL101                                         the same, as other linters have it
    # detachlint: ignore-file[DTL101]                                       the whole file

Comments are found by the tokenizer: the same characters in a string mean nothing. A comment speaks for the
whole simple statement it stands in (or the header of a compound one), on whichever of its lines it stands.

A suppression that silences nothing is itself a finding, and its fix removes only what is unused. What this
run can't know is never called unused: codes of other tools, of rules that did not run, and a bare `# noqa`.
"""

from __future__ import annotations

import bisect
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from detachlint.findings import Edit, Finding, Fix, Location, Silenced
from detachlint.rulebook import UNUSED_SUPPRESSION, Rule, Rulebook

_CODE = r"[A-Z]+[0-9]+"
_OWN = re.compile(
    r"(?P<directive>#\s*detachlint\s*:\s*(?P<what>ignore-file|ignore)(?![\w-])"
    r"(?:\s*\[(?P<codes>[^\]#]*)\])?)[^#]*",
    re.IGNORECASE,
)
_NOQA = re.compile(
    rf"(?P<directive>#\s*(?P<what>noqa)(?![\w-])(?:\s*:\s*(?P<codes>{_CODE}(?:[\s,]+{_CODE})*)(?!\w))?)",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One comment's directive. `codes` are as written, None for every code; `codes_at` is where they stand.

    `start` and `end` span the directive itself in its line, with the `reason` that follows it.
    """

    row: int
    start: int
    end: int
    text: str
    whole_file: bool
    foreign: bool
    codes: tuple[str, ...] | None
    codes_at: tuple[int, int] = (0, 0)
    reason: str = ""

    def silences(self, code: str) -> str | None:
        """The code (or prefix) written here that silences a rule; `*` when all are silenced."""
        if self.codes is None:
            return "*"
        return next((own for own in self.codes if _covers(own, code)), None)


def _covers(written: str, code: str) -> bool:
    written = written.upper()
    return written == code or (len(written) >= len("DTL") and code.startswith(written))


def may_hold(text: str) -> bool:
    """Whether it is worth looking for suppressions in a source at all."""
    lowered = text.lower()
    return "detachlint" in lowered or "noqa" in lowered


def find(lines: Sequence[str]) -> list[Suppression]:
    """The suppressions of a source, given as its lines; none when it can't be cut into tokens."""
    found: list[Suppression] = []
    readline = _reader(lines)
    try:
        for token in tokenize.generate_tokens(readline):
            if token.type == tokenize.COMMENT:
                found.extend(_in_comment(token.string, token.start[0], token.start[1]))
    except (tokenize.TokenError, SyntaxError, RecursionError):
        return []
    return found


def _reader(lines: Sequence[str]) -> Callable[[], str]:
    waiting = iter(lines)

    def readline() -> str:
        # The tokenizer takes a lone carriage return for an ordinary character; Python's parser does not.
        line = next(waiting, "")
        return line.rstrip("\r\n") + "\n" if line.endswith(("\r", "\n")) else line

    return readline


def _in_comment(comment: str, row: int, offset: int) -> Iterator[Suppression]:
    for pattern, foreign in ((_OWN, False), (_NOQA, True)):
        for match in pattern.finditer(comment):
            written = match["codes"]
            codes = None if written is None else tuple(code for code in _SEPARATOR.split(written) if code)
            yield Suppression(
                row=row,
                start=offset + match.start(),
                end=offset + match.end(),
                text=match["directive"],
                whole_file=match["what"].lower() == "ignore-file",
                foreign=foreign,
                codes=codes,
                codes_at=(offset + match.start("codes"), offset + match.end("codes")) if written else (0, 0),
                reason=match[0].removeprefix(match["directive"]).strip(),
            )


@dataclass(frozen=True, slots=True)
class Heard:
    """The findings that stay, those that were silenced, and what each suppression silenced with.

    The latter are codes as written, `*` for a bare comment.
    """

    kept: list[Finding]
    silenced: list[Silenced]
    used: dict[Suppression, set[str]]


def apply(findings: Iterable[Finding], suppressions: Sequence[Suppression]) -> Heard:
    """What the comments of a source leave of its findings."""
    heard = Heard([], [], {})
    placed = _Placed(suppressions)
    for finding in findings:
        by = None
        for suppression in placed.between(*finding.rows):
            written = suppression.silences(finding.code)
            if written is not None:
                heard.used.setdefault(suppression, set()).add(written)
                by = by or suppression
        if by is None:
            heard.kept.append(finding)
        else:
            heard.silenced.append(Silenced(finding, "inSource", by.reason))
    return heard


@dataclass(frozen=True, slots=True)
class Ran:
    """What a source was linted with: `selected` of the rules of `book`; `rule` reports what is unused."""

    filename: str
    lines: Sequence[str]
    rule: Rule
    selected: Rulebook
    book: Rulebook


def unused(
    suppressions: Sequence[Suppression], used: dict[Suppression, set[str]], ran: Ran
) -> Iterator[Finding]:
    """A finding for each suppression of which a part silences nothing."""
    rule = ran.rule
    for suppression in suppressions:
        useless = _useless(suppression, used.get(suppression, set()), ran)
        if not useless:
            continue
        row = suppression.row
        edit = _removal(suppression, useless, ran.lines[row - 1])
        end = suppression.start + len(suppression.text)
        shown = suppression.text if "*" in useless else ", ".join(useless)
        yield Finding(
            code=rule.code,
            name=rule.name,
            message=rule.says(suppression.text, shown),
            filename=ran.filename,
            location=Location(row, suppression.start + 1),
            end_location=Location(row, end + 1),
            fix=Fix("safe", rule.fix_message or "Remove it", (edit,)),
            url=rule.url,
        )


def _useless(suppression: Suppression, used: set[str], ran: Ran) -> list[str]:
    if suppression.codes is None:
        known = not suppression.foreign and ran.book.defaults_are_in(ran.selected)
        return ["*"] if known and not used else []
    idle = (code for code in suppression.codes if code not in used)
    return [code for code in idle if _ran(code, suppression.foreign, ran)]


def _ran(written: str, foreign: bool, ran: Ran) -> bool:
    """Whether all rules that a written code stands for ran, so that silence means something.

    A code that no rule has can silence nothing either; in a `# noqa` only those that look like ours count.
    """
    if _covers(written, UNUSED_SUPPRESSION):
        return False
    if foreign and not written.upper().startswith("DTL"):
        return False
    meant = [rule.code for rule in ran.book.rules if _covers(written, rule.code)]
    return all(code in ran.selected.codes for code in meant)


def _removal(suppression: Suppression, useless: Sequence[str], line: str) -> Edit:
    """The edit that takes the useless codes away: the directive if none is left, the line if it is empty."""
    row = suppression.row
    left = [code for code in suppression.codes or () if code not in useless]
    if left:
        start, end = suppression.codes_at
        return Edit(Location(row, start + 1), Location(row, end + 1), ", ".join(left))
    before, after = line[: suppression.start], line[suppression.end :]
    if after.strip():  # more follows, which is another comment now: it takes this one's place
        end = len(line) - len(after.lstrip())
        sign = "" if after.lstrip().startswith("#") else "# "
        return Edit(Location(row, suppression.start + 1), Location(row, end + 1), sign)
    if not before.strip() and line.endswith(("\r", "\n")):
        return Edit(Location(row, 1), Location(row + 1, 1), "")
    kept = len(before.rstrip())
    return Edit(Location(row, kept + 1), Location(row, len(line.rstrip("\r\n")) + 1), "")


def unsilenced(findings: Iterable[Finding], suppressions: Sequence[Suppression]) -> list[Finding]:
    """The findings whose full code no comment on their own row, or for the whole file, silences."""
    placed = _Placed(suppressions)
    return [
        finding
        for finding in findings
        if not any(
            finding.code in (item.codes or ())
            for item in placed.between(finding.location.row, finding.location.row)
        )
    ]


class _Placed:
    """Suppressions by the rows they speak of: a file may hold as many comments as findings."""

    def __init__(self, suppressions: Sequence[Suppression]) -> None:
        self._whole = [item for item in suppressions if item.whole_file]
        self._single = sorted((item for item in suppressions if not item.whole_file), key=_row)
        self._rows = [item.row for item in self._single]

    def between(self, first: int, last: int) -> list[Suppression]:
        """Those that speak of any of these rows."""
        start, end = bisect.bisect_left(self._rows, first), bisect.bisect_right(self._rows, last)
        return self._single[start:end] + self._whole


def _row(suppression: Suppression) -> int:
    return suppression.row
