"""One node behind a pseudo terminal, with a name in the file system.

What a pty does, and what follows from it (measured on Linux 6):

- A new pty echoes and edits lines. It is set raw before a node can open it, and stays raw while the
  hub holds its end.
- While no node has it open, reading gives EIO and polling reports a hang-up without end. So the hub
  then stops listening and looks every `PRESENCE_POLL_S` whether somebody came; bytes written
  meanwhile wait in the kernel, none is lost.
- A node that dies without `C` leaves frames in the kernel's buffer. They are flushed, so that the
  next one starts clean.
- There is no flow control: about 20 kB fit into the kernel (some 900 frames), then the hub's own
  queue fills, then frames for this node are dropped and counted. The other nodes never wait.
- A pty has two ends. Two processes on one node's pty steal each other's bytes: give each its own
  node.

python-can's `slcan` on it: pass `sleep_after_open=0`, else each open waits 2 s; a channel path must
not contain `@` (it would be cut there for a baud rate); it reads byte by byte, some 10,000 frames/s
at most; `recv(0)` returns None for an answer of the hub too, so None does not mean "nothing left";
a vanished hub raises `CanOperationError` in `recv`.
"""

from __future__ import annotations

import asyncio
import os
import pty
import select
import termios
import tty
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from tcu_sim.bus.channel import ChannelState, SlcanChannel
from tcu_sim.bus.frame import Frame
from tcu_sim.bus.router import LinkCounters, Router
from tcu_sim.bus.slcan import encode_frame
from tcu_sim.errors import BadInput

PRESENCE_POLL_S: Final = 0.02
READ_BYTES: Final = 65536
WRITE_LINES: Final = 64
"""How many waiting lines one write takes at most."""


class PtyLink:
    """The hub's end of one node's pty."""

    def __init__(
        self, *, name: str, index: int, path: Path, queue_frames: int, router: Router
    ) -> None:
        """`path` becomes a symbolic link to the terminal.

        `queue_frames` bounds what waits for the node in the hub.
        """
        self.name = name
        self.path = path
        self.counters = LinkCounters()
        self._router = router
        self._queue_frames = queue_frames
        self._queue: deque[bytes] = deque()
        self._rest = b""
        self._channel = SlcanChannel(serial_number=f"{index:04d}")
        self._master = -1
        self._terminal = ""
        self._presence: asyncio.TimerHandle | None = None
        self._is_writing = False

    def open(self) -> None:
        """Make the terminal and its name.

        Raises:
            BadInput: the name is taken by a file that is no symbolic link, or cannot be made.
        """
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self._terminal = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._make_name()
        self._wait_for_node()

    def close(self) -> None:
        """Take the name away and hang up on the node."""
        if self._master < 0:
            return
        self._stop_listening()
        if self.path.is_symlink() and self.path.readlink() == Path(self._terminal):
            self.path.unlink()
        os.close(self._master)
        self._master = -1

    def deliver(self, frame: Frame) -> None:
        """Send a frame to the node if it has opened its channel."""
        if self._channel.state is ChannelState.CLOSED:
            return
        if len(self._queue) >= self._queue_frames:
            self.counters.lost_slow_reader += 1
            return
        self.counters.delivered += 1
        self._send(encode_frame(frame))

    def resume(self) -> None:
        """Listen to the node again after its transmit buffer was full."""
        if self._presence is None and self._master >= 0:
            asyncio.get_running_loop().add_reader(self._master, self._read)

    def _make_name(self) -> None:
        """Replace a link that a killed hub left behind; anything else is not ours to delete."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_symlink():
                self.path.unlink()
            self.path.symlink_to(self._terminal)
        except OSError as error:
            self.close()
            raise BadInput(f"{self.path}: cannot make the node's name: {error.strerror}") from error

    def _wait_for_node(self) -> None:
        self._presence = asyncio.get_running_loop().call_later(PRESENCE_POLL_S, self._look_for_node)

    def _look_for_node(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        seen = poll.poll(0)
        if seen and seen[0][1] & select.POLLHUP and not seen[0][1] & select.POLLIN:
            self._wait_for_node()
            return
        self._presence = None
        self.resume()

    def _read(self) -> None:
        try:
            data = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()
            return
        received = self._channel.receive(data)
        self.counters.garbage += received.garbage
        if received.answer:
            self._send(bytes(received.answer))
        for frame in received.frames:
            self._router.submit(self.name, frame)
        if self._router.is_full(self.name):
            asyncio.get_running_loop().remove_reader(self._master)

    def _hang_up(self) -> None:
        """The node is gone."""
        self.counters.hang_ups += 1
        self._stop_listening()
        self._queue.clear()
        self._rest = b""
        self._channel.reset()
        self._router.forget_waiting(self.name)
        with suppress(OSError):
            slave = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            termios.tcflush(slave, termios.TCIFLUSH)
            os.close(slave)
        self._wait_for_node()

    def _stop_listening(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._is_writing = False
        if self._presence is not None:
            self._presence.cancel()
            self._presence = None

    def _send(self, line: bytes) -> None:
        self._queue.append(line)
        if not self._is_writing:
            self._write()

    def _write(self) -> None:
        """Write as much as the kernel takes; the rest when it takes more."""
        while self._rest or self._queue:
            batch = self._rest or self._next_batch()
            try:
                written = os.write(self._master, batch)
            except BlockingIOError:
                written = 0
            except OSError:
                return  # the reader sees the same hang-up and clears up
            self._rest = batch[written:]
            if self._rest:
                break
        self._listen_for_room()

    def _next_batch(self) -> bytes:
        return b"".join(self._queue.popleft() for _ in range(min(len(self._queue), WRITE_LINES)))

    def _listen_for_room(self) -> None:
        wanted = bool(self._rest)
        loop = asyncio.get_running_loop()
        if wanted and not self._is_writing:
            loop.add_writer(self._master, self._write)
        elif self._is_writing and not wanted:
            loop.remove_writer(self._master)
        self._is_writing = wanted
