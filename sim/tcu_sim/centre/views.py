"""What the client gets back, as values with types instead of JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from tcu_sim.centre.errors import ServiceUnreachable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """A request. `state` is one of the public interface's words; `words` is what an operator reads."""

    request_id: bytes
    vehicle_id: str
    service: str
    phase: str
    state: str
    reason: str
    words: str
    detail: str
    result: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """An incident. `source`: ``on-call``, ``telephone`` or ``app``; `call`: ``ringing``, ``connected``, ``ended``."""

    incident_id: bytes
    vehicle_id: str | None
    source: str
    caller: str
    call: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleView:
    """Reachability. `presence`: ``online``, ``asleep``, ``dozing``, ``overdue``, ``offline`` or ``never heard of``."""

    vehicle_id: str
    presence: str
    asleep_until_s: int | None
    gaps: list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """A vehicle's account. It has learnt all when `learnt_version` == `version`."""

    vehicle_id: str
    version: int
    learnt_version: int
    ownership_generation: int
    pin_generation: int
    users: list[str]
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperChangeView:
    """A change of keeper or address. `waits_s`: how much of its hold is left, s."""

    keeper_change_id: bytes
    vehicle_id: str
    kind: str
    state: str
    waits_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """What became of a link, a new user or the end of a subscription."""

    change_id: bytes
    request_id: bytes
    state: str
    reason: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A theft case; `missing`: who has not agreed yet."""

    case_id: bytes
    vehicle_id: str
    is_open: bool
    missing: list[str]
    positions: int
    last_seq: int | None
    refused_positions: int
    lost_positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """A position, for the theft desk's clerk alone; not in `repr`, so that no log or traceback has it."""

    seq: int
    quality: str
    wall_time_ms: int
    latitude_deg: float | None
    longitude_deg: float | None
    age_ms: int | None
    accuracy_cm: int | None
    heading_ddeg: int | None
    speed_ckmh: int | None

    def __repr__(self) -> str:
        """Return the number alone."""
        return f"PositionView(seq={self.seq})"


def view(cls: type[T], reply: Mapping[str, Any]) -> T:
    """Return a reply as one of the classes above; what the class does not name is left out.

    Raises:
        ServiceUnreachable: the reply is of another form (a service of another version).
    """
    values: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]  # every view is a dataclass
        try:
            value = reply[field.name]
            values[field.name] = bytes.fromhex(value) if field.type == "bytes" else value
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceUnreachable(f"a reply without {field.name}") from error
    return cls(**values)
