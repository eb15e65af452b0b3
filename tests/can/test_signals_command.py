"""`tcu-agent signals` on a real drive's recording: what happened to the car, no more and no less."""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.cli import signals
from tcu_agent.errors import ConfigError, MappingError, RecordingError
from tests.can.vehicle import REFERENCE, button, frame, locks
from tests.foreign_data import ROOT, foreign_data

MODEL3 = "recordings/tesla_model3/"
LOG = "candump-2021-12-08_151848.excerpt.log"
FRONT_LEFT = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
REAR_LEFT = "Vehicle.Cabin.Door.Row2.DriverSide.IsOpen"
BUTTON = "Vehicle.TCU.OnCall.IsButtonPressed"
FLICKERING = "Vehicle.Body.FrontController.IsDriverDoorOpen"


def command(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    signals.add_parser(parser.add_subparsers())
    args = parser.parse_args(["signals", *map(str, arguments)])
    status: int = args.func(args)
    return status


def run_json(
    capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert command(*arguments, "--json") == 0
    *changes, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert all(set(change) == {"t", "path", "value"} for change in changes)
    return changes, summary


def at(changes: list[dict[str, Any]], path: str) -> list[tuple[float, Any]]:
    return [(change["t"], change["value"]) for change in changes if change["path"] == path]


@pytest.fixture(
    params=[
        ("tesla_model3.toml", "tesla_model3_vehicle.dbc"),
        ("tesla_model3_full.toml", "Model3CAN.kuksa.dbc"),
    ]
)
def drive(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    mapping, dbc = request.param
    dbc_file, log = foreign_data(MODEL3 + dbc), foreign_data(MODEL3 + LOG)
    return (
        mapping,
        *run_json(capsys, "--dbc", dbc_file, "--map", ROOT / "examples" / mapping, "--log", log),
    )


def test_what_happened_to_the_car(drive: tuple[str, list[dict[str, Any]], dict[str, Any]]) -> None:
    _, changes, summary = drive
    opened = [t for t, value in at(changes, FRONT_LEFT) if value is True]
    assert len(opened) == 1
    assert 13.087 <= opened[0] <= 13.097  # the latch is fully open at 13.972 only
    closed = [t for t, value in at(changes, REAR_LEFT) if value is False]
    assert closed == [pytest.approx(12.302, abs=0.01)]
    (_, before), (pressed, down), (released, up) = at(changes, BUTTON)
    assert (before, down, up) == (False, True, False)
    assert pressed == pytest.approx(12.964, abs=0.01)
    assert released == pytest.approx(13.764, abs=0.01)
    assert released - pressed == pytest.approx(0.80, abs=0.01)
    assert all(change["value"] is not None for change in changes)
    assert summary["frames"] == 52_597
    assert summary["changes"] == len(changes)
    assert summary["truncated_input"]["where"] == "line 52598"
    assert summary["duration_s"] == pytest.approx(26.1, abs=0.1)


def test_the_summary_of_each_database(
    drive: tuple[str, list[dict[str, Any]], dict[str, Any]],
) -> None:
    mapping, changes, summary = drive
    if mapping == "tesla_model3.toml":
        assert (summary["ids_known"], summary["ids_unknown"], summary["decode_errors"]) == (
            9,
            211,
            {},
        )
        return
    assert (summary["ids_known"], summary["ids_unknown"]) == (90, 130)
    assert sum(summary["decode_errors"].values()) == 941
    assert summary["decode_errors"]["0x264"] == 262
    assert list(summary["decode_error_causes"]["0x264"]) == [
        "Wrong data size: 6 instead of 8 bytes"
    ]
    assert len(at(changes, FLICKERING)) <= 2
    assert summary["suppressed"][FLICKERING] > 200


def test_without_debounce_it_would_flood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trap is there: else the test above could not fail."""
    text = (ROOT / "examples" / "tesla_model3_full.toml").read_text(encoding="utf-8")
    file = tmp_path / "map.toml"
    file.write_text(text.replace("debounce_ms = 200", "debounce_ms = 0"))
    dbc, log = foreign_data(MODEL3 + "Model3CAN.kuksa.dbc"), foreign_data(MODEL3 + LOG)
    changes, _ = run_json(capsys, "--dbc", dbc, "--map", file, "--log", log)
    assert len(at(changes, FLICKERING)) > 200


def own_recording(folder: Path) -> Path:
    """Four seconds of the reference vehicle, with one forged button frame."""
    frames = [
        one
        for step in range(40)
        for t in [100 + step * 0.1]
        for one in (button(step, t), locks(step, t), frame("VehicleMotion", t, VehicleSpeed=step))
    ]
    lines = [
        f"({one.timestamp_s:.6f}) can0 {one.arbitration_id:03X}#{one.data.hex().upper()}"
        for one in frames
    ]
    lines.insert(30, "(101.000000) can0 1A0#000501")
    lines.append("(104.000000) can0 0A0#0107000042523B0E")
    file = folder / "own.log"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_the_reference_vehicle_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--map", REFERENCE, "--log", own_recording(tmp_path)) == 0
    shown = capsys.readouterr().out
    assert f"    0.000000  {BUTTON} = false" in shown
    assert "OnCallButton: end-to-end check failed: {'crc': 1}" in shown
    assert "122 frames, 4.0 s" in shown
    assert "mapped, but not in the recording: " in shown
    assert "null" not in shown


def test_progress_is_told_on_standard_error_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    told = Terminal()
    monkeypatch.setattr(sys, "stderr", told)
    monkeypatch.setattr(signals, "_BATCH_FRAMES", 50)
    monkeypatch.setattr(signals, "_PROGRESS_S", {True: -1.0})
    _, summary = run_json(capsys, "--map", REFERENCE, "--log", own_recording(tmp_path))
    assert summary["frames"] == 122
    assert told.getvalue().split("\r")[:2] == ["own.log: 50 frames", "own.log: 100 frames"]


def test_a_path_that_is_misspelt_is_warned_of_beside_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = REFERENCE.read_text().replace('"reference.dbc"', f'"{REFERENCE.parent}/reference.dbc"')
    file = tmp_path / "map.toml"
    file.write_text(text.replace('"Vehicle.Speed"', '"Vehicle.Sped"'))
    assert command("--map", file, "--log", own_recording(tmp_path)) == 0
    told = capsys.readouterr()
    assert "warning" not in told.out
    assert told.err == (
        f"warning: {file}: the agent does not act on Vehicle.Sped: did you mean 'Vehicle.Speed'?\n"
        f"warning: {file}: Vehicle.Speed not mapped: no remote unlock, no locking again, each request ends with "
        "signals-unknown\n"
    )


def test_wrong_input_is_told_by_its_own_error(tmp_path: Path) -> None:
    log = own_recording(tmp_path)
    with pytest.raises(MappingError):
        command("--map", tmp_path / "none.toml", "--log", log)
    with pytest.raises(MappingError, match="cannot be read"):
        command("--map", REFERENCE, "--log", log, "--dbc", tmp_path / "none.dbc")
    with pytest.raises(RecordingError):
        command("--map", REFERENCE, "--log", tmp_path / "none.log")
    for given in (log, REFERENCE):
        with pytest.raises(
            MappingError, match=r"is no DBC: its name ends in '\.\w+' \(known: \.dbc"
        ):
            command("--map", REFERENCE, "--log", log, "--dbc", given)
    with pytest.raises(
        RecordingError, match=r"holds no frame of channel 'can7' .its channels: can0"
    ):
        command("--map", REFERENCE, "--log", log, "--channel", "can7")
    with pytest.raises(ConfigError, match=r"bus 'comfort' is not in the mapping \(one of: body\)"):
        command("--map", REFERENCE, "--log", log, "--bus", "comfort")


def test_why_frames_do_not_decode_is_told_with_the_name_of_their_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "short.log"
    short = f"can0 {frame('VehicleMotion', 0.0).arbitration_id:03X}#0102\n"
    log.write_text("".join(f"({at}.000000) {short}" for at in range(2)))
    assert command("--map", REFERENCE, "--log", log) == 0
    told = capsys.readouterr().out
    assert "(VehicleMotion) do not decode: 2 (Wrong data size: 2 instead of 4 bytes)" in told


def test_several_buses_must_be_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"""schema = 1
[bus.a]
dbc = "{ROOT / "dbc" / "reference.dbc"}"
[bus.b]
dbc = "{ROOT / "dbc" / "reference.dbc"}"
[[signal]]
bus = "b"
path = "Vehicle.Speed"
message = "VehicleMotion"
signal = "VehicleSpeed"
"""
    file = tmp_path / "two.toml"
    file.write_text(text)
    log = own_recording(tmp_path)
    with pytest.raises(ConfigError, match="several buses"):
        command("--map", file, "--log", log)
    assert run_json(capsys, "--map", file, "--log", log, "--bus", "a")[0] == []
    assert len(run_json(capsys, "--map", file, "--log", log, "--bus", "b")[0]) == 40


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    log = own_recording(tmp_path)
    script = (
        "import argparse, sys; from tcu_agent.cli import signals; parser = argparse.ArgumentParser(); "
        "signals.add_parser(parser.add_subparsers()); args = parser.parse_args(); sys.exit(args.func(args))"
    )
    many = tmp_path / "many.log"
    many.write_text(log.read_text() * 300)
    program = [sys.executable, "-c", script, "signals", "--map", str(REFERENCE), "--log", str(many)]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(30) == 0
