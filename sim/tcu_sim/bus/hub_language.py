"""What the hub's control socket understands: faults while it runs, and the counters.

cut NODE                         nothing passes the node's link any more
heal NODE                        the link is whole again: no cut, no other fault
fault NODE KIND RATE [SECONDS]   KIND drop, duplicate, corrupt or delay; RATE 0..1; SECONDS for
delay only statistics                       all counters as JSON help
this list
"""

from __future__ import annotations

import json
from dataclasses import replace

from tcu_sim.bus.faults import LinkFaults
from tcu_sim.bus.router import Router
from tcu_sim.control.words import WordReader, split

KINDS = ("drop", "duplicate", "corrupt", "delay")
COMMANDS = ("cut", "heal", "fault", "statistics", "help")


def read_fault(reader: WordReader, faults: LinkFaults) -> LinkFaults:
    """Return the faults with one kind changed, from the words ``KIND RATE [SECONDS]``.

    Raises:
        CommandError: a word is wrong.
    """
    kind = reader.choice("kind of fault", KINDS)
    rate = reader.number("rate", least=0, most=1)
    if kind == "delay":
        seconds = reader.optional_number("seconds", least=0, most=60, default=faults.delay_s)
        faults = replace(faults, delay_s=seconds)
    reader.end()
    match kind:
        case "drop":
            return replace(faults, drop=rate)
        case "duplicate":
            return replace(faults, duplicate=rate)
        case "corrupt":
            return replace(faults, corrupt=rate)
        case _:
            return replace(faults, delay=rate)


class HubCommands:
    """Obeys one line after another."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def obey(self, line: str) -> str:
        """Carry out one line and return what there is to say.

        Raises:
            CommandError: the line is wrong; nothing has changed.
        """
        words = split(line)
        if not words:
            return ""
        reader = WordReader(words)
        command = reader.choice("command", COMMANDS)
        if command in {"statistics", "help"}:
            reader.end()
            return (
                json.dumps(self._router.statistics())
                if command == "statistics"
                else ", ".join(COMMANDS)
            )
        self._set(command, reader)
        return ""

    def _set(self, command: str, reader: WordReader) -> None:
        node = reader.choice("node", self._router.links)
        faults = self._router.faults[node]
        if command == "fault":
            self._router.faults[node] = read_fault(reader, faults)
            return
        reader.end()
        self._router.faults[node] = (
            replace(faults, is_cut=True) if command == "cut" else LinkFaults()
        )
