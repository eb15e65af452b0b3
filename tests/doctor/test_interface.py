"""What the doctor makes of an interface as the kernel describes it, in iproute2's own words, shortened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tcu_agent.config import BusConfig
from tcu_agent.doctor.findings import Finding, Level
from tcu_agent.doctor.interface import (
    ARPHRD_CAN,
    describe_link,
    examine_interface,
    examine_receive_buffer,
)

SYSCTL = Path(__file__).resolve().parents[2] / "deploy/sysctl.d/60-tcu-agent.conf"


def link(state: str = "ERROR-ACTIVE", *, flags: tuple[str, ...] = ("UP",), **info: Any) -> Any:
    data = {"state": state, "restart_ms": 100, "bittiming": {"bitrate": 500_000}} | info
    return {"flags": flags, "linkinfo": {"info_kind": "can", "info_data": data}}


@pytest.fixture
def net_class(tmp_path: Path) -> Path:
    for name, kind in (("can0", ARPHRD_CAN), ("eth0", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(f"{kind}\n")
    return tmp_path


def examined(net_class: Path, described: Any, channel: str = "can0") -> list[Finding]:
    bus = BusConfig(name="body", interface="socketcan", channel=channel, bitrate=500_000)
    return list(examine_interface(bus, describe=lambda _: described, net_class=net_class))


def worst(findings: list[Finding]) -> Finding:
    return max(findings, key=lambda each: list(Level).index(each.level))


def test_a_good_interface_has_nothing_wrong(net_class: Path) -> None:
    found = examined(net_class, link())
    assert {each.level for each in found} == {Level.OK}
    assert [each.what for each in found] == ["can0 is up, error-active", "bit rate 500000 bit/s"]


@pytest.mark.parametrize(
    ("described", "level", "what", "advice"),
    [
        (link(flags=()), Level.FAILURE, "can0 is down", "bitrate 500000 restart-ms 100"),
        (
            {"flags": [], "linkinfo": {"info_kind": "vcan"}},
            Level.FAILURE,
            "can0 is down",
            "ip link set can0 up",
        ),
        (link("BUS-OFF"), Level.FAILURE, "bus-off", "termination"),
        (
            link("ERROR-PASSIVE", berr_counter={"tx": 128, "rx": 3}),
            Level.FAILURE,
            "error-passive (tx 128, rx 3)",
            "nobody else on the bus",
        ),
        (
            link("ERROR-WARNING", berr_counter={"tx": 0, "rx": 100}),
            Level.WARNING,
            "error-warning (tx 0, rx 100)",
            "termination",
        ),
        (link(bittiming={"bitrate": 250_000}), Level.FAILURE, "bit rate 250000", "500000"),
        (link(restart_ms=0), Level.WARNING, "no automatic restart", "restart-ms 100"),
        (None, Level.NOTE, "more cannot be seen", "iproute2"),
        ({"flags": ["UP"], "linkinfo": {"info_kind": "vcan"}}, Level.NOTE, "virtual", ""),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    net_class: Path, described: Any, level: Level, what: str, advice: str
) -> None:
    found = worst(examined(net_class, described))
    assert found.level is level
    assert what in found.what
    assert advice in found.advice


def test_what_is_virtual_or_serial_takes_no_bit_rate_from_ip(net_class: Path) -> None:
    for described in ({"linkinfo": {"info_kind": "vcan"}}, {}):
        assert "bitrate" not in worst(examined(net_class, described)).advice


@pytest.mark.parametrize(
    ("channel", "what"),
    [("can9", "no interface can9"), ("eth0", "eth0 is no CAN interface")],
)
def test_a_wrong_name_is_answered_with_the_right_ones(
    net_class: Path, channel: str, what: str
) -> None:
    (found,) = examined(net_class, link(), channel)
    assert found.level is Level.FAILURE
    assert what in found.what
    assert found.advice.endswith("there is: can0")


def test_other_interfaces_are_not_the_kernels(net_class: Path) -> None:
    bus = BusConfig(name="body", interface="slcan", channel="/dev/ttyACM0")
    assert not examine_interface(bus, net_class=net_class)


def test_iproute2_is_asked_for_real() -> None:
    described = describe_link("lo")
    assert described is None or "LOOPBACK" in described["flags"]
    assert describe_link("no-such-link") is None


@pytest.mark.parametrize(
    ("size", "level"), [("4194303", Level.WARNING), ("4194304", Level.OK), ("nonsense", None)]
)
def test_a_small_receive_buffer_is_a_warning(
    tmp_path: Path, size: str, level: Level | None
) -> None:
    (tmp_path / "rmem_max").write_text(f"{size}\n")
    found = examine_receive_buffer("can.body", tmp_path / "rmem_max")
    assert [each.level for each in found] == ([] if level is None else [level])


def test_the_receive_buffer_that_is_advised_is_the_one_that_the_agent_asks_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "rmem_max").write_text("212992\n")
    (found,) = examine_receive_buffer("can.body", tmp_path / "rmem_max")
    setting = SYSCTL.read_text().splitlines()[-1].replace(" ", "")
    assert setting in found.advice


@pytest.mark.parametrize(
    ("described", "channel", "is_end"),
    [
        (link(), "can0", False),
        (link("ERROR-WARNING"), "can0", False),
        (link("ERROR-PASSIVE"), "can0", False),
        (link("BUS-OFF"), "can0", False),
        (link(bittiming={"bitrate": 250_000}), "can0", False),
        (link(flags=()), "can0", True),
        (link(), "can9", True),
        (link(), "eth0", True),
    ],
)
def test_only_what_cannot_be_listened_to_ends_the_examination(
    net_class: Path, described: Any, channel: str, is_end: bool
) -> None:
    assert any(each.ends for each in examined(net_class, described, channel)) is is_end
