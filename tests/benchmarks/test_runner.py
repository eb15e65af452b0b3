"""`make benchmark` as a person calls it: one benchmark that gives up costs its own figures only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks import __main__ as runner
from benchmarks.figures import Figure


def well(_: int) -> Iterator[Figure]:
    yield Figure(name="well", value=1.0, unit="ms")


def unfair(_: int) -> Iterator[Figure]:
    yield Figure(name="before", value=2.0, unit="ms")
    raise SystemExit("no fair figure")


def broken(_: int) -> Iterator[Figure]:
    raise ZeroDivisionError("a defect")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    there = {"broken": broken, "unfair": unfair, "well": well}
    monkeypatch.setattr(runner, "known", lambda: there)
    return tmp_path / "figures.json"


def test_what_was_measured_is_written_whatever_gave_up(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.main(["--json", str(file)]) == 1
    assert [each["name"] for each in json.loads(file.read_text())] == ["before", "well"]
    said = capsys.readouterr().err
    assert "unfair: no fair figure" in said
    assert said.splitlines()[-1] == "gave up: broken, unfair"


def test_all_is_well_with_status_0(file: Path) -> None:
    assert runner.main(["well", "--json", str(file)]) == 0
    assert [each["name"] for each in json.loads(file.read_text())] == ["well"]
