"""Someone who has broken into the centre and copied keys: he can sign whatever those keys can sign.

The demo uses him to make messages that are perfect in all but one thing, and to show what one stolen key is worth.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcu_sim.centre.proof import CommonFields, common_of
from tcu_sim.demo.attacker import with_flipped_bit
from tcu_sim.pki.files import read_signing_key
from tcu_sim.pki.layout import Layout
from tcu_sim.wire import messages as m
from tcu_sim.wire import parameters as p
from tcu_sim.wire.envelope import Verified, look, read, sign
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Service

MAX_AGE_S = 120


@dataclass(frozen=True, slots=True)
class Overheard:
    """A request and the car's challenge to it, as they passed the broker."""

    request: m.Request
    challenge: Verified[m.Challenge]


def overhear(request: bytes, challenge: bytes) -> Overheard:
    """Read both; whoever listens on the broker can."""
    asked, answered = look(request), look(challenge)
    message = read(answered, m.Challenge)
    return Overheard(read(asked, m.Request), Verified(message, answered.payload))


class Burglar:
    """Holds copies of the services' signing keys."""

    def __init__(self, layout: Layout, environment: str) -> None:
        self._keys = {
            name: read_signing_key(layout.service(name) / "signing.pem")
            for name in ("command", "pin", "desk")
        }
        self._environment = environment

    def grant(
        self,
        overheard: Overheard,
        *,
        evidence_by: str = "pin",
        evidence_is_spoilt: bool = False,
        approval_by: str = "desk",
        parameters: p.Parameters | None = None,
    ) -> bytes:
        """Return a grant with evidence (and approval) signed by the named services' keys.

        `evidence_is_spoilt`: the evidence names that key and does not bear its signature.
        """
        request = overheard.request
        evidence = self._evidence(overheard, self._keys[evidence_by])
        is_position = request.service is Service.POSITION
        return self._sign(
            m.Grant(
                **_common(overheard),
                evidence=with_flipped_bit(evidence) if evidence_is_spoilt else evidence,
                approval=self._approval(overheard, self._keys[approval_by])
                if is_position
                else None,
                parameters=parameters or request.parameters,
                max_age_s=MAX_AGE_S,
            ),
            self._keys["command"],
        )

    def _evidence(self, overheard: Overheard, key: SigningKey) -> bytes:
        evidence = m.Evidence(
            **_common(overheard),
            challenge_hash=overheard.challenge.hash,
            pin_session_id=bytes(16),
            pin_age_s=0,
        )
        return self._sign(evidence, key)

    def _approval(self, overheard: Overheard, key: SigningKey) -> bytes:
        approval = m.Approval(
            **_common(overheard),
            challenge_hash=overheard.challenge.hash,
            case_id=overheard.request.incident_id,
        )
        return self._sign(approval, key)

    def _sign(self, message: m.Message, key: SigningKey) -> bytes:
        return sign(message, key, self._environment)


def _common(overheard: Overheard) -> CommonFields:
    return common_of(overheard.challenge.message)
