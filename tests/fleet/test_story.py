"""What the story does when a car has not noticed what was done to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from tcu_sim.centre.views import IncidentView
from tcu_sim.fleet.story import Story
from tcu_sim.fleet.town import Town


@dataclass
class HardOfHearing:
    """A town, its client and its operator. Car 2 does not notice the first press."""

    vehicle_ids: Sequence[str] = ("car-1", "car-2")
    pressed: list[list[str]] = field(default_factory=list)

    @property
    def client(self) -> HardOfHearing:
        return self

    def operator(self) -> HardOfHearing:
        return self

    def press(self, vehicle_ids: Sequence[str]) -> float:
        self.pressed.append(list(vehicle_ids))
        return time.monotonic()

    async def incidents(self) -> list[IncidentView]:
        calling = ["car-1", "car-2"] if len(self.pressed) > 1 else ["car-1"]
        return [
            IncidentView(
                incident_id=each.encode(),
                vehicle_id=each,
                source="on-call",
                caller=each,
                call="ringing",
                is_open=True,
            )
            for each in calling
        ]


def test_who_sees_no_call_presses_again_and_nobody_else_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tcu_sim.fleet.story.PRESS_AGAIN_S", 0.0)
    monkeypatch.setattr("tcu_sim.fleet.story.TIMEOUT_S", 2.0)
    town = HardOfHearing()
    phase = asyncio.run(Story(town=cast("Town", town), operators=1).calls(town.vehicle_ids))
    assert town.pressed[:2] == [["car-1", "car-2"], ["car-2"]]
    assert (phase.done, phase.wanted) == (2, 2)
