"""The search for secrets finds what it looks for, and takes no harmless number for a PIN."""

import base64
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import cbor2
import pytest

from tcu_sim.demo.planted_secrets import secrets_of
from tcu_sim.demo.secret_search import SecretSearch
from tcu_sim.demo.stage import PLACE
from tcu_sim.pki.ceremony import Plan, initialise

WANTED = SecretSearch(pins=frozenset({"0815", "4711"}), places=(PLACE,))


@pytest.mark.parametrize(
    "content",
    [
        b"pin 4711 entered",
        b'{"pin": "4711"}',
        b"4711",
        b"\x00\x644711\x00",
        b"pin=4711\n",
        b'{"pin":4711}',
        b'{"pin": 4711.0}',
        b'{"t": 1.0}\n{"pin": {"old": [4711]}}\n',
        b'{"pin": 4711, "pin": 1}',
        b'{"4711": true}',
        b'{"detail": "{\\"pin\\": 4711}"}',
        b"pin:4711",
        b"port :4711",
        b"entered:4711 by operator",
        b'{"cut off": 4711',
        b"pin 0815",
    ],
)
def test_a_pin_is_found(content: bytes) -> None:
    assert WANTED.finds_in(content)


@pytest.mark.parametrize(
    "content",
    [
        b"ready at http://127.0.0.1:4711 (pid 4711)",
        b'{"t": 12.4711, "bytes": 4711, "hash": "ab4711cd"}',
        b'{"event": "ready", "pid": 4711, "port": 4711, "open": true}',
        b"4711-11-22T15:59:58",
        b"15:02:11.4711 info",
        b"47110815",
        b'{"counter": 815}',
        b"",
    ],
)
def test_a_harmless_number_is_none(content: bytes) -> None:
    assert not WANTED.finds_in(content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"latitude": 57.689}',
        b"latitude 57.6890",
        b"576890000",
        b'{"latitude": 576890001}',
        cbor2.dumps({2: round(PLACE[0] * 1e7), 3: round(PLACE[1] * 1e7)}),
        struct.pack(">d", PLACE[0]),
        struct.pack("<d", PLACE[1]),
    ],
)
def test_the_place_is_found(content: bytes) -> None:
    assert WANTED.finds_in(content)


KEY = bytes(range(100, 132))
WITH_KEY = SecretSearch(pins=frozenset(), keys=(KEY,), places=(PLACE,))
FIX = b"\xa2\x02" + cbor2.dumps(round(PLACE[0] * 1e7)) + b"\x03" + cbor2.dumps(1)


@pytest.mark.parametrize(
    "content",
    [
        KEY,
        KEY.hex().encode(),
        b"key=" + KEY.hex().upper().encode() + b"\n",
        base64.b64encode(KEY),
        base64.b64encode(b"a" + KEY + b"b"),
        base64.urlsafe_b64encode(b"ab" + KEY),
        b'{"traceback": "sign(' + repr(KEY.decode("latin-1")).encode() + b')"}' + KEY,
        FIX.hex().encode(),
        b'{"payload": "' + base64.b64encode(b"x" + FIX) + b'"}',
    ],
)
def test_a_key_and_an_encoded_place_are_found_in_each_form(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "some.log"
    file.write_bytes(content)
    assert WITH_KEY.finds_in_file(file)
    assert not SecretSearch(pins=frozenset(), keys=(KEY[::-1],)).finds_in_file(file)


def test_a_key_in_a_free_page_of_a_database_is_found(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db", "BLOB", KEY)
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA secure_delete = OFF")
        store.execute('DELETE FROM "a leak"')
        store.commit()
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert WITH_KEY.finds_in_file(path)


def test_every_secret_of_a_bench_is_looked_for(tmp_path: Path) -> None:
    layout = initialise(tmp_path / "bench", Plan(vehicles=["car"], environment="bench"))
    found = secrets_of(layout)
    private = {
        path
        for path in layout.root.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o77 == 0
    }
    # Hashes of tokens; ids of keys, which nobody else should be able to drop from their list.
    assert {path.name for path in private - found.homes} == {"callers.json", "past-keys.txt"}
    assert all(len(value) >= 16 for value in found.values)


def test_another_place_is_not() -> None:
    other = cbor2.dumps({2: 577_089_000, 3: 119_746_000})
    assert not WANTED.finds_in(other + b"57.7089")
    assert not WANTED.finds_in(b'{"t": 57.689, "latitude": 57.7089}')


def database(path: Path, kind: str, value: object, *, stays_in_log: bool = False) -> Path:
    """Make a database with one table in which the value stands between two texts."""
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute(f'CREATE TABLE "a leak" (vehicle TEXT, found {kind}, address TEXT)')
        store.commit()
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.execute('INSERT INTO "a leak" VALUES (?, ?, ?)', ("demo-car", value, "owner-home"))
        store.commit()
        if stays_in_log:
            copy = path.with_name("copied.db")
            for suffix in ("", "-wal"):
                path.with_name(path.name + suffix).rename(copy.with_name(copy.name + suffix))
            return copy
    return path


PLANTED = [
    ("TEXT", "4711"),
    ("INTEGER", 4711),
    ("REAL", 4711.0),
    ("TEXT", '{"pin":4711}'),
    ("BLOB", b"\x644711"),
    ("REAL", PLACE[0]),
    ("REAL", PLACE[1] + 1e-5),
    ("INTEGER", round(PLACE[0] * 1e7) + 3),
]


@pytest.mark.parametrize(("kind", "value"), PLANTED)
def test_every_cell_of_a_database_is_compared(tmp_path: Path, kind: str, value: object) -> None:
    assert WANTED.finds_in_file(database(tmp_path / "x.db", kind, value))


@pytest.mark.parametrize(("kind", "value"), PLANTED)
def test_what_stands_in_the_write_ahead_log_alone_is_found_too(
    tmp_path: Path, kind: str, value: object
) -> None:
    path = database(tmp_path / "x.db", kind, value, stays_in_log=True)
    assert b"demo-car" not in path.read_bytes()
    assert WANTED.finds_in_file(path)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("TEXT", "47110815"), ("INTEGER", 47110815), ("INTEGER", 815), ("REAL", 1_800_004_711.5)],
)
def test_another_value_in_a_database_is_none(tmp_path: Path, kind: str, value: object) -> None:
    assert not WANTED.finds_in_file(database(tmp_path / "x.db", kind, value))


def test_a_database_that_cannot_be_read_is_no_clean_one(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db", "TEXT", "nothing")
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\xff" * (len(content) - 20))
    with pytest.raises(sqlite3.DatabaseError):
        WANTED.finds_in_file(path)
