"""What one file may cost: time, depth and size are bounded, and the bound is named with the file."""

import ast
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from detachlint import linter as rooms
from detachlint import models, parallel, rulebook, sources, tracking
from detachlint.bounds import MAX_BYTES, MAX_DEPTH, OutOfTime, deep_calls, time_bound
from detachlint.config import Settings
from detachlint.linter import Linter, Outcome
from detachlint.sources import Screened, Source, SourceError
from detachlint.tracking import interpreter

ROOT = Path(__file__).parent.parent


def spin(seconds: float = 30.0) -> None:
    """Use the processor; after far too long, fail."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    raise AssertionError("nothing stopped it")


def test_time_is_bounded():
    began = time.process_time()
    with pytest.raises(OutOfTime), time_bound(0.1):
        spin()
    assert time.process_time() - began < 5


def test_time_is_bounded_in_other_threads_too():
    met = []

    def work():
        try:
            with time_bound(0.1):
                spin()
        except BaseException as error:
            met.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert met == [OutOfTime]


@pytest.mark.parametrize("seconds", [30.0, 0.05])
def test_the_bound_of_another_thread_leaves_the_interpreter_as_it_was(seconds):
    """A flag of "something is thrown" that nobody takes down sends CPython 3.11 in circles under a trace function."""
    script = (
        "import sys, threading, time\n"
        "from detachlint.bounds import OutOfTime, time_bound\n"
        "def work():\n"
        "    try:\n"
        f"        with time_bound({seconds}):\n"
        "            end = time.process_time() + 0.6\n"
        "            while time.process_time() < end:\n"
        "                pass\n"
        "    except OutOfTime:\n"
        "        print('stopped')\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start()\n"
        "thread.join()\n"
        "def called():\n"
        "    print('called')\n"
        "sys.settrace(lambda *_: None)\n"
        "called()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == (["called"] if seconds > 1 else ["stopped", "called"])


def test_the_bound_ends_with_its_block():
    with time_bound(0.05):
        pass
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass


def test_no_room_takes_the_bound_for_an_error_of_a_file():
    with pytest.raises(OutOfTime), time_bound(0.1):
        try:
            spin()
        except Exception as error:
            raise AssertionError("swallowed") from error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_what_is_dropped_in_a_callback_is_said_again():
    class Slow:
        def __del__(self):
            spin(0.4)  # the first OutOfTime is raised here, where Python drops it

    def drop():
        slow = Slow()
        del slow

    with pytest.raises(OutOfTime), time_bound(0.1):
        drop()
        spin()


def test_calls_may_go_deeper_and_the_limit_comes_back():
    before = sys.getrecursionlimit()
    with deep_calls():
        assert sys.getrecursionlimit() == max(MAX_DEPTH, before)
    assert sys.getrecursionlimit() == before


# --- what a linter makes of it --------------------------------------------------------------------


@pytest.fixture(scope="module")
def book():
    return rulebook.load()


def outcome(book, tracker, text="import torch\n"):
    return Linter(Settings(Path.cwd()), book, book, tracker).outcome_of(Source("x.py", text))


def test_a_file_that_takes_too_long_is_named_with_the_bound(book, monkeypatch):
    monkeypatch.setattr(rooms, "time_bound", lambda: time_bound(0.1))
    assert outcome(book, lambda *_: spin()).error == "x.py: took more than 20 seconds; it was left out"


def test_a_file_that_is_nested_too_deeply_is_named_with_the_bound(book):
    def deeper(*_):
        return deeper()

    error = outcome(book, deeper).error
    assert error == f"x.py: nested too deeply: more than {MAX_DEPTH} calls to follow it; it was left out"


def test_a_file_for_which_memory_is_short_is_named(book):
    def greedy(*_):
        raise MemoryError

    assert outcome(book, greedy).error == "x.py: needs more memory than there is; it was left out"


def test_what_was_half_known_is_forgotten(book, monkeypatch):
    from detachlint import tracking

    forgotten = []
    monkeypatch.setattr(tracking, "forget", lambda: forgotten.append(True))

    def crash(*_):
        raise KeyError

    outcome(book, crash)
    assert forgotten


def test_a_program_that_is_too_large_is_not_parsed(book):
    text = "x=1\n" * (MAX_BYTES // 4 + 1)
    assert outcome(book, lambda *_: [], text).error == (
        "x.py: too large: files of more than 3,000,000 bytes are left out"
    )


def test_large_files_are_not_read_whole(tmp_path):
    large, plain = tmp_path / "large.py", tmp_path / "plain.py"
    for path, tail in ((large, b"import torch\n"), (plain, b"print(1)\n")):
        with path.open("wb") as file:
            file.truncate(8_000_000)
            file.seek(7_000_000)
            file.write(tail)
    screened = sources.screen([str(large), str(plain)])
    assert screened.worth == ()
    assert [error.filename for error in screened.errors] == [str(large)]
    with pytest.raises(SourceError, match="too large"):
        sources.read(str(plain))


def test_a_word_across_two_pieces_of_a_large_file_is_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_bytes(b" " * (MAX_BYTES - 3) + b"torch" + b" " * 10)
    assert [error.reason[:9] for error in sources.screen([str(path)]).errors] == ["too large"]


def test_a_file_as_large_as_a_disk_costs_no_time(tmp_path):
    path = tmp_path / "a.py"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    began = time.process_time()
    assert sources.screen([str(path)]).worth == ()
    assert time.process_time() - began < 5


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_bounded():
    """A list of numbers is the worst there is: two bytes for a node of the tree."""
    script = (
        "import re\n"
        "from pathlib import Path\n"
        "from detachlint import rulebook\n"
        "from detachlint.config import Settings\n"
        "from detachlint.linter import Linter\n"
        "from detachlint.sources import Source\n"
        "book = rulebook.load()\n"
        "linter = Linter(Settings(Path('/nowhere')), book, book)\n"
        "linter.outcome_of(Source('x.py', 'import torch\\nx=[' + '1,' * 300_000 + ']\\n'))\n"
        # Not getrusage: what it tells of a process starts at what its parent had when it was forked.
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) < 600_000  # kilobytes, at a fifth of the bound


# --- the tracker's rounds -------------------------------------------------------------------------

LOOP = "import torch\nw = torch.ones(3, requires_grad=True)\nfor x in range(3):\n    w = w * x\n"


def test_rounds_over_a_file_end_where_there_is_always_something_new(monkeypatch):
    learnt = itertools.count()
    monkeypatch.setattr(tracking.Facts, "size", lambda facts: next(learnt))
    with time_bound(5.0):
        tracking.track("x.py", LOOP, ast.parse(LOOP), models.load())


def test_rounds_of_a_loop_end_where_no_state_is_like_the_one_before(monkeypatch):
    compared = []
    monkeypatch.setattr(interpreter, "same", lambda *states: compared.append(states))
    with time_bound(5.0):
        tracking.track("x.py", LOOP, ast.parse(LOOP), models.load())
    assert compared


# --- workers --------------------------------------------------------------------------------------


def screened(*files):
    return Screened(files, 10_000_000, ())


def work(filename):
    if filename.startswith("die"):
        os._exit(9)
    if filename.startswith("hang"):
        time.sleep(60)
    return Outcome(filename, fixes=os.getpid())


def test_a_worker_that_never_comes_back_is_ended_and_its_file_named():
    names = ["a", "hang", "b", "c", "d", "die", "e"]
    outcomes = list(
        parallel._in_processes(work, names, 2, most_waited=4.0)
    )  # the others need none, but a turn
    assert [outcome.filename for outcome in outcomes] == names
    assert [outcome.error for outcome in outcomes if outcome.error] == [
        "hang: took more than 4 seconds; it was left out",
        "die: the process linting it died; it was left out",
    ]


def test_every_file_may_kill_its_worker():
    names = [f"die{number}" for number in range(9)]
    assert all(outcome.error for outcome in parallel.run(work, screened(*names), 3))


def test_workers_end_when_nobody_wants_more():
    outcomes = parallel.run(work, screened(*map(str, range(40))), 2)
    workers = {next(outcomes).fixes for _ in range(10)}
    outcomes.close()
    assert os.getpid() not in workers
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
