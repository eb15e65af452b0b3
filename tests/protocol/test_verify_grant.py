"""The negative catalogue of grants: spoil one field, expect this very reason, restore it, expect success."""

from typing import Any

import pytest

from tcu_agent.core.verify.authorisation import PositionAuthorisation, UnlockAuthorisation
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import (
    Approval,
    Common,
    Evidence,
    Grant,
    PositionParameters,
    UnlockParameters,
)
from tcu_agent.protocol.vocabulary import PositionKind, Reason, Service, UnlockMode
from tests.protocol.car import ISSUED_AT, TTL_S, Answer, Car, a_car, expect_success, refused
from tests.protocol.signing import (
    ARMED,
    DIRECT,
    SNAPSHOT,
    TRACKING,
    id16,
    sign,
    verifier,
)

OTHER_ID = id16("something else")
OTHER_BOOT = bytes(8)
SERVICES = [Service.UNLOCK, Service.POSITION]


# ------------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("parameters", [DIRECT, ARMED])
def test_a_good_grant_unlocks(parameters: UnlockParameters) -> None:
    car, answer = a_car(Service.UNLOCK, parameters=parameters)
    car.now += 10
    verdict = expect_success(car, answer)
    assert isinstance(verdict, UnlockAuthorisation)
    assert verdict.common == answer.challenge.common
    assert verdict.parameters == parameters
    assert verdict.incident_id == id16("incident or case")
    assert verdict.grant_hash == codec.payload_hash(codec.encode(answer.grant()))
    assert verdict.accepted_at == ISSUED_AT + 10
    assert verdict.expires_at == ISSUED_AT + TTL_S


@pytest.mark.parametrize("parameters", [SNAPSHOT, TRACKING])
def test_a_good_grant_with_approval_locates(parameters: PositionParameters) -> None:
    car, answer = a_car(Service.POSITION, parameters=parameters)
    verdict = expect_success(car, answer)
    assert isinstance(verdict, PositionAuthorisation)
    assert verdict.parameters == parameters
    assert verdict.case_id == id16("incident or case")
    assert verdict.grant_hash == codec.payload_hash(codec.encode(answer.grant()))
    assert verdict.accepted_at == ISSUED_AT
    assert verdict.expires_at == ISSUED_AT + TTL_S


def test_the_grant_may_shorten_the_time_but_not_stretch_it() -> None:
    car, answer = a_car(Service.UNLOCK)
    verdict = car.judge_grant(answer.signed(max_age_s=20))
    assert isinstance(verdict, UnlockAuthorisation)
    assert verdict.expires_at == ISSUED_AT + 20


# ----------------------------------------------------------------- one field after the other

GRANT_FIELDS: list[tuple[Service, dict[str, Any], Reason]] = [
    *((s, {"vehicle_id": "car-2"}, Reason.WRONG_VEHICLE) for s in SERVICES),
    *((s, {"request_id": OTHER_ID}, Reason.REQUEST_MISMATCH) for s in SERVICES),
    *((s, {"nonce": OTHER_ID}, Reason.UNKNOWN_CHALLENGE) for s in SERVICES),
    *((s, {"boot_id": OTHER_BOOT}, Reason.BOOT_ID_MISMATCH) for s in SERVICES),
    *((s, {"nonce": OTHER_ID, "boot_id": OTHER_BOOT}, Reason.BOOT_ID_MISMATCH) for s in SERVICES),
    (Service.UNLOCK, {"parameters": ARMED}, Reason.PARAMETERS_MISMATCH),
    (Service.POSITION, {"parameters": TRACKING}, Reason.PARAMETERS_MISMATCH),
    (Service.POSITION, {"approval": None}, Reason.APPROVAL_MISSING),
]
NESTED_FIELDS: list[tuple[dict[str, Any], Reason]] = [
    ({"vehicle_id": "car-2"}, Reason.WRONG_VEHICLE),
    ({"service": Service.STATE}, Reason.SERVICE_MISMATCH),
    ({"service": Service.APP_LINK}, Reason.SERVICE_MISMATCH),
    ({"request_id": OTHER_ID}, Reason.REQUEST_MISMATCH),
    ({"nonce": OTHER_ID}, Reason.NONCE_MISMATCH),
    ({"boot_id": OTHER_BOOT}, Reason.BOOT_ID_MISMATCH),
    ({"challenge_hash": bytes(32)}, Reason.CHALLENGE_MISMATCH),
]


@pytest.mark.parametrize(("service", "changes", "reason"), GRANT_FIELDS)
def test_a_changed_field_of_the_grant(
    service: Service, changes: dict[str, Any], reason: Reason
) -> None:
    car, answer = a_car(service)
    verdict = refused(car.judge_grant(answer.signed(**changes)), reason, authenticated=True)
    assert verdict.request_id == changes.get("request_id", answer.challenge.common.request_id)
    expect_success(car, answer)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("changes", "reason"), NESTED_FIELDS)
def test_a_changed_field_of_the_evidence(
    service: Service, changes: dict[str, Any], reason: Reason
) -> None:
    car, answer = a_car(service)
    evidence = sign(answer.evidence(**changes))
    refused(car.judge_grant(answer.signed(evidence=evidence)), reason, authenticated=True)
    expect_success(car, answer)


@pytest.mark.parametrize(
    ("changes", "reason"), [*NESTED_FIELDS, ({"case_id": OTHER_ID}, Reason.CASE_MISMATCH)]
)
def test_a_changed_field_of_the_approval(changes: dict[str, Any], reason: Reason) -> None:
    car, answer = a_car(Service.POSITION)
    approval = sign(answer.approval(**changes))
    refused(car.judge_grant(answer.signed(approval=approval)), reason, authenticated=True)
    expect_success(car, answer)


def test_the_tables_name_every_field() -> None:
    """A field that is added to a message and forgotten here fails this."""
    free = {"pin_session_id", "pin_age_s"}  # the first is the authority's own; the second: below
    common = set(Common.__dataclass_fields__)
    nested = {name for changes, _ in NESTED_FIELDS for name in changes}
    assert nested == common | (set(Evidence.__dataclass_fields__) - {"common"} - free)
    assert nested | {"case_id"} == common | (set(Approval.__dataclass_fields__) - {"common"})
    own = {name for _, changes, _ in GRANT_FIELDS for name in changes} | {"service"}
    assert own == common | (set(Grant.__dataclass_fields__) - {"common", "evidence", "max_age_s"})


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (DIRECT, ARMED),
        (ARMED, DIRECT),
        (ARMED, UnlockParameters(UnlockMode.ARMED, 301)),
        (ARMED, UnlockParameters(UnlockMode.ARMED, 299)),
        (SNAPSHOT, TRACKING),
        (TRACKING, SNAPSHOT),
        (TRACKING, PositionParameters(PositionKind.TRACKING, 59, 3600)),
        (TRACKING, PositionParameters(PositionKind.TRACKING, 60, 3601)),
    ],
)
def test_parameters_are_those_that_the_pin_was_given_for(asked: Any, granted: Any) -> None:
    service = Service.UNLOCK if isinstance(asked, UnlockParameters) else Service.POSITION
    car, answer = a_car(service, parameters=asked)
    refused(car.judge_grant(answer.signed(parameters=granted)), Reason.PARAMETERS_MISMATCH)
    expect_success(car, answer)


def test_a_grant_of_the_other_service() -> None:
    """Unlock asked, position granted, with an approval and evidence that agree with the grant."""
    car, answer = a_car(Service.UNLOCK)
    spoilt = answer.signed(
        service=Service.POSITION,
        parameters=SNAPSHOT,
        evidence=sign(answer.evidence(service=Service.POSITION)),
        approval=sign(answer.approval(service=Service.POSITION)),
    )
    refused(car.judge_grant(spoilt), Reason.SERVICE_MISMATCH, authenticated=True)
    expect_success(car, answer)


@pytest.mark.parametrize("service", [Service.APP_LINK, Service.ADD_USER, Service.END_SUBSCRIPTION])
def test_services_of_the_account_have_no_grants(service: Service) -> None:
    car, answer = a_car(service)
    refused(car.judge_grant(answer.signed()), Reason.SERVICE_MISMATCH, authenticated=True)
    assert car.table.find(answer.challenge.common.nonce, now=car.now) is answer.entry


def test_the_owners_other_car() -> None:
    """Everything right, for the car next to it."""
    car, answer = a_car(Service.UNLOCK)
    other = Car(verifier=verifier(vehicle_id="car-2"))
    other.centre.vehicle_id = "car-2"
    foreign = Answer(other.challenged(Service.UNLOCK), other.centre)
    refused(car.judge_grant(foreign.signed()), Reason.WRONG_VEHICLE, authenticated=True)
    evidence = sign(foreign.evidence())
    refused(car.judge_grant(answer.signed(evidence=evidence)), Reason.WRONG_VEHICLE)
    expect_success(car, answer)


def test_evidence_of_a_snapshot_cannot_be_stretched_into_tracking() -> None:
    car = Car()
    snapshot = Answer(car.challenged(Service.POSITION, parameters=SNAPSHOT), car.centre)
    tracking = Answer(car.challenged(Service.POSITION, parameters=TRACKING), car.centre)
    evidence, approval = sign(snapshot.evidence()), sign(snapshot.approval())
    stretched = snapshot.signed(parameters=TRACKING)
    refused(car.judge_grant(stretched), Reason.PARAMETERS_MISMATCH)
    for spoilt, reason in (
        (tracking.signed(evidence=evidence, approval=approval), Reason.REQUEST_MISMATCH),
        (tracking.signed(evidence=evidence), Reason.REQUEST_MISMATCH),
        (tracking.signed(approval=approval), Reason.REQUEST_MISMATCH),
    ):
        refused(car.judge_grant(spoilt), reason)
    expect_success(car, tracking)
    expect_success(car, snapshot)
