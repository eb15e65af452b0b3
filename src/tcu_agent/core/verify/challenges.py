"""The challenges that the car waits to see quoted.

RAM only: a restart forgets them all, and that is what keeps a recorded grant from acting a second
time (docs/protocol.md, "Challenges"). A live challenge is never evicted: who can fill the table
holds a command key, and who cannot sign cannot fill it. Dead ones are remembered for a while by
nonce, so that a late grant is told why (expired, generation changed, ...).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Challenge, Request
from tcu_agent.protocol.vocabulary import Reason, Service

DEFAULT_CAPACITY = 4
"""A few operators may work on one car at a time; more would only help who wants to keep the table full."""

DEAD_REMEMBERED = 16
"""Dead challenges whose reason is still known; bounded, oldest forgotten first (then `unknown-challenge`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """One live challenge. `issued_at`: CLOCK_BOOTTIME, s. `challenge_hash`: SHA-256 of its payload."""

    request: Request
    challenge: Challenge
    challenge_hash: bytes
    issued_at: float
    account_epoch: int

    def is_fresh(self, now: float, max_age_s: float) -> bool:
        """Whether it may be quoted at `now`; a clock that went backwards makes it stale."""
        return 0 <= now - self.issued_at <= min(self.challenge.ttl_s, max_age_s)


class ChallengeTable:
    """At most `capacity` live challenges, at most one for a request id."""

    def __init__(self, *, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._live: dict[bytes, Outstanding] = {}
        self._ended: list[Outstanding] = []
        self._dead: OrderedDict[bytes, Reason] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are held; some may have expired since the last `issue` or `find`."""
        return len(self._live)

    def issue(
        self, request: Request, challenge: Challenge, *, account_epoch: int, now: float
    ) -> Outstanding | Reason:
        """Remember a challenge about to be sent.

        Return `Reason.BUSY` where there is no room, or one is live for this request id.
        """
        self._expire(now)
        is_full = len(self._live) + len(self._ended) >= self._capacity
        if is_full or self._holds_request(request.request_id):
            return Reason.BUSY
        entry = Outstanding(
            request=request,
            challenge=challenge,
            challenge_hash=codec.payload_hash(codec.encode(challenge)),
            issued_at=now,
            account_epoch=account_epoch,
        )
        self._live[challenge.common.nonce] = entry
        return entry

    def find(self, nonce: bytes, *, now: float) -> Outstanding | Reason:
        """Return the live challenge with this nonce, or why there is none (`UNKNOWN_CHALLENGE` if never heard of)."""
        self._expire(now)
        entry = self._live.get(nonce)
        if entry is not None:
            return entry
        return self._dead.get(nonce, Reason.UNKNOWN_CHALLENGE)

    def take(self, nonce: bytes) -> None:
        """Use up a live challenge: from here on its nonce is unknown. `core.verify` calls this, after every check."""
        del self._live[nonce]

    def clear(self, reason: Reason) -> None:
        """Kill all live challenges.

        Reasons: `CHALLENGE_EXPIRED` around a suspend, `GENERATION_MISMATCH` or `SUBSCRIPTION_ENDED`
        when the account changed so (`AcceptedAccount.kills_challenges`).
        """
        for nonce in tuple(self._live):
            self._bury(nonce, reason)

    def has_live(self, now: float) -> bool:
        """Whether a challenge can still be answered."""
        return any(e.is_fresh(now, e.challenge.ttl_s) for e in self._live.values())

    @property
    def case_ids(self) -> frozenset[bytes]:
        """Theft cases that a live challenge is about."""
        return frozenset(
            entry.request.incident_id for entry in self._live.values() if _is_position(entry)
        )

    def end_case(self, case_id: bytes) -> None:
        """Kill the live challenges of a theft case: what was approved before its end must not begin after it.

        Their places stay taken until their time is over: who can ask can also end, and would get a challenge, and the
        durable mark that comes before it, as often as he likes.
        """
        for nonce, entry in tuple(self._live.items()):
            if _is_position(entry) and entry.request.incident_id == case_id:
                self._ended.append(entry)
                self._bury(nonce, Reason.CASE_MISMATCH)

    def next_expiry(self) -> float | None:
        """Return when the next live challenge runs out (CLOCK_BOOTTIME, s), None if there is none."""
        return min((e.issued_at + e.challenge.ttl_s for e in self._live.values()), default=None)

    def _holds_request(self, request_id: bytes) -> bool:
        return any(entry.request.request_id == request_id for entry in self._live.values())

    def _expire(self, now: float) -> None:
        for nonce, entry in tuple(self._live.items()):
            if not entry.is_fresh(now, entry.challenge.ttl_s):
                self._bury(nonce, Reason.CHALLENGE_EXPIRED)
        self._ended = [each for each in self._ended if each.is_fresh(now, each.challenge.ttl_s)]

    def _bury(self, nonce: bytes, reason: Reason) -> None:
        del self._live[nonce]
        self._dead[nonce] = reason
        while len(self._dead) > DEAD_REMEMBERED:
            self._dead.popitem(last=False)


def _is_position(entry: Outstanding) -> bool:
    return entry.request.service is Service.POSITION
