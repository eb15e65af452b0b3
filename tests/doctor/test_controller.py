"""What the doctor makes of a controller's settings and counts, in iproute2's own words, shortened."""

from __future__ import annotations

from typing import Any

import pytest

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.config import BusConfig
from tcu_agent.doctor.controller import examine_controller
from tcu_agent.doctor.findings import Finding, Level
from tcu_agent.doctor.losses import examine_losses

CLASSIC, FD = 16, 72
VCAN = {"info_kind": "vcan"}


def controller(*, mtu: int = CLASSIC, ctrlmode: tuple[str, ...] = (), **info: Any) -> Any:
    data = {"restart_ms": 100, "bittiming": {"bitrate": 500_000}, "ctrlmode": ctrlmode} | info
    return {"mtu": mtu, "linkinfo": {"info_kind": "can", "info_data": data}}


def examined(link: Any, *, fd: bool = False) -> list[Finding]:
    bus = BusConfig(name="body", interface="socketcan", channel="can0", bitrate=500_000, fd=fd)
    return list(examine_controller("can.body", bus, link))


@pytest.mark.parametrize(
    ("link", "fd", "level", "what", "advice"),
    [
        (controller(), True, Level.FAILURE, "takes no FD frames (mtu 16)", "fd on"),
        ({"mtu": CLASSIC, "linkinfo": VCAN}, True, Level.FAILURE, "no FD frames", "mtu 72"),
        (controller(mtu=FD), False, Level.NOTE, "does not read them", "fd = true"),
        (
            controller(ctrlmode=("LISTEN-ONLY",)),
            False,
            Level.FAILURE,
            "only listens",
            "listen-only off",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_said_with_the_command_that_mends_it(
    link: Any, fd: bool, level: Level, what: str, advice: str
) -> None:
    (found,) = [each for each in examined(link, fd=fd) if what in each.what]
    assert found.level is level
    assert advice in found.advice


@pytest.mark.parametrize(
    ("link", "fd"),
    [
        (controller(), False),
        (controller(mtu=FD, data_bittiming={"bitrate": 2_000_000}), True),
        ({"mtu": FD, "linkinfo": VCAN}, True),
        ({"mtu": FD, "linkinfo": VCAN}, False),
    ],
)
def test_settings_that_fit_are_not_complained_about(link: Any, fd: bool) -> None:
    assert {each.level for each in examined(link, fd=fd)} <= {Level.OK, Level.NOTE}
    assert not [each for each in examined(link, fd=fd) if each.advice]


def counted(*, bus_off: int = 0, overruns: int = 0, dropped: int = 0) -> Any:
    xstats = {"restarts": bus_off, "bus_error": 0, "error_passive": 0, "bus_off": bus_off}
    rx = {"packets": 5, "errors": overruns, "dropped": dropped, "over_errors": overruns}
    return {"linkinfo": {"info_xstats": xstats}, "stats64": {"rx": rx, "tx": {"dropped": 0}}}


def lost(before: Any, after: Any, port: BusCounters | None = None) -> list[Finding]:
    return list(examine_losses("can.body", before=before, after=after, port=port))


def test_a_bus_without_losses_is_well() -> None:
    (found,) = lost(counted(), counted(), BusCounters(received=7))
    assert (found.level, "nothing lost" in found.what) == (Level.OK, True)


@pytest.mark.parametrize("name", ["bus_off", "overruns", "dropped"])
def test_what_was_is_a_note_and_what_goes_on_a_warning(name: str) -> None:
    (old,) = lost(counted(**{name: 3}), counted(**{name: 3}))
    assert (old.level, "3 " in old.what, bool(old.advice)) == (Level.NOTE, True, True)
    (new,) = lost(counted(**{name: 3}), counted(**{name: 5}))
    assert (new.level, "5 " in new.what) == (Level.WARNING, True)
    assert "2 of them while listening" in new.what


def test_what_we_were_too_slow_for_is_told_even_without_iproute2() -> None:
    found = lost(None, None, BusCounters(dropped=9, malformed=1))
    assert [each.what.split()[0] for each in found] == ["9", "1"]
    assert {each.level for each in found} == {Level.WARNING}
    assert not lost(None, None)


def test_counts_from_before_are_not_taken_for_new() -> None:
    (found,) = lost(None, counted(overruns=2))
    assert found.level is Level.NOTE
