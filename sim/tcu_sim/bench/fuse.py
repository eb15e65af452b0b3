"""Cuts the board's power at a chosen point: between two steps of the agent, where a crash hurts most.

A blown fuse lets nothing through any more: no commit, no frame, no message, whatever the dying agent still tries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, unique

from typing_extensions import override

from tcu_agent.ports import CanFrame, Clock, StoredPosition
from tcu_agent.protocol.messages import Event, Result
from tcu_sim.bench.broker import InMemoryBroker, InMemoryLink
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tcu_sim.bench.recorder import Now, RecordingState

COMMAND_ID = 0xA0  # CentralLockCommand, dbc/README.md


@unique
class Point(Enum):
    """Where the power can fail."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit"
    BEFORE_COMMAND = "before a central locking frame"
    AFTER_COMMAND = "after a central locking frame"
    BEFORE_PUBLISH = "before publishing"
    AFTER_PUBLISH = "after publishing"


class PowerCut(BaseException):
    """The board has no power."""


class Fuse:
    """Blows at the `number`-th passing of a point, counted from `blow_at`."""

    def __init__(self) -> None:
        self.is_blown = False
        self.when_blown: Callable[[], None] = lambda: None
        """Called in the moment in which a point blows it."""
        self._left: dict[Point, int] = {}

    def blow_at(self, point: Point, *, number: int = 1) -> None:
        """Cut the power there."""
        self._left = {point: number}

    def replace(self) -> None:
        """Put a new one in."""
        self.is_blown = False
        self._left.clear()

    def pass_point(self, point: Point) -> None:
        """Let the agent pass, or not."""
        if point in self._left:
            self._left[point] -= 1
            if not self.is_blown and self._left[point] == 0:
                self.is_blown = True
                self.when_blown()
        if self.is_blown:
            raise PowerCut(point.value)


class FusedState(RecordingState):
    """Durable state behind a fuse."""

    def __init__(self, *, now: Now, fuse: Fuse) -> None:
        super().__init__(now)
        self._fuse = fuse

    @override
    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it or nothing."""
        self._fuse.pass_point(Point.BEFORE_COMMIT)
        super().commit(puts=puts, append=append, acknowledged=acknowledged)
        self._fuse.pass_point(Point.AFTER_COMMIT)

    @override
    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Do all of it or nothing: a position and its number are one commit."""
        self._fuse.pass_point(Point.BEFORE_COMMIT)
        super().put_position(position, puts=puts)
        self._fuse.pass_point(Point.AFTER_COMMIT)


class FusedPort(InMemoryCanPort):
    """The agent's CAN port behind a fuse."""

    def __init__(self, *, bus: InMemoryBus, fuse: Fuse) -> None:
        super().__init__(bus=bus)
        self._fuse = fuse

    @override
    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Put one frame on the bus."""
        is_command = frame.arbitration_id == COMMAND_ID
        if is_command:
            self._fuse.pass_point(Point.BEFORE_COMMAND)
        await super().send(frame, timeout_s=timeout_s)
        if is_command:
            self._fuse.pass_point(Point.AFTER_COMMAND)


class FusedLink(InMemoryLink):
    """The agent's link behind a fuse."""

    def __init__(
        self, *, broker: InMemoryBroker, vehicle_id: str, clock: Clock, fuse: Fuse
    ) -> None:
        super().__init__(broker=broker, vehicle_id=vehicle_id, clock=clock)
        self._fuse = fuse

    @override
    async def publish(
        self,
        message_type: str,
        payload: bytes,
        *,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Publish to the vehicle's up topic."""
        self._fuse.pass_point(Point.BEFORE_PUBLISH)
        is_unheard = await super().publish(
            message_type, payload, expiry_s=expiry_s, correlation=correlation
        )
        self._fuse.pass_point(Point.AFTER_PUBLISH)
        return is_unheard
