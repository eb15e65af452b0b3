"""Live traffic against the mapping: which mapped messages come, how often, and what is wrong with them."""

from __future__ import annotations

import asyncio
import errno
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.can.counters import BusCounters, DecoderCounters
from tcu_agent.adapters.can.resync import listening_taps, resyncs
from tcu_agent.adapters.can.signals import SignalDecoder
from tcu_agent.adapters.mapping.mapping import SignalMapping, VehicleMapping
from tcu_agent.doctor.findings import Finding, Level, failure, note, ok, warning
from tcu_agent.errors import CanTransportError
from tcu_agent.ports import CanPort

_SLOW = 0.5
_FAST = 2.0
"""A message that comes at less than half or more than twice its rate in the DBC is worth a word."""
_FEWEST = 3
"""Of messages expected in the time listened: fewer say nothing about a rate."""
_MISSED_CYCLES = 2
"""Away for so many cycle times, a message is missed: one may come just before the listening begins."""


_TELL_EACH_S = 1.0
_ADVICE = {
    errno.EAFNOSUPPORT: "no CAN in this kernel: modprobe can-raw; in a systemd unit: AF_CAN in RestrictAddressFamilies",
    errno.EPROTONOSUPPORT: "the kernel lacks raw CAN sockets: modprobe can-raw",
    errno.EACCES: "not allowed for this user: group of the device (SupplementaryGroups=dialout), or a security module",
    errno.EPERM: "not allowed for this user: a container or a security module (dmesg, audit log)",
    errno.ENODEV: "the interface is gone: was its adapter pulled? dmesg says so",
    errno.ENETDOWN: "somebody took the interface down, or the controller is bus-off without restart-ms",
}
"""What to do, by the reason that the kernel gave."""


@runtime_checkable
class CountingPort(Protocol):
    """A CAN port that counts; one that cannot lose frames need not."""

    def counters(self) -> BusCounters:
        """Return what was counted so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came in while listening. `frames`: by (arbitration id, is 29-bit). `failure`: why listening ended early.

    `errno`: of the kernel, with a failure. `port`: what the port itself counted, if it counts. `authentic`, `forged`:
    frames with a receiver's word on its freshness value, by message, that are authentic under our key, or are not.
    """

    seconds: float
    frames: Counter[tuple[int, bool]]
    counters: DecoderCounters
    port: BusCounters | None = None
    failure: str | None = None
    errno: int | None = None
    authentic: Counter[str] = field(default_factory=Counter)
    forged: Counter[str] = field(default_factory=Counter)


Progress = Callable[[float, int], None]
"""Takes seconds listened and frames heard, about once a second."""


async def listen(
    port: CanPort,
    mapping: VehicleMapping,
    *,
    listen_s: float,
    keys: Mapping[str, bytes] | None = None,
    progress: Progress = lambda _seconds, _frames: None,
) -> Heard:
    """Listen to one bus for `listen_s` seconds and send nothing. `keys`: SecOC keys that can be used, by name."""
    started_at = time.clock_gettime(time.CLOCK_BOOTTIME)
    authentic: Counter[str] = Counter()
    forged: Counter[str] = Counter()

    def judged(message: str, is_authentic: bool) -> None:
        (authentic if is_authentic else forged)[message] += 1

    taps = listening_taps(mapping, port.name, keys=keys or {}, judged=judged)
    decoder = SignalDecoder(
        mapping, port.name, started_at=started_at, audit=True, listen_only=True, taps=taps
    )
    frames: Counter[tuple[int, bool]] = Counter()
    failure: CanTransportError | None = None
    telling = asyncio.create_task(_tell(progress, frames))
    try:
        await port.open()
        async with asyncio.timeout(listen_s):
            await _hear(port, decoder, frames)
    except TimeoutError:
        pass
    except CanTransportError as error:
        failure = error
    finally:
        telling.cancel()
        counted = port.counters() if isinstance(port, CountingPort) else None
        await port.close()
    return Heard(
        seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - started_at,
        frames=frames,
        counters=decoder.counters(),
        port=counted,
        failure=None if failure is None else str(failure),
        errno=_errno(failure),
        authentic=authentic,
        forged=forged,
    )


async def _hear(port: CanPort, decoder: SignalDecoder, frames: Counter[tuple[int, bool]]) -> None:
    while True:
        for frame in await port.receive():
            if not frame.is_error_frame and not frame.is_remote_frame:
                frames[frame.arbitration_id, frame.is_extended_id] += 1
            decoder.receive(frame)


async def _tell(progress: Progress, frames: Counter[tuple[int, bool]]) -> None:
    started = time.monotonic()
    while True:
        progress(time.monotonic() - started, frames.total())
        await asyncio.sleep(_TELL_EACH_S)


def _errno(error: BaseException | None) -> int | None:
    """Return the kernel's reason, wherever in the chain of causes it stands."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None


def judge(heard: Heard, mapping: VehicleMapping, bus: str) -> Sequence[Finding]:
    """Return what the traffic says about wiring, database and mapping."""
    subject = f"can.{bus}"
    if heard.failure is not None:
        advice = _ADVICE.get(heard.errno or 0, "the lines above, and dmesg, say more")
        return (failure(subject, heard.failure, advice),)
    received = heard.counters.frames - heard.counters.error_frames
    if not received:  # error frames are our own controller's: they are no sign of anybody
        return (_silent(subject, heard.seconds), *_disturbed(subject, heard.counters))
    return (
        ok(
            subject,
            f"{received} frames in {heard.seconds:.0f} s, {len(heard.frames)} identifiers",
        ),
        *_errors(subject, heard),
        *_messages(subject, heard, mapping, bus),
        *_own(subject, heard, mapping, bus),
    )


def _silent(subject: str, seconds: float) -> Finding:
    return failure(
        subject,
        f"not one frame in {seconds:.0f} s",
        "is the vehicle awake? then: bit rate, CAN-H and CAN-L swapped, termination, the right channel; "
        "a wrong bit rate usually shows as error frames",
    )


def _errors(subject: str, heard: Heard) -> list[Finding]:
    counters = heard.counters
    found = [*_disturbed(subject, counters), *_not_understood(subject, counters)]
    heard_ids = counters.ids_known + counters.ids_unknown
    if counters.ids_unknown > counters.ids_known:
        found.append(
            failure(
                subject,
                f"{counters.ids_unknown} of {heard_ids} identifiers are not in the DBC",
                "the DBC is of another bus or another vehicle",
            )
        )
    return found


def _disturbed(subject: str, counters: DecoderCounters) -> list[Finding]:
    if not counters.error_frames:
        return []
    advice = "wrong bit rate, termination, or a node that disturbs; `ip -details -statistics link` counts them"
    return [warning(subject, f"{counters.error_frames} error frames", advice)]


def _not_understood(subject: str, counters: DecoderCounters) -> list[Finding]:
    """Count all frames that were no use, whether or not the messages below name them."""
    undecoded = sum(sum(causes.values()) for causes in counters.decode_errors.values())
    unproven = sum(sum(causes.values()) for causes in counters.e2e_errors.values())
    if not undecoded and not unproven:
        # Of no frame at all it would be no praise; the messages below say one by one that they were not seen.
        is_praise = counters.mapped_frames > 0
        return [ok(subject, "every frame that the mapping names decodes")] if is_praise else []
    told = f"of {counters.mapped_frames} mapped frames {undecoded} do not decode, {unproven} fail the end-to-end check"
    return [
        warning(
            subject,
            told,
            "the messages below say which; `tcu-agent signals` says it frame by frame",
        )
    ]


def _messages(subject: str, heard: Heard, mapping: VehicleMapping, bus: str) -> list[Finding]:
    wanted: dict[str, list[SignalMapping]] = {}
    for signal in mapping.bus_signals(bus):
        wanted.setdefault(signal.message, []).append(signal)
    messages = [(mapping.buses[bus].message(name), signals) for name, signals in wanted.items()]
    return [
        _message(subject, heard, message, gap_s=longest_gap_s(message, signals))
        for message, signals in sorted(messages, key=lambda each: each[0].name)
    ] + [
        _word(subject, heard, each.message)
        for each in resyncs(mapping, bus)
        if each.message.name not in wanted
    ]


def longest_gap_s(message: DbcMessage, signals: Collection[SignalMapping]) -> float | None:
    """Return how long a message may well be away, in seconds; None: it is sent on change only.

    `signals`: those that are mapped to it, whose timeouts say so where the DBC does not.
    """
    timeouts = [signal.timeout_s for signal in signals if signal.timeout_s is not None]
    if signals and not timeouts:
        return None
    if message.cycle_time:
        return _MISSED_CYCLES * message.cycle_time / 1000
    return min(timeouts, default=None)


def _word(subject: str, heard: Heard, message: DbcMessage) -> Finding:
    """Judge the receiver's word on its freshness value: the one proof of our SecOC key that needs no command."""
    found = _message(subject, heard, message, gap_s=longest_gap_s(message, ()))
    judged = heard.authentic[message.name] + heard.forged[message.name]
    if found.level is not Level.OK:
        return found
    if not judged:
        advice = "see what is said of the files"
        return warning(subject, f"{found.what}, not looked into: there is no key for it", advice)
    return ok(subject, f"{found.what}, all authentic")


def _message(subject: str, heard: Heard, message: DbcMessage, *, gap_s: float | None) -> Finding:
    key = (message.frame_id, message.is_extended_frame)
    seen, what = heard.frames[key], f"{message.name} ({message.frame_id:#x})"
    if not seen:
        return _missing(subject, heard.seconds, what, gap_s=gap_s)
    if wrong := _undecodable(heard, message):
        return failure(subject, f"{what}: {wrong[0]}", wrong[1])
    if odd := _rate(heard, message, seen):
        return warning(subject, f"{what}: {odd[0]}", odd[1])
    return ok(subject, f"{what}: {seen / heard.seconds:.1f} a second")


def _missing(subject: str, seconds: float, what: str, *, gap_s: float | None) -> Finding:
    if gap_s is None:
        return note(subject, f"{what}: not seen; it is sent on change only")
    told = f"{what}: not seen in {seconds:.0f} s"
    if seconds < gap_s:
        advice = f"too short to tell, it may be away for {gap_s:g} s: listen longer (--listen-s)"
        return note(subject, told, advice)
    advice = "its sender is off or on another bus, or its identifier is another one in this vehicle"
    return failure(subject, told, advice)


def _own(subject: str, heard: Heard, mapping: VehicleMapping, bus: str) -> list[Finding]:
    """Say which identifiers that are ours to send were seen: the doctor itself sends nothing."""
    found = []
    for name in sorted(mapping.transmitted(bus)):
        message = mapping.buses[bus].message(name)
        if times := heard.frames[message.frame_id, message.is_extended_frame]:
            found.append(
                warning(
                    subject,
                    f"{name} ({message.frame_id:#x}), which is ours to send: seen {times} times",
                    "right if an agent runs on this bus now; else another node imitates it or the mapping is wrong",
                )
            )
    return found


def _undecodable(heard: Heard, message: DbcMessage) -> tuple[str, str] | None:
    key = (message.frame_id, message.is_extended_frame)
    if causes := heard.counters.decode_errors.get(key):
        cause, times = next(iter(causes.items()))
        return f"{sum(causes.values())} frames do not decode, such as {times} times: {cause}", (
            "another length or layout than the DBC says: is it the DBC of this model year?"
        )
    if causes := heard.counters.e2e_errors.get(message.name):
        told = ", ".join(f"{cause} {times}" for cause, times in causes.items())
        return f"{sum(causes.values())} frames fail the end-to-end check ({told})", (
            "profile, data id or offset in [bus.NAME.e2e] differ from the sender's, or somebody forges it"
        )
    if forged := heard.forged[message.name]:
        judged = forged + heard.authentic[message.name]
        return f"{forged} of {judged} frames fail authentication: wrong key or freshness", (
            "the key in [keys.secoc], or data id and lengths in [bus.NAME.secoc], differ from the receiver's: it "
            "would refuse every unlock; or somebody forges it"
        )
    return None


def _rate(heard: Heard, message: DbcMessage, seen: int) -> tuple[str, str] | None:
    if not message.cycle_time or heard.seconds * 1000 / message.cycle_time < _FEWEST:
        return None
    expected = 1000 / message.cycle_time
    actual = seen / heard.seconds
    if _SLOW <= actual / expected <= _FAST:
        return None
    return f"{actual:.1f} a second, the DBC says {expected:.1f}", (
        "frames get lost (bus load, receive buffer), two senders share the identifier, or the DBC is another version's"
    )
