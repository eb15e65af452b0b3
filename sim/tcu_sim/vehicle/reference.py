"""What the reference vehicle's DBC cannot say: which messages are protected, and how. Source: dbc/README.md."""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

E2E_DATA_IDS: Final = {"OnCallButton": 0x01A0, "DoorLockStatus": 0x01B0}
COMMAND_DATA_ID: Final = 0x00A0
FRESHNESS_DATA_ID: Final = 0x00A2
WAKE_UP_MESSAGES: Final = frozenset({"NmTcu", "NmBcm"})
"""Network management: what wakes a sleeping bus and keeps it awake. Nothing else does."""
BENCH_SECOC_KEY: Final = bytes(range(16))
"""The published key of the worked examples: for a first try, never for a car."""


@unique
class Door(Enum):
    """The five openings, as the command language writes them."""

    FRONT_LEFT = "front-left"
    FRONT_RIGHT = "front-right"
    REAR_LEFT = "rear-left"
    REAR_RIGHT = "rear-right"
    TAILGATE = "tailgate"

    def __init__(self, value: str) -> None:
        self.in_dbc: Final = "".join(part.capitalize() for part in value.split("-"))
        """As the DBC's signal names end, such as ``FrontLeft``."""


@unique
class LockPosition(Enum):
    """Where a lock motor stands; the values are the DBC's."""

    UNLOCKED = "Unlocked"
    LOCKED = "Locked"
    MOVING = "Moving"


@unique
class LockSource(Enum):
    """Who moved the locks; the values are the DBC's."""

    NONE = "None"
    KEY = "Key"
    INSIDE_BUTTON = "InsideButton"
    REMOTE_COMMAND = "RemoteCommand"
    AUTOMATIC = "Automatic"


@unique
class UsageMode(Enum):
    """How the vehicle is used; the values are the DBC's."""

    ABANDONED = "Abandoned"
    INACTIVE = "Inactive"
    CONVENIENCE = "Convenience"
    ACTIVE = "Active"
    DRIVING = "Driving"
