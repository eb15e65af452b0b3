"""Which identifiers of a bus the agent listens to: a port need not hand on the others one by one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.mapping.mapping import VehicleMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to listen to. `wanted` None = everything. `own`: what we send, which is no sign of others' life."""

    wanted: frozenset[FrameKey] | None = None
    own: frozenset[FrameKey] = frozenset()


def select(mapping: VehicleMapping, bus: str) -> Selection:
    """Return what the agent listens to: mapped messages, what it sends itself, and the words of SecOC receivers."""
    own = mapping.transmitted(bus)
    names = {signal.message for signal in mapping.bus_signals(bus)} | own
    secoc = mapping.buses[bus].secoc.values()
    names |= {each.resync_message for each in secoc if each.resync_message}
    return Selection(wanted=_keys(mapping, bus, names), own=_keys(mapping, bus, own))


def _keys(mapping: VehicleMapping, bus: str, names: Collection[str]) -> frozenset[FrameKey]:
    messages = (mapping.buses[bus].message(name) for name in names)
    return frozenset((one.frame_id, one.is_extended_frame) for one in messages)
