"""What goes into the core, in the past tense. `at` and every other time is CLOCK_BOOTTIME in seconds.

The core never asks for time or randomness: `now` comes with each call of `handle`, fresh random bytes with the
events that need them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core import vss

Value = bool | int | float | str | None


def shown(path: str, value: Value) -> str:
    """Return a value for `repr`: where the car is stands in no log, and in no traceback either."""
    is_place = path in {vss.LATITUDE, vss.LONGITUDE} and value is not None
    return "<a place>" if is_place else repr(value)


@dataclass(frozen=True, slots=True)
class SignalChange:
    """One VSS value after debounce. `at` is the time of the first frame that showed it."""

    path: str
    value: Value
    at: float

    def __repr__(self) -> str:
        """Show everything but a place."""
        return f"SignalChange({self.path!r}, {shown(self.path, self.value)}, at={self.at!r})"


@dataclass(frozen=True, slots=True)
class SignalsChanged:
    """All changes that one frame (or one debounce timer) brought, together. None = unknown now (stale, E2E error)."""

    changes: tuple[SignalChange, ...]


@dataclass(frozen=True, slots=True)
class SignalsRefreshed:
    """These paths were seen again, unchanged: proof of freshness without a change. At most every 100 ms a path."""

    paths: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class BusFellAsleep:
    """The bus went silent as a sleeping bus does: its signals are asleep (unknown), not stale."""

    bus: str
    paths: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class BusWokeUp:
    """The first frame after a sleep."""

    bus: str
    at: float


@dataclass(frozen=True, slots=True)
class BusFaulted:
    """The bus has a fault (`bus-off`, `link-down`, `error-passive`, `error-warning`), or it is over (`error-active`).

    `restarted`: back after bus-off, and nobody heard yet.
    """

    bus: str
    state: str


@dataclass(frozen=True, slots=True)
class SecurityObserved:
    """The CAN side saw what an attacker might do (E2E failures past the threshold, own id from another node).

    Or that a command of ours acted after it had been given up.
    """

    bus: str
    kind: str
    """``e2e-failed``, ``own-id-from-other-node`` or ``late-on-the-bus``."""
    message: str
    count: int
    command: str = ""
    """The command in that message, ``unlock`` or ``lock``; empty: none, or none that we know."""


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """Bytes from the broker, unverified. `random` = 16 fresh random bytes, in case an id or a nonce is needed."""

    topic_type: str
    """Last level of the topic, such as ``grant``."""
    payload: bytes
    retained: bool
    random: bytes


@dataclass(frozen=True, slots=True)
class Connected:
    """The MQTT session is up and subscribed."""

    connection: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The MQTT session is gone."""


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An effect could not be carried out. `may_have_happened`: the frame or message may have got through.

    `is_too_late`: its `not_after` had passed, so it was not even tried.
    """

    effect: object
    detail: str
    may_have_happened: bool
    is_too_late: bool = False


@dataclass(frozen=True, slots=True)
class SuspendBegan:
    """The board is about to suspend."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The board is back from suspend."""


@dataclass(frozen=True, slots=True)
class TimeProven:
    """Something outside (NTP, GNSS) keeps the wall clock right, for the first time since the agent started.

    It says no more than the `wall` that comes with it: whoever waits for the time looks now.
    """


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline that `next_deadline` gave has come (or nothing has: harmless)."""

    random: bytes
    """16 fresh random bytes, in case an id is needed."""


CoreEvent = (
    SignalsChanged
    | SignalsRefreshed
    | BusFellAsleep
    | BusWokeUp
    | BusFaulted
    | SecurityObserved
    | MessageArrived
    | Connected
    | Disconnected
    | EffectFailed
    | SuspendBegan
    | Resumed
    | TimeProven
    | TimePassed
)
