"""Live traffic against the reference mapping, each kind of mistake once, and no frame sent."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.doctor.findings import Finding, Level
from tcu_agent.doctor.traffic import Heard, judge, listen, longest_gap_s
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanFrame
from tests.can.decoding import decoder, feed
from tests.can.vehicle import KEY, frame, reference, resync

SECONDS = 10.0
OURS = {"central-locking": KEY}


class Port:
    """Plays frames, then silence, or a failure; anything sent would be an AttributeError."""

    name = "body"

    def __init__(self, frames: Sequence[CanFrame], *, failure: str | None = None) -> None:
        self.frames, self.failure = list(frames), failure
        self.closed = False

    async def open(self) -> None:
        """Nothing to open."""

    async def receive(self) -> Sequence[CanFrame]:
        if self.frames:
            frames, self.frames = self.frames, []
            return frames
        if self.failure is not None:
            raise CanTransportError(self.failure, may_have_happened=False, temporary=True)
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        self.closed = True


def heard(frames: Sequence[CanFrame]) -> Heard:
    tested = decoder(audit=True, listen_only=True)
    feed(tested, frames)
    seen = Counter((one.arbitration_id, one.is_extended_id) for one in frames)
    return Heard(seconds=SECONDS, frames=seen, counters=tested.counters())


def about(name: str, frames: Sequence[CanFrame]) -> Finding:
    (found,) = [each for each in judge(heard(frames), reference(), "body") if name in each.what]
    return found


def every(name: str, period_s: float) -> list[CanFrame]:
    return [frame(name, index * period_s) for index in range(round(SECONDS / period_s))]


def of_dbc(name: str) -> tuple[int, float]:
    message = reference().buses["body"].message(name)
    return message.frame_id, (message.cycle_time or 0) / 1000


def mapped_cyclic() -> tuple[str, float]:
    """Return a cyclic message of the mapping without E2E, and its period."""
    mapping = reference()
    for signal in mapping.bus_signals("body"):
        period = of_dbc(signal.message)[1]
        if period and signal.timeout_s and signal.message not in mapping.buses["body"].e2e:
            return signal.message, period
    raise LookupError("the reference mapping has none")


def test_a_message_at_its_rate_is_well() -> None:
    name, period = mapped_cyclic()
    assert about(name, every(name, period)).level is Level.OK


def test_a_message_at_a_quarter_of_its_rate_is_odd() -> None:
    name, period = mapped_cyclic()
    found = about(name, every(name, period * 4))
    assert found.level is Level.WARNING
    assert "the DBC says" in found.what


def test_a_missing_message_is_a_failure() -> None:
    name, _ = mapped_cyclic()
    found = about(name, every("NmBcm", 0.1))
    assert found.level is Level.FAILURE
    assert "not seen in 10 s" in found.what


def test_a_message_of_another_length_does_not_decode() -> None:
    name, period = mapped_cyclic()
    short = [
        CanFrame(one.arbitration_id, b"", timestamp_s=one.timestamp_s)
        for one in every(name, period)
    ]
    found = about(name, short)
    assert found.level is Level.FAILURE
    assert "do not decode" in found.what


def test_frames_that_fail_their_protection_are_told_apart() -> None:
    name = next(iter(reference().buses["body"].e2e))
    same = [frame(name, 0.0)] * 50
    forged = [
        CanFrame(one.arbitration_id, bytes(len(one.data)), timestamp_s=index * 0.1)
        for index, one in enumerate(same)
    ]
    found = about(name, forged)
    assert found.level is Level.FAILURE
    assert "fail the end-to-end check" in found.what


def the_word(*, key: bytes, ours: dict[str, bytes]) -> Finding:
    """Return what is said of the receiver's word on its freshness value, sent with `key` each second."""
    words = [resync(5 + second, key=key, at=float(second)) for second in range(10)]
    result = asyncio.run(
        listen(Port(words), reference(), listen_s=0.05, keys=ours)  # type: ignore[arg-type]  # cannot send, on purpose
    )
    told = judge(replace(result, seconds=SECONDS), reference(), "body")
    (found,) = [each for each in told if "SecocFreshness" in each.what]
    return found


def test_a_wrong_secoc_key_is_seen_before_anybody_wants_an_unlock() -> None:
    found = the_word(key=bytes(16), ours=OURS)
    assert found.level is Level.FAILURE
    assert "10 of 10 frames fail authentication: wrong key or freshness" in found.what
    assert "[keys.secoc]" in found.advice


def test_the_right_secoc_key_is_well_and_a_missing_one_proves_nothing() -> None:
    found = the_word(key=KEY, ours=OURS)
    assert (found.level, "1.0 a second, all authentic" in found.what) == (Level.OK, True)
    assert the_word(key=KEY, ours={}).level is Level.WARNING


def test_a_receiver_that_says_no_freshness_value_is_missed() -> None:
    found = about("SecocFreshness", every("NmBcm", 0.1))
    assert (found.level, "not seen in 10 s" in found.what) == (Level.FAILURE, True)


def test_what_comes_less_often_than_was_listened_is_not_called_missing() -> None:
    """The word comes each second: who listens for one may begin just behind it, and the next comes late."""
    short, long = (replace(heard(every("NmBcm", 0.1)), seconds=seconds) for seconds in (1.0, 2.5))
    for each, level in ((short, Level.NOTE), (long, Level.FAILURE)):
        told = judge(each, reference(), "body")
        (found,) = [one for one in told if "SecocFreshness" in one.what]
        assert found.level is level
        assert ("--listen-s" in found.advice) is (level is Level.NOTE)


def test_without_a_cycle_in_the_dbc_the_mappings_timeout_says_how_long_to_wait() -> None:
    mapping = reference()
    name, _ = mapped_cyclic()
    message = deepcopy(mapping.buses["body"].message(name))
    message.cycle_time = None
    (signal, *_) = [one for one in mapping.bus_signals("body") if one.message == name]
    for timeout_s, gap_s in ((30.0, 30.0), (None, None)):
        assert longest_gap_s(message, [replace(signal, timeout_s=timeout_s)]) == gap_s


def test_another_vehicles_bus_is_recognised() -> None:
    strange = [CanFrame(0x700 + index, bytes(8), timestamp_s=0.1 * index) for index in range(40)]
    found = about("not in the DBC", strange)
    assert "40 of 40 identifiers are not in the DBC" in found.what
    assert "another vehicle" in found.advice


def test_a_silent_bus_is_a_failure() -> None:
    (found,) = judge(heard([]), reference(), "body")
    assert (found.level, "not one frame" in found.what) == (Level.FAILURE, True)


def test_error_frames_and_our_own_identifiers_are_told() -> None:
    own = min(reference().transmitted("body"))
    errors = [CanFrame(0x40, bytes(8), is_error_frame=True)]
    assert about("error frames", [*every("NmBcm", 0.1), *errors]).level is Level.WARNING
    key = of_dbc(own)[0]
    found = about("ours to send", [*every("NmBcm", 0.1), CanFrame(key, bytes(8), timestamp_s=9)])
    assert (found.level, own in found.what) == (Level.WARNING, True)


def test_of_a_bus_that_only_disturbs_nothing_is_called_well() -> None:
    """So it is with a wrong bit rate: the controller counts errors, and nothing is received."""
    kinds = [(0x04, b"\0\x20" + bytes(6)), (0x40, bytes(8)), (0x100, bytes(8))]
    errors = [CanFrame(number, data, is_error_frame=True) for number, data in kinds]
    found = judge(heard(errors), reference(), "body")
    assert [each.level for each in found] == [Level.FAILURE, Level.WARNING]
    assert "not one frame" in found[0].what
    assert "3 error frames" in found[1].what
    assert "wrong bit rate" in found[1].advice


def test_without_a_frame_that_the_mapping_names_none_is_called_decoded() -> None:
    own = min(reference().transmitted("body"))
    strange = [CanFrame(of_dbc(own)[0], bytes(8), timestamp_s=0.1)]
    told = [each.what for each in judge(heard(strange), reference(), "body")]
    assert not [what for what in told if "every frame that the mapping names" in what]


def test_listening_counts_and_ends_by_itself() -> None:
    port = Port(every("NmBcm", 0.1))
    result = asyncio.run(listen(port, reference(), listen_s=0.05))  # type: ignore[arg-type]  # cannot send, on purpose
    assert result.failure is None
    assert sum(result.frames.values()) == result.counters.frames == 100
    assert port.closed


def test_a_bus_that_breaks_is_a_finding_not_an_error() -> None:
    port = Port([], failure="CAN bus 'body' is gone")
    result = asyncio.run(listen(port, reference(), listen_s=5))  # type: ignore[arg-type]  # as above
    (found,) = judge(result, reference(), "body")
    assert (found.level, found.what) == (Level.FAILURE, "CAN bus 'body' is gone")
    assert port.closed


def test_the_kernels_reason_brings_its_own_advice() -> None:
    reason = CanTransportError("cannot be opened", may_have_happened=False, temporary=False)
    reason.__cause__ = OSError(errno.EAFNOSUPPORT, "Address family not supported")

    class Refused(Port):
        async def open(self) -> None:
            raise reason

    result = asyncio.run(listen(Refused([]), reference(), listen_s=5))  # type: ignore[arg-type]  # as above
    (found,) = judge(result, reference(), "body")
    assert "modprobe can-raw" in found.advice


def test_how_far_it_is_can_be_followed_and_what_the_port_counted_is_kept() -> None:
    class Counting(Port):
        def counters(self) -> BusCounters:
            return BusCounters(received=100, dropped=3)

    told: list[tuple[float, int]] = []
    result = asyncio.run(
        listen(
            Counting(every("NmBcm", 0.1)),  # type: ignore[arg-type]  # as above
            reference(),
            listen_s=0.05,
            progress=lambda seconds, frames: told.append((seconds, frames)),
        )
    )
    assert result.port == BusCounters(received=100, dropped=3)
    assert told
    assert told[0][0] < 1.0


def test_frames_that_are_no_use_are_counted_over_all_messages() -> None:
    name, period = mapped_cyclic()
    short = [
        CanFrame(one.arbitration_id, b"", timestamp_s=one.timestamp_s)
        for one in every(name, period)
    ]
    found = about("mapped frames", short)
    assert (found.level, f"{len(short)} do not decode" in found.what) == (Level.WARNING, True)
    assert about("every frame that the mapping names", every(name, period)).level is Level.OK
