"""What holds a secret does not show it: `repr`, which ends up in logs and tracebacks, leaves it out."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from tcu_agent.core import vss
from tcu_agent.core.events import SignalChange, SignalsChanged
from tcu_agent.core.vehicle import Change
from tcu_agent.runtime.log_format import JsonFormatter, TextFormatter
from tests.meta.checkout import modules

SECRET = re.compile(
    r"(?:\w+_)?(?:pins?|passwords?|keys?|private|tokens?|tickets?|latitude|longitude|pepper|hpke|salt"
    r"|secrets?|pem|fix)(?:_e7|_deg)?"
)
PLAIN = re.compile(r"bytes|str|float|int|object|SecretKey|PrivateKey")
"""Types that show what they hold. Every other type has a `repr` of its own, which the same test looks at."""
HARMLESS = {
    "tcu_agent.adapters.mapping.mapping.SecocProtection.key": "the key's name in the mapping",
    "tcu_agent.config.roots.Roots.keys": "public root keys",
    "tcu_agent.config.signing_key.TokenKey.token": "the label of a PKCS#11 token",
    "tcu_agent.protocol.schema.Field.key": "the number of a field in a CBOR map",
    "tcu_agent.runtime.agent.Car.lost_keys": "names of keys",
    "tcu_sim.bench.simulation.judge.Generation.pin": "how often the PIN was replaced",
    "tcu_sim.demo.agent_config.AgentPlace.key": "where the key lies",
    "tcu_sim.demo.play.DemoOptions.vehicle_key": "the kind of place where the key lies",
    "tcu_sim.demo.setting.Setting.vehicle_key": "the same",
    "tcu_sim.pki.public.VehicleRegister.keys": "public keys",
    "tcu_sim.vehicle.motion.Position.latitude_deg": "the simulator's satellites: a track is written to be seen",
    "tcu_sim.vehicle.motion.Position.longitude_deg": "the same",
}
PLACE = (57.6890, 11.9810)


def dataclasses_of_the_project() -> Iterator[type]:
    for module in modules():
        if module.name.startswith(("tcu_agent", "tcu_sim")) and "__main__" not in module.name:
            loaded = importlib.import_module(module.name)
            for item in vars(loaded).values():
                if not isinstance(item, type) or item.__module__ != loaded.__name__:
                    continue
                if dataclasses.is_dataclass(item):
                    yield item


def shown_secrets(kind: type) -> list[str]:
    """Return the fields of a dataclass that its generated `repr` shows and whose name says that they are secret."""
    if not hasattr(kind.__repr__, "__wrapped__"):
        return []  # written by hand
    return [
        f"{kind.__module__}.{kind.__name__}.{field.name}"
        for field in dataclasses.fields(kind)
        if field.repr
        and SECRET.fullmatch(field.name)
        and not field.name.startswith("public")
        and "public" not in field.name
        and PLAIN.search(str(field.type))
    ]


def test_no_field_with_a_secret_is_shown() -> None:
    shown = {name for kind in dataclasses_of_the_project() for name in shown_secrets(kind)}
    assert shown - HARMLESS.keys() == set(), "give it field(repr=False), or say why it is harmless"
    assert HARMLESS.keys() - shown == set(), "no longer there"


def test_a_shown_secret_is_seen() -> None:
    kind = dataclasses.make_dataclass(
        "Login", [("name", str), ("password", str), ("pin", str, dataclasses.field(repr=False))]
    )
    assert [name.rpartition(".")[2] for name in shown_secrets(kind)] == ["password"]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_place_is_in_no_traceback(formatter: logging.Formatter) -> None:
    """A handler that fails on an event, and says on which: the worst that a bug would write."""
    changes = (
        SignalChange(vss.LATITUDE, PLACE[0], 1.0),
        SignalChange(vss.LONGITUDE, PLACE[1], 1.0),
        SignalChange(vss.SPEED_KMH, 57.5, 1.0),
    )
    event, change = SignalsChanged(changes), Change(vss.LATITUDE, None, PLACE[0], 1.0)
    try:
        raise ValueError(f"cannot handle {event!r} {change} {event}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "bug", None, sys.exc_info())
    written = formatter.format(record)
    assert "ValueError" in written
    assert "57.5" in written
    assert not any(str(degrees) in written for degrees in PLACE)
