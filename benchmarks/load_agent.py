"""`tcu-agent` as it is, whose CAN port says at its end what it counted.

``python -m benchmarks.load_agent run -c FILE``
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Final

from typing_extensions import override

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.cli import assembly, main

COUNTED: Final = "load-counted "
"""Begins the line."""


class _TellingBus(SocketCanBus):
    @override
    async def close(self) -> None:
        await super().close()
        counters = self.counters()
        if counters != BusCounters():
            print(COUNTED + json.dumps(asdict(counters)), flush=True)


if __name__ == "__main__":
    setattr(assembly, "SocketCanBus", _TellingBus)  # noqa: B010 -- in the place of a class
    sys.exit(main.main())
