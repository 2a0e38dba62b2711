"""What an editor is shown of a finding: the words of the language server protocol for it.

Places become ranges that count from 0 in the units the editor has asked for. A notebook's cell is a document
of its own, so a place names a document as well.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lsprotocol import types
from pygls.uris import from_fs_path
from pygls.workspace import PositionCodec

from detachlint.differences import differences
from detachlint.findings import Finding, Location, Step
from detachlint.positions import split_lines
from detachlint.rulebook import UNUSED_SUPPRESSION, Rule

SOURCE = "detachlint"


@dataclass(frozen=True)
class Document:
    """A text that is open in the editor: a file, or a cell of a notebook."""

    uri: str
    version: int | None
    text: str


@dataclass(frozen=True)
class Words:
    """Puts findings into the editor's words. `lines_of` gives the lines of a file, or of a cell of it."""

    codec: PositionCodec
    uri_of: Callable[[str, int | None], str]
    lines_of: Callable[[str, int | None], Sequence[str]]

    def range(self, lines: Sequence[str], start: Location, end: Location) -> types.Range:
        """The range of a place."""
        return types.Range(self._position(lines, start), self._position(lines, end))

    def _position(self, lines: Sequence[str], location: Location) -> types.Position:
        row = location.row - 1
        before = lines[row][: location.column - 1] if row < len(lines) else ""
        return types.Position(row, self.codec.client_num_units(before))

    def location_of(self, place: Finding | Step) -> types.Location:
        """Where a finding or a step of its trace stands."""
        lines = self.lines_of(place.filename, place.cell)
        where = self.range(lines, place.location, place.end_location)
        return types.Location(self.uri_of(place.filename, place.cell), where)

    def diagnostic(self, finding: Finding) -> types.Diagnostic:
        """A finding, its trace as related information."""
        related = [
            types.DiagnosticRelatedInformation(self.location_of(step), step.text) for step in finding.trace
        ]
        unused = finding.code == UNUSED_SUPPRESSION
        return types.Diagnostic(
            range=self.location_of(finding).range,
            message=finding.message,
            severity=types.DiagnosticSeverity.Hint if unused else types.DiagnosticSeverity.Warning,
            code=finding.code,
            code_description=types.CodeDescription(finding.url) if finding.url else None,
            source=SOURCE,
            tags=[types.DiagnosticTag.Unnecessary] if unused else None,
            related_information=related or None,
        )

    def explanation(self, finding: Finding, rule: Rule | None) -> str:
        """A finding with its trace and the page of its rule, as Markdown."""
        steps = [f"{number}. {self._link(step)}: {step.text}" for number, step in enumerate(finding.trace, 1)]
        said = [f"**{finding.code}** {finding.name}", finding.message, "\n".join(steps)]
        if finding.fix is not None:
            safe = finding.fix.applicability == "safe"
            said.append(f"*{finding.fix.message}*" + ("" if safe else " (this may change results)"))
        elif finding.unfixable:
            said.append(f"No automatic fix: {finding.unfixable}.")
        if rule is not None:
            said += ["---", rule.page()]
        return "\n\n".join(part for part in said if part)

    def _link(self, step: Step) -> str:
        cell = "" if step.cell is None else "another cell, "
        name = step.filename.replace("\\", "/").rsplit("/", 1)[-1]
        uri = self.uri_of(step.filename, step.cell)
        return (
            f"[{cell or name + ':'}{'line ' if cell else ''}{step.location.row}]({uri}#L{step.location.row})"
        )

    def edits(self, old: str, new: str) -> list[types.TextEdit]:
        """The edits that lead from one text of a document to another."""
        lines = split_lines(old)
        starts = [0, *accumulate(map(len, lines))]

        def place(offset: int) -> Location:
            row = max(bisect.bisect_right(starts, offset) - 1, 0)
            if row == len(lines) and lines and not lines[-1].endswith(("\r", "\n")):
                row -= 1  # the end of a text is not a line of its own unless a line has ended before it
            return Location(row + 1, offset - starts[row] + 1)

        return [
            types.TextEdit(self.range(lines, place(change.start), place(change.end)), change.text)
            for change in differences(old, new)
        ]


def workspace_edit(
    changes: Iterable[tuple[Document, list[types.TextEdit]]], versioned: bool
) -> types.WorkspaceEdit:
    """Edits of several documents; where the editor can, only of the versions that were looked at."""
    if not versioned:
        return types.WorkspaceEdit(changes={document.uri: edits for document, edits in changes})
    return types.WorkspaceEdit(
        document_changes=[
            types.TextDocumentEdit(
                types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version), list(edits)
            )
            for document, edits in changes
        ]
    )


def uri_of_file(filename: str) -> str:
    """The address of a file."""
    return from_fs_path(filename) or filename


def overlaps(first: types.Range, second: types.Range) -> bool:
    """Whether two ranges have a place in common; one that is empty is where it stands."""
    if first.start == first.end or second.start == second.end:
        return _place(first.start) <= _place(second.end) and _place(second.start) <= _place(first.end)
    return _place(first.start) < _place(second.end) and _place(second.start) < _place(first.end)


def _place(position: types.Position) -> tuple[int, int]:
    return position.line, position.character
