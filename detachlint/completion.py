"""What a shell completes: the rules after the options that take them, and the script that makes it ask.

The shell runs the command itself with a variable set; click answers for options, choices and files. Rules are
answered from here, the last one of a list that is separated by commas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_DETACHLINT_COMPLETE"


def rules(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The rules whose code or name begins as the last word of a list does."""
    from click.shell_completion import CompletionItem

    from detachlint import rulebook

    before, comma, word = incomplete.rpartition(",")
    shown = [(rule.code, rule) for rule in rulebook.load().rules]
    if word:
        shown += [(rule.name, rule) for _, rule in shown]
    return [
        CompletionItem(f"{before}{comma}{text}", help=rule.summary)
        for text, rule in shown
        if text.lower().startswith(word.lower())
    ]


def script(command: click.Command, shell: str) -> str:
    """What a shell has to read to complete this command."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, shell
    return kind(command, {}, "detachlint", _VARIABLE).source() + "\n"
