"""The language server, asked by a real client in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest_lsp = pytest.importorskip("pytest_lsp")

from lsprotocol import types  # noqa: E402
from pygls.uris import from_fs_path  # noqa: E402
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PUBLISH = types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS
BAD = """\
import torch
from torch import nn

model = nn.Linear(2, 1)
total = 0
for step in range(10):
    loss = model(torch.randn(4, 2)).mean()
    loss.backward()
    total += loss
"""
FIXED = BAD.replace("+= loss", "+= loss.detach()")
RAISES = "import torch\n\nx = torch.ones(2, requires_grad=True)\nemoji = '😀', x.numpy()\n"

pytestmark = pytest.mark.asyncio
COMMAND = [sys.executable, "-m", "detachlint", "server"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def make_client() -> LanguageClient:
    """A client that remembers all diagnostics it was sent, with their versions."""
    client = pytest_lsp.make_test_lsp_client()
    client.published = []
    handler = client.protocol.fm.features.pop(PUBLISH)

    @client.feature(PUBLISH)
    def publish(params: types.PublishDiagnosticsParams) -> None:
        client.published.append(params)
        handler(params)

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        client.registered = [registration.method for registration in params.registrations]

    return client


CONFIG = ClientServerConfig(server_command=COMMAND, client_factory=make_client, server_env=ENVIRONMENT)


@pytest_lsp.fixture(config=CONFIG)
async def client(lsp_client: LanguageClient, tmp_path: Path) -> AsyncIterator[None]:
    (tmp_path / ".git").mkdir()
    folder = types.WorkspaceFolder(from_fs_path(str(tmp_path)), "project")
    capabilities = client_capabilities("visual-studio-code")
    asked = types.InitializeParams(
        capabilities,
        process_id=os.getpid(),
        root_uri=folder.uri,
        workspace_folders=[folder],
        initialization_options={},  # what the generic client of the README sends when nothing is set
        trace=types.TraceValue.Off,
    )
    await lsp_client.initialize_session(asked)
    yield
    await lsp_client.shutdown_session()


def helix() -> types.ClientCapabilities:
    """What Helix says that it can do, as far as it concerns this server; it shows no related places."""
    kinds = ["", "quickfix", "refactor", "refactor.extract", "refactor.inline", "refactor.rewrite"]
    kinds += ["source", "source.organizeImports"]
    return types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(
            apply_edit=True,
            configuration=True,
            workspace_folders=True,
            workspace_edit=types.WorkspaceEditClientCapabilities(
                document_changes=True, failure_handling=types.FailureHandlingKind.Abort
            ),
            did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
                dynamic_registration=True, relative_pattern_support=False
            ),
        ),
        text_document=types.TextDocumentClientCapabilities(
            hover=types.HoverClientCapabilities(content_format=[types.MarkupKind.Markdown]),
            code_action=types.CodeActionClientCapabilities(
                code_action_literal_support=types.ClientCodeActionLiteralOptions(
                    types.ClientCodeActionKindOptions(kinds)
                ),
                is_preferred_support=True,
                disabled_support=True,
                data_support=True,
                resolve_support=types.ClientCodeActionResolveOptions(["edit", "command"]),
            ),
            publish_diagnostics=types.PublishDiagnosticsClientCapabilities(version_support=True),
        ),
        window=types.WindowClientCapabilities(work_done_progress=True),
        general=types.GeneralClientCapabilities(
            position_encodings=[
                types.PositionEncodingKind.Utf8,
                types.PositionEncodingKind.Utf32,
                types.PositionEncodingKind.Utf16,
            ]
        ),
    )


@pytest_lsp.fixture(config=CONFIG, params=["neovim@v0.11", "emacs", "helix"])
async def other(
    lsp_client: LanguageClient, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[None]:
    """The clients of other editors, by what they say that they can do."""
    capabilities = helix() if request.param == "helix" else client_capabilities(request.param)
    uri = from_fs_path(str(tmp_path)) or ""
    folders = [types.WorkspaceFolder(uri, "project")]
    asked = types.InitializeParams(
        capabilities, process_id=os.getpid(), root_uri=uri, root_path=str(tmp_path), workspace_folders=folders
    )
    result = await lsp_client.initialize_session(asked)
    lsp_client.encoding = result.capabilities.position_encoding
    yield
    await lsp_client.shutdown_session()


class Editor:
    """What an editor does with one file."""

    def __init__(self, client: LanguageClient, path: Path, text: str, language: str = "python") -> None:
        self.client = client
        self.uri = from_fs_path(str(path)) or ""
        self.version = 1
        self.text = text
        item = types.TextDocumentItem(self.uri, language, self.version, text)
        client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def type(self, text: str) -> None:
        self.version += 1
        self.text = text
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    def save(self) -> None:
        self.client.text_document_did_save(types.DidSaveTextDocumentParams(self.document))

    @property
    def document(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    async def shown(self, seconds: float = 240) -> list[types.Diagnostic]:
        """What is shown once the server has spoken of this version."""

        async def wait() -> list[types.Diagnostic]:
            while True:
                for said in reversed(self.client.published):
                    if (said.uri, said.version) == (self.uri, self.version):
                        return list(said.diagnostics)
                await asyncio.sleep(0.02)

        return await asyncio.wait_for(wait(), seconds)

    async def actions(
        self, line: int, only: list[str] | None = None, column: int | None = None
    ) -> list[types.CodeAction]:
        """What is offered for a line, or for a cursor in it."""
        where = types.Range(
            types.Position(line, column or 0), types.Position(line, 200 if column is None else column)
        )
        context = types.CodeActionContext([], only=only)  # type: ignore[arg-type]
        asked = types.CodeActionParams(self.document, where, context)
        return list(await self.client.text_document_code_action_async(asked) or [])

    async def hover(self, line: int, character: int) -> str:
        asked = types.HoverParams(self.document, types.Position(line, character))
        said = await self.client.text_document_hover_async(asked)
        return "" if said is None else said.contents.value


async def nothing_shown(client: LanguageClient, uri: str) -> None:
    """Wait until the server has taken back what it has shown of a document."""

    async def wait() -> None:
        while client.diagnostics[uri]:
            await asyncio.sleep(0.02)

    await asyncio.wait_for(wait(), 240)


def applied(text: str, edits: list[types.TextEdit], units: str = "utf-16") -> str:
    """The text after an editor's edits, counted in the units that it has agreed to."""
    encoding, size = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[units]
    lines = text.split("\n")

    def offset(position: types.Position) -> int:
        before = lines[position.line].encode(encoding)[: size * position.character].decode(encoding)
        return sum(len(line) + 1 for line in lines[: position.line]) + len(before)

    for edit in sorted(edits, key=lambda edit: offset(edit.range.start), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text


def edits_of(action: types.CodeAction, uri: str, version: int) -> list[types.TextEdit]:
    (change,) = action.edit.document_changes
    assert (change.text_document.uri, change.text_document.version) == (uri, version)
    return list(change.edits)


async def test_findings_are_shown_with_their_traces(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "train.py", BAD)
    (found,) = await editor.shown()
    assert (found.code, found.source, found.severity) == (
        "DTL301",
        "detachlint",
        types.DiagnosticSeverity.Warning,
    )
    assert found.range == types.Range(types.Position(8, 4), types.Position(8, 17))
    assert found.code_description.href.endswith("DTL301-tracked-tensor-accumulated/README.md")
    steps = found.related_information
    assert [step.location.range.start.line for step in steps] == [6, 8, 8]
    assert all(step.location.uri == editor.uri for step in steps)
    assert "requires grad" in steps[0].message


async def test_places_count_in_the_editors_units(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "a.py", RAISES)
    (found,) = await editor.shown()
    assert (found.range.start.character, found.range.end.character) == (14, 23)
    fix = (await editor.actions(3))[0]
    assert applied(RAISES, edits_of(fix, editor.uri, 1)) == RAISES.replace("x.numpy", "x.detach().numpy")


async def test_quick_fixes(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "train.py", BAD)
    await editor.shown()
    fix, ignore, everything = await editor.actions(8)
    assert (fix.title, fix.is_preferred) == ("Detach what is added (DTL301)", True)
    assert [diagnostic.code for diagnostic in fix.diagnostics] == ["DTL301"]
    assert applied(BAD, edits_of(fix, editor.uri, 1)) == FIXED
    assert ignore.title == "Ignore DTL301 here"
    assert applied(BAD, edits_of(ignore, editor.uri, 1)) == BAD.replace(
        "+= loss", "+= loss  # detachlint: ignore[DTL301]"
    )
    assert everything.kind == "source.fixAll.detachlint"
    assert await editor.actions(1) == []
    assert [action.title for action in await editor.actions(8, ["quickfix"])] == [fix.title, ignore.title]
    assert await editor.actions(8, ["refactor"]) == []
    assert len(await editor.actions(8, column=0)) == 3  # the cursor is on the line, and that will do
    assert await editor.actions(7, column=0) == await editor.actions(9, column=0) == []


async def test_other_editors(other: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(other, tmp_path / "a.py", RAISES)
    (found,) = await editor.shown()
    assert found.code == "DTL101"
    fix = (await editor.actions(3))[0]
    changes = fix.edit.changes or {
        change.text_document.uri: change.edits for change in fix.edit.document_changes
    }
    new = applied(RAISES, list(changes[editor.uri]), other.encoding or "utf-16")
    assert new == RAISES.replace("x.numpy", "x.detach().numpy")
    assert "**DTL101**" in await editor.hover(3, found.range.start.character)


async def test_fix_all(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "train.py", BAD + "print(model(torch.ones(2)).numpy())\n")
    assert len(await editor.shown()) == 2
    for asked in ("source.fixAll.detachlint", "source.fixAll", "source"):
        (action,) = await editor.actions(0, [asked])
        new = applied(editor.text, edits_of(action, editor.uri, 1))
        assert new == FIXED + "print(model(torch.ones(2)).detach().numpy())\n"
    editor.type(new)
    assert await editor.shown() == []
    assert await editor.actions(0, ["source.fixAll.detachlint"]) == []


async def test_hover_explains_the_value_and_the_rule(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "train.py", BAD + "x = 1  # noqa: DTL104\n")
    await editor.shown()
    said = await editor.hover(8, 6)
    assert said.startswith("**DTL301** tracked-tensor-accumulated")
    assert f"1. [train.py:7]({editor.uri}#L7): the output of `model` requires grad" in said
    assert "## Why is this bad?" in said
    assert await editor.hover(0, 0) == ""
    assert "(DTL104)" in await editor.hover(9, 17)


async def test_a_helper_in_another_file(client: LanguageClient, tmp_path: Path) -> None:
    helper = tmp_path / "helpers.py"
    helper.write_text("def make():\n    return object()\n")
    use = "import torch\nfrom helpers import make\n\nmodel = make()\nprint(model(torch.ones(2)).numpy())\n"
    editor = Editor(client, tmp_path / "use.py", use)
    assert await editor.shown() == []
    helper.write_text("from torch import nn\n\n\ndef make():\n    return nn.Linear(2, 1)\n")
    client.published.clear()
    editor.save()
    (found,) = await editor.shown()
    assert found.code == "DTL101"


async def test_rapid_edits_end_in_the_truth(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "train.py", "")
    for end in range(1, len(BAD) + 1):
        editor.type(BAD[:end])
        if end % 40 == 0:
            await asyncio.sleep(0.01)
    (found,) = await editor.shown()
    assert found.range.start.line == 8
    versions = [said.version for said in client.published if said.uri == editor.uri]
    assert versions == sorted(versions)
    assert len(versions) < len(BAD) / 4  # it waits for a pause, which a busy machine makes some more of
    for _ in range(5):
        editor.type(FIXED)
        assert await editor.actions(8) == []  # what was found is of another text
        editor.type(BAD)
    editor.type(FIXED)
    assert await editor.shown() == []


async def test_a_broken_text_keeps_what_was_shown_and_costs_nothing(
    client: LanguageClient, tmp_path: Path
) -> None:
    editor = Editor(client, tmp_path / "train.py", BAD)
    await editor.shown()
    for broken in (
        "total += (\n",
        "(" * 100_000,
        "x = '\0'\n",
        "\ud800",
        "-" * 100_000 + "1",
        "\x0c\u2028\r\r\n(",
    ):
        editor.type(BAD + broken)
        await asyncio.sleep(0.5)
        assert await editor.actions(8) == []
        assert await editor.hover(8, 6) == ""
    assert len(client.diagnostics[editor.uri]) == 1
    editor.type(BAD)
    assert len(await editor.shown()) == 1
    fresh = Editor(client, tmp_path / "broken.py", "import torch\nx = (\n")
    fresh.type("import torch\n")
    assert await fresh.shown() == []


async def test_a_huge_text(client: LanguageClient, tmp_path: Path) -> None:
    huge = BAD + "def f(x):\n    y = x + 1\n    return [y, y * 2]\n\n\n" * 1_000
    editor = Editor(client, tmp_path / "huge.py", huge)
    small = Editor(client, tmp_path / "small.py", RAISES)
    assert await small.hover(0, 0) == ""  # it answers while it works
    assert [found.code for found in await editor.shown()] == ["DTL301"]
    assert [found.code for found in await small.shown()] == ["DTL101"]
    (action,) = await editor.actions(0, ["source.fixAll"])
    assert applied(huge, edits_of(action, editor.uri, 1)) == huge.replace("+= loss", "+= loss.detach()")


async def test_line_ends_and_separators(client: LanguageClient, tmp_path: Path) -> None:
    text = RAISES.replace("\n", "\r\n").replace("import torch", "import torch  # \u2028 \x0c \x85")
    editor = Editor(client, tmp_path / "a.py", text)
    (found,) = await editor.shown()
    assert found.range.start == types.Position(3, 14)
    fix = (await editor.actions(3))[0]
    (edit,) = edits_of(fix, editor.uri, 1)
    assert (edit.range.start, edit.range.end, edit.new_text) == (*[types.Position(3, 16)] * 2, "detach().")


async def test_closing_takes_everything_away(client: LanguageClient, tmp_path: Path) -> None:
    editor = Editor(client, tmp_path / "train.py", BAD)
    await editor.shown()
    client.text_document_did_close(types.DidCloseTextDocumentParams(editor.document))
    await nothing_shown(client, editor.uri)
    assert await editor.actions(8) == []


async def test_the_config_decides(client: LanguageClient, tmp_path: Path) -> None:
    config = tmp_path / "pyproject.toml"
    config.write_text('[tool.detachlint]\nextend-exclude = ["legacy"]\nignore = ["DTL1"]\n')
    assert await Editor(client, tmp_path / "legacy" / "a.py", BAD).shown() == []
    assert await Editor(client, tmp_path / "b.py", RAISES).shown() == []
    editor = Editor(client, tmp_path / "c.py", BAD)
    assert len(await editor.shown()) == 1
    config.write_text("[tool.detachlint]\nselct = []\n")
    editor.type(BAD + "\n")
    assert await editor.shown() == []
    assert any("did you mean `select`" in message.message for message in client.messages)
    config.write_text("")
    editor.type(BAD)
    assert len(await editor.shown()) == 1


async def test_other_languages_and_files_that_are_not_saved(client: LanguageClient, tmp_path: Path) -> None:
    Editor(client, tmp_path / "notes.md", BAD, "markdown")
    untitled = Editor(client, tmp_path / "x.py", "")
    untitled.uri = "untitled:Untitled-1"
    item = types.TextDocumentItem(untitled.uri, "python", 1, BAD)
    client.text_document_did_open(types.DidOpenTextDocumentParams(item))
    assert len(await untitled.shown()) == 1
    assert {said.uri for said in client.published if said.diagnostics} == {untitled.uri}
    fix = (await untitled.actions(8))[0]
    assert applied(BAD, edits_of(fix, untitled.uri, 1)) == FIXED


# --- notebooks -----------------------------------------------------------------------------------------------


class Notebook:
    """What an editor does with a notebook: its cells are documents."""

    def __init__(self, client: LanguageClient, path: Path, *cells: str) -> None:
        self.client = client
        self.uri = from_fs_path(str(path)) or ""
        self.cells = [Editor.__new__(Editor) for _ in cells]
        for number, (cell, text) in enumerate(zip(self.cells, cells, strict=True)):
            cell.client, cell.uri, cell.version, cell.text = client, f"{self.uri}#cell{number}", 1, text
        kind = types.NotebookCellKind.Code
        listed = [types.NotebookCell(kind, cell.uri) for cell in self.cells]
        notebook = types.NotebookDocument(self.uri, "jupyter-notebook", 1, listed)
        items = [types.TextDocumentItem(cell.uri, "python", 1, cell.text) for cell in self.cells]
        client.notebook_document_did_open(types.DidOpenNotebookDocumentParams(notebook, items))

    def type(self, number: int, text: str) -> None:
        cell = self.cells[number]
        cell.version += 1
        cell.text = text
        document = types.VersionedTextDocumentIdentifier(cell.version, cell.uri)
        content = types.NotebookDocumentCellContentChanges(
            document, [types.TextDocumentContentChangeWholeDocument(text)]
        )
        change = types.NotebookDocumentChangeEvent(
            cells=types.NotebookDocumentCellChanges(text_content=[content])
        )
        notebook = types.VersionedNotebookDocumentIdentifier(cell.version, self.uri)
        self.client.notebook_document_did_change(types.DidChangeNotebookDocumentParams(notebook, change))


HEAD = "import torch\nfrom torch import nn\n\nmodel = nn.Linear(2, 1)\ntotal = 0\n!ls"
LOOP = "for _ in range(3):\n    loss = model(torch.ones(2)).mean()\n    loss.backward()\n    total += loss"


async def test_a_notebook_is_one_program(client: LanguageClient, tmp_path: Path) -> None:
    notebook = Notebook(
        client, tmp_path / "nb.ipynb", HEAD, LOOP, "%time print(model(torch.ones(2)).numpy())"
    )
    head, loop, last = notebook.cells
    assert await head.shown() == []
    (found,) = await loop.shown()
    assert (found.code, found.range.start.line) == ("DTL301", 3)
    (magic,) = await last.shown()
    assert (magic.code, magic.range.start) == ("DTL101", types.Position(0, 12))
    assert [step.location.uri for step in magic.related_information] == [last.uri, last.uri]
    (fix, _ignore, everything) = await loop.actions(3)
    assert applied(LOOP, edits_of(fix, loop.uri, 1)) == LOOP.replace("+= loss", "+= loss.detach()")
    changes = {change.text_document.uri: change.edits for change in everything.edit.document_changes}
    assert set(changes) == {loop.uri, last.uri}
    assert applied(last.text, list(changes[last.uri])) == "%time print(model(torch.ones(2)).detach().numpy())"
    assert "**DTL301**" in await loop.hover(3, 6)


async def test_a_change_in_one_cell_speaks_in_another(client: LanguageClient, tmp_path: Path) -> None:
    notebook = Notebook(client, tmp_path / "nb.ipynb", HEAD, LOOP)
    head, loop = notebook.cells
    assert len(await loop.shown()) == 1
    client.published.clear()
    notebook.type(0, HEAD.replace("nn.Linear(2, 1)", "torch.ones_like"))
    await head.shown()
    assert await loop.shown() == []
    notebook.type(0, "def broken(")
    await asyncio.sleep(0.6)
    client.published.clear()
    notebook.type(0, HEAD)
    assert len(await loop.shown()) == 1


async def test_closing_a_notebook(client: LanguageClient, tmp_path: Path) -> None:
    notebook = Notebook(client, tmp_path / "nb.ipynb", HEAD, LOOP)
    (_, loop) = notebook.cells
    await loop.shown()
    cells = [types.TextDocumentIdentifier(cell.uri) for cell in notebook.cells]
    closed = types.DidCloseNotebookDocumentParams(types.NotebookDocumentIdentifier(notebook.uri), cells)
    client.notebook_document_did_close(closed)
    await nothing_shown(client, loop.uri)


# --- the command ---------------------------------------------------------------------------------------------


async def test_an_end_of_input_ends_the_server(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--stdio"],
        env=ENVIRONMENT,
        cwd=tmp_path,
        input=b"",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"Traceback" not in done.stderr


async def test_options_and_folders_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "a.py").write_text(BAD)
    options = {
        "env": ENVIRONMENT,
        "cwd": tmp_path,
        "capture_output": True,
        "text": True,
        "check": False,
        "timeout": 60,
    }
    assert subprocess.run([*COMMAND, "--help"], **options).stdout.startswith("Usage: detachlint server")  # noqa: PLW1510
    wrong = subprocess.run([*COMMAND, "--fix"], **options)  # noqa: PLW1510
    assert wrong.returncode == 2
    assert "./server is a folder of this name" in wrong.stderr
    right = subprocess.run([*COMMAND[:-1], "--output-format", "json", "./server"], **options)  # noqa: PLW1510
    assert [found["code"] for found in json.loads(right.stdout)] == ["DTL301"]


async def test_without_pygls_it_says_what_to_install(tmp_path: Path) -> None:
    script = "import sys; sys.modules['pygls'] = None; from detachlint.cli import main; main(['server'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "python -m pip install 'detachlint[lsp]'" in done.stderr
