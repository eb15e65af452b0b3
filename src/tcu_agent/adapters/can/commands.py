"""From the agent's commands to CAN frames, as the mapping says: unlock, lock, status, wake-up.

Nothing here decides whether a command may be sent: the core's effects do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from tcu_agent.adapters.can.e2e import E2eSender
from tcu_agent.adapters.can.outgoing import NumberedCommand, OutgoingMessage, raw_values_of
from tcu_agent.adapters.can.plans import FrameKey
from tcu_agent.adapters.can.resync import Judged, ResyncTap, ignore_verdict, resyncs
from tcu_agent.adapters.can.secoc import KEY_BYTES, FreshnessCounter, FreshnessStore, secure
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

    def taps(
        self, bus: str, *, judged: Judged = ignore_verdict
    ) -> dict[FrameKey, Callable[[CanFrame], None]]:
        """Return what `SignalDecoder` of this bus shall call with the resynchronisation messages of the receiver.

        `judged`: told of each frame of them. One whose key is lost is neither taken nor judged.
        """
        return {
            each.key: ResyncTap(
                resync=each,
                secret=key,
                accept=partial(_take_word, self._freshness[bus, each.about]),
                judged=judged,
            ).receive
            for each in resyncs(self._mapping, bus)
            if (key := self._keys.get(each.protection.key)) is not None
        }

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


def _take_word(counter: FreshnessCounter, value: int) -> None:
    with suppress(StorageError):  # the next command meets the same error, and reports it
        counter.accepted_by_receiver(value)
