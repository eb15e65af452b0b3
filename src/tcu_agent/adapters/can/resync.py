"""The receiver's word for which freshness value it has accepted last: taken only if it is authentic, and judged aloud.

A word that never is authentic is the first sign of a wrong key, long before somebody asks for an unlock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.can.lengths import message_in
from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.secoc import LARGEST_FRESHNESS, is_authentic
from tcu_agent.adapters.mapping.mapping import SecocProtection, VehicleMapping
from tcu_agent.ports import CanFrame

Judged = Callable[[str, bool], None]
"""Takes the name of the message, and whether a frame of it was authentic."""


def ignore_verdict(_message: str, _is_authentic: bool) -> None:
    """Take a verdict that nobody wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resync:
    """Receives the words about one secured message `about` of ours, by the `message` that carries them."""

    about: str
    message: DbcMessage
    signal: str
    protection: SecocProtection

    @property
    def key(self) -> FrameKey:
        """Identifier of the message on the bus."""
        return self.message.frame_id, self.message.is_extended_frame

    def value(self, frame: CanFrame, key: bytes) -> int | None:
        """Return the freshness value that an authentic frame says, None for any other. `key`: SecOC key, 16 bytes."""
        data = message_in(frame, self.message.length)
        if data is None or (value := self._said(data)) is None:
            return None
        return value if is_authentic(data, self.protection, key, value) else None

    def _said(self, data: bytes) -> int | None:
        try:
            word = self.message.decode_simple(data, decode_choices=False, scaling=False)[
                self.signal
            ]
        except Exception:  # noqa: BLE001 -- whatever a strange frame makes cantools raise
            return None
        return word if isinstance(word, int) and 0 <= word <= LARGEST_FRESHNESS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncTap:
    """What a `SignalDecoder` calls with the frames of a resynchronisation message. `secret`: SecOC key, 16 bytes."""

    resync: Resync
    secret: bytes = field(repr=False)
    accept: Callable[[int], None]
    judged: Judged = ignore_verdict

    def receive(self, frame: CanFrame) -> None:
        """Take one frame, which nobody has vouched for yet; one that is wrong changes nothing."""
        value = self.resync.value(frame, self.secret)
        if value is not None:
            self.accept(value)
        self.judged(self.resync.message.name, value is not None)


def resyncs(mapping: VehicleMapping, bus: str) -> Iterator[Resync]:
    """Yield what each secured message that we send on this bus is resynchronised by, where it is."""
    on_bus = mapping.buses[bus]
    for name in sorted(mapping.transmitted(bus) & on_bus.secoc.keys()):
        ours = on_bus.secoc[name]
        if ours.resync_message and ours.resync_signal:
            yield Resync(
                about=name,
                message=on_bus.message(ours.resync_message),
                signal=ours.resync_signal,
                protection=on_bus.secoc[ours.resync_message],
            )


def listening_taps(
    mapping: VehicleMapping, bus: str, *, keys: Mapping[str, bytes], judged: Judged
) -> dict[FrameKey, Callable[[CanFrame], None]]:
    """Return taps that only judge: for who listens and sends nothing. A word whose key is not there is not judged."""
    return {
        each.key: ResyncTap(
            resync=each, secret=keys[each.protection.key], accept=lambda _value: None, judged=judged
        ).receive
        for each in resyncs(mapping, bus)
        if each.protection.key in keys
    }
