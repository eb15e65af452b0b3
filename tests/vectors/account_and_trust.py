"""Vectors of what changes the car's own knowledge: account states and trust-containers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tcu_sim.wire import cbor, envelope
from tcu_sim.wire import fields as wire_fields
from tests.vectors import world as w
from tests.vectors.cases import ACCEPT, UNCHANGED, Case
from tests.vectors.from_centre import OVER32, OVER53, common_spoilings
from tests.vectors.keys import (
    ACCOUNT_SERVICE,
    COMMAND,
    NEXT_COMMAND,
    PIN_AUTHORITY,
    ROLE_KEYS,
    ROOT_1,
    ROOT_2,
    ROOT_3,
    ROOTS,
    STRANGER,
    THEFT_DESK,
    Holder,
)
from tests.vectors.spoiling import (
    changed,
    envelope_parts,
    field_spoilings,
    flipped,
    malformed_payloads,
    with_signature,
)

ENDED: dict[str, Any] = {"users": (), "subscription_active": False}
BOTH = ("user-1", w.ADDED_USER)


def accounts() -> Iterator[Case]:
    """Yield the vectors of `account`."""
    yield from _without_a_pin()
    yield from _not_allowed_without_a_pin()
    yield from _with_a_pin()
    yield from _not_allowed_with_a_pin()
    message = w.account(version=8, users=())
    good = Case(name="a user taken away", data=ACCOUNT_SERVICE.sign(message), expect=ACCEPT)
    yield from common_spoilings(message, ACCOUNT_SERVICE, good=good, wrong_role=COMMAND)
    for name, users in (
        ("users not sorted", ["user-2", "user-1"]),
        ("a user twice", ["user-1", "user-1"]),
        ("17 users", [f"user-{number:02}" for number in range(17)]),
        ("a user id with a space", ["user 1"]),
    ):
        payload = changed(wire_fields.pack(message), k8=users)
        data = ACCOUNT_SERVICE.sign_payload(payload, typ="account")
        yield replace(good, name=name, data=data, expect="malformed", spoilt_from=good.name)


def _account(name: str, expect: str, car: str = "usual", **changes: Any) -> Case:
    message = w.account(**{"version": 8, **changes})
    return Case(name=name, data=ACCOUNT_SERVICE.sign(message), expect=expect, car=car)


def _without_a_pin() -> Iterator[Case]:
    yield _account("the stored state again", UNCHANGED, version=7)
    yield _account("a new version and nothing else", ACCEPT)
    yield _account("a user taken away", ACCEPT, users=())
    yield _account("a new PIN", ACCEPT, pin_generation=4)
    yield _account("a new owner", ACCEPT, ownership_generation=3, pin_generation=4, users=())
    yield _account("the first state", ACCEPT, "without account", version=0, users=())
    yield _account("the first state of a new epoch", ACCEPT, "trust of the next epoch", version=0,
                   epoch=2)  # fmt: skip
    yield _account("active again with a new PIN", ACCEPT, "subscription ended", users=(),
                   pin_generation=4)  # fmt: skip


def _not_allowed_without_a_pin() -> Iterator[Case]:
    def refused(name: str, expect: str, car: str = "usual", **changes: Any) -> Case:
        case = _account(name, expect, car, **changes)
        return replace(case, spoilt_from="a new version and nothing else")

    yield refused("the same version with other content", "stale-version", version=7, users=())
    yield refused("an older version", "stale-version", version=6)
    yield refused("an epoch that the trust bundle has not", "stale-version", epoch=2)
    yield refused("an epoch before that of the trust bundle", "stale-version", epoch=0)
    yield refused("PIN generation goes down", "generation-mismatch", pin_generation=2)
    down: dict[str, Any] = {"ownership_generation": 1, "users": ()}
    yield refused("ownership generation goes down", "generation-mismatch", **down)
    yield refused("a new owner with users of the former one", "change-not-allowed",
                  ownership_generation=3, pin_generation=4)  # fmt: skip
    yield refused("a new owner without a new PIN", "change-not-allowed",
                  ownership_generation=3, users=())  # fmt: skip
    yield refused("a user added", "evidence-missing", users=BOTH)
    yield refused("the subscription ended", "evidence-missing", **ENDED)
    yield refused("ended with users", "change-not-allowed", subscription_active=False)
    yield refused("active again without a new PIN", "change-not-allowed", "subscription ended",
                  users=())  # fmt: skip
    yield refused("users in the first state", "change-not-allowed", "without account")
    yield refused("no trust bundle", "trust-missing", "without trust")
    evidence = PIN_AUTHORITY.sign(w.ADD_USER.evidence())
    yield refused("evidence that is not needed", "change-not-allowed", "waits for add-user",
                  evidence=evidence)  # fmt: skip


def _with_a_pin() -> Iterator[Case]:
    for exchange, changes in (
        (w.APP_LINK, {"users": BOTH}),
        (w.ADD_USER, {"users": BOTH}),
        (w.END, ENDED),
    ):
        data = ACCOUNT_SERVICE.sign(exchange.account(**changes))
        yield Case(name=exchange.name, data=data, expect=ACCEPT, car=f"waits for {exchange.name}")


def _not_allowed_with_a_pin() -> Iterator[Case]:
    good = Case(name="add-user", data=b"", expect=ACCEPT, car="waits for add-user")

    def sent(name: str, expect: str, car: str = good.car, **changes: Any) -> Case:
        message = w.ADD_USER.account(**{"users": BOTH, **changes})
        data = ACCOUNT_SERVICE.sign(message)
        return replace(good, name=name, data=data, expect=expect, car=car, spoilt_from="add-user")

    def evidence(signer: Holder = PIN_AUTHORITY, **changes: Any) -> bytes:
        return signer.sign(w.ADD_USER.evidence(**changes))

    yield sent("another user added", "change-not-allowed", users=("user-1", "user-3"))
    yield sent("two users added", "change-not-allowed", users=(*BOTH, "user-3"))
    yield sent("a user added, another taken away", "change-not-allowed", users=("user-2",))
    yield sent("a user added and a new PIN", "change-not-allowed", pin_generation=4)
    yield sent("ended instead of a user added", "change-not-allowed", **ENDED)
    yield sent("evidence by the account service", "wrong-role", evidence=evidence(ACCOUNT_SERVICE))
    yield sent("evidence for another car", "wrong-vehicle", evidence=evidence(vehicle_id="car-2"))
    nonce = w.named("x")
    yield sent("evidence with another nonce", "unknown-challenge", evidence=evidence(nonce=nonce))
    other = w.named("x", 32)
    yield sent("evidence of another challenge", "challenge-mismatch",
               evidence=evidence(challenge_hash=other))  # fmt: skip
    yield sent("PIN check a second too old", "pin-too-old", evidence=evidence(pin_age_s=589))
    unlock = PIN_AUTHORITY.sign(w.UNLOCK.evidence())
    yield sent("evidence for an unlock", "service-mismatch", "waits for unlock", evidence=unlock)
    yield sent("the challenge was used", "unknown-challenge", "usual")
    yield sent("a moment too late", "challenge-expired", "waits for add-user, too late")


def _container(name: str, data: bytes, expect: str, car: str = "usual") -> Case:
    return Case(name=name, data=data, expect=expect, car=car)


def containers() -> Iterator[Case]:
    """Yield the vectors of `trust`: whole containers."""
    yield from _good_containers()
    good = _container("the next version", w.container(w.trust(version=4)), ACCEPT)

    def spoilt(name: str, data: bytes, expect: str, car: str = "usual") -> Case:
        return replace(good, name=name, data=data, expect=expect, car=car, spoilt_from=good.name)

    yield from _wrongly_signed(spoilt)
    yield from _out_of_order(spoilt)
    yield from _malformed_bundles(spoilt)


def _good_containers() -> Iterator[Case]:
    following = w.trust(version=4)
    rotated = (*(w.record(holder) for holder in ROLE_KEYS), w.record(NEXT_COMMAND))
    alone = tuple(each for each in rotated if each.kid != COMMAND.public.kid)
    kid = COMMAND.public.kid
    yield _container("the first", w.container(w.trust()), ACCEPT, "without trust")
    yield _container("the one in force again", w.container(w.trust()), UNCHANGED)
    yield _container("the next version", w.container(following), ACCEPT)
    yield _container("by the first and the third root", w.container(following, ROOT_1, ROOT_3),
                     ACCEPT)  # fmt: skip
    yield _container("by all three roots", w.container(following, *ROOTS), ACCEPT)
    yield _container("by two roots and a stranger", w.container(following, ROOT_1, ROOT_2, STRANGER),
                     ACCEPT)  # fmt: skip
    yield _container(
        "old and new key overlap", w.container(w.trust(version=4, keys=rotated)), ACCEPT
    )
    yield _container("the old key left", w.container(w.trust(version=5, keys=alone)), ACCEPT)
    yield _container("a key revoked", w.container(w.trust(version=4, revoked=(kid,))), ACCEPT)
    yield _container("a new epoch begins at version 0", w.container(w.trust(version=0, epoch=2)),
                     ACCEPT)  # fmt: skip


def _wrongly_signed(spoilt: Any) -> Iterator[Case]:
    bundle = w.trust(version=4)
    one, two = ROOT_1.sign(bundle), ROOT_2.sign(bundle)
    yield spoilt("one root alone", cbor.encode([one]), "malformed")
    yield spoilt("one root twice", cbor.encode([one, one]), "malformed")
    yield spoilt("a root and a stranger", w.container(bundle, ROOT_1, STRANGER),
                 "threshold-not-met")  # fmt: skip
    yield spoilt("a root and a service's key", w.container(bundle, ROOT_1, COMMAND),
                 "threshold-not-met")  # fmt: skip
    yield spoilt("two strangers", w.container(bundle, STRANGER, COMMAND), "threshold-not-met")
    wrong = with_signature(two, flipped(envelope_parts(two)[3], 0))
    yield spoilt("the second signature wrong", cbor.encode([one, wrong]), "bad-signature")
    third = ROOT_3.sign(bundle)
    yield spoilt("the third signature wrong", cbor.encode(
        [one, two, with_signature(third, flipped(envelope_parts(third)[3], 0))]), "bad-signature")  # fmt: skip
    other = ROOT_2.sign(w.trust(version=5))
    yield spoilt("two payloads", cbor.encode([one, other]), "malformed")
    elsewhere = [root.sign(bundle, environment="production") for root in (ROOT_1, ROOT_2)]
    yield spoilt("signed for another environment", cbor.encode(elsewhere), "bad-signature")
    payload = envelope.payload_of(bundle)
    accounts = [root.sign_payload(payload, typ="account") for root in (ROOT_1, ROOT_2)]
    yield spoilt("under another typ", cbor.encode(accounts), "unsupported-type")
    yield spoilt("a message alone", one, "malformed")
    yield spoilt("an item that is no message", cbor.encode([one, 1]), "malformed")
    yield spoilt("a byte behind the container", cbor.encode([one, two]) + b"\x00", "malformed")
    yield spoilt("the last byte cut off", cbor.encode([one, two])[:-1], "malformed")


def _out_of_order(spoilt: Any) -> Iterator[Case]:
    yield spoilt("an older version", w.container(w.trust(version=2)), "stale-version")
    kid = (COMMAND.public.kid,)
    yield spoilt("the same version with other content", w.container(w.trust(revoked=kid)),
                 "stale-version")  # fmt: skip
    earlier = w.trust(version=4, issued_s=1_789_999_999)
    yield spoilt("issued earlier", w.container(earlier), "stale-version")
    yield spoilt("a version of the former epoch", w.container(w.trust(version=99)), "stale-version",
                 "trust of the next epoch")  # fmt: skip


def _malformed_bundles(spoilt: Any) -> Iterator[Case]:
    fields = wire_fields.pack(w.trust(version=4))
    beyond = {
        5: (-1, OVER53),
        6: (-1, OVER32),
        7: ([], *_wrong_keys()),
        8: ([b"1234567"], [bytes(8), bytes(8)], [bytes([n]) * 8 for n in range(33)]),
        9: (-1, OVER53),
    }
    spoilings = [
        *malformed_payloads(fields),
        *field_spoilings(fields, optional=frozenset(), beyond=beyond),
    ]
    for name, payload in spoilings:
        messages = [root.sign_payload(payload, typ="trust") for root in (ROOT_1, ROOT_2)]
        yield spoilt(name, cbor.encode(messages), "malformed")


def _wrong_keys() -> Iterator[list[dict[int, object]]]:
    """Yield lists of key records with one thing wrong."""
    command, desk = (wire_fields.pack(w.record(each)) for each in (COMMAND, THEFT_DESK))
    off_the_curve = b"\x02" + bytes(31) + b"\x01"
    yield [command, command]
    yield [{**command, 0: bytes(8)}]
    yield [{**command, 1: 5}]
    yield [{**command, 2: -8}]
    yield [{**command, 3: off_the_curve, 0: hashlib.sha256(off_the_curve).digest()[:8]}]
    yield [{**command, 4: bytes(32)}]
    yield [{key: value for key, value in desk.items() if key != 4}]
    yield [{**command, 5: 0}]
