"""A demo on a slow machine and on a bus that is there already: its options, and that patience reaches the limits."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_sim.demo import story
from tcu_sim.demo.agent_config import AgentPlace, agent_toml
from tcu_sim.demo.can_source import CanEnds
from tcu_sim.demo.cli import _options, add_parser
from tcu_sim.demo.play import DemoOptions
from tcu_sim.demo.processes import Command, Ensemble, ProgramError
from tcu_sim.demo.sightings import NotSeenError, Sightings
from tcu_sim.demo.steps import AT_THE_CAR, STEPS
from tcu_sim.demo.steps_unlock import RELOCK_AFTER_S, RELOCK_TOLERANCE_S, judge_relock
from tcu_sim.errors import BadInput

PLACE = AgentPlace(
    vehicle_id="car",
    environment="bench",
    vehicle=Path("/keys"),
    state=Path("/state"),
    can_address="socketcan:can0",
    broker_host="127.0.0.1",
    broker_port=1883,
    mqtt_version="5",
)


def options(*arguments: str) -> DemoOptions:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return _options(parser.parse_args(["demo", *arguments]))


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("socketcan:can0,socketcan:can1", CanEnds("socketcan:can0", "socketcan:can1")),
        ("socketcan:vcan0", CanEnds("socketcan:vcan0", "socketcan:vcan0")),
    ],
)
def test_a_bus_that_is_there_already(text: str, ends: CanEnds) -> None:
    assert options("--can", text).can == ends
    assert options().can is None


@pytest.mark.parametrize("text", ["can0", "socketcan:can0,", ",socketcan:can0", "a:b,c"])
def test_what_is_no_address_of_a_bus_is_refused_before_anything_starts(text: str) -> None:
    with pytest.raises(BadInput, match="write interface:channel"):
        options("--can", text)


@pytest.mark.parametrize("factor", ["0.5", "-1", "nan", "inf", "101"])
def test_no_patience_is_refused(factor: str) -> None:
    with pytest.raises(BadInput, match="1 to 100"):
        options("--patience", factor)


def test_patience_lengthens_the_wait_for_a_sighting(tmp_path: Path) -> None:
    seen = Sightings(tmp_path / "trace", patience=3.0)
    with pytest.raises(NotSeenError, match=r"no tick in 0\.03 s"):
        asyncio.run(seen.wait("tick", lambda _: True, since=0, timeout_s=0.01))


def test_patience_lengthens_the_wait_for_a_part(tmp_path: Path) -> None:
    async def start() -> None:
        async with Ensemble(tmp_path, patience=3.0) as ensemble:
            mute = Command(name="mute", argv=["sleep", "60"], ready="never", timeout_s=0.01)
            await ensemble.start(mute)

    with pytest.raises(ProgramError, match=r"within 0\.03 s"):
        asyncio.run(start())


def test_patience_lengthens_the_limit_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: None) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(story, "STEP_LIMIT_S", 0.01)
    verdict = asyncio.run(story.judge(1, story.Step("hangs", "", hang), None, patience=3.0))
    assert verdict.seen == "nothing that decides, in 0.03 s"


def test_the_steps_at_the_car_keep_the_storys_order_and_begin_and_end_on_the_bus() -> None:
    names = [step.name for step in AT_THE_CAR]
    assert names == [step.name for step in STEPS if step.name in set(names)]
    assert "unlock with the right PIN" in names
    assert "the stop time has come" in names
    assert not [name for name in names if "app" in name.split(":")[0].split()]


@pytest.mark.parametrize(("patience", "ttl_s"), [(1.0, 5), (3.0, 15), (15.0, 30)])
def test_on_a_slow_machine_a_challenge_lives_longer_and_nothing_else_takes_longer(
    patience: float, ttl_s: int
) -> None:
    text = agent_toml(replace(PLACE, patience=patience))
    assert f"challenge_ttl_s = {ttl_s}\n" in text
    assert text.replace(f"ttl_s = {ttl_s}\n", "ttl_s = 5\n") == agent_toml(PLACE)


@pytest.mark.parametrize(("patience", "slack"), [(1.0, 1.0), (2.5, 2.5), (15.0, 3.0)])
def test_on_a_slow_machine_times_may_be_less_exact_but_are_judged(
    tmp_path: Path, patience: float, slack: float
) -> None:
    assert Sightings(tmp_path / "trace", patience=patience).slack == slack
    unlocked, late_s = {"t": 100.0}, RELOCK_AFTER_S + RELOCK_TOLERANCE_S * slack
    judge_relock(unlocked, {"t": 100.0 + late_s - 0.1}, slack=slack)
    with pytest.raises(NotSeenError, match="instead of"):
        judge_relock(unlocked, {"t": 100.0 + late_s + 0.1}, slack=slack)
