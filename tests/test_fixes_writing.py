"""Replacing a file: whole or not at all, and nothing about it changes but its bytes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from detachlint.fixes import NotWritten, write_atomically

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


def only(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize(
    "data", [b"", b"\xef\xbb\xbfx = 1\r\n", b"a\rb\r\nc\nd", b"\xff\xfe\x00", b"x" * 10_000_000]
)
def test_bytes_in_are_bytes_out(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    write_atomically(path, data, b"old")
    assert path.read_bytes() == data
    assert only(tmp_path) == ["a.py"]


@POSIX
@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o664, 0o777])
def test_the_mode_stays(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@POSIX
def test_a_link_stays_and_its_target_changes(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target.py"
    target.parent.mkdir()
    target.write_bytes(b"old")
    middle = tmp_path / "middle.py"
    middle.symlink_to("deep/target.py")
    link = tmp_path / "link.py"
    link.symlink_to(middle)
    write_atomically(link, b"new", b"old")
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert link.readlink() == middle
    assert middle.readlink() == Path("deep/target.py")
    assert only(tmp_path / "deep") == ["target.py"]


def test_a_file_that_changed_meanwhile_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"somebody's work")
    with pytest.raises(NotWritten, match="changed since it was read"):
        write_atomically(path, b"new", b"old")
    assert path.read_bytes() == b"somebody's work"
    assert only(tmp_path) == ["a.py"]


def test_a_file_that_changes_while_the_new_one_is_written_is_left(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    sync = os.fsync

    def save_meanwhile(descriptor: int) -> None:
        path.write_bytes(b"somebody's work")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", save_meanwhile)
    with pytest.raises(NotWritten, match="changed since it was read"):
        write_atomically(path, b"new", b"old")
    assert path.read_bytes() == b"somebody's work"
    assert only(tmp_path) == ["a.py"]


def test_a_file_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="No such file"):
        write_atomically(tmp_path / "a.py", b"new", b"old")
    assert only(tmp_path) == []


@POSIX
def test_a_hard_link_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    os.link(path, tmp_path / "b.py")
    with pytest.raises(NotWritten, match="hard links"):
        write_atomically(path, b"new", b"old")
    assert path.read_bytes() == b"old"


@POSIX
def test_special_files_and_folders_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    for path in (tmp_path / "fifo.py", tmp_path):
        with pytest.raises(NotWritten, match="not a regular file"):
            write_atomically(path, b"new")
    assert only(tmp_path) == ["fifo.py"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotWritten, match="No space left"):
        write_atomically(path, b"new", b"old")
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["a.py"]


def test_an_interrupt_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new", b"old")
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["a.py"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, other than pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@POSIX
def test_read_only_files_and_folders_are_left(open_folder: Path) -> None:
    """Done by an ordinary user where the tests run as root, to whom nothing is read-only."""
    shut = open_folder / "shut"
    shut.mkdir()
    locked = shut / "a.py"
    readonly = open_folder / "b.py"
    for path, mode in ((locked, 0o666), (readonly, 0o444)):
        path.write_bytes(b"old")
        path.chmod(mode)
    shut.chmod(0o555)
    script = (
        "import os, sys\n"
        "from detachlint.writing import NotWritten, write_atomically\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try: write_atomically(path, b'new', b'old')\n"
        "    except NotWritten as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(locked), str(readonly)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    shut.chmod(0o755)
    assert run.stdout.splitlines() == ["Permission denied", "it is read-only"], run.stderr
    assert locked.read_bytes() == readonly.read_bytes() == b"old"
    assert only(shut) == ["a.py"]
