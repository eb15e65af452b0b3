"""Signs what leaves the vehicle."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_agent.core.effects import Said
from tcu_agent.errors import BugError
from tcu_agent.ports import Signer
from tcu_agent.protocol import codec, cose
from tcu_agent.protocol.messages import Challenge, Event, Position, Refusal, Result


@dataclass(frozen=True, slots=True)
class Signed:
    """One message, ready for the broker. `expiry_s`: useless after that long, None = never.

    `request_id`: the request that it belongs to, if any.
    """

    topic_type: str
    data: bytes
    expiry_s: int | None = None
    request_id: bytes | None = None


class Notary:
    """Makes signed messages of one environment with the vehicle's key."""

    def __init__(self, *, signer: Signer, environment: str) -> None:
        self._signer = signer
        self._environment = environment

    def sign(self, message: Said | Position, *, expiry_s: int | None = None) -> Signed:
        """Return the signed message; of positions only those that say that there is none (no fix).

        Raises:
            BugError: any other; a position with a fix is signed as it was stored (`sign_position`).
            KeyStoreError: the key cannot be used now.
        """
        if not isinstance(message, Said) and message.sealed is not None:
            raise BugError("a position with a fix that nobody has stored")
        unsigned = codec.prepare(
            message, kid=self._signer.kid, alg=self._signer.alg, environment=self._environment
        )
        return Signed(
            topic_type=codec.topic_type(type(message)),
            data=self._finished(unsigned),
            expiry_s=expiry_s,
            request_id=_request_of(message),
        )

    def sign_position(self, payload: bytes) -> Signed:
        """Return a stored position, signed.

        Raises:
            KeyStoreError: the key cannot be used now.
        """
        unsigned = cose.prepare(
            typ=codec.typ_of(Position),
            payload=payload,
            alg=self._signer.alg,
            kid=self._signer.kid,
            environment=self._environment,
        )
        return Signed(codec.topic_type(Position), self._finished(unsigned))

    def _finished(self, unsigned: cose.Unsigned) -> bytes:
        return unsigned.assemble(self._signer.sign(unsigned.signing_input))


def _request_of(message: Said | Position) -> bytes | None:
    match message:
        case Challenge() | Result():
            return message.common.request_id
        case Event() | Refusal():
            return message.request_id
        case _:
            return None
