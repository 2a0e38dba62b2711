"""The language server: what is found in the texts that are open in an editor, while they are typed.

Texts are linted when typing pauses, one at a time, in a thread of their own: the tracker's tables are not
made for two, and the editor must never wait. What comes out of it is shown only if the text is still the
same. A text that can't be parsed keeps what was shown before: somebody is in the middle of a line.

The project's config decides as it does for the command. Other files of the project are read from the disk,
and read anew when something is saved.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from detachlint import __version__, inspection, sources, tracking
from detachlint.bounds import MAX_DEPTH
from detachlint.cells import CellsChanged, Program
from detachlint.config import ConfigError
from detachlint.editing import Document, Words, overlaps, uri_of_file, workspace_edit
from detachlint.findings import Finding
from detachlint.inspection import GivenUp, Inspected
from detachlint.positions import split_lines
from detachlint.rulebook import RuleError
from detachlint.sources import Source, SourceError

PAUSE = 0.3  # seconds without typing before a text is linted
FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.detachlint"
_PYTHON = "python"
_STACK = 256 * 1024 * 1024  # deep programs are interpreted by recursion; threads get little otherwise
_CODE = re.compile(r"\bDTL\d{3}\b")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Subject:
    """What is linted as one: a file, or a notebook with all its cells (by number; None for the file)."""

    uri: str
    source: Source
    documents: Mapping[int | None, Document]


class Server(LanguageServer):
    """What is open, what was found in it, and what is waiting to be linted."""

    def __init__(self) -> None:
        cells = [types.NotebookCellLanguage(_PYTHON)]
        notebooks = types.NotebookDocumentSyncOptions(
            [types.NotebookDocumentFilterWithCells(cells=cells)], save=True
        )
        # Whole texts: pieces would be counted in lines that end where Python's lines do not.
        super().__init__("detachlint", __version__, types.TextDocumentSyncKind.Full, notebooks)
        self.worker = _worker()
        self.inspected: dict[str, tuple[Subject, Inspected | None]] = {}
        self.waiting: dict[str, asyncio.Task[None]] = {}
        self.complained: set[str] = set()

    # --- what is open -----------------------------------------------------------------------------------

    def subject(self, uri: str) -> Subject | None:
        """The subject that a document belongs to, as it is now; None if it is not open, or no Python."""
        notebook = self.workspace.get_notebook_document(cell_uri=uri) or self._notebook(uri)
        if notebook is not None:
            cells = {
                number: self.workspace.text_documents[cell.document]
                for number, cell in enumerate(notebook.cells, 1)
                if cell.kind == types.NotebookCellKind.Code and cell.document in self.workspace.text_documents
            }
            program = Program.of(
                (number, cell.source) for number, cell in cells.items() if cell.language_id == _PYTHON
            )
            source = Source(_filename(notebook.uri), program.text, program=program)
            return Subject(notebook.uri, source, {number: _document(cell) for number, cell in cells.items()})
        document = self.workspace.text_documents.get(uri)
        if document is None or document.language_id != _PYTHON:
            return None
        return Subject(uri, Source(_filename(uri), document.source), {None: _document(document)})

    def _notebook(self, uri: str) -> types.NotebookDocument | None:
        return self.workspace.get_notebook_document(notebook_uri=uri)

    def subjects(self) -> list[str]:
        """The addresses of all that is open."""
        inside = [cell.document for book in self.workspace.notebook_documents.values() for cell in book.cells]
        return [*self.workspace.notebook_documents, *(set(self.workspace.text_documents) - set(inside))]

    # --- linting ----------------------------------------------------------------------------------------

    def lint_soon(self, uri: str, pause: float = PAUSE) -> None:
        """Lint a subject when nothing has happened to it for a moment."""
        subject = self.subject(uri)
        if subject is None:
            return
        if subject.uri in self.waiting:
            self.waiting[subject.uri].cancel()
        self.waiting[subject.uri] = asyncio.get_running_loop().create_task(self._lint(subject.uri, pause))

    async def lint_all(self) -> None:
        """Lint all that is open anew: other files that it imports may have changed."""
        await self.run(tracking.forget)
        self.complained.clear()
        for uri in self.subjects():
            self.lint_soon(uri)

    async def _lint(self, uri: str, pause: float) -> None:
        await asyncio.sleep(pause)
        subject = self.subject(uri)
        if subject is None:
            return
        found = None
        try:
            found = await self.run(lambda: inspection.inspect(subject.source))
        except SourceError:
            return
        except (ConfigError, RuleError) as error:
            self._complain(str(error))
        except GivenUp as error:
            self.window_log_message(types.LogMessageParams(types.MessageType.Error, f"detachlint: {error}"))
        if self.subject(uri) == subject:
            self.inspected[uri] = subject, found
            self._publish(subject, found)

    def _complain(self, message: str) -> None:
        """Say what is wrong with the config, once."""
        if message not in self.complained:
            self.complained.add(message)
            said = types.ShowMessageParams(types.MessageType.Error, f"detachlint: {message}")
            self.window_show_message(said)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do something that takes long, after what is being done."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, work)

    # --- what is shown ----------------------------------------------------------------------------------

    def words(self, subject: Subject) -> Words:
        """What puts a subject's findings into the editor's words."""

        def uri_of(filename: str, cell: int | None) -> str:
            own = filename == subject.source.filename and cell in subject.documents
            return subject.documents[cell].uri if own else uri_of_file(filename)

        def lines_of(filename: str, cell: int | None) -> list[str]:
            if filename == subject.source.filename and cell in subject.documents:
                return split_lines(subject.documents[cell].text)
            try:
                return list(sources.read(filename).lines(cell))
            except SourceError:
                return []

        return Words(self.workspace.position_codec, uri_of, lines_of)

    def _publish(self, subject: Subject, found: Inspected | None) -> None:
        words = self.words(subject)
        listed: dict[int | None, list[types.Diagnostic]] = {cell: [] for cell in subject.documents}
        for _, finding in found.localized() if found is not None else ():
            listed[finding.cell].append(words.diagnostic(finding))
        for cell, diagnostics in listed.items():
            document = subject.documents[cell]
            self.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(document.uri, diagnostics, document.version)
            )

    def forget(self, uri: str, *documents: str) -> None:
        """Nothing is known of what is closed, and nothing is shown of it."""
        self.inspected.pop(uri, None)
        task = self.waiting.pop(uri, None)
        if task is not None:
            task.cancel()
        for document in documents:
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document, []))

    def known(self, uri: str) -> tuple[Subject, Inspected] | None:
        """What was found in the subject of a document, if its text is still the same."""
        now = self.subject(uri)
        subject, found = self.inspected.get(now.uri, (None, None)) if now is not None else (None, None)
        return (subject, found) if subject is not None and found is not None and subject == now else None

    def findings_at(
        self, uri: str, where: types.Range
    ) -> tuple[Subject, Inspected, list[tuple[Finding, Finding]]] | None:
        """The findings that touch a range of a document, each also with its places in cells."""
        known = self.known(uri)
        if known is None:
            return None
        subject, found = known
        words = self.words(subject)
        places = [(finding, local, words.location_of(local)) for finding, local in found.localized()]
        here = [
            (finding, local)
            for finding, local, place in places
            if place.uri == uri and overlaps(place.range, where)
        ]
        return subject, found, here

    def workspace_edit(
        self, subject: Subject, found: Inspected, text: str | None
    ) -> types.WorkspaceEdit | None:
        """The edit that gives a subject a new text; None if there is none."""
        if text is None:
            return None
        try:
            changed = found.documents(text)
        except CellsChanged:
            return None
        words = self.words(subject)
        edits = [
            (subject.documents[cell], words.edits(subject.documents[cell].text, new))
            for cell, new in changed.items()
        ]
        return workspace_edit(edits, self._takes_versions())

    def _takes_versions(self) -> bool:
        workspace = self.client_capabilities.workspace
        edit = workspace.workspace_edit if workspace is not None else None
        return bool(edit is not None and edit.document_changes)


def _worker() -> ThreadPoolExecutor:
    """One thread, with a stack as deep as programs need."""
    sys.setrecursionlimit(max(MAX_DEPTH, sys.getrecursionlimit()))
    before = threading.stack_size(_STACK)
    worker = ThreadPoolExecutor(1, "detachlint")
    worker.submit(int).result()
    threading.stack_size(before)
    return worker


def _filename(uri: str) -> str:
    return to_fs_path(uri) or uri


def _document(document: TextDocument) -> Document:
    return Document(document.uri, document.version, document.source)


# --- what the editor asks ---------------------------------------------------------------------------------


def make() -> Server:
    """A server that answers."""
    server = Server()
    _listen(server)
    _answer(server)
    return server


def _listen(server: Server) -> None:
    """Lint what is opened and changed, forget what is closed."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.lint_soon(params.text_document.uri, 0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        server.lint_soon(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri, params.text_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    async def opened_notebook(params: types.DidOpenNotebookDocumentParams) -> None:
        server.lint_soon(params.notebook_document.uri, 0)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    async def changed_notebook(params: types.DidChangeNotebookDocumentParams) -> None:
        structure = params.change.cells.structure if params.change.cells is not None else None
        for cell in (structure.did_close if structure is not None else None) or ():
            server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(cell.uri, []))
        server.lint_soon(params.notebook_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    async def closed_notebook(params: types.DidCloseNotebookDocumentParams) -> None:
        cells = [cell.uri for cell in params.cell_text_documents]
        server.forget(params.notebook_document.uri, *cells)

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        if _can_watch(server):
            watchers = [types.FileSystemWatcher(pattern) for pattern in ("**/*.py", "**/pyproject.toml")]
            options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            with suppress(JsonRpcException):  # it has said that it could
                await server.client_register_capability_async(
                    types.RegistrationParams([types.Registration("files", method, options)])
                )

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: types.DidSaveTextDocumentParams) -> None:
        await server.lint_all()

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_SAVE)
    async def saved_notebook(params: types.DidSaveNotebookDocumentParams) -> None:
        await server.lint_all()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def changed_files(params: types.DidChangeWatchedFilesParams) -> None:
        await server.lint_all()


def _can_watch(server: Server) -> bool:
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    return bool(watching is not None and watching.dynamic_registration)


def _answer(server: Server) -> None:
    """Offer fixes and explanations."""
    kinds = [types.CodeActionKind.QuickFix, FIX_ALL]

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(kinds))
    async def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        return await server.run(lambda: _actions(server, params))

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(params: types.HoverParams) -> types.Hover | None:
        where = types.Range(params.position, params.position)
        found = server.findings_at(params.text_document.uri, where)
        if found is not None and found[2]:
            subject, inspected, here = found
            words = server.words(subject)
            rule = inspected.linter.book.rule
            texts = [words.explanation(local, rule(local.code)) for _, local in here]
            return types.Hover(_markdown("\n\n---\n\n".join(texts)), words.location_of(here[0][1]).range)
        return _page_of_code(server, params)


def _actions(server: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    """The fixes and ignore comments for what stands in a range, and the fix of all there is."""
    # Whole lines: some editors ask with the place of the cursor, which seldom stands on the finding itself.
    last = types.Position(params.range.end.line + 1, 0)
    lines = types.Range(types.Position(params.range.start.line, 0), last)
    found = server.findings_at(params.text_document.uri, lines)
    if found is None:
        return []
    subject, inspected, here = found
    actions = []
    words = server.words(subject)
    if _wanted(params, types.CodeActionKind.QuickFix):
        for finding, local in here:
            diagnostics = [words.diagnostic(local)]
            for title, text, preferred in _quick_fixes(inspected, finding):
                edit = server.workspace_edit(subject, inspected, text)
                kind = types.CodeActionKind.QuickFix
                if edit is not None:
                    actions.append(types.CodeAction(title, kind, diagnostics, preferred, edit=edit))
    if _wanted(params, FIX_ALL) and (here or params.context.only):
        edit = server.workspace_edit(subject, inspected, inspected.all_mended())
        if edit is not None:
            actions.append(types.CodeAction("detachlint: fix all that is safe", FIX_ALL, edit=edit))
    return actions


def _quick_fixes(inspected: Inspected, finding: Finding) -> list[tuple[str, str | None, bool]]:
    """What can be done about a finding: a title, the new text, and whether it is what most people want."""
    fixes: list[tuple[str, str | None, bool]] = []
    if finding.fix is not None:
        safe = finding.fix.applicability == "safe"
        title = f"{finding.fix.message} ({finding.code})" + ("" if safe else ": may change results")
        fixes.append((title, inspected.mended(finding), safe))
    fixes.append((f"Ignore {finding.code} here", inspected.ignored(finding), False))
    return fixes


def _wanted(params: types.CodeActionParams, kind: str) -> bool:
    """Whether the editor asks for actions of a kind."""
    only = params.context.only
    return only is None or any(kind == asked or kind.startswith(f"{asked}.") for asked in only)


def _page_of_code(server: Server, params: types.HoverParams) -> types.Hover | None:
    """The page of a rule whose code stands under the pointer: in a comment, or in the config."""
    document = server.workspace.text_documents.get(params.text_document.uri)
    lines = split_lines(document.source) if document is not None else []
    if params.position.line >= len(lines):
        return None
    position = server.workspace.position_codec.position_from_client_units(lines, params.position)
    for match in _CODE.finditer(lines[params.position.line]):
        rule = inspection.book().rule(match.group())
        if rule is not None and match.start() <= position.character <= match.end():
            return types.Hover(_markdown(rule.page()))
    return None


def _markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)
