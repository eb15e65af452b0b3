"""One section ``[can.bus.NAME]`` of tcu.toml: which interface, and by which adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from can.interfaces import VALID_INTERFACES

from tcu_agent.config.table import Table

CanAdapter = Literal["native", "python-can"]
_SOCKETCAN = "socketcan"
_SLOWEST, _FASTEST = 10_000, 1_000_000
"""bit/s. ISO 11898-2 has 1 Mbit/s at most; 10 kbit/s is the slowest of the serial line protocol."""
_SLCAN_BITRATES = (
    10_000, 20_000, 50_000, 83_300, 100_000, 125_000, 250_000, 500_000, 750_000, 1_000_000,
)  # fmt: skip
"""bit/s. Source: the commands S0 to S9 of the serial line protocol, as python-can's `slcanBus` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusConfig:
    """One CAN bus, and how to open it. `bitrate`: bit/s, None = as the interface is set up."""

    name: str
    """As the mapping calls it."""
    interface: str
    channel: str
    bitrate: int | None = None
    fd: bool = False
    bit_rate_switch: bool = True
    """Whether FD frames are sent with the faster bit rate in their data phase."""
    adapter: CanAdapter = "python-can"
    """`native`: the kernel's own sockets; for the interface socketcan only, and what it gets by default."""
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Passed on to python-can as they are."""


def read_bus(name: str, table: Table) -> BusConfig:
    """Read the section of bus `name`; what is wrong is noted in the table's findings."""
    interface = table.text("interface", choices=VALID_INTERFACES)
    usual = "native" if interface == _SOCKETCAN else "python-can"
    adapter = table.text("adapter", usual, choices=("native", "python-can"))
    bus = BusConfig(
        name=name,
        interface=interface,
        channel=table.text("channel"),
        bitrate=table.optional_integer("bitrate", low=_SLOWEST, high=_FASTEST),
        fd=table.flag("fd", default=False),
        bit_rate_switch=table.flag("bit_rate_switch", default=True),
        adapter=cast("CanAdapter", adapter),
        options=table.table("options").scalars(),
    )
    _check_adapter(bus, table)
    _check_bitrate(bus, table)
    table.finish()
    return bus


def _check_adapter(bus: BusConfig, table: Table) -> None:
    if bus.adapter == "native" and bus.interface != _SOCKETCAN:
        hint = f'"native" is for interface = "{_SOCKETCAN}"; leave it out for {bus.interface!r}'
        table.problem("adapter", f"does not fit the interface {bus.interface!r}", hint)
    elif bus.adapter == "native" and bus.options:
        hint = 'they are python-can\'s: leave them out, or set adapter = "python-can"'
        table.problem("options", "are not taken by the native adapter", hint)


def _check_bitrate(bus: BusConfig, table: Table) -> None:
    if bus.interface != "slcan" or bus.bitrate is None:
        return
    if _SLOWEST <= bus.bitrate <= _FASTEST and bus.bitrate not in _SLCAN_BITRATES:
        choices = ", ".join(map(str, _SLCAN_BITRATES))
        table.problem("bitrate", f"{bus.bitrate} is none that slcan has", f"one of {choices}")
