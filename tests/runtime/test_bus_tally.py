"""What a bus has cost stands in the log: what is new, once, and in few lines."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tcu_agent.adapters.can.counters import BusCounters, DecoderCounters
from tcu_agent.core.events import BusFaulted, BusFellAsleep
from tcu_agent.ports import CanFrame
from tcu_agent.runtime.bus_tally import BABBLE_PER_S, TELL_S, BusTally
from tcu_agent.runtime.logbook import FIELDS, Logbook
from tcu_sim.bench.ports import InMemoryBus, InMemoryCanPort, SimulatedClock
from tests.runtime.rig import Rig, mapping, play

NOTHING = DecoderCounters(
    frames=0,
    error_frames=0,
    remote_frames=0,
    own_id_frames=0,
    mapped_frames=0,
    ids_known=0,
    ids_unknown=0,
)


class Port(InMemoryCanPort):
    def __init__(self) -> None:
        super().__init__(bus=InMemoryBus(name="body", clock=SimulatedClock()))
        self.counted = BusCounters()

    def counters(self) -> BusCounters:
        return self.counted


class Bench:
    def __init__(self) -> None:
        self.port = Port()
        self.decoded = NOTHING
        self.said: list[Mapping[str, Any]] = []
        logger = logging.Logger("tally")  # noqa: LOG001 -- one that no other test hears
        logger.addFilter(self._take)
        self.tally = BusTally(port=self.port, decoder=self, logbook=Logbook(logger), now=100.0)

    def counters(self) -> DecoderCounters:
        return self.decoded

    def _take(self, record: logging.LogRecord) -> bool:
        self.said.append({"word": record.msg % record.args, **getattr(record, FIELDS)})
        return False


@pytest.fixture
def at() -> Bench:
    return Bench()


def test_what_is_new_is_told_once_with_the_worst_messages(at: Bench) -> None:
    at.port.counted = BusCounters(received=1000, dropped=7, malformed=1, overruns=5)
    at.decoded = replace(
        NOTHING,
        decode_errors={(0x310, False): {"short": 2, "long": 3}, (0x1F, True): {"mux": 1}},
        e2e_errors={"OnCallButton": {"crc": 9}, "DoorLockStatus": {"counter": 4}},
        unmapped_values={"Vehicle.Speed": 2},
    )
    at.tally.tell(100.0)
    at.tally.tell(100.0)
    assert at.said == [
        {
            "word": "can-losses",
            "bus": "body",
            "dropped": 7,
            "malformed": 1,
            "overruns": 5,
            "undecodable": 6,
            "e2e_failed": 13,
            "unmapped_values": 2,
            "messages": "OnCallButton 9, 310 5, DoorLockStatus 4",
        }
    ]
    at.port.counted = BusCounters(received=2000, dropped=8, malformed=1, overruns=5)
    at.tally.tell(100.0)
    assert at.said[1:] == [{"word": "can-losses", "bus": "body", "dropped": 1, "messages": ""}]


def test_a_bus_without_losses_is_no_line(at: Bench) -> None:
    at.port.counted = BusCounters(received=1000, sent=5, on_bus=9)
    at.tally.tell(100.0)
    assert at.said == []


def test_whatever_happens_there_is_one_line_a_minute(at: Bench) -> None:
    for tenth in range(6000):
        at.port.counted += BusCounters(dropped=1)
        at.tally.look(100.0 + tenth / 10)
    assert len(at.said) == 600 // TELL_S - 1
    assert at.said[0]["dropped"] == TELL_S * 10 + 1


@pytest.mark.parametrize(
    ("frames", "passed_s", "told"),
    [
        (BABBLE_PER_S * 60, 60.0, [BABBLE_PER_S]),
        (BABBLE_PER_S * 60 - 60, 60.0, []),
        (BABBLE_PER_S, 0.5, []),  # too short a time to say
    ],
)
def test_a_node_that_babbles_is_told(
    at: Bench, frames: int, passed_s: float, told: list[int]
) -> None:
    at.port.counted = BusCounters(on_bus=frames)
    at.tally.tell(100.0 + passed_s)
    assert [one["on_bus_per_s"] for one in at.said] == told
    at.tally.tell(200.0)
    assert len(at.said) == len(told)


def test_the_end_of_a_bus_is_told_at_once_but_no_more_than_one_line_a_minute(at: Bench) -> None:
    for tenth in range(6000):
        at.port.counted += BusCounters(dropped=1)
        at.tally.look_at_end(100.0 + tenth / 10)
        at.tally.look(100.0 + tenth / 10)
    assert [one["dropped"] for one in at.said] == [1, *[TELL_S * 10] * 9]
    at.tally.tell(700.0)
    assert (
        sum(one["dropped"] for one in at.said) == 6000
    )  # what was kept is told when the agent stops


def test_a_bus_that_falls_asleep_again_and_again_is_one_line_a_minute() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        message = mapping().buses["body"].message("VehicleMotion")
        for number in range(1, 20):
            await rig.wait_s(0.01)
            rig.bus.put(CanFrame(message.frame_id, b"\x01"))
            await rig.core.wait_for(BusFellAsleep, number=number)
        assert rig.logbook.counts["can-losses"] == 1
        await rig.stop()
        assert rig.logbook.counts["can-losses"] == 2

    play(body)


@pytest.mark.parametrize("end", ["asleep", "lost", "stopped"])
def test_what_was_not_told_yet_is_told_when_the_bus_ends(end: str) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.wait_s(0.01)
        message = mapping().buses["body"].message("VehicleMotion")
        rig.bus.put(CanFrame(message.frame_id, b"\x01"))
        await rig.wait_s(0.01)
        assert rig.logbook.counts["can-losses"] == 0
        if end == "asleep":
            await rig.core.wait_for(BusFellAsleep)
        elif end == "lost":
            rig.port.lose()
            await rig.core.wait_for(BusFaulted)
        else:
            await rig.stop()
        assert rig.logbook.counts["can-losses"] == 1

    play(body)


def test_a_frame_of_ours_that_got_there_late_is_told(at: Bench) -> None:
    at.decoded = replace(NOTHING, late_frames=1)
    at.tally.look(100.0 + TELL_S)
    (line,) = at.said
    assert line["late_on_the_bus"] == 1
