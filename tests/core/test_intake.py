"""What arrives: routes, refusals, limits; nothing but a verified message reaches a machine."""

from __future__ import annotations

import pytest

from tcu_agent.core import events
from tcu_agent.core.durable import records
from tcu_agent.core.effects import Note, Persist, SendMessage
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.reports.refusals import KNOWN_BURST, KNOWN_PER_MINUTE
from tcu_agent.core.step import Step
from tcu_agent.core.verify.verdicts import AcceptedRequest
from tcu_agent.protocol.messages import Availability, Challenge, Refusal, Result, UnlockParameters
from tcu_agent.protocol.vocabulary import (
    CallState,
    EventKind,
    Presence,
    Reason,
    Service,
    UnlockMode,
)
from tests.core.driver import Driver, Failure, settings
from tests.protocol import signing

TOPICS = ("request", "grant", "account", "trust", "call", "ack", "position-ack", "case-end")


@pytest.mark.parametrize("topic_type", TOPICS)
def test_a_retained_message_is_refused_before_anything_else(car: Driver, topic_type: str) -> None:
    car.receive(topic_type, signing.sign(car.centre.request(Service.UNLOCK)), retained=True)
    assert car.refusals == [Reason.RETAINED]
    assert car.sent(Challenge) == []


def test_a_retained_request_can_come_again_without_the_flag(car: Driver) -> None:
    request = signing.sign(car.centre.request(Service.UNLOCK))
    car.receive("request", request, retained=True)
    car.receive("request", request)
    assert len(car.sent(Challenge)) == 1


@pytest.mark.parametrize("topic_type", TOPICS)
def test_bytes_that_are_nothing_are_refused_and_counted(car: Driver, topic_type: str) -> None:
    before = car.core.snapshot()
    car.receive(topic_type, b"\xff\x00")
    assert len(car.refusals) == 1
    (note,) = [each for each in car.seen(Note) if each.word == "refused"]
    assert note.fields["authenticated"] == 0
    assert car.core.snapshot() == before


def test_a_topic_outside_the_protocol(car: Driver) -> None:
    car.receive("evidence", b"")
    assert car.refusals == [Reason.UNSUPPORTED_TYPE]


@pytest.mark.parametrize("topic_type", ["request", "grant", "account", "call"])
def test_a_car_without_trust_says_so(topic_type: str) -> None:
    car = Driver()
    car.receive(topic_type, signing.sign(car.centre.request(Service.UNLOCK)))
    assert car.refusals == [Reason.TRUST_MISSING]


def test_a_car_without_an_account_says_so() -> None:
    car = Driver()
    car.receive("trust", signing.trust_container())
    car.ask(Service.STATE)
    assert car.refusals == [Reason.ACCOUNT_MISSING]
    assert records.MARKS in car.stored


def test_strangers_get_few_answers_but_are_all_counted(car: Driver) -> None:
    for _ in range(20):
        car.receive("grant", b"nonsense")
    assert len(car.refusals) == 5
    assert car.notes.count("refused") == 20
    car.pass_time(6)
    car.receive("grant", b"nonsense")
    car.receive("grant", b"nonsense")
    assert len(car.refusals) == 6


def test_a_known_sender_always_gets_an_answer(car: Driver) -> None:
    for _ in range(20):
        car.receive("grant", b"nonsense")
    stale = signing.sign(car.centre.request(Service.UNLOCK, seq=0))
    car.ask(Service.UNLOCK)
    for _ in range(10):
        car.receive("request", stale)
    assert car.refusals[5:] == [Reason.STALE_REQUEST] * 10
    assert car.sent(Refusal)[-1].request_id is not None


def test_a_stolen_command_key_does_not_make_the_car_talk_itself_dry(car: Driver) -> None:
    """Each request is new and authentic, and the table is full: some are told `busy`, all are counted."""
    began, asked = car.now, 600
    for _ in range(asked):
        car.ask(Service.UNLOCK)
        car.pass_time(0.1)
    answered = [reason for reason in car.refusals if reason is Reason.BUSY]
    assert len(answered) <= KNOWN_BURST + KNOWN_PER_MINUTE * (car.now - began) / 60
    assert len(answered) > KNOWN_BURST
    assert car.notes.count("refused") == asked - len(car.sent(Challenge))


def test_a_stolen_command_key_does_not_wear_out_the_disk(car: Driver) -> None:
    """A request that gets no answer costs no write; the mark of one that gets an answer is durable before that."""
    for _ in range(600):
        car.ask(Service.UNLOCK)
    answers = len(car.refusals) + len(car.sent(Challenge))
    assert answers < 30
    assert len(car.persisted(records.MARKS)) == answers
    car.receive("request", signing.sign(car.centre.request(Service.UNLOCK, seq=600)))
    assert car.notes.count("refused") == 600 - 4 + 1, "taken in RAM all the same"
    car.restart()
    car.pass_time(60)
    car.ask(Service.UNLOCK)
    before = len(car.sent(Challenge))
    for seq in (1, 600):
        car.receive("request", signing.sign(car.centre.request(Service.UNLOCK, seq=seq)))
    assert car.refusals[-2:] == [Reason.STALE_REQUEST] * 2
    assert len(car.sent(Challenge)) == before


def test_a_stolen_command_key_that_ends_its_own_cases_does_not_wear_out_the_disk_either(
    car: Driver,
) -> None:
    """The end of a case that has a challenge alone writes and erases nothing, and makes no room for the next one."""
    for number in range(600):
        case_id = number.to_bytes(16, "big")
        car.ask(Service.POSITION, parameters=signing.SNAPSHOT, incident_id=case_id)
        began = len(car.seen(Persist))
        car.receive("case-end", signing.sign(car.centre.case_end(case_id)))
        assert len(car.seen(Persist)) == began
    assert car.erased == []
    assert len(car.sent(Challenge)) == 4
    assert len(car.persisted(records.MARKS)) < 60
    car.pass_time(30.1)
    car.ask(Service.POSITION, parameters=signing.SNAPSHOT)
    assert len(car.sent(Challenge)) == 5


@pytest.mark.parametrize("is_durable", [True, False])
def test_no_request_is_refused_before_its_mark_is_durable(car: Driver, is_durable: bool) -> None:
    """Else the same bytes would get a challenge after a restart, for a request that counts as refused."""
    for _ in range(4):
        car.ask(Service.UNLOCK)
    if not is_durable:
        car.failures.append(Failure(lambda each: isinstance(each, Persist), times=3))
    car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.BUSY] * is_durable
    assert car.notes.count("not-done") == (not is_durable)


def test_a_full_disk_keeps_no_refusal_back_that_stands_behind_no_mark(car: Driver) -> None:
    journal = car.core._parts.journal
    car.failures.append(Failure(lambda each: isinstance(each, Persist), times=2))
    car.settles = False
    car.receive("ack", signing.sign(car.centre.ack(journal.last_seq, journal.stream_id)))
    car.jump(2)  # what could not be written is tried again together with the next message
    car.receive("grant", b"nonsense")
    assert car.notes.count("not-durable") == 2
    assert car.refusals == [Reason.MALFORMED]


def test_a_state_request_is_not_told_again_after_a_restart(car: Driver) -> None:
    request = signing.sign(car.centre.request(Service.STATE))
    car.receive("request", request)
    car.restart()
    car.receive("request", request)
    assert len(car.events(EventKind.STATE_REPORT)) == 1
    assert car.refusals == [Reason.STALE_REQUEST]


def test_repeated_messages_do_not_use_up_the_answers_to_new_ones(car: Driver) -> None:
    stale = signing.sign(car.centre.request(Service.UNLOCK, seq=0))
    for _ in range(4):
        car.ask(Service.UNLOCK)
    for _ in range(200):
        car.receive("request", stale)
    assert car.refusals == [Reason.STALE_REQUEST] * KNOWN_BURST
    car.ask(Service.UNLOCK)
    assert car.refusals[-1] is Reason.BUSY


def test_a_full_table_is_busy_and_empties_with_time(car: Driver) -> None:
    for _ in range(5):
        car.ask(Service.UNLOCK)
    assert len(car.sent(Challenge)) == 4
    assert car.refusals == [Reason.BUSY]
    car.pass_time(30.1)
    car.ask(Service.UNLOCK)
    assert len(car.sent(Challenge)) == 5


def test_a_service_that_this_car_lacks() -> None:
    car = Driver(settings=settings(services=frozenset({Service.STATE})))
    car.provision()
    car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.SERVICE_NOT_AVAILABLE]


@pytest.mark.parametrize(("window_s", "reasons"), [(59, 1), (60, 0), (600, 0), (601, 1)])
def test_the_window_stays_within_this_cars_limits(window_s: int, reasons: int) -> None:
    car = Driver(settings=settings(armed_window_min_s=60, armed_window_max_s=600))
    car.provision()
    parameters = UnlockParameters(UnlockMode.ARMED, window_s)
    car.ask(Service.UNLOCK, parameters=parameters)
    assert car.refusals == [Reason.WINDOW_OUT_OF_RANGE] * reasons


def test_the_challenge_says_what_the_settings_say() -> None:
    car = Driver(settings=settings(challenge_ttl_s=17, challenges_max=1))
    car.provision()
    car.ask(Service.UNLOCK)
    assert car.challenge.ttl_s == 17
    car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.BUSY]


@pytest.mark.parametrize("event", [events.SuspendBegan(), events.Resumed()])
def test_challenges_do_not_live_through_a_suspend(car: Driver, event: events.CoreEvent) -> None:
    grant = car.grant_for(car.ask(Service.UNLOCK))
    car.put(event)
    car.receive("grant", grant)
    assert car.refusals == [Reason.CHALLENGE_EXPIRED]
    assert car.unlock_frames == []


def test_a_grant_for_an_account_service_is_refused(car: Driver) -> None:
    car.receive("grant", car.grant_for(car.ask(Service.ADD_USER)))
    assert car.refusals == [Reason.SERVICE_MISMATCH]


@pytest.mark.parametrize("key", [records.JOURNAL, records.MARKS, records.ACCOUNT, records.TRUST])
def test_corrupt_state_refuses_everything_remote(car: Driver, key: str) -> None:
    car.stored[key] = b"\xff"
    car.restart()
    car.ask(Service.UNLOCK)
    car.receive("grant", b"")
    car.receive("account", b"")
    assert car.refusals == [Reason.STATE_CORRUPT] * 3


@pytest.mark.parametrize("key", [records.TRUST, records.MARKS])
def test_corrupt_state_uses_a_trust_bundle_for_calls_and_stores_nothing(
    car: Driver, key: str
) -> None:
    car.stored[key] = b"\xff"
    before = dict(car.stored)
    car.restart()
    car.receive("trust", signing.trust_container())
    car.change({"Vehicle.TCU.OnCall.IsButtonPressed": True})
    car.pass_time(0.2)
    car.control(CallState.CONNECTED, 1)
    assert car.shown[-1].call_state is CallState.CONNECTED
    car.ask(Service.UNLOCK)
    assert car.refusals == [Reason.STATE_CORRUPT]
    assert car.stored[key] == before[key]


def test_a_trust_bundle_by_nobody_is_refused_in_corrupt_state_too(car: Driver) -> None:
    car.stored[records.TRUST] = b"\xff"
    car.restart()
    car.receive("trust", b"")
    assert car.refusals == [Reason.MALFORMED]


def test_a_flood_of_repeated_messages_does_not_make_the_car_talk_itself_dry(car: Driver) -> None:
    request = signing.sign(car.centre.request(Service.UNLOCK))
    car.receive("request", request)
    for _ in range(100):
        car.receive("request", request)
    assert car.refusals == [Reason.STALE_REQUEST] * KNOWN_BURST
    car.pass_time(60)
    car.receive("request", request)
    assert len(car.refusals) == KNOWN_BURST + 1


def test_a_flood_of_repeated_grants_gets_the_stored_result_a_few_times(car: Driver) -> None:
    grant = car.allow(Service.UNLOCK)
    car.locks(False)
    car.pass_time(10)
    for _ in range(100):
        car.receive("grant", grant)
    assert len(car.sent(Result)) == KNOWN_BURST


def test_corrupt_state_lets_call_control_and_acknowledgements_through(car: Driver) -> None:
    car.stored[records.MARKS] = b"\xff"
    car.restart()
    car.change({"Vehicle.TCU.OnCall.IsButtonPressed": True})
    car.pass_time(0.2)
    car.control(CallState.RINGING, 1)
    assert car.shown[-1].call_state is CallState.RINGING
    seq = car.core._parts.journal.last_seq
    car.receive("ack", signing.sign(car.centre.ack(seq, car.core._parts.journal.stream_id)))
    assert car.refusals == []
    assert car.outbox == {}


def test_a_connection_is_greeted(car: Driver) -> None:
    car.put(events.Connected(7))
    assert car.sent(Availability) == [
        Availability(
            vehicle_id=signing.VEHICLE_ID,
            boot_id=(1).to_bytes(8, "big"),
            connection=7,
            presence=Presence.ONLINE,
        )
    ]
    car.put(events.Disconnected())
    assert len(car.sent(Availability)) == 1


def test_a_message_that_could_not_be_sent_is_counted_and_the_rest_goes_on(car: Driver) -> None:
    car.failures.append(Failure(lambda effect: isinstance(effect, SendMessage)))
    car.receive("grant", b"nonsense")
    assert car.refusals == []
    assert car.notes.count("not-done") == 1


def test_a_challenge_needs_trust_and_account(car: Driver) -> None:
    parts = car.core._parts
    accepted = parts.verifier.verify_request(
        signing.sign(car.centre.request(Service.UNLOCK)),
        keyring=parts.knowledge.keyring,
        account=parts.knowledge.account,
        marks={},
        answered=(),
    )
    assert isinstance(accepted, AcceptedRequest)
    parts.knowledge.account = None
    step = Step(now=car.now, wall=None)
    parts.challenger.challenge(step, accepted, nonce=bytes(16))
    assert [type(effect).__name__ for effect in step.effects] == ["Note", "SendMessage"]
    assert len(parts.challenges) == 0


def test_a_bucket_fills_up_again_but_not_above_its_burst() -> None:
    bucket = Bucket(burst=2, per_minute=60, now=0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(1.0), bucket.take(1.5)] == [True, False]
    assert [bucket.take(100.0) for _ in range(3)] == [True, True, False]
    assert bucket.take(50.0) is False
