"""The board as the doctor sees it: where the kernel says what it knows, and who asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcu_agent.config import BusConfig
from tcu_agent.doctor.access import DEVICES, examine_device
from tcu_agent.doctor.findings import Finding
from tcu_agent.doctor.interface import (
    NET_CLASS,
    RMEM_MAX,
    Describe,
    describe_link,
    examine_interface,
    examine_receive_buffer,
)

_KERNELS = "socketcan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Where to look. `describe`: asks iproute2 about an interface; `user`: the effective user id of who asks."""

    net_class: Path = NET_CLASS
    rmem_max: Path = RMEM_MAX
    devices: Path = DEVICES
    describe: Describe = describe_link
    user: Callable[[], int] = os.geteuid

    def examine_way_in(self, bus: BusConfig, *, subject: str) -> Iterator[Finding]:
        """Yield what is to say about the interface or the adapter of a bus, before anybody listens to it."""
        if bus.interface == _KERNELS:
            yield from examine_interface(bus, describe=self.describe, net_class=self.net_class)
            yield from examine_receive_buffer(subject, self.rmem_max)
        else:
            yield from examine_device(bus, devices=self.devices)

    def link_of(self, bus: BusConfig) -> Mapping[str, Any] | None:
        """Return iproute2's description of a bus of the kernel's, or None."""
        return self.describe(bus.channel) if bus.interface == _KERNELS else None
