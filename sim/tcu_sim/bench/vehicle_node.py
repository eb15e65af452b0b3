"""The virtual vehicle's node on the agent's in-memory bus: joins the two kinds of frames."""

from __future__ import annotations

from collections.abc import Sequence

from tcu_agent.ports import CanFrame
from tcu_sim.bench.can_bus import InMemoryCanPort
from tcu_sim.bus.frame import Frame

SEND_TIMEOUT_S = 1.0


class VehicleNode:
    """A bus as the simulator's runners take it: `send` and `receive`. Remote frames do not exist here."""

    def __init__(self, port: InMemoryCanPort) -> None:
        self._port = port

    async def send(self, frame: Frame) -> None:
        """Give a frame to all other nodes."""
        await self._port.send(
            CanFrame(
                arbitration_id=frame.arbitration_id,
                data=frame.data,
                is_extended_id=frame.is_extended_id,
                is_fd=frame.is_fd,
            ),
            timeout_s=SEND_TIMEOUT_S,
        )

    async def receive(self) -> Sequence[Frame]:
        """Wait for frames and return all that are there, oldest first."""
        return [_as_frame(frame) for frame in await self._port.receive()]


def _as_frame(frame: CanFrame) -> Frame:
    return Frame(
        arbitration_id=frame.arbitration_id,
        data=frame.data,
        is_extended_id=frame.is_extended_id,
        is_fd=frame.is_fd,
    )
