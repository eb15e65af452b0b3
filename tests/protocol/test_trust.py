"""The trust bundle: two roots or nothing, never backwards, and whose key is whose."""

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.core.verify.verifier import AcceptedTrust, Verifier
from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor, codec, cose, trust
from tcu_agent.protocol.messages import KeyRecord, Trust
from tcu_agent.protocol.trust import Keyring
from tcu_agent.protocol.vocabulary import Reason, Role
from tests.protocol.car import refused
from tests.protocol.signing import (
    COMMAND,
    PIN_AUTHORITY,
    ROLE_KEYS,
    ROOTS,
    THEFT_DESK,
    Party,
    keyring,
    sign,
    sign_payload,
    trust_bundle,
    trust_container,
    verifier,
)

STRANGER = Party("root of another maker")
SECOND_DESK = Party("theft-desk, the next", role=Role.THEFT_DESK)
BUNDLE = trust_bundle()


def judge(data: bytes, *, current: Keyring | None = None, by: Verifier | None = None) -> Any:
    return (by or verifier()).verify_trust(data, keyring=current)


@pytest.mark.parametrize(
    "signers",
    [ROOTS[:2], ROOTS[1:], (ROOTS[0], ROOTS[2]), ROOTS, (*ROOTS[:2], STRANGER), (STRANGER, *ROOTS)],
)
def test_two_roots_of_ours_make_a_bundle(signers: tuple[Party, ...]) -> None:
    container = trust_container(signers=signers)
    verdict = judge(container)
    assert verdict == AcceptedTrust(keyring=Keyring(BUNDLE), container=container, changed=True)


@pytest.mark.parametrize(
    "signers", [(ROOTS[0], STRANGER), (STRANGER, Party("another")), (ROOTS[0], COMMAND), ROLE_KEYS]
)
def test_one_root_of_ours_is_not_enough(signers: tuple[Party, ...]) -> None:
    refused(judge(trust_container(signers=signers)), Reason.THRESHOLD_NOT_MET, authenticated=False)


def test_the_threshold_is_the_configured_one_and_never_below_two() -> None:
    two, three = trust_container(), trust_container(signers=ROOTS)
    refused(judge(two, by=verifier(threshold=3)), Reason.THRESHOLD_NOT_MET)
    assert isinstance(judge(three, by=verifier(threshold=3)), AcceptedTrust)
    for threshold in (1, 0, -1):
        one = trust_container(signers=(ROOTS[0], STRANGER))
        refused(judge(one, by=verifier(threshold=threshold)), Reason.THRESHOLD_NOT_MET)


def container_of(*messages: object) -> bytes:
    return cbor2.dumps(list(messages), canonical=True)


FIRST, SECOND = sign(BUNDLE, ROOTS[0]), sign(BUNDLE, ROOTS[1])
LATER = trust_bundle(version=2)
PAYLOAD, TYP = codec.encode(BUNDLE), codec.typ_of(Trust)
CONTAINERS: dict[str, tuple[bytes, Reason]] = {
    "one message": (container_of(FIRST), Reason.MALFORMED),
    "nine messages": (
        container_of(*(sign(BUNDLE, Party(f"root {n}")) for n in range(1, 10))),
        Reason.MALFORMED,
    ),
    "one signature twice": (container_of(FIRST, FIRST), Reason.MALFORMED),
    "two payloads": (container_of(FIRST, sign(LATER, ROOTS[1])), Reason.MALFORMED),
    "a wrong signature by a root": (
        container_of(FIRST, SECOND, sign(BUNDLE, ROOTS[2], environment="production")),
        Reason.BAD_SIGNATURE,
    ),
    "another environment": (
        container_of(*(sign(BUNDLE, root, environment="production") for root in ROOTS[:2])),
        Reason.BAD_SIGNATURE,
    ),
    "alg elsewhere": (
        container_of(FIRST, sign_payload(PAYLOAD, typ=TYP, party=ROOTS[1], alg=-7)),
        Reason.BAD_SIGNATURE,
    ),
    "another type": (
        container_of(FIRST, sign_payload(PAYLOAD, typ="tcu-account+cose", party=ROOTS[1])),
        Reason.UNSUPPORTED_TYPE,
    ),
    "a message alone": (FIRST, Reason.MALFORMED),
    "no message inside": (container_of(FIRST, 5), Reason.MALFORMED),
    "no envelope inside": (container_of(FIRST, b"\xa0"), Reason.MALFORMED),
    "a map": (cbor2.dumps({0: FIRST, 1: SECOND}), Reason.MALFORMED),
    "a byte more": (container_of(FIRST, SECOND) + b"\x00", Reason.MALFORMED),
    "too large": (bytes(trust.CONTAINER_LIMIT + 1), Reason.TOO_LARGE),
    "too large inside": (
        container_of(FIRST, sign_payload(bytes(9000), typ=TYP, party=ROOTS[1])),
        Reason.TOO_LARGE,
    ),
    "nothing": (b"", Reason.MALFORMED),
    "both sign what is no bundle": (
        container_of(*(sign_payload(b"\xa0", typ=TYP, party=root) for root in ROOTS[:2])),
        Reason.MALFORMED,
    ),
}


@pytest.mark.parametrize(("data", "reason"), CONTAINERS.values(), ids=CONTAINERS.keys())
def test_a_spoilt_container_has_its_reason(data: bytes, reason: Reason) -> None:
    current = Keyring(trust_bundle(version=0))
    refused(judge(data, current=current), reason, authenticated=False)
    assert isinstance(judge(container_of(FIRST, SECOND), current=current), AcceptedTrust)


def test_a_full_container_fits() -> None:
    parties = [Party(f"key {n}", role=Role.THEFT_DESK) for n in range(32)]
    bundle = trust_bundle(
        keys=tuple(p.key_record() for p in parties),
        revoked=tuple(bytes([n]) * 8 for n in range(32)),
    )
    roots = [Party(f"root {n}") for n in range(1, 9)]
    container = trust_container(bundle, signers=roots)
    assert len(container) < trust.CONTAINER_LIMIT
    assert isinstance(judge(container), AcceptedTrust)


@pytest.mark.parametrize("position", [0, 1])
def test_every_flipped_bit_is_refused(position: int) -> None:
    messages = [FIRST, SECOND]
    for bit in range(0, len(messages[position]) * 8, 3):
        bad = bytearray(messages[position])
        bad[bit // 8] ^= 1 << bit % 8
        spoilt = [*messages]
        spoilt[position] = bytes(bad)
        assert not isinstance(judge(container_of(*spoilt)), AcceptedTrust), f"bit {bit}"


def test_every_truncation_is_malformed() -> None:
    good = trust_container()
    for length in range(len(good)):
        refused(judge(good[:length]), Reason.MALFORMED, authenticated=False)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    for attempt in (data, container_of(FIRST, data), container_of(data, data)):
        assert not isinstance(judge(attempt), AcceptedTrust)


ORDER: list[tuple[dict[str, int], bool]] = [
    ({"version": 6}, True),
    ({"version": 2**53 - 1}, True),
    ({"version": 5}, False),  # with another content, see below
    ({"version": 4}, False),
    ({"version": 6, "issued_s": 1_790_000_000}, True),
    ({"version": 6, "issued_s": 1_790_000_001}, True),
    ({"version": 6, "issued_s": 1_789_999_999}, False),
    ({"epoch": 3, "version": 0}, True),
    ({"epoch": 3, "version": 0, "issued_s": 0}, True),
    ({"epoch": 1, "version": 2**53 - 1}, False),
    ({"epoch": 0, "version": 6}, False),
]


@pytest.mark.parametrize(("changes", "follows"), ORDER)
def test_trust_goes_forward_alone(changes: dict[str, int], *, follows: bool) -> None:
    current = keyring(version=5, epoch=2)
    new = replace(current.trust, **{**changes, "keys": current.trust.keys[:3]})  # type: ignore[arg-type]  # ints and keys
    verdict = judge(trust_container(new), current=current)
    if follows:
        assert isinstance(verdict, AcceptedTrust)
        assert verdict.changed
    else:
        refused(verdict, Reason.STALE_VERSION, authenticated=True)


def test_the_bundle_in_force_again_is_no_change() -> None:
    for signers in (ROOTS[:2], ROOTS):
        verdict = judge(trust_container(signers=signers), current=keyring())
        assert isinstance(verdict, AcceptedTrust)
        assert not verdict.changed


def test_rotation_overlaps_and_revocation_stays() -> None:
    new_command = Party("command, the next", role=Role.COMMAND)
    both = keyring(keys=tuple(p.key_record() for p in (*ROLE_KEYS, new_command)))
    for party in (COMMAND, new_command):
        found = both.find(party.kid)
        assert found is not None
        assert found.key == party.verification_key
        assert found.role is Role.COMMAND
    after = keyring(revoked=(COMMAND.kid,), keys=(new_command.key_record(),))
    assert after.find(COMMAND.kid) is None
    assert after.is_revoked(COMMAND.kid)
    assert not after.is_revoked(new_command.kid)


def test_positions_go_to_the_first_desk_that_is_not_revoked() -> None:
    desks = tuple(p.key_record() for p in (COMMAND, THEFT_DESK, SECOND_DESK))
    assert (
        keyring(keys=desks).position_recipient() == THEFT_DESK.hpke.public_key().public_bytes_raw()
    )
    revoked = keyring(keys=desks, revoked=(THEFT_DESK.kid,))
    assert revoked.position_recipient() == SECOND_DESK.hpke.public_key().public_bytes_raw()
    assert keyring(keys=(COMMAND.key_record(),)).position_recipient() is None


def test_a_point_off_the_curve_refuses_the_bundle() -> None:
    off = b"\x02" + bytes(31) + b"\x01"
    record = KeyRecord(
        kid=cose.kid_of(off), role=Role.COMMAND, alg=-7, public_key=off, hpke_public_key=None
    )
    refused(judge(trust_container(keys=(record,))), Reason.MALFORMED)


def test_root_keys_come_from_the_configuration() -> None:
    keys = trust.root_keys(party.public_key for party in ROOTS)
    assert [key.kid for key in keys] == [party.kid for party in ROOTS]
    for wrong in ([ROOTS[0].public_key] * 2, [b""], [bytes(33)], [PIN_AUTHORITY.public_key[:31]]):
        with pytest.raises(MalformedError):
            trust.root_keys(wrong)


def test_a_car_without_roots_trusts_nobody() -> None:
    refused(judge(trust_container(), by=verifier(roots=())), Reason.THRESHOLD_NOT_MET)


def test_a_bundle_is_never_taken_for_an_account() -> None:
    assert cbor.decode(codec.encode(BUNDLE)) != cbor.decode(codec.encode(LATER))
    with pytest.raises(MalformedError):
        codec.decode(Trust, codec.encode(BUNDLE) + b"\x00")
