"""Letting the board suspend with a command of the integrator's, such as `systemctl suspend`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from tcu_agent.errors import PowerError

TIMEOUT_S: Final = 60.0
"""Of waking time: the event loop's clock stands still while the board is suspended."""


class SuspendCommand:
    """The `PowerPort`: runs `command`, a program and its arguments; no shell."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    async def suspend(self) -> None:
        """Run it; a command that returns at once may well have suspended the board a moment later.

        Raises:
            PowerError: it is not there, failed, or did not end in time.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise PowerError(f"{self._command[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status = await process.wait()
        except TimeoutError as error:
            raise PowerError(f"{self._command[0]}: not done after {TIMEOUT_S:g} s") from error
        finally:
            # Also where we are cancelled, because the car stirred: nothing is left behind.
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status != 0:
            raise PowerError(f"{self._command[0]}: ended with status {status}")
