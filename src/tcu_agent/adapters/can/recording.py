"""Reads CAN recordings, also damaged ones: keeps every frame before the damage, and says what and where it is.

Any format that python-can reads, compressed with gzip or not. candump text is read line by line, so that one bad line
costs one line.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import can
from can.io.canutils import CanutilsLogReader
from can.io.generic import MessageReader

from tcu_agent.errors import RecordingError
from tcu_agent.ports import CanFrame

_CANDUMP_LINE = re.compile(r"\(\d+(\.\d+)?\)\s+\S+\s+[0-9A-Fa-f]+#")
_USUAL_LINE = re.compile(
    r"\((\d+\.\d+)\) (\S+) ([0-9A-Fa-f]{3}|[0-9A-Fa-f]{8})#((?:[0-9A-Fa-f]{2}){0,8})\n"
)
_STANDARD_DIGITS = 3
_LARGEST_ID = {False: 0x7FF, True: 0x1FFF_FFFF}
_CANDUMP_ID = re.compile(r"\s([0-9A-Fa-f]+)#(#[0-9A-Fa-f])?([0-9A-Fa-f]*)")
_BLF = b"LOGG"
_LONGEST_LINE = 8192
"""Characters; a CAN XL frame of 2048 bytes takes about half of it."""
_NO_FORMAT = "No read support for"
"""Of what python-can says of a file whose ending it does not know."""
_OTHER_LOG = "; a .log is what candump -L writes: (TIME) CHANNEL ID#DATA"
"""Of a text with a usual name that is no recording at all."""
_STREAM_ERRORS = (EOFError, OSError, zlib.error)


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a recording, and where: a line, or a number of frames."""

    what: str
    where: str


class Recording:
    """The frames of one file, in its order. `truncated` and `damaged_lines` are complete after the last frame."""

    def __init__(self, file: Path, *, channel: str | None = None) -> None:
        """`channel`: only frames of this channel, as the recording spells it.

        Raises:
            RecordingError: the file cannot be read, or is in no known format.
        """
        self.file = file
        self.truncated: Damage | None = None
        self.damaged_lines = 0
        self._channel = channel
        self._found = self._candump() if _is_candump(file) else self._any_format(_open_reader(file))

    def __iter__(self) -> Iterator[CanFrame]:
        """Yield the frames; `timestamp_s` is the recording's own.

        Raises:
            RecordingError: there is no frame in it at all, or none of the channel.
        """
        channels: set[str] = set()
        for name, frame in self._found:
            if name not in channels:
                channels.add(name)
            if self._channel is None or name == self._channel:
                yield frame
        if not channels:
            raise RecordingError(self._why_empty(), where=str(self.file))
        if self._channel is not None and self._channel not in channels:
            raise RecordingError(
                f"holds no frame of channel {self._channel!r}",
                where=str(self.file),
                hint=f"its channels: {', '.join(sorted(channels))}",
            )

    def _why_empty(self) -> str:
        if self.truncated:
            hint = _OTHER_LOG if self.file.suffix == ".log" else ""
            return f"holds no frame that can be read: {self.truncated.what}{hint}"
        if self.damaged_lines:
            lines = f"{self.damaged_lines} lines, none of them a frame"
            return f"holds no frame that can be read: {lines}"
        return "holds no frame: it is empty"

    def _candump(self) -> Iterator[tuple[str, CanFrame]]:
        with _open_text(self.file) as text:
            lines = _Lines(text, self.file)
            while not lines.ended:
                try:
                    yield from _candump_frames(lines)
                except _CutOff:
                    self.damaged_lines += 1
                    lines.note(f"cut off in mid-frame: {lines.text.strip()[:60]!r}")
                except Exception as error:  # noqa: BLE001 -- the reader raises whatever it stumbles over
                    self.damaged_lines += 1
                    lines.note(f"no frame ({_one_line(error)}): {lines.text.strip()[:60]!r}")
            self.truncated = lines.damage_at_end()
            self.damaged_lines -= self.truncated is not None and not lines.stream_error

    def _any_format(self, reader: MessageReader) -> Iterator[tuple[str, CanFrame]]:
        count, messages = 0, iter(reader)
        with reader:
            while True:
                try:
                    message = next(messages, None)
                except Exception as error:  # noqa: BLE001 -- each format has errors of its own
                    self.truncated = Damage(
                        f"the recording breaks off: {_one_line(error)}", f"after frame {count}"
                    )
                    return
                if message is None:
                    self.truncated = self._missing_end(reader, count)
                    return
                count += 1
                yield str(message.channel), frame_of(message)

    def _missing_end(self, reader: MessageReader, count: int) -> Damage | None:
        """A BLF file says in its head how long it is; python-can's reader ends quietly where it is cut."""
        whole = reader.file_size if isinstance(reader, can.BLFReader) else 0
        there = self.file.stat().st_size
        if there >= whole:
            return None
        return Damage(
            f"the recording breaks off: {there} of {whole} bytes are there", f"after frame {count}"
        )


class _CutOff(Exception):
    """The last line ends in mid-frame."""


class _Lines(io.TextIOWrapper):
    """The lines of a candump file, for python-can's reader; knows the number of the last one."""

    def __init__(self, text: TextIO, file: Path) -> None:
        super().__init__(io.BytesIO())
        self.text = ""
        self.ended = False
        self.stream_error = False
        self._source = _lines_of(text)
        self._file = file
        self._number = 0
        self._noted: tuple[int, str] | None = None
        self._is_unread = False

    def unread(self) -> None:
        """Give the last line once more."""
        self._is_unread = True

    def __next__(self) -> str:  # type: ignore[override]  # TextIOWrapper itself overrides it so
        if self._is_unread:
            self._is_unread = False
            return self.text
        try:
            self.text = next(self._source)
        except StopIteration:
            self.ended = True
            raise
        except _STREAM_ERRORS as error:
            self.ended = self.stream_error = True
            self.note(f"the compressed file breaks off: {_one_line(error)}")
            raise StopIteration from error
        self._number += 1
        if not self.text.endswith("\n") and _is_cut(self.text, self._file):
            raise _CutOff
        return self.text

    def close(self) -> None:
        """The reader closes at the end of each try; the file goes on."""

    def note(self, what: str) -> None:
        self._noted = (self._number, what)

    def damage_at_end(self) -> Damage | None:
        """Return the damage if it is at the last line, where a recording is cut off."""
        if self._noted is None or self._noted[0] != self._number:
            return None
        return Damage(self._noted[1], f"line {self._number}")


def _candump_frames(lines: _Lines) -> Iterator[tuple[str, CanFrame]]:
    """Read the usual kind of line here, which is three times as quick, and leave all others to python-can."""
    while (text := next(lines, None)) is not None:
        found = _usual_line(text)
        if found is not None:
            yield found
            continue
        lines.unread()
        message = next(iter(CanutilsLogReader(lines)), None)
        if message is not None:
            yield str(message.channel), frame_of(message)


def _usual_line(text: str) -> tuple[str, CanFrame] | None:
    """Return channel and frame of a whole line with a classic data frame; None for anything else."""
    found = _USUAL_LINE.fullmatch(text)
    if found is None:
        return None
    at, channel, number, data = found.groups()
    arbitration_id, is_extended = int(number, 16), len(number) > _STANDARD_DIGITS
    if arbitration_id > _LARGEST_ID[is_extended] or channel.isdigit():
        return None
    frame = CanFrame(
        arbitration_id, bytes.fromhex(data), is_extended, False, False, False, float(at)
    )
    return channel, frame


def frame_of(message: can.Message) -> CanFrame:
    """Return python-can's message as the port's frame, with its own timestamp."""
    return CanFrame(
        message.arbitration_id,
        bytes(message.data),
        message.is_extended_id,
        message.is_fd,
        message.is_error_frame,
        message.is_remote_frame,
        message.timestamp,
    )


def _is_candump(file: Path) -> bool:
    try:
        with _open_text(file) as text:
            first = zip(_lines_of(text), range(20), strict=False)
            return any(_CANDUMP_LINE.match(line) for line, _ in first)
    except _STREAM_ERRORS as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise RecordingError(f"cannot be read: {error.strerror}", where=str(file)) from error
        return False


def _lines_of(text: TextIO) -> Iterator[str]:
    """Yield the lines; of one that no frame can need, its beginning alone, so that it counts as a damaged one."""
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            while (rest := text.readline(_LONGEST_LINE)) and not rest.endswith("\n"):
                pass
            line = f"{line[:60]} ...\n"
        yield line


def _open_text(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", errors="replace")
    return file.open(encoding="utf-8", errors="replace")


def _open_reader(file: Path) -> MessageReader:
    try:
        if file.suffix.lower() == ".blf" and not _begins_with(file, _BLF):
            raise ValueError("does not begin as a BLF file does")
        return can.LogReader(file)
    except Exception as error:
        what = f"is no recording that python-can can read: {_one_line(error)}"
        hint = ""
        if _NO_FORMAT in str(error):
            what = f"is no recording: its name ends in {file.suffix or 'nothing'!r}"
            hint = (
                "known: .log (candump), .asc, .blf, .csv, .db, .trc, .mf4 (with asammdf); also .gz"
            )
        raise RecordingError(what, where=str(file), hint=hint) from error


def _begins_with(file: Path, mark: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(mark)) == mark


def _is_cut(line: str, file: Path) -> bool:
    """Return whether a last line without a line end is cut: half a byte, or fewer bytes than that id had before."""
    found = _CANDUMP_ID.search(line)
    if found is None or len(found[3]) % 2:
        return True
    with _open_text(file) as text:
        before = [
            match[3]
            for one in _lines_of(text)
            if (match := _CANDUMP_ID.search(one)) and match[1] == found[1] and one != line
        ]
    return bool(before) and len(found[3]) < len(before[-1])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
