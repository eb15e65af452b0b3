"""How long a frame may be for the message that it carries.

A DBC gives each message one length. A classic frame has exactly that; CAN FD knows only some lengths above 8 bytes, so
an FD frame has the next one that there is, and what is behind the message is padding, which no CRC covers.

Source: ISO 11898-1, 8.4.2.4 (data length code).
"""

from __future__ import annotations

from tcu_agent.ports import CanFrame

FD_LENGTHS: tuple[int, ...] = (*range(9), 12, 16, 20, 24, 32, 48, 64)


def padded_length(length: int) -> int:
    """Return the length of the FD frame that carries so many bytes, 0..64."""
    return next(each for each in FD_LENGTHS if each >= length)


def message_in(frame: CanFrame, length: int) -> bytes | None:
    """Return the message of so many bytes that the frame carries, or None: its length is another message's."""
    if len(frame.data) == length:
        return frame.data
    if frame.is_fd and length < len(frame.data) == padded_length(length):
        return frame.data[:length]
    return None
