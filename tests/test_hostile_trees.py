"""Trees made to hurt: special files, strange names, loops, imports in circles, configs that are bombs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from command import BAD, ENVIRONMENT, MENDED, TRACKED, complaints, run
from pathspec import GitIgnoreSpec

from detachlint import config, patterns
from detachlint.config import ConfigError, load
from detachlint.sources import SourceError, Walk, read, screen

POSIX = pytest.mark.skipif(os.name != "posix", reason="files of POSIX")


# --- files that are none --------------------------------------------------------------------------


@POSIX
def test_special_files_are_named_or_passed_by_and_never_waited_for(tmp_path):
    (tmp_path / "a.py").write_text(BAD)
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "self.py").symlink_to("self.py")
    (tmp_path / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "gone.py").symlink_to("nowhere")
    done = run(".", "--output-format", "concise", cwd=tmp_path)
    assert complaints(done) == []
    assert done.stdout.count(b"\n") == 1
    done = run("pipe.py", "zero.py", "/dev/null", "self.py", "gone.py", "a.py", "folder.py", cwd=tmp_path)
    assert done.returncode == 2
    assert b"a.py:3:7" in done.stdout
    assert complaints(done) == [
        "self.py: no such file or folder",
        "gone.py: no such file or folder",
        "pipe.py: cannot be read: not a regular file",
        "zero.py: cannot be read: not a regular file",
        "/dev/null: cannot be read: not a regular file",
    ]


@POSIX
def test_special_files_in_the_place_of_configs_and_ignore_files_are_passed_by(tmp_path):
    for name in ("pyproject.toml", ".gitignore"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".gitignore").symlink_to("/dev/zero")
    (tmp_path / "sub" / "pyproject.toml").symlink_to("pyproject.toml")
    (tmp_path / "sub" / "a.py").write_text(BAD)
    done = run("sub", cwd=tmp_path, timeout=200)
    assert (done.returncode, complaints(done)) == (1, [])


@POSIX
def test_ignore_files_that_are_pipes_are_never_waited_for(tmp_path):
    """Both that of a folder which is walked and that above it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / ".gitignore")
    os.mkfifo(tmp_path / "sub" / ".gitignore")
    (tmp_path / "sub" / "a.py").write_text(BAD)
    done = run("sub", cwd=tmp_path, timeout=100)
    assert (done.returncode, complaints(done)) == (1, [])


@POSIX
def test_a_special_file_in_the_place_of_a_module_is_passed_by(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    os.mkfifo(tmp_path / "helper.py")
    (tmp_path / "other.py").symlink_to("/dev/zero")
    (tmp_path / "a.py").write_text(f"from helper import f\nfrom other import *\n{BAD}f(w)\n")
    assert run("a.py", cwd=tmp_path, timeout=200).returncode == 1


@POSIX
def test_special_files_among_those_that_may_call_a_function_are_passed_by(tmp_path):
    """All files of the project are asked who calls a function that gives back what it keeps."""
    (tmp_path / "pyproject.toml").touch()
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "endless.py").symlink_to("/dev/zero")
    program = (
        "import torch\nfrom torch import nn\n\n\ndef train(net, optimizer, batches):\n    total = 0\n"
        "    for batch in batches:\n        loss = net(batch).sum()\n        loss.backward()\n        optimizer.step()\n"
        "        total += loss\n    return total\n"
    )
    (tmp_path / "a.py").write_text(program)
    (tmp_path / "b.py").write_text("from a import train\nprint(train(net, optimizer, batches).item())\n")
    assert run("a.py", cwd=tmp_path, timeout=100).returncode == 1


@POSIX
@pytest.mark.skipif(sys.platform == "darwin", reason="names are Unicode there")
def test_names_with_line_ends_and_bytes_that_are_no_text(tmp_path):
    folder = os.fsencode(tmp_path)
    names = [
        b"new\nline.py",
        b"b\xffd.py",
        b"::error file=x::.py",
        b"\x1b[31m.py",
        b"%0A,.py",
        "\u202e.py".encode(),
    ]
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(BAD.encode())
    for form in ("full", "concise", "json", "github", "gitlab", "junit", "sarif"):
        done = run("--output-format", form, ".", cwd=tmp_path)
        assert (done.returncode, complaints(done)) == (1, []), form
        text = done.stdout.decode("utf-8")
        if form in ("json", "gitlab"):
            assert len(json.loads(text)) == len(names)
        elif form == "sarif":
            assert len(json.loads(text)["runs"][0]["results"]) == len(names)
        elif form == "junit":
            ET.fromstring(text)
        elif form == "github":
            assert all(line.startswith("::error title=") for line in text.splitlines())
            assert len(text.splitlines()) == len(names)
        elif form == "concise":
            assert len(text.splitlines()) == len(names)
            assert "\x1b" not in text
    done = run("--fix", ".", cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (0, [])
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            assert file.read() == MENDED


@POSIX
def test_errors_in_files_of_strange_names_are_one_line(tmp_path):
    for name in (b"new\nline.py", b"b\xffd.py"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"import torch\nx = (\n")
    done = run(".", cwd=tmp_path)
    assert (done.returncode, len(complaints(done))) == (2, 2)


@POSIX
def test_a_current_folder_that_is_gone_is_one_line(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    done = run(".", cwd=gone, preexec_fn=lambda: os.rmdir(gone))
    assert done.returncode == 2
    assert len(complaints(done)) == 1


# --- imports in circles ---------------------------------------------------------------------------


def plant(root: Path, **files: str) -> None:
    (root / "pyproject.toml").touch()
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)


def test_files_that_import_each_other_in_circles(tmp_path):
    plant(
        tmp_path,
        a=f"from b import x, g, B\nx.numpy()\nclass A(B):\n  def m(self): return super().m()\nA().m()\n{BAD}def f(x): return g(x)\nf(w)\n",
        b=f"from a import x, f, A\nx.numpy()\nclass B(A):\n  def m(self): return super().m()\nB().m()\n{BAD}def g(x): return f(x)\ng(w)\n",
        c=f"from c import y\nfrom c import *\nfrom d import *\ny.numpy()\n{BAD}",
        d=f"from c import *\nfrom d import *\ny.numpy()\n{BAD}",
    )
    done = run("--output-format", "concise", ".", cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (1, [])
    assert done.stdout.count(b"DTL101") == 4


def test_a_long_chain_of_imports_is_followed_or_given_up_but_no_error(tmp_path):
    links = {
        f"m{i}": f"import torch\nfrom m{i + 1} import f as g\nx = g(torch.ones(3))\ndef f(x): return g(x)\n"
        for i in range(400)
    }
    plant(tmp_path, **links, m400="def f(x): return x\n", a=f"from m0 import f\nf(1)\n{BAD}")
    done = run("a.py", "m0.py", "m200.py", "--output-format", "concise", cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (1, [])


def test_a_file_that_cannot_be_followed_costs_those_that_import_it_nothing(tmp_path):
    deep = "x = y" + "+y" * 2900
    plant(
        tmp_path, deep=f"import torch\n{deep}\ndef f(x): return x\n", user=f"from deep import f\nf(1)\n{BAD}"
    )
    done = run("--output-format", "concise", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in complaints(done)] == ["deep.py"]
    assert b"user.py:5:7: DTL101" in done.stdout


# --- configs and patterns that are bombs ----------------------------------------------------------

STARS = "*a" * 20 + "*b"


@pytest.mark.parametrize(
    "table",
    [
        "exclude = " + "[" * 5000 + "]" * 5000,
        "exclude = " + "{a = " * 5000 + "1" + "}" * 5000,
        "x = " + "9" * 100_000,
        "x" * 100_000 + " = 1",
        "[tool.detachlint." + "a." * 60_000 + "b]\nx = 1",
        "exclude = ['" + "**/a/" * 9 + "']",
        "#" * 1_000_001,
    ],
    ids=["arrays", "tables", "number", "key", "dots", "folders", "size"],
)
def test_a_config_that_is_a_bomb_is_one_line(tmp_path, table):
    (tmp_path / "pyproject.toml").write_text(f"[tool.detachlint]\n{table}\n")
    began = time.process_time()
    with pytest.raises(ConfigError) as error:
        load([str(tmp_path)])
    assert time.process_time() - began < 10
    assert "pyproject.toml" in str(error.value)
    assert len(str(error.value)) < 500


def test_a_config_that_takes_too_long_to_read_is_one_line(tmp_path, monkeypatch):
    """However fast the reader of TOML is by now: what is bounded is its time."""
    monkeypatch.setattr(config, "_MOST_SECONDS", 0.01)
    (tmp_path / "pyproject.toml").write_text("[tool.detachlint]\nexclude = [" + '"a",' * 240_000 + "]\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml: takes more than 0\.01 seconds to read"):
        load([str(tmp_path)])


def test_patterns_that_try_all_ways_are_matched_at_once(tmp_path):
    name = "a" * 240 + ".py"
    (tmp_path / name).write_text(BAD)
    (tmp_path / ".gitignore").write_text(f"{STARS}\n{STARS}/x\n{'**/a/' * 9}\n")
    began = time.process_time()
    walk = Walk(tmp_path, exclude=(STARS, f"/{STARS}/"))
    assert [os.path.basename(file) for file in walk.find([str(tmp_path)]).files] == [name]
    assert patterns.compiled((STARS,)).match_file("a" * 240 + "b")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("seed", range(3))
def test_patterns_mean_what_they_meant(seed):
    import random

    dice = random.Random(seed)
    parts, names = ["*", "a", "b", "?", "[ab]", "/", "**", "*a", "\\*", "!"], "aab/"
    for _ in range(400):
        line = "".join(dice.choice(parts) for _ in range(dice.randint(1, 8)))
        try:
            plain, tamed = GitIgnoreSpec.from_lines([line]), patterns.compiled((line,))
        except ValueError:
            continue
        for _ in range(12):
            file = "".join(dice.choice(names) for _ in range(dice.randint(1, 9))).strip("/") or "a"
            assert plain.check_file(file).include == tamed.check_file(file).include, (line, file)


def test_files_that_are_too_large_are_named_and_the_rest_is_linted(tmp_path):
    (tmp_path / "a.py").write_text(BAD)
    (tmp_path / "line.py").write_text(f"{TRACKED}x = [{'1,' * 5_000_000}]\n")
    (tmp_path / "lines.py").write_text(TRACKED + "x=1\n" * 12_500_000)
    done = run(".", cwd=tmp_path)
    assert done.returncode == 2
    assert complaints(done) == [
        f"{name}: too large: files of more than 3,000,000 bytes are left out"
        for name in ("line.py", "lines.py")
    ]
    assert b"a.py:3:7" in done.stdout


def test_a_large_ignore_file_is_read_up_to_a_bound(tmp_path):
    (tmp_path / "a.py").write_text(BAD)
    (tmp_path / ".gitignore").write_text("#" * 70 + "\n" + "b\n" * 600_000 + "a.py\n")
    assert Walk(tmp_path).find([str(tmp_path)]).files


# --- nothing of the linted project runs -----------------------------------------------------------

TRAP = "import os, pathlib\npathlib.Path(os.environ['TRAP']).write_text(__file__)\nraise SystemExit(99)\n"
TRAPS = """conftest setup sitecustomize usercustomize __init__ __main__ click pathspec tomli tomllib torch numpy ast signal
multiprocessing detachlint_plugin noxfile tasks encodings/evil encodings/__init__ rules/__init__ logging json tokenize re""".split()


@pytest.mark.parametrize(
    "more", [(), ("--fix", "--unsafe-fixes"), ("--jobs", "2"), ("--add-ignores",), ("--diff",)]
)
def test_nothing_of_the_linted_project_runs(tmp_path, more):
    """Linted from inside, as people do, a tree whose every module and hook is a trap."""
    sprung = tmp_path / "sprung"
    tree = tmp_path / "tree"
    for name in TRAPS:
        path = tree / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TRAP)
    (tree / "evil.pth").write_text(f"import os; open({str(sprung)!r}, 'w')\n")
    (tree / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'setup'\nbackend-path = ['.']\n"
        "[project.entry-points.'detachlint']\nplugin = 'detachlint_plugin'\n"
        "[tool.pytest.ini_options]\naddopts = '-p conftest'\n[tool.detachlint]\npreview = true\n"
    )
    (tree / "user.py").write_text(
        f"# coding: utf-8\nimport conftest, click, evil\nfrom setup import *\n{BAD}\n" + "# filler\n" * 60_000
    )
    (tree / "other.py").write_text(f"# coding: evil\n{BAD}")
    (tree / "models.py").write_text(f"from . import setup\n{TRACKED}" + "# filler\n" * 60_000)
    done = run(".", *more, cwd=tree, env={**ENVIRONMENT, "TRAP": str(sprung)})
    assert not sprung.exists(), sprung.read_text()
    assert done.returncode == 2
    assert complaints(done)[0] == "other.py: cannot be decoded: unknown encoding: evil"
    assert {path.suffix for path in tree.rglob("*")} == {"", ".py", ".pth", ".toml"}


def test_nothing_outside_of_the_project_is_read_for_its_imports(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "outside.py").write_text("import torch\ndef f(x): return x.detach()\n")
    plant(root, a=f"from outside import f\nfrom ..outside import f as g\n{TRACKED}f(w)\n")
    assert run("a.py", cwd=root).returncode == 0


# --- files that go or shut while they are looked at ------------------------------------------------


def test_a_file_that_goes_between_finding_and_reading(tmp_path):
    (tmp_path / "a.py").write_text(BAD)
    found = Walk(tmp_path).find([str(tmp_path)]).files
    (tmp_path / "a.py").unlink()
    assert [error.reason for error in screen(found).errors] == ["cannot be read: no such file or directory"]
    with pytest.raises(SourceError, match="no such file"):
        read(found[0])


AS_NOBODY = """
import os, sys
from detachlint.cli import main
def lint(folder):
    try:
        main(["--quiet", "--no-cache", "--jobs", "1", "--output-format", "concise", folder])
    except SystemExit as end:
        return end.code
lint(sys.argv[1])  # loads what an ordinary user may not reach
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(lint(sys.argv[2]))
"""


@POSIX
def test_unreadable_files_and_folders_are_named(open_folder, tmp_path):
    """Done by an ordinary user where the tests run as root, who reads everything."""
    for folder in (open_folder, tmp_path):
        (folder / "a.py").write_text(BAD)
    (open_folder / "shut.py").write_text(BAD)
    (open_folder / "shut.py").chmod(0)
    (open_folder / "shut").mkdir(mode=0)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, tmp_path, open_folder],
        cwd=open_folder, env=ENVIRONMENT, capture_output=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    (open_folder / "shut").chmod(0o755)
    assert done.returncode == 2
    assert complaints(done) == [
        f"{open_folder}/shut: cannot be read: permission denied",
        f"{open_folder}/shut.py: cannot be read: permission denied",
    ]
    assert f"{open_folder}/a.py:3:7".encode() in done.stdout


@pytest.fixture
def open_folder():
    """A folder that every user can reach, other than pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
