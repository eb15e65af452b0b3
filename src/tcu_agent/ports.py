"""What core and runtime need from the world. Adapters implement these; the bench's fakes pass the same tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tcu_agent.core.events import CoreEvent
from tcu_agent.protocol.messages import Event, Result


class Clock(Protocol):
    """Time. Security deadlines use `boottime`, which counts suspend; `wall` may jump and is a hint only."""

    def boottime(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""

    def wall(self) -> float | None:
        """Return seconds since 1970-01-01, or None while it is known to be wrong (before the floor)."""

    def is_synchronised(self) -> bool:
        """Whether something outside (NTP, GNSS) has set the wall clock since the kernel booted, and keeps it right.

        A clock that was only restored from a disk stands where it stood before a power cut: it proves nothing.
        """

    def boot_session(self) -> str:
        """Return an id that changes when the kernel boots (so that a stored boottime can be trusted or not)."""

    async def wait_until(self, boottime_s: float) -> None:
        """Return when CLOCK_BOOTTIME has reached `boottime_s`; counts suspend; may be cancelled."""


class Entropy(Protocol):
    """Randomness."""

    def random_bytes(self, length: int) -> bytes:
        """Return `length` bytes from the operating system's CSPRNG."""


class Signer(Protocol):
    """The vehicle's signing key; the key itself may never leave a token."""

    @property
    def kid(self) -> bytes:
        """First 8 bytes of SHA-256 of the public key as the protocol encodes it."""

    @property
    def alg(self) -> int:
        """COSE algorithm: -7 or -8."""

    def sign(self, data: bytes) -> bytes:
        """Return 64 bytes: r || s (ES256) or the Ed25519 signature.

        Raises:
            KeyStoreError: the token does not answer or the key is gone.
        """


class Sealer(Protocol):
    """Encrypts to one recipient, so that nobody on the way can read it."""

    def seal(self, plaintext: bytes, *, recipient: bytes, info: bytes) -> bytes:
        """Return enc || ciphertext (docs/protocol.cddl, position) for the X25519 public key `recipient`, 32 bytes.

        Raises:
            KeyStoreError: `recipient` is no usable key.
        """


@dataclass(frozen=True, slots=True)
class CanFrame:
    """One frame from or for a bus. `timestamp_s`: CLOCK_BOOTTIME of its arrival (kernel's stamp where there is one).

    `is_late_echo`: no frame of another node, but one of ours that got onto the bus after its sender had given up.
    """

    arbitration_id: int
    data: bytes
    is_extended_id: bool = False
    is_fd: bool = False
    is_error_frame: bool = False
    is_remote_frame: bool = False
    timestamp_s: float = 0.0
    is_late_echo: bool = False


class CanPort(Protocol):
    """One CAN bus."""

    @property
    def name(self) -> str:
        """Logical name in mapping and configuration, such as ``body``."""

    async def receive(self) -> Sequence[CanFrame]:
        """Wait for frames and return all that are there, oldest first; of this port's own, late echoes alone.

        Raises:
            CanTransportError: the bus is gone or off; the caller opens it again after a pause.
        """

    async def send(self, frame: CanFrame, *, timeout_s: float) -> None:
        """Hand one frame to the driver, waiting at most `timeout_s` for room; where that can be seen, for the bus too.

        Raises:
            CanTransportError: not taken (`may_have_happened` says whether it may be on the bus all the same).
        """

    async def open(self) -> None:
        """Open, or open again.

        Raises:
            CanTransportError: cannot be opened now.
        """

    async def close(self) -> None:
        """Close; never raises."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message from the broker."""

    topic: str
    payload: bytes
    retained: bool


class LinkPort(Protocol):
    """One MQTT connection after another: the runtime calls `connect` again after each loss."""

    async def connect(self, *, connection: int, will: bytes) -> bool:
        """Connect, subscribe to the vehicle's down topics, set the will (a signed availability message).

        Return whether the broker still had our session; one that has lost ours may have lost the centre's.

        Raises:
            MqttTransportError: refused or unreachable; `temporary` False = authentication or configuration.
        """

    def messages(self) -> AsyncIterator[Inbound]:
        """Iterate over what arrives until the connection is lost (then MqttTransportError)."""

    async def publish(
        self,
        message_type: str,
        payload: bytes,
        *,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Publish to the vehicle's up topic `message_type`, QoS 1, never retained; returns after the PUBACK.

        Return whether the broker says that it has nobody to give it to. That it does not say so means little:
        MQTT 3.1.1 cannot, and in MQTT 5 a broker may keep it to itself.

        `expiry_s` (Message Expiry Interval) and `correlation` (Correlation Data: the request's id) are hints for
        brokers and tools that speak MQTT 5; nothing is ever decided by them.

        Raises:
            PublicationRefusedError: the PUBACK says no; the connection holds.
            MqttTransportError: not connected, or no PUBACK (`may_have_happened` True then).
        """

    async def disconnect(self) -> None:
        """End the session politely; never raises."""


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """A sealed position that waits for the theft desk's acknowledgement."""

    case_id: bytes
    seq: int
    payload: bytes


class StatePort(Protocol):
    """Durable state: one transaction a call, on the disk when it returns."""

    def load(self) -> Mapping[str, bytes]:
        """Return all keys and values.

        Raises:
            StorageError: corrupt, of a newer schema, or unreadable (fails closed).
        """

    def commit(
        self,
        *,
        puts: Mapping[str, bytes | None],
        append: Iterable[Result | Event] = (),
        acknowledged: int | None = None,
    ) -> None:
        """Do all of it or nothing; None as a value deletes the key.

        Raises:
            StorageError: not durable.
        """

    def outbox(self, *, after_seq: int, limit: int) -> Sequence[Result | Event]:
        """Return stored results and events with seq > `after_seq`, in order, at most `limit`.

        Raises:
            DamagedMessageError: the first of them cannot be read; what stands before a damaged one is returned.
            StorageError: nothing can be read.
        """

    def replace(self, seq: int, *, by: Event | None) -> None:
        """Put `by`, or nothing, where the message stored under `seq` is, whatever that holds.

        A tombstone takes the place of all that it covers.

        Raises:
            StorageError: not durable; the old one is still there.
        """

    def bury(self, tombstones: Iterable[Event]) -> None:
        """Put each tombstone, in this order, in the place of all that it covers; all of it or nothing.

        Raises:
            StorageError: not durable; nothing of it happened.
        """

    def put_position(
        self, position: StoredPosition, *, puts: Mapping[str, bytes | None] | None = None
    ) -> None:
        """Store one sealed position (the signed message's payload bytes) and `puts`, all or nothing of it.

        Raises:
            StorageError: not durable; nothing of it happened.
        """

    def positions(
        self, *, after: tuple[bytes, int] | None = None, limit: int | None = None
    ) -> Sequence[StoredPosition]:
        """Return sealed positions not yet acknowledged, by case and seq; one that is damaged is not among them.

        `after`: a case and seq, None = from the first on. `limit`: at most so many, None = all.
        """

    def erase_positions(self, case_id: bytes, up_to_seq: int | None) -> None:
        """Erase sealed positions of a case, all or up to a seq."""

    def watch(self, committed: Callable[[frozenset[str]], None]) -> None:
        """Call `committed` after each transaction that leaves something to do for `rest`, with the keys of its puts."""

    @property
    def needs_rest(self) -> bool:
        """Whether `rest` has anything to do."""

    @property
    def is_log_full(self) -> bool:
        """Whether `rest` should not wait for a quiet moment any longer."""

    def rest(self) -> None:
        """Put the store in order, in a moment in which nobody waits for it.

        Raises:
            StorageError: not done; all that was durable still is.
        """


class RtcPort(Protocol):
    """Wakes the board from a suspend, one time at a time."""

    def wake_at(self, boottime_s: float | None) -> None:
        """Wake the board when CLOCK_BOOTTIME reaches `boottime_s`, and at no time set before; None = never.

        Raises:
            PowerError: it cannot be woken.
        """

    def next_wake(self) -> float | None:
        """Return when the board will be woken, CLOCK_BOOTTIME, s; None = nothing is set, or it has passed."""


class PowerPort(Protocol):
    """Lets the board suspend."""

    async def suspend(self) -> None:
        """Suspend the board; returns when it is awake again, or a moment before it suspends.

        Raises:
            PowerError: it cannot be suspended now.
        """


class EventSink(Protocol):
    """Where adapters put what happened; the runtime's queue implements it."""

    async def put(self, event: CoreEvent) -> None:
        """Queue one event for the core; waits when the queue is full."""
