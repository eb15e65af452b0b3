"""What fuzzing once found stays mended: tests/fuzz/found/TARGET/*.hex are put to their target again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.catalogue import TARGETS

FOUND = Path(__file__).parent / "found"
FILES = sorted(FOUND.glob("*/*.hex"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_was_found_is_decoded_or_refused(file: Path) -> None:
    data = bytes.fromhex(file.read_text(encoding="ascii"))
    assert TARGETS[file.parent.name].run(data) in {True, False}


def test_each_folder_is_a_target() -> None:
    assert {file.parent.name for file in FILES} <= TARGETS.keys()
    assert FILES
