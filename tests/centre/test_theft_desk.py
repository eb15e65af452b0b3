"""S5: no position before owner, police and centre agree and a PIN is confirmed; only the desk's clerk reads it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_sim.centre.desk.schema import FIRST_FORM, SCHEMA, STOP_GRACE_S
from tcu_sim.centre.errors import Denied, NotAllowed
from tcu_sim.centre.store import open_store
from tcu_sim.centre.views import CaseView
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Quality
from tcu_sim.wire.sealing import label_of, seal
from tests.centre.conftest import Play
from tests.centre.light_vehicle import HERE, TTL_S
from tests.centre.town import CAR, OTHER_CAR, Town

INTERVAL_S = 10
DURATION_S = 600


async def agreed_case(town: Town) -> bytes:
    case_id = (await town.operator.open_case(CAR)).case_id
    await town.client.owner().confirm_case(case_id)
    await town.client.police().confirm_case(case_id, reference="K 123/26")
    await town.operator.confirm_case(case_id)
    return case_id


async def tracked(town: Town) -> tuple[bytes, bytes]:
    """Return case and request of a car that is being tracked."""
    pin = await town.subscribe()
    case_id = await agreed_case(town)
    request_id = await draft(town, case_id)
    assert await town.enter(request_id, pin) == "right"
    assert (await town.send(request_id)).state == "completed"
    return case_id, request_id


async def draft(town: Town, case_id: bytes) -> bytes:
    return await town.operator.draft_tracking(
        CAR,
        await town.call_on_call(),
        case_id=case_id,
        interval_s=INTERVAL_S,
        duration_s=DURATION_S,
    )


def test_a_case_with_a_pin_is_tracked(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        assert town.car.grants[-1].approval is not None
        for seq in (1, 2):
            await town.car.send_position(request_id, case_id, seq)
        await town.settle()
        first, second = await town.client.desk_clerk().positions(case_id)
        assert (first.seq, second.seq) == (1, 2)
        assert (first.latitude_deg, first.longitude_deg) == (57.7089, 11.9746)
        assert [ack.seq for ack in town.car.position_acks] == [1, 2]
        assert "57.7" not in repr(first)

    play(story)


@pytest.mark.parametrize("absent", ["owner", "police", "centre"])
def test_all_three_have_to_agree(play: Play, absent: str) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        case = await town.operator.open_case(CAR)
        parties: dict[str, Callable[[], Awaitable[CaseView]]] = {
            "owner": lambda: town.client.owner().confirm_case(case.case_id),
            "police": lambda: town.client.police().confirm_case(case.case_id, reference="K 1"),
            "centre": lambda: town.operator.confirm_case(case.case_id),
        }
        last = parties.pop(absent)
        for confirm in parties.values():
            await confirm()
        request_id = await draft(town, case.case_id)
        assert await town.enter(request_id, pin) == "right"
        seen = await town.send(request_id)
        assert (seen.state, absent in seen.detail) == ("rejected", True)
        assert not town.car.grants
        assert (await last()).missing == []
        assert (await town.send(request_id)).state == "completed"

    play(story)


def test_an_agreed_case_without_a_pin_is_not_enough(play: Play) -> None:
    async def story(town: Town) -> None:
        await town.subscribe()
        seen = await town.send(await draft(town, await agreed_case(town)))
        assert (seen.state, "no-pin-session" in seen.detail) == ("rejected", True)

    play(story)


def test_a_position_without_a_case_is_refused(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        request_id = await draft(town, secrets.token_bytes(16))
        assert await town.enter(request_id, pin) == "right"
        seen = await town.send(request_id)
        assert (seen.state, "no such case" in seen.detail) == ("rejected", True)

    play(story)


def test_a_case_is_about_one_car(play: Play) -> None:
    async def story(town: Town) -> None:
        pin = await town.subscribe()
        case_id = (await town.operator.open_case(OTHER_CAR)).case_id
        await town.client.owner().confirm_case(case_id)
        await town.client.police().confirm_case(case_id, reference="K 1")
        await town.operator.confirm_case(case_id)
        request_id = await draft(town, case_id)
        assert await town.enter(request_id, pin) == "right"
        assert "another vehicle" in (await town.send(request_id)).detail

    play(story)


def test_nobody_speaks_for_another_party(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id = (await town.operator.open_case(CAR)).case_id
        await town.operator.confirm_case(case_id)
        case = await town.client.operator(2).confirm_case(case_id)
        assert case.missing == ["owner", "police"]

    play(story)


def test_only_the_clerk_sees_positions(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        await town.car.send_position(request_id, case_id, 1)
        await town.settle()
        body = {"case_id": case_id.hex()}
        for caller in ("operator-1", "owner", "police", "command", "account"):
            with pytest.raises(NotAllowed):
                await town.centre._peer(caller, "desk").call("positions", body)

    play(story)


def test_what_comes_after_the_stop_time_is_not_kept(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        stop_s = town.clock.now_s() + TTL_S + DURATION_S + STOP_GRACE_S
        last = replace(HERE, wall_time_ms=int(stop_s * 1000))
        late = replace(HERE, wall_time_ms=int(stop_s * 1000) + 1000)
        await town.car.send_position(request_id, case_id, 1, last)
        await town.car.send_position(request_id, case_id, 2, late)
        town.clock.pass_s(DURATION_S + TTL_S + STOP_GRACE_S + 1)
        await town.car.send_position(request_id, case_id, 3)  # says not when it was taken
        await town.settle()
        case = await town.operator.case(case_id)
        assert case.refused_positions == 2
        assert [p.seq for p in await town.client.desk_clerk().positions(case_id)] == [1]
        assert town.car.position_acks[-1].seq == 3  # so that the car forgets them too

    play(story)


def test_a_position_late_on_the_way_but_taken_in_time_is_kept(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        taken_ms = int(town.clock.now_s() * 1000) + 1000 * DURATION_S
        town.clock.pass_s(24 * 3600)
        await town.car.send_position(request_id, case_id, 1, replace(HERE, wall_time_ms=taken_ms))
        await town.settle()
        assert len(await town.client.desk_clerk().positions(case_id)) == 1

    play(story)


def test_the_end_of_the_case_stops_the_car_and_erases_the_positions(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        await town.car.send_position(request_id, case_id, 1)
        await town.settle()
        case = await town.client.desk_clerk().end_case(case_id)
        assert (case.is_open, case.positions) == (False, 0)
        assert town.car.ended_cases == [case_id]
        with pytest.raises(Denied, match="it has ended"):
            await town.client.desk_clerk().positions(case_id)
        assert await town.operator.end_case(case_id) == case, "again: the same answer"
        assert town.car.ended_cases == [case_id, case_id]

    play(story)


def test_a_car_that_has_not_heard_of_the_end_is_told_again(play: Play) -> None:
    """The end itself may have been lost on its way: every position that follows shows that."""

    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        await town.client.desk_clerk().end_case(case_id)
        town.car.ended_cases.clear()
        await town.car.send_position(request_id, case_id, 1)
        await town.car.send_lost(case_id, 1)
        await town.settle()
        assert town.car.ended_cases == [case_id, case_id]
        assert town.car.position_acks == []
        assert (await town.operator.case(case_id)).positions == 0
        await town.other_car.send_position(request_id, case_id, 1)
        await town.settle()
        assert town.other_car.ended_cases == []

    play(story)


def test_positions_are_acknowledged_up_to_the_first_gap_and_once(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        for seq in (2, 2, 1, 4):
            await town.car.send_position(request_id, case_id, seq)
        await town.settle()
        assert [ack.seq for ack in town.car.position_acks] == [2, 2]
        positions = await town.client.desk_clerk().positions(case_id)
        assert [position.seq for position in positions] == [1, 2, 4]

    play(story)


def test_what_a_car_has_lost_is_no_gap_for_ever_and_is_shown(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        for seq in (1, 4):
            await town.car.send_position(request_id, case_id, seq)
        await town.settle()
        assert [ack.seq for ack in town.car.position_acks] == [1, 1]
        await town.car.send_lost(case_id, 3)
        await town.settle()
        assert town.car.position_acks[-1].seq == 4
        case = await town.operator.case(case_id)
        assert (case.positions, case.lost_positions, case.last_seq) == (2, 2, 4)
        await town.car.send_lost(case_id, 4)  # what is there stays there
        await town.settle()
        clerk = town.client.desk_clerk()
        assert [position.seq for position in await clerk.positions(case_id)] == [1, 4]
        await town.car.send_lost(case_id, 2**32 - 1)
        await town.settle()
        assert (await town.operator.case(case_id)).lost_positions == 2

    play(story)
    assert "more positions lost than any case has" in caplog.text


def test_a_car_that_lost_its_state_counts_anew_and_loses_nothing(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        before = town.car.stream_id
        for stream_id in (before, bytes(8)):
            town.car.stream_id = stream_id
            for seq in (1, 2):
                await town.car.send_position(request_id, case_id, seq)
        await town.settle()
        acks = [(ack.stream_id, ack.seq) for ack in town.car.position_acks]
        assert acks == [(before, 1), (before, 2), (bytes(8), 1), (bytes(8), 2)]
        positions = await town.client.desk_clerk().positions(case_id)
        assert [position.seq for position in positions] == [1, 2, 1, 2]

    play(story)


def test_a_position_moved_to_another_place_in_the_row_does_not_open(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        await town.car.send_position(request_id, case_id, 1)
        await town.settle()
        second = replace(position_of(town, request_id, case_id), seq=2)
        label = label_of(second, town.car.environment)
        sealed = seal(HERE, label, town.car.trust.desk_recipient())
        await town.car.say(replace(second, sealed=sealed, seq=3))
        await town.settle()
        assert (await town.operator.case(case_id)).positions == 1

    play(story)
    assert "sealed" in caplog.text
    assert "57.7" not in caplog.text


def position_of(town: Town, request_id: bytes, case_id: bytes) -> m.Position:
    return m.Position(
        vehicle_id=town.car.vehicle_id,
        request_id=request_id,
        case_id=case_id,
        seq=1,
        stream_id=town.car.stream_id,
        sealed=bytes(48),
    )


def test_a_fix_that_is_none_is_kept_as_none(play: Play) -> None:
    async def story(town: Town) -> None:
        case_id, request_id = await tracked(town)
        nothing = replace(HERE, quality=Quality.NONE, latitude_e7=None, longitude_e7=None)
        await town.car.send_position(request_id, case_id, 1, nothing)
        await town.settle()
        [position] = await town.client.desk_clerk().positions(case_id)
        assert (position.quality, position.latitude_deg) == ("none", None)

    play(story)


def test_positions_of_the_first_desk_are_kept_as_of_a_stream_without_a_name(tmp_path: Path) -> None:
    file = tmp_path / "desk" / "desk.sqlite3"
    store = open_store(file, FIRST_FORM.split("INSERT OR IGNORE")[0])
    store.execute("INSERT INTO positions VALUES (x'01', 2, x'03', x'04', 5.0)")
    store.close()
    for _ in range(2):
        store = open_store(file, SCHEMA)
        [row] = store.execute("SELECT * FROM fixes").fetchall()
        assert tuple(row) == (b"\x01", b"", 2, b"\x03", b"\x04", 5.0)
        store.close()
