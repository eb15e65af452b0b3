"""A unix socket that takes one command a line and answers each with one line.

The answer begins with ``ok`` or ``error``; what follows ``ok`` is the command's own (text or JSON).
Try it with ``socat - UNIX-CONNECT:PATH``. The socket belongs to its owner alone (mode 0600).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tcu_sim.control.words import LINE_LIMIT
from tcu_sim.errors import BadInput, SimulatorError

Handler = Callable[[str], Awaitable[str]]


async def answer_line(handler: Handler, line: str) -> str:
    """Return the answer to one line; an error of the simulator's tree becomes its text."""
    try:
        said = await handler(line)
    except SimulatorError as error:
        return f"error {error}"
    return f"ok {said}".rstrip()


@asynccontextmanager
async def serve_commands(path: Path, handler: Handler) -> AsyncIterator[None]:
    """Serve the socket while the context lasts; a connection's commands run one after another.

    Raises:
        BadInput: the path cannot be used, or another process answers there.
    """
    _clear_stale(path)
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio calls this in a task of its own
        conversations.add(task)
        task.add_done_callback(conversations.discard)
        await _converse(reader, writer, handler)

    listener = _listen(path)
    server = await asyncio.start_unix_server(converse, sock=listener, limit=2 * LINE_LIMIT)
    try:
        yield
    finally:
        server.close()
        for task in list(conversations):
            task.cancel()
        _remove(path)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise BadInput(f"{path}: cannot serve commands here: {error.strerror or error}") from error
    return listener


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()


def _clear_stale(path: Path) -> None:
    """A socket that nobody answers was left by a process that was killed."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise BadInput(f"{path}: another process answers there; end it or choose another path")


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler
) -> None:
    with suppress(ConnectionError, asyncio.CancelledError):
        while line := await _read_line(reader):
            answer = await answer_line(handler, line)
            writer.write(answer.encode() + b"\n")
            await writer.drain()
    writer.close()


async def _read_line(reader: asyncio.StreamReader) -> str:
    """Return the next line, or an empty string at the end.

    Bytes that are no text become marks, refused later.
    """
    try:
        return (await reader.readline()).decode(errors="replace")
    except ValueError:
        # asyncio has thrown the overlong line's beginning away; what follows cannot be told from a
        # command
        return ""
