"""Replacing a file: whole or not at all, and nothing about it changes but its bytes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from detachlint import writing
from detachlint.fixes import NotWritten, write_atomically
from detachlint.writing import sweep

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


# --- what killed writers leave --------------------------------------------------------------------

KILLED = """
import os, signal, sys
from detachlint.writing import write_atomically
stop = sys.argv[2]
plain = getattr(os, stop)
def die(*arguments):
    if stop == "replace":
        os.kill(os.getpid(), signal.SIGKILL)
    plain(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, stop, die)
write_atomically(sys.argv[1], b"new", b"old")
"""


def killed(path: Path, stop: str) -> None:
    """Write to a file, and be killed at a call of the system."""
    root = str(Path(__file__).parent.parent)
    subprocess.run(
        [sys.executable, "-c", KILLED, str(path), stop], check=False, cwd=root, stdin=subprocess.DEVNULL
    )


@POSIX
@pytest.mark.parametrize("stop", ["write", "fsync", "chmod", "replace"])
def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path, stop: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    killed(path, stop)
    assert path.read_bytes() == b"old"
    assert len(only(tmp_path)) == 2
    sweep([str(path)])
    assert only(tmp_path) == ["a.py"]


def test_where_files_cannot_be_locked_only_what_is_old_is_swept_away(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(writing, "_lock", lambda handle, wait=True: False)
    for name in (".detachlint-new.tmp", ".detachlint-old.tmp"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".detachlint-old.tmp", (1, 1))
    sweep([str(tmp_path / "a.py")])
    assert only(tmp_path) == [".detachlint-new.tmp"]


@POSIX
def test_a_link_that_is_named_like_a_temporary_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    (tmp_path / ".detachlint-x.tmp").symlink_to(tmp_path / "mine")
    sweep([str(tmp_path / "a.py")])
    assert only(tmp_path) == [".detachlint-x.tmp", "mine"]


@POSIX
def test_what_a_writer_at_work_holds_is_left_and_what_is_linked_to_is_looked_beside(tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (far / "a.py").write_bytes(b"old")
    (tmp_path / "a.py").symlink_to(far / "a.py")
    (far / ".detachlint-x.tmp").write_bytes(b"")
    (far / "mine.tmp").write_bytes(b"")
    with writing._temporary(far) as (_, name):
        sweep([str(tmp_path / "a.py"), str(tmp_path / "gone" / "b.py")])
        assert only(far) == sorted([Path(name).name, "a.py", "mine.tmp"])
    assert only(far) == ["a.py", "mine.tmp"]


@POSIX
def test_a_temporary_file_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    lock, swept = writing._lock, []

    def sweep_first(handle: int, wait: bool = True) -> bool:
        if not swept:
            swept.append(True)
            monkeypatch.setattr(writing, "_lock", lock)
            sweep([str(path)])
        return lock(handle, wait)

    monkeypatch.setattr(writing, "_lock", sweep_first)
    write_atomically(path, b"new", b"old")
    assert path.read_bytes() == b"new"
    assert only(tmp_path) == ["a.py"]


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no extended attributes")
def test_extended_attributes_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.origin", b"somewhere")
    except OSError:
        pytest.skip("this file system has none")
    write_atomically(path, b"new", b"old")
    assert os.getxattr(path, "user.origin") == b"somewhere"


@POSIX
def test_the_owner_stays(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    os.chown(path, 65534, 65534)
    path.chmod(0o4755)
    write_atomically(path, b"new", b"old")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    assert stat.S_IMODE(path.stat().st_mode) == 0o4755


@POSIX
def test_a_write_in_two_parts_is_whole(tmp_path: Path, monkeypatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    write_atomically(path, b"0123456789" * 10, b"old")
    assert path.read_bytes() == b"0123456789" * 10


@POSIX
@pytest.mark.parametrize("threads", [0, 2])
def test_an_interrupt_waits_until_the_file_is_written(tmp_path: Path, monkeypatch, threads: int) -> None:
    """It comes where nobody knows yet of the temporary file, and may be given to another thread."""
    over = threading.Event()
    for _ in range(threads):
        threading.Thread(target=over.wait, daemon=True).start()
    make = tempfile.mkstemp

    def interrupted(**options):
        made = make(**options)
        os.kill(os.getpid(), signal.SIGINT)
        return made

    monkeypatch.setattr(tempfile, "mkstemp", interrupted)
    path = tmp_path / "a.py"
    path.write_bytes(b"old")
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored here
    try:
        with pytest.raises(KeyboardInterrupt):
            write_atomically(path, b"new", b"old")
    finally:
        signal.signal(signal.SIGINT, heard)
        over.set()
    assert path.read_bytes() == b"new"
    assert only(tmp_path) == ["a.py"]
