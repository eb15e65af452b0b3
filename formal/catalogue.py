"""What `make models` runs: each model within its bounds, and each safeguard taken away.

Three kinds of runs. A MODEL and a SPARE must hold: a spare is a model with one of two safeguards taken away that stand
behind each other, or with a random generator that repeats itself; it shows that the other one is enough, and it is
what the mutant beside it is compared with. A MUTANT must fail: with its safeguard gone, Spin finds the harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What is expected of a run."""

    MODEL = "model"
    SPARE = "spare"
    MUTANT = "mutant"

    @property
    def must_hold(self) -> bool:
        """Whether no violation may be found."""
        return self is not Kind.MUTANT


@dataclass(frozen=True, slots=True)
class Run:
    """One search. `model`: file name without .pml; `defines`: preprocessor names, with =value where they have one."""

    model: str
    kind: Kind
    defines: tuple[str, ...]
    says: str
    """A model: its bounds. A mutant: the safeguard that it lacks and its place in the code."""
    is_quick: bool = False

    @property
    def name(self) -> str:
        """A name for people."""
        return " ".join((self.model, *self.defines))


def _model(model: str, says: str, *defines: str, is_quick: bool = False) -> Run:
    return Run(model, Kind.MODEL, defines, says, is_quick)


def _spare(model: str, says: str, *defines: str) -> Run:
    return Run(model, Kind.SPARE, defines, says)


def _mutants(model: str, *rows: tuple[str, str]) -> tuple[Run, ...]:
    return tuple(
        Run(model, Kind.MUTANT, tuple(defines.split()), says, is_quick=place < _QUICK_MUTANTS)
        for place, (defines, says) in enumerate(rows)
    )


_QUICK_MUTANTS: Final = 2
"""So many of each model's mutants are part of the quick form."""

_AT_MOST_ONCE: Final = (
    _model(
        "at_most_once", "2 request ids, 2 request messages", "CHALLENGES=2", is_quick=True
    ),
    _model("at_most_once", "2 request ids, 3 request messages, lifetime and window 1 tick"),
    _model("at_most_once", "1 request id, 2 messages, lifetime 2, window 3",
           "REQUESTS=1", "CHALLENGES=2", "TTL=2", "WINDOW=3"),
    _spare("at_most_once", "dead challenges stay in the table", "CHALLENGES=2", "PEER_NO_EXPIRY"),
    _spare("at_most_once", "age not judged in step 5", "CHALLENGES=2", "PEER_NO_AGE"),
    _spare("at_most_once", "news clear no challenges", "CHALLENGES=2", "PEER_NO_CLEAR"),
    _spare("at_most_once", "no comparison in step 4e", "CHALLENGES=2", "PEER_NO_STANDING"),
    _spare("at_most_once", "a suspend clears nothing", "CHALLENGES=2", "PEER_NO_SUSPEND_CLEAR"),
    *_mutants(
        "at_most_once",
        ("MUTANT_NONCE_KEPT", "the nonce is not taken: challenges.py ChallengeTable.take"),
        ("MUTANT_TRIED_AGAIN", "what was firing is tried again: unlock.py Unlock.start"),
        ("MUTANT_CHALLENGES_DURABLE", "challenges survive a restart: challenges.py ChallengeTable"),
        ("MUTANT_INTENT_NOT_DURABLE", "the intent is not durable: unlock.py Unlock.accept"),
        ("MUTANT_INTENT_AFTER_FRAME", "the frame is out before the intent is durable: agent.py, unlock.py _prepare"),
        ("MUTANT_INTENT_FORGOTTEN", "a start does not settle the intent: unlock.py Unlock.start"),
        ("MUTANT_ARMED_AGAIN", "what was armed goes on after a restart: unlock.py Unlock.start"),
        ("MUTANT_OUTCOME_NOT_STORED", "the outcome is not stored: outcomes.py Outcomes.settle"),
        ("MUTANT_NOT_ANSWERED", "an answered request gets a new challenge: verifier.py verify_request R3"),
        ("MUTANT_MARK_NOT_DURABLE", "the request mark is not durable: knowledge.py Knowledge.raise_mark"),
        ("MUTANT_TWO_AT_ONCE", "a second grant meanwhile is begun: unlock.py Unlock.accept, unlock/states.py"),
        ("MUTANT_FAILED_DISK_IGNORED", "a failed transaction stops nothing: failures.py Failures._not_durable"),
        ("MUTANT_SENT_AGAIN", "a doubtful frame is sent again: unlock.py Unlock.transmit_failed"),
        ("MUTANT_LIFETIME", "age is not looked at: challenges.py _expire and verifier.py step 5"),
        ("MUTANT_WALL_CLOCK", "age by a clock that can be set: challenges.py is_fresh, clock.py boottime"),
        ("MUTANT_MONOTONIC_CLOCK", "age by a clock that a suspend stops, and nothing is cleared: clock.py, agent.py"),
        ("MUTANT_NOT_JUDGED_AGAIN", "age is not looked at again after the disk: unlock.py Unlock._judge"),
        ("MUTANT_FRAME_LATE", "the time is not looked at where the frame leaves: runtime/deadline.py, transmitter.py _send"),
        ("MUTANT_SUCCESS_ON_SEND", "executed without a lock status: unlock.py Unlock._observe"),
        ("MUTANT_GENERATION", "generations are not looked at: account.py clear and verify/steps.py check_standing"),
        ("MUTANT_ARMED_OUTLIVES_PIN", "an armed unlock outlives a PIN change: account.py Adopter._end_old_rights"),
        ("MUTANT_FRAME_OUTLIVES_NEWS", "a frame leaves in the step that makes a change durable: unlock.py Unlock.cancel"),
    ),
)  # fmt: skip

_AUTHORISATION: Final = (
    _model("authorisation", "command key stolen; 1 request, 2 challenges, 1 restart, 1 PIN change", "STOLEN=1", "REQUESTS=1", is_quick=True),
    _model("authorisation", "no key stolen; 2 requests, 2 challenges, 1 restart, 1 PIN change", "STOLEN=0"),
    _model("authorisation", "command key stolen; the same bounds", "STOLEN=1"),
    _model("authorisation", "PIN authority's key stolen; the same bounds", "STOLEN=2"),
    _model("authorisation", "theft desk's key stolen; the same bounds (PIN still needed)", "STOLEN=3"),
    _spare("authorisation", "hash not compared", "STOLEN=1", "REQUESTS=1", "PEER_NO_HASH"),
    _spare("authorisation", "hash not compared, nonces repeat", "STOLEN=1", "REQUESTS=1", "PEER_NO_HASH", "NONCES_REPEAT"),
    _spare("authorisation", "authority takes unsigned challenges", "STOLEN=1", "REQUESTS=1", "PEER_PIN_SIGNATURE"),
    _spare("authorisation", "news clear no challenges", "STOLEN=0", "PEER_NO_CLEAR"),
    _spare("authorisation", "no comparison in step 4e", "STOLEN=0", "PEER_NO_STANDING"),
    *_mutants(
        "authorisation",
        ("STOLEN=1 MUTANT_PARAMETERS", "parameters not compared: verify/steps.py check_parameters"),
        ("STOLEN=2 MUTANT_ROLE", "roles not checked: verify/steps.py SIGNERS, Reader._verified"),
        ("STOLEN=1 MUTANT_ROLE", "roles not checked, the other key stolen: verify/steps.py Reader._verified"),
        ("STOLEN=1 MUTANT_APPROVAL", "no approval needed: verifier.py Verifier._nested"),
        ("STOLEN=1 MUTANT_APPROVAL_BOUND", "approval of another challenge: verify/steps.py check_approval"),
        ("STOLEN=0 MUTANT_GENERATION", "generations not looked at: account.py and verify/steps.py check_standing"),
        ("STOLEN=1 REQUESTS=1 PEER_NO_HASH MUTANT_VEHICLE", "vehicle id not compared: verify/steps.py Reader.open"),
        ("STOLEN=1 REQUESTS=1 PEER_NO_HASH MUTANT_NONCE", "nonce not compared: verify/steps.py check_common"),
        ("STOLEN=1 REQUESTS=1 PEER_NO_HASH NONCES_REPEAT MUTANT_BOOT_ID", "boot id not compared: verify/steps.py check_common"),
        ("STOLEN=1 REQUESTS=1 PEER_PIN_SIGNATURE MUTANT_HASH", "evidence not bound to the challenge: verify/steps.py _check_hash"),
        ("STOLEN=1 MUTANT_PIN_PARAMETERS", "PIN session for other parameters: centre/pin/evidence.py _session"),
        ("STOLEN=1 MUTANT_PIN_REQUEST_HASH", "challenge of another request: centre/proof.py _is_answer"),
        ("STOLEN=1 MUTANT_PIN_VEHICLE", "PIN of another vehicle: centre/proof.py open_asked"),
        ("STOLEN=0 MUTANT_PIN_BEHIND", "a car that is behind is served: centre/standing.py Standing.check"),
    ),
)  # fmt: skip

_RELOCK: Final = (
    _model("relock", "2 executed unlocks, any number of restarts and failures", is_quick=True),
    *_mutants(
        "relock",
        ("MUTANT_WITHOUT_UNLOCK", "begun by an unlock that was not executed: unlock.py Unlock._end"),
        ("MUTANT_ATTEMPT_NOT_DURABLE", "the attempt is not durable: relock.py AutomaticRelock._judge"),
        ("MUTANT_TRIED_AGAIN", "the attempt is made again after a restart: relock.py AutomaticRelock.start"),
        ("MUTANT_PEOPLE_IGNORED", "an opened door cancels nothing: relock.py _count, _judge"),
        ("MUTANT_NOT_JUDGED_AGAIN", "not looked at again after the disk: relock.py AutomaticRelock._lock"),
        ("MUTANT_UNLOCK_WHILE_LOCKING", "unlock beside a lock command: unlock.py Unlock._judge"),
        ("MUTANT_LOCK_WHILE_UNLOCKING", "lock beside an unlock command: relock.py AutomaticRelock._judge"),
    ),
)  # fmt: skip

_TRACKING: Final = (
    _model("tracking", "the same as the next with 1 restart", "CUTS=1", is_quick=True),
    _model("tracking", "2 ticks of tracking, 2 restarts, 3 ticks without power; the wall clock is right or unknown"),
    _model("tracking", "the same; the wall clock may be stuck: bounded by what was durable before each fix", "WALL=1"),
    *_mutants(
        "tracking",
        ("MUTANT_STOP_NOT_LOOKED_AT", "the stop time is not looked at: position.py PositionCase._track"),
        ("MUTANT_UNPROVEN_TIME", "goes on with time that nothing proves: position.py PositionCase.start"),
        ("MUTANT_EARLIER_WALL", "a wall clock set back is believed: position/record.py provable_s"),
        ("MUTANT_SESSION_NOT_COMPARED", "another boot's CLOCK_BOOTTIME is believed: position/record.py provable_s"),
        ("MUTANT_FAILED_DISK_IGNORED", "sealed before acceptance is durable: failures.py, position.py not_durable"),
        ("MUTANT_SNAPSHOT_AGAIN", "a snapshot is taken again after a restart: position.py PositionCase.start"),
        ("MUTANT_FIX_NOT_TAKEN_BACK", "a fix leaves in the step that ended its case: position.py PositionCase._end"),
        ("MUTANT_SEALED_AFTER_NEWS", "a snapshot is sealed in the step with a new PIN: position/states.py, account.py"),
        ("WALL=1 MUTANT_REMAINING_NOT_DURABLE", "remaining time not durable before a fix: position.py _search"),
    ),
)  # fmt: skip

RUNS: Final = (*_AT_MOST_ONCE, *_AUTHORISATION, *_RELOCK, *_TRACKING)

ROWS_NEVER_TAKEN: Final = frozenset(
    {
        "unlock: WAITING, RESTARTED -> IDLE",
        "position: SEALING, RESTARTED -> IDLE",
        "position: SEARCHING, RESTARTED -> TRACKING",
    }
)
"""The durable record does not tell these states from FIRING, LOOKING and TRACKING, where a start begins from."""
