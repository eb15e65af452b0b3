"""Would the kernel's Broadcast Manager be cheaper than a raw socket with filters? docs/adr/0013.

It compares the wanted bits of each frame itself and reports changes and silences only. Both listen on the same
interface to the same five seconds of a real drive, each in a process of its own, and do nothing with what they get.

`python -m benchmarks.broadcast_manager raw vcan0 large` measures one (needs SocketCAN) and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.bus_cost_socketcan import INTERFACE, in_guest
from benchmarks.drive import CASES, Case, case
from benchmarks.figures import Figure, compared
from benchmarks.listeners import Player
from tcu_agent.adapters.can.selection import Selection, select
from tcu_agent.adapters.can.socketcan.frames import pack
from tcu_agent.adapters.can.socketcan.reading import Reader
from tcu_agent.adapters.can.socketcan.sockets import open_sockets
from tcu_agent.adapters.can.socketcan.stamps import StampClock
from tcu_agent.ports import CanFrame

_HEAD = struct.Struct("@3I4l2I")
"""Operation, flags, count, two intervals (s, us), CAN id, number of frames. Source: Linux uapi/linux/can/bcm.h."""
_MESSAGE_BYTES = _HEAD.size + 16
_SECONDS = 5.0


def measure(rounds: int) -> Iterator[Figure]:
    """Yield CPU microseconds for each frame of the bus, with the raw socket against the Broadcast Manager."""
    channel = os.environ.get(INTERFACE)
    if channel is None:
        yield from in_guest("broadcast_manager", rounds)
        return
    for name in CASES:
        found: dict[str, list[dict[str, float]]] = {"raw": [], "bcm": []}
        for _ in range(rounds):
            for way, results in found.items():
                results.append(_measured(way, channel, name))
        yield compared(
            f"raw socket with filters, {name} database: CPU a frame",
            ours=[one["cost_us"] for one in found["raw"]],
            others=[one["cost_us"] for one in found["bcm"]],
            unit="us",
            against="Broadcast Manager",
        )
        for way, results in found.items():
            events = results[-1]["events"]
            yield Figure(
                name=f"{way}, {name} database: reports in 5 s", value=events, unit="reports"
            )


def _measured(way: str, channel: str, name: str) -> dict[str, float]:
    command = (sys.executable, "-m", "benchmarks.broadcast_manager", way, channel, name)
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 -- this very program
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _listen(way: str, channel: str, known: Case) -> dict[str, float]:
    player = Player(interface="socketcan", channel=channel, seconds=_SECONDS)
    loop = asyncio.get_running_loop()
    events = 0
    # The second socket, for signs of life, would stand beside either.
    selection = Selection(wanted=select(known.mapping, known.bus).wanted)
    sockets = open_sockets(channel, fd=False, selection=selection)
    if way == "raw":
        clock = StampClock(boottime=lambda: time.clock_gettime(time.CLOCK_BOOTTIME), wall=time.time)
        reader = Reader(sockets.main, clock)

        def take() -> None:
            nonlocal events
            events += len(reader.drain(512).frames)

        loop.add_reader(sockets.main.fileno(), take)
    else:
        manager = _manager(channel, known)

        def hear() -> None:
            nonlocal events
            try:
                while True:
                    manager.recv(_MESSAGE_BYTES)
                    events += 1
            except BlockingIOError:
                return

        loop.add_reader(manager.fileno(), hear)
    started = time.process_time()
    await asyncio.to_thread(player.run)
    cpu_s = time.process_time() - started
    return {"cost_us": cpu_s / len(player.frames) * 1e6, "events": events}


def _manager(channel: str, known: Case) -> socket.socket:
    """Return a Broadcast Manager's socket that reports changes of mapped bits, and silences."""
    manager = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.CAN_BCM)
    manager.connect((channel,))
    flags = socket.CAN_BCM_SETTIMER | socket.CAN_BCM_STARTTIMER
    for message in known.database.messages:
        mapped = [
            one for one in known.mapping.bus_signals(known.bus) if one.message == message.name
        ]
        if not mapped:
            continue
        signals = {signal.name: 0 for signal in message.signals}
        wanted = {one.signal for one in mapped}
        full = {
            signal.name: (1 << signal.length) - 1
            for signal in message.signals
            if signal.name in wanted and not signal.is_signed
        }
        mask = message.encode({**signals, **full}, scaling=False, strict=False, padding=False)
        number = message.frame_id | (socket.CAN_EFF_FLAG if message.is_extended_frame else 0)
        timeout_s = min(one.timeout_s or 1.0 for one in mapped)
        interval = (int(timeout_s), int(timeout_s % 1 * 1e6))
        head = _HEAD.pack(socket.CAN_BCM_RX_SETUP, flags, 0, *interval, 0, 0, number, 1)
        frame = CanFrame(message.frame_id, mask, message.is_extended_frame)
        manager.send(head + pack(frame))
    return manager


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_listen(sys.argv[1], sys.argv[2], case(sys.argv[3])))))
