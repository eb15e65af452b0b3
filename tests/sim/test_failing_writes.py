"""A channel whose writes fail now and then."""

from __future__ import annotations

import asyncio

import can
import pytest

from tcu_sim.bus.frame import Frame
from tcu_sim.bus.python_can_port import MOST_FAILED_WRITES, PythonCanPort


def test_one_write_that_fails_now_and_then_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        port = PythonCanPort(interface="virtual", channel="sim-failing")
        outcomes = iter([True, False] * MOST_FAILED_WRITES)

        def write(*_: object) -> None:
            if next(outcomes):
                raise can.CanOperationError("Could not write to serial device")

        monkeypatch.setattr(port._bus, "send", write)
        for _ in range(2 * MOST_FAILED_WRITES):
            await port.send(Frame(arbitration_id=1))
        assert port.lost == MOST_FAILED_WRITES
        port.close()

    asyncio.run(main())
