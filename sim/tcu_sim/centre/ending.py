"""How a process of the centre ends: told once in order, told twice at once; and that it runs once in a directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tcu_sim.errors import BadInput

CANCEL_AGAIN_S = 0.2
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; the second one ends the process, whatever it does."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def note() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, note)
    return stop


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and return when they have ended, whatever with.

    Again and again, because a cancellation can get lost: up to Python 3.11 in `asyncio.wait_for` (which aiomqtt
    uses) and up to 3.12 in a task group whose own task fails at the same moment, as when the broker dies.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)


@contextmanager
def claimed(lock_file: Path, *, what: str) -> Iterator[None]:
    """Hold a lock for as long as the context lasts; the system frees it when the process dies.

    Raises:
        BadInput: another process holds it.
    """
    lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(
                f"{what}: in use: it runs already with {lock_file.parent.parent};"
                " end that one, or give another --dir"
            ) from None
        yield
    finally:
        os.close(handle)
