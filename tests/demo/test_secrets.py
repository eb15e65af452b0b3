"""The search for secrets finds what it looks for, and takes no harmless number for a PIN."""

import cbor2
import pytest

from tcu_sim.demo.stage import PLACE
from tcu_sim.demo.steps_secrets import shows_pin, shows_place


@pytest.mark.parametrize(
    "content",
    [b"pin 4711 entered", b'{"pin": "4711"}', b"4711", b"\x00\x644711\x00", b"pin=4711\n"],
)
def test_a_pin_is_found(content: bytes) -> None:
    assert shows_pin(content, {"0815", "4711"})


@pytest.mark.parametrize(
    "content",
    [
        b"ready at http://127.0.0.1:4711 (pid 4711)",
        b'{"t": 12.4711, "bytes": 4711, "hash": "ab4711cd"}',
        b"4711-11-22T15:59:58",
        b"47110815",
        b"",
    ],
)
def test_a_harmless_number_is_none(content: bytes) -> None:
    assert not shows_pin(content, {"0815", "4711"})


@pytest.mark.parametrize(
    "content",
    [
        b'{"latitude": 57.689}',
        b"576890000",
        cbor2.dumps({2: round(PLACE[0] * 1e7), 3: round(PLACE[1] * 1e7)}),
    ],
)
def test_the_place_is_found(content: bytes) -> None:
    assert shows_place(content)


def test_another_place_is_not(tmp_path: object) -> None:
    assert not shows_place(cbor2.dumps({2: 577_089_000, 3: 119_746_000}) + b"57.7089")
