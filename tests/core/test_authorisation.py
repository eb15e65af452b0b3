"""The types that the actuators take cannot be made in passing."""

from __future__ import annotations

import pytest

from tcu_agent.core.verify.authorisation import (
    PositionAuthorisation,
    RelockAuthorisation,
    UnlockAuthorisation,
    relock_after_unlock,
    resume_position,
)
from tcu_agent.errors import BugError
from tcu_agent.protocol.messages import Common
from tcu_agent.protocol.vocabulary import Service
from tests.protocol import signing

COMMON = Common(
    vehicle_id="car-1",
    service=Service.UNLOCK,
    request_id=bytes(16),
    nonce=bytes(16),
    boot_id=bytes(8),
)


def test_an_unlock_authorisation_needs_the_verifier() -> None:
    with pytest.raises(BugError):
        UnlockAuthorisation(
            common=COMMON,
            parameters=signing.DIRECT,
            incident_id=bytes(16),
            grant_hash=bytes(32),
            accepted_at=0.0,
            expires_at=0.0,
            seal=object(),
        )


def test_a_position_authorisation_needs_the_verifier() -> None:
    with pytest.raises(BugError):
        PositionAuthorisation(
            common=COMMON,
            parameters=signing.SNAPSHOT,
            case_id=bytes(16),
            grant_hash=bytes(32),
            accepted_at=0.0,
            expires_at=0.0,
            seal=None,
        )


def test_a_relock_authorisation_needs_an_unlock() -> None:
    with pytest.raises(BugError):
        RelockAuthorisation(request_id=bytes(16), seal=object())
    assert relock_after_unlock(bytes(16)).request_id == bytes(16)


def test_a_resumed_permission_is_as_old_as_can_be() -> None:
    resumed = resume_position(
        common=COMMON, parameters=signing.TRACKING, case_id=bytes(16), grant_hash=bytes(32)
    )
    assert resumed.expires_at < 0
    assert resumed.accepted_at < 0
