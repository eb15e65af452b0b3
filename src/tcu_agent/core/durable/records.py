"""What survives a power cut, as bytes: deterministic CBOR arrays, each headed by its own schema version.

One key of the durable store holds one record, so a corrupt one says exactly what is not known any more. Reading never
raises anything but `StorageError`; who reads decides what fails closed (everything remote) and what starts afresh
(ON CALL). Times are integers in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, TypeVar

from tcu_agent.errors import AgentError, MalformedError, StorageError
from tcu_agent.protocol import cbor, tables
from tcu_agent.protocol.messages import Common
from tcu_agent.protocol.vocabulary import Service

T = TypeVar("T")
E = TypeVar("E", bound=IntEnum)
Scalar = bool | int | bytes | str | None

JOURNAL: Final = "journal"
MARKS: Final = "request-marks"
UNLOCK: Final = "unlock"
OUTCOME_PREFIX: Final = "outcome/"
RELOCK: Final = "relock"
POSITION: Final = "position"
CASE_PREFIX: Final = "position-case/"
CASES: Final = "position-cases"
"""As the first store had it, instead of one for each case: read, and written no more."""
CALL: Final = "call"
ACCOUNT: Final = "account"
TRUST: Final = "trust"
ALARM: Final = "alarm"
TOW: Final = "tow"
PARKED: Final = "parked"

ID_BYTES: Final = 16
"""Of a request, incident, case or nonce."""
BOOT_ID_BYTES: Final = 8
"""Also of a stream and of a kid."""
HASH_BYTES: Final = 32
LARGEST: Final = 2**52
"""Half of what a number in a message can be: what was stored is counted on from."""


def milliseconds(time_s: float) -> int:
    """Return a time for a record."""
    return round(time_s * 1000)


def told_ms(time_s: float | None) -> int:
    """Return a time for a message, which must be able to carry it: 0 = not known, and for what lies before it."""
    return 0 if time_s is None else min(max(0, milliseconds(time_s)), tables.UINT53.high)


def pack(schema: int, *fields: Scalar) -> bytes:
    """Return a record of this schema version."""
    return cbor.encode([schema, *fields])


class RecordReader:
    """Takes a record's fields one by one, in their order.

    Raises:
        StorageError: not CBOR, another schema version, a field of another kind, too few or too many fields.
    """

    def __init__(self, data: bytes, *, key: str, schema: int) -> None:
        self._key = key
        self._fields: Iterator[object] = iter(self._decoded(data))
        found = self.take(int)
        if found != schema:
            detail = f"schema version {found}, this agent knows {schema}"
            hint = "; start the agent that wrote it" if found > schema else ""
            raise StorageError(f"{key}: {detail}{hint}")

    def _decoded(self, data: bytes) -> Sequence[object]:
        try:
            fields = cbor.decode(data)
        except AgentError as error:
            raise StorageError(f"{self._key}: corrupt") from error
        if not isinstance(fields, list):
            raise StorageError(f"{self._key}: corrupt")
        return fields

    def take(self, kind: type[T]) -> T:
        """Return the next field, which must be exactly of this kind."""
        value = next(self._fields, None)
        # `type(...) is`: a bool is an int to isinstance.
        if type(value) is not kind:
            raise StorageError(f"{self._key}: corrupt")
        return value

    def take_bytes(self, length: int) -> bytes:
        """Return the next field, a byte string of this length: it may go into a message, whose grammar asks for it."""
        value = self.take(bytes)
        if len(value) != length:
            raise StorageError(f"{self._key}: corrupt")
        return value

    def take_number(self, highest: int = LARGEST) -> int:
        """Return the next field, a count or a number of our own that can be gone on from; or one up to `highest`."""
        value = self.take(int)
        if not 0 <= value <= highest:
            raise StorageError(f"{self._key}: corrupt")
        return value

    def take_optional(self, kind: type[T]) -> T | None:
        """Return the next field, which must be null or of this kind."""
        value = next(self._fields, self)
        if value is None:
            return None
        if type(value) is not kind:
            raise StorageError(f"{self._key}: corrupt")
        return value

    def take_seconds(self) -> float:
        """Return the next field, milliseconds, in seconds."""
        return self.take(int) / 1000

    def take_optional_seconds(self) -> float | None:
        """Return the next field, null or milliseconds, in seconds."""
        value = self.take_optional(int)
        return None if value is None else value / 1000

    def take_common(self) -> Common:
        """Return the next five fields as what ties a grant and its result together."""
        return Common(
            vehicle_id=self._take_name(),
            service=self.take_member(Service),
            request_id=self.take_bytes(ID_BYTES),
            nonce=self.take_bytes(ID_BYTES),
            boot_id=self.take_bytes(BOOT_ID_BYTES),
        )

    def _take_name(self) -> str:
        try:
            tables.NAME.read(value := self.take(str), {})
        except MalformedError as error:
            raise StorageError(f"{self._key}: corrupt") from error
        return value

    def take_member(self, kind: type[E]) -> E:
        """Return the next field as a member of an enumeration."""
        try:
            return kind(self.take(int))
        except ValueError as error:
            raise StorageError(f"{self._key}: corrupt") from error

    def rest(self) -> list[object]:
        """Return all fields that are left."""
        return list(self._fields)

    def end(self) -> None:
        """Check that nothing is left."""
        if self.rest():
            raise StorageError(f"{self._key}: corrupt")


def common_fields(common: Common) -> tuple[Scalar, ...]:
    """Return the fields that `RecordReader.take_common` reads."""
    return (
        common.vehicle_id,
        int(common.service),
        common.request_id,
        common.nonce,
        common.boot_id,
    )
