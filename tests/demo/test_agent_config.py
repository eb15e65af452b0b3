"""The demo's tcu.toml is one that the agent takes, and what the demo says about shortened times is true."""

from dataclasses import fields
from pathlib import Path

from tcu_agent.config import load
from tcu_agent.core.settings import CoreSettings
from tcu_sim.demo.agent_config import SHORTENED, AgentPlace, agent_toml, shortened_in_words
from tcu_sim.pki.ceremony import Plan, initialise


def test_the_agent_takes_the_file_without_a_problem(tmp_path: Path) -> None:
    layout = initialise(tmp_path / "centre", Plan(vehicles=["car-1"]))
    place = AgentPlace(
        vehicle_id="car-1",
        environment="bench",
        vehicle=layout.vehicle("car-1"),
        state=tmp_path / "state",
        can_address=f"slcan:{tmp_path}/tcu",
        broker_host="127.0.0.1",
        broker_port=1883,
        mqtt_version="3.1.1",
    )
    (tmp_path / "tcu.toml").write_text(agent_toml(place))
    config = load(tmp_path / "tcu.toml")
    assert config.vehicle_id == "car-1"
    assert config.buses[0].options == {"sleep_after_open": 0}
    assert {name: getattr(config.core, name) for name in SHORTENED} == {
        name: value for name, (_, _, value) in SHORTENED.items()
    }


def test_the_usual_times_are_the_agents_defaults() -> None:
    defaults = {field.name: field.default for field in fields(CoreSettings)}
    assert {name: usual for name, (_, usual, _) in SHORTENED.items()} == {
        name: defaults[name] for name in SHORTENED
    }
    assert "a challenge lives 5 s (else 30 s)" in shortened_in_words()
