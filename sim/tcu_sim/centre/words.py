"""Reason codes in plain words for operators, and the states of a request in the public interface's words.

The numbers are the centre's own reading of docs/protocol.md; a test compares them with what the vehicle says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tcu_sim.wire.numbers import Call, Lock, Outcome

WAITING = "waiting"
DELIVERED = "delivered"
COMPLETED = "completed"
REJECTED = "rejected"
TIMEOUT = "timeout"
CONNECTION_FAILURE = "connection failure"
ASLEEP = "vehicle in sleep"
CAR_ERROR = "car error"
USAGE_MODE = "not allowed in this usage mode"
UNKNOWN = "unknown"

CALL_STATE = "Vehicle.TCU.OnCall.CallState"
"""The value of a `call-state` event (dbc/tcu_overlay.vspec)."""
CALLS_OVER: Mapping[str, Call] = {"ended": Call.ENDED, "failed": Call.FAILED}
"""Its words for a call that is over."""

PLAIN: dict[int, tuple[str, str]] = {
    0: ("none", "Nothing to add."),
    1: ("too-large", "The car got a message that is too large."),
    2: ("malformed", "The car got a message that it cannot read."),
    3: ("unsupported-type", "The car got a message of a kind that it does not expect there."),
    4: ("unknown-key", "The car got a message signed with a key that it does not know."),
    5: ("key-revoked", "The car got a message signed with a key that was withdrawn."),
    6: ("wrong-role", "The car got a message signed by a service that may not say this."),
    7: ("bad-signature", "The car got a message whose signature is wrong."),
    8: ("retained", "The car got a stored message; it takes fresh ones only."),
    9: ("wrong-vehicle", "The car got a message that is meant for another car."),
    10: ("stale-request", "The car has seen a newer request already. Send it again."),
    11: ("unknown-challenge", "The car does not know the challenge that was answered. Ask again."),
    12: ("challenge-expired", "The permission came too late. Ask again."),
    13: ("service-mismatch", "The permission is for another service."),
    14: ("request-mismatch", "The permission is for another request."),
    15: ("nonce-mismatch", "The PIN confirmation answers another challenge."),
    16: ("boot-id-mismatch", "The car has restarted in the meantime. Ask again."),
    17: ("challenge-mismatch", "The PIN confirmation answers another challenge."),
    18: (
        "parameters-mismatch",
        "The permission asks for something else than the PIN was given for.",
    ),
    19: ("pin-too-old", "The PIN was given too long ago. Ask the owner again."),
    20: ("approval-missing", "The theft desk has not approved this position."),
    21: ("case-mismatch", "The car does not follow that theft case."),
    22: ("stale-version", "The car knows newer account or trust data already."),
    23: ("generation-mismatch", "PIN or owner have changed in the meantime. Ask again."),
    24: ("evidence-missing", "The change needs a confirmed PIN."),
    25: ("unknown-incident", "That call is not open in the car."),
    26: ("change-not-allowed", "The account change is more than the PIN was given for."),
    27: ("threshold-not-met", "Too few root keys signed the trust data."),
    28: ("unknown-stream", "The acknowledgement is for another event stream."),
    29: ("beyond-sent", "The acknowledgement is for events that the car never sent."),
    30: ("trust-missing", "The car has no trust data. It needs the workshop."),
    31: ("account-missing", "The car has not learnt its account data yet. Try again in a moment."),
    32: ("subscription-ended", "The subscription of this car has ended."),
    33: ("busy", "The car is busy with another request. Wait for its end."),
    34: ("usage-mode", "The car is in use."),
    35: ("vehicle-moving", "The car is moving."),
    36: ("signals-unknown", "The car does not know its own state well enough."),
    37: ("window-out-of-range", "The car does not allow a time that long or that short."),
    38: ("vehicle-refused", "The car's central locking refused."),
    39: ("service-not-available", "This car does not have that service."),
    40: (
        "state-corrupt",
        "The car's memory is damaged; remote services are off. It needs the workshop.",
    ),
    41: (
        "parked-too-long",
        "The car has been parked too long to be unlocked from afar. It needs its key.",
    ),
    60: ("doors-still-locked", "The command was sent, but doors stayed locked."),
    61: ("no-status", "The car does not say whether the doors have moved."),
    62: ("transmit-failed", "The command could not be put on the car's bus."),
    63: ("no-fix", "The car does not know where it is."),
    64: ("seal-failed", "The car could not seal its position."),
    65: ("too-late", "The car got to it too late and did not do it. Ask again."),
    90: ("restarted", "The car's unit restarted in the middle."),
    91: ("window-passed", "Nobody pressed the tailgate in time; nothing was unlocked."),
    92: ("stop-time", "The tracking time is over."),
    93: ("case-ended", "The theft case was closed."),
    94: ("generation-changed", "PIN or owner have changed in the meantime."),
    95: ("time-not-proven", "The car could not prove how much time was left."),
    96: ("dropped-by-policy", "The car left something out, as it was told to."),
    97: ("already-unlocked", "The car was unlocked already."),
    98: ("not-connected-in-time", "The call did not get through in time."),
    99: ("stuck-button", "The ON CALL button is stuck."),
    100: ("unexpected-unlock", "The car was unlocked by somebody else."),
    101: ("e2e-failed", "Messages on the car's bus fail their protection."),
    102: (
        "own-id-from-other-node",
        "Something on the car's bus speaks in the unit's name: another device, or what the unit left before a restart.",
    ),
    103: ("door-opened", "A door was opened."),
    104: ("key-used", "The key was used."),
    105: ("driven", "The car was driven."),
    106: (
        "late-on-the-bus",
        "A command got onto the car's bus after it had been given up, and may have acted.",
    ),
}
"""Reason number -> stable word, plain words."""

DOORS = ("front left", "front right", "rear left", "rear right", "tailgate")
"""A lock's number on the wire -> its name."""
PIN_ANSWERS = {
    "wrong": "the PIN is wrong, or that vehicle has no subscription",
    "throttled": "too many wrong PINs just now: wait some minutes, then try again",
    "locked": "too many wrong PINs: this app account is locked; ask Assistance for a new PIN and create another one",
    "new-pin-needed": "too many wrong PINs within a day: ask Assistance for a new PIN",
}
"""What the PIN authority answers if not ``right`` -> plain words. It never tells whether there is such a vehicle."""
CHANGES_OF_STATE = {34: USAGE_MODE, 35: USAGE_MODE}
STALE_REQUEST = 10
ANYBODY_CAN_PROVOKE = 10
"""A refusal with a reason up to this may have been provoked by whoever can publish: it is shown and ends nothing."""
WINDOW_PASSED = 91
ACCOUNT_MISSING = 31


def word_of(reason: int) -> str:
    """Return the stable word of a reason; an unknown one keeps its number."""
    return PLAIN.get(reason, (f"reason-{reason}", ""))[0]


def plain_words(reason: int) -> str:
    """Return what an operator reads."""
    return PLAIN.get(reason, ("", f"The car gave a reason that is not known here ({reason})."))[1]


DOZES = (
    "The car sleeps and looks in again by itself, within the hour, but has no clock to say when."
)
"""What an operator reads of a car that dozes."""


def sleeps_until(asleep_until_s: int | None) -> str:
    """Return what an operator reads of a car that sleeps, with the time in UTC where the car has told it."""
    if asleep_until_s is None:
        return "The car sleeps, and did not say until when: somebody has to use it first."
    until = datetime.fromtimestamp(asleep_until_s, UTC)
    return f"The car sleeps. It looks in again on {until:%Y-%m-%d at %H:%M} UTC."


def should_have_looked_in(due_s: float) -> str:
    """Return what an operator reads of a car that did not wake up when it had said, with that time in UTC."""
    due = datetime.fromtimestamp(due_s, UTC)
    return (
        f"The car should have looked in on {due:%Y-%m-%d at %H:%M} UTC and did not: it is overdue."
    )


def locks_in_words(locks: Mapping[int, Lock]) -> dict[str, str]:
    """Return the locks of a result with names."""
    return {
        DOORS[number] if 0 <= number < len(DOORS) else f"lock {number}": lock.name.lower()
        for number, lock in locks.items()
    }


def state_of_refusal(reason: int) -> str:
    """Return the state of a request that the car refused."""
    return CHANGES_OF_STATE.get(reason, REJECTED)


def state_of_result(outcome: Outcome, reason: int) -> str:
    """Return the state of a request with a result."""
    if outcome is Outcome.REFUSED:
        return state_of_refusal(reason)
    if outcome is Outcome.CANCELLED:
        return TIMEOUT if reason == WINDOW_PASSED else REJECTED
    return {
        Outcome.EXECUTED: COMPLETED,
        Outcome.FAILED: CAR_ERROR,
        Outcome.UNKNOWN: UNKNOWN,
    }[outcome]
