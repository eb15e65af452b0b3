"""Ctrl-C while a command is still being loaded: it ends at once, since nothing has been started.

A KeyboardInterrupt would be a traceback out of the middle of a library, or be lost: what is loaded may swallow it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED_STATUS = 128 + signal.SIGINT


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """End the process at SIGINT, unless someone hears or ignores it in another way."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED_STATUS))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
