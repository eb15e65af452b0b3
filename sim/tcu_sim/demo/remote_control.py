"""The demo's hand in the virtual vehicle: one line to its control socket, one line back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tcu_sim.errors import SimulatorError

ANSWER_TIMEOUT_S = 10.0


class RemoteControl:
    """Commands a part of the simulator over its control socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def do(self, command: str) -> str:
        """Give one command and return what follows ``ok``.

        Raises:
            SimulatorError: nobody answers, or the command was refused.
        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await self._converse(command)
        except (OSError, TimeoutError) as error:
            raise SimulatorError(f"{self._path}: no answer to {command!r} ({error})") from error
        word, _, rest = answer.partition(" ")
        if word != "ok":
            raise SimulatorError(f"{command!r}: {rest or answer or 'no answer'}")
        return rest

    async def _converse(self, command: str) -> str:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(command.encode() + b"\n")
            await writer.drain()
            return (await reader.readline()).decode().rstrip("\n")
        finally:
            writer.close()
            await writer.wait_closed()
