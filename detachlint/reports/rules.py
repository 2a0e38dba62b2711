"""The rules themselves as text: the list of them, and one rule's page."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import click

from detachlint.config import ConfigError
from detachlint.rulebook import Rule, Rulebook, RuleError

_CODE = re.compile(r"`([^`]+)`")


def listing(book: Rulebook, output_format: str | None) -> str:
    """Every rule with its summary, for people or as JSON."""
    if output_format == "json":
        return json.dumps([_as_data(rule) for rule in book.rules], indent=2) + "\n"
    width = max((len(rule.name) for rule in book.rules), default=0)
    return "".join(
        f"{rule.code}  {rule.name:<{width}}  {rule.set}\n        {rule.summary}\n" for rule in book.rules
    )


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
