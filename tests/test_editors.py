"""The README's set-up of editors, word for word: in Neovim itself where it is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import pytest

pytest.importorskip("pygls")

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
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


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found


def version_of(program: str) -> tuple[int, ...]:
    """The version of an installed editor; (0,) if there is none."""
    path = shutil.which(program)
    if path is None:
        return (0,)
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"(\d+)\.(\d+)", said)
    return tuple(map(int, number.groups())) if number else (0,)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a finding, the command on the path, and nobody's own settings."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "detachlint").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m detachlint "$@"\n')
    (folder / "detachlint").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    place = tmp_path / "project"
    (place / ".git").mkdir(parents=True)
    (place / "train.py").write_text(BAD)
    return place


def said_by(place: Path, *command: str) -> str:
    """What an editor prints. Not through a pipe: what it has started may hold that open when it has ended."""
    output = place.parent / "output"
    with output.open("wb") as stream:
        subprocess.run(
            command,
            cwd=place,
            stdout=stream,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            timeout=200,
            check=False,
        )
    return output.read_text(encoding="utf-8", errors="replace")


@pytest.mark.skipif(version_of("nvim") < (0, 11), reason="needs Neovim 0.11 or newer, which is not installed")
def test_neovim(project):
    (setup,) = blocks("lua")
    (project.parent / "nvim").mkdir()
    (project.parent / "nvim" / "init.lua").write_text(setup)
    probe = project.parent / "probe.lua"
    probe.write_text(
        "vim.wait(120000, function() return #vim.diagnostic.get(0) > 0 end, 50)\n"
        "for _, item in ipairs(vim.diagnostic.get(0)) do\n"
        "  print(item.source, item.code, item.lnum + 1)\n"
        "end\n"
        "local only = { 'source.fixAll.detachlint' }\n"
        "vim.lsp.buf.code_action({ context = { only = only, diagnostics = {} }, apply = true })\n"
        "vim.wait(120000, function() return vim.bo.modified end, 50)\n"
        "print(vim.api.nvim_buf_get_lines(0, -2, -1, false)[1])\n"
    )
    said = said_by(project, "nvim", "--headless", "train.py", "-c", f"luafile {probe}", "-c", "qa!")
    assert re.search(r"detachlint\s+DTL301\s+9\b", said), said
    assert "total += loss.detach()" in said


def test_vs_code_and_helix_start_the_server():
    (settings,) = (json.loads(block) for block in blocks("json") if "glspc" in block)
    assert settings["glspc.server.languageId"] == ["python"]
    started = [settings["glspc.server.command"], *settings["glspc.server.commandArguments"]]
    (helix,) = (tomllib.loads(block) for block in blocks("toml") if "language-server" in block)
    server = helix["language-server"]["detachlint"]
    (language,) = helix["language"]
    assert "detachlint" in language["language-servers"]
    assert language["name"] == "python"
    assert started == [server["command"], *server["args"]] == ["detachlint", "server"]
