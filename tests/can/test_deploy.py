"""What a board gets from deploy/ lets the agent's CAN sockets work without any capability."""

from __future__ import annotations

import configparser

from tcu_agent.adapters.can.socketcan.sockets import RECEIVE_BUFFER_BYTES
from tests.foreign_data import ROOT

SYSCTL = ROOT / "deploy" / "sysctl.d" / "60-tcu-agent.conf"
UNIT = ROOT / "deploy" / "tcu-agent.service"


def test_anybody_may_have_the_receive_buffer_that_the_agent_asks_for() -> None:
    settings = [line for line in SYSCTL.read_text().splitlines() if not line.startswith("#")]
    assert settings == [f"net.core.rmem_max = {RECEIVE_BUFFER_BYTES}"]


def test_the_unit_has_the_sockets_it_needs_and_no_capability() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # as configparser's documentation says
    unit.read(UNIT)
    service = unit["Service"]
    families = service["RestrictAddressFamilies"].split()
    assert {"AF_CAN", "AF_NETLINK"} <= set(families)  # netlink: what state is the controller in?
    assert (service["CapabilityBoundingSet"], service["AmbientCapabilities"]) == ("", "")
    assert SYSCTL.relative_to(UNIT.parent).as_posix() in UNIT.read_text()
