"""AUTOSAR end-to-end protection: is this frame the sender's next one, and whole?

CRC and layout come from `autosar-e2e`; the counter's rules are here.

Source: AUTOSAR FO PRS E2EProtocol, profiles 1, 2, 4, 5, 6, 7, 11; dbc/README.md, "E2E profile 1".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import e2e.p01
import e2e.p02
import e2e.p04
import e2e.p05
import e2e.p06
import e2e.p07
import e2e.p11

from tcu_agent.adapters.mapping.mapping import E2eProtection

CRC_WRONG = "crc"
COUNTER_WRONG = "counter"
REPEATED = "repeated"
WRONG_LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where a profile keeps its counter, behind the offset, big endian; and how its CRC is made and checked."""

    header_bytes: int
    counter_at: int
    counter_bytes: int
    counter_mask: int
    counter_modulus: int
    largest_data_id: int
    protect: Callable[..., None]
    check: Callable[..., bool]
    data_id_modes: Mapping[str, int] = field(default_factory=dict)
    takes_id_list: bool = False
    takes_offset: bool = True


PROFILES: dict[int, Profile] = {
    1: Profile(
        header_bytes=2,
        counter_at=1,
        counter_bytes=1,
        counter_mask=0x0F,
        counter_modulus=15,
        largest_data_id=0xFFFF,
        protect=e2e.p01.e2e_p01_protect,
        check=e2e.p01.e2e_p01_check,
        data_id_modes={
            "both": e2e.p01.E2E_P01_DATAID_BOTH,
            "alternating": e2e.p01.E2E_P01_DATAID_ALT,
            "low": e2e.p01.E2E_P01_DATAID_LOW,
            "nibble": e2e.p01.E2E_P01_DATAID_NIBBLE,
        },
    ),
    2: Profile(
        header_bytes=2,
        counter_at=1,
        counter_bytes=1,
        counter_mask=0x0F,
        counter_modulus=16,
        largest_data_id=0,
        protect=e2e.p02.e2e_p02_protect,
        check=e2e.p02.e2e_p02_check,
        takes_id_list=True,
        takes_offset=False,
    ),
    4: Profile(
        header_bytes=12,
        counter_at=2,
        counter_bytes=2,
        counter_mask=0xFFFF,
        counter_modulus=1 << 16,
        largest_data_id=0xFFFFFFFF,
        protect=e2e.p04.e2e_p04_protect,
        check=e2e.p04.e2e_p04_check,
    ),
    5: Profile(
        header_bytes=3,
        counter_at=2,
        counter_bytes=1,
        counter_mask=0xFF,
        counter_modulus=256,
        largest_data_id=0xFFFF,
        protect=e2e.p05.e2e_p05_protect,
        check=e2e.p05.e2e_p05_check,
    ),
    6: Profile(
        header_bytes=5,
        counter_at=4,
        counter_bytes=1,
        counter_mask=0xFF,
        counter_modulus=256,
        largest_data_id=0xFFFF,
        protect=e2e.p06.e2e_p06_protect,
        check=e2e.p06.e2e_p06_check,
    ),
    7: Profile(
        header_bytes=20,
        counter_at=12,
        counter_bytes=4,
        counter_mask=0xFFFFFFFF,
        counter_modulus=1 << 32,
        largest_data_id=0xFFFFFFFF,
        protect=e2e.p07.e2e_p07_protect,
        check=e2e.p07.e2e_p07_check,
    ),
    11: Profile(
        header_bytes=2,
        counter_at=1,
        counter_bytes=1,
        counter_mask=0x0F,
        counter_modulus=15,
        largest_data_id=0xFFFF,
        protect=e2e.p11.e2e_p11_protect,
        check=e2e.p11.e2e_p11_check,
        data_id_modes={
            "both": e2e.p11.E2E_P11_DATAID_BOTH,
            "nibble": e2e.p11.E2E_P11_DATAID_NIBBLE,
        },
    ),
}


class E2eReceiver:
    """Checks the frames of one message, in the order of their arrival."""

    def __init__(self, protection: E2eProtection, *, length: int, restart_after_s: float) -> None:
        """`length`: of the message, bytes. `restart_after_s`: silence after which any counter is a new start."""
        self._protection = protection
        self._profile = PROFILES[protection.profile]
        self._length = length
        self._restart_after_s = restart_after_s
        self._options = _options(protection)
        self._counter: int | None = None
        self._seen_at = float("-inf")
        self._window = 0
        self._window_mask = (1 << 3 * protection.threshold) - 1
        self._reported = False
        self.failures = 0

    def check(self, data: bytes, at: float) -> str | None:
        """Return None for a good frame, else why its content must not be used."""
        failure = self._failure(data, at)
        self._window = (self._window << 1 | (failure is not None)) & self._window_mask
        self.failures += failure is not None
        if self._window == 0:
            self._reported = False
        return failure

    def threshold_reached(self) -> bool:
        """Return True once for each time that the failures come to the threshold."""
        if self._reported or self._window.bit_count() < self._protection.threshold:
            return False
        self._reported = True
        return True

    def _failure(self, data: bytes, at: float) -> str | None:
        if len(data) != self._length:
            return WRONG_LENGTH
        if not self._profile.check(
            bytearray(data), self._protection.data_id, length=self._length, **self._options
        ):
            return CRC_WRONG
        counter = self._read_counter(data)
        before, silent_s = self._counter, at - self._seen_at
        self._counter, self._seen_at = counter, at
        if before is None or silent_s > self._restart_after_s:
            return None
        delta = (counter - before) % self._profile.counter_modulus
        if delta == 0:
            return REPEATED
        return None if delta <= self._protection.max_counter_delta else COUNTER_WRONG

    def _read_counter(self, data: bytes) -> int:
        start = self._protection.offset_bytes + self._profile.counter_at
        return (
            int.from_bytes(data[start : start + self._profile.counter_bytes], "big")
            & self._profile.counter_mask
        )


class E2eSender:
    """Protects the frames of one message; the counter goes on with each frame."""

    def __init__(self, protection: E2eProtection) -> None:
        self._protection = protection
        self._profile = PROFILES[protection.profile]
        self._options = _options(protection)
        self._last = b""

    def protect(self, data: bytes) -> bytes:
        """Return the frame with the next counter and its CRC."""
        frame = bytearray(data)
        start = self._protection.offset_bytes + self._profile.counter_at
        if self._last:
            field = slice(start, start + self._profile.counter_bytes)
            keep = int.from_bytes(frame[field], "big") & ~self._profile.counter_mask
            counter = int.from_bytes(self._last[field], "big") & self._profile.counter_mask
            frame[field] = (keep | counter).to_bytes(self._profile.counter_bytes, "big")
        self._profile.protect(frame, self._protection.data_id, length=len(frame), **self._options)
        self._last = bytes(frame)
        return self._last


def _options(protection: E2eProtection) -> dict[str, int]:
    profile = PROFILES[protection.profile]
    options = {"offset": protection.offset_bytes} if profile.takes_offset else {}
    if profile.data_id_modes:
        options["data_id_mode"] = profile.data_id_modes[protection.data_id_mode]
    return options
