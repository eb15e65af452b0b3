"""The observer as a process on a real broker and a real bus: it sees both, and ends when it is told to."""

import sys
from collections.abc import Callable
from pathlib import Path

import can
import pytest

from tcu_sim.demo.attacker import open_attacker
from tcu_sim.demo.broker import Broker, start_broker
from tcu_sim.demo.can_source import bus_options
from tcu_sim.demo.observer import BrokerAddress
from tcu_sim.demo.processes import Command, Ensemble
from tcu_sim.demo.sightings import Sighting, Sightings
from tcu_sim.pki.ceremony import Plan, initialise


def arguments(folder: Path, broker: Broker) -> list[str]:
    return [
        *(sys.executable, "-m", "tcu_sim.cli.main", "observe"),
        *("--can", f"slcan:{folder}/can/observer"),
        *("--mqtt", f"127.0.0.1:{broker.port}", "--mqtt-version", broker.mqtt_version),
        *("--public", str(folder / "centre"), "--out", "-"),
    ]


def is_what(what: str) -> Callable[[Sighting], bool]:
    return lambda sighting: sighting["what"] == what


@pytest.mark.parametrize("embedded", [False, True])
async def test_it_sees_frames_and_messages(tmp_path: Path, embedded: bool) -> None:
    initialise(tmp_path / "centre", Plan(vehicles=["car-1"]))
    sightings = Sightings(tmp_path / "observer.jsonl")
    bus = [sys.executable, "-m", "tcu_sim.cli.main", "bus", "--interface", "slcan"]
    nodes = ["--dir", str(tmp_path / "can"), "--nodes", "tcu", "observer"]
    async with Ensemble(tmp_path) as ensemble:
        broker = await start_broker(ensemble, tmp_path, embedded=embedded)
        await ensemble.start(Command(name="bus", argv=[*bus, *nodes], ready="ready"))
        watching = Command(
            name="observer",
            argv=arguments(tmp_path, broker),
            ready='"what": "ready"',
            on_line=sightings.take_line,
        )
        observer = await ensemble.start(watching)
        with can.Bus(**bus_options(f"slcan:{tmp_path}/can/tcu")) as tcu:
            tcu.send(can.Message(arbitration_id=784, data=[0, 0], is_extended_id=False))
            tcu.send(can.Message(arbitration_id=160, data=[1, 7] + [0] * 6, is_extended_id=False))
            await sightings.wait("unlock command", is_what("command"), since=0)
            assert sightings.last(is_what("tick"))
        address = BrokerAddress("127.0.0.1", broker.port, broker.mqtt_version)
        async with open_attacker(address) as attacker:
            await attacker.publish("car-1", "grant", b"nonsense", retain=True)
            seen = await sightings.wait("grant", is_what("grant"), since=0)
        assert seen["signature"] == "malformed"
        assert seen.get("retained", False) == broker.shows_retained
    assert observer.process.returncode == 0
