"""The hub process: one router, one pty a node, until SIGTERM or SIGINT.

SIGUSR1 prints the statistics.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tcu_sim.bus.faults import LinkFaults
from tcu_sim.bus.frame import BitRate
from tcu_sim.bus.hub_language import HubCommands
from tcu_sim.bus.pty_link import PtyLink
from tcu_sim.bus.router import Router
from tcu_sim.bus.wire import Wire
from tcu_sim.control.socket_server import serve_commands
from tcu_sim.errors import BadInput

TRANSMIT_QUEUE_FRAMES: Final = 16
"""Frames of a node that may wait for a paced wire, as in a usual controller; then the node waits."""

_NODE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSettings:
    """How the hub is to be.

    `queue_frames` may wait for a slow reader, beside what the kernel itself buffers.
    """

    directory: Path
    nodes: tuple[str, ...]
    bit_rate: BitRate | None = None
    queue_frames: int = 4096
    seed: int = 0
    faults: Mapping[str, LinkFaults] = field(default_factory=dict)
    control: Path | None = None

    def __post_init__(self) -> None:
        if len(self.nodes) < 2 or len(set(self.nodes)) != len(self.nodes):
            raise BadInput("a bus has two nodes or more, each with a name of its own")
        for name in self.nodes:
            if not _NODE_NAME.fullmatch(name):
                raise BadInput(f"node name {name!r}: use up to 32 of a-z, 0-9 and -")
        if "@" in str(self.directory):
            raise BadInput(f"{self.directory}: python-can takes what follows @ for a baud rate")
        for name in self.faults:
            if name not in self.nodes:
                raise BadInput(
                    f"fault for {name!r}: no node has this name (nodes: {', '.join(self.nodes)})"
                )


class Hub:
    """All nodes and the router between them."""

    def __init__(self, settings: HubSettings) -> None:
        self.settings = settings
        wire = None
        if settings.bit_rate is not None:
            wire = Wire(bit_rate=settings.bit_rate, queue_frames=TRANSMIT_QUEUE_FRAMES)
        self.router = Router(rng=Random(settings.seed), wire=wire)
        self.links = {name: self._link(index, name) for index, name in enumerate(settings.nodes)}

    @property
    def channels(self) -> dict[str, str]:
        """python-can's channel of each node."""
        return {name: str(link.path) for name, link in self.links.items()}

    def open(self) -> None:
        """Make all terminals; needs a running loop.

        Raises:
            BadInput: a name cannot be made.
        """
        try:
            for link in self.links.values():
                link.open()
        except BadInput:
            self.close()
            raise

    def close(self) -> None:
        """Hang up on all nodes."""
        self.router.close()
        for link in self.links.values():
            link.close()

    def _link(self, index: int, name: str) -> PtyLink:
        link = PtyLink(
            name=name,
            index=index,
            path=self.settings.directory / name,
            queue_frames=self.settings.queue_frames,
            router=self.router,
        )
        self.router.attach(link)
        self.router.faults[name] = self.settings.faults.get(name, LinkFaults())
        return link


async def run_hub(settings: HubSettings, *, report: Callable[[dict[str, Any]], None]) -> None:
    """Serve until a signal ends it.

    `report` is given `ready`, then `statistics` on demand and at the end.

    Raises:
        BadInput: the folder, a node's name or the control socket cannot be used.
    """
    hub, stop, loop = Hub(settings), asyncio.Event(), asyncio.get_running_loop()

    def tell() -> None:
        report({"event": "statistics", **hub.router.statistics()})

    with _only_hub_in(settings.directory):
        hub.open()
        try:
            async with AsyncExitStack() as stack:
                if settings.control is not None:
                    await stack.enter_async_context(
                        serve_commands(settings.control, HubCommands(hub.router).obey)
                    )
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, stop.set)
                loop.add_signal_handler(signal.SIGUSR1, tell)
                report(_ready(hub))
                await stop.wait()
            tell()
        finally:
            hub.close()


def _ready(hub: Hub) -> dict[str, Any]:
    return {
        "event": "ready",
        "interface": "slcan",
        "channel": str(hub.settings.directory),
        "nodes": hub.channels,
    }


@contextmanager
def _only_hub_in(directory: Path) -> Iterator[None]:
    """Two hubs in one folder would take each other's names away."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".hub.lock").open("w")
    except OSError as error:
        raise BadInput(f"{directory}: cannot be used for the nodes: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(
                f"{directory}: another hub serves this folder; end it or use another"
            ) from error
        yield
