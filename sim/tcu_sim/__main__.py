"""The entry of `tcu-sim`, and of `python -m tcu_sim`: it can be interrupted while the command line is loaded."""

from __future__ import annotations

import sys

from tcu_sim.cli.interruption import INTERRUPTED_STATUS, leaving_at_once


def main() -> int:
    """Load the command line, run one command and return its exit status."""
    with leaving_at_once():
        from tcu_sim.cli.main import main as run_command  # noqa: PLC0415 -- loaded under the guard
    try:
        return run_command()
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


if __name__ == "__main__":
    sys.exit(main())
