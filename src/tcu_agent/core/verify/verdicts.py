"""What the verifier says about a message: values, never exceptions. Their reader is the rest of the core."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.protocol.messages import Account, Common, Request
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMark:
    """The seq of an authentic request: to be made durable per `kid` before anything is answered to it.

    A mark belongs to the key: who stole a command key and signed the highest seq there is has spoilt
    that key alone. Of keys that have left the bundle, the last marks stay.
    """

    kid: bytes
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No, and why. `detail` is for the log: it holds no secret and no position.

    `authenticated`: the outer signature was good, so the sender is who it says it is; only then may
    the answer cost anything. `request_id`: what the message called itself (unverified unless
    `authenticated`), None where nothing could be read. `mark`: an authentic new request was
    refused; its seq is used up all the same.
    """

    reason: Reason
    detail: str
    authenticated: bool
    request_id: bytes | None = None
    mark: RequestMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyAnswered:
    """This request id has an intent or an outcome: send the stored result again, if there is one yet."""

    request_id: bytes
    mark: RequestMark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRequest:
    """A request that may get a challenge (or, service STATE, its report at once).

    `request_hash`: SHA-256 of its payload.
    """

    request: Request
    request_hash: bytes
    mark: RequestMark


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAccount:
    """An account state to adopt. `changed` False: it is the stored one again, nothing to do.

    `payload` is what to make durable (after a restart: `codec.decode(Account, payload)`).
    `common` names the request that its evidence belongs to and that gets a result, None if it
    needed none. `kills_challenges`: for `ChallengeTable.clear` (None: they stay good).
    """

    account: Account
    payload: bytes
    payload_hash: bytes
    changed: bool
    common: Common | None = None
    kills_challenges: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedTrust:
    """A trust bundle to adopt. `changed` False: it is the stored one again, nothing to do.

    `container` is what to make durable; after a restart it is verified again, with
    `verify_trust(container, keyring=None)`.
    """

    keyring: Keyring
    container: bytes
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """The incident whose call is open: the boot id it was opened under, and the last call seq (0 = none)."""

    incident_id: bytes
    boot_id: bytes
    last_seq: int = 0
