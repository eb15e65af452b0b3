"""Messages of the centre and of the root keys, as docs/protocol.cddl has them.

`TYP` is the middle of the COSE `typ` header and the last level of the MQTT topic. Byte fields have
the length that the CDDL gives; times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tcu_sim.wire import common as c
from tcu_sim.wire import fields as f
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.numbers import Call as CallState
from tcu_sim.wire.numbers import Role, Service
from tcu_sim.wire.parameters import PARAMETERS, USER_ID, Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Command service: give me a challenge for this.

    `incident_id` is the case id where the service is position.
    """

    TYP: ClassVar[str] = "request"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    service: Service = f.at(1, f.one_of(Service))
    request_id: bytes = f.at(2, c.ID16)
    seq: int = f.at(5, c.UINT53)
    incident_id: bytes = f.at(6, c.ID16)
    parameters: Parameters = f.at(7, PARAMETERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(c.Common):
    """PIN authority: a PIN check for exactly this succeeded `pin_age_s` ago."""

    TYP: ClassVar[str] = "evidence"
    challenge_hash: bytes = f.at(5, c.HASH)
    pin_session_id: bytes = f.at(6, c.ID16)
    pin_age_s: int = f.at(7, c.UINT32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(c.Common):
    """Theft desk: this belongs to an open case."""

    TYP: ClassVar[str] = "approval"
    challenge_hash: bytes = f.at(5, c.HASH)
    case_id: bytes = f.at(6, c.ID16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(c.Common):
    """Command service: do it, once."""

    TYP: ClassVar[str] = "grant"
    evidence: bytes = f.at(5, c.NESTED)
    approval: bytes | None = f.at(6, c.NESTED, optional=True)
    parameters: Parameters = f.at(7, PARAMETERS)
    max_age_s: int = f.at(8, f.uint(120, 1))

    def __post_init__(self) -> None:
        """Refuse a position without approval, and an approval elsewhere."""
        if (self.service is Service.POSITION) != (self.approval is not None):
            raise WireError("an approval belongs to a position, and only there")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Command service: the state of an assistance call."""

    TYP: ClassVar[str] = "call"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    boot_id: bytes = f.at(4, c.ID8)
    incident_id: bytes = f.at(5, c.ID16)
    seq: int = f.at(6, c.UINT32)
    state: CallState = f.at(7, f.one_of(CallState))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Command service: stored up to `seq` without a gap."""

    TYP: ClassVar[str] = "ack"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    seq: int = f.at(5, c.UINT53)
    stream_id: bytes = f.at(6, c.ID8)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionAck:
    """Theft desk: positions of the case stored up to `seq` of this stream without a gap."""

    TYP: ClassVar[str] = "position-ack"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    case_id: bytes = f.at(5, c.ID16)
    seq: int = f.at(6, c.UINT32)
    stream_id: bytes = f.at(7, c.ID8)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEnd:
    """Theft desk or command service: stop tracking."""

    TYP: ClassVar[str] = "case-end"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    case_id: bytes = f.at(5, c.ID16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Account service: the whole account state of a vehicle.

    `users` sorted, no duplicates, at most 16.
    """

    TYP: ClassVar[str] = "account"
    vehicle_id: str = f.at(0, c.VEHICLE_ID)
    version: int = f.at(5, c.UINT53)
    ownership_generation: int = f.at(6, c.UINT32)
    pin_generation: int = f.at(7, c.UINT32)
    users: tuple[str, ...] = f.at(8, f.listing(USER_ID, 16))
    subscription_active: bool = f.at(9, f.FLAG)
    evidence: bytes | None = f.at(10, c.NESTED, optional=True)
    epoch: int = f.at(11, c.UINT32)

    def __post_init__(self) -> None:
        """Refuse users that are not sorted or doubled."""
        if list(self.users) != sorted(set(self.users)):
            raise WireError("users not sorted, or doubled")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key of the trust bundle."""

    kid: bytes = f.at(0, c.ID8)
    role: Role = f.at(1, f.one_of(Role))
    alg: int = f.at(2, f.uint(-7, -8))
    public_key: bytes = f.at(3, f.octets(32, 33))
    hpke_public_key: bytes | None = f.at(4, f.octets(32), optional=True)

    def __post_init__(self) -> None:
        """Refuse an HPKE key outside the theft desk's record, and that record without one."""
        if (self.role is Role.THEFT_DESK) != (self.hpke_public_key is not None):
            raise WireError("an HPKE key belongs to the theft desk, and only there")


RECORD = f.Kind(
    lambda value, _: value if isinstance(value, KeyRecord) else f.unpack(KeyRecord, value), f.pack
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Root keys: who may say what. `issued_s`: seconds since 1970-01-01."""

    TYP: ClassVar[str] = "trust"
    version: int = f.at(5, c.UINT53)
    epoch: int = f.at(6, c.UINT32)
    keys: tuple[KeyRecord, ...] = f.at(7, f.listing(RECORD, 32, 1))
    revoked: tuple[bytes, ...] = f.at(8, f.listing(c.ID8, 32))
    issued_s: int = f.at(9, c.UINT53)
