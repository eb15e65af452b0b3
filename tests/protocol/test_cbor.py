"""The strict profile of CBOR: the one right encoding, and nothing else."""

import struct
import tracemalloc

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcu_agent.errors import MalformedError
from tcu_agent.protocol import cbor
from tcu_agent.protocol.vocabulary import Reason

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20)
)
KEYS = st.integers(0, 23) | st.text(max_size=10)


def nested(depth: int) -> st.SearchStrategy[cbor.CborValue]:
    if depth == 0:
        return SCALARS
    inner = nested(depth - 1)
    return SCALARS | st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)


OUTSIDE = {
    "nothing": "",
    "two values": "0102",
    "bytes after the end": "a1010200",
    "cut off in a head": "19",
    "cut off in an integer": "1901",
    "cut off in a byte string": "42aa",
    "cut off in a text": "6261",
    "cut off in an array": "8201",
    "cut off in a map": "a101",
    "indefinite byte string": "5f4101ff",
    "indefinite text": "7f6161ff",
    "indefinite array": "9f01ff",
    "indefinite map": "bf0102ff",
    "a break alone": "ff",
    "integer 23 in two bytes": "1817",
    "integer 255 in three bytes": "1900ff",
    "integer 65535 in five bytes": "1a0000ffff",
    "integer 2^32-1 in nine bytes": "1b00000000ffffffff",
    "negative integer not shortest": "3800",
    "length of a byte string not shortest": "5801aa",
    "length of a text not shortest": "780161",
    "length of an array not shortest": "980101",
    "length of a map not shortest": "b8010102",
    "reserved head 28": "1c",
    "reserved head 30": "1e",
    "half float": "f93c00",
    "single float": "fa3f800000",
    "double float": "fb3ff0000000000000",
    "not a number": "f97e00",
    "undefined": "f7",
    "simple value 0": "e0",
    "simple value 24 by one byte": "f818",
    "false by one byte": "f814",
    "bignum": "c249010000000000000000",
    "negative bignum": "c349010000000000000000",
    "small number as a bignum": "c24105",
    "date": "c074323032362d30312d30315430303a30303a30305a",
    "epoch time": "c11a6774853f",
    "decimal fraction": "c48221196ab3",
    "bigfloat with a huge exponent": "c5821b7fffffffffffffff01",
    "regular expression": "d8236161",
    "shared value and reference": "82d81c80d81d00",
    "string reference": "d9010081d81900",
    "set": "d9010281 01".replace(" ", ""),
    "COSE tag": "d28440a04040",
    "tag 55799": "d9d9f701",
    "unknown tag": "d9ffff01",
    "keys out of order": "a202010100",
    "text keys out of order": "a2616201616100",
    "longer text key first": "a262616101616200",
    "integer key after text": "a2616101 0100".replace(" ", ""),
    "key twice": "a201010102",
    "text key twice": "a2616101616102",
    "key twice, same value": "a201010101",
    "key 24": "a1181800",
    "negative key": "a12000",
    "byte string as a key": "a1416100",
    "true as a key": "a1f500",
    "1 and true as keys": "a20100f500",
    "null as a key": "a1f600",
    "array as a key": "a1800000"[:6],
    "map as a key": "a1a000",
    "bad key inside": "81a1181800",
    "text not UTF-8": "61ff",
    "text with a surrogate": "63eda080",
    "text with an overlong form": "62c080",
    "five levels": "818181818101",
    "five levels of maps": "a100a100a100a100a10000",
}


@pytest.mark.parametrize("data", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_what_is_outside_the_profile_is_refused(data: str) -> None:
    with pytest.raises(MalformedError) as refusal:
        cbor.decode(bytes.fromhex(data))
    assert refusal.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("18ff", 255),
        ("190100", 256),
        ("1a00010000", 65536),
        ("1b0000000100000000", 2**32),
        ("1bffffffffffffffff", 2**64 - 1),
        ("20", -1),
        ("3bffffffffffffffff", -(2**64)),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("40", b""),
        ("60", ""),
        ("62c3bc", "ü"),
        ("80", []),
        ("a0", {}),
        ("8181818101"[:10], [[[[1]]]]),
        ("a2000117f4", {0: 1, 23: False}),
        ("a26162016261610 2".replace(" ", ""), {"b": 1, "aa": 2}),
    ],
)
def test_what_is_inside_is_read_and_written_back(data: str, value: cbor.CborValue) -> None:
    read = cbor.decode(bytes.fromhex(data))
    assert read == value
    assert type(read) is type(value)
    assert cbor.encode(value).hex() == data


@given(nested(4))
def test_every_value_survives(value: cbor.CborValue) -> None:
    assert cbor.decode(cbor.encode(value)) == value


@given(st.binary(max_size=120))
def test_any_bytes_are_the_one_encoding_or_refused(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except MalformedError:
        return
    assert cbor.encode(value) == data
    assert cbor2.loads(data) == value


@given(nested(3), st.data())
def test_no_other_bytes_mean_the_same(value: cbor.CborValue, data: st.DataObject) -> None:
    """Flip a bit, cut, or append: what is still accepted is another value."""
    encoded = cbor.encode(value)
    at = data.draw(st.integers(0, len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    for changed in (bytes(flipped), encoded[:at], encoded + b"\x00"):
        try:
            other = cbor.decode(changed)
        except MalformedError:
            continue
        assert cbor.encode(other) != encoded


def test_the_length_limit_comes_before_everything() -> None:
    longest = cbor.encode(bytes(cbor.MESSAGE_LIMIT - 3))
    assert len(longest) == cbor.MESSAGE_LIMIT
    assert cbor.decode(longest)
    with pytest.raises(MalformedError) as refusal:
        cbor.decode(longest + b"\xff")
    assert refusal.value.reason is Reason.TOO_LARGE
    assert cbor.decode(longest, limit=len(longest))
    with pytest.raises(MalformedError):
        cbor.decode(longest, limit=len(longest) - 1)


@pytest.mark.parametrize("major", [2, 3, 4, 5])
@pytest.mark.parametrize("declared", [2**16, 2**31, 2**32 - 1, 2**53, 2**63, 2**64 - 1])
def test_a_huge_declared_length_costs_nothing(major: int, declared: int) -> None:
    size, code = (4, 26) if declared < 2**32 else (8, 27)
    head = bytes([major << 5 | code]) + struct.pack(">Q", declared)[-size:]
    tracemalloc.start()
    try:
        with pytest.raises(MalformedError):
            cbor.decode(head)
        with pytest.raises(MalformedError):
            cbor.decode(head + bytes(8000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("head", [b"\x81", b"\xa1\x00", b"\xc1", b"\xd8\x1c", b"\x9f"])
def test_deep_nesting_neither_hangs_nor_overflows_the_stack(head: bytes) -> None:
    deep = head * (cbor.MESSAGE_LIMIT // len(head))
    with pytest.raises(MalformedError):
        cbor.decode(deep)


def test_each_cause_is_told() -> None:
    """What is refused is refused for the reason that the case is about."""
    for name, said in {
        "five levels": "more than 4 levels",
        "five levels of maps": "more than 4 levels",
        "bytes after the end": "after the end",
        "cut off in a map": "cut off",
        "indefinite array": "indefinite",
        "reserved head 28": "reserved",
        "integer 23 in two bytes": "shortest",
        "bignum": "tag 2",
        "regular expression": "tag 35",
        "single float": "float",
        "undefined": "simple value",
        "key twice": "out of order or twice",
        "text keys out of order": "out of order or twice",
        "key 24": "neither 0..23 nor text",
        "true as a key": "neither 0..23 nor text",
        "text not UTF-8": "no valid CBOR",
    }.items():
        with pytest.raises(MalformedError, match=said):
            cbor.decode(bytes.fromhex(OUTSIDE[name]))


def test_many_small_items_are_no_matter() -> None:
    wide = b"\x99\x1f\xf0" + b"\x80" * 0x1FF0
    assert len(cbor.decode(wide)) == 0x1FF0  # type: ignore[arg-type]  # a list, as the bytes say
