"""The entry of `tcu-agent`, and of `python -m tcu_agent`: it can be interrupted while all the rest is still loaded.

Loading takes some tenths of a second, in which a KeyboardInterrupt would be a traceback, or be swallowed by whatever
was being loaded. Nothing has been started by then, so there is nothing to end in order.
"""

from __future__ import annotations

import os
import signal
import sys

EXIT_INTERRUPTED = 130


def main() -> int:
    """Load the command line, run one command and return its exit status."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is signal.default_int_handler:  # else it is ignored, as behind `&` in a script
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
    from tcu_agent.cli.main import main as run_command  # noqa: PLC0415 -- what takes the time

    try:
        signal.signal(signal.SIGINT, heard)
        return run_command()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
