"""One bus with two ends, the agent's and the far one, of virtual interfaces or of controllers, and what breaks it.

The environment says which (`scripts/socketcan` and `scripts/hil` set it): TCU_CAN_BENCH is `vcan` or `kvaser`,
TCU_CAN_RESULTS the folder for traces.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

KIND: Final = "TCU_CAN_BENCH"
RESULTS: Final = "TCU_CAN_RESULTS"
DRIVER: Final = Path("/sys/bus/pci/drivers/kvaser_pci")
BIT_RATE: Final = 500_000
RESTART_MS: Final = 100
ERROR_FLAG: Final = 0x2000_0000
"""CAN_ERR_FLAG. Source: Linux include/uapi/linux/can.h."""
INTERFACES: Final = Path("/sys/class/net")


class Bench(Protocol):
    """`patience`: how much slower than usual everything is here; `gap_ms`: between the frames of a babbling node."""

    agent: str
    far: str
    results: Path
    patience: float
    gap_ms: float

    def set_up(self) -> None:
        """Make the interfaces and bring them up."""

    def tear_down(self) -> None:
        """Leave no interface behind that was made here."""

    def pull(self) -> None:
        """Take the agent's interface away, as when a USB adapter is pulled."""

    def plug(self) -> None:
        """Have it again, up."""


class VirtualBench:
    """vcan0 and vcan1, joined by the kernel's CAN gateway, so that one end can fail and the other does not."""

    agent, far = "vcan0", "vcan1"
    patience = 3.0
    gap_ms = 2.0

    def __init__(self, results: Path) -> None:
        self.results = results

    def set_up(self) -> None:
        for interface in (self.agent, self.far):
            _add_vcan(interface)
        self.join()

    def tear_down(self) -> None:
        for interface in (self.agent, self.far):
            run("ip", "link", "delete", interface)

    def pull(self) -> None:
        run("ip", "link", "delete", self.agent)

    def plug(self) -> None:
        self.cut()
        _add_vcan(self.agent)
        self.join()

    def cut(self) -> None:
        """Break the wire between the ends; both stay up."""
        run("cangw", "-F")

    def join(self) -> None:
        """Mend it."""
        self.join_one_way(self.agent, self.far)
        self.join_one_way(self.far, self.agent)

    def join_one_way(self, source: str, to: str) -> None:
        """Pass on what `source` hears, and not the other way."""
        run("cangw", "-A", "-s", source, "-d", to, "-e")


class ControllerBench:
    """can0 and can1: two controllers on one bus, behind the kernel's driver for Kvaser PCI cards."""

    agent, far = "can0", "can1"
    patience = 15.0
    gap_ms = 50.0

    def __init__(self, results: Path) -> None:
        self.results = results

    def set_up(self) -> None:
        self._address = (INTERFACES / self.agent / "device").resolve().name
        for interface in (self.agent, self.far):
            self.bring_up(interface)

    def tear_down(self) -> None:
        for interface in (self.agent, self.far):
            run("ip", "link", "set", interface, "down")

    def bring_up(self, interface: str) -> None:
        """Set the bit timing and bring it up."""
        timing = ("bitrate", str(BIT_RATE), "restart-ms", str(RESTART_MS))
        run("ip", "link", "set", interface, "type", "can", *timing)
        run("ip", "link", "set", interface, "up")

    def pull(self) -> None:
        (DRIVER / "unbind").write_text(self._address)

    def plug(self) -> None:
        (DRIVER / "bind").write_text(self._address)
        self.bring_up(self.agent)


def is_on_a_bench() -> bool:
    """Whether this run was started on one."""
    return KIND in os.environ


def bench_of_this_run() -> Bench:
    """Return the bench that the environment names."""
    results = Path(os.environ[RESULTS])
    kinds: dict[str, Callable[[Path], Bench]] = {"vcan": VirtualBench, "kvaser": ControllerBench}
    return kinds[os.environ[KIND]](results)


def take_down(interface: str) -> None:
    run("ip", "link", "set", interface, "down")


def bring_up(interface: str) -> None:
    run("ip", "link", "set", interface, "up")


def hold_back(interface: str, *, seconds: int) -> None:
    """Let the kernel hold back each frame before the driver gets it; 0 = not any more."""
    if seconds:
        delay = ("netem", "delay", f"{seconds}s")
        run("tc", "qdisc", "replace", "dev", interface, "root", *delay)
    else:
        run("tc", "qdisc", "del", "dev", interface, "root")


@contextmanager
def blocked(interface: str) -> Iterator[None]:
    """Let the kernel hold one frame back, and have no room for another: ENOBUFS, as of a driver's full queue."""
    run("tc", "qdisc", "replace", "dev", interface, "root", "netem", "delay", "100s", "limit", "1")
    try:
        yield
    finally:
        run("tc", "qdisc", "del", "dev", interface, "root")


def report_error(interface: str, error_class: int) -> None:
    """Let a virtual interface report what a driver reports of its controller: an error frame."""
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as raw:
        raw.bind((interface,))
        raw.send(struct.pack("=IB3x8x", ERROR_FLAG | error_class, 8))


def counters(interface: str) -> dict[str, int]:
    """Return the kernel's counters of an interface's bus: re-started, bus-errors, error-warn, bus-off ..."""
    lines = run("ip", "-details", "-statistics", "link", "show", interface).splitlines()
    at = next(number for number, line in enumerate(lines) if "re-started" in line)
    names = lines[at].split()
    values = re.findall(r"\d+", lines[at + 1])[: len(names)]
    return dict(zip(names, map(int, values), strict=True))


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the kernel counted on an interface since it was made.

    `received`: from its driver; `dropped`: of those, thrown away before they reached any socket; `overruns` of the
    controller, which lost frames before its driver saw them.
    """

    received: int
    sent: int
    dropped: int
    overruns: int

    @property
    def delivered(self) -> int:
        """Frames that reached every socket that wanted them, if it had room."""
        return self.received - self.dropped

    def __sub__(self, before: Traffic) -> Traffic:
        """Return what came since."""
        return Traffic(
            self.received - before.received,
            self.sent - before.sent,
            self.dropped - before.dropped,
            self.overruns - before.overruns,
        )


def traffic(interface: str) -> Traffic:
    """Return the kernel's counters of an interface. Source: Linux, Documentation/networking/statistics.rst."""
    folder = INTERFACES / interface / "statistics"
    names = ("rx_packets", "tx_packets", "rx_dropped", "rx_over_errors")
    return Traffic(*(int((folder / name).read_text()) for name in names))


def run(*argv: str) -> str:
    """Return what a tool of root's says; it is no surprise to fail."""
    tool = shutil.which(argv[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert tool, f"{argv[0]} is missing (Debian: apt-get install iproute2 can-utils)"
    done = subprocess.run(
        [tool, *argv[1:]], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip()}"
    return done.stdout


def _add_vcan(interface: str) -> None:
    run("ip", "link", "add", "dev", interface, "type", "vcan")
    run("ip", "link", "set", interface, "up")
