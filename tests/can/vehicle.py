"""The reference mapping, and frames of the reference vehicle made without the agent's own code.

CRC and CMAC are computed here by hand, from the text of dbc/README.md, so that a mistake of the agent cannot hide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from cantools.database.can import Database
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.core.events import CoreEvent, SignalsChanged, Value
from tcu_agent.ports import CanFrame
from tests.foreign_data import ROOT

REFERENCE = ROOT / "dbc" / "reference.toml"
KEY = bytes(range(16))
BUTTON = "Vehicle.TCU.OnCall.IsButtonPressed"
FRONT_LEFT_LOCKED = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
FRONT_LEFT_OPEN = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
RESPONSE = "Vehicle.Body.CentralLocking.Response"
SPEED = "Vehicle.Speed"


@lru_cache
def reference() -> VehicleMapping:
    return load_mapping(REFERENCE)


def database() -> Database:
    return reference().buses["body"].database


def frame(message: str, at: float, **signals: int | str) -> CanFrame:
    """A frame by the names of the DBC, unprotected; signals that are not named are 0."""
    found = database().get_message_by_name(message)
    choices: dict[str, int | str] = {signal.name: 0 for signal in found.signals}
    raws = {name: _raw(message, name, value) for name, value in (choices | signals).items()}
    data = found.encode(raws, scaling=False, strict=False)
    return CanFrame(found.frame_id, data, timestamp_s=at)


def protected(
    message: str, data_id: int, counter: int, at: float, **signals: int | str
) -> CanFrame:
    """A frame with E2E profile 1."""
    bare = frame(message, at, AliveCounter=counter, **signals)
    crc = crc8(data_id.to_bytes(2, "little") + bare.data[1:])
    return CanFrame(bare.arbitration_id, bytes([crc]) + bare.data[1:], timestamp_s=at)


def button(counter: int, at: float, state: str = "Released") -> CanFrame:
    return protected("OnCallButton", 0x01A0, counter % 15, at, OnCallButtonState=state)


def locks(counter: int, at: float, state: str = "Locked") -> CanFrame:
    names = ("FrontLeft", "FrontRight", "RearLeft", "RearRight", "Tailgate")
    return protected(
        "DoorLockStatus", 0x01B0, counter % 15, at, **{f"Lock{name}": state for name in names}
    )


def crc8(data: bytes) -> int:
    """SAE J1850 polynomial, start value 0, no final XOR."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D if crc & 0x80 else crc << 1) & 0xFF
    return crc


def cmac(data_id: int, payload: bytes, freshness_value: int, key: bytes = KEY) -> bytes:
    algorithm = CMAC(AES(key))
    algorithm.update(data_id.to_bytes(2, "big") + payload + freshness_value.to_bytes(4, "big"))
    return algorithm.finalize()


def resync(freshness_value: int, *, key: bytes = KEY, at: float = 0.0) -> CanFrame:
    payload = freshness_value.to_bytes(4, "big")
    mac = cmac(0x00A2, payload, freshness_value, key)[:3]
    return CanFrame(0x0A2, payload + payload[3:] + mac, timestamp_s=at)


def changes(events: Sequence[CoreEvent]) -> list[tuple[str, Value, float]]:
    """All changes; times to the microsecond."""
    return [
        (change.path, change.value, round(change.at, 6))
        for event in events
        if isinstance(event, SignalsChanged)
        for change in event.changes
    ]


def values(events: Sequence[CoreEvent]) -> Mapping[str, Value]:
    return {path: value for path, value, _ in changes(events)}


def mapping_from(folder: Path, text: str) -> VehicleMapping:
    """A mapping with the reference DBC beside it."""
    (folder / "reference.dbc").write_bytes((ROOT / "dbc" / "reference.dbc").read_bytes())
    file = folder / "map.toml"
    file.write_text(text, encoding="utf-8")
    return load_mapping(file)


def _raw(message: str, signal: str, value: int | str) -> int:
    if isinstance(value, int):
        return value
    found = database().get_message_by_name(message).get_signal_by_name(signal)
    choices: Mapping[int, object] = found.choices or {}
    return next(raw for raw, name in choices.items() if str(name) == value)
