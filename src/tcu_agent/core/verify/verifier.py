"""Every rule that a message from outside must pass, in the order of docs/protocol.md. No I/O, no clock, no own state.

How the core uses it:
- Each `verify_*` gets the raw bytes of one MQTT message and the state that it is judged against, and
  returns a value: what was accepted, or `Refused`. Nothing is raised, whatever the bytes are.
- A failed verification changes nothing. A success of `verify_grant`, or of a `verify_account` that
  needed evidence, has TAKEN the challenge out of the table before it returns: the same bytes are
  never accepted twice within one boot, and no other boot knows the challenge.
- The caller makes durable what the value says (mark, trust, account, intent) before it acts on it.

This is the only place where `UnlockAuthorisation` and `PositionAuthorisation` are made of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from tcu_agent.core.verify import account_rules, steps
from tcu_agent.core.verify.authorisation import (
    _VERIFIER,
    PositionAuthorisation,
    UnlockAuthorisation,
)
from tcu_agent.core.verify.challenges import ChallengeTable, Outstanding
from tcu_agent.core.verify.steps import Denial, M, Opened, Reader, demand
from tcu_agent.core.verify.verdicts import (
    AcceptedAccount,
    AcceptedRequest,
    AcceptedTrust,
    AlreadyAnswered,
    OpenCall,
    Refused,
    RequestMark,
)
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import trust
from tcu_agent.protocol.cose import VerificationKey
from tcu_agent.protocol.messages import (
    Account,
    Ack,
    Approval,
    Call,
    CaseEnd,
    Challenge,
    Common,
    Evidence,
    Grant,
    PositionAck,
    PositionParameters,
    Request,
    UnlockParameters,
)
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason, Service

__all__ = [
    "AcceptedAccount",
    "AcceptedRequest",
    "AcceptedTrust",
    "AlreadyAnswered",
    "OpenCall",
    "Refused",
    "RequestMark",
    "Verifier",
]

R = TypeVar("R")


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
        """Judge a request (R1 to R4).

        `marks`: kid -> highest seq taken; `answered`: request ids with an intent or an outcome.
        """

        def rule(opened: Opened[Request]) -> AcceptedRequest | AlreadyAnswered | Refused:
            request = opened.message
            fresh = request.seq > marks.get(opened.kid, -1)
            demand(
                fresh, Reason.STALE_REQUEST, f"request.seq: {request.seq} is not above the mark"
            )  # R2
            mark = RequestMark(kid=opened.kid, seq=request.seq)
            if request.request_id in answered:  # R3
                return AlreadyAnswered(request_id=request.request_id, mark=mark)
            try:
                steps.check_account(account, keyring)  # R4
            except Denial as denial:
                return replace(_refused(denial, data), authenticated=True, mark=mark)
            return AcceptedRequest(request=request, request_hash=opened.payload_hash, mark=mark)

        return self._judge(data, Request, keyring, rule)

    def challenge_for(
        self,
        accepted: AcceptedRequest,
        *,
        keyring: Keyring,
        account: Account,
        nonce: bytes,
        ttl_s: int,
    ) -> Challenge:
        """Return the challenge that answers a request; `nonce`: 16 fresh random bytes.

        Put it into the table first (it may be BUSY), then send it.
        """
        return Challenge(
            common=Common(
                vehicle_id=self.vehicle_id,
                service=accepted.request.service,
                request_id=accepted.request.request_id,
                nonce=nonce,
                boot_id=self.boot_id,
            ),
            request_hash=accepted.request_hash,
            trust_version=keyring.trust.version,
            trust_epoch=keyring.trust.epoch,
            account_version=account.version,
            ownership_generation=account.ownership_generation,
            pin_generation=account.pin_generation,
            ttl_s=ttl_s,
        )

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
        """Judge a grant with its evidence and approval (1 to 6). `now`: CLOCK_BOOTTIME, s.

        `answered`: request ids with an intent or an outcome.
        """

        def rule(
            opened: Opened[Grant],
        ) -> UnlockAuthorisation | PositionAuthorisation | AlreadyAnswered:
            grant = opened.message
            evidence, approval = self._nested(grant, keyring)  # 1, 2
            entry = challenges.find(grant.common.nonce, now=now)  # 3
            if isinstance(entry, Reason):
                if grant.common.request_id in answered:
                    return AlreadyAnswered(request_id=grant.common.request_id)
                raise self._no_challenge(grant.common, entry)
            steps.check_grant(grant, entry)  # 4a, 4d
            steps.check_evidence(evidence, entry)  # 4b
            if approval is not None:
                steps.check_approval(approval, entry)  # 4c
            steps.check_parameters(grant, entry)  # 4d
            steps.check_standing(entry, account=account, keyring=keyring)  # 4e
            steps.check_pin_age(evidence, entry, now=now)  # 4f
            fresh = entry.is_fresh(now, grant.max_age_s)
            demand(
                fresh, Reason.CHALLENGE_EXPIRED, "the challenge is older than the grant allows"
            )  # 5
            challenges.take(grant.common.nonce)  # 6
            return _authorisation(opened, entry, now=now)

        return self._judge(data, Grant, keyring, rule)

    def verify_account(
        self,
        data: bytes,
        *,
        keyring: Keyring | None,
        account: Account | None,
        challenges: ChallengeTable,
        now: float,
    ) -> AcceptedAccount | Refused:
        """Judge an account state against the stored one, None if nothing is stored yet (A1 to A12)."""

        def rule(opened: Opened[Account]) -> AcceptedAccount:
            new = opened.message
            if new == account:  # A2
                return _accepted_account(opened, account, evidence=None)
            account_rules.check_order(account, new, keyring=keyring)  # A3
            account_rules.check_change(account, new)  # A4 to A8
            if account is None or not account_rules.needs_evidence(account, new):
                unasked = new.evidence is not None
                detail = "evidence for a change that needs none"
                demand(not unasked, Reason.CHANGE_NOT_ALLOWED, detail)  # A12
                return _accepted_account(opened, account, evidence=None)
            evidence = self._account_evidence(new, keyring)  # A9, A10
            nonce = evidence.common.nonce
            entry = challenges.find(nonce, now=now)
            if isinstance(entry, Reason):
                raise self._no_challenge(evidence.common, entry)
            steps.check_evidence(evidence, entry)
            steps.check_standing(entry, account=account, keyring=keyring)
            steps.check_pin_age(evidence, entry, now=now)
            account_rules.check_exactly(account, new, entry.request)  # A11
            challenges.take(nonce)
            return _accepted_account(opened, account, evidence=evidence)

        return self._judge(data, Account, keyring, rule)

    def verify_trust(self, data: bytes, *, keyring: Keyring | None) -> AcceptedTrust | Refused:
        """Judge a trust container against the trust in force, None if there is none yet (T1 to T6)."""
        try:
            new = trust.open_container(  # T1 to T4
                data, roots=self.roots, threshold=self.threshold, environment=self.environment
            )
        except MalformedError as error:
            return Refused(reason=error.reason, detail=f"trust: {error}", authenticated=False)
        changed = keyring is None or new.trust != keyring.trust  # T5
        if keyring is not None and changed and not new.may_follow(keyring):  # T6
            detail = "trust: epoch, version or issued is not above the bundle in force"
            return Refused(reason=Reason.STALE_VERSION, detail=detail, authenticated=True)
        return AcceptedTrust(keyring=new, container=data, changed=changed)

    def verify_call(
        self, data: bytes, *, keyring: Keyring | None, call: OpenCall | None
    ) -> Call | Refused:
        """Judge call control for the open call (None: there is none)."""

        def rule(opened: Opened[Call]) -> Call:
            new = opened.message
            if call is None or new.incident_id != call.incident_id:
                raise Denial(Reason.UNKNOWN_INCIDENT, "call.incident_id: no such call is open")
            demand(
                new.boot_id == call.boot_id,
                Reason.BOOT_ID_MISMATCH,
                "call.boot_id: of another boot",
            )
            demand(
                new.seq > call.last_seq,
                Reason.STALE_REQUEST,
                f"call.seq: not above {call.last_seq}",
            )
            return new

        return self._judge(data, Call, keyring, rule)

    def verify_ack(
        self, data: bytes, *, keyring: Keyring | None, stream_id: bytes, last_seq: int
    ) -> Ack | Refused:
        """Judge an acknowledgement. `last_seq`: highest seq of results and events ever given out."""

        def rule(opened: Opened[Ack]) -> Ack:
            new = opened.message
            demand(new.stream_id == stream_id, Reason.UNKNOWN_STREAM, "ack.stream_id: not ours")
            demand(new.seq <= last_seq, Reason.BEYOND_SENT, f"ack.seq: above {last_seq}")
            return new

        return self._judge(data, Ack, keyring, rule)

    def verify_position_ack(
        self,
        data: bytes,
        *,
        keyring: Keyring | None,
        stream_id: bytes,
        last_seqs: Mapping[bytes, int],
    ) -> PositionAck | Refused:
        """Judge the theft desk's acknowledgement. `last_seqs`: case id -> highest seq given out."""

        def rule(opened: Opened[PositionAck]) -> PositionAck:
            new = opened.message
            is_ours = new.stream_id == stream_id
            demand(is_ours, Reason.UNKNOWN_STREAM, "position-ack.stream_id: not ours")
            if (last_seq := last_seqs.get(new.case_id)) is None:
                raise Denial(Reason.CASE_MISMATCH, "position-ack.case_id: no such case")
            demand(new.seq <= last_seq, Reason.BEYOND_SENT, f"position-ack.seq: above {last_seq}")
            return new

        return self._judge(data, PositionAck, keyring, rule)

    def verify_case_end(
        self, data: bytes, *, keyring: Keyring | None, cases: Container[bytes]
    ) -> CaseEnd | Refused:
        """Judge the end of a case. `cases`: ids of the cases that are open."""

        def rule(opened: Opened[CaseEnd]) -> CaseEnd:
            is_open = opened.message.case_id in cases
            demand(is_open, Reason.CASE_MISMATCH, "case-end.case_id: no such case is open")
            return opened.message

        return self._judge(data, CaseEnd, keyring, rule)

    def _judge(
        self,
        data: bytes,
        message: type[M],
        keyring: Keyring | None,
        rule: Callable[[Opened[M]], R],
    ) -> R | Refused:
        """Return what `rule` makes of the message once it has passed E1 to E6, or the refusal."""
        try:
            opened = self._reader(keyring).open(data, message)
        except Denial as denial:
            return _refused(denial, data)
        try:
            return rule(opened)
        except Denial as denial:
            return replace(_refused(denial, data), authenticated=True)

    def _reader(self, keyring: Keyring | None) -> Reader:
        return Reader(vehicle_id=self.vehicle_id, environment=self.environment, keyring=keyring)

    def _nested(self, grant: Grant, keyring: Keyring | None) -> tuple[Evidence, Approval | None]:
        """1, 2: open the evidence and, for a position, the approval."""
        reader = self._reader(keyring)
        evidence = reader.open(grant.evidence, Evidence).message
        if grant.common.service is not Service.POSITION:
            return evidence, None
        if grant.approval is None:
            raise Denial(Reason.APPROVAL_MISSING, "grant.approval: missing")
        return evidence, reader.open(grant.approval, Approval).message

    def _account_evidence(self, new: Account, keyring: Keyring | None) -> Evidence:
        """A9, A10: open the evidence that this change needs."""
        if new.evidence is None:
            raise Denial(Reason.EVIDENCE_MISSING, "account.evidence: missing, a PIN is needed")
        return self._reader(keyring).open(new.evidence, Evidence).message

    def _no_challenge(self, common: Common, reason: Reason) -> Denial:
        """3: say why there is no live challenge with this nonce."""
        if reason is Reason.UNKNOWN_CHALLENGE and common.boot_id != self.boot_id:
            return Denial(Reason.BOOT_ID_MISMATCH, "the challenge was of another boot")
        return Denial(reason, f"no live challenge: {reason.code}")


def _refused(denial: Denial, data: bytes) -> Refused:
    return Refused(
        reason=denial.reason,
        detail=denial.detail,
        authenticated=denial.is_authentic,
        request_id=steps.claimed_request_id(data),
    )


def _authorisation(
    opened: Opened[Grant], entry: Outstanding, *, now: float
) -> UnlockAuthorisation | PositionAuthorisation:
    """Make the permission, every rule having been passed."""
    grant = opened.message
    expires_at = entry.issued_at + min(entry.challenge.ttl_s, grant.max_age_s)
    if isinstance(grant.parameters, PositionParameters):
        return PositionAuthorisation(
            common=grant.common,
            parameters=grant.parameters,
            case_id=entry.request.incident_id,
            grant_hash=opened.payload_hash,
            accepted_at=now,
            expires_at=expires_at,
            seal=_VERIFIER,
        )
    return UnlockAuthorisation(
        common=grant.common,
        parameters=cast("UnlockParameters", grant.parameters),
        incident_id=entry.request.incident_id,
        grant_hash=opened.payload_hash,
        accepted_at=now,
        expires_at=expires_at,
        seal=_VERIFIER,
    )


def _accepted_account(
    opened: Opened[Account], stored: Account | None, *, evidence: Evidence | None
) -> AcceptedAccount:
    return AcceptedAccount(
        account=opened.message,
        payload=opened.payload,
        payload_hash=opened.payload_hash,
        changed=opened.message != stored,
        common=None if evidence is None else evidence.common,
        kills_challenges=account_rules.kills_challenges(stored, opened.message),
    )
