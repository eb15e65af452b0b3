"""The mapping: which DBC signal is which VSS path, which DBC message is which command. Typed and already checked.

`file.load_mapping` makes these from a TOML file; everything here is plain data. Names of DBC messages and
signals exist nowhere else in the agent. Format: dbc/README.md, "The mapping file".
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from pathlib import Path

from cantools.database.can import Database
from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.mapping.paths import path_warnings
from tcu_agent.core.events import Value


@unique
class Placeholder(Enum):
    """What the agent fills into a signal of a command when it sends it."""

    COUNTER = "{counter}"
    LAMP = "{lamp}"
    CALL_STATE = "{call_state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class E2eProtection:
    """AUTOSAR E2E protection of one message. `max_counter_delta`: largest good step of the counter.

    `threshold`: failures among the last three times as many frames that make a security event.
    `data_id`: number, or the 16 bytes of profile 2's data id list. `data_id_mode` (profiles 1 and 11): which part of it
    the CRC covers.
    """

    profile: int
    data_id: int | bytes
    data_id_mode: str = "both"
    offset_bytes: int = 0
    max_counter_delta: int = 1
    threshold: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SecocProtection:
    """SecOC of one message: payload, then `freshness_bits` of the freshness value, then `mac_bits` of the CMAC.

    `key`: name of the key in the agent's configuration. `resync_message` and `resync_signal`: where the receiver says
    which full freshness value it has accepted last.
    """

    data_id: int
    key: str
    freshness_bits: int
    mac_bits: int
    resync_message: str | None = None
    resync_signal: str | None = None

    @property
    def trailer_bytes(self) -> int:
        """Return how many bytes stand behind the payload."""
        return (self.freshness_bits + self.mac_bits) // 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalMapping:
    """One VSS path and the DBC signal that it comes from.

    A raw value (before the DBC's scale) in `values` gives that value, one in `transitional` says nothing, one in
    `invalid` says "unknown". Without `values` the value is (raw * DBC scale + DBC offset) * `factor` + `offset`.
    `timeout_s` None = sent on change only, never stale. `echo`: signal that must equal the number of the last command,
    else the value is `before`.
    """

    path: str
    bus: str
    message: str
    signal: str
    values: Mapping[int, Value] | None = None
    invalid: frozenset[int] = frozenset()
    transitional: frozenset[int] = frozenset()
    factor: float = 1.0
    offset: float = 0.0
    timeout_s: float | None
    debounce_s: float = 0.0
    echo: str | None = None
    before: Value = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeMapping:
    """How a sleeping bus is woken: `message`, each `repeat_s`, for `for_s`."""

    message: str
    signals: Mapping[str, int]
    repeat_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandMapping:
    """One command of the agent as a DBC message; `signals` gives raw values or what to fill in.

    `values`: for each placeholder with a value table, the raw value of each name. `cycle_s`: sent again after so long.
    """

    name: str
    bus: str
    message: str
    signals: Mapping[str, int | Placeholder]
    values: Mapping[Placeholder, Mapping[str, int]] = field(default_factory=dict)
    cycle_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BusMapping:
    """One CAN bus: its database, its sleep, and how its messages are protected."""

    name: str
    dbc: Path
    database: Database
    asleep_after_s: float | None = None
    wake: WakeMapping | None = None
    e2e: Mapping[str, E2eProtection] = field(default_factory=dict)
    secoc: Mapping[str, SecocProtection] = field(default_factory=dict)

    def message(self, name: str) -> DbcMessage:
        """Return a message of the database by name."""
        return self.database.get_message_by_name(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleMapping:
    """A whole mapping file. `signals` holds the central locking response too (the one with an `echo`)."""

    file: Path
    buses: Mapping[str, BusMapping]
    signals: tuple[SignalMapping, ...]
    commands: Mapping[str, CommandMapping] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def bus_signals(self, bus: str) -> tuple[SignalMapping, ...]:
        """Return the signals that come from one bus."""
        return tuple(signal for signal in self.signals if signal.bus == bus)

    def paths(self, bus: str) -> tuple[str, ...]:
        """Return the VSS paths that come from one bus, in the order of the file."""
        return tuple(signal.path for signal in self.bus_signals(bus))

    def transmitted(self, bus: str) -> frozenset[str]:
        """Return the names of the messages that the agent itself sends on a bus."""
        names = {command.message for command in self.commands.values() if command.bus == bus}
        wake = self.buses[bus].wake
        return frozenset(names | ({wake.message} if wake else set()))

    def warnings(self) -> tuple[str, ...]:
        """Return what works, but less safely than it could; the agent says it at start."""
        return (
            *self._unprotected(),
            *self.remarks,
            *self.path_warnings(),
            *_slow_unpacking(),
        )

    def path_warnings(self) -> tuple[str, ...]:
        """Return which paths are probably misspelt, and what the agent cannot do without those that are missing."""
        return path_warnings(signal.path for signal in self.signals)

    def _unprotected(self) -> list[str]:
        found = [
            f"command {command.name!r}: message {command.message!r} on bus {command.bus!r} has no SecOC: "
            "any node of that bus can send it"
            for command in self.commands.values()
            if command.name in {"unlock", "lock"}
            and command.message not in self.buses[command.bus].secoc
        ]
        weak = {
            (signal.bus, signal.message)
            for signal in self.signals
            if signal.path.endswith((".IsLocked", ".IsButtonPressed"))
            and signal.message not in self.buses[signal.bus].e2e
        }
        found += [
            f"message {message!r} on bus {bus!r} has no E2E protection: corrupted or repeated frames are not noticed"
            for bus, message in sorted(weak)
        ]
        return found


def _slow_unpacking() -> tuple[str, ...]:
    try:
        importlib.import_module("bitstruct.c")
    except ImportError as error:
        return (
            f"bitstruct's C module does not import ({error}): decoding CAN frames is many times slower",
        )
    return ()
