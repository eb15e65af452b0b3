"""A stolen key is replaced as docs/trust.md says, while broker, car and agent go on, each a process of its own."""

import tempfile
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.demo.conditions import CAR, event, to_car
from tcu_sim.demo.processes import Ensemble
from tcu_sim.demo.setting import Setting, _start_service, open_stage
from tcu_sim.demo.stage import Stage
from tcu_sim.demo.steps_oncall import CALL
from tcu_sim.pki.layout import SERVICES
from tcu_sim.pki.successors import kid_in_use
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import look, read


async def asked(stage: Stage) -> bytes:
    """Ask for an unlock with the right PIN; return the request id."""
    request_id = await stage.operator.draft_unlock(CAR, stage.incident_id)
    await stage.confirmed(request_id)
    await stage.operator.send(request_id)
    return request_id


@pytest.mark.timeout(240)
async def test_the_pin_authoritys_key_is_replaced_while_the_car_goes_on() -> None:
    with tempfile.TemporaryDirectory(prefix="tcu-") as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        async with Ensemble(folder / "logs") as ensemble:
            setting = Setting(folder=folder, ensemble=ensemble)
            async with open_stage(setting, lambda _: None) as stage:
                await _story(setting, stage)


async def _story(setting: Setting, stage: Stage) -> None:
    for step in CALL:
        await step.play(stage)
    bench, stolen = str(stage.layout.root), kid_in_use(stage.layout, "pin")
    assert main(["pki", "revoke", bench, stolen.hex(), "--replace"]) == 0
    assert main(["pki", "switch", bench, "pin"]) == 0
    for service in SERVICES:
        await setting.ensemble.stop(f"centre-{service}")
    for service in SERVICES:
        await _start_service(setting, stage.layout, service, stage.broker)

    since = stage.sightings.mark()
    refused = await stage.operator.request(await asked(stage), timeout_s=10)
    assert (refused.state, "vehicle-behind" in refused.detail) == ("rejected", True)
    await stage.expect_no_unlock(since)
    await stage.seen("the car has taken the bundle", event("trust-changed"), since=since)

    since = stage.sightings.mark()
    request_id = await asked(stage)
    await stage.unlocked(request_id, since=since)
    grant = await stage.seen("grant", to_car("grant"), since=since)
    message = read(look(await stage.attacker.message(grant["hash"])), m.Grant)
    assert look(message.evidence).kid == kid_in_use(stage.layout, "pin") != stolen
