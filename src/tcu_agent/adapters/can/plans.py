"""Compiles the mapping of one bus into one plan for each CAN identifier: how to unpack it, what raw values mean.

Only mapped signals are unpacked, by cantools, from a message that holds these alone; a multiplexed message is unpacked
whole, since its selector decides what is in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from cantools.database.can import Message as DbcMessage
from cantools.database.can import Signal as DbcSignal

from tcu_agent.adapters.can.debounce import Debounce
from tcu_agent.adapters.can.e2e import E2eReceiver
from tcu_agent.adapters.mapping.mapping import BusMapping, SignalMapping, VehicleMapping
from tcu_agent.core.events import Value

Raw = int | float
Convert = Callable[[Raw], object]
Unpack = Callable[[bytes], Mapping[str, Any]]
FrameKey = tuple[int, bool]
"""Arbitration id, and whether it is a 29-bit one: 0x123 with 11 and with 29 bits are two messages."""


class Meaning:
    """Type of the two values of `convert` that are no VSS values."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


TRANSITIONAL = Meaning("TRANSITIONAL")
"""The frame says nothing about the signal: the last value holds, and gets older."""
UNMAPPED = Meaning("UNMAPPED")
"""The raw value is in no table: unknown, and counted."""
ANY_LENGTH = -1
"""Of a plan whose frames may have any length."""
LARGEST_NUMBER = 1 << 63
"""A number from there on, of either sign, is none that anybody measures, and more than a message to the centre has room
for: unmapped.
"""
_RESTART_AFTER_S = 1.0
"""E2E without a signal that has a timeout: silence after which any counter is a new start."""


class SignalState:
    """One mapped signal while the agent runs."""

    __slots__ = (
        "convert",
        "debounce",
        "last_good",
        "mapping",
        "name",
        "path",
        "spared_at",
        "timeout_s",
    )

    def __init__(self, mapping: SignalMapping, convert: Convert) -> None:
        self.mapping = mapping
        self.path = mapping.path
        self.name = mapping.signal
        self.timeout_s = mapping.timeout_s if mapping.timeout_s is not None else math.inf
        self.convert = convert
        self.debounce = Debounce(mapping.debounce_s)
        self.last_good = self.spared_at = -math.inf


class MessagePlan:
    """One CAN identifier while the agent runs. `quiet`: the same payload again can change nothing."""

    __slots__ = (
        "bad_cause",
        "bad_data",
        "e2e",
        "frames",
        "key",
        "last_data",
        "last_quiet",
        "length",
        "message",
        "quiet",
        "refreshed_at",
        "signals",
        "steady_paths",
        "unpack",
    )

    def __init__(
        self,
        message: DbcMessage,
        unpack: Unpack,
        signals: tuple[SignalState, ...],
        e2e: E2eReceiver | None,
    ) -> None:
        self.message = message.name
        self.key: FrameKey = (message.frame_id, message.is_extended_frame)
        # A container holds as many messages as its sender likes; and what nobody maps is only tried, as it comes.
        self.length = message.length if signals and not message.is_container else ANY_LENGTH
        self.unpack = unpack
        self.signals = signals
        self.e2e = e2e
        self.frames = 0
        self.last_data: bytes | None = None
        self.quiet = False
        self.last_quiet = -math.inf
        self.steady_paths: tuple[str, ...] = ()
        self.refreshed_at = -math.inf
        self.bad_data: bytes | None = None
        self.bad_cause = ""


def compile_plans(
    mapping: VehicleMapping, bus: BusMapping, *, audit: bool
) -> dict[FrameKey, MessagePlan]:
    """Return the plans of one bus. `audit`: also of messages without a mapped signal, to see whether they decode."""
    by_message: dict[str, list[SignalMapping]] = {}
    for signal in mapping.bus_signals(bus.name):
        by_message.setdefault(signal.message, []).append(signal)
    plans = [_compile(bus, bus.message(name), signals) for name, signals in by_message.items()]
    if audit:
        plans += [
            _compile(bus, message, [])
            for message in bus.database.messages
            if message.name not in by_message
        ]
    return {plan.key: plan for plan in reversed(plans)}


def _compile(bus: BusMapping, message: DbcMessage, mapped: list[SignalMapping]) -> MessagePlan:
    states = tuple(
        SignalState(one, _converter(one, message.get_signal_by_name(one.signal))) for one in mapped
    )
    protection = bus.e2e.get(message.name)
    timeouts = [one.timeout_s for one in mapped if one.timeout_s is not None]
    receiver = (
        E2eReceiver(
            protection,
            length=message.length,
            restart_after_s=max(timeouts, default=_RESTART_AFTER_S),
        )
        if protection and mapped
        else None
    )
    return MessagePlan(message, _unpacker(message, mapped), states, receiver)


def _unpacker(message: DbcMessage, mapped: Iterable[SignalMapping]) -> Unpack:
    wanted = {one.signal for one in mapped} | {one.echo for one in mapped if one.echo}
    source = message
    if wanted and not message.is_multiplexed() and not message.is_container:
        source = DbcMessage(
            frame_id=message.frame_id,
            is_extended_frame=message.is_extended_frame,
            name=message.name,
            length=message.length,
            signals=[signal for signal in message.signals if signal.name in wanted],
            strict=False,
        )
    return partial(source.decode_simple, decode_choices=False, scaling=False)


def _converter(mapping: SignalMapping, signal: DbcSignal) -> Convert:
    table: dict[Raw, object] = dict((mapping.values or {}).items())
    table |= dict.fromkeys(mapping.transitional, TRANSITIONAL)
    table |= dict.fromkeys(mapping.invalid, None)
    if mapping.values is not None:
        return partial(_from_table, table)
    scale = _scaler(float(signal.scale), float(signal.offset), is_whole=not signal.is_float)
    return partial(_from_number, table, scale, mapping.factor, mapping.offset)


def _from_table(table: Mapping[Raw, object], raw: Raw) -> object:
    return table.get(raw, UNMAPPED)


def _from_number(
    table: Mapping[Raw, object], scale: Callable[[Raw], Raw], factor: float, offset: float, raw: Raw
) -> object:
    if raw in table:
        return table[raw]
    if not math.isfinite(raw):
        return UNMAPPED
    value = scale(raw)
    if factor != 1.0 or offset != 0.0:
        value = value * factor + offset
    return value if -LARGEST_NUMBER < value < LARGEST_NUMBER else UNMAPPED  # nor is a NaN between


def _scaler(scale: float, offset: float, *, is_whole: bool) -> Callable[[Raw], Raw]:
    if scale == 1.0 and offset.is_integer() and is_whole:
        return lambda raw: raw + int(offset)
    inverse = round(1 / scale) if scale and math.isfinite(1 / scale) else 0
    if inverse > 1 and math.isclose(inverse * scale, 1.0, rel_tol=1e-12):
        # Division gives the nearest number to the decimal that the DBC means: 577088700 / 10**7, not * 1e-07.
        return lambda raw: raw / inverse + offset
    return lambda raw: raw * scale + offset


def value_of(converted: object) -> Value:
    """Return what a converted raw value says about the signal: an unmapped one is unknown."""
    return None if isinstance(converted, Meaning) else converted  # type: ignore[return-value]  # tables hold Values
