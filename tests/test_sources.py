"""Which files are found, and bytes that come back as they were."""

import os
from pathlib import Path

import pytest

from detachlint import sources
from detachlint.sources import DEFAULT_EXCLUDES, SourceError, Walk


def plant(root: Path, *names: str, content: str = "import torch\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def found(root: Path, *paths: Path, **options: object) -> list[str]:
    walk = Walk(root.resolve(), **options)  # type: ignore[arg-type]
    files = walk.find([str(path) for path in paths or (root,)])
    assert not files.errors
    return [Path(name).relative_to(root).as_posix() for name in files.files]


def test_walk_finds_python_files_in_order(tmp_path):
    plant(tmp_path, "b.py", "a.py", "pkg/z.py", "pkg/a/m.py", "stub.pyi", "notes.txt", "nb.ipynb")
    assert found(tmp_path) == ["a.py", "b.py", "nb.ipynb", "pkg/z.py", "pkg/a/m.py"]


def test_default_excludes_are_judged_inside_the_project_only(tmp_path):
    project = tmp_path / "build" / "site-packages" / "venv" / "project"
    plant(
        project,
        "a.py",
        ".venv/x.py",
        "lib/site-packages/y.py",
        "build/z.py",
        "src/build/kept.py",
        "venv/v.py",
    )
    assert found(project) == ["a.py", "src/build/kept.py"]


def test_an_excluded_folder_that_is_named_outright_is_walked(tmp_path):
    plant(tmp_path, "build/a.py", "build/.venv/b.py")
    assert found(tmp_path, tmp_path / "build") == ["build/a.py"]
    assert found(tmp_path, tmp_path / "build" / "a.py") == ["build/a.py"]
    assert found(tmp_path, tmp_path / "build", force_exclude=True) == []
    assert found(tmp_path, tmp_path / "build" / "a.py", force_exclude=True) == []


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("data", ["a.py", "src/b.py", "src/gen_c.py"]),
        ("/src", ["a.py", "src2/data/d.py"]),
        ("gen_*.py", ["a.py", "src/b.py", "src2/data/d.py"]),
        ("src/gen_*", ["a.py", "src/b.py", "src2/data/d.py"]),
        ("src2/data", ["a.py", "src/b.py", "src/gen_c.py"]),
        ("**/data/*.py", ["a.py", "src/b.py", "src/gen_c.py"]),
        ("src*/", ["a.py"]),
    ],
)
def test_exclude_patterns(tmp_path, pattern, left):
    plant(tmp_path, "a.py", "src/b.py", "src/gen_c.py", "src2/data/d.py")
    assert found(tmp_path, exclude=(*DEFAULT_EXCLUDES, pattern)) == left


def test_an_exception_among_the_excludes(tmp_path):
    plant(tmp_path, "gen/a.py", "gen/b.py")
    assert found(tmp_path, exclude=("gen/*", "!gen/b.py")) == ["gen/b.py"]


def test_gitignore_files_of_all_levels(tmp_path):
    plant(tmp_path, "a.py", "out/b.py", "pkg/c.py", "pkg/local.py", "pkg/out/d.py", "pkg/keep/out.py")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("# outputs\nout/\n[\n\n")
    (tmp_path / "pkg" / ".gitignore").write_text("local.py\n!out/\n")
    assert found(tmp_path) == ["a.py", "pkg/c.py", "pkg/keep/out.py", "pkg/out/d.py"]
    assert found(tmp_path, tmp_path / "pkg") == ["pkg/c.py", "pkg/keep/out.py", "pkg/out/d.py"]
    assert found(tmp_path, tmp_path / "out") == ["out/b.py"]
    assert found(tmp_path, tmp_path / "pkg" / "local.py") == ["pkg/local.py"]
    assert "out/b.py" in found(tmp_path, respect_gitignore=False)


def test_a_gitignore_above_the_project_but_not_above_the_repository_counts(tmp_path):
    plant(tmp_path, "repo/project/a.py", "repo/project/x/b.py")
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "repo" / ".gitignore").write_text("x\n")
    assert found(tmp_path / "repo" / "project") == ["a.py"]


def test_each_file_once_and_links_to_folders_not_followed(tmp_path):
    plant(tmp_path, "pkg/a.py")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "same.py").symlink_to(tmp_path / "pkg" / "a.py")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert found(tmp_path) == ["same.py"]
    assert found(tmp_path, tmp_path / "pkg", tmp_path / "pkg" / "a.py") == ["pkg/a.py"]


def test_paths_that_cannot_be_linted_are_named_and_the_rest_is_found(tmp_path):
    plant(tmp_path, "a.py", "stub.pyi", "nb.ipynb", "script")
    names = ["missing.py", "nb.ipynb", "a.py", "stub.pyi", "script", "\0"]
    result = Walk(tmp_path).find([str(tmp_path / name) for name in names])
    assert [Path(name).name for name in result.files] == ["nb.ipynb", "a.py", "script"]
    assert result.errors[0].reason == "no such file or folder"
    assert len(result.errors) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_an_error(tmp_path):
    plant(tmp_path, "a.py", "shut/b.py")
    (tmp_path / "shut").chmod(0)
    try:
        result = Walk(tmp_path).find([str(tmp_path)])
    finally:
        (tmp_path / "shut").chmod(0o700)
    assert len(result.files) == len(result.errors) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"x = 1\n",
        b"\xef\xbb\xbfx = '\xc3\xa9'\r\n",
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\r",
        b"x = 1\r\ny = 2\rz = 3\n",
        b"x = '\x0c\x1c'\n",
        b"",
        b"x = 1",
    ],
)
def test_bytes_come_back_as_they_were(data):
    source = sources.decode("x.py", data)
    assert source.encode(source.text) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"x = '\xff'\n", "cannot be decoded"),
        (b"ok = 1\n\n\n\n\nx = '\xff'\n", "cannot be decoded as utf-8: line 6: invalid start byte"),
        (b"# coding: klingon\n", "cannot be decoded: unknown encoding: klingon"),
        (b"# coding: rot13\nimport torch\n", "cannot be decoded"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "cannot be decoded: encoding problem: utf-8"),
        ("x = 1".encode("utf-16"), "cannot be decoded"),
    ],
)
def test_bytes_that_are_no_text(data, reason):
    with pytest.raises(SourceError) as error:
        sources.decode("x.py", data)
    assert str(error.value).startswith(f"x.py: {reason}")
    assert "\n" not in str(error.value)


def test_a_text_that_the_encoding_cannot_hold():
    source = sources.decode("x.py", b"# coding: ascii\nx = 1\n")
    with pytest.raises(SourceError, match="can't be written as"):
        source.encode("é")


def test_screen_names_what_is_worth_parsing(tmp_path):
    plant(tmp_path, "a.py", "b.py")
    plant(tmp_path, "c.py", content="print(1)\n")
    names = [str(tmp_path / name) for name in ("a.py", "b.py", "c.py", "gone.py")]
    screened = sources.screen(names)
    assert screened.worth == tuple(names[:2])
    assert screened.size == 2 * len("import torch\n")
    assert [error.reason for error in screened.errors] == ["cannot be read: no such file or directory"]


@pytest.mark.parametrize(
    "line", ["loss.backward()", "self.manual_backward(loss)", "loss \\\n    . backward(x)"]
)
def test_a_loop_without_a_word_of_torch_is_worth_parsing(line):
    assert sources.is_worth_parsing(line.encode())


def test_prose_is_not_worth_parsing():
    assert not sources.is_worth_parsing(b"# kept for backward compatibility, and backwards\n")
