"""The whole agent on simulated time: started, stopped, killed by a power cut, started again on the same state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.ports import CanPort, LinkPort, PowerPort, RtcPort, StatePort
from tcu_agent.runtime.agent import Agent, Car
from tcu_agent.runtime.agent import World as AgentWorld
from tcu_agent.runtime.surroundings import Surroundings
from tcu_sim.bench.fuse import PowerCut
from tcu_sim.errors import SimulatorError
from tcu_sim.wire.keys import SigningKey


class AgentEndedError(SimulatorError):
    """The agent has ended by itself, which it never may."""


@dataclass(frozen=True, slots=True)
class BenchSigner:
    """The vehicle's key of the simulator, as the agent's `Signer` port."""

    key: SigningKey

    @property
    def kid(self) -> bytes:
        """First 8 bytes of SHA-256 of the public key."""
        return self.key.public.kid

    @property
    def alg(self) -> int:
        """COSE algorithm."""
        return self.key.public.alg

    def sign(self, data: bytes) -> bytes:
        """Return 64 bytes."""
        return self.key.sign(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What stays when the agent restarts: its state, its ports, its key, its clock."""

    port: CanPort
    link: LinkPort
    state: StatePort
    key: SigningKey
    around: Surroundings
    rtc: RtcPort | None = None
    power: PowerPort | None = None

    def world(self) -> AgentWorld:
        """Return what one run of the agent touches."""
        return AgentWorld(
            buses={self.port.name: self.port},
            link=self.link,
            state=self.state,
            signer=BenchSigner(self.key),
            sealer=HpkeSealer(),
            around=self.around,
            rtc=self.rtc,
            power=self.power,
        )


class AgentRun:
    """One agent after another on one board. `make`: how an agent is made, the real one unless a test says so."""

    def __init__(
        self, *, car: Car, board: Board, make: Callable[[Car, AgentWorld], Agent] | None = None
    ) -> None:
        self._car = car
        self._board = board
        self._make = make or (lambda car, world: Agent(car=car, world=world))
        self._agent: Agent | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether an agent lives."""
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Start a fresh agent on the board's state."""
        self._agent = self._make(self._car, self._board.world())
        self._task = asyncio.create_task(self._agent.run(), name="agent")

    async def stop(self) -> None:
        """Let it end cleanly; the power may fail over it."""
        if self._agent is not None and self._task is not None and not self._task.done():
            self._agent.stop()
            await asyncio.wait([self._task])
            if not self.lost_power():
                self._task.result()
        self._task = None

    async def kill(self) -> None:
        """Let it die where it stands."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def check(self) -> None:
        """Return while all is well.

        Raises:
            AgentEndedError: it has ended although nobody cut the power.
        """
        if self._task is not None and self._task.done() and not self.lost_power():
            raise AgentEndedError("the agent has ended") from self._task.exception()

    def lost_power(self) -> bool:
        """Whether the fuse has ended it."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return False
        error = self._task.exception()
        if isinstance(error, BaseExceptionGroup):
            return error.subgroup(PowerCut) is not None
        return isinstance(error, PowerCut)
