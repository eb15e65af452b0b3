"""Waiting for processes that are nobody's child here."""

from __future__ import annotations

import asyncio
import os

TIMEOUT_S = 30.0


async def gone(pid: int) -> None:
    """Return when this process has ended, whoever's child it is."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await ended.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
