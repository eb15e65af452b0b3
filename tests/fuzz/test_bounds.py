"""Input that was made to cost: deep, huge, claimed huge, or badly packed. Memory and time stay bounded."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.foreign_data import ROOT
from tests.fuzz.can_input import FORMATS
from tests.fuzz.messages import DOWN

MEBI = 1 << 20
MOST_BYTES, MOST_S = 64 * MEBI, 10.0
"""For one input, of Python's own memory and of processor time (under tracemalloc, which makes all slower)."""
CLAIMS = [
    b"\x5b" + b"\xff" * 8,
    b"\x9b" + b"\xff" * 8,
    b"\xbb\x7f" + b"\xff" * 7,
    b"\x9a\x00\xff\xff\xff",
]
"""CBOR heads of strings, arrays and maps that would be enormous."""
NESTED = [b"\x81" * 8000, b"\xa1\x00" * 4000, b"\xd2" * 8000, b"\x82" * 4000 + b"\x00" * 4000]


def arriving(topic: str, data: bytes) -> bytes:
    return bytes([DOWN.index(topic), 0]) + data


def recorded(ending: str, data: bytes) -> bytes:
    return bytes([FORMATS.index(ending)]) + data


def blf_bomb() -> bytes:
    """A BLF log container whose 16 MiB are packed into some kilobytes."""
    packed = zlib.compress(bytes(16 * MEBI), 9)
    body = b"\x02\x00" + bytes(6) + (16 * MEBI).to_bytes(4, "little") + bytes(4) + packed
    container = b"LOBJ" + (16).to_bytes(2, "little") + b"\x01\x00"
    container += (len(body) + 16).to_bytes(4, "little") + (10).to_bytes(4, "little") + body
    head = b"LOGG" + (144).to_bytes(4, "little") + bytes(136)
    return head + container


COSTLY: dict[str, tuple[str, Callable[[], bytes]]] = {
    **{
        f"mqtt {topic}: {number}": ("mqtt", partial(arriving, topic, data))
        for topic in ("request", "trust")
        for number, data in enumerate([*CLAIMS, *(b"\xd2\x84" + each for each in CLAIMS), *NESTED])
    },
    "mqtt: 16 MiB": ("mqtt", lambda: arriving("grant", bytes(16 * MEBI))),
    "trust: 60,000 empty messages": ("trust", lambda: b"\x99\xea\x60" + b"\x40" * 60_000),
    "trust: a list of 8,000 equal keys": (
        "signed",
        lambda: b"\x03\xa1\x02\x99\x1f\x40" + b"\xa0" * 8000,
    ),
    "decode: 40 MiB of hex in a line": ("decode-command", lambda: b"d2" * (20 * MEBI)),
    "decode: 40 MiB raw": ("decode-command", lambda: b"\xd2" * (40 * MEBI)),
    "config: 40 MiB": ("config", lambda: b"#" * (40 * MEBI)),
    "config: 25,000 unknown keys": (
        "config",
        lambda: b"".join(b"k%d=1\n" % n for n in range(25_000)),
    ),
    "config: dots": ("config", lambda: b"a" + b".a" * 100_000 + b"=1"),
    "config: dotted lines": (
        "config",
        lambda: b"\n".join(b"k%d" % n + b".a" * 60 + b"=1" for n in range(1500)),
    ),
    "config: long key": ("config", lambda: b"schema=1\n" + b"k" * 200_000 + b"=1"),
    "mapping: dots": ("mapping", lambda: b"a" + b".a" * 100_000 + b"=1"),
    "mapping: 20,000 signals": ("mapping", lambda: b"schema=1\n" + b"[[signal]]\n" * 20_000),
    "mapping: 15,000 buses": (
        "mapping",
        lambda: b"schema=1\n" + b"".join(b"[bus.b%d]\n" % n for n in range(15_000)),
    ),
    "dbc: 40 MiB": ("dbc", lambda: b" " * (40 * MEBI)),
    "dbc: a long name": ("dbc", lambda: b"BO_ 1 " + b"A" * MEBI + b": 8 X\n"),
    "dbc: a signal of 4 billion bits": (
        "dbc",
        lambda: b'BO_ 1 M: 8 X\n SG_ S : 0|4000000000@1+ (1,0) [0|1] "" X\n',
    ),
    "dbc: a message of 4 billion bytes": (
        "dbc",
        lambda: b'BO_ 1 M: 4000000000 X\n SG_ S : 0|8@1+ (1,0) [0|1] "" X\n',
    ),
    "signing key: 40 MiB": ("signing-key", lambda: b"A" * (40 * MEBI)),
    "record: nested": ("record", lambda: b"\x00\x00" + b"\x81" * 8000),
    "record: a count of 2^63": (
        "record",
        lambda: b"\x06\x00\x83\x01\x1b\x7f" + b"\xff" * 7 + b"\x00",
    ),
    "candump: a line of 16 MiB": (
        "recording",
        lambda: recorded("log", b"(1.0) can0 1#" + b"0" * (16 * MEBI)),
    ),
    "candump: a gzip bomb": (
        "recording",
        lambda: recorded("log.gz", gzip.compress(b"(1.0) can0 1#" + b"0" * (16 * MEBI))),
    ),
    "asc: a line of 16 MiB": (
        "recording",
        lambda: recorded("asc", b"date x\n" + b"0" * (16 * MEBI)),
    ),
    "blf: a bomb": ("recording", lambda: recorded("blf", blf_bomb())),
}


@pytest.mark.parametrize("target", sorted({target for target, _ in COSTLY.values()}))
def test_what_is_made_to_cost_costs_little(target: str, tmp_path: Path) -> None:
    costly = {name: make for name, (meant_for, make) in COSTLY.items() if meant_for == target}
    files = [tmp_path / str(number) for number in range(len(costly))]
    for file, make in zip(files, costly.values(), strict=True):
        file.write_bytes(make())
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.limited", target, *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=110,
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == len(costly), f"{list(costly)[len(lines)]}: {ran.stderr[-600:]}"
    for name, file, line in zip(costly, files, lines, strict=True):
        peak_bytes, processor_s = line.split()
        print(f"{name}: {file.stat().st_size} B, {int(peak_bytes) >> 10} KiB, {processor_s:.6} s")
        assert int(peak_bytes) < MOST_BYTES, name
        assert float(processor_s) < MOST_S, name
