"""The bench runs with a vehicle key that lives in a PKCS#11 token and nowhere else."""

from pathlib import Path

import pytest

from tcu_agent.config import TokenKey, load
from tcu_sim.demo.agent_config import AgentPlace, agent_toml
from tcu_sim.demo.conditions import CAR, from_car
from tcu_sim.demo.play import DemoOptions
from tcu_sim.demo.stage import Stage
from tcu_sim.demo.steps_oncall import CALL
from tcu_sim.demo.steps_unlock import UNLOCK
from tcu_sim.demo.story import Step
from tcu_sim.demo.vehicle_key import PKCS11
from tcu_sim.pki.ceremony import Plan, initialise
from tests.contract.tokens import needs_softhsm
from tests.demo.test_demo import played

RIGHT_PIN = UNLOCK[2]


@needs_softhsm
@pytest.mark.timeout(240)
async def test_the_car_unlocks_and_answers_with_a_key_that_is_in_no_file() -> None:
    files: list[str] = []

    async def look(stage: Stage) -> str:
        files.extend(path.name for path in stage.layout.vehicle(CAR).iterdir())
        result = await stage.seen("result", from_car("result"), since=0)
        return f"a result whose signature is {result['signature']} for the enrolled key"

    told = await played(
        DemoOptions(vehicle_key=PKCS11), *CALL, RIGHT_PIN, Step("look", "signed", look)
    )
    assert [verdict for verdict in told.verdicts if not verdict.ok] == []
    assert "signing.pem" not in files
    assert "secoc.key" in files
    assert any("made in a PKCS#11 token" in text for text in told.said)


def test_the_agents_configuration_names_the_token(tmp_path: Path) -> None:
    layout = initialise(tmp_path / "centre", Plan(vehicles=["car-1"]))
    place = AgentPlace(
        vehicle_id="car-1",
        environment="bench",
        vehicle=layout.vehicle("car-1"),
        state=tmp_path / "state",
        can_address=f"slcan:{tmp_path}/tcu",
        broker_host="127.0.0.1",
        broker_port=1883,
        mqtt_version="5",
        key={
            "signing": "pkcs11:token=tcu;object=vehicle",
            "pkcs11_module": "/usr/lib/p11.so",
            "pkcs11_pin_file": str(tmp_path / "pin"),
        },
    )
    (tmp_path / "tcu.toml").write_text(agent_toml(place))
    key = load(tmp_path / "tcu.toml").keys.signing
    assert isinstance(key, TokenKey)
    assert (key.token, key.label, key.pin_file) == ("tcu", "vehicle", tmp_path / "pin")
