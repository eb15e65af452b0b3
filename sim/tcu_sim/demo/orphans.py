"""No orphans: what a killed parent would leave running, and what would then call on the ports of the next run.

Where the kernel offers it (Linux); elsewhere nothing is asked, and who kills the parent ends the rest by hand.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def ends_with(parent: int, number: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return what a child does before it becomes the program: ask for a signal when `parent` dies."""
    libc = _LIBC
    if libc is None:
        return None

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:
            os._exit(1)

    return ask


def end_with_parent() -> None:
    """Ask for SIGTERM when the parent dies: what a worker of `multiprocessing` begins with."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None and (ask := ends_with(parent.pid)):
        ask()
