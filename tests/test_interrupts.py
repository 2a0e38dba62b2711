"""Stopped at any moment, short of disk, or two at once: every file is whole, old or new, and nothing else is left."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import BAD, COMMAND, ENVIRONMENT, MENDED, complaints, hear_interrupts, run

from detachlint import saving
from detachlint.sources import SourceError, read

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
KILLS = 200 if os.environ.get("DETACHLINT_LONG") else 5
MORE_KILLS = 40
FILES = 40
FIX = ("--fix", "--unsafe-fixes", ".")


def plant(folder: Path, number: int = FILES) -> None:
    folder.mkdir(exist_ok=True)
    for index in range(number):
        (folder / f"m{index}.py").write_text(f"# {index}\n{BAD}")


def texts(folder: Path) -> set[tuple[str, str]]:
    return {(path.name, path.read_text()) for path in folder.iterdir()}


OLD = {(f"m{index}.py", f"# {index}\n{BAD}") for index in range(FILES)}
NEW = {(f"m{index}.py", f"# {index}\n{MENDED}") for index in range(FILES)}


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *FIX, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_interrupts,  # noqa: PLW1509 - no thread of the tests holds a lock here
    )


def first_change(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the fixer writes: moments before are of no interest."""
    first = folder / "m0.py"
    before = first.stat().st_ino
    while process.poll() is None and first.stat().st_ino == before:
        time.sleep(0.0005)


def test_killed_at_random_moments_every_file_is_whole(tmp_path):
    """So often as asked, and then until one was met in the middle: on a busy machine that takes some more."""
    dice = random.Random(7)
    met: list[str] = []
    while len(met) < KILLS or ("both" not in met and len(met) < KILLS + MORE_KILLS):
        folder = tmp_path / str(len(met))
        plant(folder)
        kill_somewhere(folder, dice)
        left = texts(folder)
        files = {item for item in left if item[0].endswith(".py")}
        assert files <= OLD | NEW
        assert len(files) == FILES
        assert len(left) <= FILES + 1
        met.append("new" if files == NEW else "old" if files == OLD else "both")
        assert run(*FIX, cwd=folder).returncode == 0
        assert texts(folder) == NEW
    print({state: met.count(state) for state in sorted(set(met))})
    assert "both" in met


def kill_somewhere(folder: Path, dice: random.Random) -> None:
    """Start a fixer and stop it, most often while it writes.

    The interrupt has to wait until then: what it meets in Python's own first moments is told in a traceback.
    """
    process = started(folder)
    deadly = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]
    if dice.random() < 0.85:
        first_change(folder, process)
        time.sleep(dice.random() * 0.02)
        deadly.append(signal.SIGINT)
    else:
        time.sleep(dice.random() * 0.5)
    process.send_signal(dice.choice(deadly))
    _, said = process.communicate(timeout=200)
    assert b"Traceback" not in said, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_says_so_and_leaves_nothing(tmp_path, number):
    plant(tmp_path / "tree")
    process = started(tmp_path / "tree")
    first_change(tmp_path / "tree", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=200)
    left = texts(tmp_path / "tree")
    assert left <= OLD | NEW
    assert len(left) == FILES
    if left != NEW:
        assert process.returncode == 2
        assert said in (b"detachlint: error: interrupted\n", b"detachlint: error: terminated\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, number):
    """Nothing is left that holds the pipes of a run whose parent is gone: they come to their end."""
    for index in range(40):
        (tmp_path / f"m{index}.py").write_text(BAD * 40 + "# filler\n" * 2000)
    process = started(tmp_path, "--jobs", "2")
    until_it_has_workers(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=200)
    assert process.returncode == (2 if number != signal.SIGKILL else -signal.SIGKILL)
    assert b"Traceback" not in said, said


def until_it_has_workers(process: subprocess.Popen[bytes]) -> None:
    """What a machine under load needs until then is not known; how to ask depends on the system."""
    if not Path("/proc/self/stat").exists():
        time.sleep(3.0)
        return
    while process.poll() is None and len(children(process.pid)) < 2:
        time.sleep(0.002)


def children(parent: int) -> list[int]:
    """The processes that one has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            _, _, after = status.read_text().rpartition(")")
            if int(after.split()[1]) == parent:
                found.append(int(status.parent.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only there workers are forks")
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="only before workers are forks")
def test_an_interrupt_that_meets_workers_in_their_first_moments_is_no_traceback(tmp_path):
    """A terminal sends it to the parent and its workers alike; here the workers get it before they can do anything."""
    plant(tmp_path / "tree")
    hook = (
        "import os, signal, sys\n"
        "from detachlint import parallel\n"
        "parallel._SMALL = 0\n"
        "serve = parallel._serve\n"
        "def interrupted(*told):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    serve(*told)\n"
        "parallel._serve = interrupted\n"
        "from detachlint.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hook, "--quiet", "--no-cache", "--jobs", "2", *FIX],
        cwd=tmp_path / "tree", env=ENVIRONMENT, capture_output=True, check=False,
        preexec_fn=hear_interrupts, timeout=200,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert texts(tmp_path / "tree") == NEW


# --- two at once ----------------------------------------------------------------------------------


def test_two_fixers_at_once_write_each_file_whole(tmp_path):
    plant(tmp_path / "tree")
    for process in [started(tmp_path / "tree") for _ in range(3)]:
        _, said = process.communicate(timeout=200)
        for line in said.decode().splitlines():
            assert line.endswith(("it has changed since it was read", "No such file or directory")), line
        assert process.returncode in (0, 2)
    assert texts(tmp_path / "tree") == NEW


def test_a_file_that_is_changed_or_removed_meanwhile_is_named_and_the_rest_is_written(tmp_path, monkeypatch):
    plant(tmp_path / "tree", 5)
    hook = (
        "import os, sys\n"
        "from detachlint import writing\n"
        "sweep = writing.sweep\n"
        "def meanwhile(files):\n"
        "    sweep(files)\n"
        "    open('m1.py', 'a').write('# mine\\n')\n"
        "    os.unlink('m3.py')\n"
        "writing.sweep = meanwhile\n"
        "from detachlint.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hook, "--quiet", *FIX],
        cwd=tmp_path / "tree", env=ENVIRONMENT, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert sorted(complaints(done)) == [
        "m1.py: not written: it has changed since it was read",
        "m3.py: cannot be read: no such file or directory",
    ]
    left = dict(texts(tmp_path / "tree"))
    assert left["m1.py"] == f"# 1\n{BAD}# mine\n"
    assert [left[f"m{i}.py"] for i in (0, 2, 4)] == [f"# {i}\n{MENDED}" for i in (0, 2, 4)]
    assert len(left) == 4


# --- no room --------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_file_and_is_one_line(tmp_path):
    import resource

    plant(tmp_path / "tree", 2)
    (tmp_path / "tree" / "m0.py").write_text(BAD + "# filler\n" * 20_000)

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    done = run(*FIX, cwd=tmp_path / "tree", preexec_fn=no_room)
    assert done.returncode == 2
    assert complaints(done) == ["m0.py: not written: File too large"]
    assert dict(texts(tmp_path / "tree")) == {"m0.py": BAD + "# filler\n" * 20_000, "m1.py": f"# 1\n{MENDED}"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_report_that_cannot_be_written_is_one_line(tmp_path):
    plant(tmp_path, 2)
    with open("/dev/full", "wb") as full:
        done = run(".", cwd=tmp_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert complaints(done) == ["this run cannot go on: No space left on device"]


def test_streams_that_are_shut_are_no_traceback(tmp_path):
    plant(tmp_path, 2)
    for shut in (">&-", "2>&-", ">&- 2>&-", "<&-"):
        done = subprocess.run(
            f"{sys.executable} -m detachlint --quiet . {shut}", shell=True, cwd=tmp_path, env=ENVIRONMENT,
            capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (1, b""), shut


# --- bytes that don't come back -------------------------------------------------------------------


def test_an_encoding_that_would_change_other_bytes_is_not_written(tmp_path):
    """UTF-7 has many ways to write one text, and the file's is not the one that Python writes."""
    path = tmp_path / "a.py"
    data = f"# coding: utf-7\n# +AGEAYg-\n{BAD.replace('*', '+ACo-').replace('=', '+AD0-')}".encode()
    path.write_bytes(data)
    source = read(str(path))
    with pytest.raises(SourceError, match="utf-7 would not give back all of its bytes"):
        saving.write_source(source, source.text + "\n")
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("start", "encoding"),
    [(b"\xef\xbb\xbf", "utf-8"), (b"# coding: latin-1\n", "latin-1"), (b"# coding: cp1252\n", "cp1252"),
     (b"# coding: shift_jis\n", "shift_jis"), (b"# coding: gb18030\n", "gb18030"), (b"", "utf-8")],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "\n", "\n\x0c\n\t# é" + " \t\n"])
def test_what_is_fixed_keeps_every_other_byte(tmp_path, start, encoding, newline, end):
    end = end if encoding not in ("shift_jis",) else end.replace("é", "ア")
    path = tmp_path / "a.py"
    body = f"{BAD.rstrip()}{end}".replace("\n", newline)
    path.write_bytes(start.replace(b"\n", newline.encode()) + body.encode(encoding))
    done = run(*FIX, cwd=tmp_path)
    assert (done.returncode, complaints(done)) == (0, [])
    mended = body.replace("w * 2", "w.detach() * 2")
    assert path.read_bytes() == start.replace(b"\n", newline.encode()) + mended.encode(encoding)
