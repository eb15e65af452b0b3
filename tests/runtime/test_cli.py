"""The commands as a person uses them: what they print, and their exit status."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.adapters.storage.volatile_state import UnreadableState, VolatileState
from tcu_agent.cli import assembly
from tcu_agent.cli import check as check_command
from tcu_agent.cli.check import examine
from tcu_agent.cli.main import main
from tcu_agent.config import REFERENCE_MAPPING, load
from tcu_agent.errors import BadInput, StorageError
from tcu_agent.runtime.log_format import JsonFormatter, TextFormatter
from tcu_agent.runtime.logbook import FIELDS, Logbook
from tcu_sim.pki.ceremony import Plan, initialise
from tests.contract.mosquitto import free_port, running
from tests.runtime.files import minimal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with keys, roots and trust of a bench, and a tcu.toml that uses them."""
    layout = initialise(tmp_path / "bench", Plan(vehicles=["car-1"]))
    vehicle = layout.vehicle("car-1")
    text = minimal().replace('roots = "roots.toml"', 'roots = "roots.toml"\nbundle = "trust.cbor"')
    text = text.replace("[trust]", '[keys.secoc]\ncentral-locking = "secoc.key"\n[trust]')
    (vehicle / "tcu.toml").write_text(text)
    return vehicle


def check(folder: Path) -> tuple[list[str], list[str], list[str]]:
    report = examine(folder / "tcu.toml")
    return report.problems, report.warnings, report.remarks


def edit(folder: Path, line: str, by: str) -> None:
    text = (folder / "tcu.toml").read_text()
    assert line in text
    (folder / "tcu.toml").write_text(text.replace(line, by))


# ------------------------------------------------------------------------------------------ check


def test_a_good_configuration_is_ok(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", str(folder / "tcu.toml")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "ok"
    assert "note: trust bundle 1, epoch 1" in out
    assert "problem" not in out
    assert not (folder / "state").exists(), "nothing is made"


def test_all_problems_come_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "signing.pem").chmod(0o644)
    (folder / "trust.cbor").write_bytes(b"\x80")
    (folder / "state").mkdir(mode=0o755)
    (folder / "state" / "state.sqlite").write_bytes(b"")
    edit(folder, "[can.bus.body]", "[can.bus.boot]")
    assert main(["check", "-c", str(folder / "tcu.toml")]) == 2
    out = capsys.readouterr().out
    assert "signing.pem: mode 0644 is too open (chmod 600)" in out
    assert "trust.cbor: is no trust bundle: trust-container: not 2..8 messages (malformed)" in out
    assert "bus 'body' is in the mapping and not in the configuration" in out
    assert "the state directory is open to others (mode 0755)" in out
    assert out.splitlines()[-1] == "4 problem(s), 0 warning(s)"


def test_a_trust_bundle_of_other_roots_is_a_problem(folder: Path, tmp_path: Path) -> None:
    other = initialise(tmp_path / "other", Plan(vehicles=["car-1"]))
    (folder / "trust.cbor").write_bytes((other.vehicle("car-1") / "trust.cbor").read_bytes())
    problems, _, _ = check(folder)
    assert ["threshold-not-met" in problem for problem in problems] == [True]


def test_a_trust_bundle_of_another_environment_is_a_problem(folder: Path) -> None:
    edit(folder, 'environment = "bench"', 'environment = "production"')
    problems, _, _ = check(folder)
    assert ["bad-signature" in problem for problem in problems] == [True]


def test_a_missing_and_a_short_secoc_key_are_problems(folder: Path) -> None:
    (folder / "secoc.key").write_bytes(bytes(15))
    assert ["15 bytes; a SecOC key has 16" in each for each in check(folder)[0]] == [True]
    edit(folder, "central-locking =", "central =")
    (folder / "secoc.key").write_bytes(bytes(16))
    assert ["'central-locking', which is not configured" in p for p in check(folder)[0]] == [True]


def test_a_bus_without_protection_is_warned_of(folder: Path) -> None:
    dbc = REFERENCE_MAPPING.parent
    mapping = (dbc / "reference.toml").read_text()
    begin, end = mapping.index("[bus.body.e2e.OnCallButton]"), mapping.index("[[signal]]")
    plain = mapping[:begin] + mapping[end:]
    (folder / "plain.toml").write_text(plain.replace("reference.dbc", str(dbc / "reference.dbc")))
    edit(folder, "[can.bus.body]", '[can]\nmapping = "plain.toml"\n[can.bus.body]')
    problems, warnings, _ = check(folder)
    assert problems == []
    assert any("has no SecOC" in warning for warning in warnings)
    assert any("has no E2E protection" in warning for warning in warnings)
    assert any("the mapping does not use it" in warning for warning in warnings)


def test_a_service_that_the_mapping_cannot_give_is_a_problem(folder: Path) -> None:
    dbc = REFERENCE_MAPPING.parent
    mapping = (dbc / "reference.toml").read_text().replace("reference.dbc", f"{dbc}/reference.dbc")
    assert "[command.unlock]" in mapping
    head, rest = mapping.split("[command.unlock]")
    _, tail = rest.split("[command.lock]")
    (folder / "locks.toml").write_text(f"{head}[command.lock]{tail}")
    edit(folder, "[can.bus.body]", '[can]\nmapping = "locks.toml"\n[can.bus.body]')
    assert any("the mapping has no command for it" in problem for problem in check(folder)[0])
    edit(folder, 'environment = "bench"', 'environment = "bench"\nservices = ["state", "position"]')
    assert check(folder)[0] == []


def test_the_wall_clock_is_not_believed_before_the_trust_was_issued(folder: Path) -> None:
    config = load(folder / "tcu.toml")
    first = assembly.read_trust(config)
    assert first is not None
    state = VolatileState()
    assert assembly.wall_floor_s(config, state, None) == 0
    assert assembly.wall_floor_s(config, state, first[1]) == first[1].trust.issued_s > 0
    state.values["trust"] = first[0]
    assert assembly.wall_floor_s(config, state, None) == first[1].trust.issued_s
    broken = UnreadableState(StorageError("damaged"))
    assert assembly.wall_floor_s(config, broken, first[1]) == first[1].trust.issued_s


def test_tls_files_are_tried(folder: Path) -> None:
    (folder / "ca.pem").write_text("nothing")
    edit(folder, "[keys]", '[mqtt.tls]\nca = "ca.pem"\n[keys]')
    assert ["ca.pem: cannot be used" in problem for problem in check(folder)[0]] == [True]


def test_a_state_that_is_in_use_damaged_or_new_is_told_apart(folder: Path) -> None:
    state = SqliteState(folder / "state")
    assert any("in use by a running agent" in remark for remark in check(folder)[2])
    state.close()
    assert check(folder)[0] == []
    (folder / "state" / "state.sqlite").write_bytes(b"noise" * 1000)
    assert any("the agent would give ON CALL only" in problem for problem in check(folder)[0])


# -------------------------------------------------------------------------------------------- run


@contextmanager
def agent(folder: Path, *, log: str = "json") -> Iterator[subprocess.Popen[str]]:
    edit(folder, "[state]", f'[log]\nformat = "{log}"\n[state]')
    command = [sys.executable, "-m", "tcu_agent", "run", "-c", str(folder / "tcu.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def wait_word(process: subprocess.Popen[str], word: str) -> dict[str, object]:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        entry: dict[str, object] = json.loads(line)
        if entry["word"] == word:
            return entry
    pytest.fail(f"{word} was never said: {''.join(said)}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_daemon_listens_connects_and_ends_cleanly_when_told(
    folder: Path, tmp_path: Path, number: int
) -> None:
    with running(tmp_path) as broker:
        edit(folder, "port = 1883", f"port = {broker.port}")
        with agent(folder) as process:
            wait_word(process, "listening")
            wait_word(process, "connected")
            process.send_signal(number)
            wait_word(process, "stopped")
            assert process.wait() == 0
    state = SqliteState(folder / "state")
    assert {"journal", "trust"} <= state.load().keys()
    state.close()


_HANGING = """
import asyncio, sys
from tcu_agent.cli.main import main
from tcu_agent.runtime.connection import Connection
async def hang(_): await asyncio.Event().wait()
Connection.say_goodbye = hang
main(sys.argv[1:])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_even_a_daemon_that_hangs_in_its_end(
    folder: Path, number: int
) -> None:
    edit(folder, "port = 1883", f"port = {free_port()}")
    edit(folder, "[state]", '[log]\nformat = "json"\n[state]')
    command = [sys.executable, "-c", _HANGING, "run", "-c", str(folder / "tcu.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_word(process, "listening")
            process.send_signal(number)
            wait_word(process, "stopping")
            process.send_signal(number)
            assert process.wait(timeout=30) == -number
        finally:
            process.kill()


def test_a_second_agent_on_the_same_state_is_refused(folder: Path) -> None:
    edit(folder, "port = 1883", f"port = {free_port()}")
    with agent(folder) as first:
        wait_word(first, "listening")
        again = subprocess.run(
            [sys.executable, "-m", "tcu_agent", "run", "-c", str(folder / "tcu.toml")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert again.returncode == 2
    assert "another tcu-agent uses this state" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_damaged_state_does_not_stop_the_daemon(folder: Path) -> None:
    SqliteState(folder / "state").close()
    (folder / "state" / "state.sqlite").write_bytes(b"noise" * 1000)
    edit(folder, "port = 1883", f"port = {free_port()}")
    with agent(folder) as process:
        assert wait_word(process, "state-corrupt")["level"] == "error"
        wait_word(process, "listening")
    assert (folder / "state" / "state.sqlite").read_bytes() == b"noise" * 1000


@pytest.mark.parametrize(
    ("line", "by", "complaint"),
    [
        ("schema = 1", "schema = 9", "this agent reads schema 1, not 9"),
        ('interface = "virtual"', 'interface = "scan"', "interface: 'scan' is none of"),
        ('interface = "virtual"', 'interface = "vector"', "[can.bus.body]: CAN bus 'body'"),
        ('signing = "signing.pem"', 'signing = "none.pem"', "none.pem: No such file"),
    ],
)
def test_bad_input_is_one_clear_message_and_status_2(
    folder: Path, line: str, by: str, complaint: str
) -> None:
    edit(folder, line, by)
    edit(folder, "port = 1883", f"port = {free_port()}")
    done = subprocess.run(
        [sys.executable, "-m", "tcu_agent", "run", "-c", str(folder / "tcu.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("tcu-agent: ")


# ------------------------------------------------------------------------------------ all the rest


def test_help_version_and_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status in ((["--help"], 0), (["--version"], 0), (["sing"], 2), ([], 2)):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == status
    for command in ("run", "check", "signals", "completion"):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
    assert "tcu.toml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BadInput("is wrong", where="here", hint="mend it"), 2, "here: is wrong (mend it)"),
        (ZeroDivisionError("oops"), 70, "this is a bug: ZeroDivisionError: oops"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_end_has_its_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(check_command, "run", fail)
    assert main(["check", "-c", "x"]) == status
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("run", "check", "signals", "--config", "--dbc"):
        assert word in script


def test_bash_takes_the_completion_and_completes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out
    ask = "COMP_WORDS=(tcu-agent ch); COMP_CWORD=1; _tcu_agent; echo ${COMPREPLY[@]};"
    more = "COMP_WORDS=(tcu-agent signals --d); COMP_CWORD=2; _tcu_agent; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}{more}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["check", "--dbc"]


# -------------------------------------------------------------------------------------------- log


def record(word: str, **fields: str | float) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": "%s", "args": (word,), "levelno": 30, "created": 0.25})
    made.levelname = "WARNING"
    setattr(made, FIELDS, fields)
    return made


def test_a_json_line_is_one_object() -> None:
    line = JsonFormatter().format(record("link-lost", detail='a "b"\nc', retry_s=1.5))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "warning",
        "word": "link-lost",
        "detail": 'a "b"\nc',
        "retry_s": 1.5,
    }


def test_a_text_line_is_one_line_whatever_is_in_it() -> None:
    line = TextFormatter().format(record("link-lost", detail='a "b"\nc', bus="body", retry_s=1.5))
    assert line == r'00:00:00.250 warning  link-lost detail="a \"b\"\nc" bus=body retry_s=1.500'


def test_the_logbook_counts_each_word_also_below_the_level() -> None:
    logbook = Logbook(logging.getLogger("test"))
    logbook.debug("said")
    logbook.info("said")
    assert logbook.counts["said"] == 2


def test_the_environment_is_not_needed_to_ask_for_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tcu_agent", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert "Status: 0 well" in done.stdout
