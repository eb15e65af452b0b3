"""Reads the ``[[signal]]`` tables and ``[response]`` of a mapping: VSS paths and where their values come from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cantools.database.can import Message as DbcMessage
from cantools.database.can import Signal as DbcSignal

from tcu_agent.adapters.mapping.dbc_names import find_message, find_signal, raw_values
from tcu_agent.adapters.mapping.mapping import BusMapping, SignalMapping
from tcu_agent.adapters.mapping.meanings import check_choices, check_value
from tcu_agent.adapters.mapping.toml_table import Table, near_miss
from tcu_agent.adapters.mapping.whole_numbers import check_scale, check_whole
from tcu_agent.core.events import Value

_PATH = re.compile(r"Vehicle(\.[A-Z][A-Za-z0-9]*)+")
_HOUR_MS = 3_600_000
_CYCLES_UNTIL_STALE = 5
"""Without `timeout_ms`: a signal is stale after five of its DBC cycle times; one lost frame is no reason."""
_SHORTEST_DEFAULT_TIMEOUT_MS = 200


def read_signals(
    root: Table, buses: Mapping[str, BusMapping | None]
) -> tuple[tuple[SignalMapping, ...], tuple[str, ...]]:
    """Read all signals, and remarks on them for the start of the agent. None: a bus that could not be read."""
    read: list[SignalMapping] = []
    remarks: list[str] = []
    seen: set[str] = set()
    tables = [*root.array("signal"), *filter(None, [root.table("response")])]
    for table in tables:
        signal = _read_signal(table, buses, remarks, is_response=table.path == ("response",))
        if signal.path in seen:
            table.problem("path", f"path {signal.path!r} is mapped twice")
        seen.add(signal.path)
        read.append(signal)
    if not read and "signal" not in root:
        root.problem("signal", "no signal is mapped", "write at least one [[signal]] table")
    return tuple(read), tuple(remarks)


def bus_of(table: Table, buses: Mapping[str, BusMapping | None]) -> BusMapping | None:
    """Return the bus that a table names; it may leave it out where there is one only."""
    named = table.take("bus")
    readable = [bus for bus in buses.values() if bus is not None]
    if named is None and (len(buses) == 1 or len(readable) < len(buses)):
        # One that could not be read may be a slip in the name of another, which is said already.
        return readable[0] if len(readable) == 1 else None
    if isinstance(named, str) and named in buses:
        return buses[named]
    if named is not None:
        table.problem("bus", f"bus {named!r} is not defined", near_miss(str(named), buses))
    elif buses:
        table.problem("bus", "key 'bus' is missing", f"there are several: {', '.join(buses)}")
    return None


def _read_signal(
    table: Table, buses: Mapping[str, BusMapping | None], remarks: list[str], *, is_response: bool
) -> SignalMapping:
    bus = bus_of(table, buses)
    path, message_name, signal_name = (
        table.text("path"),
        table.text("message"),
        table.text("signal"),
    )
    if path and not _PATH.fullmatch(path):
        table.problem(
            "path", f"{path!r} is no VSS path", "such as Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
        )
    message = find_message(bus.database, table, "message", message_name) if bus else None
    if message and message.is_container:
        table.problem("message", f"message {message_name!r} is a container, which is not supported")
    signal = find_signal(message, table, "signal", signal_name)
    check_scale(signal, table, "signal")
    read = SignalMapping(
        path=path,
        bus=bus.name if bus else "",
        message=message_name,
        signal=signal_name,
        values=_values(table, path, signal),
        invalid=_raws(table, "invalid", signal),
        transitional=_raws(table, "transitional", signal),
        factor=table.number("factor", default=1.0),
        offset=table.number("offset", default=0.0),
        timeout_s=_timeout_s(table, message),
        debounce_s=table.integer("debounce_ms", 0, 60_000, default=0) / 1000,
        echo=_echo(table, message) if is_response else None,
        before=_value(table, "before", path) if is_response else None,
    )
    _check_meanings(table, read, signal)
    table.close()
    _remark(read, signal, remarks)
    return read


def _values(table: Table, path: str, signal: DbcSignal | None) -> dict[int, Value] | None:
    below = table.table("values")
    if below is None:
        if "values" not in table:
            check_choices(table, path, None)
        return None
    for key in ("factor", "offset"):
        if key in table:
            table.problem(key, f"'{key}' has no effect beside 'values'")
    found: dict[int, Value] = {}
    unresolved: list[Value] = []
    for choice in below:
        value = _value(below, choice, path)
        raws = raw_values(signal, below, choice, choice)
        found |= dict.fromkeys(raws, value)
        if (
            not raws
        ):  # the signal or the choice is wrong, which is said; what it was to mean is there
            unresolved.append(value)
    check_choices(table, path, [*found.values(), *unresolved])
    return found


def _value(table: Table, key: str, path: str) -> Value:
    value = table.take(key)
    if isinstance(value, bool | int | float | str):
        check_value(table, key, path, value)
        return value
    table.problem(
        key,
        "must be true, false, a number or a text",
        "list raw values that mean 'unknown' in `invalid`",
    )
    return None


def _raws(table: Table, key: str, signal: DbcSignal | None) -> frozenset[int]:
    return frozenset(
        raw for choice in table.items(key) for raw in raw_values(signal, table, key, choice)
    )


def _check_meanings(table: Table, read: SignalMapping, signal: DbcSignal | None) -> None:
    """Refuse a raw value that is said to mean two things."""
    kinds = {
        "values": frozenset(read.values or ()),
        "invalid": read.invalid,
        "transitional": read.transitional,
    }
    for key, other in (
        ("invalid", "values"),
        ("transitional", "values"),
        ("transitional", "invalid"),
    ):
        if twice := kinds[key] & kinds[other]:
            shown = ", ".join(_called(raw, signal) for raw in sorted(twice))
            table.problem(key, f"{shown} stands in '{other}' too", "each raw value means one thing")


def _called(raw: int, signal: DbcSignal | None) -> str:
    if signal is None or not signal.choices:
        return str(raw)
    return str(signal.choices.get(raw, raw))


def _timeout_s(table: Table, message: DbcMessage | None) -> float | None:
    if "timeout_ms" in table:
        return table.integer("timeout_ms", 0, _HOUR_MS) / 1000 or None
    table.take("timeout_ms")
    if message is None:
        return None
    if not message.cycle_time:
        table.problem(
            "timeout_ms",
            f"key 'timeout_ms' is missing, and the DBC gives message {message.name!r} no cycle time",
            "0 = sent on change only, never stale",
        )
        return None
    return max(message.cycle_time * _CYCLES_UNTIL_STALE, _SHORTEST_DEFAULT_TIMEOUT_MS) / 1000


def _echo(table: Table, message: DbcMessage | None) -> str:
    name = table.text("echo")
    signal = find_signal(message, table, "echo", name)
    check_whole(signal, table, "echo", what="the number of a command")
    return name


def _remark(read: SignalMapping, signal: DbcSignal | None, remarks: list[str]) -> None:
    if read.timeout_s is None and signal is not None:
        remarks.append(
            f"{read.path} never gets stale (timeout_ms = 0): a dead sender is not noticed"
        )
    named = set(signal.choices or {}) - read.invalid - read.transitional if signal else set()
    if read.values is None and named and signal:
        shown = ", ".join(
            f"{raw} ({name})" for raw, name in (signal.choices or {}).items() if raw in named
        )
        remarks.append(
            f"{read.path} is a number, but the DBC names {shown}: list in `invalid` what means 'unknown'"
        )
