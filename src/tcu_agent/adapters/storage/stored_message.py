"""How outbox messages lie in the store: the payload bytes of the protocol, and which of the two they are."""

from __future__ import annotations

from typing import Literal

from tcu_agent.errors import MalformedError, StorageError
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Event, Result

Kind = Literal["result", "event"]


def pack(message: Result | Event) -> tuple[Kind, bytes]:
    """Return which message it is, and its payload bytes."""
    return ("result" if isinstance(message, Result) else "event"), codec.encode(message)


def unpack(kind: str, payload: bytes) -> Result | Event:
    """Return the message again.

    Raises:
        StorageError: no such kind, or bytes that the protocol does not know.
    """
    try:
        match kind:
            case "result":
                return codec.decode(Result, payload)
            case "event":
                return codec.decode(Event, payload)
            case _:
                raise StorageError(f"a stored message of the unknown kind {kind!r}")
    except MalformedError as error:
        raise StorageError(f"a stored {kind} cannot be read: {error}") from error
