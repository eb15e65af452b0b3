"""A bus that cannot be opened says what to do, not only what the system called it."""

from __future__ import annotations

import asyncio
import errno
import os

import can
import pytest

from tcu_agent.adapters.can.bus import CanInterface, PythonCanBus
from tcu_agent.adapters.can.opening import advice
from tcu_agent.errors import CanTransportError


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT)), "modprobe can_raw"),
        (OSError(errno.ENODEV, os.strerror(errno.ENODEV)), "ip -br link"),
        (OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN)), "ip link set"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "dialout"),
        (can.CanInitializationError("no", error_code=errno.ENOENT), "plug the adapter in"),
        (OSError("pcanbasic library not found."), "library that python-can's 'pcan' needs"),
        (NameError("canGetNumberOfChannels"), "library that python-can's 'pcan' needs"),
        (ValueError("channel"), ""),
    ],
)
def test_what_to_do_is_said_where_we_know_it(error: Exception, hint: str) -> None:
    said = advice(error, "pcan")
    assert hint in said
    assert bool(said) is bool(hint)


@pytest.mark.parametrize(
    ("error", "temporary"),
    [(OSError("pcanbasic library not found."), True), (NameError("x"), False)],
)
def test_a_port_says_it(error: Exception, temporary: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(**_: object) -> can.BusABC:
        raise error

    monkeypatch.setattr(can, "Bus", no_library)
    port = PythonCanBus(name="body", interface=CanInterface(interface="pcan", channel="1"))
    with pytest.raises(CanTransportError, match="install the maker's driver") as caught:
        asyncio.run(port.open())
    assert caught.value.temporary is temporary
