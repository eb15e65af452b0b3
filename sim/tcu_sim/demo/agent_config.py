"""The tcu.toml that the demo gives to the agent: as a board would have it, with some times shortened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.demo.can_source import bus_options

SHORTENED: Mapping[str, tuple[str, int, int]] = {
    "challenge_ttl_s": ("a challenge lives", 30, 5),
    "relock_after_s": ("the car locks itself again after", 120, 10),
    "call_shown_s": ("the lamp shows an ended call for", 5, 1),
}
"""Setting: what it is, the agent's default, and the demo's value (allowed by the agent's own limits); seconds."""

OUR_OWN_PACE = frozenset({"challenge_ttl_s"})
"""In these the centre has to do something."""

SECTIONS = {
    "unlock": ("challenge_ttl_s", "relock_after_s"),
    "on_call": ("call_shown_s",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPlace:
    """Where the agent finds its world. `vehicle`: the folder with what the key ceremony made for it.

    `key`: what [keys] says about the signing key, if not that it is there. `patience`: on a slow machine, how much
    longer a challenge lives; what the story waits for in full stays as short as it is.
    """

    vehicle_id: str
    environment: str
    vehicle: Path
    state: Path
    can_address: str
    broker_host: str
    broker_port: int
    mqtt_version: str
    key: Mapping[str, str] | None = None
    patience: float = 1.0


def agent_toml(place: AgentPlace) -> str:
    """Return the text of tcu.toml."""
    lines = [
        "# Made by `tcu-sim demo`. What every setting means stands in the agent's own example.",
        "schema = 1",
        *_section("vehicle", {"id": place.vehicle_id, "environment": place.environment}),
        *_section("can.bus.body", _bus(place.can_address)),
        *_section("mqtt", _mqtt(place)),
        *_section("keys", place.key or _files(place.vehicle, signing="signing.pem")),
        *_section("keys.secoc", {"central-locking": str(place.vehicle / "secoc.key")}),
        *_section("trust", _files(place.vehicle, roots="roots.toml", bundle="trust.cbor")),
        *_section("state", {"directory": str(place.state)}),
        # As much as the agent ever says: the last step searches all of it for secrets.
        *_section("log", {"level": "debug", "format": "json"}),
    ]
    for section, names in SECTIONS.items():
        lines += _section(section, {name: _short(name, place.patience) for name in names})
    return "\n".join(lines) + "\n"


def _short(name: str, patience: float) -> int:
    _, usual, value = SHORTENED[name]
    return min(usual, round(value * patience)) if name in OUR_OWN_PACE else value


def shortened_in_words() -> str:
    """Return which times are shorter than on the road, for the demo to say."""
    return ", ".join(
        f"{what} {value} s (else {usual} s)" for what, usual, value in SHORTENED.values()
    )


def _bus(address: str) -> dict[str, object]:
    options = bus_options(address)
    bus: dict[str, object] = {
        "interface": options.pop("interface"),
        "channel": options.pop("channel"),
    }
    if "bitrate" in options:
        bus["bitrate"] = options.pop("bitrate")
    return bus | ({"options": options} if options else {})


def _mqtt(place: AgentPlace) -> dict[str, object]:
    return {
        "host": place.broker_host,
        "port": place.broker_port,
        "protocol": place.mqtt_version,
        "allow_plain_text": True,
    }


def _files(folder: Path, **names: str) -> dict[str, object]:
    return {key: str(folder / name) for key, name in names.items()}


def _section(name: str, values: Mapping[str, object]) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    lines = ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in plain.items())]
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += _section(f"{name}.{key}", value)
    return lines
