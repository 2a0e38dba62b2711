"""How long linting takes, beside parsing the same files and beside other tools.

    python benchmarks/speed.py                                # all of it: an hour and more
    python benchmarks/speed.py --only stable-baselines3       # one package, minutes
    python benchmarks/speed.py --tools libcst,ruff --runs 1 --no-growth

Packages are fetched by name and version, never installed and never run. What is compared takes turns within
one run, because a machine is not the same machine an hour later; told are medians, as multiples of the time
in which `libcst.parse_module` reads those files that mention torch. Times are the processor's, of the process
and its children; where several processes work at once, and where somebody waits, the clock's count.

A tool that is not installed beside this Python is left out.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = {
    "stable-baselines3": "2.9.2",
    "timm": "1.0.31",
    "kornia": "0.9.0",
    "pyro-ppl": "1.9.2",
    "torchmetrics": "1.9.0",
    "speechbrain": "1.1.2",
    "tianshou": "2.0.1",
    "pytorch-lightning": "2.6.6",
    "monai": "1.6.1",
    "trl": "1.16.0",
}
# Run with `{files}`: the files that mention torch, as `xargs` would hand them over.
TOOLS = {
    "torchfix 0.7.0": ("torchfix", "--select=ALL", "{files}"),
    "torch-preflight 0.5.0": ("torch-preflight", "{files}"),
    "fixit 2.2.1": ("fixit", "lint", "{files}"),
    "flake8": ("flake8", "--isolated", "{files}"),
    "pylint": ("pylint", "--disable=all", "--enable=E", "--rcfile=/dev/null", "{files}"),
    "ruff, all rules": ("ruff", "check", "--isolated", "--no-cache", "--select=ALL", "-q", "{files}"),
}
PARSE = "import sys, libcst\nfor name in sys.stdin.read().split('\\n'):\n    "
PARSE += "data = open(name, 'rb').read()\n    try: libcst.parse_module(data)\n    except Exception: pass\n"
LINT = (sys.executable, "-m", "detachlint", "--isolated", "--quiet", "--exit-zero", "--output-format=concise")
LOOP = """\
def train_{n}(net, loader, optimizer):
    total = 0.0
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = (net(inputs) - labels).pow(2).mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


"""


@dataclass
class Taken:
    """What runs of one thing took: seconds of the processor, of the clock, and the most memory, in MB."""

    cpu: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def measure(command: Sequence[str], folder: Path, taken: Taken, text: str = "") -> None:
    """Run a command to its end and note what it took."""
    read, write = os.pipe()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # Through a helper: the most memory of all children there ever were would be told else.
    helper = "import os, resource, subprocess, sys\nsubprocess.run(sys.argv[2:], check=False)\n"
    helper += "most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
    helper += "os.write(int(sys.argv[1]), b'%d' % most)"
    subprocess.run(
        [sys.executable, "-S", "-c", helper, str(write), *command],
        cwd=folder,
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(write,),
        check=False,
    )
    os.close(write)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken.clock.append(time.perf_counter() - start)
    taken.cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    with os.fdopen(read) as pipe:
        taken.memory.append(int(pipe.read() or 0) / 1024)


def fetch(only: Sequence[str], folder: Path) -> None:
    """Lay the packages out below `folder`, each a project of its own."""
    for name in only or PACKAGES:
        wheels = folder / "wheels"
        wanted = f"{name}=={PACKAGES[name]}"
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")
        subprocess.run([*pip, "--dest", str(wheels), wanted], check=True)
        (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder / "projects" / name)
        (folder / "projects" / name / ".git").mkdir()


def mentioning(folder: Path) -> list[str]:
    """The Python files that mention torch."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*.py") if b"torch" in path.read_bytes()
    )


def whole(projects: Path, tools: Sequence[str], runs: int) -> Iterator[tuple[str, Taken]]:
    """Everything once, in turns, and that `runs` times."""
    files = mentioning(projects)
    cache = projects.parent / "cache"
    changed = projects / files[len(files) // 2]
    runners: dict[str, Callable[[Taken], None]] = {}

    def lint(*more: str) -> Callable[[Taken], None]:
        def run(taken: Taken) -> None:
            for project in sorted(projects.iterdir()):
                measure([*LINT, *more, "."], project, taken)

        return lambda taken: _summed(run, taken)

    def warm(taken: Taken) -> None:
        if not cache.exists():
            lint("--cache-dir", str(cache))(Taken())
        lint("--cache-dir", str(cache))(taken)

    def one_changed(taken: Taken) -> None:
        changed.write_bytes(changed.read_bytes() + b"\n")
        lint("--cache-dir", str(cache))(taken)

    names = "\n".join(files)
    runners["libcst.parse_module"] = lambda taken: measure(
        (sys.executable, "-c", PARSE), projects, taken, names
    )
    runners["detachlint, 1 job"] = lint("--no-cache", "--jobs=1")
    runners["detachlint, 2 jobs"] = lint("--no-cache", "--jobs=2")
    runners["detachlint, warm"] = warm
    runners["detachlint, one file changed"] = one_changed
    for name, words in TOOLS.items():
        program = Path(sys.executable).with_name(words[0])
        if program.exists() and (not tools or any(name.startswith(tool) for tool in tools)):
            command = [str(program), *words[1:-1], *files]
            runners[name] = lambda taken, command=command: measure(command, projects, taken)
    found = {name: Taken() for name in runners}
    for _ in range(runs):
        for name, run in runners.items():
            run(found[name])
            taken = found[name]
            print(f"{name}: {taken.cpu[-1]:.2f} of the processor, {taken.clock[-1]:.2f}", file=sys.stderr)
    yield from found.items()


def _summed(run: Callable[[Taken], None], taken: Taken) -> None:
    """Several processes one after the other count as one."""
    parts = Taken()
    run(parts)
    taken.cpu.append(sum(parts.cpu))
    taken.clock.append(sum(parts.clock))
    taken.memory.append(max(parts.memory))


def small(folder: Path, runs: int) -> Iterator[tuple[str, Taken]]:
    """What a commit waits for."""
    plain, torch = folder / "plain", folder / "torch"
    for place, head, number in ((plain, "import os\n", 20), (torch, "import torch\n", 5)):
        (place / ".git").mkdir(parents=True)
        for part in range(number):
            (place / f"part{part}.py").write_text(head + LOOP.format(n=part))
    found = {
        name: Taken() for name in ("python -c pass", "20 files without torch", "5 files", "import libcst")
    }
    for _ in range(max(runs, 5)):
        measure((sys.executable, "-c", "pass"), folder, found["python -c pass"])
        measure([*LINT, *sorted(p.name for p in plain.glob("*.py"))], plain, found["20 files without torch"])
        measure([*LINT, "--no-cache", "."], torch, found["5 files"])
        measure((sys.executable, "-c", "import libcst"), folder, found["import libcst"])
    yield from found.items()


def growth(folder: Path, most: int) -> Iterator[tuple[str, int, Taken]]:
    """The same lines in more files, in longer files, in longer functions."""
    for number in (100, 1_000, 10_000):
        yield f"{number} files of 100 lines", number * 100, _generated(folder, number, 100, most)
    for length in (100, 1_000, 20_000):
        yield f"files of {length} lines", 40_000, _generated(folder, 40_000 // length, length, most)
    for size in (10, 100, 1_000):
        yield f"functions of {size} lines", 20_000, _generated(folder, 20, 1_000, most, size)


def _generated(folder: Path, files: int, lines: int, most: int, size: int = 10) -> Taken:
    taken = Taken()
    if files > most:
        return taken
    place = folder / "growth"
    shutil.rmtree(place, ignore_errors=True)
    (place / ".git").mkdir(parents=True)
    loop = LOOP.splitlines(keepends=True)
    body = "".join(loop[:2]) + "".join(loop[2:8]) * max(1, (size - 4) // 6) + "".join(loop[8:])
    count = max(1, lines // len(body.splitlines()))
    for number in range(files):
        text = "import torch\n\n\n" + "".join(body.format(n=part) for part in range(count))
        (place / f"part{number}.py").write_text(text)
    measure([*LINT, "--no-cache", "--jobs=1", "."], place, taken)
    return taken


def table(rows: Sequence[tuple[str, Taken]], unit: float) -> str:
    """Medians, as multiples of `unit` seconds of the processor."""
    lines = [f"{'':32}{'ratio':>8}{'CPU s':>9}{'clock s':>9}{'MB':>6}"]
    for name, taken in rows:
        if taken.cpu:
            cpu, clock = statistics.median(taken.cpu), statistics.median(taken.clock)
            lines.append(f"{name:32}{cpu / unit:8.2f}{cpu:9.2f}{clock:9.2f}{max(taken.memory):6.0f}")
    return "\n".join(lines)


def main() -> None:
    """Fetch, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", default=[], choices=PACKAGES, metavar="PACKAGE")
    parser.add_argument("--tools", default="", help="other tools, by the beginnings of their names")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--most-files", type=int, default=10_000, help="of generated ones")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch(chosen.only, folder)
        projects = folder / "projects"
        print(f"{len(mentioning(projects))} files mention torch, of {len(list(projects.rglob('*.py')))}\n")
        tools = [word for word in chosen.tools.split(",") if word]
        rows = list(whole(projects, tools, chosen.runs))
        print(table(rows, statistics.median(rows[0][1].cpu)), end="\n\n")
        rows = list(small(folder, chosen.runs))
        print(table(rows, statistics.median(rows[0][1].cpu)), end="\n\n")
        if not chosen.no_growth:
            print(f"{'':32}{'lines/s':>9}{'MB':>6}")
            for title, lines, taken in growth(folder, chosen.most_files):
                if taken.cpu:
                    print(f"{title:32}{lines / taken.cpu[0]:9.0f}{taken.memory[0]:6.0f}", flush=True)


if __name__ == "__main__":
    main()
