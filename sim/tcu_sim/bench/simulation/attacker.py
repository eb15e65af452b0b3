"""Somebody in the broker: knows everything published so far, publishes at will, and may have stolen one key.

With the command key he signs grants of his own around evidence that he has recorded; with the PIN key he signs
evidence, but has nobody to sign the grant. Evidence of his making never enters the centre's ledger, so the judge allows
nothing on the strength of it. With the command key he can also use up all numbers that its requests may have: that key
is of no use any more then, but the car must still be there for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tcu_sim.bench.broker import InMemoryBroker, Publication
from tcu_sim.bench.light_centre import LightCentre, seeded_key
from tcu_sim.bench.operator import unlock_parameters
from tcu_sim.wire import messages as m
from tcu_sim.wire.envelope import assemble, open_signed, payload_of, sign, signing_input
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import SigningKey
from tcu_sim.wire.numbers import Role, Service

STORM = 30
HIGHEST_SEQ = 2**53 - 1
"""Source: docs/protocol.cddl, request."""
SEALED = "position"
"""Left alone: the only bytes that differ between two runs of a seed."""


class Attacker:
    """`grants`: every grant that the centre has published, as bytes."""

    def __init__(
        self, *, broker: InMemoryBroker, centre: LightCentre, prefix: str, grants: list[bytes]
    ) -> None:
        self._broker = broker
        self._centre = centre
        self._prefix = prefix
        self._grants = grants
        self._own = seeded_key("attacker")
        self._spent: set[bytes] = set()
        """Kids of command keys of which the car takes no request any more."""
        self._ways: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "replay": self._replay,
            "retained": self._retained,
            "flip": self._flip,
            "storm": self._storm,
            "mix": self._mix,
            "forge": self._forge,
            "pin-key": self._pin_key,
            "spend": self._spend,
        }

    def attack(self, of: Mapping[str, Any]) -> None:
        """Do it, if there is anything yet that it needs."""
        self._ways[of["how"]](of)

    @property
    def has_spent_the_key(self) -> bool:
        """Whether the centre has to change its command key before the car listens to a request again."""
        return self._centre.keys[Role.COMMAND].public.kid in self._spent

    def _replay(self, of: Mapping[str, Any]) -> None:
        if found := self._recorded(of["which"]):
            self._publish(_word(found), found.payload)

    def _retained(self, of: Mapping[str, Any]) -> None:
        if found := self._recorded(of["which"]):
            self._publish(_word(found), found.payload, retain=True)

    def _flip(self, of: Mapping[str, Any]) -> None:
        if found := self._recorded(of["which"]):
            spoilt, bit = bytearray(found.payload), of["bit"] % (8 * len(found.payload))
            spoilt[bit // 8] ^= 1 << bit % 8
            self._publish(_word(found), bytes(spoilt))

    def _storm(self, of: Mapping[str, Any]) -> None:
        for number in range(STORM):
            if found := self._recorded(of["which"] + number * (1 + of["other"] % 7)):
                self._publish(_word(found), found.payload)

    def _mix(self, of: Mapping[str, Any]) -> None:
        """The command key is stolen: one grant's head on another one's evidence, or parameters, or approval."""
        if not self._grants:
            return
        head, body = self._grant(of["which"]), self._grant(of["other"])
        if head is None or body is None:
            return
        part = ("evidence", "approval", "parameters", "max_age_s")[of["bit"] % 4]
        try:
            mixed = self._signed(replace(head, **{part: getattr(body, part)}), Role.COMMAND)
        except WireError:  # not even the simulator's encoder writes such a thing
            return
        self._publish("grant", mixed)

    def _forge(self, of: Mapping[str, Any]) -> None:
        """The command key is stolen: evidence by nobody, by the wrong role, or under the PIN authority's name."""
        if request_id := self._challenged(of["which"]):
            keys = self._centre.keys
            grant = self._made_up(
                request_id,
                key=keys[Role.COMMAND] if of["bit"] % 3 == 1 else self._own,
                name=keys[Role.PIN_AUTHORITY] if of["bit"] % 3 == 2 else None,
            )
            self._publish("grant", self._signed(grant, Role.COMMAND))

    def _pin_key(self, of: Mapping[str, Any]) -> None:
        """The PIN key is stolen: good evidence, but nobody to sign the grant."""
        if request_id := self._challenged(of["which"]):
            pin_key = self._centre.keys[Role.PIN_AUTHORITY]
            grant = self._made_up(request_id, key=pin_key)
            key = self._own if of["bit"] % 2 else pin_key
            self._publish("grant", sign(grant, key, self._centre.environment))

    def _spend(self, of: Mapping[str, Any]) -> None:
        """The command key is stolen: a request with the highest seq there is, or one below."""
        key = self._centre.keys[Role.COMMAND]
        request = m.Request(
            vehicle_id=self._centre.vehicle_id,
            service=Service.UNLOCK,
            request_id=self._centre.new_id(),
            seq=HIGHEST_SEQ - of["bit"] % 2,
            incident_id=self._centre.new_id(),
            parameters=unlock_parameters(),
        )
        self._spent.add(key.public.kid)
        self._publish("request", sign(request, key, self._centre.environment))

    def _made_up(
        self, request_id: bytes, *, key: SigningKey, name: SigningKey | None = None
    ) -> m.Grant:
        """A grant with evidence signed by `key`, under the key id of `name` if that is given."""
        challenge = self._centre.heard.challenges[request_id]
        request = self._centre.requests[request_id]
        said, environment = challenge.message, self._centre.environment
        common = {
            word: getattr(said, word)
            for word in ("vehicle_id", "service", "request_id", "nonce", "boot_id")
        }
        evidence = payload_of(
            m.Evidence(
                **common, challenge_hash=challenge.hash, pin_session_id=bytes(16), pin_age_s=0
            )
        )
        public = (name or key).public
        to_sign = signing_input(
            evidence, typ=m.Evidence.TYP, public=public, environment=environment
        )
        approval = m.Approval(**common, challenge_hash=challenge.hash, case_id=request.incident_id)
        is_position = request.service is Service.POSITION
        return m.Grant(
            **common,
            evidence=assemble(
                evidence, typ=m.Evidence.TYP, public=public, signature=key.sign(to_sign)
            ),
            # A theft desk that is in it too: the evidence alone stands between him and the position.
            approval=sign(approval, self._centre.keys[Role.THEFT_DESK], environment)
            if is_position
            else None,
            parameters=request.parameters,
            max_age_s=120,
        )

    def _challenged(self, which: int) -> bytes | None:
        """A request for unlock or position whose challenge is known; one of the last ones, as those may still live."""
        ids = [
            request_id
            for request_id in self._centre.heard.challenges
            if (asked := self._centre.requests.get(request_id)) is not None  # else it was his own
            and asked.service in {Service.UNLOCK, Service.POSITION}
        ][-3:]
        return ids[which % len(ids)] if ids else None

    def _grant(self, which: int) -> m.Grant | None:
        data = self._grants[which % len(self._grants)]
        try:
            public = self._centre.keys[Role.COMMAND].public
            return open_signed(data, m.Grant, public, self._centre.environment).message
        except WireError:  # signed with a key that has been rotated since
            return None

    def _signed(self, grant: m.Grant, role: Role) -> bytes:
        return sign(grant, self._centre.keys[role], self._centre.environment)

    def _recorded(self, which: int) -> Publication | None:
        seen = [each for each in self._broker.seen if _word(each) != SEALED]
        return seen[which % len(seen)] if seen else None

    def _publish(self, word: str, data: bytes, *, retain: bool = False) -> None:
        self._broker.publish(f"{self._prefix}/down/{word}", data, retain=retain)


def _word(publication: Publication) -> str:
    return publication.topic.rsplit("/", 1)[-1]
