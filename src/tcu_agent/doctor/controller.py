"""What a CAN controller is set to: bit rate, CAN FD, listening only, restart after bus-off.

Source: Linux, ip-link(8) ("CAN Support"); linux/can.h (CAN_MTU 16, CANFD_MTU 72), linux/can/netlink.h.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tcu_agent.config import BusConfig
from tcu_agent.doctor.findings import Finding, failure, note, ok, warning

VIRTUAL_KINDS = {"vcan", "vxcan"}
CAN_FD_MTU = 72
_LISTEN_ONLY = "LISTEN-ONLY"


def kind_of(link: Mapping[str, Any]) -> str | None:
    """Return what iproute2 calls the driver's kind: ``can`` for a controller, ``vcan``; None for slcan and others."""
    kind = link.get("linkinfo", {}).get("info_kind")
    return kind if isinstance(kind, str) else None


def info_of(link: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a controller's driver tells of it, or nothing."""
    data = link.get("linkinfo", {}).get("info_data", {})
    return data if isinstance(data, Mapping) else {}


def examine_controller(subject: str, bus: BusConfig, link: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is to say about the settings of an interface that is there."""
    yield from _frame_size(subject, bus, link)
    if kind_of(link) in VIRTUAL_KINDS:
        yield note(subject, f"{bus.channel} is virtual: no bit rate, no error counters")
        return
    info = info_of(link)
    yield from _bit_rate(subject, bus, info)
    if _LISTEN_ONLY in info.get("ctrlmode", ()):
        yield failure(
            subject,
            f"{bus.channel} only listens: it acknowledges nothing, and no unlock can be sent",
            _anew(bus, "listen-only off"),
        )
    if not info.get("restart_ms"):
        yield warning(
            subject,
            "no automatic restart: after bus-off the bus stays dead until somebody restarts it",
            f"ip link set {bus.channel} type can restart-ms 100 (while it is down)",
        )


def _frame_size(subject: str, bus: BusConfig, link: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield whether frames of this kind fit: a bus with FD frames needs an interface that takes them, both ways."""
    size = link.get("mtu")
    if not isinstance(size, int):
        return
    takes_fd = size >= CAN_FD_MTU
    if bus.fd and not takes_fd:
        advice = (
            f"ip link set {bus.channel} down; ip link set {bus.channel} mtu {CAN_FD_MTU}; ip link set {bus.channel} up"
            if kind_of(link) in VIRTUAL_KINDS
            else f"{_anew(bus, 'dbitrate 2000000 fd on')} (dbitrate: the bus's own; its controller must know CAN FD)"
        )
        yield failure(
            subject, f"fd = true, but {bus.channel} takes no FD frames (mtu {size})", advice
        )
    elif bus.fd:
        yield ok(subject, f"{bus.channel} takes FD frames (mtu {size})")
    elif takes_fd and kind_of(link) not in VIRTUAL_KINDS:
        yield note(
            subject,
            f"{bus.channel} takes FD frames (mtu {size}), the configuration does not read them",
            f"if the vehicle sends any: fd = true in [can.bus.{bus.name}]",
        )


def _bit_rate(subject: str, bus: BusConfig, info: Mapping[str, Any]) -> Iterator[Finding]:
    rate = info.get("bittiming", {}).get("bitrate")
    if rate is None:
        return
    if bus.bitrate is not None and rate != bus.bitrate:
        told = f"bit rate {rate}, but configured is {bus.bitrate}"
        yield failure(subject, told, _anew(bus, f"bitrate {bus.bitrate}"))
        return
    data_rate = info.get("data_bittiming", {}).get("bitrate")
    faster = f", FD data {data_rate} bit/s" if data_rate else ""
    yield ok(subject, f"bit rate {rate} bit/s{faster}")


def _anew(bus: BusConfig, settings: str) -> str:
    """Return the commands that change settings of a controller: only while it is down."""
    return f"ip link set {bus.channel} down; ip link set {bus.channel} up type can {settings}"
