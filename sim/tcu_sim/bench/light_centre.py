"""A centre for the bench, in memory: all four services' keys in one object, and a ledger of what they signed.

It speaks the protocol with the bench's own encoder and keeps no rules of its own: a scenario can make it sign what an
honest centre would not. What it did sign stands in the ledger, and the oracle holds the car against that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_sim.bench.heard import Heard, without_gap
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.envelope import sign
from tcu_sim.wire.keys import PublicKey, SigningKey
from tcu_sim.wire.numbers import Call as CallState
from tcu_sim.wire.numbers import Role, Service
from tcu_sim.wire.sealing import Fix, label_of, unseal
from tcu_sim.wire.trust import make_container, record_of

ISSUED_S = 1_790_000_000
"""When the trust bundle says it was issued: before any scenario begins."""
MAX_AGE_S = 120

Send = Callable[[str, bytes], None]
Now = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One piece of evidence that the PIN authority signed. `at`: true time, s."""

    request_id: bytes
    service: Service
    parameters: p.Parameters
    at: float
    challenged_at: float
    """When the car's challenge came, and with it the beginning of its lifetime."""
    ttl_s: int
    case_id: bytes | None


@dataclass(slots=True)
class AccountState:
    """What the account service last told the car."""

    version: int = 0
    ownership_generation: int = 1
    pin_generation: int = 1
    users: tuple[str, ...] = ()
    subscription_active: bool = True


def seeded_key(name: str) -> SigningKey:
    """Return an Ed25519 key made from a name: for benches, where every run shall be the same."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


class LightCentre:
    """One centre for one car. `send(type, bytes)` publishes to the car; `now` is true time, s."""

    def __init__(
        self,
        *,
        vehicle_id: str,
        environment: str,
        vehicle_key: PublicKey,
        send: Send,
        now: Now,
        seed: int = 0,
    ) -> None:
        self.vehicle_id = vehicle_id
        self.environment = environment
        self.heard = Heard(vehicle_key=vehicle_key, environment=environment)
        self.ledger: list[Deed] = []
        self.account = AccountState()
        self.trust_version = 1
        self.epoch = 1
        self.revoked: tuple[bytes, ...] = ()
        """Key ids that the next trust bundle revokes."""
        self.acknowledges = True
        """Whether results, events and positions are acknowledged as they come."""
        self.requests: dict[bytes, m.Request] = {}
        self.roots = tuple(seeded_key(f"root {number} {seed}") for number in range(3))
        self.keys = {role: seeded_key(f"{role.name} {seed}") for role in Role}
        self.desk_private = X25519PrivateKey.from_private_bytes(
            hashlib.sha256(b"desk %d" % seed).digest()
        )
        self._send = send
        self._now = now
        self._random = Random(seed)
        self.back_end = 0
        """Which of two back ends speaks; each counts its own requests."""
        self._request_seqs = {0: 0, 1: 0}
        self._call_seq = 0
        self._challenged_at: dict[bytes, float] = {}

    # ------------------------------------------------------------------ telling the car
    def send(self, message: m.Message, *, key: SigningKey | None = None) -> bytes:
        """Sign a message with the key of its role (or another one), publish it, return its bytes."""
        data = sign(
            message, key or self.keys[next(iter(m.ROLES_OF[type(message)]))], self.environment
        )
        self._send(message.TYP, data)
        return data

    def send_trust(self, *, signers: Sequence[SigningKey] | None = None) -> bytes:
        """Publish the trust bundle."""
        desk_public = self.desk_private.public_key().public_bytes_raw()
        records = tuple(
            record_of(role, key.public, desk_public if role is Role.THEFT_DESK else None)
            for role, key in self.keys.items()
        )
        trust = m.Trust(
            version=self.trust_version,
            epoch=self.epoch,
            keys=records,
            revoked=self.revoked,
            issued_s=ISSUED_S,
        )
        data = make_container(trust, signers or self.roots[:2], self.environment)
        self._send("trust", data)
        return data

    def send_account(self, evidence: bytes | None = None) -> bytes:
        """Publish the account state under the next version number."""
        self.account.version += 1
        return self.send(
            m.Account(
                vehicle_id=self.vehicle_id,
                version=self.account.version,
                epoch=self.epoch,
                ownership_generation=self.account.ownership_generation,
                pin_generation=self.account.pin_generation,
                users=self.account.users,
                subscription_active=self.account.subscription_active,
                evidence=evidence,
            )
        )

    def send_call(self, incident: m.Event, state: CallState) -> bytes:
        """Publish a call state for the incident that an event opened."""
        self._call_seq += 1
        return self.send(
            m.Call(
                vehicle_id=self.vehicle_id,
                boot_id=incident.boot_id,
                incident_id=incident.incident_id or b"",
                seq=self._call_seq,
                state=state,
            )
        )

    def send_request(
        self, service: Service, parameters: p.Parameters, *, incident_id: bytes | None = None
    ) -> bytes:
        """Publish a request and return its id."""
        self._request_seqs[self.back_end] += 1
        request = m.Request(
            vehicle_id=self.vehicle_id,
            service=service,
            request_id=self.new_id(),
            seq=self._request_seqs[self.back_end],
            incident_id=incident_id or self.new_id(),
            parameters=parameters,
        )
        self.requests[request.request_id] = request
        self.send(request)
        return request.request_id

    def agree(self) -> None:
        """Let both back ends know what the other one has counted."""
        self._request_seqs = dict.fromkeys((0, 1), max(self._request_seqs.values()))

    def new_id(self) -> bytes:
        """Return 16 bytes of the seed's stream."""
        return self._random.randbytes(16)

    # ------------------------------------------------------------------ granting
    def evidence(self, request_id: bytes, *, pin_age_s: int = 0) -> bytes:
        """Return the PIN authority's evidence for the car's challenge, and enter it in the ledger."""
        challenge, request = self.heard.challenges[request_id], self.requests[request_id]
        self.ledger.append(
            Deed(
                request_id=request_id,
                service=request.service,
                parameters=request.parameters,
                at=self._now(),
                challenged_at=self._challenged_at[request_id],
                ttl_s=challenge.message.ttl_s,
                case_id=request.incident_id if request.service is Service.POSITION else None,
            )
        )
        message = m.Evidence(
            **self._common(challenge.message),
            challenge_hash=challenge.hash,
            pin_session_id=self.new_id(),
            pin_age_s=pin_age_s,
        )
        return sign(message, self.keys[Role.PIN_AUTHORITY], self.environment)

    def approval(self, request_id: bytes) -> bytes:
        """Return the theft desk's approval."""
        challenge, request = self.heard.challenges[request_id], self.requests[request_id]
        message = m.Approval(
            **self._common(challenge.message),
            challenge_hash=challenge.hash,
            case_id=request.incident_id,
        )
        return sign(message, self.keys[Role.THEFT_DESK], self.environment)

    def grant(
        self,
        request_id: bytes,
        *,
        evidence: bytes | None = None,
        parameters: p.Parameters | None = None,
    ) -> m.Grant:
        """Return the grant that an honest centre would send; a scenario may exchange its parts."""
        challenge, request = self.heard.challenges[request_id], self.requests[request_id]
        is_position = request.service is Service.POSITION
        return m.Grant(
            **self._common(challenge.message),
            evidence=evidence or self.evidence(request_id),
            approval=self.approval(request_id) if is_position else None,
            parameters=parameters or request.parameters,
            max_age_s=MAX_AGE_S,
        )

    @staticmethod
    def _common(challenge: m.Challenge) -> dict[str, Any]:
        names = ("vehicle_id", "service", "request_id", "nonce", "boot_id")
        return {name: getattr(challenge, name) for name in names}

    # ------------------------------------------------------------------ hearing the car
    def hear(self, word: str, data: bytes) -> m.Message:
        """Take a message of the car, and acknowledge it if it asks for that.

        Raises:
            WireError: it is none, or its signature does not hold: the car must never say such a thing.
        """
        message = self.heard.take(word, data)
        if isinstance(message, m.Challenge):
            self._challenged_at[message.request_id] = self._now()
        if self.acknowledges and isinstance(message, m.Result | m.Event):
            self._acknowledge(message.stream_id)
        elif self.acknowledges and isinstance(message, m.Position):
            self._acknowledge_position(message.case_id, message.stream_id)
        return message

    def _acknowledge(self, stream_id: bytes) -> None:
        if seq := self.heard.complete_up_to(stream_id):
            self.send(m.Ack(vehicle_id=self.vehicle_id, seq=seq, stream_id=stream_id))

    def _acknowledge_position(self, case_id: bytes, stream_id: bytes) -> None:
        of_case = (key for key in self.heard.positions if key[:2] == (case_id, stream_id))
        if seq := without_gap(number for _, _, number in of_case):
            self.send(
                m.PositionAck(
                    vehicle_id=self.vehicle_id, case_id=case_id, seq=seq, stream_id=stream_id
                )
            )

    def fixes(self, case_id: bytes) -> list[Fix]:
        """Return the opened positions of a case, in order; those that are lost are none."""
        positions = [
            item for (case, *_), item in sorted(self.heard.positions.items()) if case == case_id
        ]
        return [
            unseal(item.sealed, label_of(item, self.environment), self.desk_private)
            for item in positions
            if item.sealed is not None
        ]
