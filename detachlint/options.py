"""The command line: which options there are, what they are called, which of them mean nothing together.

An option is one line in the table below and one field of Options. The config is asked where the command line
says nothing, so that "not given" is a value of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detachlint import __version__, completion, config

if TYPE_CHECKING:
    _Choices = click.Choice[str]
else:
    _Choices = click.Choice

_STDIN = "-"
_Command = Callable[..., object]


@dataclass(frozen=True, eq=False, repr=False)
class Options:
    """The command line. None where it says nothing, so that the config is asked."""

    paths: tuple[str, ...]
    fix: bool | None
    unsafe_fixes: bool | None
    diff: bool
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    extend_select: tuple[str, ...]
    preview: bool | None
    exclude: tuple[str, ...]
    force_exclude: bool
    output_format: str | None
    output_file: Path | None
    statistics: bool
    add_ignores: bool
    reason: str | None
    baseline: Path | None
    write_baseline: Path | None
    diff_base: str | None
    show_files: bool
    explain: str | None
    rules: bool
    stdin_filename: str | None
    jobs: int | None
    config: Path | None
    isolated: bool
    exit_zero: bool
    no_cache: bool
    cache_dir: Path | None
    quiet: bool
    completion: str | None

    @property
    def stdin(self) -> bool:
        """Whether standard input is to be linted."""
        return _STDIN in self.paths

    @property
    def writes_instead(self) -> bool:
        """Whether this run silences what is found, and mends nothing."""
        return self.add_ignores or self.write_baseline is not None


class _Word(_Choices):
    """One of some words; an error with a suggestion for any other."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(
                error.message + config.suggestion(value, self.choices), ctx, param
            ) from error


_FILE = click.Path(path_type=Path, dir_okay=False)


def _codes(name: str, help: str) -> Callable[[_Command], _Command]:  # noqa: A002 - click's own word
    """An option that takes codes: separated by commas, given several times, or both."""

    def split(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(code.strip() for value in values for code in value.split(",") if code.strip())

    return click.option(
        name, multiple=True, callback=split, metavar="CODES", shell_complete=completion.rules, help=help
    )


_OPTIONS = (
    click.argument("paths", nargs=-1, shell_complete=completion.paths),
    click.option("--fix/--no-fix", default=None, help="Apply the safe fixes."),
    click.option(
        "--unsafe-fixes/--no-unsafe-fixes", default=None, help="Apply also fixes that may change results."
    ),
    click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing."),
    _codes("--select", help="Report these rules only (DTL301, DTL3, ALL)."),
    _codes("--ignore", help="Leave these rules out."),
    _codes("--extend-select", help="Report these rules as well."),
    click.option("--preview/--no-preview", default=None, help="Report preview rules as well."),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        shell_complete=completion.paths,
        help="Leave out these paths too, as in .gitignore.",
    ),
    click.option("--force-exclude", is_flag=True, help="Exclude even files named on the command line."),
    click.option("--output-format", type=_Word(config.OUTPUT_FORMATS), help="[default: full]"),
    click.option("-o", "--output-file", type=_FILE, help="Write the report to this file."),
    click.option("--statistics", is_flag=True, help="Count the findings of each rule."),
    click.option("--add-ignores", is_flag=True, help="Silence what is found with comments in the files."),
    click.option("--reason", metavar="TEXT", help="Why: written into the comments of --add-ignores."),
    click.option("--baseline", type=_FILE, help="Report only what is not in this baseline."),
    click.option(
        "--write-baseline", type=_FILE, help="Write what is found into this baseline, report nothing."
    ),
    click.option("--diff-base", metavar="REV", help="Report only what has changed since this git revision."),
    click.option("--show-files", is_flag=True, help="List the files that would be linted."),
    click.option(
        "--explain", metavar="RULE", shell_complete=completion.rules, help="Print the page of a rule."
    ),
    click.option("--rules", is_flag=True, help="List the rules."),
    click.option(
        "--stdin-filename",
        metavar="PATH",
        shell_complete=completion.paths,
        help="The name of what - reads from standard input.",
    ),
    click.option(
        "-j", "--jobs", type=click.IntRange(1), metavar="N", help="Processes. [default: one a processor]"
    ),
    click.option("--config", type=_FILE, help="Read this config file."),
    click.option("--isolated", is_flag=True, help="Read no config file."),
    click.option("-e", "--exit-zero", is_flag=True, help="Exit with status 0 even if there are findings."),
    click.option("--no-cache", is_flag=True, help="Lint every file anew, and remember nothing."),
    click.option(
        "--cache-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Remember here what was found. [default: .detachlint_cache]",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print findings and errors only."),
    click.option(
        "--completion", type=_Word(completion.SHELLS), help="Print what makes a shell complete this."
    ),
    click.version_option(__version__, prog_name="detachlint"),
)


def command_line(kind: type[click.Command]) -> Callable[[_Command], click.Command]:
    """Make a command of a function that takes all the options by name."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

    def dress(function: _Command) -> click.Command:
        dressed: _Command = function
        for option in reversed(_OPTIONS):
            dressed = option(dressed)
        return click.command(cls=kind, context_settings=settings)(dressed)

    return dress


def best_guesses(
    parse: Callable[[click.Context, list[str]], list[str]], context: click.Context, words: list[str]
) -> list[str]:
    """Parse a command line; where a word is no option, name the option most like it and no others."""
    try:
        return parse(context, words)
    except click.NoSuchOption as error:
        closest = list(error.possibilities or ())[:1]
        raise click.NoSuchOption(error.option_name, error.message, closest, context) from error


def check_combination(options: Options) -> None:
    """Refuse what means nothing together."""
    stdin = options.stdin
    if options.add_ignores and (options.fix or options.diff or stdin):
        raise click.UsageError("--add-ignores goes with neither --fix nor --diff nor standard input")
    if options.reason is not None and not options.add_ignores:
        raise click.UsageError("--reason says why --add-ignores silences something: give both")
    if options.reason is not None and ("#" in options.reason or not options.reason.isprintable()):
        raise click.UsageError("--reason must be a line of text without `#`")
    if options.write_baseline is not None:
        others = (options.fix, options.diff, options.add_ignores, options.baseline, options.diff_base, stdin)
        if any(others):
            raise click.UsageError(
                "--write-baseline goes with neither --fix nor --diff nor another way to choose findings"
            )
    if options.diff_base is not None and stdin:
        raise click.UsageError("--diff-base compares files, not standard input")
