"""The PIN authority's tables and its limits, each with its reason."""

from __future__ import annotations

from tcu_sim.centre.standing import STANDING_SCHEMA
from tcu_sim.wire.numbers import Service

LOCK_AT = 10
"""Wrong PINs in the app, in a row, that lock an app account. Source: owner's manual (S10)."""
WRONG_PER_VEHICLE = 20
"""The wrong PIN within `CAP_WINDOW_S` that ends the PIN itself: above nine, a right one, nine.

So that an
owner who mistypes is not hit; 20 guesses find one of 10,000 PINs once in 500 cars."""
CAP_WINDOW_S = 24 * 3600
BURST_AT = 3
"""Wrong PINs within `BURST_WINDOW_S` of which the owner is told, once for each burst."""
BURST_WINDOW_S = 3600
WRONG_PER_INCIDENT = 3
"""Wrong PINs by telephone in one incident."""
WRONG_PER_CALLER = 6
"""Wrong PINs by telephone from one caller within `CAP_WINDOW_S`, over all vehicles and incidents."""
FLEET_VEHICLES = 5
"""Vehicles with `BURST_AT` or more wrong PINs within `CAP_WINDOW_S` that raise the fleet alarm."""
TICKET_LIFE_S = 900
"""How long a caller may take to enter the PIN."""
INCIDENT_LIFE_S = 24 * 3600
ISSUES_PER_DAY = 3
"""New PINs per vehicle within `CAP_WINDOW_S`, so that letters cannot be farmed."""
PIN_AGE_S = 600
POSITION_PIN_AGE_S = 72 * 3600
"""How old a PIN check may be. Source: protocol.md, G1."""
MOST_CHALLENGES = 3
MOST_POSITION_CHALLENGES = 100
"""Challenges of one request that one PIN session may answer: the car may restart, or lose the connection, between
challenge and grant. The car itself acts at most once for a request id."""


def pin_age_limit_s(service: Service) -> int:
    """Return how old a PIN check may be for this service."""
    return POSITION_PIN_AGE_S if service is Service.POSITION else PIN_AGE_S


def challenge_limit(service: Service) -> int:
    """Return how many challenges one PIN session may answer for this service."""
    return MOST_POSITION_CHALLENGES if service is Service.POSITION else MOST_CHALLENGES


SCHEMA = (
    STANDING_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS pins (
    vehicle_id TEXT PRIMARY KEY, generation INTEGER NOT NULL, salt BLOB, hash BLOB,
    address TEXT NOT NULL, app_blocked INTEGER NOT NULL DEFAULT 0,
    first_attempt INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS issues (
    issue_id BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, generation INTEGER NOT NULL, at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS attempts (
    number INTEGER PRIMARY KEY, vehicle_id TEXT NOT NULL, app_account TEXT, caller TEXT,
    incident_id BLOB, at_s REAL NOT NULL, was_right INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_by_vehicle ON attempts (vehicle_id, at_s);
CREATE TABLE IF NOT EXISTS app_accounts (
    app_account TEXT PRIMARY KEY, wrong_in_a_row INTEGER NOT NULL, locked_at_s REAL
) STRICT;
CREATE TABLE IF NOT EXISTS calls (
    incident_id BLOB PRIMARY KEY, caller TEXT NOT NULL, vehicle_id TEXT, at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS tickets (
    ticket_hash BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, service INTEGER NOT NULL,
    request_id BLOB NOT NULL, subject BLOB NOT NULL,
    app_account TEXT, is_linked INTEGER NOT NULL, caller TEXT, incident_id BLOB NOT NULL,
    at_s REAL NOT NULL, is_used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    session_id BLOB PRIMARY KEY, vehicle_id TEXT NOT NULL, service INTEGER NOT NULL,
    request_id BLOB NOT NULL UNIQUE, subject BLOB NOT NULL, incident_id BLOB NOT NULL,
    generation INTEGER NOT NULL, at_s REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS served (
    session_id BLOB NOT NULL, challenge_hash BLOB NOT NULL, PRIMARY KEY (session_id, challenge_hash)
) STRICT;
CREATE TABLE IF NOT EXISTS alarms (at_s REAL NOT NULL, vehicles INTEGER NOT NULL) STRICT;
"""
)
