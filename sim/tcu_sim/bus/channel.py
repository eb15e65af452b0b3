"""One node's side of the LAWICEL dialogue: bytes in, frames and answers out. No I/O.

Commands are answered with CR, refusals with BEL, as an adapter does. Three answers are milder than
the manual's, because python-can needs it: `C` while closed, `O` while open and an empty line are no
mistakes (its `set_bitrate` sends C, S6, an empty line, O). Accepted frames are not acknowledged:
python-can does not look at the acknowledgement, but a loop that drains with `recv(0)` until it gets
None would stop at each of them.

Source: LAWICEL CAN232 manual 3.0; python-can's `slcan` interface; CANable 2.0 firmware for `Y`
    (data bit rate).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final

from tcu_sim.bus.frame import Frame
from tcu_sim.bus.slcan import LINE_LIMIT, decode_frame
from tcu_sim.errors import MalformedFrame

CR: Final = b"\r"
BEL: Final = b"\a"
FRAME_LETTERS: Final = frozenset(b"tTrRdDbB")


@unique
class ChannelState(Enum):
    """What the node has told its adapter to be."""

    CLOSED = "closed"
    OPEN = "open"
    LISTEN_ONLY = "listen-only"


@dataclass(slots=True)
class Received:
    """What some bytes of a node contained."""

    frames: list[Frame] = field(default_factory=list)
    answer: bytearray = field(default_factory=bytearray)
    garbage: int = 0
    """How many lines were refused."""


class SlcanChannel:
    """The adapter that one node believes to speak with."""

    def __init__(self, *, serial_number: str) -> None:
        """`serial_number`: four characters, the answer to ``N``."""
        self.state = ChannelState.CLOSED
        self._serial_number = serial_number
        self._buffer = bytearray()
        self._overlong = False

    def reset(self) -> None:
        """The node is gone: forget half a line, and close."""
        self.state = ChannelState.CLOSED
        self._buffer.clear()
        self._overlong = False

    def receive(self, data: bytes) -> Received:
        """Take bytes as they came; a line may arrive in pieces. Never raises."""
        received = Received()
        self._buffer += data
        *lines, rest = self._buffer.split(CR)
        for line in lines:
            self._take_line(bytes(line), received)
        self._buffer = rest
        if len(rest) > LINE_LIMIT:
            self._overlong = True
            rest.clear()
        return received

    def _take_line(self, line: bytes, received: Received) -> None:
        refused = self._overlong or len(line) > LINE_LIMIT
        self._overlong = False
        if not refused and line[:1] and line[0] in FRAME_LETTERS:
            refused = not self._take_frame(line, received)
        elif not refused:
            answer = self._command(line)
            refused = answer is None
            received.answer += answer or b""
        if refused:
            received.garbage += 1
            received.answer += BEL

    def _take_frame(self, line: bytes, received: Received) -> bool:
        """Accept a frame to transmit, or say no: closed, listening only, malformed."""
        if self.state is not ChannelState.OPEN:
            return False
        try:
            received.frames.append(decode_frame(line))
        except MalformedFrame:
            return False
        return True

    def _command(self, line: bytes) -> bytes | None:
        """Return the answer; None refuses."""
        match line[:1], line[1:]:
            case (b"", b""):
                return CR
            case (b"O", b""):
                self.state = ChannelState.OPEN
            case (b"L", b""):
                self.state = ChannelState.LISTEN_ONLY
            case (b"C", b""):
                self.state = ChannelState.CLOSED
            case (b"S" | b"s" | b"Y" | b"M" | b"m", setting):
                return self._setting(setting)
            case (b"Z" | b"X", b"0"):
                return CR
            case query:
                return self._query(*query)
        return CR

    def _setting(self, value: bytes) -> bytes | None:
        """Bit rate and filter are taken while closed; the hub's rate holds, all frames pass."""
        accepted = self.state is ChannelState.CLOSED and value.isalnum()
        return CR if accepted else None

    def _query(self, letter: bytes, rest: bytes) -> bytes | None:
        if rest:
            return None
        answers = {
            b"V": b"V1013\r",
            b"v": b"v1013\r",
            b"N": b"N" + self._serial_number.encode() + CR,
            b"F": b"F00\r",
        }
        return answers.get(letter)
