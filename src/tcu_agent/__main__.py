"""`python -m tcu_agent` is the same as `tcu-agent`."""

from __future__ import annotations

import sys

from tcu_agent.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
