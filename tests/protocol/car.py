"""A car as far as the verifier sees it: its state, one outstanding challenge, and the good answer to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tcu_agent.core.verify.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.core.verify.challenges import ChallengeTable, Outstanding
from tcu_agent.core.verify.verifier import (
    AcceptedAccount,
    AcceptedRequest,
    AlreadyAnswered,
    Refused,
    Verifier,
)
from tcu_agent.protocol.messages import Account, Approval, Challenge, Evidence, Grant, Request
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.protocol.signing import (
    Centre,
    account_state,
    id16,
    keyring,
    sign,
    verifier,
)

ISSUED_AT = 1000.0
TTL_S = 60

B = TypeVar("B", Evidence, Approval, Grant)
GrantVerdict = UnlockAuthorisation | PositionAuthorisation | AlreadyAnswered | Refused


@dataclass
class Car:
    """Everything that `verify_*` is told, to be changed by a test one thing at a time."""

    verifier: Verifier = field(default_factory=verifier)
    keyring: Keyring | None = field(default_factory=keyring)
    account: Account | None = field(default_factory=account_state)
    table: ChallengeTable = field(default_factory=ChallengeTable)
    marks: dict[bytes, int] = field(default_factory=dict)
    answered: set[bytes] = field(default_factory=set)
    now: float = ISSUED_AT
    centre: Centre = field(default_factory=Centre)

    def judge_request(self, data: bytes) -> AcceptedRequest | AlreadyAnswered | Refused:
        """Put bytes to `verify_request`."""
        return self.verifier.verify_request(
            data,
            keyring=self.keyring,
            account=self.account,
            marks=self.marks,
            answered=self.answered,
        )

    def judge_grant(self, data: bytes) -> GrantVerdict:
        """Put bytes to `verify_grant`."""
        return self.verifier.verify_grant(
            data,
            keyring=self.keyring,
            account=self.account,
            challenges=self.table,
            answered=self.answered,
            now=self.now,
        )

    def judge_account(self, data: bytes) -> AcceptedAccount | Refused:
        """Put bytes to `verify_account`."""
        return self.verifier.verify_account(
            data,
            keyring=self.keyring,
            account=self.account,
            challenges=self.table,
            now=self.now,
        )

    def challenged(self, service: Service, **changes: Any) -> Outstanding:
        """Send a request for a service, and return the challenge that is now outstanding."""
        request: Request = self.centre.request(service, **changes)
        accepted = self.judge_request(sign(request))
        assert isinstance(accepted, AcceptedRequest), accepted
        assert self.keyring is not None
        assert self.account is not None
        self.marks[accepted.mark.kid] = accepted.mark.seq
        challenge = self.verifier.challenge_for(
            accepted,
            keyring=self.keyring,
            account=self.account,
            nonce=id16(f"nonce {request.seq}"),
            ttl_s=TTL_S,
        )
        entry = self.table.issue(
            accepted.request, challenge, account_epoch=self.account.epoch, now=self.now
        )
        assert isinstance(entry, Outstanding), entry
        return entry


@dataclass
class Answer:
    """A good grant for a challenge, with hooks to spoil any part before it is signed."""

    entry: Outstanding
    centre: Centre

    @property
    def challenge(self) -> Challenge:
        """The challenge that it answers."""
        return self.entry.challenge

    def evidence(self, **changes: Any) -> Evidence:
        """Return the evidence; `changes` to its fields, or to those of `common`."""
        return _changed(self.centre.evidence(self.challenge), changes)

    def approval(self, **changes: Any) -> Approval:
        """Return the approval, likewise."""
        return _changed(self.centre.approval(self.challenge), changes)

    def grant(self, **changes: Any) -> Grant:
        """Return the grant, likewise."""
        return _changed(self.centre.grant(self.challenge, self.entry.request.parameters), changes)

    def signed(self, **changes: Any) -> bytes:
        """Return the grant, signed by the command key."""
        return sign(self.grant(**changes))


def _changed(message: B, changes: dict[str, Any]) -> B:
    common = {
        name: changes.pop(name)
        for name in ("vehicle_id", "service", "request_id", "nonce", "boot_id")
        if name in changes
    }
    return replace(message, common=replace(message.common, **common), **changes)


def refused(verdict: object, reason: Reason, *, authenticated: bool | None = None) -> Refused:
    """Check that a verdict is a refusal for this very reason, and return it."""
    assert isinstance(verdict, Refused), verdict
    assert verdict.reason is reason, verdict
    assert verdict.detail
    if authenticated is not None:
        assert verdict.authenticated is authenticated, verdict
    return verdict


def a_car(service: Service, **request: Any) -> tuple[Car, Answer]:
    car = Car()
    entry = car.challenged(service, **request)
    return car, Answer(entry, car.centre)


def expect_success(car: Car, answer: Answer) -> UnlockAuthorisation | PositionAuthorisation:
    """The unspoilt grant is accepted, once: nothing before has used up the nonce."""
    verdict = car.judge_grant(answer.signed())
    assert isinstance(verdict, UnlockAuthorisation | PositionAuthorisation), verdict
    refused(car.judge_grant(answer.signed()), Reason.UNKNOWN_CHALLENGE, authenticated=True)
    return verdict
