"""Frames that fail their end-to-end check: not used, counted, reported."""

from __future__ import annotations

import dataclasses

import pytest

from tcu_agent.core.events import (
    SecurityObserved,
)
from tcu_agent.ports import CanFrame
from tests.can.decoding import decoder, feed, keep_alive, of_kind
from tests.can.vehicle import (
    BUTTON,
    button,
    changes,
    protected,
    values,
)
from tests.foreign_data import ROOT


def test_a_protected_message_is_used() -> None:
    events = feed(decoder(), [button(step, 1 + step * 0.05, "Pressed") for step in range(4)])
    assert changes(events) == [(BUTTON, True, 1.0)]


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (protected("OnCallButton", 0x01A1, 5, 1.25, OnCallButtonState="Pressed"), "crc"),
        (button(4, 1.25, "Pressed"), "repeated"),
        (button(9, 1.25, "Pressed"), "counter"),
        (CanFrame(0x1A0, b"\x00\x05", timestamp_s=1.25), "length"),
        (
            dataclasses.replace(
                button(5, 1.25, "Pressed"), data=button(5, 0, "Pressed").data + b"\0"
            ),
            "length",
        ),
        (button(5, 1.25, "Pressed"), None),
        (button(7, 1.25, "Pressed"), None),
    ],
)
def test_a_frame_that_fails_its_check_is_not_used(bad: CanFrame, cause: str | None) -> None:
    tested = decoder()
    feed(tested, [button(step, 1 + step * 0.05) for step in range(5)])
    tested.receive(bad)
    used = values(tested.handle_timer(1.36))
    assert used == ({} if cause else {BUTTON: True})
    assert tested.counters().e2e_errors == ({"OnCallButton": {cause: 1}} if cause else {})


def test_failures_in_a_row_are_one_security_event_and_the_value_goes_stale() -> None:
    tested = decoder()
    feed(tested, [button(step, 1 + step * 0.05) for step in range(5)])
    forged = [
        protected("OnCallButton", 0x0BAD, step, 1.2 + step * 0.05, OnCallButtonState="Pressed")
        for step in range(15)
    ]
    events = feed(tested, forged)
    assert of_kind(events, SecurityObserved) == [
        SecurityObserved("body", "e2e-failed", "OnCallButton", 5)
    ]
    assert changes(events) == [(BUTTON, None, 1.5)]


def test_forged_frames_between_good_ones_are_noticed_too() -> None:
    tested = decoder()
    frames = []
    for step in range(12):
        frames += [
            button(step, 1 + step * 0.05),
            protected("OnCallButton", 0x0BAD, step, 1.01 + step * 0.05),
        ]
    assert len(of_kind(feed(tested, frames), SecurityObserved)) == 1


def test_after_a_while_without_failures_they_are_reported_again() -> None:
    tested = decoder()
    bad = [protected("OnCallButton", 0x0BAD, 0, 1 + step * 0.05) for step in range(6)]
    good = [button(step, 2 + step * 0.05) for step in range(16)]
    again = [protected("OnCallButton", 0x0BAD, 0, 3 + step * 0.05) for step in range(6)]
    assert len(of_kind(feed(tested, bad + good + again), SecurityObserved)) == 2


def test_a_sender_that_is_stuck_never_counts_as_alive() -> None:
    tested = decoder()
    feed(tested, [button(step, 1 + step * 0.05) for step in range(5)])
    stuck = feed(tested, [button(4, 1.25 + step * 0.05) for step in range(100)])
    assert changes(stuck) == [(BUTTON, None, 1.5)]


def test_after_a_silence_any_counter_is_a_new_start() -> None:
    tested = decoder()
    feed(tested, [button(step, 1 + step * 0.05) for step in range(5)])
    feed(tested, keep_alive(2.0, since=1.2))
    again = feed(tested, [button(12 + step, 2.1 + step * 0.05) for step in range(4)])
    assert changes(again) == [(BUTTON, False, 2.1)]


def test_the_two_examples_of_the_document() -> None:
    text = (ROOT / "dbc" / "README.md").read_text(encoding="utf-8")
    assert button(5, 0, "Pressed").data.hex(" ") in text
    worked = protected(
        "DoorLockStatus",
        0x01B0,
        0,
        0,
        **{
            f"Lock{one}": "Locked"
            for one in ("FrontLeft", "FrontRight", "RearLeft", "RearRight", "Tailgate")
        },
        LastLockSource="Key",
    )
    assert worked.data.hex(" ") in text
