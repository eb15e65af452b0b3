"""A wrong SecOC key is in the agent's log before anybody wants an unlock, and cannot fill it."""

from __future__ import annotations

import logging

import pytest

from tcu_agent.runtime.receivers_word import TELL_S
from tests.can.vehicle import resync
from tests.runtime.rig import SECOC_KEYS, Rig, play
from tests.runtime.test_noise import lines

(OURS,) = SECOC_KEYS.values()
THEIRS = b"another receiver"


def test_the_first_word_that_is_not_authentic_is_told_and_a_flood_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        rig.bus.put(resync(5, key=OURS))
        await rig.wait_s(1)
        assert lines(caplog, "secoc-not-authentic") == []
        for _ in range(3):
            rig.bus.put(resync(5, key=THEIRS))
            rig.bus.put(resync(6, key=OURS))
        await rig.wait_s(1)
        (said,) = lines(caplog, "secoc-not-authentic")
        assert said["message"] == "SecocFreshness"
        await rig.wait_s(TELL_S)
        rig.bus.put(resync(5, key=THEIRS))
        await rig.wait_s(1)
        assert rig.logbook.counts["secoc-not-authentic"] == 2

    with caplog.at_level(logging.INFO, logger="tcu_agent"):
        play(body)


def test_a_key_that_is_lost_judges_nothing() -> None:
    async def body(rig: Rig) -> None:
        rig.lost_keys = frozenset(SECOC_KEYS)
        rig.start()
        rig.bus.put(resync(5, key=THEIRS))
        await rig.wait_s(1)
        assert rig.logbook.counts["secoc-not-authentic"] == 0

    play(body)
