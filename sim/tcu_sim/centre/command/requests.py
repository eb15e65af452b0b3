"""Requests from their draft to their end, and how operators see them on the way.

Phases: draft -> sent -> challenged -> granted -> ended. A request may be sent again until it has a result: it gets a
new number and keeps its id, so that the car acts on it at most once. Between the phases, time alone can change what is
seen: a car that does not answer is ``timeout``; a grant without a result is ``unknown``, never assumed to have failed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tcu_sim.centre import words
from tcu_sim.centre.api import Reply
from tcu_sim.centre.command import schema
from tcu_sim.centre.command.fleet import Fleet
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.identity import Identity
from tcu_sim.centre.proof import read_draft
from tcu_sim.centre.store import transaction
from tcu_sim.centre.world import Clock
from tcu_sim.wire.envelope import digest, look, payload_of, read
from tcu_sim.wire.messages import Challenge, Grant, Request
from tcu_sim.wire.numbers import Presence, Service
from tcu_sim.wire.parameters import Unlock

SENT, CHALLENGED, GRANTED, ENDED = "sent", "challenged", "granted", "ended"


def _expires_at_s(row: sqlite3.Row) -> float | None:
    """Return until when a request that was sent may still reach its car, s since 1970-01-01."""
    if row["sent_at_s"] is None:
        return None
    is_position = row["service"] == Service.POSITION
    return float(row["sent_at_s"]) + schema.expiry_s(is_position=is_position)


def _nonce_of(grant: bytes) -> bytes:
    return read(look(grant), Grant).nonce


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBook:
    """All requests."""

    store: sqlite3.Connection
    identity: Identity
    fleet: Fleet
    clock: Clock

    def draft(self, request: Request, *, over_incident: bytes, made_by: str) -> bytes:
        """Note a request that nobody has sent yet; returns its draft bytes."""
        draft = payload_of(request)
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO requests (request_id, vehicle_id, service, draft, over_incident, made_by, made_at_s,"
                " phase) VALUES (?, ?, ?, ?, ?, ?, ?, 'draft')",
                (
                    request.request_id, request.vehicle_id, int(request.service), draft,
                    over_incident, made_by, self.clock.now_s(),
                ),
            )  # fmt: skip
        return draft

    def find(self, request_id: bytes) -> sqlite3.Row:
        """Return a request.

        Raises:
            Denied: there is none.
        """
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM requests WHERE request_id = ?", (request_id,)
        ).fetchone()
        if row is None:
            raise Denied("request", "no such request")
        return row

    def sign_next(self, request_id: bytes) -> bytes:
        """Give the request the vehicle's next number, sign it and note it as sent.

        Raises:
            Denied: there is none, or it has a result already.
        """
        row = self.find(request_id)
        if row["told"] is not None:
            raise Denied("request", "it has a result already")
        with transaction(self.store):
            request = replace(read_draft(row["draft"]), seq=self.fleet.next_seq(row["vehicle_id"]))
            message = self.identity.sign(request)
            now_s = self.clock.now_s()
            self.store.execute(
                "UPDATE requests SET phase = 'sent', message = ?, payload_hash = ?, sent_at_s = ?, deadline_s = ?,"
                " state = NULL, reason = 0, detail = '' WHERE request_id = ?",
                (
                    message, digest(payload_of(request)), now_s,
                    now_s + schema.CHALLENGE_TIMEOUT_S, request_id,
                ),
            )  # fmt: skip
        return message

    def note_challenge(self, request_id: bytes, *, ttl_s: int) -> None:
        """The car has answered with a challenge."""
        deadline_s = self.clock.now_s() + ttl_s + schema.RESULT_TIMEOUT_S
        self._move(request_id, phase=CHALLENGED, deadline_s=deadline_s)

    def note_grant(self, request_id: bytes, message: bytes, grant_hash: bytes) -> None:
        """A grant goes out."""
        parameters = read_draft(self.find(request_id)["draft"]).parameters
        window_s = parameters.window_s or 0 if isinstance(parameters, Unlock) else 0
        now_s = self.clock.now_s()
        with transaction(self.store):
            self.store.execute(
                "INSERT INTO grants VALUES (?, ?, ?, ?)", (grant_hash, request_id, message, now_s)
            )
        deadline_s = now_s + schema.MAX_AGE_S + window_s + schema.RESULT_TIMEOUT_S
        self._move(request_id, phase=GRANTED, deadline_s=deadline_s)

    def last_grant(self, request_id: bytes) -> sqlite3.Row | None:
        """Return the newest grant of a request, if there is one."""
        row: sqlite3.Row | None = self.store.execute(
            "SELECT * FROM grants WHERE request_id = ? ORDER BY rowid DESC LIMIT 1", (request_id,)
        ).fetchone()
        return row

    def grant_for(self, challenge: Challenge) -> bytes | None:
        """Return the grant that this very challenge was answered with, None if it was not."""
        rows = self.store.execute(
            "SELECT message FROM grants WHERE request_id = ?", (challenge.request_id,)
        ).fetchall()
        made: list[bytes] = [row["message"] for row in rows]
        return next((each for each in made if _nonce_of(each) == challenge.nonce), None)

    def is_grant_of(self, grant_hash: bytes, request_id: bytes) -> bool:
        """Whether that grant was made for this request."""
        query = "SELECT 1 FROM grants WHERE grant_hash = ? AND request_id = ?"
        return self.store.execute(query, (grant_hash, request_id)).fetchone() is not None

    def end(self, request_id: bytes, state: str, *, reason: int = 0, detail: str = "") -> None:
        """End a request without a result of the car; a result that still comes is believed."""
        if self.find(request_id)["told"] is None:
            self._move(request_id, phase=ENDED, state=state, reason=reason, detail=detail)

    def note_result(
        self, request_id: bytes, state: str, *, reason: int, told: Mapping[str, object]
    ) -> None:
        """The car has told the outcome; the first one stands."""
        if self.find(request_id)["told"] is None:
            self._move(
                request_id,
                phase=ENDED,
                state=state,
                reason=reason,
                detail="",
                told=json.dumps(told),
            )

    def remark(self, request_id: bytes, detail: str) -> None:
        """Note something about a request that does not end it; after its result there is nothing to add."""
        if self.find(request_id)["told"] is None:
            self._move(request_id, detail=detail)

    def describe(self, request_id: bytes) -> Reply:
        """Return the request as operators see it now."""
        row = self.find(request_id)
        return {
            "request_id": row["request_id"].hex(),
            "vehicle_id": row["vehicle_id"],
            "service": Service(row["service"]).name.lower(),
            "phase": row["phase"],
            "state": self._state(row),
            "reason": words.word_of(row["reason"]),
            "words": self._words(row),
            "expires_at_s": _expires_at_s(row),
            "detail": row["detail"],
            "result": None if row["told"] is None else json.loads(row["told"]),
        }

    def _words(self, row: sqlite3.Row) -> str:
        if row["reason"]:
            return words.plain_words(row["reason"])
        if self._state(row) == words.ASLEEP:
            if self.fleet.presence(row["vehicle_id"]) is Presence.DOZING:
                return words.DOZES
            return words.sleeps_until(self.fleet.asleep_until_s(row["vehicle_id"]))
        if row["phase"] == SENT and not row["detail"]:
            due_s = self.fleet.overdue_since_s(row["vehicle_id"])
            return "" if due_s is None else words.should_have_looked_in(due_s)
        return str(row["detail"])

    def _state(self, row: sqlite3.Row) -> str:
        if row["state"] is not None:
            return str(row["state"])
        is_late = row["deadline_s"] is not None and self.clock.now_s() > row["deadline_s"]
        if row["phase"] == GRANTED:
            return words.UNKNOWN if is_late else words.DELIVERED
        if row["phase"] == CHALLENGED:
            return words.TIMEOUT if is_late else words.DELIVERED
        if row["phase"] == SENT:
            return self._state_of_sent(row, is_late=is_late)
        return words.WAITING

    def _state_of_sent(self, row: sqlite3.Row, *, is_late: bool) -> str:
        expires_at_s = _expires_at_s(row)
        if expires_at_s is not None and self.clock.now_s() > expires_at_s:
            return words.TIMEOUT
        presence = self.fleet.presence(row["vehicle_id"])
        if self.fleet.overdue_since_s(row["vehicle_id"]) is not None:
            return words.CONNECTION_FAILURE
        if presence in {Presence.ASLEEP, Presence.DOZING}:
            return words.ASLEEP
        if presence is Presence.OFFLINE:
            return words.CONNECTION_FAILURE
        return words.TIMEOUT if is_late else words.WAITING

    def _move(self, request_id: bytes, **columns: object) -> None:
        # The names of the columns are those of the calls above.
        assignments = ", ".join(f"{name} = ?" for name in columns)
        with transaction(self.store):
            self.store.execute(
                f"UPDATE requests SET {assignments} WHERE request_id = ?",  # noqa: S608 - our own names
                (*columns.values(), request_id),
            )
