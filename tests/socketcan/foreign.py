"""can-utils: programs of others on the same bus."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.socketcan.bench import run

_LINE = re.compile(
    r"\((?P<stamp>[\d.]+)\) (?P<end>\S+) (?P<id>[0-9A-F]{8}|[0-9A-F]{3})#(?P<rest>\S*)"
)
WAIT_S = 60.0
MARKER = "7FE#AA"
"""Sent until candump shows that it listens."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """A frame as candump wrote it. `stamp_s`: wall clock; `data`: what stands behind the #, as ``R`` or ``1122``."""

    stamp_s: float
    interface: str
    number: str
    data: str

    @property
    def text(self) -> str:
        """As cansend takes it."""
        return f"{self.number}#{self.data}"


class Candump:
    """Everything that candump sees on any interface, error frames too, in a file and here."""

    def __init__(self, output: IO[str], file: Path) -> None:
        self._frames: list[Dumped] = []
        self._grew = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(output, file), daemon=True)
        self._thread.start()

    def mark(self) -> int:
        """Return a mark: what comes from now on stands behind it."""
        return len(self._frames)

    def since(self, mark: int, interface: str, number: str | None = None) -> list[Dumped]:
        """Return the frames behind the mark on one interface, perhaps only those with an identifier."""
        return [
            one
            for one in self._frames[mark:]
            if one.interface == interface and number in {None, one.number}
        ]

    def wait(self, enough: Callable[[], bool], *, timeout_s: float = WAIT_S) -> bool:
        """Return whether `enough` became true in time; it is asked after each frame."""
        with self._grew:
            return self._grew.wait_for(enough, timeout_s)

    def texts(self, mark: int, interface: str, count: int) -> list[str]:
        """Wait for `count` frames on an interface behind the mark and return them as cansend takes them."""
        self.wait(lambda: len(self.since(mark, interface)) >= count)
        return [one.text for one in self.since(mark, interface)]

    def join(self) -> None:
        """Wait for the end of candump's output."""
        self._thread.join(WAIT_S)

    def _read(self, output: IO[str], file: Path) -> None:
        with file.open("w", encoding="utf-8") as log:
            for line in output:
                log.write(line)
                log.flush()
                if (found := _LINE.match(line)) is not None:
                    with self._grew:
                        self._frames.append(
                            Dumped(float(found["stamp"]), found["end"], found["id"], found["rest"])
                        )
                        self._grew.notify_all()


@contextmanager
def candump(file: Path, marked_on: str) -> Iterator[Candump]:
    """Run candump on all interfaces, those that come later too; it is listening when the context begins."""
    with subprocess.Popen(
        ["candump", "-L", "-D", "-r", "4000000", "any,0:0,#FFFFFFFF"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        dump = Candump(process.stdout, file)
        try:
            while not dump.wait(lambda: dump.mark() > 0, timeout_s=0.2):
                cansend(marked_on, MARKER)
            yield dump
        finally:
            process.terminate()
            dump.join()


def cansend(interface: str, *frames: str) -> None:
    """Send frames, such as ``1A0#1122``."""
    for frame in frames:
        run("cansend", interface, frame)


@contextmanager
def babbling(interface: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A cangen that sends until the end of the context, or as `options` say."""
    with subprocess.Popen(["cangen", interface, *options]) as process:
        try:
            yield process
        finally:
            process.terminate()
