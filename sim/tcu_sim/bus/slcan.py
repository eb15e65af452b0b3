"""Frames as slcan spells them: LAWICEL ASCII, and for CAN FD the CANable 2.0 letters.

    t III L DD..         standard data frame, L = 0..8
    T IIIIIIII L DD..    extended data frame
    r III L              standard remote frame         R IIIIIIII L   extended
    d III L DD..         FD, standard, L = DLC 0..F    D IIIIIIII L   extended
    b, B                 as d, D with bit rate switch

without the blanks, hexadecimal, upper or lower case, ended by CR.

Source: LAWICEL CAN232 manual 3.0; python-can's `slcan` interface for the FD letters.
"""

from __future__ import annotations

import re
from typing import Final

from tcu_sim.bus.frame import FD_LENGTHS, Frame
from tcu_sim.errors import MalformedFrame

LINE_LIMIT: Final = 1 + 8 + 1 + 2 * 64
"""Longest line of a frame in bytes, without CR: extended, FD, 64 bytes of data."""

_FRAME = re.compile(
    rb"(?:(?P<short>[trdb])(?P<standard>[0-9A-Fa-f]{3})|(?P<long>[TRDB])(?P<extended>[0-9A-Fa-f]{8}))"
    rb"(?P<dlc>[0-9A-Fa-f])(?P<data>(?:[0-9A-Fa-f]{2})*)"
)


def encode_frame(frame: Frame) -> bytes:
    """Return the frame's line with its CR, in upper case as python-can sends it."""
    letter = _letter(frame)
    length = FD_LENGTHS.index(len(frame.data)) if frame.remote_dlc is None else frame.remote_dlc
    if frame.is_extended_id:
        head = f"{letter.upper()}{frame.arbitration_id:08X}{length:X}"
    else:
        head = f"{letter}{frame.arbitration_id:03X}{length:X}"
    return f"{head}{frame.data.hex().upper()}\r".encode()


def _letter(frame: Frame) -> str:
    if frame.remote_dlc is not None:
        return "r"
    if frame.is_fd:
        return "b" if frame.bitrate_switch else "d"
    return "t"


def decode_frame(line: bytes) -> Frame:
    """Return the frame that a line (without its CR) spells.

    Raises:
        MalformedFrame: not a frame, an identifier out of range, or a length that does not fit the
            data.
    """
    match = _FRAME.fullmatch(line)
    if match is None:
        raise MalformedFrame(f"not an slcan frame: {line[:32]!r}")
    letter = (match["short"] or match["long"]).lower()
    dlc, data = int(match["dlc"], 16), bytes.fromhex(match["data"].decode())
    try:
        return _frame(
            letter,
            int(match["standard"] or match["extended"], 16),
            match["long"] is not None,
            dlc,
            data,
        )
    except ValueError as error:
        raise MalformedFrame(str(error)) from error


def _frame(letter: bytes, arbitration_id: int, extended: bool, dlc: int, data: bytes) -> Frame:
    """Build the frame; ValueError when length and data contradict each other."""
    if letter == b"r":
        if data:
            raise ValueError("a remote frame has no data")
        return Frame(arbitration_id=arbitration_id, is_extended_id=extended, remote_dlc=dlc)
    is_fd = letter in b"db"
    if (FD_LENGTHS[dlc] if is_fd else dlc) != len(data):
        raise ValueError(f"DLC {dlc:X} does not fit {len(data)} bytes")
    return Frame(
        arbitration_id=arbitration_id,
        data=data,
        is_extended_id=extended,
        is_fd=is_fd,
        bitrate_switch=letter == b"b",
    )
