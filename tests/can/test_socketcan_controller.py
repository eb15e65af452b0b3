"""What the kernel answers when it is asked for a controller; and an interface that has none."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.adapters.can.socketcan.controller import KernelController, can_state, state_in

LINK_INFO, INFO_DATA, CAN_STATE = 18, 2, 4


def attribute(kind: int, content: bytes) -> bytes:
    length = 4 + len(content)
    return struct.pack("=HH", length, kind) + content.ljust((len(content) + 3) & ~3, b"\0")


def answer(*attributes: bytes, kind: int = 16) -> bytes:
    body = struct.pack("=BxHiII", 0, 280, 3, 0x41, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def info(*data: bytes) -> bytes:
    kind = attribute(1, b"can\0")
    return attribute(LINK_INFO, kind + attribute(INFO_DATA | 0x8000, b"".join(data)))


@pytest.mark.parametrize("state", range(6))
def test_the_state_is_found_among_other_attributes(state: int) -> None:
    timing = attribute(1, bytes(32))
    told = attribute(CAN_STATE, struct.pack("=I", state))
    assert state_in(answer(attribute(3, b"can0\0"), info(timing, told), attribute(7, b""))) == state


@pytest.mark.parametrize(
    "told",
    [
        answer(attribute(3, b"vcan0\0"), attribute(LINK_INFO, attribute(1, b"vcan\0"))),
        answer(info(attribute(1, bytes(32)))),
        answer(info(attribute(CAN_STATE, b"\x03"))),
        answer(info(attribute(CAN_STATE, bytes([3, 0, 0, 0]))), kind=2),
        b"",
    ],
)
def test_an_answer_without_a_state_says_nothing(told: bytes) -> None:
    assert state_in(told) is None


@given(st.binary(max_size=64))
def test_any_bytes_end(noise: bytes) -> None:
    state_in(noise)
    state_in(answer(noise))


def test_an_interface_without_a_controller_is_judged_by_its_flags() -> None:
    """Loopback: every machine has it, up or down."""
    assert can_state("lo") is None
    assert can_state("no-such-link") is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        lo = KernelController(asking, "lo")
        assert lo.is_off() is not lo.is_running()
        assert lo.is_up() is lo.is_running()
        gone = KernelController(asking, "no-such-link")
        assert gone.sent() is None
        with pytest.raises(OSError, match="No such device"):
            gone.is_running()


def test_what_an_interface_has_sent_is_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        lo = KernelController(asking, "lo")
        before = lo.sent()
        asking.sendto(b"", ("127.0.0.1", 9))
        after = lo.sent()
        assert before is not None
        assert after is not None
        assert after > before
