"""`tcu-agent run` with a mine in it: python -m tcu_sim.campaign.mined_agent POINT NUMBER run -c FILE.

The agent is the shipped one, started by its own command line. Around the ports that it is given, and around its
carrying out of effects, lies one layer that does nothing but ask the mine. The agent's own code knows nothing of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import override

from tcu_agent.cli import assembly
from tcu_agent.cli.main import main
from tcu_agent.core.effects import Effect, Persist, SendMessage
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.codec import topic_type
from tcu_agent.runtime import agent as agent_module
from tcu_agent.runtime.agent import Agent, World
from tcu_sim.campaign.mine import Mine
from tcu_sim.campaign.points import commit_name

COMMAND_ID = 0xA0  # CentralLockCommand, dbc/README.md
COMMANDS = {1: "unlock frame", 2: "lock frame"}


class Layer:
    """Around one port. What it does not look at goes through as it comes, whatever the port may be asked one day."""

    def __init__(self, inner: Any, mine: Mine) -> None:
        self._inner = inner
        self._mine = mine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class MinedState(Layer):
    """Around the durable state."""

    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[object] = (),
        acknowledged: int | None = None,
        **rest: Any,
    ) -> None:
        """As the port."""
        messages = tuple(append)
        with self._mine.inside_fdatasync(
            f"inside fdatasync of {_commit_name(puts, messages, acknowledged)}"
        ):
            self._inner.commit(puts=puts, append=messages, acknowledged=acknowledged, **rest)

    def put_position(self, *position: Any, **rest: Any) -> None:
        """As the port."""
        with self._mine.inside_fdatasync("inside fdatasync of sealed position"):
            self._inner.put_position(*position, **rest)

    def erase_positions(self, *which: Any) -> None:
        """As the port."""
        with self._mine.inside_fdatasync("inside fdatasync of erasure of positions"):
            self._inner.erase_positions(*which)


class MinedPort(Layer):
    """Around one CAN bus; only central locking frames are points."""

    async def send(self, frame: CanFrame, **rest: Any) -> None:
        """As the port."""
        what = COMMANDS.get(frame.data[0]) if frame.arbitration_id == COMMAND_ID else None
        if what is not None:
            self._mine.pass_point(f"before {what} goes to the driver")
        await self._inner.send(frame, **rest)
        if what is not None:
            self._mine.pass_point(f"after {what} went to the driver")


class MinedLink(Layer):
    """Around the link to the broker."""

    async def connect(self, **how: Any) -> bool:
        """As the port."""
        self._mine.pass_point("before connecting")
        has_session: bool = await self._inner.connect(**how)
        self._mine.pass_point("after connecting")
        return has_session

    async def publish(self, message_type: str, payload: bytes, **rest: Any) -> bool:
        """As the port."""
        self._mine.pass_point(f"before publishing {message_type}")
        publishing = asyncio.ensure_future(self._inner.publish(message_type, payload, **rest))
        try:
            # One turn of the loop: paho has written the packet to the socket, the answer is not read yet.
            await asyncio.sleep(0)
            self._mine.pass_point(f"before PUBACK of {message_type}")
            is_unheard: bool = await publishing
        finally:
            publishing.cancel()
        self._mine.pass_point(f"after PUBACK of {message_type}")
        return is_unheard


class MinedAgent(Agent):
    """The agent; every effect is a point before and behind it."""

    mine: Mine

    @override
    async def _perform(self, effect: Effect) -> None:
        name = _effect_name(effect)
        self.mine.pass_point(f"before {name}")
        await super()._perform(effect)
        self.mine.pass_point(f"after {name}")


def plant(mine: Mine) -> None:
    """Let every agent that this process builds have the mine in it."""
    build = assembly.build_world

    def build_mined(*args: Any, **named: Any) -> World:
        world = build(*args, **named)
        layers: dict[str, Any] = {
            "state": MinedState(world.state, mine),
            "link": MinedLink(world.link, mine),
            "buses": {name: MinedPort(port, mine) for name, port in world.buses.items()},
        }
        return replace(world, **layers)

    MinedAgent.mine = mine
    setattr(assembly, "build_world", build_mined)  # noqa: B010 - the one place where the layer is put around
    setattr(agent_module, "Agent", MinedAgent)  # noqa: B010 - as above


def _commit_name(
    puts: Mapping[str, bytes | None], append: tuple[object, ...], acknowledged: int | None
) -> str:
    return commit_name(
        ((key, value is not None) for key, value in puts.items()),
        appends=bool(append),
        acknowledges=acknowledged is not None,
    )


def _effect_name(effect: Effect) -> str:
    match effect:
        case Persist():
            return f"Persist {_commit_name(effect.puts, effect.append, effect.acknowledged)}"
        case SendMessage():
            return f"SendMessage {topic_type(type(effect.message))}"
        case _:
            return type(effect).__name__


if __name__ == "__main__":
    plant(Mine(point=sys.argv[1], number=int(sys.argv[2])))
    sys.exit(main(sys.argv[3:]))
