"""Many files, several processes, one order.

A few files are linted where they are; a tree goes to workers, and its outcomes come back in the order of the
files. Each worker has a file at work and one waiting, so that none is idle while the others are asked.

A worker can die: the parser of some Python versions can be brought down by a file, and a system short of
memory kills. It may also never come back from code that no signal interrupts. Either costs the file that was
at work, which is named; another worker takes over the rest. A worker whose parent is gone ends by itself: it
holds no other end of its pipe than its own.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detachlint.bounds import MAX_SECONDS
from detachlint.interrupts import leave_to_parent, undisturbed
from detachlint.linter import Outcome
from detachlint.sources import Screened

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

Work = Callable[[str], Outcome]
Progress = Callable[[int, int], None]
_SMALL = 400_000  # bytes of source below which starting processes costs more than it saves
_AHEAD = 2  # files that a worker has: the one at work and the next
_MOST_WAITED = 6 * MAX_SECONDS  # of the clock: the bound of the processor's time was passed long before


def run(
    work: Work, screened: Screened, jobs: int | None = None, progress: Progress = lambda done, total: None
) -> Iterator[Outcome]:
    """The outcomes of the files worth parsing, in their order. `progress` is told how many are done."""
    files = screened.worth
    jobs = min(jobs or _processors(), len(files))
    many = jobs > 1 and screened.size >= _SMALL
    for done, outcome in enumerate(_in_processes(work, files, jobs) if many else map(work, files), 1):
        progress(done, len(files))
        yield outcome


def _processors() -> int:
    """The processors this process may use, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _in_processes(
    work: Work, files: Sequence[str], jobs: int, most_waited: float = _MOST_WAITED
) -> Iterator[Outcome]:
    crew = _Crew(work, files, most_waited)
    try:
        crew.hire(jobs)
        for index in range(len(files)):
            while index not in crew.outcomes:
                crew.wait()
            yield crew.outcomes.pop(index)
    finally:
        crew.dismiss()


@dataclass(eq=False, slots=True)
class _Worker:
    """A process, the pipe to it, and the indexes of the files that it has, the one at work first."""

    process: BaseProcess
    pipe: Connection
    files: deque[int] = field(default_factory=deque)
    since: float = 0.0


@dataclass(eq=False)
class _Crew:
    """The workers, the files that none of them has yet, and the outcomes that nobody has asked for yet."""

    work: Work
    files: Sequence[str]
    most_waited: float
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    workers: list[_Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = deque(range(len(self.files)))

    def hire(self, number: int) -> None:
        """Start so many workers and give each something to do."""
        for _ in range(number):
            with undisturbed():  # until the worker knows what signals are to it, and the crew of the worker
                worker = self._hired()
            for _ in range(_AHEAD):
                self._feed(worker)

    def _hired(self) -> _Worker:
        import multiprocessing

        ours, theirs = multiprocessing.Pipe()
        others = [worker.pipe for worker in self.workers] + [ours]
        process = multiprocessing.Process(target=_serve, args=(self.work, theirs, others), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        return worker

    def wait(self) -> None:
        """Wait until a worker has something to say, or has had its file for too long."""
        from multiprocessing.connection import wait

        oldest = min(worker.since for worker in self.workers if worker.files)
        spoken = wait([w.pipe for w in self.workers if w.files], oldest + self.most_waited - time.monotonic())
        for worker in [worker for worker in self.workers if worker.pipe in spoken]:
            self._hear(worker)
        for worker in [worker for worker in self.workers if worker.files]:
            if time.monotonic() - worker.since > self.most_waited:
                self._lose(worker, f"took more than {self.most_waited:g} seconds")

    def dismiss(self) -> None:
        """End all workers; those that have nothing to do end at once."""
        for worker in self.workers:
            if worker.files:
                worker.process.kill()
            worker.pipe.close()
        for worker in self.workers:
            worker.process.join()

    def _feed(self, worker: _Worker) -> None:
        if not self._waiting:
            return
        if not worker.files:
            worker.since = time.monotonic()
        index = self._waiting.popleft()
        worker.files.append(index)
        try:
            worker.pipe.send(self.files[index])
        except OSError:  # it is dead, which is heard of when it is listened to
            return

    def _hear(self, worker: _Worker) -> None:
        try:
            outcome = worker.pipe.recv()
        except (EOFError, OSError):
            self._lose(worker, "the process linting it died")
            return
        self.outcomes[worker.files.popleft()] = outcome
        worker.since = time.monotonic()
        self._feed(worker)

    def _lose(self, worker: _Worker, reason: str) -> None:
        """A worker is gone or must go: its file is named, what it had next is another's."""
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self.workers.remove(worker)
        lost = worker.files.popleft()
        named = self.files[lost]
        self.outcomes[lost] = Outcome(named, error=f"{named}: {reason}; it was left out")
        self._waiting.extendleft(reversed(worker.files))
        if self._waiting:
            self.hire(1)


def _serve(work: Work, pipe: Connection, others: Sequence[Connection]) -> None:
    """What a worker does: lint what it is given, until there is nobody who gives."""
    leave_to_parent()
    for other in others:  # held open here, they would keep siblings from seeing that their parent is gone
        other.close()
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, OSError):
        return
