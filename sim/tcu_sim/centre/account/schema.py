"""The account service's tables and times."""

from __future__ import annotations

KEEPER_HOLD_S = 72 * 3600
"""How long a change of keeper or address waits, so that the old one can object. Source: protocol.md, "PIN side"."""
SESSION_LIFE_S = 12 * 3600
SHORTEST_PASSWORD = 10
SIGN_IN_TRIES = 10
SIGN_IN_WINDOW_S = 900
MOST_USERS = 16
CHANGE_TIMEOUT_S = 60
"""How long a car that was asked may take to answer with a challenge."""
OUTCOME_TIMEOUT_S = 180
"""How long it may take to tell the outcome of an account message: the challenge's ttl and a minute."""
REPUBLISH_AFTER_S = 30
LONGEST_REPUBLISH_S = 24 * 3600
"""An account message that the car has not learnt is published again after 30 s, 60 s, ... a day at most: a car that
sleeps for weeks must not find its queue at the broker full of them. A car that speaks is told at once."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS vehicles (
    vehicle_id TEXT PRIMARY KEY, version INTEGER NOT NULL, last_version INTEGER NOT NULL,
    ownership_generation INTEGER NOT NULL, pin_generation INTEGER NOT NULL, users TEXT NOT NULL,
    is_active INTEGER NOT NULL, address TEXT NOT NULL, message BLOB NOT NULL,
    learnt_version INTEGER NOT NULL DEFAULT 0, is_told INTEGER NOT NULL DEFAULT 0,
    published_at_s REAL, times_published INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS renewals (
    vehicle_id TEXT PRIMARY KEY, issue_id BLOB NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS keeper_changes (
    change_id BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,
    proof TEXT NOT NULL, proposed_by TEXT NOT NULL, proposed_at_s REAL NOT NULL, confirmed_by TEXT,
    state TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS app_accounts (
    app_account TEXT PRIMARY KEY, login TEXT NOT NULL, password TEXT NOT NULL, made_at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sign_ins (login TEXT NOT NULL, at_s REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    session_hash BLOB PRIMARY KEY, app_account TEXT NOT NULL, expires_at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS changes (
    change_id BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, service INTEGER NOT NULL, user_id TEXT,
    app_account TEXT NOT NULL, request_id BLOB NOT NULL UNIQUE, phase TEXT NOT NULL, request BLOB,
    version INTEGER, message BLOB, account_hash BLOB, deadline_s REAL, state TEXT,
    reason INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT ''
) STRICT;
"""
