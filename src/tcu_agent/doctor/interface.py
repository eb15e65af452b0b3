"""A CAN interface of the kernel: is it there, is it one, is it up? What its controller says: `controller`, `losses`.

Source: Linux, ip-link(8) (`ip -details -statistics -json link show`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tcu_agent.adapters.can.socketcan.sockets import RECEIVE_BUFFER_BYTES
from tcu_agent.config import BusConfig
from tcu_agent.doctor.controller import VIRTUAL_KINDS, examine_controller, info_of, kind_of
from tcu_agent.doctor.findings import Finding, failure, note, ok, warning

ARPHRD_CAN = 280
"""Source: linux/if_arp.h."""
NET_CLASS = Path("/sys/class/net")
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
_IP_TIMEOUT_S = 5.0

Describe = Callable[[str], Mapping[str, Any] | None]


def describe_link(name: str) -> Mapping[str, Any] | None:
    """Return what iproute2 says of an interface, or None where there is no iproute2 that speaks JSON."""
    command = ["ip", "-details", "-statistics", "-json", "link", "show", "dev", name]
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the name is one in /sys/class/net
            command, capture_output=True, timeout=_IP_TIMEOUT_S, check=True, text=True
        )
        links = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return links[0] if links else None


def examine_interface(
    bus: BusConfig, *, describe: Describe = describe_link, net_class: Path = NET_CLASS
) -> Sequence[Finding]:
    """Return what is to say about the interface of a bus; nothing for what is not SocketCAN."""
    if bus.interface != "socketcan":
        return ()
    subject, name = f"can.{bus.name}", bus.channel
    folder = net_class / name
    if not folder.exists():
        return (_missing(subject, name, net_class),)
    if _text(folder / "type") != str(ARPHRD_CAN):
        advice = (
            f"name a CAN interface in [can.bus.{bus.name}] channel; there is: {_others(net_class)}"
        )
        return (failure(subject, f"{name} is no CAN interface", advice, ends=True),)
    link = describe(name)
    if link is None:
        advice = "install iproute2 (busybox's ip does not know CAN) to see bit rate, bus state and error counters"
        return (note(subject, f"{name} is there; more cannot be seen", advice),)
    return (_state(subject, bus, link), *examine_controller(subject, bus, link))


def examine_receive_buffer(subject: str, rmem_max: Path = RMEM_MAX) -> Sequence[Finding]:
    """Return whether an agent without CAP_NET_ADMIN gets a receive buffer that lasts."""
    text = _text(rmem_max)
    if text is None or not text.isdecimal():
        return ()
    if int(text) >= RECEIVE_BUFFER_BYTES:
        return (ok(subject, f"receive buffer: up to {int(text) // 1024} KiB for anybody"),)
    return (
        warning(
            subject,
            f"receive buffer: only {int(text) // 1024} KiB without CAP_NET_ADMIN, then frames are lost in silence",
            f"sysctl net.core.rmem_max={RECEIVE_BUFFER_BYTES} (deploy/sysctl.d), or give the service CAP_NET_ADMIN",
        ),
    )


def _missing(subject: str, name: str, net_class: Path) -> Finding:
    return failure(
        subject,
        f"there is no interface {name}",
        f"plug it in, load its driver (dmesg says why it is missing), or name another; there is: {_others(net_class)}",
        ends=True,
    )


def _others(net_class: Path) -> str:
    names = sorted(
        each.name for each in net_class.glob("*") if _text(each / "type") == str(ARPHRD_CAN)
    )
    return ", ".join(names) or "no CAN interface at all"


def _state(subject: str, bus: BusConfig, link: Mapping[str, Any]) -> Finding:
    name, info = bus.channel, info_of(link)
    if "UP" not in link.get("flags", ()):
        return failure(subject, f"{name} is down", _to_bring_up(bus, link), ends=True)
    state = info.get("state")
    if state == "BUS-OFF":
        return failure(
            subject,
            f"{name} is bus-off: the controller has cut itself off",
            "check bit rate and termination; set restart-ms so that it comes back by itself",
        )
    if state in {"ERROR-WARNING", "ERROR-PASSIVE"}:
        counters = info.get("berr_counter", {})
        errors = f"tx {counters.get('tx', '?')}, rx {counters.get('rx', '?')}"
        advice = "wrong bit rate, bad termination, or nobody else on the bus to acknowledge"
        tell = warning if state == "ERROR-WARNING" else failure
        return tell(subject, f"{name} is {str(state).lower()} ({errors})", advice)
    return ok(subject, f"{name} is up" + (f", {str(state).lower()}" if state else ""))


def _to_bring_up(bus: BusConfig, link: Mapping[str, Any]) -> str:
    """Return the command; what is virtual or on a serial line (slcan) takes no bit rate from ip."""
    if kind_of(link) != "can":
        size = " mtu 72" if bus.fd and kind_of(link) in VIRTUAL_KINDS else ""
        return f"ip link set {bus.channel}{size} up"
    fd = " dbitrate 2000000 fd on (dbitrate: the bus's own)" if bus.fd else ""
    return (
        f"ip link set {bus.channel} up type can bitrate {bus.bitrate or 500_000} restart-ms 100{fd}"
    )


def _text(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None
