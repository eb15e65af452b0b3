"""A certificate that is being exchanged costs an attempt; one that never was there ends the start."""

from __future__ import annotations

import pytest

from tcu_agent.core.events import Connected, Disconnected
from tcu_agent.errors import ConfigError
from tests.runtime.rig import Rig, play


class ExchangedFiles:
    """Stands before a link: from the `first` on, `wrong` attempts find files of two generations."""

    def __init__(self, rig: Rig, *, first: int, wrong: int) -> None:
        self._connect = rig.link.connect
        self._attempts = 0
        self._wrong = range(first, first + wrong)

    async def connect(self, *, connection: int, will: bytes) -> bool:
        """Connect, unless this attempt is one of the wrong ones."""
        self._attempts += 1
        if self._attempts in self._wrong:
            raise ConfigError("KEY_VALUES_MISMATCH", where="vehicle.pem")
        return await self._connect(connection=connection, will=will)


def exchange(rig: Rig, *, first: int, wrong: int) -> None:
    files = ExchangedFiles(rig, first=first, wrong=wrong)
    rig.link.connect = files.connect  # type: ignore[method-assign]  # one link of one test


def test_files_that_were_good_before_are_tried_again() -> None:
    async def body(rig: Rig) -> None:
        exchange(rig, first=2, wrong=3)
        rig.start()
        await rig.core.wait_for(Connected)
        rig.link.lose()
        await rig.core.wait_for(Disconnected)
        await rig.core.wait_for(Connected, number=2)
        assert rig.logbook.counts["connect-failed"] == 3

    play(body)


def test_files_that_never_were_good_end_the_start() -> None:
    async def body(rig: Rig) -> None:
        exchange(rig, first=1, wrong=1)
        rig.start()
        assert rig.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await rig.task
        assert caught.value.subgroup(ConfigError) is not None

    play(body)
