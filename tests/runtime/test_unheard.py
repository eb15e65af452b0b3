"""What is urgent and may have reached nobody is sent again within seconds, ever less often, until the centre has it.

A broker that has lost its sessions takes what it is given while the centre is still on its way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tcu_agent.core.effects import Persist
from tcu_agent.core.events import Connected, MessageArrived
from tcu_agent.protocol.messages import Event
from tcu_agent.protocol.vocabulary import EventKind, Reason
from tcu_agent.runtime.outbox import WINDOW_MESSAGES
from tcu_agent.runtime.silence import HURRY_S, JITTER, MOST_RESEND_S, RESEND_S
from tests.runtime.rig import Rig, event, play
from tests.runtime.test_connection import connected, send, seqs, store

HURRIED_S = (2, 4, 8, 16, 32, 64, 128, 256, 512, 960, 960)
PATIENT_S = (60, 120, 240, 480, 960, 960)
Start = Callable[[Rig], None]


def pressed(seq: int, kind: EventKind = EventKind.ON_CALL_PRESSED) -> Event:
    return replace(event(seq), kind=kind)


def happens(rig: Rig, message: Event) -> None:
    """Let the core store it now."""
    rig.core.on(MessageArrived, Persist(append=(message,)))
    send(rig, "request")


def centre_stores(rig: Rig, up_to: int) -> None:
    """Let the centre acknowledge, and the core take note."""
    rig.core.on(MessageArrived, Persist(acknowledged=up_to))
    send(rig, "ack")


async def pauses_of(rig: Rig, count: int) -> list[float]:
    """Return the next `count` pauses before all is sent again; the first began with what was just sent."""
    times = [rig.clock.boottime()]
    publish, enough = rig.link.publish, asyncio.Event()

    async def watched(message_type: str, payload: bytes, **rest: Any) -> bool:
        now = rig.clock.boottime()
        if message_type == "event" and now > times[-1]:
            times.append(now)
        if len(times) > count:
            enough.set()
        return await publish(message_type, payload, **rest)

    rig.link.publish = watched  # type: ignore[method-assign]  # a wire-tap
    await enough.wait()
    rig.link.publish = publish  # type: ignore[method-assign]  # as it was
    return [b - a for a, b in pairwise(times)]


def agree(pauses: list[float], bounds_s: tuple[int, ...]) -> bool:
    """Whether each pause is its bound, less the jitter, as exactly as a tenth of a second can tell."""
    pairs = zip(pauses, bounds_s, strict=False)
    return all((1 - JITTER) * most - 0.2 <= pause <= most + 0.2 for pause, most in pairs)


def no_session(rig: Rig) -> None:
    """The broker has lost our session, and cannot say that it has nobody (MQTT 3.1.1)."""
    rig.broker.has_nobody, rig.broker.says_nobody = True, False


def puback_says_so(rig: Rig) -> None:
    """The broker has our session; who subscribed to us is away, and its session lost (MQTT 5)."""
    rig.link._has_session = True
    rig.broker.has_nobody = True


def nothing_is_wrong(rig: Rig) -> None:
    """The broker has our session, and says nothing; the centre is slow."""
    rig.link._has_session = True


@pytest.mark.parametrize("wrong", [no_session, puback_says_so])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (EventKind.ON_CALL_PRESSED, HURRIED_S),
        (EventKind.HANG_UP, HURRIED_S),
        (EventKind.ALARM, HURRIED_S),
        (EventKind.SECURITY, HURRIED_S),
        (EventKind.STATE_CHANGED, PATIENT_S),
        (EventKind.RELOCKED, PATIENT_S),
    ],
)
def test_only_what_is_urgent_is_sent_again_within_seconds(
    wrong: Start, kind: EventKind, expected: tuple[int, ...]
) -> None:
    async def body(rig: Rig) -> None:
        wrong(rig)
        rig.state.commit(puts={}, append=[pressed(1, kind)])
        rig.start()
        await connected(rig)
        assert agree(await pauses_of(rig, len(expected)), expected)

    play(body)


def test_a_tombstone_of_what_was_urgent_is_not() -> None:
    async def body(rig: Rig) -> None:
        no_session(rig)
        grave = replace(
            event(1), kind=EventKind.TOMBSTONE, first_seq=1, last_seq=1, reason=Reason.STATE_CORRUPT
        )
        rig.state.commit(puts={}, append=[grave])
        rig.start()
        await connected(rig)
        assert agree(await pauses_of(rig, 2), PATIENT_S)

    play(body)


def test_where_nothing_is_wrong_what_is_urgent_waits_for_the_centre() -> None:
    async def body(rig: Rig) -> None:
        nothing_is_wrong(rig)
        rig.state.commit(puts={}, append=[pressed(1)])
        rig.start()
        await connected(rig)
        assert agree(await pauses_of(rig, len(PATIENT_S)), PATIENT_S)

    play(body)


@pytest.mark.parametrize("away_s", [0.1, 1.0, 3.0, 10.0, 20.0, 50.0, 300.0])
@pytest.mark.parametrize("wrong", [no_session, puback_says_so])
def test_a_press_on_a_broker_whose_centre_comes_back_later_is_told_within_seconds(
    wrong: Start, away_s: float
) -> None:
    """Whenever the centre comes back: told after as long again as it was away, and two seconds, at the latest."""

    async def body(rig: Rig) -> None:
        told_at: list[float] = []
        rig.broker.watch(
            lambda heard: (
                told_at.append(rig.clock.boottime()) if "/up/event" in heard.topic else None
            )
        )
        wrong(rig)
        rig.start()
        await connected(rig)
        happens(rig, pressed(1))
        await rig.wait_s(away_s)
        rig.broker.has_nobody = False
        back_at = rig.clock.boottime()
        await rig.wait_s(away_s + HURRY_S + 0.1)
        assert told_at
        assert told_at[0] - back_at <= away_s + HURRY_S

    play(body)


def test_a_broker_that_refuses_what_is_urgent_is_not_hammered() -> None:
    async def body(rig: Rig) -> None:
        nothing_is_wrong(rig)
        rig.broker.refused_types.add("event")
        rig.state.commit(puts={}, append=[pressed(1)])
        rig.start()
        await connected(rig)
        assert agree(await pauses_of(rig, 3), PATIENT_S)

    play(body)


def test_what_is_urgent_is_sent_again_though_more_of_it_keeps_coming() -> None:
    async def body(rig: Rig) -> None:
        puback_says_so(rig)
        rig.start()
        await connected(rig)
        for seq in range(1, 6):
            happens(rig, pressed(seq))
            await rig.wait_s(HURRY_S / 4)
        assert seqs(rig).count(1) == 2

    play(body)


def test_a_later_press_does_not_wait_for_a_pause_that_has_grown() -> None:
    async def body(rig: Rig) -> None:
        puback_says_so(rig)
        rig.state.commit(puts={}, append=[pressed(1)])
        rig.start()
        await connected(rig)
        await rig.wait_s(600)
        happens(rig, pressed(2))
        await rig.wait_s(0.1)
        assert seqs(rig)[-1] == 2
        assert agree(await pauses_of(rig, 3), HURRIED_S)
        happens(rig, pressed(3, EventKind.STATE_CHANGED))
        await rig.wait_s(0.1)
        (pause,) = await pauses_of(rig, 1)
        assert pause > HURRY_S * 2, "what is not urgent lets the pause be"

    play(body)


def test_security_events_without_end_do_not_make_it_repeat_all_without_end() -> None:
    """Who is on the bus makes ten, then six a minute: they must not use up what the car may send, nor fill the log."""

    async def body(rig: Rig) -> None:
        puback_says_so(rig)
        rig.start()
        await connected(rig)
        for seq in range(1, 361):
            happens(rig, pressed(seq, EventKind.SECURITY))
            await rig.wait_s(10)
        again = rig.logbook.counts["outbox-sent-again"]
        assert 10 < again < 15, "as for a single one"
        happens(rig, pressed(361))
        await rig.wait_s(HURRY_S + 0.1)
        assert rig.logbook.counts["outbox-sent-again"] == again + 1, "a press begins anew"

    play(body)


def test_a_press_behind_a_window_that_is_full_goes_with_the_hurry_as_far_as_the_window() -> None:
    """It cannot jump the queue, for the centre stores in order; but the queue moves within seconds."""

    async def body(rig: Rig) -> None:
        puback_says_so(rig)
        store(rig, *range(1, WINDOW_MESSAGES + 1))
        rig.start()
        await connected(rig)
        await rig.wait_s(300)
        sent = len(seqs(rig))
        happens(rig, pressed(WINDOW_MESSAGES + 1))
        await rig.wait_s(HURRY_S + 0.1)
        assert seqs(rig)[sent:] == list(range(1, WINDOW_MESSAGES + 1))

    play(body)


def test_the_doubt_ends_when_the_centre_has_all_that_is_urgent() -> None:
    async def body(rig: Rig) -> None:
        no_session(rig)
        rig.state.commit(puts={}, append=[event(1), pressed(2), event(3)])
        rig.start()
        await connected(rig)
        await rig.wait_s(20)
        rig.broker.has_nobody = False
        centre_stores(rig, 1)
        await rig.wait_s(0.1)
        sent = len(seqs(rig))
        assert agree(await pauses_of(rig, 2), HURRIED_S), "the press is not among what is stored"
        assert seqs(rig)[sent:] == [2, 3, 2, 3]
        centre_stores(rig, 2)
        happens(rig, pressed(4))
        await rig.wait_s(0.1)
        assert agree(await pauses_of(rig, 2), PATIENT_S)

    play(body)


def test_a_new_doubt_is_none_about_what_the_centre_has() -> None:
    async def body(rig: Rig) -> None:
        no_session(rig)
        rig.state.commit(puts={}, append=[pressed(1)])
        rig.start()
        await connected(rig)
        centre_stores(rig, 1)
        await rig.wait_s(0.1)
        rig.broker.forget()
        await rig.core.wait_for(Connected, number=2)
        happens(rig, pressed(2, EventKind.STATE_CHANGED))
        await rig.wait_s(0.1)
        assert agree(await pauses_of(rig, 2), PATIENT_S)

    play(body)


def test_nor_about_what_the_centre_has_acknowledged_before_the_broker_did() -> None:
    async def body(rig: Rig) -> None:
        nothing_is_wrong(rig)
        rig.start()
        await connected(rig)
        publish, is_taken = rig.link.publish, asyncio.Event()

        async def slowly(message_type: str, payload: bytes, **rest: Any) -> bool:
            is_unheard = await publish(message_type, payload, **rest)
            centre_stores(rig, 1)
            await rig.wait_s(0.5)
            is_taken.set()
            return is_unheard

        rig.link.publish = slowly  # type: ignore[method-assign]  # a PUBACK that takes its time
        happens(rig, pressed(1))
        await is_taken.wait()
        rig.link.publish = publish  # type: ignore[method-assign]  # as it was
        rig.broker.forget()
        await rig.core.wait_for(Connected, number=2)
        happens(rig, pressed(2, EventKind.STATE_CHANGED))
        await rig.wait_s(0.1)
        assert agree(await pauses_of(rig, 2), PATIENT_S)

    play(body)


def test_the_doubt_outlives_a_connection_and_a_broker_that_has_our_session_again() -> None:
    async def body(rig: Rig) -> None:
        no_session(rig)
        rig.start()
        await connected(rig)
        rig.link.lose()
        await rig.core.wait_for(Connected, number=2)
        happens(rig, pressed(1))
        await rig.wait_s(0.1)
        assert agree(await pauses_of(rig, 3), HURRIED_S)
        rig.link.lose()
        await rig.core.wait_for(Connected, number=3)
        assert agree(await pauses_of(rig, 3), HURRIED_S)

    play(body)


def test_a_broker_that_forgets_in_the_middle_of_the_agents_life() -> None:
    async def body(rig: Rig) -> None:
        nothing_is_wrong(rig)
        rig.start()
        await connected(rig)
        rig.state.commit(puts={}, append=[pressed(1)])
        rig.broker.says_nobody = False
        rig.broker.forget()
        await rig.core.wait_for(Connected, number=2)
        assert agree(await pauses_of(rig, 3), HURRIED_S)

    play(body)


def test_the_status_line_says_nothing_of_two_seconds() -> None:
    async def body(rig: Rig) -> None:
        no_session(rig)
        rig.state.commit(puts={}, append=[pressed(1)])
        rig.start()
        await connected(rig)
        await rig.wait_s(RESEND_S * (1 - JITTER) / 2)
        assert rig.logbook.counts["outbox-sent-again"] >= 3
        assert rig.supervisor.said[-1] == "STATUS=listening and connected"
        await rig.wait_s(MOST_RESEND_S)
        assert "acknowledged nothing" in rig.supervisor.said[-1]

    play(body)
