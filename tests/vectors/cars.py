"""The cars that the vectors are put to: what each has stored, and which challenges it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tcu_sim.wire import envelope
from tests.vectors import world as w
from tests.vectors.keys import COMMAND, ENVIRONMENT, NEXT_COMMAND, ROLE_KEYS, ROOTS


def _hex_of(message: Any) -> str:
    return envelope.payload_of(message).hex()


def _waiting(exchange: w.Exchange) -> dict[str, object]:
    return {
        "request": _hex_of(exchange.request),
        "challenge": _hex_of(exchange.challenge),
        "issued_s": w.ISSUED_S,
        "account_epoch": 1,
    }


def car(*waiting_for: w.Exchange, **changes: object) -> dict[str, object]:
    """Return a car that waits for the answers to these challenges, and differs in `changes`."""
    usual: dict[str, object] = {
        "environment": ENVIRONMENT,
        "vehicle_id": w.VEHICLE_ID,
        "boot_id": w.BOOT_ID.hex(),
        "roots": [root.name for root in ROOTS],
        "threshold": 2,
        "trust": w.container(w.trust()).hex(),
        "account": _hex_of(w.account()),
        "request_marks": {COMMAND.public.kid.hex(): 40},
        "answered": [],
        "challenges": [_waiting(exchange) for exchange in waiting_for],
        "now_s": w.NOW_S,
        "call": {
            "incident_id": w.INCIDENT.hex(),
            "boot_id": w.BOOT_ID.hex(),
            "last_seq": 2,
        },
        "stream_id": w.STREAM_ID.hex(),
        "last_seq": 100,
        "last_position_seqs": {w.INCIDENT.hex(): 7},
        "open_cases": [w.INCIDENT.hex()],
    }
    assert changes.keys() <= usual.keys()
    return {**usual, **changes}


def _trust(**changes: Any) -> str:
    return w.container(w.trust(**changes)).hex()


def cars() -> Mapping[str, Mapping[str, object]]:
    """Return every car by its name."""
    answered = [w.UNLOCK.request.request_id.hex()]
    rotated = (*(w.record(holder) for holder in ROLE_KEYS), w.record(NEXT_COMMAND))
    waiting = {f"waits for {each.name}": car(each) for each in w.EXCHANGES if each is not w.STATE}
    return {
        "usual": car(),
        "without trust": car(trust=None),
        "without account": car(account=None),
        "subscription ended": car(account=_hex_of(w.account(users=(), subscription_active=False))),
        "trust of the next epoch": car(trust=_trust(epoch=2, version=0)),
        "command key revoked": car(
            w.UNLOCK, trust=_trust(version=4, revoked=(COMMAND.public.kid,))
        ),
        "knows the next command key": car(trust=_trust(version=4, keys=rotated)),
        "has answered the unlock": car(answered=answered),
        **waiting,
        "waits for unlock and app-link": car(w.UNLOCK, w.APP_LINK),
        "waits for unlock, last moment": car(w.UNLOCK, now_s=w.ISSUED_S + w.TTL_S),
        "waits for unlock, too late": car(w.UNLOCK, now_s=w.ISSUED_S + w.TTL_S + 0.001),
        "waits for unlock, clock went back": car(w.UNLOCK, now_s=w.ISSUED_S - 0.001),
        "waits for add-user, too late": car(w.ADD_USER, now_s=w.ISSUED_S + w.TTL_S + 0.001),
        "waits for unlock, PIN replaced": car(
            w.UNLOCK, account=_hex_of(w.account(version=8, pin_generation=4))
        ),
        "waits for unlock, owner changed": car(
            w.UNLOCK,
            account=_hex_of(w.account(version=8, ownership_generation=3, users=())),
        ),
        "waits for unlock, subscription ended": car(
            w.UNLOCK, account=_hex_of(w.account(version=8, users=(), subscription_active=False))
        ),
        "restarted": car(boot_id="b0075e550000b002"),
        "no call": car(call=None),
        "no case": car(last_position_seqs={}, open_cases=[]),
        "a call of another boot": car(
            call={"incident_id": w.INCIDENT.hex(), "boot_id": "b0075e550000b000", "last_seq": 2}
        ),
    }
