"""The command. The only room that reads the command line, prints, writes files and exits.

Exit status: 0 when nothing is left to report, 1 when there are findings, 2 when the run failed in part: bad
usage, a bad config, a file that can't be read or parsed. Reports go to standard output; errors, progress and
what is said beside them go to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from detachlint import config, reports, sources, terminal
from detachlint.config import ConfigError, Selection, Settings
from detachlint.interrupts import Interrupted, interruptible
from detachlint.options import Options, best_guesses, check_combination, command_line
from detachlint.sources import Source, SourceError, Walk

if TYPE_CHECKING:  # what only files that are worth parsing need is imported when there is one
    from detachlint.baseline import Baseline
    from detachlint.cache import Cache
    from detachlint.findings import Finding, Silenced
    from detachlint.linter import Linter, Outcome, Sieve
    from detachlint.reports.context import Context
    from detachlint.rulebook import Rulebook

CLEAN, FINDINGS, FAILED = 0, 1, 2
_FEW = 100
_NO_NAME = "<stdin>"
_SERVER = """\
Usage: detachlint server [--stdio]

  A language server on standard input and output; editors start it. The project's
  configuration says what it reports. A folder called server is linted as ./server."""


class _Command(click.Command):
    """The command, with the one other thing it can be asked for: to serve an editor."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] != ["server"]:
            return best_guesses(super().parse_args, ctx, args)
        if "--help" in args or "-h" in args:
            click.echo(_SERVER)
            ctx.exit()
        if not all(word == "--stdio" or word.startswith("--clientProcessId=") for word in args[1:]):
            raise click.UsageError("`detachlint server` takes no options; ./server is a folder of this name")
        sys.exit(_serve())


def _serve() -> int:
    """Be a language server on standard input and output until the editor ends it."""
    try:
        from detachlint.server import make
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        _complain("the server needs more: python -m pip install 'detachlint[lsp]'")
        return FAILED
    if sys.stdin.isatty():
        _note("waiting for an editor on standard input; a folder of this name is linted as ./server")
    make().start_io()
    return CLEAN


@command_line(_Command)
def main(**values: object) -> None:
    """Find tensors that should have been detached, explain why, and repair them.

    PATHS are files and folders (default: the current folder); - is standard input. `detachlint server` is a
    language server for editors.
    """
    options = Options(**values)  # type: ignore[arg-type]
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - it was closed before this program began
    sys.stderr = sys.stderr or sys.stdout
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a strange character must not stop a report
    try:
        with interruptible():
            status = _main(options)
    except (ConfigError, Interrupted) as error:
        _complain(str(error))
        status = FAILED
    sys.exit(status)


def _main(options: Options) -> int:
    if options.completion is not None:
        from detachlint.completion import script

        click.echo(script(main, options.completion), nl=False)
        return CLEAN
    if options.rules or options.explain is not None:
        return _about_rules(options)
    settings = _settings(options)
    run = _Run(options, settings)
    if options.select or options.ignore or options.extend_select or settings.chooses_rules:
        run.check_codes()
    walk = Walk(settings.root, settings.exclude, settings.respect_gitignore, options.force_exclude)
    if options.stdin:
        return run.standard_input(walk)
    found = walk.find(options.paths or (".",))
    if options.show_files:
        click.echo("".join(name + "\n" for name in found.files), nl=False)
        return _complain_all(found.errors)
    return run.files(found)


def _about_rules(options: Options) -> int:
    from detachlint import rulebook
    from detachlint.reports import rules

    book = rulebook.load()
    width = terminal.width(sys.stdout) if sys.stdout.isatty() else None
    if options.explain is None:
        click.echo(rules.listing(book, options.output_format, width), nl=False)
        return CLEAN
    page = rules.page(book, options.explain)
    if width is not None:
        page = rules.filled(page, width)
    color = terminal.wants_color(sys.stdout)
    click.echo(rules.dressed(page) if color else page, nl=False, color=color)
    return CLEAN


def _settings(options: Options) -> Settings:
    """The config's settings under those of the command line."""
    if options.stdin and len(options.paths) > 1:
        raise click.UsageError("standard input (-) can't be linted together with other paths")
    if options.config is not None and options.isolated:
        raise click.UsageError("--config and --isolated exclude each other")
    check_combination(options)
    if options.output_file is not None and not options.output_file.parent.is_dir():
        raise ConfigError(f"{options.output_file}: cannot be written: no such folder")
    stdin = [options.stdin_filename] if options.stdin_filename else []
    paths = stdin if options.stdin else options.paths
    settings = config.load(paths, options.config, options.isolated)
    said: dict[str, object] = {
        "fix": True if options.diff else False if options.writes_instead else options.fix,
        "baseline": options.baseline,
        "unsafe_fixes": options.unsafe_fixes,
        "preview": options.preview,
        "output_format": options.output_format,
        "exclude": (*settings.exclude, *options.exclude) if options.exclude else None,
    }
    for pattern in options.exclude:
        config.check_pattern("--exclude", pattern)
    return replace(settings, **{key: value for key, value in said.items() if value is not None})  # type: ignore[arg-type]


@dataclass
class _Run:
    """One run over files or standard input: what it has met so far, and how it is reported."""

    options: Options
    settings: Settings
    findings: list[Finding] = field(default_factory=list)
    seen: dict[str, Source] = field(default_factory=dict)
    fixed: int = 0
    errors: list[str] = field(default_factory=list)
    silenced: list[Silenced] = field(default_factory=list)

    @cached_property
    def linter(self) -> Linter:
        """What lints the files; it loads the tracker and the models."""
        from detachlint.linter import Linter

        keeps_heard = self.cache is not None
        return Linter(self.settings, self.book, self.selected, sieves=self.sieves, keeps_heard=keeps_heard)

    @cached_property
    def cache(self) -> Cache | None:
        """What earlier runs have found; None where it is not asked for."""
        options = self.options
        if options.no_cache or options.add_ignores or options.stdin:
            return None
        from detachlint.cache import Cache, folder_for

        said = (options.select, options.ignore, options.extend_select)
        return Cache(folder_for(self.settings, options.cache_dir), self.settings, said)

    @cached_property
    def sieves(self) -> tuple[Sieve, ...]:
        """What lets through only some of what is found."""
        sieves: list[Sieve] = [] if self.baseline is None else [self.baseline]
        if self.options.diff_base is not None:
            from detachlint.changes import since

            sieves.append(since(self.options.diff_base, self.settings.root))
        return tuple(sieves)

    @cached_property
    def baseline(self) -> Baseline | None:
        """The findings that are not to be reported, if a baseline says so."""
        if self.settings.baseline is None or self.options.write_baseline is not None:
            return None
        from detachlint import baseline

        return baseline.read(self.settings.baseline, self.settings.root)

    @cached_property
    def book(self) -> Rulebook:
        """All rules; loaded when a file is worth it, or when somebody names one."""
        from detachlint import rulebook

        return rulebook.load()

    @cached_property
    def selected(self) -> Rulebook:
        """The rules that are to speak in this run."""
        options, settings = self.options, self.settings
        said = Selection(options.select or None, options.extend_select, options.ignore)
        return self.book.chosen((settings.selection, said), settings.preview)

    def check_codes(self) -> None:
        """Complain of codes that no rule has before the first file is read."""
        self.book.check(self.settings)
        _ = self.selected

    def files(self, found: sources.Found) -> int:
        """Lint the files; fix, compare or silence as the options say; report."""
        _ = self.sieves  # what is wrong with them is said first
        known: dict[str, Outcome] = {}
        # To look into a few files is cheaper than to load what is known of them.
        screened = sources.screen(found.files if len(found.files) <= _FEW else ())
        cache = self.cache if screened.worth or len(found.files) > _FEW else None
        if cache is not None:
            known = cache.outcomes(found.files, lambda: self.linter)
            screened = sources.screen([name for name in found.files if name not in known])
        elif len(found.files) > _FEW:
            screened = sources.screen(found.files)
        for error in (*found.errors, *screened.errors):
            self._fail(str(error))
        linted = self._outcomes(screened) if screened.worth else []
        if cache is not None:
            cache.remember(screened, linted)
        by_name = {**known, **{outcome.filename: outcome for outcome in linted}}
        outcomes = [by_name[name] for name in found.files if name in by_name]
        failed = {outcome.filename for outcome in outcomes if outcome.error}
        failed |= {error.filename for error in screened.errors}
        looked_at = [name for name in found.files if name not in failed]
        if (self.settings.fix or self.options.add_ignores) and not self.options.diff:
            from detachlint.writing import sweep

            sweep(found.files)
        # Written only when all is linted: a fix in one file must not change what is found in another.
        for outcome in outcomes:
            self._take(outcome)
        if self.options.diff:
            return self._show_diffs(outcomes)
        if self.options.add_ignores:
            return self._add_ignores()
        if self.options.write_baseline is not None:
            return self._write_baseline(self.options.write_baseline, looked_at)
        status = self._report(len(found.files))
        self._tell_stale(looked_at)
        return status

    def _outcomes(self, screened: sources.Screened) -> list[Outcome]:
        from detachlint import parallel

        progress = terminal.Progress(sys.stderr, not self.options.quiet)
        outcomes = []
        for outcome in parallel.run(self.linter.outcome, screened, self.options.jobs, progress.show):
            if outcome.error:
                progress.clear()
                self._fail(outcome.error)
            outcomes.append(outcome)
        progress.clear()
        return outcomes

    def standard_input(self, walk: Walk) -> int:
        """Lint standard input; with `--fix`, print the repaired source, and report on standard error."""
        data = sys.stdin.buffer.read()
        filename = self.options.stdin_filename or _NO_NAME
        excluded = self.options.force_exclude and filename != _NO_NAME and walk.excludes(filename)
        outcome = None
        if sources.is_worth_parsing(data) and not excluded:
            outcome = self._outcome_of(filename, data)
        if outcome is not None:
            self._hear(outcome)
        if self.options.diff:
            return self._show_diffs([outcome] if outcome else [])
        if not self.settings.fix:
            return self._report(1)
        if outcome is not None and outcome.fixed is not None and outcome.source is not None:
            self.seen[filename] = outcome.source.changed(outcome.fixed)
            data = outcome.source.encode(outcome.fixed)
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return self._report(1, sys.stderr)

    def _outcome_of(self, filename: str, data: bytes) -> Outcome | None:
        try:
            source = sources.decode(filename, data)
        except SourceError as error:
            self._fail(str(error))
            return None
        self.seen[filename] = source
        outcome = self.linter.outcome_of(source)
        if outcome.error:
            self._fail(outcome.error)
        return outcome

    def _fail(self, message: str) -> None:
        _complain(message)
        self.errors.append(message)

    def _hear(self, outcome: Outcome) -> None:
        """Take over what an outcome reports."""
        changed = outcome.fixed is not None and not self.options.diff
        self.findings += outcome.findings if changed or outcome.fixed is None else outcome.before
        self.fixed += outcome.fixes if changed else 0
        self.silenced += outcome.silenced
        for line in outcome.refused:
            _note(line)

    def _take(self, outcome: Outcome) -> None:
        """Take over what an outcome reports, and write its repaired file if that is what this run is for."""
        if outcome.fixed is None or outcome.source is None or self.options.diff:
            self._hear(outcome)
            return
        from detachlint.saving import write_source

        try:
            write_source(outcome.source, outcome.fixed)
        except SourceError as error:
            self._fail(str(error))
            outcome = replace(outcome, fixed=None, findings=outcome.before, fixes=0)
        self._hear(outcome)

    def _status(self) -> int:
        if self.errors:
            return FAILED
        return FINDINGS if self.findings and not self.options.exit_zero else CLEAN

    def _report(self, files: int, stream: IO[str] | None = None) -> int:
        findings = sorted(self.findings, key=lambda finding: finding.sort_key())
        path = self.options.output_file
        stream = stream or sys.stdout
        summary = "" if self.options.quiet else self._summary(findings, files)
        color = path is None and terminal.wants_color(stream)
        text = self._text(findings, stream if path is None else None)
        if path is not None:
            from detachlint.saving import write_report

            write_report(path, text)
            click.echo(summary, file=stream, nl=False)
        else:
            text += summary if self.settings.output_format in ("full", "concise") else ""
            click.echo(text, file=stream, nl=False, color=color)
        return self._status()

    def _text(self, findings: Sequence[Finding], stream: IO[str] | None) -> str:
        """The report, as the stream can show it; no stream is a file."""
        name = self.settings.output_format
        if self.options.statistics:
            return reports.statistics(findings, name)
        if name not in ("full", "concise", "json"):
            return reports.render(name, findings, self._lines_of(), context=self._context())
        if not findings or stream is None:
            return reports.render(name, findings, self._lines_of())
        return reports.render(
            name,
            findings,
            self._lines_of(),
            terminal.wants_color(stream),
            terminal.width(stream),
            links=terminal.wants_links(stream),
            broken=stream.isatty(),
        )

    def _context(self) -> Context:
        from detachlint.reports.context import Context, top_of

        return Context(
            base=top_of(self.settings.root),
            rules=self.selected.rules,
            silenced=self.silenced,
            errors=self.errors,
            compared=self.baseline is not None,
            lines_of=self._lines_of(),
        )

    def _summary(self, findings: Sequence[Finding], files: int) -> str:
        known = sum(item.kind == "external" for item in self.silenced)
        if findings or self.fixed:
            from detachlint.reports.text import summary

            line = summary(findings, self.fixed, self.settings.unsafe_fixes)
            return line + (f" {known} more in the baseline." if known else "") + "\n"
        if self.errors or not files:
            return ""
        since = self.options.diff_base
        where = "" if since is None else f" in what has changed since {since}"
        return f"Nothing to detach{where}" + (f" but the {known} in the baseline" if known else "") + ".\n"

    def _lines_of(self) -> reports.LinesOf:
        @lru_cache(maxsize=16)
        def lines_of(filename: str, cell: int | None = None) -> Sequence[str]:
            try:
                return (self.seen.get(filename) or sources.read(filename)).lines(cell)
            except SourceError:
                return ()

        return lines_of

    def _show_diffs(self, outcomes: Sequence[Outcome]) -> int:
        from detachlint.reports.diff import diff

        color = terminal.wants_color(sys.stdout)
        changed = [outcome for outcome in outcomes if outcome.fixed is not None]
        for outcome in sorted(changed, key=lambda outcome: outcome.filename):
            if outcome.source is not None and outcome.fixed is not None:
                click.echo(diff(outcome.source, outcome.fixed, color), nl=False, color=color)
        if not self.options.quiet and self.findings:
            number = sum(outcome.fixes for outcome in changed)
            _note(f"Would fix {number} of {len(self.findings)} {_plural('error', len(self.findings))}.")
        return self._status()

    def _write_baseline(self, file: Path, looked_at: Sequence[str]) -> int:
        """Write what is found into a baseline; what this run can't know stays in it."""
        from detachlint import baseline
        from detachlint.saving import write_report

        empty = baseline.Baseline(self.settings.root)
        old = baseline.read(file, self.settings.root) if file.exists() else empty
        new = old.renewed(self.findings, looked_at, self.selected.codes)
        write_report(file, new.text())
        if not self.options.quiet:
            number = len(self.findings)
            _note(f"Wrote {number} {_plural('finding', number)} into {file}.")
        return FAILED if self.errors else CLEAN

    def _tell_stale(self, looked_at: Sequence[str]) -> None:
        """Say which entries of the baseline have become needless."""
        if self.baseline is None or self.settings.baseline is None or self.options.quiet:
            return
        stale = self.baseline.stale(self.silenced, looked_at, self.selected.codes)
        if stale:
            number = len(stale)
            them = "entry stands" if number == 1 else "entries stand"
            file = config.shown(self.settings.baseline)
            _note(f"{file}: {number} {them} for nothing any more; --write-baseline drops such entries:")
            for entry in stale:
                _note(f"  {entry}")

    def _add_ignores(self) -> int:
        from detachlint.ignores import add_ignores
        from detachlint.saving import write_source

        by_file: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_file.setdefault(finding.filename, []).append(finding)
        left: list[Finding] = []
        for filename, findings in sorted(by_file.items()):
            try:
                source = sources.read(filename)
                reported = self.linter.reported(source)
                text, rest = add_ignores(source, reported, self.linter.reported, self.options.reason)
                if text != source.text:
                    write_source(source, text)
                left += map(source.changed(text).localized, rest)
            except SourceError as error:
                self._fail(str(error))
                left += findings
        if not self.options.quiet:
            done = len(self.findings) - len(left)
            _note(f"Silenced {done} {_plural('finding', done)}.")
        self.findings = left
        return self._report(0)


def _complain(message: str) -> None:
    from detachlint.reports.plain import plain

    click.echo(f"detachlint: error: {plain(message)}", err=True)


def _complain_all(errors: Sequence[SourceError]) -> int:
    for error in errors:
        _complain(str(error))
    return FAILED if errors else CLEAN


def _note(message: str) -> None:
    from detachlint.reports.plain import plain

    click.echo(f"detachlint: {plain(message)}", err=True)


def _plural(word: str, number: int) -> str:
    return word if number == 1 else word + "s"
