"""What ON CALL does not need stops no start: the agent runs without it and says so, `check` refuses it."""

from __future__ import annotations

import configparser
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.cli import degraded
from tcu_agent.cli.check import Report, examine
from tcu_agent.cli.main import main
from tcu_agent.config import load
from tcu_agent.core.agent import Core
from tcu_agent.core.effects import RECORD_CORRUPT, Note, TransmitUnlock
from tcu_agent.core.events import Connected, EffectFailed, MessageArrived
from tcu_agent.errors import ConfigError
from tcu_agent.runtime.logbook import Logbook
from tests.contract.mosquitto import free_port
from tests.runtime.rig import RecordingSupervisor, Rig, play, unlock_authorisation
from tests.runtime.test_check import edit, folder

__all__ = ["folder"]

NO_ROOTS = "no root keys, remote services refused"
NO_BUNDLE = "the first trust bundle is not used"
NO_KEY = "nothing that the SecOC key 'central-locking' secures is sent"
NO_STATE = "no state, remote services refused"


def cut(name: str, length: int = 20) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:length])


def gone(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def open_to_others(folder: Path) -> None:
    (folder / "state").mkdir(mode=0o755)


def no_directory(folder: Path) -> None:
    (folder / "state").write_bytes(b"")


def damaged_state(folder: Path) -> None:
    (folder / "state").mkdir(mode=0o700)
    (folder / "state" / "state.sqlite").write_bytes(b"noise" * 1000)


LOSSES: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "roots cut short": (cut("roots.toml"), (NO_ROOTS, NO_BUNDLE)),
    "roots missing": (gone("roots.toml"), (NO_ROOTS, NO_BUNDLE)),
    "bundle cut short": (cut("trust.cbor"), (NO_BUNDLE,)),
    "bundle missing": (gone("trust.cbor"), (NO_BUNDLE,)),
    "secoc key cut short": (cut("secoc.key", 15), (NO_KEY,)),
    "secoc key missing": (gone("secoc.key"), (NO_KEY,)),
    "state open to others": (open_to_others, (NO_STATE,)),
    "state is no directory": (no_directory, (NO_STATE,)),
    "state damaged": (damaged_state, (NO_STATE,)),
}


@pytest.mark.parametrize(("lose", "said"), LOSSES.values(), ids=LOSSES)
def test_the_daemon_runs_without_it_and_says_so(
    folder: Path, tmp_path: Path, lose: Callable[[Path], object], said: tuple[str, ...]
) -> None:
    lose(folder)
    assert main(["check", "-c", str(folder / "tcu.toml")]) == 2
    told, errors = run_until_ready(folder, tmp_path)
    (status,) = [line for line in told if line.startswith("STATUS=")][-1:]
    assert all(loss in status for loss in said), status
    assert [entry["consequence"] for entry in errors if "consequence" in entry] == [
        *(loss for loss in said if loss != NO_STATE),
        *("remote services refused" for loss in said if loss == NO_STATE),
    ]


def run_until_ready(folder: Path, tmp_path: Path) -> tuple[list[str], list[dict[str, object]]]:
    """Return what systemd was told up to READY, and the errors in the log."""
    edit(folder, "port = 1883", f"port = {free_port()}")
    edit(folder, "[state]", '[log]\nformat = "json"\n[state]')
    outlet = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inlet:
        inlet.bind(outlet)
        inlet.settimeout(30)
        process = subprocess.Popen(
            [sys.executable, "-m", "tcu_agent", "run", "-c", str(folder / "tcu.toml")],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": outlet},
        )
        try:
            told = [inlet.recv(4096).decode()]
            while told[-1] != "READY=1":
                told.append(inlet.recv(4096).decode())
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()
    entries = [json.loads(line) for line in log.splitlines()]
    return told, [entry for entry in entries if entry["level"] == "error"]


@pytest.mark.parametrize(
    ("line", "by"),
    [
        ('roots = "roots.toml"', ""),
        ('id = "car-1"', 'id = "no blanks"'),
        ('signing = "signing.pem"', 'signing = "none.pem"'),
        ("central-locking =", "another ="),
    ],
)
def test_a_wrong_configuration_or_no_signing_key_still_ends_the_start(
    folder: Path, line: str, by: str
) -> None:
    edit(folder, line, by)
    assert main(["run", "-c", str(folder / "tcu.toml")]) != 0


def test_a_configuration_that_is_wrong_beside_the_roots_is_told_with_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "roots.toml").unlink()
    edit(folder, 'id = "car-1"', 'id = "no blanks"')
    assert main(["run", "-c", str(folder / "tcu.toml")]) == 2
    said = capsys.readouterr().err
    assert "vehicle.id" in said
    assert "roots.toml: cannot be read" in said


def test_the_unit_starts_an_agent_that_has_to_do_without() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # as configparser's documentation says
    unit.read(Path(__file__).parents[2] / "deploy" / "tcu-agent.service")
    service = unit["Service"]
    assert "ExecStartPre" not in service, (
        "a check before the start refuses what the start can do without"
    )
    assert (service["Type"], service["TimeoutStartSec"]) == ("notify", "infinity"), (
        "CAN may be late"
    )


def test_what_is_lost_stays_in_the_status() -> None:
    supervisor = RecordingSupervisor({})
    losses = degraded.Losses(logbook=Logbook(), supervisor=supervisor)
    supervisor.status("before")
    losses.tell(ConfigError("is bad", where="here"), "no X")
    losses.tell(ConfigError("is bad", where="there"), "no Y")
    supervisor.status("after")
    assert supervisor.said == [
        "STATUS=before",
        "STATUS=before; DEGRADED: no X",
        "STATUS=before; DEGRADED: no X, no Y",
        "STATUS=after; DEGRADED: no X, no Y",
    ]


def test_without_its_key_an_unlock_is_not_sent_and_the_core_knows() -> None:
    async def body(rig: Rig) -> None:
        rig.lost_keys = frozenset({"central-locking"})
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.publish("tcu/v1/car-1/down/request", b"x")
        failed = await rig.core.wait_for(EffectFailed)
        assert not failed.may_have_happened
        assert "'central-locking' is lost" in failed.detail
        assert rig.bus.sent == []

    play(body)


def spoil(folder: Path, record: str) -> Report:
    """Write noise in the place of a record; return what `check` says then."""
    state = SqliteState(folder / "state")
    state.commit(puts={record: b"noise"})
    state.close()
    return examine(folder / "tcu.toml")


def test_a_record_that_cannot_be_read_is_told_by_its_name(folder: Path, tmp_path: Path) -> None:
    (problem,) = spoil(folder, "account").problems
    assert f"{folder}/state: the record 'account' cannot be read (the agent would give" in problem
    _, errors = run_until_ready(folder, tmp_path)
    assert [(error["word"], error["record"]) for error in errors] == [("record-corrupt", "account")]
    assert errors[0]["consequence"] == "remote services refused"


def test_the_status_line_names_the_record() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, Note(RECORD_CORRUPT, {"record": "account"}))
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.publish("tcu/v1/car-1/down/request", b"x")
        await rig.core.wait_for(MessageArrived)
        await rig.wait_s(1)
        degraded_by = "DEGRADED: record account unreadable, remote services refused"
        assert degraded_by in rig.supervisor.said[-1]
        assert rig.logbook.counts[RECORD_CORRUPT] == 1

    play(body)


def test_a_record_that_nothing_remote_rests_on_is_only_warned_of(
    folder: Path, tmp_path: Path
) -> None:
    report = spoil(folder, "call")
    assert report.problems == []
    assert f"{folder}/state: the record 'call' cannot be read: taken for none" in report.warnings
    told, errors = run_until_ready(folder, tmp_path)
    assert "DEGRADED" not in "".join(told)
    assert errors == []


@pytest.mark.parametrize("has_roots", [True, False])
def test_without_roots_the_stored_trust_is_not_believed(folder: Path, has_roots: bool) -> None:
    if not has_roots:
        (folder / "roots.toml").unlink()
    core = Core(
        settings=load(folder / "tcu.toml").core,
        boot_id=bytes(8),
        boot_session="",
        stored={"trust": (folder / "trust.cbor").read_bytes()},
        now=0.0,
        wall=None,
        random=bytes(16),
    )
    assert core.snapshot()["is_corrupt"] is not has_roots
