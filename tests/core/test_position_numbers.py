"""The numbers of positions: durable with the position that has them, so that none is given out for nothing."""

from __future__ import annotations

import pytest

from tcu_agent.core import vss
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Effect, ErasePositions, Note, Persist, SealPosition
from tcu_agent.core.events import Value
from tcu_agent.core.position.cases import KEPT, Cases
from tcu_agent.core.step import Step
from tcu_agent.errors import StorageError
from tcu_agent.protocol.messages import PositionParameters
from tcu_agent.protocol.vocabulary import Outcome, PositionKind, Reason, Service
from tests.core.driver import Driver, Failure, PowerCut
from tests.protocol import signing

CASE = signing.id16("incident or case")
OTHER = signing.id16("another case")
HERE: dict[str, Value] = {
    vss.LATITUDE: 57.7089,
    vss.LONGITUDE: 11.9746,
    vss.FIX_TYPE: "THREE_D",
}


@pytest.fixture
def located(car: Driver) -> Driver:
    """A car whose receiver has a fix."""
    car.change(dict(HERE))
    return car


def is_seal(effect: Effect) -> bool:
    return isinstance(effect, SealPosition)


def snapshot(car: Driver, case_id: bytes = CASE) -> None:
    request = car.ask(Service.POSITION, parameters=signing.SNAPSHOT, incident_id=case_id)
    approval = signing.sign(car.centre.approval(car.challenge, case_id=case_id))
    car.receive("grant", car.grant_for(request, approval=approval))


def track(car: Driver) -> None:
    parameters = PositionParameters(PositionKind.TRACKING, 60, 6000)
    car.allow(Service.POSITION, parameters=parameters)


def seqs(car: Driver) -> list[int]:
    return [position.seq for position in car.positions]


def test_a_number_stands_in_no_transaction_but_that_of_its_position(located: Driver) -> None:
    track(located)
    located.pass_time(130)
    assert seqs(located) == [1, 2, 3]
    assert all(
        list(position.puts) == ["position-case/" + CASE.hex()] for position in located.positions
    )
    before = [e for _, e in located.done if isinstance(e, Persist)]
    assert not any(key.startswith(records.CASE_PREFIX) for each in before for key in each.puts)


@pytest.mark.parametrize("is_too_late", [False, True])
def test_a_position_that_was_not_stored_leaves_no_gap(located: Driver, is_too_late: bool) -> None:
    track(located)
    if is_too_late:
        located.failures.append(
            Failure(lambda e: isinstance(e, Persist) and records.POSITION in e.puts)
        )
    else:
        located.failures.append(Failure(is_seal, times=2))
    located.pass_time(250)
    assert len(located.positions) in {3, 4}
    assert seqs(located) == list(range(1, len(located.positions) + 1))


def test_a_power_cut_before_the_position_leaves_no_gap(located: Driver) -> None:
    track(located)
    located.pass_time(59)
    located.cut_at = (
        located.effects_begun + 1
    )  # the transaction goes through, the sealing does not begin
    with pytest.raises(PowerCut):
        located.pass_time(2)
    located.restart()
    located.change(dict(HERE))
    located.pass_time(120)
    assert len(seqs(located)) > 2
    assert seqs(located) == list(range(1, len(seqs(located)) + 1))


def test_a_first_position_that_failed_makes_no_case(located: Driver) -> None:
    located.failures.append(Failure(is_seal))
    snapshot(located)
    assert located.core._parts.position.open_cases == frozenset()
    snapshot(located)
    assert seqs(located) == [1]


def test_a_failure_that_is_told_again_takes_nothing_back(located: Driver) -> None:
    snapshot(located)
    snapshot(located)
    cases = located.core._parts.position.cases
    cases.take_back(CASE, 1)
    assert cases.last_seqs == {CASE: 2}
    cases.take_back(OTHER, 1)
    assert cases.last_seqs == {CASE: 2}


def test_the_end_of_a_case_is_not_undone_by_a_position_of_another(located: Driver) -> None:
    """One step: a fix of one case is due, the end of another one arrives. The power fails before it is forgotten."""
    snapshot(located, OTHER)
    track(located)
    located.pass_time(59)
    located.settles = False
    located.jump(1)
    located.receive("case-end", signing.sign(located.centre.case_end(OTHER)))
    assert seqs(located) == [1, 1, 2]
    assert [each.case_id for each in located.erased] == [OTHER]
    located.settles = True
    located.restart()
    assert [each.case_id for each in located.erased] == [OTHER, OTHER]
    assert located.core._parts.position.open_cases == {CASE}


@pytest.mark.parametrize("ends", ["case", "right"])
def test_what_ends_a_case_in_the_step_of_a_snapshots_fix_takes_the_fix_back(
    car: Driver, ends: str
) -> None:
    snapshot(car)
    car.settles = False
    car.jump(20)  # no fix came: the next step takes what there is
    if ends == "case":
        car.receive("case-end", signing.sign(car.centre.case_end()))
        reason = Reason.CASE_ENDED
    else:
        car.tell_account(version=8, ownership_generation=3, pin_generation=4)
        reason = Reason.GENERATION_CHANGED
    (result,) = car.results
    assert (result.outcome, result.reason) == (Outcome.CANCELLED, reason)
    assert car.positions == []
    car.settle()
    assert car.core._parts.position.open_cases == frozenset()


def test_a_recorded_acknowledgement_erases_nothing_of_a_car_that_lost_its_state(
    located: Driver,
) -> None:
    track(located)
    located.pass_time(130)
    recorded = signing.sign(
        located.centre.position_ack(3, stream_id=located.core._parts.journal.stream_id)
    )
    located.stored.clear()
    located.outbox.clear()
    located.restart()
    located.provision()
    located.change(dict(HERE))
    located.done.clear()
    track(located)
    located.pass_time(130)
    assert seqs(located) == [1, 2, 3], "the same case, the same numbers"
    located.receive("position-ack", recorded)
    assert located.erased == []
    assert located.refusals == [Reason.UNKNOWN_STREAM]
    located.acknowledge_positions(3)
    assert [(each.case_id, each.up_to_seq) for each in located.erased] == [(CASE, 3)]


def test_a_repeated_acknowledgement_erases_once_also_after_a_restart(located: Driver) -> None:
    """Each erasure is a write: whoever recorded one message could wear out the flash memory with it."""
    track(located)
    located.pass_time(130)
    located.acknowledge_positions(2)
    located.acknowledge_positions(3)
    for _ in range(50):
        located.acknowledge_positions(2)
        located.acknowledge_positions(3)
    assert [each.up_to_seq for each in located.erased] == [2, 3]
    located.restart()
    for _ in range(50):
        located.acknowledge_positions(3)
    assert [each.up_to_seq for each in located.erased] == [2, 3, 3]
    assert located.refusals == []
    located.change(dict(HERE))
    located.pass_time(60)
    located.acknowledge_positions(4)
    assert [each.up_to_seq for each in located.erased] == [2, 3, 3, 4]


@pytest.mark.parametrize("seq", [1, 3])
def test_an_acknowledgement_that_could_not_erase_is_taken_again(located: Driver, seq: int) -> None:
    track(located)
    located.pass_time(130)
    located.failures.append(Failure(lambda each: isinstance(each, ErasePositions)))
    located.acknowledge_positions(seq)
    assert located.erased == []
    (note,) = [each for each in located.seen(Note) if each.word == "not-done"]
    assert note.fields == {"effect": "ErasePositions"}
    located.acknowledge_positions(seq)
    located.acknowledge_positions(seq)
    assert [each.up_to_seq for each in located.erased] == [seq]


def test_a_number_that_is_given_out_again_is_acknowledged_again() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    for _ in range(2):
        tested.next_seq(step, CASE)
    tested.acknowledge(step, CASE, 2)
    tested.take_back(CASE, 2)
    tested.next_seq(step, CASE)
    tested.acknowledge(step, CASE, 2)
    assert step.effects == [ErasePositions(CASE, 2)] * 2
    tested.acknowledge(step, CASE, 1)
    tested.still_stored(OTHER)
    assert len(step.effects) == 2


# ------------------------------------------------------------------ the records


def first_form(*entries: tuple[bytes, int, bool]) -> dict[str, bytes]:
    flat = [each for entry in entries for each in entry]
    return {records.CASES: records.pack(1, len(entries), *flat)}


def test_the_first_form_is_read_and_written_as_one_record_for_each_case() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    tested.restore(first_form((CASE, 7, False), (OTHER, 2, True)))
    tested.start(step)
    assert step.puts.pop(records.CASES, b"") is None
    again = Cases()
    again.restore({key: value for key, value in step.puts.items() if value is not None})
    assert again.last_seqs == {CASE: 7}
    assert again._ended() == [OTHER]
    assert tested.next_seq(step, CASE)[0] == 8


def test_the_case_that_was_used_longest_ago_ends_first_also_after_a_restart() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    stored: dict[str, bytes | None] = {}
    for number in [*range(KEPT), 0]:
        stored |= tested.next_seq(step, number.to_bytes(16, "big"))[1]
    again = Cases()
    again.restore({key: value for key, value in sorted(stored.items()) if value is not None})
    again.next_seq(step, CASE)
    assert again._ended() == [(1).to_bytes(16, "big")]


@pytest.mark.parametrize(
    "key",
    [
        "position-case/",
        "position-case/00",
        "position-case/" + "g" * 32,
        "position-case/" + CASE.hex().upper(),
    ],
)
def test_a_record_under_a_key_that_is_no_case_is_corrupt(key: str) -> None:
    with pytest.raises(StorageError, match="corrupt"):
        Cases().restore({key: records.pack(1, 1, 1, False)})


def test_what_fails_while_a_case_ends_gives_nothing_out_again() -> None:
    tested, step = Cases(), Step(now=1.0, wall=None)
    seq, _ = tested.next_seq(step, CASE)
    tested.end(step, CASE)
    tested.take_back(CASE, seq)
    assert tested.next_seq(step, CASE)[0] == 2
    assert tested.last_seqs == {}, "what is over stays so"
