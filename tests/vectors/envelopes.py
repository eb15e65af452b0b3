"""Vectors of the envelope alone: every way to write a COSE_Sign1 that is not the strict one.

Carried by an ack, the shortest message; what holds for it holds for every other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cbor2

from tcu_sim.wire import cbor, envelope
from tcu_sim.wire import messages as m
from tcu_sim.wire.keys import EDDSA, ES256
from tests.vectors import world as w
from tests.vectors.cases import ACCEPT, Case
from tests.vectors.keys import COMMAND, P256_ORDER
from tests.vectors.spoiling import (
    assembled,
    envelope_parts,
    flipped,
    high_s,
    signed_with_header,
    with_signature,
)

TYP = "tcu-ack+cose"
LIMIT = 8192


def envelopes() -> Iterator[Case]:
    """Yield the vectors."""
    ack = m.Ack(vehicle_id=w.VEHICLE_ID, seq=100, stream_id=w.STREAM_ID)
    good = Case(name="ack", data=COMMAND.sign(ack), expect=ACCEPT)
    yield good
    signature = envelope_parts(good.data)[3]
    yield replace(
        good, name="the signature with a high s", data=with_signature(good.data, high_s(signature))
    )
    for name, data, expect in (
        *_outside(good.data),
        *_headers(envelope.payload_of(ack)),
        *_parts(good.data),
        *_signatures(good.data),
    ):
        yield replace(good, name=name, data=data, expect=expect, spoilt_from=good.name)


def _outside(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    yield "nothing at all", b"", "malformed"
    yield "the tag alone", good[:1], "malformed"
    yield "without the tag", good[1:], "malformed"
    yield "tag 17 (COSE_Mac0)", b"\xd1" + good[1:], "malformed"
    yield "tag 98 (COSE_Sign)", b"\xd8\x62" + good[1:], "malformed"
    yield "tag 18 in two bytes", b"\xd8\x12" + good[1:], "malformed"
    yield "tag 18 twice", b"\xd2" + good, "malformed"
    yield "tag 61 (CWT) around it", b"\xd8\x3d" + good, "malformed"
    yield "a byte behind", good + b"\x00", "malformed"
    yield "the message twice", good + good, "malformed"
    yield "an array of indefinite length", b"\xd2\x9f" + good[2:] + b"\xff", "malformed"
    yield "an array head that is longer than needed", b"\xd2\x98\x04" + good[2:], "malformed"
    yield "five items", b"\xd2\x85" + good[2:] + b"\xf6", "malformed"
    yield "longer than any message may be", good + bytes(LIMIT + 1 - len(good)), "too-large"


def _headers(payload: bytes) -> Iterator[tuple[str, bytes, str]]:
    kid = COMMAND.public.kid
    right: dict[object, object] = {1: ES256, 4: kid, 16: TYP}

    def under(header: dict[object, object]) -> bytes:
        return signed_with_header(cbor.encode(header), payload, COMMAND)

    def without(key: int) -> bytes:
        return under({other: value for other, value in right.items() if other != key})

    yield "no alg", without(1), "malformed"
    yield "no kid", without(4), "malformed"
    yield "no typ", without(16), "malformed"
    yield "an unknown critical header", under({**right, 2: [99], 99: 1}), "malformed"
    yield "crit that names what is there", under({**right, 2: [1]}), "malformed"
    yield "an empty crit", under({**right, 2: []}), "malformed"
    yield "a content type beside typ", under({**right, 3: 0}), "malformed"
    yield "a text label", under({**right, "x": 1}), "malformed"
    yield "alg of Ed25519 for a P-256 key", under({**right, 1: EDDSA}), "bad-signature"
    yield "alg ES384", under({**right, 1: -35}), "malformed"
    yield "alg HMAC 256/256", under({**right, 1: 5}), "malformed"
    yield "alg as text", under({**right, 1: "ES256"}), "malformed"
    yield "alg null", under({**right, 1: None}), "malformed"
    yield "a kid of 7 bytes", under({**right, 4: kid[:7]}), "malformed"
    yield "a kid of 9 bytes", under({**right, 4: kid + b"\x00"}), "malformed"
    yield "a kid of another key", under({**right, 4: bytes(8)}), "unknown-key"
    yield "typ as a number", under({**right, 16: 18}), "malformed"
    yield "typ in capitals", under({**right, 16: TYP.upper()}), "unsupported-type"
    each = [cbor.encode(key) + cbor.encode(value) for key, value in right.items()]
    doubled = b"\xa4" + each[0] + b"".join(each)
    yield "alg twice", signed_with_header(doubled, payload, COMMAND), "malformed"
    unsorted = b"\xa3" + b"".join(reversed(each))
    yield (
        "header keys in another order",
        signed_with_header(unsorted, payload, COMMAND),
        "malformed",
    )
    yield "an empty protected header", signed_with_header(b"", payload, COMMAND), "malformed"
    array = cbor.encode(list(right.values()))
    yield "an array as protected header", signed_with_header(array, payload, COMMAND), "malformed"


def _parts(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    protected, _, payload, signature = envelope_parts(good)
    header = cbor2.loads(protected)
    yield (
        "alg in the unprotected header too",
        assembled(protected, {1: ES256}, payload, signature),
        "malformed",
    )
    yield (
        "kid in the unprotected header too",
        assembled(protected, {4: COMMAND.public.kid}, payload, signature),
        "malformed",
    )
    yield (
        "the header as a map, not in a byte string",
        assembled(header, {}, payload, signature),
        "malformed",
    )
    yield "null as unprotected header", assembled(protected, None, payload, signature), "malformed"
    yield "a detached payload (null)", assembled(protected, {}, None, signature), "malformed"
    yield "a payload as text", assembled(protected, {}, "payload", signature), "malformed"
    yield "an empty payload", assembled(protected, {}, b"", signature), "bad-signature"
    yield (
        "a bit of the payload flipped",
        assembled(protected, {}, flipped(payload, len(payload) - 1), signature),
        "bad-signature",
    )


def _signatures(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    signature = envelope_parts(good)[3]
    r, s = signature[:32], signature[32:]
    order = P256_ORDER.to_bytes(32, "big")
    zero = bytes(32)
    yield "a signature of 63 bytes", with_signature(good, signature[:63]), "malformed"
    yield "a signature of 65 bytes", with_signature(good, signature + b"\x00"), "malformed"
    yield "an empty signature", with_signature(good, b""), "malformed"
    for position in (0, 31, 32, 63):
        name = f"a bit of byte {position} of the signature flipped"
        yield name, with_signature(good, flipped(signature, position)), "bad-signature"
    yield "s and r exchanged", with_signature(good, s + r), "bad-signature"
    yield "r is 0", with_signature(good, zero + s), "bad-signature"
    yield "s is 0", with_signature(good, r + zero), "bad-signature"
    yield "r and s are 0", with_signature(good, zero + zero), "bad-signature"
    yield "r is the order of the curve", with_signature(good, order + s), "bad-signature"
    yield "s is the order of the curve", with_signature(good, r + order), "bad-signature"
    yield "all bits of the signature set", with_signature(good, b"\xff" * 64), "bad-signature"
