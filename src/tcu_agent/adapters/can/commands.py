"""From the agent's commands to CAN frames, as the mapping says: unlock, lock, status, wake-up.

Nothing here decides whether a command may be sent: the core's effects do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from cantools.database.can import Message as DbcMessage

from tcu_agent.adapters.can.e2e import E2eSender
from tcu_agent.adapters.can.lengths import message_in
from tcu_agent.adapters.can.outgoing import NumberedCommand, OutgoingMessage, raw_values_of
from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.secoc import (
    KEY_BYTES,
    LARGEST_FRESHNESS,
    FreshnessCounter,
    FreshnessStore,
    is_authentic,
    secure,
)
from tcu_agent.adapters.mapping.mapping import (
    BusMapping,
    Placeholder,
    SecocProtection,
    VehicleMapping,
    WakeMapping,
)
from tcu_agent.adapters.mapping.toml_table import near_miss
from tcu_agent.core.effects import Lamp
from tcu_agent.errors import CanTransportError, KeyStoreError, StorageError
from tcu_agent.ports import CanFrame
from tcu_agent.protocol.vocabulary import CallState

_NUMBERED = frozenset({"unlock", "lock"})
"""The commands that are sent once, each with its own number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFrame:
    """One frame to send once on `bus`. `counter`: number of the command, which the response echoes."""

    bus: str
    frame: CanFrame
    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CyclicFrame:
    """One frame to send on `bus` now, and each `repeat_s`; for `for_s`, or (None) until there is another."""

    bus: str
    frame: CanFrame
    repeat_s: float | None
    for_s: float | None


class CommandEncoder:
    """Makes the frames of one vehicle. Not thread-safe; `unlock` and `lock` may write durably (freshness)."""

    def __init__(
        self,
        mapping: VehicleMapping,
        *,
        keys: Mapping[str, bytes],
        open_freshness: Callable[[str], FreshnessStore],
        first_counter: int,
        lost_keys: Collection[str] = (),
    ) -> None:
        """Take the mapping, what it needs, and where to start counting.

        `keys`: SecOC keys, 16 bytes, by the mapping's names. `open_freshness`: gives the store for a name that never
        changes. `first_counter`: where the numbers of commands start; random, so that an old response is not taken
        for a new one. `lost_keys`: configured, but not usable now; what needs one cannot be sent, all else can.

        Raises:
            KeyStoreError: a key that the mapping names is missing or is not 16 bytes long.
        """
        self._mapping = mapping
        self._keys = dict(keys)
        self._lost_keys = frozenset(lost_keys)
        self._counter = first_counter
        self._freshness: dict[tuple[str, str], FreshnessCounter] = {}
        self._messages: dict[tuple[str, str], OutgoingMessage] = {}
        for bus in mapping.buses.values():
            for protection in bus.secoc.values():
                self._check_key(protection)
            for name in mapping.transmitted(bus.name) & bus.secoc.keys():
                store = open_freshness(f"secoc/{bus.name}/{bus.secoc[name].data_id:04x}")
                self._freshness[bus.name, name] = FreshnessCounter(store)
            for name in mapping.transmitted(bus.name):
                self._messages[bus.name, name] = self._outgoing(bus, name)
        self._numbered = {
            name: NumberedCommand(command, self._messages[command.bus, command.message])
            for name, command in mapping.commands.items()
            if name in _NUMBERED
        }

    @property
    def can_unlock(self) -> bool:
        """Return whether the mapping has an unlock command at all."""
        return "unlock" in self._mapping.commands

    def unlock(self) -> CommandFrame:
        """Return the frame that unlocks all doors; each call makes a new command with its own number.

        Raises:
            CanTransportError: the mapping has no such command.
            StorageError: the freshness value could not be made durable.
            KeyStoreError: its key is lost.
        """
        return self._command("unlock")

    def lock(self) -> CommandFrame:
        """Return the frame that locks all doors.

        Raises:
            CanTransportError: the mapping has no such command.
            StorageError: the freshness value could not be made durable.
            KeyStoreError: its key is lost.
        """
        return self._command("lock")

    def status(self, lamp: Lamp, call_state: CallState) -> CyclicFrame | None:
        """Return the status frame, or None if the mapping has none. It must not be sent while the bus sleeps."""
        command = self._mapping.commands.get("status")
        if command is None:
            return None
        words = {
            Placeholder.LAMP: lamp.name.lower(),
            Placeholder.CALL_STATE: call_state.name.lower(),
        }
        filled = {one: table[words[one]] for one, table in command.values.items()}
        outgoing = self._messages[command.bus, command.message]
        frame = self._protect(outgoing, outgoing.encode(raw_values_of(command, filled)))
        return CyclicFrame(bus=command.bus, frame=frame, repeat_s=command.cycle_s, for_s=None)

    def wake(self) -> tuple[CyclicFrame, ...]:
        """Return what wakes each bus that has a wake-up in the mapping."""
        return tuple(
            self._wake(bus.name, bus.wake) for bus in self._mapping.buses.values() if bus.wake
        )

    def taps(self, bus: str) -> dict[FrameKey, Callable[[CanFrame], None]]:
        """Return what `SignalDecoder` of this bus shall call with the resynchronisation messages of the receiver."""
        found: dict[FrameKey, Callable[[CanFrame], None]] = {}
        mapping = self._mapping.buses[bus]
        for name, protection in mapping.secoc.items():
            counter = self._freshness.get((bus, name))
            if counter and protection.resync_message and protection.resync_signal:
                message = mapping.message(protection.resync_message)
                found[message.frame_id, message.is_extended_frame] = _Resync(
                    message=message,
                    signal=protection.resync_signal,
                    protection=mapping.secoc.get(protection.resync_message),
                    keys=self._keys,
                    counter=counter,
                ).receive
        return found

    def _wake(self, bus: str, wake: WakeMapping) -> CyclicFrame:
        outgoing = self._messages[bus, wake.message]
        frame = self._protect(outgoing, outgoing.encode(wake.signals))
        return CyclicFrame(bus=bus, frame=frame, repeat_s=wake.repeat_s, for_s=wake.for_s)

    def _command(self, name: str) -> CommandFrame:
        command = self._numbered.get(name)
        if command is None:
            raise CanTransportError(
                f"the mapping has no command {name!r}", may_have_happened=False, temporary=False
            )
        self._counter += 1
        number = self._counter % command.numbers
        frame = self._protect(command.message, command.payload(number))
        return CommandFrame(bus=command.bus, frame=frame, counter=number)

    def _protect(self, outgoing: OutgoingMessage, data: bytes) -> CanFrame:
        if outgoing.sender is not None:
            data = outgoing.sender.protect(data)
        if outgoing.secoc is not None:
            protection, freshness = outgoing.secoc
            key = self._keys.get(protection.key)
            if key is None:
                name = outgoing.message.name
                raise KeyStoreError(f"{name}: its SecOC key {protection.key!r} is lost")
            data = secure(data, protection, key, freshness.next())
        return outgoing.frame(data)

    def _outgoing(self, bus: BusMapping, name: str) -> OutgoingMessage:
        e2e, secoc = bus.e2e.get(name), bus.secoc.get(name)
        return OutgoingMessage(
            message=bus.message(name),
            sender=None if e2e is None else E2eSender(e2e),
            secoc=None if secoc is None else (secoc, self._freshness[bus.name, name]),
        )

    def _check_key(self, protection: SecocProtection) -> None:
        if protection.key in self._lost_keys:
            return
        key = self._keys.get(protection.key)
        if key is None:
            similar = near_miss(protection.key, self._keys.keys() | self._lost_keys)
            raise KeyStoreError(
                f"{self._mapping.file}: the mapping names the SecOC key {protection.key!r}, which is not configured "
                f"({similar or 'add it'}; see [keys.secoc] in tcu.toml)"
            )
        if len(key) != KEY_BYTES:
            raise KeyStoreError(
                f"the SecOC key {protection.key!r} is {len(key)} bytes long, not {KEY_BYTES}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resync:
    """Takes the receiver's word for which freshness value it accepted last, if the word is authentic."""

    message: DbcMessage
    signal: str
    protection: SecocProtection | None
    keys: Mapping[str, bytes] = field(repr=False)
    counter: FreshnessCounter

    def receive(self, frame: CanFrame) -> None:
        """Take one frame, which nobody has vouched for yet; one that is wrong changes nothing."""
        data = message_in(frame, self.message.length)
        value = None if data is None else self._freshness_value(data)
        key = self.keys.get(self.protection.key) if self.protection else None
        if data is None or value is None or self.protection is None or key is None:
            return
        if is_authentic(data, self.protection, key, value):
            with suppress(StorageError):  # the next command meets the same error, and reports it
                self.counter.accepted_by_receiver(value)

    def _freshness_value(self, data: bytes) -> int | None:
        try:
            value = self.message.decode_simple(data, decode_choices=False, scaling=False)
            word = value[self.signal]
        except Exception:  # noqa: BLE001 -- whatever a strange frame makes cantools raise
            return None
        return word if isinstance(word, int) and 0 <= word <= LARGEST_FRESHNESS else None
