"""The command language of the virtual vehicle: one command a line, from a script, standard input or the control socket.

    line     = [command] ["#" comment]
    command  = verb {word}            words are separated by blanks; printable ASCII; at most 1,000 characters
    DOOR     = front-left | front-right | rear-left | rear-right | tailgate
    SECONDS  = decimal number         also KMH, COUNT, LAT, LON, RATE, VALUE
    ID, DATA = hexadecimal            standard identifier 0 to 7ff; 0 to 8 bytes, two digits each

`VERBS` holds every verb with its words and its meaning; `tcu-sim vehicle --help-commands` prints them. A line that is
wrong changes nothing; its error names the column and suggests the nearest word. Example:

    central-locking late 3            # the BCM takes its time
    press on-call 0.3
    expect call connected within 10
    unlock key
    open front-left
    expect usage inactive within 2
"""

from __future__ import annotations

from tcu_sim.control.words import WordReader, split
from tcu_sim.vehicle import expectations, verbs_faults, verbs_people
from tcu_sim.vehicle.commands import Command, Tell, Verb, Wait


def _wait(reader: WordReader) -> Command:
    return Wait(reader.number("time in seconds", least=0, most=verbs_people.LONGEST_S))


def _tell_state(reader: WordReader) -> Command:
    del reader
    return Tell.STATE


def _tell_help(reader: WordReader) -> Command:
    del reader
    return Tell.HELP


VERBS: dict[str, Verb] = {
    **verbs_people.VERBS,
    **verbs_faults.VERBS,
    "wait": Verb("wait SECONDS", "let time pass", _wait),
    **expectations.VERBS,
    "state": Verb("state", "tell everything about the vehicle as JSON", _tell_state),
    "help": Verb("help", "list the commands", _tell_help),
}


def parse(line: str) -> Command | None:
    """Return the command of a line; None for an empty one.

    Raises:
        CommandError: the line is wrong; knows the column.
    """
    words = split(line)
    if not words:
        return None
    reader = WordReader(words)
    verb = VERBS[reader.choice("command", VERBS)]
    command = verb.read(reader)
    reader.end()
    return command


def help_text() -> str:
    """Return all commands, one or two lines each."""
    return "\n".join(_entry(verb) for verb in VERBS.values())


def _entry(verb: Verb) -> str:
    summary = verb.summary.replace("\n", " ")
    if len(verb.usage) > 40:
        return f"  {verb.usage}\n{'':44}{summary}"
    return f"  {verb.usage:40}  {summary}"
