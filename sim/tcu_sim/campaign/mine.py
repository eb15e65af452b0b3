"""A mine at a named point: the process that passes it for the chosen time dies there by SIGKILL, by its own hand.

Dying by one's own hand is exact where a killer outside would always be late; to the kernel the two are the same.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FDATASYNC: Final = {"x86_64": "75", "aarch64": "83"}
"""Number of the system call, as /proc/PID/task/TID/syscall begins. Source: the kernel's system call tables."""
PATIENCE_S: Final = 0.05
"""How long the watch spins for the system call; a commit that is quicker is none that a kill could cut."""


class Mine:
    """Lies at one point. `number`: goes off when it is passed for that time, from 1."""

    def __init__(self, *, point: str, number: int) -> None:
        self._point = point
        self._left = number

    def pass_point(self, point: str) -> None:
        """Die here, or go on."""
        if self._counts_down(point):
            go_off()

    @contextmanager
    def inside_fdatasync(self, point: str) -> Iterator[None]:
        """Let the main thread run what is inside, and die as soon as the kernel says that it waits for the disk."""
        if not self._counts_down(point):
            yield
            return
        left = threading.Event()
        watch = threading.Thread(target=_watch, args=(os.getpid(), left), daemon=True)
        watch.start()
        try:
            yield
        finally:
            left.set()
            watch.join()
            self._left = 1  # it was too quick: the next one then

    def _counts_down(self, point: str) -> bool:
        if point != self._point:
            return False
        self._left -= 1
        return self._left == 0


def go_off() -> None:
    """Die now, with nothing tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(thread_id: int, left: threading.Event) -> None:
    calls = Path(f"/proc/self/task/{thread_id}/syscall")
    wanted = FDATASYNC.get(os.uname().machine)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not left.is_set():
        if calls.read_text().partition(" ")[0] == wanted:
            go_off()
