"""The strict COSE_Sign1: its shape, its keys, and that nothing unverified can be taken for verified."""

import hashlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.errors import BugError, MalformedError
from tcu_agent.protocol import cbor, cose
from tcu_agent.protocol.cose import EDDSA, ES256, VerificationKey, VerifiedPayload
from tcu_agent.protocol.vocabulary import Reason
from tests.protocol.signing import COMMAND, ENVIRONMENT, PIN_AUTHORITY, Party, sign_payload

TYP = "tcu-ack+cose"
PAYLOAD = b"anything"
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIGNERS = [COMMAND, PIN_AUTHORITY]
GOOD_HEADER: dict[object, object] = {1: ES256, 4: COMMAND.kid, 16: TYP}


def checked(data: bytes, party: Party, environment: str = ENVIRONMENT) -> VerifiedPayload | None:
    envelope = cose.parse(data)
    return cose.verify(envelope, key=party.verification_key, environment=environment)


def envelope_of(
    header: object = GOOD_HEADER,
    *,
    unprotected: object = {},
    payload: object = PAYLOAD,
    signature: object = bytes(64),
    more: tuple[object, ...] = (),
) -> bytes:
    protected = cbor2.dumps(header, canonical=True) if isinstance(header, dict) else header
    return b"\xd2" + cbor2.dumps([protected, unprotected, payload, signature, *more])


@pytest.mark.parametrize("party", SIGNERS, ids=lambda party: party.name)
def test_a_signed_message_is_verified(party: Party) -> None:
    verified = checked(sign_payload(PAYLOAD, typ=TYP, party=party), party)
    assert verified is not None
    assert (verified.content, verified.kid, verified.typ) == (PAYLOAD, party.kid, TYP)


@pytest.mark.parametrize("party", SIGNERS, ids=lambda party: party.name)
def test_every_flipped_bit_is_seen(party: Party) -> None:
    good = sign_payload(PAYLOAD, typ=TYP, party=party)
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            verified = checked(bytes(bad), party)
        except MalformedError:
            continue
        assert verified is None, f"bit {bit}"


@pytest.mark.parametrize("party", SIGNERS, ids=lambda party: party.name)
def test_every_truncation_is_malformed(party: Party) -> None:
    good = sign_payload(PAYLOAD, typ=TYP, party=party)
    for length in range(len(good)):
        with pytest.raises(MalformedError):
            cose.parse(good[:length])


@pytest.mark.parametrize("party", SIGNERS, ids=lambda party: party.name)
def test_another_environment_never_verifies(party: Party) -> None:
    data = sign_payload(PAYLOAD, typ=TYP, party=party, environment="production")
    assert checked(data, party, "bench") is None
    assert checked(data, party, "production") is not None


def test_what_is_signed_is_the_structure_of_rfc_9052() -> None:
    unsigned = cose.prepare(
        typ=TYP, payload=PAYLOAD, alg=ES256, kid=COMMAND.kid, environment="bench"
    )
    protected = cbor2.dumps({1: -7, 4: COMMAND.kid, 16: TYP})
    aad = cbor2.dumps(["tcu-agent", 1, "bench"])
    assert cbor2.loads(unsigned.signing_input) == ["Signature1", protected, aad, PAYLOAD]


MALFORMED = {
    "no tag": envelope_of()[1:],
    "tag 17": b"\xd1" + envelope_of()[1:],
    "tag 18 twice": b"\xd2" + envelope_of(),
    "tag 18 in two bytes": b"\xd8\x12" + envelope_of()[1:],
    "no array": b"\xd2" + cbor2.dumps({0: 1}),
    "three items": b"\xd2" + cbor2.dumps([b"", {}, b""]),
    "five items": envelope_of(more=(b"",)),
    "payload absent (detached)": envelope_of(payload=None),
    "payload a text": envelope_of(payload="x"),
    "unprotected alg": envelope_of(unprotected={1: -7}),
    "unprotected kid": envelope_of(unprotected={4: bytes(8)}),
    "unprotected an array": envelope_of(unprotected=[]),
    "signature of 63 bytes": envelope_of(signature=bytes(63)),
    "signature of 65 bytes": envelope_of(signature=bytes(65)),
    "signature as DER": envelope_of(signature=bytes(70)),
    "signature a text": envelope_of(signature="x" * 64),
    "protected a map": envelope_of([]),
    "protected empty": envelope_of(b""),
    "protected empty map": envelope_of({}),
    "no alg": envelope_of({4: bytes(8), 16: TYP}),
    "no kid": envelope_of({1: ES256, 16: TYP}),
    "no typ": envelope_of({1: ES256, 4: bytes(8)}),
    "crit": envelope_of({**GOOD_HEADER, 2: [4]}),
    "unknown crit": envelope_of({**GOOD_HEADER, 2: [99]}),
    "content type": envelope_of({**GOOD_HEADER, 3: 0}),
    "iv": envelope_of({**GOOD_HEADER, 5: b"x"}),
    "alg a text": envelope_of({**GOOD_HEADER, 1: "ES256"}),
    "alg ES384": envelope_of({**GOOD_HEADER, 1: -35}),
    "alg HMAC": envelope_of({**GOOD_HEADER, 1: 5}),
    "alg true": envelope_of({**GOOD_HEADER, 1: True}),
    "kid of 7 bytes": envelope_of({**GOOD_HEADER, 4: bytes(7)}),
    "kid of 9 bytes": envelope_of({**GOOD_HEADER, 4: bytes(9)}),
    "kid a text": envelope_of({**GOOD_HEADER, 4: "12345678"}),
    "typ an integer": envelope_of({**GOOD_HEADER, 16: 1}),
    "alg twice": envelope_of(bytes.fromhex("a401260126") + b"\x04\x48" + bytes(8) + b"\x10\x61a"),
    "header keys out of order": envelope_of(b"\xa3\x04\x48" + bytes(8) + b"\x01\x26\x10\x61a"),
    "bytes after the header": envelope_of(cbor2.dumps(GOOD_HEADER) + b"\x00"),
    "bytes after the message": envelope_of() + b"\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_exactly_the_profile_is_malformed(data: bytes) -> None:
    assert cose.parse(envelope_of()).typ == TYP
    with pytest.raises(MalformedError) as refusal:
        cose.parse(data)
    assert refusal.value.reason is Reason.MALFORMED


def test_the_limit_counts_the_tag() -> None:
    fits = envelope_of(
        payload=bytes(cbor.MESSAGE_LIMIT - len(envelope_of(payload=bytes(256))) + 256)
    )
    assert len(fits) == cbor.MESSAGE_LIMIT
    assert cose.parse(fits).typ == TYP
    for data in (fits + b"\x00", bytes(cbor.MESSAGE_LIMIT + 1)):
        with pytest.raises(MalformedError) as refusal:
            cose.parse(data)
        assert refusal.value.reason is Reason.TOO_LARGE


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_malformed(data: bytes) -> None:
    for attempt in (data, b"\xd2" + data, envelope_of(payload=data)):
        try:
            envelope = cose.parse(attempt)
        except MalformedError:
            continue
        assert checked(attempt, COMMAND) is None
        assert envelope.typ == TYP


def test_the_key_decides_the_algorithm() -> None:
    data = sign_payload(PAYLOAD, typ=TYP, party=COMMAND, alg=EDDSA)
    assert cose.parse(data).alg == EDDSA
    assert checked(data, COMMAND) is None
    data = sign_payload(PAYLOAD, typ=TYP, party=PIN_AUTHORITY, alg=ES256)
    assert checked(data, PIN_AUTHORITY) is None


def test_a_kid_of_another_key_never_verifies() -> None:
    """The header is signed, but a key must not vouch for a header that names another."""
    unsigned = cose.prepare(
        typ=TYP, payload=PAYLOAD, alg=ES256, kid=bytes(8), environment=ENVIRONMENT
    )
    assert checked(unsigned.assemble(COMMAND.sign(unsigned.signing_input)), COMMAND) is None


def test_a_high_s_is_the_same_signature() -> None:
    """Tokens do not normalise s, and nothing is keyed on signature bytes."""
    low = COMMAND.sign(PAYLOAD)
    s = int.from_bytes(low[32:], "big")
    high = low[:32] + (N - s).to_bytes(32, "big")
    assert low != high
    assert COMMAND.verification_key.is_signature(low, PAYLOAD)
    assert COMMAND.verification_key.is_signature(high, PAYLOAD)


@pytest.mark.parametrize("r", [0, 1, N, N + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, N, N + 1, 2**256 - 1])
def test_r_and_s_out_of_range_are_no_signature(r: int, s: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert not COMMAND.verification_key.is_signature(signature, PAYLOAD)


@pytest.mark.parametrize("length", [0, 63, 65, 128])
@pytest.mark.parametrize("party", SIGNERS, ids=lambda party: party.name)
def test_a_signature_is_64_bytes(party: Party, length: int) -> None:
    assert not party.verification_key.is_signature((party.sign(PAYLOAD) * 2)[:length], PAYLOAD)


NO_KEYS = {
    "nothing": (ES256, b""),
    "Ed25519 length for ES256": (ES256, PIN_AUTHORITY.public_key),
    "P-256 length for Ed25519": (EDDSA, COMMAND.public_key),
    "unknown algorithm": (-35, COMMAND.public_key),
    "x not on the curve": (ES256, b"\x02" + bytes(31) + b"\x01"),
    "x beyond the field": (ES256, b"\x02" + b"\xff" * 32),
    "infinity, padded": (ES256, bytes(33)),
    "uncompressed prefix": (ES256, b"\x04" + bytes(32)),
    "hybrid prefix": (ES256, b"\x06" + COMMAND.public_key[1:]),
}


@pytest.mark.parametrize(("alg", "public_key"), NO_KEYS.values(), ids=NO_KEYS.keys())
def test_what_is_no_key_is_refused(alg: int, public_key: bytes) -> None:
    with pytest.raises(MalformedError):
        VerificationKey(alg=alg, public_key=public_key)


def test_a_point_is_checked_against_the_curve() -> None:
    """Of all x, half have a point on P-256: Euler's criterion says which."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    seen = set()
    for x in range(20):
        on_curve = pow(x**3 - 3 * x + b, (p - 1) // 2, p) == 1
        seen.add(on_curve)
        try:
            VerificationKey(alg=ES256, public_key=bytes([2]) + x.to_bytes(32, "big"))
        except MalformedError:
            assert not on_curve
        else:
            assert on_curve
    assert seen == {True, False}


def test_the_length_tells_the_algorithm() -> None:
    assert VerificationKey.of(COMMAND.public_key) == COMMAND.verification_key
    assert VerificationKey.of(PIN_AUTHORITY.public_key) == PIN_AUTHORITY.verification_key
    with pytest.raises(MalformedError):
        VerificationKey.of(bytes(31))


def test_a_kid_is_the_head_of_the_hash() -> None:
    assert COMMAND.kid == hashlib.sha256(COMMAND.public_key).digest()[:8]
    assert COMMAND.verification_key.kid == COMMAND.kid


def test_nobody_else_can_build_a_verified_payload() -> None:
    with pytest.raises(BugError):
        VerifiedPayload(kid=bytes(8), typ=TYP, content=PAYLOAD, seal=object())


def test_a_signer_that_gives_der_is_a_bug() -> None:
    unsigned = cose.prepare(
        typ=TYP, payload=PAYLOAD, alg=ES256, kid=COMMAND.kid, environment=ENVIRONMENT
    )
    with pytest.raises(BugError):
        unsigned.assemble(b"\x30\x44" + bytes(68))


def test_a_header_that_was_read_before_vouches_for_nothing() -> None:
    good = sign_payload(PAYLOAD, typ=TYP, party=COMMAND)
    assert checked(good, COMMAND) is not None
    assert checked(good, PIN_AUTHORITY) is None
    assert checked(good[:-1] + bytes([good[-1] ^ 1]), COMMAND) is None
    assert checked(good, COMMAND, "another") is None


def test_a_stranger_who_invents_headers_takes_no_memory() -> None:
    for number in range(100):
        cose.parse(envelope_of({**GOOD_HEADER, 4: number.to_bytes(8, "big")}))
    info = cose._header.cache_info()
    assert info.maxsize is not None
    assert info.currsize == info.maxsize < 100
