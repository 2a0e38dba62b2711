"""Many files, several processes, one order.

A few files are linted where they are; a tree goes to workers, a chunk of files at a time, and its outcomes
come back in the order of the files.

A worker can die: the parser of some Python versions can be brought down by a file, and a system short of
memory kills. Then every file without an outcome is done again, each in a process that may die for it alone,
and the file that kills its process is the one that is named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from detachlint.linter import Outcome
from detachlint.sources import Screened

Work = Callable[[str], Outcome]
Progress = Callable[[int, int], None]
_SMALL = 400_000  # bytes of source below which starting processes costs more than it saves
_CHUNK = 8


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


def _in_processes(work: Work, files: tuple[str, ...], jobs: int) -> Iterator[Outcome]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    done = 0
    with ProcessPoolExecutor(jobs) as pool:
        try:
            for outcome in pool.map(work, files, chunksize=_CHUNK):
                done += 1
                yield outcome
        except BrokenProcessPool:
            pass
    yield from _one_by_one(work, islice(files, done, None))


def _one_by_one(work: Work, files: Iterable[str]) -> Iterator[Outcome]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    waiting = list(reversed(list(files)))
    while waiting:
        with ProcessPoolExecutor(1) as pool:
            try:
                while waiting:
                    yield pool.submit(work, waiting[-1]).result()
                    waiting.pop()
            except BrokenProcessPool:
                killer = waiting.pop()
                yield Outcome(killer, error=f"{killer}: the process linting it died; it was left out")
