"""The words of the protocol: services, roles, outcomes, reasons, event kinds, with their numbers on the wire.

Numbers are never reused. Source: docs/protocol.cddl; docs/protocol.md, "Reason codes" and "Event kinds".
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


@unique
class Role(IntEnum):
    """Who a key belongs to. The vehicle's key and the root keys are not in the trust bundle."""

    COMMAND = 1
    PIN_AUTHORITY = 2
    ACCOUNT = 3
    THEFT_DESK = 4


@unique
class UnlockMode(IntEnum):
    """DIRECT: at once. ARMED: when the tailgate plate is pressed within the window."""

    DIRECT = 0
    ARMED = 1


@unique
class PositionKind(IntEnum):
    """SNAPSHOT: one position. TRACKING: one each interval until the stop time."""

    SNAPSHOT = 0
    TRACKING = 1


@unique
class Outcome(IntEnum):
    """How a grant ended. UNKNOWN is honest: it may have happened, and it is never retried by itself."""

    EXECUTED = 0
    REFUSED = 1
    FAILED = 2
    UNKNOWN = 3
    CANCELLED = 4


@unique
class LockState(IntEnum):
    """One door's lock as the status signal said it."""

    UNLOCKED = 0
    LOCKED = 1
    UNKNOWN = 2


@unique
class Relock(IntEnum):
    """Who locks the car again when nobody opens a door."""

    NONE = 0
    VEHICLE = 1
    AGENT = 2


@unique
class CallState(IntEnum):
    """State of an assistance call. REQUESTED and IDLE are the vehicle's own; the others may be sent by the centre."""

    IDLE = 0
    RINGING = 1
    CONNECTED = 2
    ENDED = 3
    FAILED = 4
    REQUESTED = 5


@unique
class Presence(IntEnum):
    """What an availability message says."""

    ONLINE = 0
    ASLEEP = 1
    OFFLINE = 2
    DOZING = 3
    """Asleep, and it will wake up by itself, but cannot tell when: it has no clock that it believes."""


@unique
class FixQuality(IntEnum):
    """How good a position is. LAST_KNOWN: no fix now, the age says how old."""

    NONE = 0
    LAST_KNOWN = 1
    FIX_2D = 2
    FIX_3D = 3


@unique
class EventKind(IntEnum):
    """What a signed event tells."""

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


@unique
class Reason(IntEnum):
    """Stable reason codes.

    1-29: the message; 30-59: the car will not; 60-89: the car could not; 90-: life of the agent.
    """

    NONE = 0
    # the message itself
    TOO_LARGE = 1
    MALFORMED = 2
    UNSUPPORTED_TYPE = 3
    UNKNOWN_KEY = 4
    KEY_REVOKED = 5
    WRONG_ROLE = 6
    BAD_SIGNATURE = 7
    RETAINED = 8
    WRONG_VEHICLE = 9
    STALE_REQUEST = 10
    UNKNOWN_CHALLENGE = 11
    CHALLENGE_EXPIRED = 12
    SERVICE_MISMATCH = 13
    REQUEST_MISMATCH = 14
    NONCE_MISMATCH = 15
    BOOT_ID_MISMATCH = 16
    CHALLENGE_MISMATCH = 17
    PARAMETERS_MISMATCH = 18
    PIN_TOO_OLD = 19
    APPROVAL_MISSING = 20
    CASE_MISMATCH = 21
    STALE_VERSION = 22
    GENERATION_MISMATCH = 23
    EVIDENCE_MISSING = 24
    UNKNOWN_INCIDENT = 25
    CHANGE_NOT_ALLOWED = 26
    THRESHOLD_NOT_MET = 27
    UNKNOWN_STREAM = 28
    BEYOND_SENT = 29
    # the car will not
    TRUST_MISSING = 30
    ACCOUNT_MISSING = 31
    SUBSCRIPTION_ENDED = 32
    BUSY = 33
    USAGE_MODE = 34
    VEHICLE_MOVING = 35
    SIGNALS_UNKNOWN = 36
    WINDOW_OUT_OF_RANGE = 37
    VEHICLE_REFUSED = 38
    SERVICE_NOT_AVAILABLE = 39
    STATE_CORRUPT = 40
    PARKED_TOO_LONG = 41
    # the car could not
    DOORS_STILL_LOCKED = 60
    NO_STATUS = 61
    TRANSMIT_FAILED = 62
    NO_FIX = 63
    SEAL_FAILED = 64
    TOO_LATE = 65
    # life of the agent
    RESTARTED = 90
    WINDOW_PASSED = 91
    STOP_TIME = 92
    CASE_ENDED = 93
    GENERATION_CHANGED = 94
    TIME_NOT_PROVEN = 95
    DROPPED_BY_POLICY = 96
    ALREADY_UNLOCKED = 97
    NOT_CONNECTED_IN_TIME = 98
    STUCK_BUTTON = 99
    UNEXPECTED_UNLOCK = 100
    E2E_FAILED = 101
    OWN_ID_FROM_OTHER_NODE = 102
    DOOR_OPENED = 103
    KEY_USED = 104
    DRIVEN = 105
    LATE_ON_THE_BUS = 106

    @property
    def code(self) -> str:
        """The name as operators and logs see it, such as ``challenge-expired``."""
        return self.name.lower().replace("_", "-")
