"""What a fuzz target is: bytes into one decoder, and the one kind of refusal that is documented for it.

A target's `run` returns whether the bytes were decoded. Whatever it raises is a finding: the documented errors are
caught inside it. The same targets serve three drivers: Hypothesis (`test_any_bytes`), hostile bytes under limits of
memory and time (`test_bounds`), and the coverage-guided run (`guided`, `make fuzz`).
"""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MEMORY_DISK = Path("/dev/shm")
"""Where there is one, targets that need files write there: some hundred thousand files in an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One decoder.

    `run`: returns True for decoded, False for refused as documented. `seeds`: good input, from which drivers go on.
    `decoder`: dotted name of a function that every good input passes; tests plant a bug there. `max_bytes`: how long
    an input the drivers try.
    """

    name: str
    run: Callable[[bytes], bool]
    seeds: Callable[[], Iterable[bytes]]
    decoder: str
    max_bytes: int = 4096


@cache
def scratch() -> Path:
    """Return a folder of this process, gone at its end."""
    place = MEMORY_DISK if MEMORY_DISK.is_dir() else None
    folder = tempfile.TemporaryDirectory(prefix="tcu-fuzz-", dir=place)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def written(name: str, content: bytes) -> Path:
    """Return a scratch file with this content, for its owner alone."""
    file = scratch() / name
    file.touch(mode=0o600)
    file.write_bytes(content)
    return file
