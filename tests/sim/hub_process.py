"""Starts `tcu-sim bus` as the process it is, and opens python-can nodes on it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import can
from can.interfaces.slcan import slcanBus

NODES = ("tcu", "vehicle", "observer")


class HubProcess:
    """A running hub. Its lines are read when they are waited for."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tcu_sim.cli.main", "bus", "--interface", "slcan", "--json",
             "--dir", str(directory), "--nodes", *NODES, *options],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self.ready = self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        report: dict[str, Any] = json.loads(self.process.stdout.readline())
        return report

    def statistics(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGUSR1)
        return self.read()

    @contextmanager
    def node(self, name: str, **options: Any) -> Iterator[slcanBus]:
        """Opens a node; its version answered means that the hub has also seen its `O` before."""
        with slcanBus(self.ready["nodes"][name], sleep_after_open=0, **options) as bus:
            assert bus.get_version(10) == (10, 13)
            yield bus

    def end(self) -> dict[str, Any]:
        self.process.terminate()
        report = self.read()
        assert self.process.wait(10) == 0
        return report


@contextmanager
def hub_process(directory: Path, *options: str) -> Iterator[HubProcess]:
    hub = HubProcess(directory, *options)
    try:
        yield hub
    finally:
        if hub.process.poll() is None:
            hub.process.kill()
            hub.process.wait(10)
        if hub.process.stdout is not None:
            hub.process.stdout.close()


def receive(bus: can.BusABC, count: int, *, within_s: float = 20.0) -> list[can.Message]:
    """Exactly so many frames; None from the driver may also be an answer of the hub."""
    messages: list[can.Message] = []
    while len(messages) < count:
        message = bus.recv(within_s)
        assert message is not None, f"{len(messages)} of {count} frames came"
        messages.append(message)
    return messages
