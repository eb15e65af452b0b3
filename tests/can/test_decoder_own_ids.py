"""Frames with our own identifiers: ours when nobody waits for them any more, and those that somebody else sends."""

from __future__ import annotations

import dataclasses

from tcu_agent.core.events import SecurityObserved
from tcu_agent.ports import CanFrame
from tests.can.decoding import decoder, feed, of_kind
from tests.can.vehicle import frame, reference


def test_a_command_that_is_on_the_bus_too_late_is_a_security_event_and_no_sign_of_life() -> None:
    tested = decoder()
    told = tested.receive_all(
        [
            late("CentralLockCommand", 100.0, LockCommand="UnlockAll", CommandCounter=7),
            late("CentralLockCommand", 101.0, LockCommand="LockAll"),
            late("CentralLockCommand", 102.0, LockCommand="None"),
        ]
    )
    assert told == [
        SecurityObserved("body", "late-on-the-bus", "CentralLockCommand", 1, "unlock"),
        SecurityObserved("body", "late-on-the-bus", "CentralLockCommand", 2, "lock"),
        SecurityObserved("body", "late-on-the-bus", "CentralLockCommand", 3),
    ]
    assert tested.counters().late_frames == 3
    assert tested.counters().own_id_frames == tested.counters().frames == 0


def test_a_status_frame_that_is_on_the_bus_too_late_is_only_counted() -> None:
    tested = decoder()
    status = reference().commands["status"].message
    assert tested.receive_all([late(status, 100.0), late("NmTcu", 100.0)]) == []
    assert tested.counters().late_frames == 2


def late(message: str, at: float, **signals: int | str) -> CanFrame:
    return dataclasses.replace(frame(message, at, **signals), is_late_echo=True)


def test_our_own_id_from_another_node_is_a_security_event_once_a_minute() -> None:
    tested = decoder()
    spoofed = [frame("CentralLockCommand", 1 + step * 10, LockCommand=1) for step in range(8)]
    events = of_kind(feed(tested, spoofed), SecurityObserved)
    assert events == [
        SecurityObserved("body", "own-id-from-other-node", "CentralLockCommand", 1, "unlock"),
        SecurityObserved("body", "own-id-from-other-node", "CentralLockCommand", 7, "unlock"),
    ]


def test_an_unlock_in_our_name_is_told_though_a_lock_just_was() -> None:
    tested = decoder()
    short = dataclasses.replace(frame("CentralLockCommand", 3.0), data=b"\x01")
    spoofed = [
        frame("CentralLockCommand", 1.0, LockCommand="LockAll"),
        frame("CentralLockCommand", 2.0, LockCommand="UnlockAll"),
        short,
    ]
    told = of_kind(feed(tested, spoofed), SecurityObserved)
    name = "CentralLockCommand"
    assert told == [
        SecurityObserved("body", "own-id-from-other-node", name, 1, "lock"),
        SecurityObserved("body", "own-id-from-other-node", name, 2, "unlock"),
        SecurityObserved("body", "own-id-from-other-node", name, 3),
    ]


def test_in_a_recording_our_own_frames_are_nothing_special() -> None:
    tested = decoder(listen_only=True)
    assert of_kind(tested.receive(frame("CentralLockCommand", 1.0)), SecurityObserved) == []
