"""The protocol's numbers as the centre knows them.

Source: docs/protocol.cddl and docs/protocol.md, "Event kinds" and "Reason codes". Reason codes are
plain integers here: what they mean to an operator stands in `tcu_sim.centre.words`.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Service(IntEnum):
    """What a request asks for."""

    STATE = 0
    APP_LINK = 1
    UNLOCK = 2
    POSITION = 3
    ADD_USER = 4
    END_SUBSCRIPTION = 5


ACCOUNT_SERVICES = frozenset({Service.APP_LINK, Service.ADD_USER, Service.END_SUBSCRIPTION})
"""Services that an account message answers, not a grant."""


@unique
class Role(IntEnum):
    """Whose key it is."""

    COMMAND = 1
    PIN_AUTHORITY = 2
    ACCOUNT = 3
    THEFT_DESK = 4


@unique
class Mode(IntEnum):
    """How an unlock acts: at once, or armed until the tailgate plate is pressed."""

    DIRECT = 0
    ARMED = 1


@unique
class Kind(IntEnum):
    """One position, or one each interval."""

    SNAPSHOT = 0
    TRACKING = 1


@unique
class Outcome(IntEnum):
    """How a grant ended."""

    EXECUTED = 0
    REFUSED = 1
    FAILED = 2
    UNKNOWN = 3
    CANCELLED = 4


@unique
class Lock(IntEnum):
    """A door's lock."""

    UNLOCKED = 0
    LOCKED = 1
    UNKNOWN = 2


@unique
class Relock(IntEnum):
    """Who locks again."""

    NONE = 0
    VEHICLE = 1
    AGENT = 2


@unique
class Call(IntEnum):
    """Call states that the centre may send."""

    RINGING = 1
    CONNECTED = 2
    ENDED = 3
    FAILED = 4


@unique
class Presence(IntEnum):
    """What an availability message says."""

    ONLINE = 0
    ASLEEP = 1
    OFFLINE = 2
    DOZING = 3
    """Asleep, and it will wake up by itself, but cannot tell when: it has no clock that it believes."""


@unique
class Quality(IntEnum):
    """How good a fix is."""

    NONE = 0
    LAST_KNOWN = 1
    FIX_2D = 2
    FIX_3D = 3


@unique
class Told(IntEnum):
    """Event kinds that the centre acts upon; any other number is stored as it came."""

    TOMBSTONE = 0
    ON_CALL_PRESSED = 1
    CALL_STATE = 2
    HANG_UP = 3
    BUTTON_FAULT = 4
    STATE_CHANGED = 5
    STATE_REPORT = 6
    UNLOCK_ARMED = 7
    UNLOCK_DISARMED = 8
    RELOCKED = 9
    RELOCK_FAILED = 10
    TRACKING_STARTED = 11
    TRACKING_ENDED = 12
    ACCOUNT_CHANGED = 13
    TRUST_CHANGED = 14
    SECURITY = 15
    BUS_STATE = 16
    STARTED = 17
    ALARM = 18
    RELOCK_CANCELLED = 19
    TOWED = 20
