"""The virtual vehicle's node on the agent's in-memory bus: joins the two kinds of frames."""

from __future__ import annotations

from collections.abc import Sequence

from tcu_agent.ports import CanFrame
from tcu_sim.bench.can_bus import InMemoryCanPort
from tcu_sim.bus.frame import Frame


class VehicleNode:
    """What the simulated vehicle needs of a bus. Remote frames do not exist here."""

    def __init__(self, port: InMemoryCanPort) -> None:
        self._port = port

    async def send(self, frames: Sequence[Frame]) -> None:
        """Give frames to all other nodes, one right behind the other."""
        if frames:
            await self._port.burst([_as_agents(frame) for frame in frames])

    async def receive(self) -> Sequence[Frame]:
        """Wait for frames and return all that are there, oldest first; what carries no data is nothing to an ECU."""
        return [
            _as_frame(frame)
            for frame in await self._port.receive()
            if not (frame.is_error_frame or frame.is_remote_frame)
        ]


def _as_agents(frame: Frame) -> CanFrame:
    return CanFrame(frame.arbitration_id, frame.data, frame.is_extended_id, frame.is_fd)


def _as_frame(frame: CanFrame) -> Frame:
    return Frame(
        arbitration_id=frame.arbitration_id,
        data=frame.data,
        is_extended_id=frame.is_extended_id,
        is_fd=frame.is_fd,
    )
