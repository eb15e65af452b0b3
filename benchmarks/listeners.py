"""The ways to listen to a bus that are compared, each as one would write it, and what each frame costs them.

`python -m benchmarks.listeners --way ours --interface virtual --channel x --case small --seconds 5` plays so much of
the recording on that bus at its own pace and prints one JSON object: frames sent and noticed, CPU seconds of listening.
Whoever is slow may finish what has arrived. `--room`: on SocketCAN all get a receive buffer as large as ours.
On `virtual` the player is a thread of this process, whose CPU time is taken off; on SocketCAN it is another process.
`--tally` adds what the event loop asked of the kernel (`benchmarks.tally`); it makes the CPU time dearer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import can
from can.interfaces.socketcan import SocketcanBus
from cantools.database.errors import DecodeError

from benchmarks.drive import CASES, Case, case, frames, play
from benchmarks.tally import Tally
from tcu_agent.adapters.can.bus import CanInterface, PythonCanBus
from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.can.selection import select
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.can.socketcan.bus import SocketCanBus
from tcu_agent.adapters.can.socketcan.sockets import RECEIVE_BUFFER_BYTES
from tcu_agent.adapters.clock import SystemClock
from tcu_agent.adapters.entropy import SystemEntropy
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.core.events import CoreEvent
from tcu_agent.ports import CanFrame, CanPort
from tcu_agent.runtime.can_bus import CanBus
from tcu_agent.runtime.surroundings import Surroundings

_SETTLE_S = 0.3
"""Behind the last frame, for what is still in a queue; again, as long as frames are noticed."""
_SO_RCVBUFFORCE = 33


class CountingPort(CanPort, Protocol):
    """A port that says what it has counted."""

    def counters(self) -> BusCounters:
        """Return what was counted so far."""


class Player:
    """Plays the recording on a bus from elsewhere. `cpu_s`: what it took of this process."""

    def __init__(
        self, *, interface: str, channel: str, seconds: float, tally: Tally | None = None
    ) -> None:
        """Prepare everything, so that `run` does nothing but play. `tally`: counts meanwhile."""
        self.frames = frames(seconds)
        self.tally = tally
        self.cpu_s = 0.0
        self._channel = channel
        self._messages = {id(frame): _message(frame) for frame in self.frames}
        self._process: subprocess.Popen[str] | None = None
        if interface != "virtual":
            command = (sys.executable, "-m", "benchmarks.player", channel, str(seconds))
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 -- this very program
            if self._answer() != "ready":
                raise SystemExit("the player did not start")

    def run(self) -> None:
        """Play to the end."""
        if self._process is None:
            self._play_here()
        else:
            self._tell("play")
            if self._answer() != "done":
                raise SystemExit("the player did not play to the end")

    def _play_here(self) -> None:
        messages = self._messages
        with can.Bus(interface="virtual", channel=self._channel) as bus:
            started = time.thread_time()
            play(self.frames, lambda frame: bus.send(messages[id(frame)]))
            self.cpu_s = time.thread_time() - started

    def _tell(self, word: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            print(word, file=self._process.stdin, flush=True)

    def _answer(self) -> str:
        if self._process is None or self._process.stdout is None:
            return ""
        return self._process.stdout.readline().strip()


class Count:
    """How many frames a way has noticed."""

    def __init__(self) -> None:
        self.noticed = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen. `has_room`: python-can's socket gets as much room as ours asks for."""

    interface: str
    channel: str
    has_room: bool

    def opened(self) -> can.BusABC:
        """Open it with python-can; on `virtual` there is no socket, and no end of room."""
        bus = can.Bus(interface=self.interface, channel=self.channel)
        if self.has_room and isinstance(bus, SocketcanBus):
            bus.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        return bus


class Sink:
    """Where the agent's events would go."""

    def __init__(self) -> None:
        self.events = 0

    async def put(self, event: CoreEvent) -> None:
        """Count one."""
        self.events += isinstance(event, object)


async def ours(player: Player, known: Case, place: Place) -> tuple[int, float]:
    """The agent's own: port, decoder, and what joins them."""
    interface, channel = place.interface, place.channel
    port: CountingPort
    selection = select(known.mapping, known.bus)
    if interface == "socketcan":
        port = SocketCanBus(name=known.bus, channel=channel, selection=selection)
    else:
        options = CanInterface(interface=interface, channel=channel)
        port = PythonCanBus(name=known.bus, interface=options, selection=selection)
    clock = SystemClock(floor_s=0.0)
    decoder = SignalDecoder(known.mapping, known.bus, started_at=clock.boottime())
    around = Surroundings(clock=clock, entropy=SystemEntropy())
    bus = CanBus(port=port, decoder=decoder, sink=Sink(), around=around)
    running = asyncio.create_task(bus.run())
    await bus.opened.wait()
    cpu_s = await _cost(player, lambda: port.counters().received)
    running.cancel()
    await asyncio.wait([running])
    lost = lost_of(player.frames, known.mapping, known.bus, taken=decoder.counters().mapped_frames)
    return len(player.frames) - lost, cpu_s


def lost_of(sent: Iterable[CanFrame], mapping: VehicleMapping, bus: str, *, taken: int) -> int:
    """Return how many frames were sent and not taken, of messages with a mapped signal.

    What nobody wants, the kernel (on `virtual`, the port) leaves out but for a sign of life now and then, so only what
    is wanted can be lost, and only that must count as taken.
    """
    messages = {signal.message for signal in mapping.bus_signals(bus)}
    known = (mapping.buses[bus].message(name) for name in messages)
    wanted = {(one.frame_id, one.is_extended_frame) for one in known}
    due = sum((one.arbitration_id, one.is_extended_id) in wanted for one in sent)
    return max(0, due - taken)


async def notifier(player: Player, known: Case, place: Place) -> tuple[int, float]:
    """The usual way in asyncio: python-can's Notifier on the loop, cantools for each frame."""
    count = Count()
    decode = known.database.decode_message

    def take(message: can.Message) -> None:
        count.noticed += 1
        with contextlib.suppress(KeyError, DecodeError):
            decode(message.arbitration_id, bytes(message.data))

    with place.opened() as bus:
        listening = can.Notifier(bus, [take], loop=asyncio.get_running_loop())
        cpu_s = await _cost(player, lambda: count.noticed)
        await asyncio.to_thread(listening.stop)
    return count.noticed, cpu_s


async def blocking(player: Player, known: Case, place: Place) -> tuple[int, float]:
    """The plainest way: a thread that does nothing else."""
    count = Count()
    ended = threading.Event()
    decode = known.database.decode_message
    with place.opened() as bus:

        def listen() -> None:
            while not ended.is_set():
                message = bus.recv(0.1)
                if message is not None:
                    count.noticed += 1
                    with contextlib.suppress(KeyError, DecodeError):
                        decode(message.arbitration_id, bytes(message.data))

        thread = threading.Thread(target=listen)
        thread.start()
        cpu_s = await _cost(player, lambda: count.noticed)
        ended.set()
        await asyncio.to_thread(thread.join)
    return count.noticed, cpu_s


WAYS = {"ours": ours, "notifier": notifier, "blocking": blocking}


async def _cost(player: Player, noticed: Callable[[], int]) -> float:
    """Return the CPU time of this process while the player plays and what has arrived is taken, without its own."""
    started = time.process_time()
    with player.tally.counting() if player.tally else contextlib.nullcontext():
        await asyncio.to_thread(player.run)
        before = -1
        while before != (before := noticed()):
            await asyncio.to_thread(threading.Event().wait, _SETTLE_S)
    return time.process_time() - started - player.cpu_s


def _message(frame: CanFrame) -> can.Message:
    return can.Message(
        arbitration_id=frame.arbitration_id,
        data=frame.data,
        is_extended_id=frame.is_extended_id,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=WAYS, required=True)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--room", action="store_true")
    parser.add_argument("--tally", action="store_true")
    given = parser.parse_args(arguments)
    tally = Tally() if given.tally else None
    player = Player(
        interface=given.interface, channel=given.channel, seconds=given.seconds, tally=tally
    )
    place = Place(interface=given.interface, channel=given.channel, has_room=given.room)
    way = WAYS[given.way](player, case(given.case), place)
    with asyncio.Runner(loop_factory=tally.loop if tally else None) as runner:
        noticed, cpu_s = runner.run(way)
    told = {"sent": len(player.frames), "noticed": noticed, "cpu_s": cpu_s}
    print(json.dumps(told | (tally.told() if tally else {})))


if __name__ == "__main__":
    main()
