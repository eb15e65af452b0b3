"""Messages of the vehicle, as docs/protocol.cddl has them.

`TYP` is the middle of the COSE `typ` header and the last level of the MQTT topic. Byte fields have
the length that the CDDL gives; times are seconds unless the name ends in ``_ms``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tcu_sim.wire import common as c
from tcu_sim.wire import fields as f
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.numbers import Lock, Outcome, Presence, Relock, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(c.Common):
    """Vehicle: quote this nonce, and this is what I have learnt so far. `ttl_s`: 1..120."""

    TYP: ClassVar[str] = "challenge"
    request_hash: bytes = f.at(5, c.HASH)
    trust_version: int = f.at(6, c.UINT53)
    trust_epoch: int = f.at(7, c.UINT32)
    account_version: int = f.at(8, c.UINT53)
    ownership_generation: int = f.at(9, c.UINT32)
    pin_generation: int = f.at(10, c.UINT32)
    ttl_s: int = f.at(11, f.uint(120, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(c.Common):
    """Vehicle: what became of a grant (or of an account message) as its own signals showed it."""

    TYP: ClassVar[str] = "result"
    outcome: Outcome = f.at(5, f.one_of(Outcome))
    reason: int = f.at(6, c.REASON)
    grant_hash: bytes = f.at(7, c.HASH)
    locks: Mapping[int, Lock] = f.at(8, f.mapping(f.uint(4), f.one_of(Lock)))
    relock: Relock = f.at(9, f.one_of(Relock))
    seq: int = f.at(10, c.UINT53)
    stream_id: bytes = f.at(11, c.ID8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Vehicle: I will not go on, and why."""

    TYP: ClassVar[str] = "refusal"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    request_id: bytes | None = f.at(2, c.ID16, optional=True)
    boot_id: bytes = f.at(4, c.ID8)
    reason: int = f.at(5, c.REASON)


def _read_path(value: object, _: f.Wire) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= 96:
        raise WireError("no VSS path")
    if value.startswith("Vehicle.CurrentLocation"):
        raise WireError("a position that is not sealed")
    return value


def _read_value(value: object, _: f.Wire) -> bool | int | str | None:
    if isinstance(value, str) and len(value.encode()) > 64:
        raise WireError("a VSS value of more than 64 bytes")
    if value is None or isinstance(value, bool | int | str):
        return value
    raise WireError("no VSS value")


VSS = f.mapping(f.Kind(_read_path), f.Kind(_read_value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Vehicle: something happened.

    `kind` is a number: one that the centre does not know is stored all the same.
    """

    TYP: ClassVar[str] = "event"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    request_id: bytes | None = f.at(2, c.ID16, optional=True)
    boot_id: bytes = f.at(4, c.ID8)
    kind: int = f.at(5, c.UINT32)
    seq: int = f.at(6, c.UINT53)
    boot_time_ms: int = f.at(7, c.UINT53)
    wall_time_ms: int = f.at(8, c.UINT53)
    values: Mapping[str, bool | int | str | None] = f.at(9, VSS)
    incident_id: bytes | None = f.at(10, c.ID16, optional=True)
    first_seq: int | None = f.at(11, c.UINT53, optional=True)
    last_seq: int | None = f.at(12, c.UINT53, optional=True)
    stream_id: bytes = f.at(13, c.ID8)
    reason: int = f.at(14, c.REASON)

    def __post_init__(self) -> None:
        """Refuse a range outside a tombstone, and a tombstone without one."""
        given = {self.first_seq is not None, self.last_seq is not None}
        if given != {self.kind == Told.TOMBSTONE}:
            raise WireError("a range belongs to a tombstone, and only there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Vehicle: one sealed fix; `seq` within case and stream, from 1.

    Without request and fix: the vehicle has nothing up to `seq` any more; what the desk lacks of it is lost.
    """

    TYP: ClassVar[str] = "position"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    request_id: bytes | None = f.at(2, c.ID16, optional=True)
    case_id: bytes = f.at(5, c.ID16)
    seq: int = f.at(6, f.uint(f.UINT32, 1))
    sealed: bytes | None = f.at(7, f.octets(48, 512), optional=True)
    stream_id: bytes = f.at(8, c.ID8)

    def __post_init__(self) -> None:
        """Refuse a fix that belongs to no request, and a request that has none."""
        if (self.request_id is None) != (self.sealed is None):
            raise WireError("request id and sealed fix stand together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Vehicle: whether it can be reached.

    Also its will. `asleep_until_s`: seconds since 1970-01-01.
    """

    TYP: ClassVar[str] = "availability"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    boot_id: bytes = f.at(4, c.ID8)
    connection: int = f.at(5, c.UINT32)
    presence: Presence = f.at(6, f.one_of(Presence))
    asleep_until_s: int | None = f.at(7, c.UINT53, optional=True)
