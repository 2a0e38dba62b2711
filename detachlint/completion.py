"""What a shell completes: the rules after the options that take them, and the script that makes it ask.

The shell runs the command itself with a variable set; click answers for options and choices. Answered from
here are rules, the last one of a list that is separated by commas, and that paths are paths. The scripts are
click's, but for fish, where click's cuts an answer at its first comma, and for a zsh that has not loaded its
completion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_DETACHLINT_COMPLETE"
_FIRST_LINE = "#compdef detachlint\n"  # must come first in a folder that zsh searches
_LOADED = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n"
_FISH = """\
function _detachlint_completion
    set -l answers (env _DETACHLINT_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \\
        COMP_CWORD=(commandline -t) detachlint)
    for answer in $answers
        set -l parts (string split --max 1 "," $answer)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end

complete --no-files --command detachlint --arguments "(_detachlint_completion)"
"""


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


def paths(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What the shell finds on the disk by itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def script(command: click.Command, shell: str) -> str:
    """What a shell has to read to complete this command."""
    from click.shell_completion import get_completion_class

    if shell == "fish":
        return _FISH
    kind = get_completion_class(shell)
    assert kind is not None, shell
    source = kind(command, {}, "detachlint", _VARIABLE).source() + "\n"
    return _FIRST_LINE + _LOADED + source.removeprefix(_FIRST_LINE) if shell == "zsh" else source
