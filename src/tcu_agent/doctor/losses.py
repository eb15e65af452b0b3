"""What got lost, or went wrong on the wire, by the kernel's and the port's own counts; before listening and after.

The kernel counts since its driver made the interface: what is old says that something has been wrong, what grows while
somebody listens says that it still is. Source: Linux, struct can_device_stats (linux/can/netlink.h), struct
rtnl_link_stats64 (linux/if_link.h).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.doctor.findings import Finding, note, ok, warning


@dataclass(frozen=True, slots=True)
class _Count:
    """One of the kernel's: where iproute2 has it, in words, and what to do."""

    path: tuple[str, ...]
    words: str
    advice: str


_COUNTS = (
    _Count(
        ("linkinfo", "info_xstats", "bus_off"),
        "times bus-off",
        "bit rate, termination, or a transceiver that does not hear itself; restart-ms brings it back each time",
    ),
    _Count(
        ("linkinfo", "info_xstats", "error_passive"),
        "times error-passive",
        "wrong bit rate, bad termination, or nobody else awake to acknowledge",
    ),
    _Count(
        ("linkinfo", "info_xstats", "bus_error"),
        "bus errors",
        "cabling, termination, or a node with another bit rate or sample point",
    ),
    _Count(
        ("stats64", "rx", "over_errors"),
        "overruns of the controller, each of which lost frames before the kernel saw them",
        "its interrupts come too late: real-time priority for its interrupt or SPI thread, a faster SPI clock, "
        "hardware filters",
    ),
    _Count(
        ("stats64", "rx", "dropped"),
        "frames dropped between driver and programs",
        "the board is too slow for this bus: sysctl net.core.netdev_max_backlog, fewer programs, a faster processor",
    ),
    _Count(
        ("stats64", "tx", "dropped"),
        "frames of ours dropped by the driver",
        "they waited while the controller was bus-off or the link went down",
    ),
)


def examine_losses(
    subject: str,
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    port: BusCounters | None,
) -> Iterator[Finding]:
    """Yield what was lost. `before`, `after`: iproute2's description of the link; `port`: what our own port counted."""
    wrong = [*_ours(subject, port)]
    if after is not None:
        wrong += _kernels(subject, after if before is None else before, after)
    if after is not None and not wrong:
        wrong.append(ok(subject, "nothing lost, neither by controller nor kernel nor by us"))
    yield from wrong


def _kernels(
    subject: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Finding]:
    for each in _COUNTS:
        total = _value(after, each.path)
        grown = total - _value(before, each.path)
        if grown > 0:
            told = f"{total} {each.words}, {grown} of them while listening"
            yield warning(subject, told, each.advice)
        elif total:
            yield note(subject, f"{total} {each.words}, none of them while listening", each.advice)


def _ours(subject: str, port: BusCounters | None) -> Iterator[Finding]:
    if port is None:
        return
    if port.dropped:
        advice = "another program takes the processor, or the receive buffer is small (net.core.rmem_max)"
        yield warning(
            subject, f"{port.dropped} frames lost because we were too slow to read them", advice
        )
    if port.malformed:
        advice = "the kernel or the adapter's driver hands over what is no CAN frame: dmesg, and its firmware"
        yield warning(subject, f"{port.malformed} frames could not be read at all", advice)


def _value(link: Mapping[str, Any], path: tuple[str, ...]) -> int:
    at: Any = link
    for key in path:
        at = at.get(key) if isinstance(at, Mapping) else None
    return at if isinstance(at, int) else 0
