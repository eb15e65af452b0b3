"""Changes of one thing: in the bytes of an envelope, and in the map of a payload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import cbor2

from tcu_sim.wire import cbor
from tests.vectors.keys import ENVIRONMENT, P256_ORDER, Holder

Fields = Mapping[int, object]
DROP = object()
"""In `changed`: the key goes."""


def changed(fields: Fields, **changes: object) -> bytes:
    """Return a payload with fields changed: `k5=1` sets key 5, `k5=DROP` takes it out."""
    new = {**fields, **{int(name[1:]): value for name, value in changes.items()}}
    return cbor.encode({key: value for key, value in new.items() if value is not DROP})


def head(major: int, count: int) -> bytes:
    """Return the shortest head of a map, array or string of at most 65535."""
    if count < 24:
        return bytes([major << 5 | count])
    size = 1 if count < 256 else 2
    return bytes([major << 5 | 23 + size]) + count.to_bytes(size, "big")


def pairs(fields: Fields) -> list[bytes]:
    """Return the encoded pairs of a map in their order."""
    return [cbor.encode(key) + cbor.encode(fields[key]) for key in sorted(fields)]


def malformed_payloads(fields: Fields) -> Iterator[tuple[str, bytes]]:
    """Yield payloads that mean the same, or almost, and are not the deterministic encoding."""
    each, good = pairs(fields), cbor.encode(dict(fields))
    count, body = len(each), b"".join(each)
    yield "a byte behind the payload", good + b"\x00"
    yield "the last byte of the payload cut off", good[:-1]
    yield "an empty payload", b""
    yield "a key twice", head(5, count + 1) + each[0] + body
    yield "keys in another order", head(5, count) + b"".join(reversed(each))
    yield "a length that is longer than needed", b"\xb8" + bytes([count]) + body
    yield "a key that is longer than needed", head(5, count) + b"\x18" + body
    yield "an indefinite length", b"\xbf" + body + b"\xff"
    yield "a tag around the payload", b"\xc1" + good
    yield "an array instead of a map", cbor.encode(list(fields.values()))
    yield "an unknown key", cbor.encode({**fields, 15: 0})
    yield "a negative key", cbor.encode({**fields, -1: 0})
    with_text: dict[object, object] = {"5": 0, **dict(fields.items())}
    yield "a text key", cbor.encode(with_text)
    yield "a float", cbor2.dumps({**fields, 5: 1.5}, canonical=True)
    yield "undefined", cbor2.dumps({**fields, 5: cbor2.undefined}, canonical=True)
    yield "five levels", cbor.encode({**fields, 5: [[[[]]]]})


def typed_wrong(value: object) -> Iterator[tuple[str, object]]:
    """Yield values of another type or length than a good value has."""
    yield "is null", None
    if isinstance(value, bool):
        yield "is 1, not true", 1
    elif isinstance(value, int):
        yield "is text", "1"
        yield "is true", True
    elif isinstance(value, bytes) and len(value) <= 32:
        yield "is a byte short", value[:-1]
        yield "is a byte long", value + b"\x00"
    elif isinstance(value, str):
        yield "is bytes", value.encode()
        yield "is empty", ""
    elif isinstance(value, list | tuple | Mapping):
        yield "is a number", 0


def field_spoilings(
    fields: Fields, *, optional: frozenset[int], beyond: Mapping[int, Sequence[object]]
) -> Iterator[tuple[str, bytes]]:
    """Yield, for each field: it is missing, of another type, of another length, out of its range."""
    for key, value in fields.items():
        name = f"k{key}"
        if key not in optional:
            yield f"field {key} is missing", changed(fields, **{name: DROP})
        for what, wrong in typed_wrong(value):
            yield f"field {key} {what}", changed(fields, **{name: wrong})
        for wrong in beyond.get(key, ()):
            yield f"field {key} is {shown(wrong)}", changed(fields, **{name: wrong})


def shown(value: object) -> str:
    """Return a value as a vector's name has it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def envelope_parts(message: bytes) -> tuple[bytes, object, bytes, bytes]:
    """Return protected header, unprotected header, payload and signature of a good message."""
    protected, unprotected, payload, signature = cbor2.loads(message).value
    return protected, unprotected, payload, signature


def assembled(*parts: object) -> bytes:
    """Return the parts as a COSE_Sign1 with its tag."""
    return b"\xd2" + cbor.encode(list(parts))


def signed_with_header(header: bytes, payload: bytes, holder: Holder) -> bytes:
    """Return a message under any protected header, honestly signed."""
    aad = cbor.encode(["tcu-agent", 1, ENVIRONMENT])
    signature = holder.sign_bytes(cbor.encode(["Signature1", header, aad, payload]))
    return assembled(header, {}, payload, signature)


def with_signature(message: bytes, signature: bytes) -> bytes:
    """Return the message with another signature."""
    protected, unprotected, payload, _ = envelope_parts(message)
    return assembled(protected, unprotected, payload, signature)


def flipped(data: bytes, position: int) -> bytes:
    """Return the data with one bit flipped."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def high_s(signature: bytes) -> bytes:
    """Return the other ECDSA signature that holds for the same bytes: r, n - s."""
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big")
