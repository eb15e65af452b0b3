"""`tcu-agent completion SHELL`: words for the Tab key, taken from the parser itself.

Made here and not by a library: a board installs as little as possible, and all that is needed are sub-commands, options
and file names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

_PROGRAM = "tcu-agent"
SHELLS = ("bash", "zsh", "fish")

_BASH = """\
_tcu_agent() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words=""
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    [[ $COMP_CWORD == 1 ]] && words="{commands}"
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _tcu_agent {program}
"""
_ZSH = "#compdef {program}\nautoload -U +X bashcompinit && bashcompinit\n"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `completion` sub-command."""
    parser = subparsers.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a completion script. bash: source <(tcu-agent completion bash); "
        "fish: tcu-agent completion fish | source; zsh: put it into a file _tcu-agent on $fpath, or source it.",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(func=lambda args: run(args, subparsers.choices))


def run(args: argparse.Namespace, commands: Mapping[str, argparse.ArgumentParser]) -> int:
    """Carry out the command; return the exit status."""
    if args.shell == "fish":
        print("\n".join(_fish_lines(commands)))
    else:
        print(
            (_ZSH.format(program=_PROGRAM) if args.shell == "zsh" else "") + _bash(commands), end=""
        )
    return 0


def _bash(commands: Mapping[str, argparse.ArgumentParser]) -> str:
    cases = (
        f'        {name}) words="{" ".join(_words(parser))}" ;;'
        for name, parser in commands.items()
    )
    return _BASH.format(cases="\n".join(cases), commands=" ".join(commands), program=_PROGRAM)


def _fish_lines(commands: Mapping[str, argparse.ArgumentParser]) -> Iterator[str]:
    for name, parser in commands.items():
        yield f"complete -c {_PROGRAM} -n __fish_use_subcommand -f -a {name}"
        for word in _words(parser):
            yield f"complete -c {_PROGRAM} -n '__fish_seen_subcommand_from {name}' -a '{word}'"


def _words(parser: argparse.ArgumentParser) -> list[str]:
    words: list[str] = []
    for action in parser._actions:  # noqa: SLF001 - there is no other way to ask a parser
        words += action.option_strings or [str(choice) for choice in action.choices or ()]
    return words
