"""Whatever the verifier accepts, the next start reads again: a number is not too large for the disk alone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.position.cases import LARGEST, Cases
from tcu_agent.errors import StorageError
from tcu_agent.protocol.messages import PositionParameters
from tcu_agent.protocol.vocabulary import CallState, PositionKind, Reason, Role, Service
from tests.core.driver import Driver
from tests.protocol import signing

UINT32, UINT53 = 2**32 - 1, 2**53 - 1


def any_number(least: int, most: int) -> st.SearchStrategy[int]:
    """Any number, its limits and the powers of two between them more often than lots alone would."""
    edges = {power + step for bit in range(54) for power in (2**bit,) for step in (-1, 0, 1)}
    at_edges = sorted({least, most, *(edge for edge in edges if least <= edge <= most)})
    return st.sampled_from(at_edges[-8:]) | st.sampled_from(at_edges) | st.integers(least, most)


@pytest.mark.parametrize("seq", [2**52, 2**52 + 1, UINT53])
def test_a_thief_spoils_the_mark_of_the_stolen_key_alone_through_a_restart(
    car: Driver, seq: int
) -> None:
    """One request of his with the highest seq there is, and the car must still come up after its next start."""
    car.receive("request", signing.sign(car.centre.request(Service.UNLOCK, seq=seq)))
    car.restart()
    assert car.core.snapshot()["is_corrupt"] is False
    assert car.core._parts.knowledge.marks == {signing.COMMAND.kid: seq}
    car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.STALE_REQUEST]
    new = signing.Party("command, the next", role=Role.COMMAND)
    keys = [party.key_record() for party in (*signing.ROLE_KEYS, new)]
    rotated = signing.trust_bundle(version=2, keys=tuple(keys), revoked=(signing.COMMAND.kid,))
    car.receive("trust", signing.trust_container(rotated))
    car.restart()
    request = car.centre.request(Service.UNLOCK, seq=1)
    car.receive("request", signing.sign(request, new))
    assert car.challenge.common.request_id == request.request_id


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    bundle=st.fixed_dictionaries(
        {
            "version": any_number(0, UINT53),
            "epoch": any_number(0, UINT32),
            "issued_s": any_number(0, UINT53),
        }
    ),
    account=st.fixed_dictionaries(
        {
            "version": any_number(0, UINT53),
            "ownership_generation": any_number(0, UINT32),
            "pin_generation": any_number(0, UINT32),
        }
    ),
    seqs=st.lists(any_number(0, UINT53), min_size=1, max_size=3, unique=True).map(sorted),
    call_seq=any_number(1, UINT32),
    parameters=st.builds(
        PositionParameters,
        st.just(PositionKind.TRACKING),
        any_number(5, 3600),
        any_number(10, 604_800),
    ),
    power=st.booleans(),
)
def test_whatever_the_verifier_accepts_the_next_start_accepts(
    bundle: dict[str, int],
    account: dict[str, int],
    seqs: list[int],
    call_seq: int,
    parameters: PositionParameters,
    power: bool,
) -> None:
    car = Driver()
    car.receive("trust", signing.trust_container(signing.trust_bundle(**bundle)))
    car.tell_account(epoch=bundle["epoch"], **account)
    car.change({vss.LATITUDE: 1.0, vss.LONGITUDE: 2.0, vss.FIX_TYPE: "THREE_D"})
    for seq in seqs:
        request = car.ask(Service.POSITION, seq=seq, parameters=parameters)
        car.receive("grant", car.grant_for(request))
    car.change({vss.ON_CALL_BUTTON: True})
    car.pass_time(0.2)
    car.control(CallState.RINGING, call_seq)
    assert car.refusals == [], "the verifier did not accept it"
    before = car.core._parts.knowledge, car.core._parts.on_call.open_call
    case = dict(car.core._parts.position.cases.last_seqs)
    car.restart(new_session=power)
    assert car.core.snapshot()["is_corrupt"] is False
    assert (car.core._parts.knowledge, car.core._parts.on_call.open_call) == before
    assert car.core._parts.position.cases.last_seqs.keys() == case.keys()
    assert [result.outcome.name for result in car.results[: len(seqs) - 1]] == ["REFUSED"] * (
        len(seqs) - 1
    )


def test_a_mark_that_no_request_can_have_is_corrupt(car: Driver) -> None:
    for seq, is_corrupt in ((UINT53, False), (UINT53 + 1, True), (-1, True)):
        car.stored[records.MARKS] = records.pack(1, 1, signing.COMMAND.kid, seq)
        car.restart()
        assert car.core.snapshot()["is_corrupt"] is is_corrupt


def test_a_case_that_has_used_up_its_numbers_is_corrupt() -> None:
    """Else the next position could not be written, and each attempt would end the agent."""
    case_id = signing.id16("case")
    key = records.CASE_PREFIX + case_id.hex()
    tested = Cases()
    tested.restore({key: records.pack(1, 1, LARGEST, False)})
    assert tested.last_seqs == {case_id: LARGEST}
    with pytest.raises(StorageError, match="corrupt"):
        tested.restore({key: records.pack(1, 1, LARGEST + 1, False)})
    with pytest.raises(StorageError, match="corrupt"):
        tested.restore({records.CASES: records.pack(1, 1, case_id, LARGEST + 1, False)})
