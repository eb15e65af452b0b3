"""The theft desk's tables and times."""

from __future__ import annotations

from tcu_sim.centre.standing import STANDING_SCHEMA

STOP_GRACE_S = 120
"""How long after the stop time a position may say it was taken: the car's acceptance comes after the approval."""
PARTIES = ("owner", "police", "centre")
"""Who has to agree before a car is traced."""

FIRST_FORM = """
CREATE TABLE IF NOT EXISTS positions (
    case_id BLOB NOT NULL, seq INTEGER NOT NULL, request_id BLOB NOT NULL, sealed BLOB NOT NULL,
    at_s REAL NOT NULL, PRIMARY KEY (case_id, seq)
) STRICT;
INSERT OR IGNORE INTO fixes SELECT case_id, x'', seq, request_id, sealed, at_s FROM positions;
DELETE FROM positions;
"""
"""The first desk knew no streams: what it had is of one without a name."""

SCHEMA = (
    STANDING_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS cases (
    case_id BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, opened_by TEXT NOT NULL, opened_at_s REAL NOT NULL,
    case_key BLOB, ended_at_s REAL, refused_positions INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS confirmations (
    case_id BLOB NOT NULL, party TEXT NOT NULL, caller TEXT NOT NULL, reference TEXT NOT NULL, at_s REAL NOT NULL,
    PRIMARY KEY (case_id, party)
) STRICT;
CREATE TABLE IF NOT EXISTS approvals (
    request_id BLOB PRIMARY KEY, case_id BLOB NOT NULL, stop_at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS fixes (
    case_id BLOB NOT NULL, stream_id BLOB NOT NULL, seq INTEGER NOT NULL, request_id BLOB, sealed BLOB,
    at_s REAL NOT NULL, PRIMARY KEY (case_id, stream_id, seq)
) STRICT;
"""
    + FIRST_FORM
)
"""`fixes.sealed`: NULL = lost in the car; empty = taken after the stop time, and not kept."""
