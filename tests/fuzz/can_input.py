"""Targets: what comes from a CAN bus, live and recorded."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache

import can

from tcu_agent.adapters.can.commands import CommandEncoder
from tcu_agent.adapters.can.e2e import E2eSender
from tcu_agent.adapters.can.recording import Recording
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.core.events import SignalsChanged
from tcu_agent.errors import RecordingError, StorageError
from tcu_agent.ports import CanFrame
from tests.can.test_secoc import Disk
from tests.can.vehicle import KEY, button, database, frame, locks, reference, resync
from tests.fuzz.target import Target, scratch, written

# ------------------------------------------------------------------ frames
# Each frame: a byte that chooses what it is, one for its identifier, one for how much time has passed (10 ms
# each), one for its length, then its content. Good E2E protection and good authenticators are made on the way:
# guessing a CRC-8 is no business of a fuzzer, getting behind it is.

_HEAD = 4


def decode_frames(data: bytes) -> bool:
    """Whatever is on the bus: the decoder never raises, and each value that it tells is one of its path's kind."""
    mapping = reference()
    encoder = CommandEncoder(
        mapping, keys={"central-locking": KEY}, open_freshness=lambda _: Disk(), first_counter=0
    )
    tested = SignalDecoder(mapping, "body", started_at=0.0, audit=True, taps=encoder.taps("body"))
    told = 0
    for each in _frames(data):
        events = [*tested.receive(each), *tested.handle_timer(each.timestamp_s)]
        told += sum(isinstance(event, SignalsChanged) for event in events)
        deadline = tested.next_deadline()
        assert deadline is None or deadline > each.timestamp_s - 1e-6
    counters = tested.counters()
    assert counters.frames == sum(1 for _ in _frames(data))
    with suppress(StorageError):  # whoever holds the SecOC key can use up its values
        encoder.unlock()
    return told > 0


def _frames(data: bytes) -> Iterator[CanFrame]:
    senders = {name: E2eSender(e2e) for name, e2e in reference().buses["body"].e2e.items()}
    known = database().messages
    at, place = 0.0, 0
    while place + _HEAD <= len(data):
        choice, which, ticks, length = data[place : place + _HEAD]
        content = data[place + _HEAD : place + _HEAD + length % 65]
        place += _HEAD + length % 65
        at += ticks / 100
        message = known[which % len(known)]
        is_other = choice & 0x01
        if choice & 0x08 and message.name in senders and len(content) == message.length:
            content = senders[message.name].protect(content)
        if choice & 0x10:
            yield resync(int.from_bytes(content[:4], "big"), at=at)
            continue
        yield CanFrame(
            which << (choice >> 5) * 3 if is_other else message.frame_id,
            content,
            is_extended_id=bool(choice & 0x02),
            is_fd=length % 65 > 8,
            is_error_frame=choice & 0x64 == 0x64,
            is_remote_frame=choice & 0x44 == 0x44,
            timestamp_s=at,
        )


def frame_runs() -> Iterable[bytes]:
    """Runs of good frames: everything that the reference vehicle sends, the protected ones protected."""
    known = [message.name for message in database().messages]
    every = b"".join(_packed(frame(name, 0.0), number) for number, name in enumerate(known))
    yield every * 3
    presses = [button(n, 0.0, "Pressed" if n % 4 else "Released") for n in range(6)]
    yield b"".join(_packed(each, known.index("OnCallButton"), choice=8) for each in presses)
    moves = [locks(n, 0.0, "Unlocked" if n % 3 else "Locked") for n in range(6)]
    yield b"".join(_packed(each, known.index("DoorLockStatus"), choice=8) for each in moves)
    yield bytes([0x10, 0, 1, 4, 0, 0, 1, 0]) * 4 + every


def _packed(each: CanFrame, number: int, *, choice: int = 0) -> bytes:
    return bytes([choice, number, 12, len(each.data)]) + each.data


# ------------------------------------------------------------------ recordings

FORMATS = ("log", "asc", "blf", "csv", "trc", "log.gz", "db", "asc.gz")


def read_recording(data: bytes) -> bool:
    """`data`: a byte for the format, then the file. Frames until the damage, or a `RecordingError`."""
    if not data:
        return False
    file = written(f"recording.{FORMATS[data[0] % len(FORMATS)]}", data[1:])
    try:
        count = sum(isinstance(each, CanFrame) for each in Recording(file))
    except RecordingError:
        return False
    return count > 0


@cache
def recordings() -> tuple[bytes, ...]:
    """A short recording in each format, as python-can writes it."""
    found = []
    for number, ending in enumerate(FORMATS):
        file = scratch() / f"written.{ending.removesuffix('.gz')}"
        with can.Logger(file) as writer:
            for count in range(4):
                writer.on_message_received(
                    can.Message(
                        arbitration_id=0x1B0 + count,
                        data=bytes(range(count * 2)),
                        is_extended_id=bool(count % 2),
                        timestamp=1.5 + count,
                        channel="can0" if ending.startswith("log") else 1,
                        is_rx=True,
                    )
                )
        content = file.read_bytes()
        file.unlink()
        found.append(bytes([number]) + (gzip.compress(content) if "gz" in ending else content))
    return tuple(found)


TARGETS = (
    Target(
        name="can-frames",
        run=decode_frames,
        seeds=frame_runs,
        decoder="tcu_agent.adapters.can.signals.SignalDecoder._unpack",
        max_bytes=2048,
    ),
    Target(
        name="recording",
        run=read_recording,
        seeds=recordings,
        decoder="tcu_agent.adapters.can.recording._open_text",
        max_bytes=8192,
    ),
)
