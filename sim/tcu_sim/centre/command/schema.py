"""The command service's tables and times."""

from __future__ import annotations

CHALLENGE_TIMEOUT_S = 30
"""How long a car that is online may take to answer a request."""
RESULT_TIMEOUT_S = 60
"""How long it may take to tell the outcome of a grant (beside the window of an armed unlock)."""
MAX_AGE_S = 60
"""Age of the challenge at which a grant is void; the car's own ttl may be shorter."""
REQUEST_EXPIRY_S = 600
POSITION_EXPIRY_S = 72 * 3600
"""How long a request may wait at the broker for a car that sleeps: as long as its PIN check is young enough. After that
it is not delivered any more, whatever the car does."""

WAKE_EVERY_S = 3600
"""How often a car that dozes looks in (`wake_every_s`)."""
LOOK_IN_S = 120 + 120
"""How late it may be: one visit (`visit_for_s`), and the longest pause between two attempts to connect in it."""


def expiry_s(*, is_position: bool) -> int:
    """Return how long a request may wait at the broker."""
    return POSITION_EXPIRY_S if is_position else REQUEST_EXPIRY_S


SCHEMA = """
CREATE TABLE IF NOT EXISTS vehicles (
    vehicle_id TEXT PRIMARY KEY, seq INTEGER NOT NULL DEFAULT 0, presence INTEGER,
    connection INTEGER NOT NULL DEFAULT -1, boot_id BLOB, asleep_until_s INTEGER, heard_at_s REAL
) STRICT;
CREATE TABLE IF NOT EXISTS past_starts (
    vehicle_id TEXT NOT NULL, boot_id BLOB NOT NULL, PRIMARY KEY (vehicle_id, boot_id)
) STRICT;
CREATE TABLE IF NOT EXISTS incidents (
    incident_id BLOB PRIMARY KEY, vehicle_id TEXT, source TEXT NOT NULL, caller TEXT NOT NULL,
    boot_id BLOB, state INTEGER NOT NULL, call_seq INTEGER NOT NULL DEFAULT 0,
    opened_at_s REAL NOT NULL, closed_at_s REAL, event BLOB, operator TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    request_id BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, service INTEGER NOT NULL,
    draft BLOB NOT NULL, over_incident BLOB NOT NULL, made_by TEXT NOT NULL, made_at_s REAL NOT NULL,
    phase TEXT NOT NULL, message BLOB, payload_hash BLOB, sent_at_s REAL, deadline_s REAL,
    state TEXT, reason INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '', told TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS grants (
    grant_hash BLOB PRIMARY KEY, request_id BLOB NOT NULL, message BLOB NOT NULL, at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS streams (
    vehicle_id TEXT NOT NULL, stream_id BLOB NOT NULL, stored INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (vehicle_id, stream_id)
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    vehicle_id TEXT NOT NULL, stream_id BLOB NOT NULL, seq INTEGER NOT NULL, covers_from INTEGER NOT NULL,
    kind TEXT NOT NULL, payload BLOB NOT NULL, at_s REAL NOT NULL,
    PRIMARY KEY (vehicle_id, stream_id, seq)
) STRICT;
"""
