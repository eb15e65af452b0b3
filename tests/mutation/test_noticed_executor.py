"""Executor: differences that no other test noticed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock, call, create_autospec

import pytest

from tcu_agent.core.effects import (
    RECORD_CORRUPT,
    RECORD_FORGOTTEN,
    Effect,
    ErasePositions,
    GoToSleep,
    Lamp,
    Note,
    Persist,
    SealPosition,
    SendMessage,
    ShowCallState,
    TransmitLock,
    TransmitUnlock,
    WakeBus,
    WakeUp,
)
from tcu_agent.errors import (
    BugError,
    DeadlinePassedError,
)
from tcu_agent.ports import Clock, Sealer, StatePort, StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Challenge, Fix, Position, Refusal, Result
from tcu_agent.protocol.vocabulary import CallState, FixQuality, Outcome, Reason, Relock, Service
from tcu_agent.runtime.connection import Senders
from tcu_agent.runtime.executor import Executor, Outlets
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.noise import Noise
from tcu_agent.runtime.notary import Notary
from tcu_agent.runtime.outbox import OutboxSender
from tcu_agent.runtime.position_sender import PositionSender
from tcu_agent.runtime.prompt_sender import PromptSender
from tcu_agent.runtime.sleeper import Sleeper
from tcu_agent.runtime.supervisor import Supervisor
from tcu_agent.runtime.transmitter import Transmitter
from tcu_sim.bench.simulated_loop import run_simulated
from tests.runtime.rig import (
    ENVIRONMENT,
    VEHICLE_ID,
    common,
    event,
    position_authorisation,
    relock_authorisation,
    unlock_authorisation,
)


def carried_out(effect: Effect, *, at: float = 0.0) -> list[Any]:
    """Return what the executor asks of its outlets for one effect, in order. `at`: CLOCK_BOOTTIME, s."""
    to = Mock()
    outlets = {
        "state": StatePort,
        "transmitter": Transmitter,
        "sleeper": Sleeper,
        "notary": Notary,
        "sealer": Sealer,
        "clock": Clock,
        "logbook": Logbook,
        "noise": Noise,
        "supervisor": Supervisor,
    }
    senders = {"prompt": PromptSender, "outbox": OutboxSender, "positions": PositionSender}
    for name, kind in {**outlets, **senders}.items():
        to.attach_mock(create_autospec(kind, instance=True), name)
    executor = Executor(
        Outlets(
            senders=Senders(**{name: getattr(to, name) for name in senders}),
            environment=ENVIRONMENT,
            **{name: getattr(to, name) for name in outlets},
        )
    )
    to.notary.sign.return_value = "signed"
    to.sealer.seal.return_value = b"sealed".ljust(48)
    to.clock.boottime.return_value = at
    run_simulated(executor.perform(effect))
    return list(to.mock_calls)


def result(service: Service) -> Result:
    return Result(
        common=common(service),
        outcome=Outcome.EXECUTED,
        reason=Reason.NONE,
        grant_hash=bytes(32),
        locks={},
        relock=Relock.NONE,
        seq=2,
        stream_id=bytes(8),
    )


def test_a_transaction_is_stored_whole_and_then_told_to_the_outbox() -> None:
    ended = result(Service.END_SUBSCRIPTION)
    append = (event(1), ended)
    assert carried_out(Persist(puts={"key": b"1"}, append=append, acknowledged=0)) == [
        call.state.commit(puts={"key": b"1"}, append=append, acknowledged=0),
        call.outbox.acknowledged(0),
        call.outbox.appended(append),
        call.logbook.info(
            "request-ended", service="end-subscription", outcome="executed", reason="none"
        ),
    ]


def test_a_transaction_without_messages_tells_the_outbox_nothing() -> None:
    assert carried_out(Persist(puts={"key": None})) == [
        call.state.commit(puts={"key": None}, append=(), acknowledged=None)
    ]


CHALLENGE = Challenge(
    common=common(Service.UNLOCK),
    request_hash=bytes(32),
    trust_version=1,
    trust_epoch=1,
    account_version=1,
    ownership_generation=1,
    pin_generation=1,
    ttl_s=17,
)
REFUSAL = Refusal(vehicle_id=VEHICLE_ID, boot_id=bytes(8), reason=Reason.BUSY)


@pytest.mark.parametrize(("message", "expiry_s"), [(CHALLENGE, 17), (REFUSAL, None)])
def test_only_a_challenge_is_useless_after_its_time(message: Any, expiry_s: int | None) -> None:
    assert carried_out(SendMessage(message)) == [
        call.notary.sign(message, expiry_s=expiry_s),
        call.prompt.offer("signed"),
    ]


def test_an_unlock_is_transmitted_and_told() -> None:
    effect = TransmitUnlock(unlock_authorisation(), not_after=7.0)
    assert carried_out(effect) == [
        call.transmitter.unlock(effect.authorisation, not_after=7.0),
        call.logbook.info("unlock-transmitted"),
    ]


def test_a_lock_is_transmitted_and_told() -> None:
    effect = TransmitLock(relock_authorisation(), not_after=7.0)
    assert carried_out(effect) == [
        call.transmitter.lock(effect.authorisation, not_after=7.0),
        call.logbook.info("lock-transmitted"),
    ]


SEAL = SealPosition(
    position_authorisation(),
    3,
    Fix(quality=FixQuality.NONE),
    bytes(32),
    stream_id=bytes(8),
    not_after=7.0,
    puts={"position-case/1": b"1"},
)


def test_a_position_is_sealed_stored_with_its_number_and_offered() -> None:
    authorisation = SEAL.authorisation
    info = codec.position_info(
        environment=ENVIRONMENT, vehicle_id=VEHICLE_ID, case_id=authorisation.case_id, seq=3
    )
    position = Position(
        vehicle_id=VEHICLE_ID,
        request_id=authorisation.common.request_id,
        case_id=authorisation.case_id,
        seq=3,
        stream_id=bytes(8),
        sealed=b"sealed".ljust(48),
    )
    assert carried_out(SEAL, at=7.0) == [
        call.clock.boottime(),
        call.sealer.seal(codec.encode(SEAL.fix), recipient=bytes(32), info=info),
        call.state.put_position(
            StoredPosition(authorisation.case_id, 3, codec.encode(position)),
            puts={"position-case/1": b"1"},
        ),
        call.positions.changed(),
    ]


def test_a_position_is_not_sealed_later_than_it_may_be() -> None:
    with pytest.raises(DeadlinePassedError):
        carried_out(SEAL, at=7.001)


IMPOSTOR: Any = unlock_authorisation()
NOBODY_MAY_SAY: Any = "where the car is"


@pytest.mark.parametrize(
    ("effect", "says"),
    [
        (replace(SEAL, authorisation=IMPOSTOR), "a position without a PositionAuthorisation"),
        (SendMessage(NOBODY_MAY_SAY), "a str is nothing that the core may say"),
    ],
)
def test_what_the_core_may_not_want_is_a_bug_and_is_named(effect: Effect, says: str) -> None:
    with pytest.raises(BugError, match=says):
        carried_out(effect)


SHOWN = ShowCallState(Lamp.ON, CallState.CONNECTED)
ASLEEP = GoToSleep(5.0, 6)
REFUSED = "remote services refused"


@pytest.mark.parametrize(
    ("effect", "asked"),
    [
        (SHOWN, [call.transmitter.show(SHOWN)]),
        (ASLEEP, [call.sleeper.sleep(ASLEEP)]),
        (WakeUp(), [call.sleeper.wake()]),
        (
            WakeBus("unlock"),
            [call.logbook.info("wake-bus", reason="unlock"), call.transmitter.wake()],
        ),
        (
            ErasePositions(b"c" * 16, 3),
            [call.state.erase_positions(b"c" * 16, 3), call.positions.changed()],
        ),
        (Note("towed", {"at": 1}), [call.logbook.info("towed", at=1)]),
        (Note("refused", {"reason": "x"}), [call.noise.say("refused", {"reason": "x"})]),
        (
            Note(RECORD_CORRUPT, {"record": "account"}),
            [
                call.logbook.error("record-corrupt", record="account", consequence=REFUSED),
                call.supervisor.degrade(f"record account unreadable, {REFUSED}"),
            ],
        ),
        (
            Note(RECORD_FORGOTTEN, {"record": "call"}),
            [call.logbook.warning("record-forgotten", record="call")],
        ),
    ],
)
def test_an_effect_reaches_its_outlet_as_it_is(effect: Effect, asked: list[Any]) -> None:
    assert carried_out(effect) == asked
