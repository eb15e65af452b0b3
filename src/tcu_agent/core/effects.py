"""What comes out of the core, in the imperative. Effects are carried out strictly in order.

`Persist` stands before the effect that it protects; it is one transaction. If an effect fails, the effects behind it
in the same tuple are NOT carried out and the failure comes back as `events.EffectFailed`; a failed `Persist` is fatal
for what it protects (fail closed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Final

from tcu_agent.core.verify.authorisation import (
    PositionAuthorisation,
    RelockAuthorisation,
    UnlockAuthorisation,
)
from tcu_agent.protocol.messages import (
    Availability,
    Challenge,
    Event,
    Fix,
    Refusal,
    Result,
)
from tcu_agent.protocol.vocabulary import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class Persist:
    """Make durable, in one transaction, before anything behind it.

    `puts`: key -> value (None deletes). `append`: messages of the durable outbox, each with its seq; sent in order of
    seq until acknowledged. `acknowledged`: highest seq of the outbox that the centre has stored (drop up to it).
    """

    puts: Mapping[str, bytes | None] = field(default_factory=dict)
    append: tuple[Result | Event, ...] = ()
    acknowledged: int | None = None


Said = Challenge | Refusal | Availability | Result | Event
"""What the core may say in its own words: never where the car is, which needs a permission (`SealPosition`)."""


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Sign and publish now if connected; never stored. Challenge, refusal, availability, and stored results again."""

    message: Said


@dataclass(frozen=True, slots=True)
class TransmitUnlock:
    """Put the unlock command on the bus, once. The only way to get one is through the verifier.

    `not_after` (CLOCK_BOOTTIME, s): end of the grant's own time, or of what the judgement rests on if that is earlier.
    Later than that the frame is not handed over, whatever held it up: the failure comes back as `is_too_late`.
    """

    authorisation: UnlockAuthorisation
    not_after: float = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class TransmitLock:
    """Put the lock command on the bus: automatic re-lock after an executed unlock.

    `not_after` (CLOCK_BOOTTIME, s): so long may closed doors and an empty car be believed; as in `TransmitUnlock`.
    """

    authorisation: RelockAuthorisation
    not_after: float = field(kw_only=True)


@unique
class Lamp(IntEnum):
    """ON CALL lamp."""

    OFF = 0
    PULSING = 1
    ON = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class ShowCallState:
    """Lamp and call state for the cyclic TCU status message."""

    lamp: Lamp
    call_state: CallState


@dataclass(frozen=True, slots=True)
class WakeBus:
    """Wake the parked car's buses as the mapping says (wake-up frame or network management)."""

    reason: str


@dataclass(frozen=True, slots=True)
class GoToSleep:
    """Tell the centre, leave the broker, and let the board suspend.

    `wake_at`: when to wake the board, CLOCK_BOOTTIME, s; `asleep_until_s`: the same, s since 1970-01-01. None = not
    before the car stirs; the second alone None = the wall clock is not known.
    """

    wake_at: float | None
    asleep_until_s: int | None


@dataclass(frozen=True, slots=True)
class WakeUp:
    """Connect to the broker again after `GoToSleep`."""


@dataclass(frozen=True, slots=True)
class SealPosition:
    """Seal this fix to the theft desk, store it sealed, publish it. `seq` within the case, of this stream.

    `recipient`: the theft desk's HPKE key of the trust bundle in force (32 bytes, X25519;
    `Keyring.position_recipient`). `not_after` (CLOCK_BOOTTIME, s): the stop time, or the end of a snapshot's grant;
    later it is not sealed. `puts`: as in `Persist`, durable in one transaction with the sealed position.
    """

    authorisation: PositionAuthorisation
    seq: int
    fix: Fix = field(repr=False)
    recipient: bytes = field(repr=False)
    stream_id: bytes = field(kw_only=True)
    not_after: float = field(kw_only=True)
    puts: Mapping[str, bytes | None] = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class ErasePositions:
    """Erase stored sealed positions of the case: all of them, or those up to `up_to_seq`."""

    case_id: bytes
    up_to_seq: int | None = None


RECORD_CORRUPT: Final = "record-corrupt"
RECORD_FORGOTTEN: Final = "record-forgotten"
"""Words of notes at the start: a record could not be read, and remote services are refused, or it is taken for none."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the log and the counters: a stable word and safe fields (never a PIN, key or position)."""

    word: str
    fields: Mapping[str, str | int] = field(default_factory=dict)


Effect = (
    Persist
    | SendMessage
    | TransmitUnlock
    | TransmitLock
    | ShowCallState
    | WakeBus
    | GoToSleep
    | WakeUp
    | SealPosition
    | ErasePositions
    | Note
)
