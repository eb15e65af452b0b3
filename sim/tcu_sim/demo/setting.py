"""The set-up: every part as a process of its own, started in the order in which they need each other.

Nothing waits for time to pass: each part says when it is ready, and the car has learnt its account when the centre
knows that it has.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.centre.client import open_client
from tcu_sim.demo.agent_config import AgentPlace, agent_toml
from tcu_sim.demo.attacker import open_attacker
from tcu_sim.demo.broker import LOOPBACK, Broker, start_broker
from tcu_sim.demo.burglar import Burglar
from tcu_sim.demo.can_source import CanEnds
from tcu_sim.demo.conditions import CAR, OTHER_CAR
from tcu_sim.demo.observer import BrokerAddress
from tcu_sim.demo.other_car import open_other_car
from tcu_sim.demo.processes import Command, Ensemble
from tcu_sim.demo.remote_control import RemoteControl
from tcu_sim.demo.sightings import Sightings
from tcu_sim.demo.stage import OTHER_OWNER, OWNER, PLACE, Stage
from tcu_sim.demo.vehicle_key import FILE, VehicleKey, key_in_file, make_key_in_token
from tcu_sim.errors import SimulatorError
from tcu_sim.pki.ceremony import Plan, initialise, read_trust
from tcu_sim.pki.files import read_signing_key
from tcu_sim.pki.layout import SERVICES, Layout

SIMULATOR = (sys.executable, "-m", "tcu_sim.cli.main")
AGENT = (sys.executable, "-m", "tcu_agent")
ENVIRONMENT = "bench"
NODES = ("tcu", "vehicle", "observer")
AWAKE_S = 600
"""The virtual vehicle's bus stays awake for the whole demo."""
LEARNT_TIMEOUT_S = 20.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the demo is set up with. `folder`: scratch; `agent`: the words of another agent's command.

    `vehicle_key`: one of `vehicle_key.KINDS`. `can`: a bus that is there already; else one is started. `patience`:
    factor for all time limits.
    """

    folder: Path
    ensemble: Ensemble
    embedded_broker: bool = False
    agent: tuple[str, ...] | None = None
    vehicle_lines: tuple[str, ...] = ()
    vehicle_key: str = FILE
    can: CanEnds | None = None
    patience: float = 1.0


@asynccontextmanager
async def open_stage(setting: Setting, say: Say) -> AsyncIterator[Stage]:
    """Start everything and give the stage on which the steps play.

    Raises:
        SimulatorError: a part does not start, or the car does not learn its account.
    """
    folder, ensemble = setting.folder, setting.ensemble
    layout = initialise(folder / "centre", Plan(vehicles=[CAR, OTHER_CAR], environment=ENVIRONMENT))
    key = await _vehicle_key(setting, layout, say)
    sightings = Sightings(folder / "logs" / "observer.jsonl", patience=setting.patience)
    broker = await start_broker(ensemble, folder, embedded=setting.embedded_broker)
    say(f"broker: {broker.name}, MQTT {broker.mqtt_version}, {LOOPBACK}:{broker.port}")
    channels = await _start_bus(setting)
    say(f"CAN: {channels['tcu']}")
    await asyncio.gather(
        _start_vehicle(setting, layout, channels["vehicle"]),
        _start_observer(setting, layout, channels["observer"], broker, sightings),
        *(_start_service(setting, layout, name, broker) for name in SERVICES),
    )
    control = RemoteControl(folder / "vehicle.sock")
    await control.do(f"gnss at {PLACE[0]} {PLACE[1]}")
    for line in setting.vehicle_lines:
        say(f"vehicle: {line}")
        await control.do(line)
    address = BrokerAddress(LOOPBACK, broker.port, broker.mqtt_version)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(layout))
        operator = client.operator()
        await operator.subscribe(CAR, address=OWNER)
        await operator.subscribe(OTHER_CAR, address=OTHER_OWNER)
        other_car = await stack.enter_async_context(
            open_other_car(
                address,
                vehicle_id=OTHER_CAR,
                key=read_signing_key(layout.vehicle(OTHER_CAR) / "signing.pem"),
                trusted=read_trust(layout.root, ENVIRONMENT),
            )
        )
        attacker = await stack.enter_async_context(open_attacker(address))
        await _start_agent(setting, layout, channels["tcu"], broker, key)
        await sightings.settle()
        account = await operator.account_state(CAR, timeout_s=LEARNT_TIMEOUT_S * setting.patience)
        if account.learnt_version < account.version:
            raise SimulatorError(f"the car has not learnt its account in {LEARNT_TIMEOUT_S:g} s")
        yield Stage(
            layout=layout,
            environment=ENVIRONMENT,
            broker=broker,
            sightings=sightings,
            client=client,
            operator=operator,
            control=control,
            attacker=attacker,
            burglar=Burglar(layout, ENVIRONMENT),
            other_car=other_car,
        )


async def _start_bus(setting: Setting) -> dict[str, str]:
    """Return each node's address on the bus: the given one, else one started now (vcan if possible, or the hub)."""
    if setting.can is not None:
        return {"tcu": setting.can.agent} | dict.fromkeys(NODES[1:], setting.can.others)
    options = ["--json", "--dir", str(setting.folder / "can"), "--nodes", *NODES]
    program = await setting.ensemble.start(
        Command(name="bus", argv=[*SIMULATOR, "bus", *options], ready=r'^\{.*"event": "ready".*')
    )
    if program.ready is None:
        raise SimulatorError("the bus did not say where it is")
    facts = json.loads(program.ready[0])
    return {name: f"{facts['interface']}:{facts['nodes'][name]}" for name in NODES}


async def _start_vehicle(setting: Setting, layout: Layout, address: str) -> None:
    interface, _, channel = address.partition(":")
    argv = [
        *(*SIMULATOR, "vehicle", "--interface", interface, "--channel", channel),
        *("--secoc-key", str(layout.vehicle(CAR) / "secoc.key")),
        *("--sleep-after", str(AWAKE_S), "--control", str(setting.folder / "vehicle.sock")),
    ]
    await setting.ensemble.start(Command(name="vehicle", argv=argv, ready="^ready: "))


async def _start_observer(
    setting: Setting, layout: Layout, address: str, broker: Broker, sightings: Sightings
) -> None:
    argv = [
        *(*SIMULATOR, "observe", "--can", address, "--mqtt", f"{LOOPBACK}:{broker.port}"),
        *("--mqtt-version", broker.mqtt_version, "--public", str(layout.root), "--out", "-"),
    ]
    await setting.ensemble.start(
        Command(name="observer", argv=argv, ready='"what": "ready"', on_line=sightings.take_line)
    )


async def _start_service(setting: Setting, layout: Layout, name: str, broker: Broker) -> None:
    argv = [
        *(*SIMULATOR, "centre", name, "--verbose", "--dir", str(layout.root)),
        *("--broker-port", str(broker.port), "--mqtt", broker.mqtt_version),
    ]
    await setting.ensemble.start(Command(name=f"centre-{name}", argv=argv, ready="ready at"))


async def _vehicle_key(setting: Setting, layout: Layout, say: Say) -> VehicleKey:
    if setting.vehicle_key == FILE:
        return key_in_file(layout.vehicle(CAR))
    key = await make_key_in_token(
        setting.ensemble, setting.folder / "token", agent=AGENT, layout=layout, vehicle_id=CAR
    )
    say(f"vehicle key {key.kid}: made in a PKCS#11 token (SoftHSM), not extractable")
    return key


async def _start_agent(
    setting: Setting, layout: Layout, address: str, broker: Broker, key: VehicleKey
) -> None:
    file = setting.folder / "tcu.toml"
    place = AgentPlace(
        vehicle_id=CAR,
        environment=ENVIRONMENT,
        vehicle=layout.vehicle(CAR),
        state=setting.folder / "state",
        can_address=address,
        broker_host=LOOPBACK,
        broker_port=broker.port,
        mqtt_version=broker.mqtt_version,
        key=key.settings,
        patience=setting.patience,
    )
    file.write_text(agent_toml(place), encoding="utf-8")
    argv = [*(setting.agent or AGENT), "run", "-c", str(file)]
    await setting.ensemble.start(
        Command(name="agent", argv=argv, ready='"connected"', environment=key.environment)
    )
