"""One CAN frame, as a value, and how long it occupies the wire."""

from __future__ import annotations

from dataclasses import dataclass

STANDARD_ID_LIMIT = 0x7FF
EXTENDED_ID_LIMIT = 0x1FFF_FFFF
FD_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
"""Data lengths of CAN FD in bytes, by DLC (ISO 11898-1, table of the data length codes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A data or remote frame.

    `data` is 0..8 bytes, with `is_fd` one of `FD_LENGTHS`. `remote_dlc` makes it a remote frame
    that asks for so many bytes (0..8) and has no data of its own.

    Raises:
        ValueError: the identifier, the length or the combination does not exist on CAN.
    """

    arbitration_id: int
    data: bytes = b""
    is_extended_id: bool = False
    is_fd: bool = False
    bitrate_switch: bool = False
    remote_dlc: int | None = None

    def __post_init__(self) -> None:
        limit = EXTENDED_ID_LIMIT if self.is_extended_id else STANDARD_ID_LIMIT
        if not 0 <= self.arbitration_id <= limit:
            raise ValueError(f"arbitration id {self.arbitration_id:#x} is above {limit:#x}")
        allowed = len(self.data) in FD_LENGTHS if self.is_fd else len(self.data) <= 8
        if not allowed:
            raise ValueError(f"no frame has {len(self.data)} bytes of data here")
        if self.remote_dlc is not None and (
            self.data or self.is_fd or not 0 <= self.remote_dlc <= 8
        ):
            raise ValueError("a remote frame has no data, asks for 0..8 bytes, and is never FD")

    @property
    def arbitration_key(self) -> tuple[int, bool, int]:
        """Sort key of arbitration: the smallest wins.

        The 11 leading bits are compared first; a standard frame beats an extended one with the same
        leading bits.
        """
        leading = self.arbitration_id >> 18 if self.is_extended_id else self.arbitration_id
        return leading, self.is_extended_id, self.arbitration_id


@dataclass(frozen=True, slots=True)
class BitRate:
    """Speed of the bus in bit/s.

    `data_bps` holds for the data phase of FD frames with bit rate switch.
    """

    nominal_bps: int
    data_bps: int

    def duration_s(self, frame: Frame) -> float:
        """Return how many seconds the frame occupies the wire, worst-case stuff bits included.

        Source: ISO 11898-1; classic worst case as in the usual schedulability analysis (Davis et
            al. 2007): 34 (54 extended) stuffable bits plus data, one stuff bit after every four, 13
            bits that are never stuffed. FD frames: the arbitration part at the nominal rate, data
            and CRC (17 or 21 bits, fixed stuff bits) at the data rate.
        """
        if frame.is_fd:
            return self._fd_duration_s(frame)
        stuffable = (54 if frame.is_extended_id else 34) + 8 * len(frame.data)
        return (stuffable + (stuffable - 1) // 4 + 13) / self.nominal_bps

    def _fd_duration_s(self, frame: Frame) -> float:
        """Arbitration, control and end of frame at one rate, the data phase at the other."""
        head_bits = (36 if frame.is_extended_id else 17) * 5 // 4 + 12 + 3
        crc_bits = 17 if len(frame.data) <= 16 else 21
        payload_bits = (8 + 8 * len(frame.data)) * 5 // 4
        data_bits = payload_bits + 4 + crc_bits + (crc_bits + 4) // 4
        rate_bps = self.data_bps if frame.bitrate_switch else self.nominal_bps
        return head_bits / self.nominal_bps + data_bits / rate_bps
