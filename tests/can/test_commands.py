"""The frames of the agent's commands, byte by byte, and what a receiver built from the document makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tcu_agent.adapters.can import outgoing
from tcu_agent.adapters.can.commands import CommandEncoder
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.core.effects import Lamp
from tcu_agent.errors import CanTransportError, KeyStoreError
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.vocabulary import CallState
from tests.can.test_secoc import Disk
from tests.can.vehicle import KEY, REFERENCE, cmac, database, mapping_from, reference, resync

TEXT = REFERENCE.read_text(encoding="utf-8")


def encoder(
    disk: Disk | None = None, *, mapping: VehicleMapping | None = None, first: int = 6
) -> CommandEncoder:
    stored = disk or Disk()
    return CommandEncoder(
        mapping or reference(),
        keys={"central-locking": KEY},
        open_freshness=lambda _: stored,
        first_counter=first,
    )


class BodyController:
    """The receiver of dbc/README.md, in a few lines."""

    def __init__(self, accepted: int = 0) -> None:
        self.accepted = accepted

    def takes(self, frame: CanFrame) -> bool:
        payload, low, mac = frame.data[:4], frame.data[4], frame.data[5:]
        first = self.accepted + 1 + (low - self.accepted - 1) % 256
        for value in range(first, first + 4 * 256, 256):
            if cmac(0x00A0, payload, value)[:3] == mac:
                self.accepted = value
                return True
        return False


def test_unlock_and_lock_are_target_states_with_a_number_each() -> None:
    tested = encoder(Disk(value=0x141))
    unlock, lock = tested.unlock(), tested.lock()
    assert unlock.frame == CanFrame(0x0A0, bytes.fromhex("01070000 42 523b0e"))
    assert (unlock.bus, unlock.counter) == ("body", 7)
    assert lock.frame.data[:5] == bytes.fromhex("02080000 43")
    assert lock.counter == 8
    assert tested.can_unlock


def test_what_is_not_made_beforehand_is_made_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = encoder()
    monkeypatch.setattr(outgoing, "_PREPARED", 9)
    tested = encoder()
    for _ in range(300):  # more than the number of a command can say
        assert tested.unlock() == prepared.unlock()
        assert tested.lock() == prepared.lock()


def test_a_receiver_takes_each_command_once() -> None:
    receiver, tested = BodyController(), encoder()
    for _ in range(300):
        command = tested.unlock()
        assert receiver.takes(command.frame)
        assert not receiver.takes(command.frame)


def test_a_receiver_follows_over_crashes_and_lost_commands() -> None:
    receiver, disk = BodyController(), Disk()
    for _ in range(8):
        tested = encoder(disk)
        tested.unlock()  # lost, and then a crash that loses the rest of the block
    assert receiver.takes(encoder(disk).unlock().frame)


def test_a_resync_moves_a_sender_that_forgot() -> None:
    receiver = BodyController(accepted=90_000)
    tested = encoder(Disk())
    assert not receiver.takes(tested.unlock().frame)
    tap = tested.taps("body")[0x0A2, False]
    tap(resync(90_000))
    assert receiver.takes(tested.unlock().frame)


@pytest.mark.parametrize(
    "wrong",
    [
        resync(90_000, key=bytes(16)),
        CanFrame(0x0A2, resync(90_000).data[:7]),
        CanFrame(0x0A2, b""),
        CanFrame(0x0A2, resync(90_000).data[:4] + bytes([1]) + resync(90_000).data[5:]),
    ],
)
def test_a_resync_that_is_not_authentic_changes_nothing(wrong: CanFrame) -> None:
    tested = encoder()
    tested.taps("body")[0x0A2, False](wrong)
    assert tested.unlock().frame.data[4] == 1


def test_a_resync_while_the_disk_is_broken_does_not_raise() -> None:
    disk = Disk(broken=True)
    encoder(disk).taps("body")[0x0A2, False](resync(5))


@pytest.mark.parametrize("lamp", list(Lamp))
@pytest.mark.parametrize("state", list(CallState))
def test_status_says_lamp_and_call_state_by_name(lamp: Lamp, state: CallState) -> None:
    shown = encoder().status(lamp, state)
    assert shown is not None
    decoded = database().get_message_by_frame_id(0x310).decode_simple(shown.frame.data)
    assert str(decoded["OnCallLamp"]).lower() == lamp.name.lower()
    assert str(decoded["OnCallState"]).lower() == state.name.lower()
    assert (shown.repeat_s, shown.for_s, shown.bus) == (0.5, None, "body")


def test_waking_is_network_management_for_a_while() -> None:
    (wake,) = encoder().wake()
    assert wake.frame == CanFrame(0x401, bytes.fromhex("01 11 01 00 00 00 00 00"))
    assert (wake.repeat_s, wake.for_s) == (0.1, 3.0)


def test_the_number_wraps_with_the_width_of_its_signal() -> None:
    assert encoder(first=255).unlock().counter == 0


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "SecOC key 'central-locking', which is not configured"),
        ({"central-locking": bytes(8)}, "8 bytes long, not 16"),
    ],
)
def test_a_key_that_is_missing_or_short_is_told_at_start(
    keys: dict[str, bytes], expected: str
) -> None:
    with pytest.raises(KeyStoreError, match=expected):
        CommandEncoder(reference(), keys=keys, open_freshness=lambda _: Disk(), first_counter=0)


def test_no_key_stands_in_what_can_be_printed() -> None:
    tested = encoder()
    printed = repr(tested.taps("body")) + repr(tested)
    assert KEY.hex() not in printed
    assert repr(KEY) not in printed


def test_a_vehicle_without_protection_and_without_some_commands_works(tmp_path: Path) -> None:
    text = re.sub(r"\[bus\.body\.(e2e|secoc|wake)[.\w]*\]\n(?:[\w ]+=.*\n)+", "", TEXT)
    text = re.sub(r"\[command\.(status|lock)[.\w]*\]\n(?:[\w ]+=.*\n)+", "", text)
    tested = CommandEncoder(
        mapping_from(tmp_path, text), keys={}, open_freshness=lambda _: Disk(), first_counter=0
    )
    assert tested.unlock().frame.data == bytes.fromhex("01 01 00 00 00 00 00 00")
    assert tested.status(Lamp.ON, CallState.IDLE) is None
    assert tested.wake() == ()
    assert tested.taps("body") == {}
    with pytest.raises(CanTransportError, match="no command 'lock'") as caught:
        tested.lock()
    assert not caught.value.may_have_happened


def test_a_command_with_end_to_end_protection_counts_on(tmp_path: Path) -> None:
    text = TEXT + "\n[bus.body.e2e.NmTcu]\nprofile = 1\ndata_id = 7\noffset_bytes = 4\n"
    tested = encoder(mapping=mapping_from(tmp_path, text))
    assert [tested.wake()[0].frame.data[5] for _ in range(3)] == [1, 2, 3]
