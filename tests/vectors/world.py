"""What the vectors are about: one car, its centre, and the good messages between them.

All of it is written with the simulator's own implementation of the protocol (tcu_sim.wire).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from tcu_sim.wire import cbor, envelope
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.numbers import Kind, Mode, Service
from tcu_sim.wire.trust import record_of
from tests.vectors.keys import (
    COMMAND,
    PIN_AUTHORITY,
    ROLE_KEYS,
    ROOT_1,
    ROOT_2,
    THEFT_DESK,
    Holder,
)

VEHICLE_ID = "car-1"
BOOT_ID = bytes.fromhex("b0075e550000b001")
STREAM_ID = bytes.fromhex("57aea30000000001")
ISSUED_S, NOW_S, TTL_S, MAX_AGE_S, PIN_AGE_S = 1000.0, 1012.0, 60, 60, 30
ADDED_USER = "user-2"


def named(what: str, length: int = 16) -> bytes:
    """Return bytes that stand for a name."""
    return hashlib.sha256(what.encode()).digest()[:length]


INCIDENT = named("incident or case")


def record(holder: Holder) -> m.KeyRecord:
    """Return a service's record in the trust bundle."""
    assert holder.role is not None
    hpke = holder.hpke.public_key().public_bytes_raw() if holder is THEFT_DESK else None
    return record_of(holder.role, holder.public, hpke)


def trust(**changes: Any) -> m.Trust:
    """Return the trust bundle in force, or one that differs in `changes`."""
    values: dict[str, Any] = {
        "version": 3,
        "epoch": 1,
        "keys": tuple(record(holder) for holder in ROLE_KEYS),
        "revoked": (),
        "issued_s": 1_790_000_000,
    }
    return m.Trust(**{**values, **changes})


def container(bundle: m.Trust, *signers: Holder) -> bytes:
    """Return a trust-container, signed by two of the roots unless said otherwise."""
    return cbor.encode([holder.sign(bundle) for holder in signers or (ROOT_1, ROOT_2)])


def account(**changes: Any) -> m.Account:
    """Return the account state that the car has stored, or one that differs in `changes`."""
    values: dict[str, Any] = {
        "vehicle_id": VEHICLE_ID,
        "version": 7,
        "ownership_generation": 2,
        "pin_generation": 3,
        "users": ("user-1",),
        "subscription_active": True,
        "epoch": 1,
    }
    return m.Account(**{**values, **changes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what answers it, each part good; `evidence(...)` and so on change a part."""

    name: str
    service: Service
    parameters: p.Parameters
    seq: int

    @property
    def request(self) -> m.Request:
        """The command service's request."""
        return m.Request(
            vehicle_id=VEHICLE_ID,
            service=self.service,
            request_id=named(f"request {self.name}"),
            seq=self.seq,
            incident_id=INCIDENT,
            parameters=self.parameters,
        )

    @property
    def common(self) -> dict[str, Any]:
        """The five common fields."""
        return {
            "vehicle_id": VEHICLE_ID,
            "service": self.service,
            "request_id": self.request.request_id,
            "nonce": named(f"nonce {self.name}"),
            "boot_id": BOOT_ID,
        }

    @property
    def challenge(self) -> m.Challenge:
        """The car's challenge."""
        bundle, stored = trust(), account()
        return m.Challenge(
            **self.common,
            request_hash=envelope.digest(envelope.payload_of(self.request)),
            trust_version=bundle.version,
            trust_epoch=bundle.epoch,
            account_version=stored.version,
            ownership_generation=stored.ownership_generation,
            pin_generation=stored.pin_generation,
            ttl_s=TTL_S,
        )

    @property
    def challenge_hash(self) -> bytes:
        """The hash by which evidence and approval quote the challenge."""
        return envelope.digest(envelope.payload_of(self.challenge))

    def evidence(self, **changes: Any) -> m.Evidence:
        """The PIN authority's evidence."""
        values: dict[str, Any] = {
            **self.common,
            "challenge_hash": self.challenge_hash,
            "pin_session_id": named(f"PIN session {self.name}"),
            "pin_age_s": PIN_AGE_S,
        }
        return m.Evidence(**{**values, **changes})

    def approval(self, **changes: Any) -> m.Approval:
        """The theft desk's approval."""
        values: dict[str, Any] = {
            **self.common,
            "challenge_hash": self.challenge_hash,
            "case_id": INCIDENT,
        }
        return m.Approval(**{**values, **changes})

    def grant_fields(self, **changes: Any) -> dict[str, Any]:
        """The fields of the grant."""
        position = self.service is Service.POSITION
        return {
            **self.common,
            "evidence": PIN_AUTHORITY.sign(self.evidence()),
            "approval": THEFT_DESK.sign(self.approval()) if position else None,
            "parameters": self.parameters,
            "max_age_s": MAX_AGE_S,
            **changes,
        }

    def grant(self, **changes: Any) -> bytes:
        """The grant, signed by the command service."""
        return COMMAND.sign(m.Grant(**self.grant_fields(**changes)))

    def account(self, **changes: Any) -> m.Account:
        """The account state after the stored one, with this exchange's evidence."""
        evidence = PIN_AUTHORITY.sign(self.evidence())
        return account(**{"version": 8, "evidence": evidence, **changes})


STATE = Exchange(name="state", service=Service.STATE, parameters=p.Nothing(), seq=41)
UNLOCK = Exchange(
    name="unlock", service=Service.UNLOCK, parameters=p.Unlock(mode=Mode.DIRECT), seq=42
)
ARMED = Exchange(
    name="armed",
    service=Service.UNLOCK,
    parameters=p.Unlock(mode=Mode.ARMED, window_s=300),
    seq=43,
)
SNAPSHOT = Exchange(
    name="snapshot", service=Service.POSITION, parameters=p.Locate(kind=Kind.SNAPSHOT), seq=44
)
TRACKING = Exchange(
    name="tracking",
    service=Service.POSITION,
    parameters=p.Locate(kind=Kind.TRACKING, interval_s=60, duration_s=3600),
    seq=45,
)
APP_LINK = Exchange(
    name="app-link", service=Service.APP_LINK, parameters=p.User(user_id=ADDED_USER), seq=46
)
ADD_USER = Exchange(
    name="add-user", service=Service.ADD_USER, parameters=p.User(user_id=ADDED_USER), seq=47
)
END = Exchange(
    name="end-subscription", service=Service.END_SUBSCRIPTION, parameters=p.Nothing(), seq=48
)
EXCHANGES = (STATE, UNLOCK, ARMED, SNAPSHOT, TRACKING, APP_LINK, ADD_USER, END)
