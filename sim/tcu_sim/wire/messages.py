"""Every message by one name, and which class a COSE `typ` stands for.

Users: ``from tcu_sim.wire import messages as m``.
"""

from __future__ import annotations

from tcu_sim.wire.common import Common
from tcu_sim.wire.from_centre import (
    Account,
    Ack,
    Approval,
    Call,
    CaseEnd,
    Evidence,
    Grant,
    KeyRecord,
    PositionAck,
    Request,
    Trust,
)
from tcu_sim.wire.from_vehicle import Availability, Challenge, Event, Position, Refusal, Result
from tcu_sim.wire.numbers import Role

__all__ = [
    "ROLES_OF", "Account", "Ack", "Approval", "Availability", "Call", "CaseEnd", "Challenge",
    "Common", "Event", "Evidence", "Grant", "KeyRecord", "Message", "Position", "PositionAck",
    "Refusal", "Request", "Result", "Trust",
]  # fmt: skip

Message = (
    Request | Grant | Call | Ack | Evidence | Approval | PositionAck | CaseEnd | Account | Trust
    | Challenge | Refusal | Result | Event | Position | Availability
)  # fmt: skip
ROLES_OF: dict[type, frozenset[Role]] = {
    Request: frozenset({Role.COMMAND}),
    Grant: frozenset({Role.COMMAND}),
    Call: frozenset({Role.COMMAND}),
    Ack: frozenset({Role.COMMAND}),
    Evidence: frozenset({Role.PIN_AUTHORITY}),
    Approval: frozenset({Role.THEFT_DESK}),
    PositionAck: frozenset({Role.THEFT_DESK}),
    CaseEnd: frozenset({Role.THEFT_DESK, Role.COMMAND}),
    Account: frozenset({Role.ACCOUNT}),
}
"""Whose key may sign what; all other messages are the vehicle's or the roots'."""
