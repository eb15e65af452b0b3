"""Reads the ``[bus.NAME]`` tables of a mapping: database, sleep, wake-up, E2E and SecOC of each message."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cantools.database.can import Database
from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.can.e2e import PROFILES
from tcu_agent.adapters.mapping.dbc_names import (
    find_message,
    find_signal,
    load_database,
    raw_values,
)
from tcu_agent.adapters.mapping.mapping import (
    BusMapping,
    E2eProtection,
    SecocProtection,
    WakeMapping,
)
from tcu_agent.adapters.mapping.toml_table import Table
from tcu_agent.adapters.mapping.whole_numbers import check_encodes, check_freshness
from tcu_agent.errors import MappingError

_DAY_MS = 86_400_000
_DATA_ID_LIST_BYTES = 16


def read_bus(table: Table, name: str, folder: Path, dbc: Path | None) -> BusMapping | None:
    """Read one bus. `folder`: what its `dbc` is relative to; `dbc` replaces it.

    Raises:
        MappingError: the `dbc` in its place cannot be loaded, which is no mistake of the mapping's.
    """
    strict = table.flag("strict", default=True)
    file = dbc if dbc is not None else folder / (table.text("dbc") or "")
    table.take("dbc")
    asleep_ms = table.integer("asleep_after_ms", 0, _DAY_MS, default=0)
    if dbc is not None:
        database: Database | None = load_database(dbc, strict=strict)
    else:
        database = _database(table, file, strict=strict)
    if database is None:
        return None
    bus = BusMapping(
        name=name,
        dbc=file,
        database=database,
        asleep_after_s=asleep_ms / 1000 or None,
        wake=_wake(table, database),
        e2e={message.name: one for message, one in _e2e(table, database)},
        secoc={message.name: one for message, one in _secoc(table, database)},
    )
    table.close()
    return bus


def read_assignments(table: Table | None, message: DbcMessage | None) -> dict[str, int]:
    """Read ``signals = { Name = value }``: raw values by signal name."""
    found: dict[str, int] = {}
    if table is None:
        return found
    for name in table:
        signal = find_signal(message, table, name, name)
        if raws := raw_values(signal, table, name, table.take(name)):
            found[name] = raws[0]
    return found


def _database(table: Table, file: Path, *, strict: bool) -> Database | None:
    named = table.take("dbc")
    if not (named and isinstance(named, str)):
        return None  # which is noted already
    try:
        return load_database(file, strict=strict)
    except MappingError as error:
        table.problem("dbc", f"{error.where} {error.what}", error.hint)
        return None


def _wake(table: Table, database: Database) -> WakeMapping | None:
    wake = table.table("wake")
    if wake is None:
        return None
    name = wake.text("message")
    message = find_message(database, wake, "message", name)
    signals = read_assignments(wake.table("signals"), message)
    check_encodes(message, [signals], wake, "message")
    read = WakeMapping(
        message=name,
        signals=signals,
        repeat_s=wake.integer("repeat_ms", 1, 60_000, default=100) / 1000,
        for_s=wake.integer("for_ms", 1, 600_000, default=2000) / 1000,
    )
    wake.close()
    return read


def _e2e(bus: Table, database: Database) -> list[tuple[DbcMessage, E2eProtection]]:
    found = []
    for name, table in bus.tables("e2e"):
        message = find_message(database, bus.table("e2e") or bus, name, name)
        profile = table.integer("profile", 1, 11)
        if profile not in PROFILES:
            table.problem(
                "profile",
                f"profile {profile} is not known",
                f"known: {', '.join(map(str, PROFILES))}",
            )
            profile = 1
        offset = table.integer("offset_bytes", 0, 4095, default=0)
        if message and message.length < offset + PROFILES[profile].header_bytes:
            table.problem(
                "profile", f"message {name!r} has no room for the header of profile {profile}"
            )
        protection = E2eProtection(
            profile=profile,
            data_id=_data_id(table, profile),
            data_id_mode=_data_id_mode(table, profile),
            offset_bytes=offset,
            max_counter_delta=table.integer(
                "max_counter_delta", 1, PROFILES[profile].counter_modulus - 1, default=1
            ),
            threshold=table.integer("threshold", 1, 1000, default=5),
        )
        table.close()
        if message:
            found.append((message, protection))
    return found


def _data_id(table: Table, profile: int) -> int | bytes:
    if not PROFILES[profile].takes_id_list:
        return table.integer("data_id", 0, PROFILES[profile].largest_data_id)
    numbers = [one for one in table.items("data_id") if type(one) is int and one in range(256)]
    if len(numbers) == _DATA_ID_LIST_BYTES == len(table.items("data_id")):
        return bytes(numbers)
    table.problem("data_id", "profile 2 takes a list of 16 numbers from 0 to 255")
    return bytes(_DATA_ID_LIST_BYTES)


def _data_id_mode(table: Table, profile: int) -> str:
    modes = PROFILES[profile].data_id_modes
    mode = table.text("data_id_mode", default="both")
    if mode not in (modes or {"both"}):
        table.problem(
            "data_id_mode",
            f"profile {profile} has no mode {mode!r}",
            f"known: {', '.join(modes) or 'both'}",
        )
        return "both"
    return mode


def _secoc(bus: Table, database: Database) -> list[tuple[DbcMessage, SecocProtection]]:
    found = []
    secured = frozenset(bus.table("secoc") or ())
    resynchronised: dict[str | None, str] = {}
    for name, table in bus.tables("secoc"):
        message = find_message(database, bus.table("secoc") or bus, name, name)
        protection = SecocProtection(
            data_id=table.integer("data_id", 0, 0xFFFF),
            key=table.text("key"),
            freshness_bits=_whole_bytes(table, "freshness_bits", 8, 32),
            mac_bits=_whole_bytes(table, "mac_bits", 24, 128),
            **_resync(table, database, secured),
        )
        if message and message.length <= protection.trailer_bytes:
            table.problem(
                "mac_bits", f"message {name!r} has {message.length} bytes: no room for a payload"
            )
        if (other := resynchronised.setdefault(protection.resync_message, name)) != name:
            _refuse_shared_word(table, protection.resync_message, other)
        table.close()
        if message:
            found.append((message, protection))
    return found


def _refuse_shared_word(table: Table, resync_message: str | None, other: str) -> None:
    if resync_message is not None:
        table.problem(
            "resync_message",
            f"message {resync_message!r} is that of {other!r} already, and each has a freshness value of its own",
            "name the message that resynchronises this one, or leave out both resync keys",
        )


def _resync(table: Table, database: Database, secured: Collection[str]) -> dict[str, str | None]:
    if "resync_message" not in table and "resync_signal" not in table:
        table.take("resync_message")
        table.take("resync_signal")
        return {}
    names = {
        "resync_message": table.text("resync_message"),
        "resync_signal": table.text("resync_signal"),
    }
    message = find_message(database, table, "resync_message", names["resync_message"])
    signal = find_signal(message, table, "resync_signal", names["resync_signal"])
    check_freshness(message, signal, table)
    if message is not None and message.name not in secured:
        table.problem(
            "resync_message",
            f"message {message.name!r} has no SecOC of its own: whoever sends it would not be believed",
            f"add [{'.'.join(map(str, (*table.path[:-1], message.name)))}], or leave out both resync keys",
        )
    return dict(names)


def _whole_bytes(table: Table, key: str, minimum: int, maximum: int) -> int:
    bits = table.integer(key, minimum, maximum)
    if bits % 8:
        table.problem(key, f"must be a multiple of 8, not {bits}")
    return bits - bits % 8
