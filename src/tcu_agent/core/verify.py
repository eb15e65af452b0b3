"""Every rule that a message from outside must pass, in the order of docs/protocol.md. No I/O, no clock, no state of its own.

This first version fixes the types and signatures that the rest of the core builds on; the rules follow.

How the core uses it:
- Each `verify_*` gets the raw bytes of one MQTT message and the state that it is judged against, and returns a value:
  what was accepted, or `Refused`. Nothing is raised, whatever the bytes are.
- A failed verification changes nothing. A success of `verify_grant` or of a `verify_account` that carries evidence has
  TAKEN the challenge out of the table before it returns: the same bytes can never be accepted twice in one boot.
- The caller makes durable what the value says (mark, trust, account, intent) before it acts on it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from tcu_agent.core.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.core.challenges import ChallengeTable
from tcu_agent.protocol.messages import (
    Account,
    Ack,
    Call,
    CaseEnd,
    Challenge,
    Common,
    PositionAck,
    Request,
)
from tcu_agent.protocol.cose import VerificationKey
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMark:
    """The seq of an authentic request: to be made durable per `kid` before anything is answered to it.

    A mark belongs to the key: whoever stole a command key and signed the highest seq there is has spoilt that key alone.
    """

    kid: bytes
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No, and why. `detail` is for the log: it holds no secret and no position.

    `authenticated`: the outer signature was good, so the sender is who it says; only then may an answer cost anything.
    `request_id`: what the message called itself (unverified unless `authenticated`), None where nothing could be read.
    `mark`: an authentic new request was refused; its seq is used up all the same.
    """

    reason: Reason
    detail: str
    authenticated: bool
    request_id: bytes | None = None
    mark: RequestMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyAnswered:
    """This request id has an intent or an outcome: send the stored result again (if there is one yet), do nothing else."""

    request_id: bytes
    mark: RequestMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRequest:
    """A request that may get a challenge (or, service STATE, its report at once). `request_hash`: of its payload."""

    request: Request
    request_hash: bytes
    mark: RequestMark


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAccount:
    """An account state to adopt. `changed` False: it is the stored one again, nothing to do.

    `payload` is what to make durable (decode it with `codec.decode(Account, payload)` after a restart).
    `common` names the request that its evidence belongs to (result to be sent), None if it needed none.
    `kills_challenges`: give this to `ChallengeTable.clear` (None: they stay good).
    """

    account: Account
    payload: bytes
    payload_hash: bytes
    changed: bool
    common: Common | None = None
    kills_challenges: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedTrust:
    """A trust bundle to adopt. `container` is what to make durable; after a restart it is verified again
    (`verify_trust(container, keyring=None)`). `changed` False: it is the stored one again.
    """

    keyring: Keyring
    container: bytes
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """The incident whose call is open: the boot id under which it was opened, and the last call seq taken (0 = none)."""

    incident_id: bytes
    boot_id: bytes
    last_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What does not change while the agent runs.

    `roots` (from `trust.root_keys`) and `threshold` (at least 2) come from the configuration.
    """

    vehicle_id: str
    environment: str
    boot_id: bytes
    roots: tuple[VerificationKey, ...]
    threshold: int = 2

    def verify_request(
        self,
        data: bytes,
        *,
        keyring: Keyring | None,
        account: Account | None,
        marks: Mapping[bytes, int],
        answered: Container[bytes],
    ) -> AcceptedRequest | AlreadyAnswered | Refused:
        """Judge a request. `marks`: kid -> highest seq taken; `answered`: request ids with an intent or an outcome."""
        raise NotImplementedError

    def challenge_for(
        self,
        accepted: AcceptedRequest,
        *,
        keyring: Keyring,
        account: Account,
        nonce: bytes,
        ttl_s: int,
    ) -> Challenge:
        """Return the challenge that answers a request; `nonce`: 16 fresh random bytes. Put it into the table, then send it."""
        raise NotImplementedError

    def verify_grant(
        self,
        data: bytes,
        *,
        keyring: Keyring | None,
        account: Account | None,
        challenges: ChallengeTable,
        answered: Container[bytes],
        now: float,
    ) -> UnlockAuthorisation | PositionAuthorisation | AlreadyAnswered | Refused:
        """Judge a grant for an unlock or a position, with its evidence and approval. `now`: CLOCK_BOOTTIME, s."""
        raise NotImplementedError

    def verify_account(
        self,
        data: bytes,
        *,
        keyring: Keyring | None,
        account: Account | None,
        challenges: ChallengeTable,
        now: float,
    ) -> AcceptedAccount | Refused:
        """Judge an account state against the stored one (None: nothing stored yet)."""
        raise NotImplementedError

    def verify_trust(self, data: bytes, *, keyring: Keyring | None) -> AcceptedTrust | Refused:
        """Judge a trust container against the trust in force (None: nothing stored yet)."""
        raise NotImplementedError

    def verify_call(
        self, data: bytes, *, keyring: Keyring | None, call: OpenCall | None
    ) -> Call | Refused:
        """Judge call control for the open call (None: there is none)."""
        raise NotImplementedError

    def verify_ack(
        self, data: bytes, *, keyring: Keyring | None, stream_id: bytes, last_seq: int
    ) -> Ack | Refused:
        """Judge an acknowledgement. `last_seq`: highest seq of results and events that was ever given out."""
        raise NotImplementedError

    def verify_position_ack(
        self, data: bytes, *, keyring: Keyring | None, last_seqs: Mapping[bytes, int]
    ) -> PositionAck | Refused:
        """Judge the theft desk's acknowledgement. `last_seqs`: case id -> highest position seq given out."""
        raise NotImplementedError

    def verify_case_end(
        self, data: bytes, *, keyring: Keyring | None, cases: Container[bytes]
    ) -> CaseEnd | Refused:
        """Judge the end of a case. `cases`: ids of the cases that are open."""
        raise NotImplementedError
