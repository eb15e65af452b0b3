"""Reads the ``[command.NAME]`` tables of a mapping: which DBC message carries out which command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cantools.database.can import Message as DbcMessage
from cantools.database.can import Signal as DbcSignal

from tcu_agent.adapters.mapping.dbc_names import (
    find_message,
    find_signal,
    raw_range,
    raw_values,
)
from tcu_agent.adapters.mapping.mapping import BusMapping, CommandMapping, Placeholder
from tcu_agent.adapters.mapping.signals import bus_of
from tcu_agent.adapters.mapping.toml_table import Table, near_miss
from tcu_agent.adapters.mapping.whole_numbers import check_encodes, check_whole
from tcu_agent.core.effects import Lamp
from tcu_agent.protocol.vocabulary import CallState

COMMANDS = ("unlock", "lock", "status")
NAMES: Mapping[Placeholder, tuple[str, ...]] = {
    Placeholder.LAMP: tuple(lamp.name.lower() for lamp in Lamp),
    Placeholder.CALL_STATE: tuple(state.name.lower() for state in CallState),
}
"""What a value table must name, for each placeholder that has one."""
_ALLOWED = {
    "unlock": (Placeholder.COUNTER,),
    "lock": (Placeholder.COUNTER,),
    "status": (Placeholder.LAMP, Placeholder.CALL_STATE),
}


def read_commands(root: Table, buses: Mapping[str, BusMapping | None]) -> dict[str, CommandMapping]:
    """Read all commands. None: a bus that could not be read."""
    read = {}
    below = root.table("command")
    for name, table in root.tables("command"):
        if name in COMMANDS:
            read[name] = _read_command(name, table, buses)
        elif below:
            below.problem(
                name,
                f"command {name!r} is unknown",
                near_miss(name, COMMANDS) or f"known: {', '.join(COMMANDS)}",
            )
    return read


def _read_command(
    name: str, table: Table, buses: Mapping[str, BusMapping | None]
) -> CommandMapping:
    bus = bus_of(table, buses)
    message_name = table.text("message")
    message = find_message(bus.database, table, "message", message_name) if bus else None
    signals = _signals(name, table, message)
    values = table.table("values")
    read = CommandMapping(
        name=name,
        bus=bus.name if bus else "",
        message=message_name,
        signals=signals,
        values={
            one: _value_table(one, signal, values, table, message)
            for signal, one in signals.items()
            if isinstance(one, Placeholder) and one in NAMES
        },
        cycle_s=table.integer("cycle_ms", 0, 60_000, default=0) / 1000 or None,
    )
    if values is not None:
        values.close()
    table.close()
    check_encodes(message, _trials(read, message), table, "message")
    if read.cycle_s is not None and name != "status":
        table.problem("cycle_ms", f"command {name!r} is sent once, never in a cycle")
    return read


def _signals(name: str, table: Table, message: DbcMessage | None) -> dict[str, int | Placeholder]:
    below = table.table("signals")
    if below is None:
        table.problem(
            "signals", "key 'signals' is missing", 'such as signals = { LockCommand = "UnlockAll" }'
        )
        return {}
    found: dict[str, int | Placeholder] = {}
    for key in below:
        signal, choice = find_signal(message, below, key, key), below.take(key)
        if isinstance(choice, str) and choice.startswith("{"):
            if (placeholder := _placeholder(name, below, key, choice)) is not None:
                found[key] = placeholder
            if placeholder is Placeholder.COUNTER:
                check_whole(signal, below, key, what="the number of a command")
        elif raws := raw_values(signal, below, key, choice):
            found[key] = raws[0]
    return found


def _placeholder(name: str, table: Table, key: str, text: str) -> Placeholder | None:
    allowed = {one.value: one for one in _ALLOWED[name]}
    if text not in allowed:
        table.problem(
            key,
            f"command {name!r} has no {text}",
            near_miss(text, allowed) or f"known: {', '.join(allowed)}",
        )
    return allowed.get(text)


def _value_table(
    placeholder: Placeholder,
    signal: str,
    values: Table | None,
    table: Table,
    message: DbcMessage | None,
) -> dict[str, int]:
    key = placeholder.value.strip("{}")
    below = values.table(key) if values else None
    if below is None:
        table.problem(
            "values", f"table 'values.{key}' is missing: what {placeholder.value} is on the bus"
        )
        return {}
    found: dict[str, int] = {}
    known = _known(message).get(signal)  # an unknown one is noted already, where it is named
    for name in NAMES[placeholder]:
        choice = below.take(name)
        if choice is None:
            below.problem(name, f"key {name!r} is missing")
        elif raws := raw_values(known, below, name, choice):
            found[name] = raws[0]
    below.close()
    return found


def _trials(command: CommandMapping, message: DbcMessage | None) -> Iterator[dict[str, int]]:
    """Yield the signals of the command with each value that the agent may fill in."""
    plain = {name: raw for name, raw in command.signals.items() if isinstance(raw, int)}
    yield plain
    known = _known(message)
    for name, placeholder in command.signals.items():
        if (
            isinstance(placeholder, Placeholder) and name in known
        ):  # else it is a mistake noted already
            raws = command.values.get(placeholder, {"first": 0, "last": raw_range(known[name])[1]})
            yield from (plain | {name: raw} for raw in raws.values())


def _known(message: DbcMessage | None) -> dict[str, DbcSignal]:
    return {signal.name: signal for signal in message.signals} if message else {}
