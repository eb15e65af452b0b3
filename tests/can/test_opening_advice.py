"""A bus that cannot be opened says what to do, not only what the system called it."""

from __future__ import annotations

import asyncio
import errno
import os

import can
import pytest
import serial

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
        (OSError("libcanlib.so: cannot open shared object file"), "library that python-can's"),
        (serial.SerialException("Could not open port socket://[::1]:1"), ""),
        (TimeoutError("timed out"), ""),
        (ValueError("channel"), ""),
    ],
)
def test_what_to_do_is_said_where_we_know_it(error: Exception, hint: str) -> None:
    said = advice(error, "pcan")
    assert hint in said
    assert bool(said) is bool(hint)


def test_a_module_that_python_can_did_not_find_is_told_though_it_wraps_the_error() -> None:
    with pytest.raises(can.CanInterfaceNotImplementedError) as caught:
        raise can.CanInterfaceNotImplementedError("gs_usb") from ModuleNotFoundError("usb")
    assert "library that python-can's 'gs_usb' needs" in advice(caught.value, "gs_usb")


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (OSError("pcanbasic library not found."), False),
        (OSError("libcanlib.so: cannot open shared object file"), False),
        (NameError("canGetNumberOfChannels"), False),
        (ImportError("Please install python-ics"), False),
        (OSError(errno.ENODEV, os.strerror(errno.ENODEV)), True),
        (can.CanInitializationError("A PCAN Channel has not been plugged in"), True),
        (serial.SerialException("Could not configure port"), True),
        (TimeoutError("timed out"), True),
    ],
)
def test_without_the_library_it_never_opens_without_the_adapter_it_may_later(
    error: Exception, temporary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> can.BusABC:
        raise error

    monkeypatch.setattr(can, "Bus", fails)
    port = PythonCanBus(name="body", interface=CanInterface(interface="pcan", channel="1"))
    with pytest.raises(CanTransportError) as caught:
        asyncio.run(port.open())
    assert caught.value.temporary is temporary
    assert ("install the maker's driver" in str(caught.value)) is not temporary
