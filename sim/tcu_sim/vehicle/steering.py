"""Steers a running vehicle by lines of the command language, one after another or from a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tcu_sim.errors import BadInput, CommandError, ExpectationFailed
from tcu_sim.vehicle.commands import Command, Do, Expect, Tell, Wait
from tcu_sim.vehicle.language import VERBS, parse
from tcu_sim.vehicle.runner import VehicleRunner
from tcu_sim.vehicle.state import describe


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One command of a script. `where` is ``FILE:LINE``."""

    where: str
    text: str
    command: Command


def read_script(lines: Iterable[str], *, name: str) -> list[ScriptLine]:
    """Read a whole script before any of it is played.

    Raises:
        BadInput: names file, line and column of the first line that is wrong.
    """
    script: list[ScriptLine] = []
    for number, line in enumerate(lines, start=1):
        where = f"{name}:{number}"
        try:
            command = parse(line)
        except CommandError as error:
            raise BadInput(f"{where}: {error}") from error
        if command is not None:
            script.append(ScriptLine(where, line.strip(), command))
    return script


class Steering:
    """Obeys commands on one running vehicle."""

    def __init__(self, runner: VehicleRunner) -> None:
        self._runner = runner

    async def obey(self, line: str) -> str:
        """Carry out one line and return what there is to say (JSON for `state`).

        Raises:
            CommandError: the line is wrong.
            NotPossible: the world does not allow it.
            ExpectationFailed: `expect` has waited in vain.
        """
        command = parse(line)
        return "" if command is None else await self.carry_out(command)

    async def play(self, script: Iterable[ScriptLine], *, progress: Callable[[str], None]) -> None:
        """Play a script; `progress` is told each line before it is carried out, and its answer.

        Raises:
            BadInput: the world does not allow a line; names it.
            ExpectationFailed: names the line.
        """
        for line in script:
            progress(f"{line.where}: {line.text}")
            try:
                said = await self.carry_out(line.command)
            except ExpectationFailed as error:
                raise ExpectationFailed(f"{line.where}: {error}") from error
            except BadInput as error:
                raise BadInput(f"{line.where}: {error}") from error
            if said:
                progress(said)

    async def carry_out(self, command: Command) -> str:
        """Carry out one command; see `obey`."""
        match command:
            case Do(act):
                self._runner.do(act)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Expect():
                await self._expect(command)
            case Tell.STATE:
                now = asyncio.get_running_loop().time()
                return json.dumps(describe(self._runner.vehicle, now=now))
            case Tell.HELP:
                return "; ".join(verb.usage for verb in VERBS.values())
        return ""

    async def _expect(self, expected: Expect) -> None:
        if not await self._runner.wait_until(expected.predicate, within_s=expected.within_s):
            seen = expected.seen(self._runner.vehicle)
            raise ExpectationFailed(
                f"expected {expected.text} within {expected.within_s:g} s, saw {seen}"
            )
