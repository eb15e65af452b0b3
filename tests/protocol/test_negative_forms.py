"""Every message that the car takes, spoilt in its form: cut, padded, encoded otherwise, signed by or for somebody else.

One table of spoilings for all messages: spoil one, expect exactly this reason, send the good one, expect success.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose
from tcu_agent.protocol.trust import CONTAINER_LIMIT
from tcu_agent.protocol.vocabulary import Reason, Role
from tests.protocol.car import refused
from tests.protocol.deliveries import DELIVERIES, Delivery, signed
from tests.protocol.samples import SAMPLES
from tests.protocol.signing import (
    ACCOUNT_SERVICE,
    COMMAND,
    PIN_AUTHORITY,
    ROLE_KEYS,
    ROOTS,
    THEFT_DESK,
    VEHICLE,
    Party,
    sign,
)
from tests.vectors.spoiling import malformed_payloads

EVERY = pytest.mark.parametrize("name", DELIVERIES)
ALG, CRIT, IV, KID = 1, 2, 5, 4  # RFC 9052, 3.1
CASE_END_OWNERS = {COMMAND, THEFT_DESK}


def check(name: str, spoil: Callable[[Delivery], bytes], reason: Reason) -> None:
    """Spoil, expect the reason; restore, expect success: nothing was used up."""
    given = DELIVERIES[name]()
    refused(given.judge(spoil(given)), reason)
    assert given.is_taken(given.judge(given.data()))


# -------------------------------------------------------------------------------- cut and padded


@EVERY
def test_every_truncation_of_every_message(name: str) -> None:
    given = DELIVERIES[name]()
    good = given.data()
    first = 1 if given.is_inside else 0  # a message inside another has at least one byte
    for length in range(first, len(good)):
        refused(given.judge(good[:length]), Reason.MALFORMED)
    assert given.is_taken(given.judge(good))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_of_what_the_car_says(name: str) -> None:
    good = sign(SAMPLES[name])
    for length in range(len(good)):
        with pytest.raises(MalformedError) as caught:
            cose.parse(good[:length])
        assert caught.value.reason is Reason.MALFORMED
    assert codec.decode(type(SAMPLES[name]), cose.parse(good).claimed_payload) == SAMPLES[name]


OUTERMOST = [name for name, make in DELIVERIES.items() if not make().is_inside]
"""What is inside another message can be no larger than that may be."""


@pytest.mark.parametrize("name", OUTERMOST)
def test_oversize(name: str) -> None:
    limit = CONTAINER_LIMIT if name == "trust" else cbor.MESSAGE_LIMIT
    check(name, lambda given: given.data().ljust(limit + 1, b"\x00"), Reason.TOO_LARGE)
    check(name, lambda given: given.data().ljust(limit, b"\x00"), Reason.MALFORMED)


@EVERY
def test_bytes_behind_the_message(name: str) -> None:
    check(name, lambda given: given.data() + b"\x00", Reason.MALFORMED)


# ------------------------------------------------------------------------------ encoded otherwise


@EVERY
def test_every_other_encoding_of_the_payload(name: str) -> None:
    """Signed by the right key: a key twice, integers and lengths that are not the shortest, bytes behind, and more."""
    given = DELIVERIES[name]()
    told = dict(malformed_payloads(given.fields()))
    assert {
        "a key twice",
        "a key that is longer than needed",
        "a length that is longer than needed",
        "a byte behind the payload",
        "an indefinite length",
        "keys in another order",
    } <= told.keys()
    for form, payload in told.items():
        assert payload != given.payload, form
        refused(given.judge(given.data(payload)), Reason.MALFORMED)
    assert given.is_taken(given.judge(given.data()))


def small_integers(given: Delivery) -> list[tuple[int, int]]:
    """Return key and value of the fields whose value fits into the head byte."""
    return [
        (key, value) for key, value in given.fields().items() if type(value) is int and value < 24
    ]


WITH_INTEGERS = [name for name, make in DELIVERIES.items() if small_integers(make())]


@pytest.mark.parametrize("name", WITH_INTEGERS)
def test_a_value_that_is_no_shortest_integer(name: str) -> None:
    """Not the key but the value: a small integer of the payload in two bytes."""
    given = DELIVERIES[name]()
    key, value = small_integers(given)[0]
    pair = bytes([key, value])
    before, after = given.payload.split(pair, 1)
    longer = before + bytes([key, 0x18, value]) + after
    refused(given.judge(given.data(longer)), Reason.MALFORMED)
    assert given.is_taken(given.judge(given.data()))


# ------------------------------------------------------------------------------------ the header


@EVERY
@pytest.mark.parametrize("crit", [[99], [4], ["x"], []], ids=str)
def test_unknown_crit(name: str, crit: list[object]) -> None:
    check(name, lambda given: given.data(header={CRIT: crit}), Reason.MALFORMED)


@EVERY
def test_alg_elsewhere(name: str) -> None:
    """Outside the protected header, missing there, another key's, or none that there is."""
    given = DELIVERIES[name]()
    own = {party.alg for party in given.parties}
    for spoilt, reason in (
        (given.data(unprotected={ALG: -7}), Reason.MALFORMED),
        (given.data(unprotected={ALG: -8}), Reason.MALFORMED),
        (given.data(header={ALG: None}, unprotected={ALG: -7}), Reason.MALFORMED),
        (given.data(header={ALG: None}), Reason.MALFORMED),
        (given.data(header={ALG: -35}), Reason.MALFORMED),
        (given.data(header={ALG: 5}), Reason.MALFORMED),
        *((given.data(header={ALG: -15 - alg}), Reason.BAD_SIGNATURE) for alg in own),
    ):
        refused(given.judge(spoilt), reason)
    assert given.is_taken(given.judge(given.data()))


@EVERY
def test_other_header_fields(name: str) -> None:
    check(name, lambda given: given.data(header={IV: b"x"}), Reason.MALFORMED)
    check(name, lambda given: given.data(header={KID: None}), Reason.MALFORMED)
    check(name, lambda given: given.data(unprotected={KID: bytes(8)}), Reason.MALFORMED)


@EVERY
def test_another_type(name: str) -> None:
    own = codec.typ_of(type(DELIVERIES[name]().message))
    others = {codec.typ_of(type(message)) for message in SAMPLES.values()} - {own}
    given = DELIVERIES[name]()
    for typ in (*sorted(others), "x", ""):
        refused(given.judge(given.data(typ=typ)), Reason.UNSUPPORTED_TYPE)
    assert given.is_taken(given.judge(given.data()))


# -------------------------------------------------------------------------------------- the keys


@EVERY
def test_another_environment(name: str) -> None:
    check(name, lambda given: given.data(environment="production"), Reason.BAD_SIGNATURE)


def others(given: Delivery) -> list[Party]:
    """Return the role keys that may not say this."""
    own = CASE_END_OWNERS if "case-end" in codec.typ_of(type(given.message)) else set(given.parties)
    return [party for party in ROLE_KEYS if party not in own]


@EVERY
def test_a_key_of_the_wrong_role(name: str) -> None:
    """A root's word is counted, and nobody else's: with a role key in the place of one there are too few."""
    given = DELIVERIES[name]()
    for party in others(given):
        if name == "trust":
            bad, reason = given.data(parties=(ROOTS[0], party)), Reason.THRESHOLD_NOT_MET
        else:
            bad, reason = given.data(parties=(party,)), Reason.WRONG_ROLE
        refused(given.judge(bad), reason)
    assert given.is_taken(given.judge(given.data()))


@EVERY
@pytest.mark.parametrize(
    "party", [VEHICLE, ROOTS[2], Party("stranger", role=Role.COMMAND)], ids=lambda p: p.name
)
def test_a_key_that_is_nobodys(name: str, party: Party) -> None:
    given = DELIVERIES[name]()
    if name == "trust":
        if party is ROOTS[2]:
            assert given.is_taken(given.judge(given.data(parties=(ROOTS[0], party))))
            return
        bad, reason = given.data(parties=(ROOTS[0], party)), Reason.THRESHOLD_NOT_MET
    else:
        bad, reason = given.data(parties=(party,)), Reason.UNKNOWN_KEY
    refused(given.judge(bad), reason)
    assert given.is_taken(given.judge(given.data()))


@EVERY
def test_swapped_keys(name: str) -> None:
    """Signed with another's key under the own kid: as if two key files had changed places."""
    given = DELIVERIES[name]()
    typ = codec.typ_of(type(given.message))
    for party in (COMMAND, PIN_AUTHORITY, ACCOUNT_SERVICE, THEFT_DESK, VEHICLE, ROOTS[2]):
        if party in given.parties:
            continue
        own = given.parties[-1]
        signers: list[tuple[Party, dict[int, object]]] = [(each, {}) for each in given.parties[:-1]]
        bad = given.wrap(
            [
                signed(given.payload, each, typ=typ, header=header)
                for each, header in (*signers, (party, {KID: own.kid, ALG: own.alg}))
            ]
        )
        refused(given.judge(bad), Reason.BAD_SIGNATURE)
    assert given.is_taken(given.judge(given.data()))
