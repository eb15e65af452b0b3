"""[can.bus.NAME]: which adapter opens which interface, and with what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from can.interfaces.slcan import slcanBus

from tcu_agent.adapters.can.bus import PythonCanBus
from tcu_agent.adapters.can.socketcan.bus import FdMode, SocketCanBus
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.cli import assembly
from tcu_agent.cli.assembly import open_bus
from tcu_agent.config import BusConfig
from tcu_agent.config.can_bus import read_bus
from tcu_agent.config.table import Findings, Table
from tests.can.vehicle import REFERENCE


def read(section: dict[str, object]) -> tuple[BusConfig, list[str]]:
    findings = Findings(Path("tcu.toml"))
    bus = read_bus("body", Table(section, key="can.bus.body", findings=findings))
    return bus, [str(problem) for problem in findings.problems]


@pytest.mark.parametrize(
    ("interface", "adapter", "kind"),
    [
        ("socketcan", None, SocketCanBus),
        ("socketcan", "native", SocketCanBus),
        ("socketcan", "python-can", PythonCanBus),
        ("slcan", None, PythonCanBus),
        ("virtual", "python-can", PythonCanBus),
    ],
)
def test_each_interface_has_its_adapter(interface: str, adapter: str | None, kind: type) -> None:
    chosen = {"adapter": adapter} if adapter else {}
    bus, problems = read({"interface": interface, "channel": "can0", **chosen})
    assert problems == []
    assert type(open_bus(bus)) is kind
    assert type(open_bus(bus, load_mapping(REFERENCE))) is kind


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"interface": "slcan", "adapter": "native"}, "can.bus.body.adapter: does not fit the"),
        ({"interface": "socketcan", "adapter": "mine"}, "can.bus.body.adapter: "),
        (
            {"interface": "socketcan", "options": {"local_loopback": True}},
            "can.bus.body.options: are not taken by the native adapter",
        ),
        ({"interface": "scan"}, "can.bus.body.interface: 'scan' is none of canalystii, "),
        ({"interface": "scan"}, "slcan, socketcan, "),
        ({"interface": "scan"}, "did you mean 'slcan'?"),
        (
            {"interface": "slcan", "bitrate": 123_456},
            "can.bus.body.bitrate: 123456 is none that slcan",
        ),
        ({"interface": "slcan", "bitrate": 123_456}, "one of 10000, "),
    ],
)
def test_what_does_not_fit_is_said(section: dict[str, object], complaint: str) -> None:
    _, problems = read({"channel": "can0", **section})
    assert len(problems) == 1
    assert complaint in problems[0]


@pytest.mark.parametrize(
    ("section", "native", "python_can"),
    [
        ({}, None, ({}, True)),
        ({"fd": True}, FdMode(), ({"fd": True}, True)),
        (
            {"fd": True, "bit_rate_switch": False},
            FdMode(bit_rate_switch=False),
            ({"fd": True}, False),
        ),
    ],
)
def test_fd_and_the_switch_of_its_bit_rate_reach_each_adapter(
    monkeypatch: pytest.MonkeyPatch,
    section: dict[str, object],
    native: FdMode | None,
    python_can: tuple[dict[str, object], bool],
) -> None:
    made: list[dict[str, Any]] = []
    for kind in ("SocketCanBus", "PythonCanBus"):
        monkeypatch.setattr(assembly, kind, lambda **given: made.append(given))
    for interface in ("socketcan", "virtual"):
        bus, problems = read({"interface": interface, "channel": "can0", **section})
        assert problems == []
        open_bus(bus)
    assert made[0]["fd"] == native
    opened = made[1]["interface"]
    assert (opened.options, opened.bit_rate_switch) == python_can


def test_python_cans_options_go_with_its_adapter() -> None:
    section = {"interface": "socketcan", "channel": "can0", "adapter": "python-can"}
    bus, problems = read({**section, "options": {"local_loopback": True}})
    assert problems == []
    assert bus.options == {"local_loopback": True}


def test_slcan_takes_the_bitrates_that_python_can_has_for_it() -> None:
    bitrates = range(10_000, 1_000_001, 100)
    section = {"interface": "slcan", "channel": "can0"}
    taken = {each for each in bitrates if read({**section, "bitrate": each})[1] == []}
    assert taken == set(slcanBus._BITRATES)
