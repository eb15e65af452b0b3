"""What becomes of each field of each message that the car takes, if its own signer says something else there.

A row: delivery (see `deliveries`), path of the field, what stands there instead, the reason of the refusal. `TAKEN`:
the car cannot know better, and the row says who does. A path is the field's name, or `keys[2].role`, `parameters.mode`.
"""

from __future__ import annotations

from typing import Final

from tcu_agent.protocol.vocabulary import Reason
from tests.protocol.signing import (
    BOOT_ID,
    PIN_AUTHORITY,
    Party,
    id16,
)

OTHER_16, OTHER_8, OTHER_32 = id16("something else"), bytes(8), bytes(32)
DROPPED: Final = object()
"""The field is left out."""
SPOILT: Final = object()
"""The message that stands in this field, its last bit flipped."""
TAKEN: Final = None

Row = tuple[str, str, object, Reason | None, str]


def _common(delivery: str, *, service: tuple[object, Reason], nonce: Reason) -> list[Row]:
    """Return the rows of the five common fields."""
    return [
        (delivery, "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
        (delivery, "service", *service, ""),
        (delivery, "request_id", OTHER_16, Reason.REQUEST_MISMATCH, ""),
        (delivery, "nonce", OTHER_16, nonce, ""),
        (delivery, "boot_id", OTHER_8, Reason.BOOT_ID_MISMATCH, ""),
    ]


BOUND_BY_HASH = (
    "the challenge carries the hash of the request, and evidence the hash of the challenge"
)
THE_ROOTS_SAY = "two roots signed it"
STOLEN = Party("stolen")

ROWS: list[Row] = [
    ("request", "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
    ("request", "service", 3, TAKEN, BOUND_BY_HASH),
    ("request", "service", 4, Reason.MALFORMED, "the parameters are not those of the service"),
    ("request", "service", 6, Reason.MALFORMED, ""),
    ("request, user", "service", 1, TAKEN, BOUND_BY_HASH),
    ("request", "request_id", OTHER_16, TAKEN, BOUND_BY_HASH),
    ("request", "seq", 5, Reason.STALE_REQUEST, ""),
    ("request", "seq", 0, Reason.STALE_REQUEST, ""),
    ("request", "seq", 7, TAKEN, "a number is only a number, once"),
    ("request", "incident_id", OTHER_16, TAKEN, BOUND_BY_HASH),
    ("request", "parameters", {0: 1, 1: 300}, TAKEN, BOUND_BY_HASH),
    ("request", "parameters", {}, Reason.MALFORMED, ""),
    ("request", "parameters.mode", 1, Reason.MALFORMED, "armed without a window"),
    ("request, armed", "parameters.mode", 0, Reason.MALFORMED, "a window without armed"),
    ("request, armed", "parameters.window_s", 301, TAKEN, BOUND_BY_HASH),
    ("request, tracking", "parameters.kind", 0, Reason.MALFORMED, "a snapshot has no duration"),
    ("request, tracking", "parameters.interval_s", 61, TAKEN, BOUND_BY_HASH),
    ("request, tracking", "parameters.duration_s", 3601, TAKEN, BOUND_BY_HASH),
    ("request, user", "parameters.user_id", "user-3", TAKEN, BOUND_BY_HASH),
    # ---------------------------------------------------------------------------------- grant
    *_common("grant", service=(3, Reason.APPROVAL_MISSING), nonce=Reason.UNKNOWN_CHALLENGE),
    *_common("grant, position", service=(2, Reason.MALFORMED), nonce=Reason.UNKNOWN_CHALLENGE),
    ("grant, armed", "service", 3, Reason.MALFORMED, "the parameters are not those of the service"),
    ("grant", "evidence", SPOILT, Reason.BAD_SIGNATURE, ""),
    ("grant", "evidence", b"x", Reason.MALFORMED, ""),
    ("grant", "evidence", DROPPED, Reason.MALFORMED, ""),
    ("grant, position", "approval", SPOILT, Reason.BAD_SIGNATURE, ""),
    ("grant, position", "approval", DROPPED, Reason.APPROVAL_MISSING, ""),
    ("grant", "approval", b"x", Reason.MALFORMED, "an unlock has none"),
    ("grant", "parameters", {0: 1, 1: 300}, Reason.PARAMETERS_MISMATCH, ""),
    ("grant, armed", "parameters", {0: 0}, Reason.PARAMETERS_MISMATCH, ""),
    ("grant, armed", "parameters.mode", 0, Reason.MALFORMED, "a window without armed"),
    ("grant, armed", "parameters.window_s", 301, Reason.PARAMETERS_MISMATCH, ""),
    ("grant, armed", "parameters.window_s", 299, Reason.PARAMETERS_MISMATCH, ""),
    ("grant, tracking", "parameters", {0: 0}, Reason.PARAMETERS_MISMATCH, ""),
    ("grant, tracking", "parameters.kind", 0, Reason.MALFORMED, "a snapshot has no duration"),
    ("grant, tracking", "parameters.interval_s", 59, Reason.PARAMETERS_MISMATCH, ""),
    ("grant, tracking", "parameters.duration_s", 3601, Reason.PARAMETERS_MISMATCH, ""),
    ("grant", "max_age_s", 4, Reason.CHALLENGE_EXPIRED, ""),
    ("grant", "max_age_s", 121, Reason.MALFORMED, ""),
    ("grant", "max_age_s", 119, TAKEN, "it can only shorten the challenge's own time"),
    # ------------------------------------------------------------------- evidence and approval
    *(
        row
        for name, other, nonce in (
            ("evidence", 3, Reason.NONCE_MISMATCH),
            ("evidence, position", 2, Reason.NONCE_MISMATCH),
            ("evidence, user", 2, Reason.UNKNOWN_CHALLENGE),
        )
        for row in (
            *_common(name, service=(other, Reason.SERVICE_MISMATCH), nonce=nonce),
            (name, "challenge_hash", OTHER_32, Reason.CHALLENGE_MISMATCH, ""),
            (name, "pin_session_id", OTHER_16, TAKEN, "the authority's own, for its records"),
            (name, "pin_age_s", 259_201, Reason.PIN_TOO_OLD, ""),
            (name, "pin_age_s", 13, TAKEN, "young enough; how old it is, the authority alone knows"),
        )
    ),
    ("evidence", "pin_age_s", 600, Reason.PIN_TOO_OLD, "600 s, and 5 more since the challenge"),
    *_common("approval", service=(2, Reason.SERVICE_MISMATCH), nonce=Reason.NONCE_MISMATCH),
    ("approval", "challenge_hash", OTHER_32, Reason.CHALLENGE_MISMATCH, ""),
    ("approval", "case_id", OTHER_16, Reason.CASE_MISMATCH, ""),
    # --------------------------------------------------------------------------- small messages
    ("call", "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
    ("call", "boot_id", OTHER_8, Reason.BOOT_ID_MISMATCH, ""),
    ("call", "incident_id", OTHER_16, Reason.UNKNOWN_INCIDENT, ""),
    ("call", "seq", 3, Reason.STALE_REQUEST, ""),
    ("call", "state", 5, Reason.MALFORMED, "requested is the car's own word"),
    ("call", "state", 0, Reason.MALFORMED, "idle is the car's own word"),
    ("call", "state", 3, TAKEN, "how a call goes, the command service alone knows"),
    ("ack", "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
    ("ack", "seq", 10, Reason.BEYOND_SENT, ""),
    ("ack", "stream_id", OTHER_8, Reason.UNKNOWN_STREAM, ""),
    ("position-ack", "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
    ("position-ack", "case_id", OTHER_16, Reason.CASE_MISMATCH, ""),
    ("position-ack", "seq", 6, Reason.BEYOND_SENT, ""),
    ("position-ack", "stream_id", OTHER_8, Reason.UNKNOWN_STREAM, ""),
    ("case-end", "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
    ("case-end", "case_id", OTHER_16, Reason.CASE_MISMATCH, ""),
    ("case-end, command", "case_id", OTHER_16, Reason.CASE_MISMATCH, ""),
    # --------------------------------------------------------------------------------- account
    ("account", "vehicle_id", "car-2", Reason.WRONG_VEHICLE, ""),
    ("account", "version", 7, Reason.STALE_VERSION, ""),
    ("account", "version", 9, TAKEN, "versions may be left out"),
    ("account", "ownership_generation", 1, Reason.GENERATION_MISMATCH, ""),
    ("account", "ownership_generation", 3, Reason.CHANGE_NOT_ALLOWED, "users of the former owner"),
    ("account", "pin_generation", 2, Reason.GENERATION_MISMATCH, ""),
    ("account", "pin_generation", 5, TAKEN, "a new PIN takes rights away"),
    ("account", "users", ["user-1", "user-2"], Reason.EVIDENCE_MISSING, ""),
    ("account", "users", ["user-2"], Reason.EVIDENCE_MISSING, ""),
    ("account", "users", [], TAKEN, "it takes rights away"),
    ("account", "subscription_active", False, Reason.CHANGE_NOT_ALLOWED, "users without one"),
    ("account", "evidence", b"x", Reason.CHANGE_NOT_ALLOWED, "evidence for what needs none"),
    ("account", "epoch", 2, Reason.STALE_VERSION, ""),
    ("account, user", "evidence", SPOILT, Reason.BAD_SIGNATURE, ""),
    ("account, user", "evidence", DROPPED, Reason.EVIDENCE_MISSING, ""),
    ("account, user", "users", ["user-1", "user-3"], Reason.CHANGE_NOT_ALLOWED, ""),
    ("account, user", "pin_generation", 4, Reason.CHANGE_NOT_ALLOWED, ""),
    # ----------------------------------------------------------------------------------- trust
    ("trust", "version", 3, Reason.STALE_VERSION, ""),
    ("trust", "version", 2, Reason.STALE_VERSION, ""),
    ("trust", "version", 5, TAKEN, THE_ROOTS_SAY),
    ("trust", "epoch", 1, Reason.STALE_VERSION, ""),
    ("trust", "epoch", 3, TAKEN, THE_ROOTS_SAY),
    ("trust", "keys", [], Reason.MALFORMED, ""),
    ("trust", "keys[0].kid", OTHER_8, Reason.MALFORMED, "not the hash of the key"),
    ("trust", "keys[0].kid", PIN_AUTHORITY.kid, Reason.MALFORMED, "two keys change places"),
    ("trust", "keys[0].role", 3, TAKEN, THE_ROOTS_SAY),
    ("trust", "keys[0].role", 4, Reason.MALFORMED, "a theft desk has an HPKE key"),
    ("trust", "keys[0].alg", -8, Reason.MALFORMED, "the length is another algorithm's"),
    ("trust", "keys[0].public_key", STOLEN.public_key, Reason.MALFORMED, "the kid is another's"),
    ("trust", "keys[3].hpke_public_key", bytes(31) + b"\x09", TAKEN, THE_ROOTS_SAY),
    ("trust", "keys[3].hpke_public_key", DROPPED, Reason.MALFORMED, ""),
    ("trust", "revoked", [BOOT_ID], TAKEN, THE_ROOTS_SAY),
    ("trust", "revoked", [bytes(8), bytes(8)], Reason.MALFORMED, ""),
    ("trust", "issued_s", 1_789_999_999, Reason.STALE_VERSION, "issued before the one in force"),
    ("trust", "issued_s", 1_790_000_001, TAKEN, THE_ROOTS_SAY),
]  # fmt: skip
