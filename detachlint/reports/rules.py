"""The rules themselves as text: the list of them, and one rule's page."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

import click

from detachlint.config import ConfigError
from detachlint.rulebook import Rule, Rulebook, RuleError

_CODE = re.compile(r"`([^`]+)`")
_ITEM = re.compile(r"([-*]|\d+\.) +")
_GLUE = "\0"  # stands for a blank in code, where no line may be broken
_WIDEST = 100  # columns; longer lines of prose are hard to follow


def listing(book: Rulebook, output_format: str | None, width: int | None = None) -> str:
    """Every rule with its summary, for people (in lines that fit a width) or as JSON."""
    if output_format == "json":
        return json.dumps([_as_data(rule) for rule in book.rules], indent=2) + "\n"
    longest = max((len(rule.name) for rule in book.rules), default=0)
    indent = " " * 8
    lines: list[str] = []
    for rule in book.rules:
        lines.append(f"{rule.code}  {rule.name:<{longest}}  {rule.set}")
        summary = [rule.summary] if width is None else textwrap.wrap(rule.summary, width - len(indent))
        lines += [indent + line for line in summary]
    return "".join(line + "\n" for line in lines)


def page(book: Rulebook, code: str) -> str:
    """The page of the rule of this code or name. ConfigError if there is none, or several."""
    rule = book.rule(code)
    if rule is None:
        prefix = book.meant(code)  # complains if it stands for no rule at all
        below = [rule.code for rule in book.rules if rule.code.startswith(prefix)]
        raise ConfigError(f"`{code}` stands for several rules: {', '.join(below)}")
    try:
        return rule.page().rstrip() + "\n"
    except OSError as error:
        raise RuleError(f"{rule.folder / 'README.md'}: {error.strerror}") from error


def filled(page: str, width: int) -> str:
    """A page with its prose broken to a width, and its tables in columns; code stays as it is."""
    lines: list[str] = []
    for kind, block in _blocks(page):
        if kind == "prose":
            lines += _broken(block, width)
        else:
            lines += _laid_out(block, width) if kind == "table" else block
    return "\n".join(lines) + "\n"


def _blocks(page: str) -> Iterator[tuple[str, list[str]]]:
    """The page as paragraphs, items of lists, tables, and what stays as it is."""
    block: list[str] = []
    kind = before = ""
    fenced = False
    for line in page.splitlines():
        fence = line.startswith("```")
        if fenced or fence or not line or line.startswith("#"):
            kind = "as it is"
        else:
            kind = "table" if line.startswith("|") else "prose"
        fenced ^= fence
        if block and (kind != before or (kind == "prose" and _ITEM.match(line))):
            yield before, block
            block = []
        block.append(line)
        before = kind
    yield before, block


def _laid_out(table: list[str], width: int) -> list[str]:
    """A table in columns; where they don't fit, each row as a list of its own."""
    rows = [[_CODE.sub(r"\1", cell).strip() for cell in line.strip("|").split("|")] for line in table]
    head, *body = [row for row in rows if set("".join(row)) != {"-"}]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        ruled = [head, ["-" * size for size in widths], *body]
        return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in ruled]
    lines: list[str] = []
    for first, *others in body:
        lines.append(f"{head[0]} {first}".strip() + ":")
        lines += [f"  {name}: {cell}" for name, cell in zip(head[1:], others, strict=True)]
    return lines


def _broken(prose: list[str], width: int) -> list[str]:
    """A paragraph, or an item of a list, as lines that fit."""
    text = _CODE.sub(lambda match: match[0].replace(" ", _GLUE), " ".join(map(str.strip, prose)))
    marker = _ITEM.match(text)
    lines = textwrap.wrap(
        text,
        min(width, _WIDEST),
        subsequent_indent=" " * (marker.end() if marker else 0),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def dressed(page: str) -> str:
    """A page as a terminal with colours shows it best: headings and code stand out by themselves."""
    lines: list[str] = []
    fenced = False
    for line in page.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(click.style(f"    {line}", fg="green") if line else "")
        elif line.startswith("#"):
            lines.append(click.style(line.lstrip("# "), bold=True, underline=line.startswith("# ")))
        else:
            lines.append(_CODE.sub(lambda match: click.style(match[1], fg="cyan"), line))
    return "\n".join(lines) + "\n"


def _as_data(rule: Rule) -> dict[str, object]:
    keys = ("code", "name", "summary", "set", "harm", "harm_text", "url")
    return {
        **{key: getattr(rule, key) for key in keys},
        "fix": rule.applicability,
        "measured": [asdict(size) for size in rule.measured],
    }
