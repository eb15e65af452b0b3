"""`tcu-agent doctor` as a person calls it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tcu_agent.cli.doctor import progress_of
from tcu_agent.cli.main import main
from tcu_sim.pki.ceremony import Plan, initialise
from tests.contract.mosquitto import free_port, running
from tests.runtime.files import minimal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return initialise(tmp_path / "bench", Plan(vehicles=["car-1"])).vehicle("car-1")


def called(folder: Path, port: int, *options: str, username: str = "") -> int:
    secoc = '[keys.secoc]\ncentral-locking = "secoc.key"\n[trust]'
    text = minimal(broker_port=port).replace("[trust]", secoc)
    if username:
        text = text.replace("[mqtt]\n", f'[mqtt]\nusername = "{username}"\n')
    (folder / "tcu.toml").write_text(text)
    return main(["doctor", "-c", str(folder / "tcu.toml"), "--listen-s", "1", *options])


def test_what_works_is_said_line_by_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(folder) as broker:
        status = called(folder, broker.port)
    said = capsys.readouterr().out
    assert "ok      broker" in said
    assert said.splitlines()[-1].startswith("0 failure(s), ")
    assert status == 0


@pytest.mark.parametrize(("options", "told"), [((), "not asked"), (("--log-in",), "may subscribe")])
def test_who_shows_a_user_name_is_logged_in_only_where_somebody_asks_for_it(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    with running(folder) as broker:
        assert called(folder, broker.port, *options, username="car-1") == 0
    said = [line for line in capsys.readouterr().out.splitlines() if " broker " in line]
    assert [line for line in said if "not asked" in line or "may subscribe" in line] == said[-1:]
    assert told in said[-1]


def test_json_has_the_same_and_a_failure_has_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(folder, free_port(), "--json") == 2
    found = json.loads(capsys.readouterr().out)
    (broken,) = [each for each in found if each["level"] == "failure"]
    assert broken["subject"] == "broker"
    assert broken["advice"]


def test_a_configuration_that_cannot_be_read_is_its_first_patient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tcu.toml").write_text("schema = ")
    assert main(["doctor", "-c", str(tmp_path / "tcu.toml")]) == 2
    assert "failure files" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["0", "601", "nan", "soon"])
def test_a_time_that_makes_no_sense_is_refused(
    tmp_path: Path, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", "-c", str(tmp_path / "tcu.toml"), "--listen-s", seconds])
    assert f"{seconds!r} is no number of seconds in 1..600" in capsys.readouterr().err


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_grows_and_elsewhere_it_is_written_once() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with progress_of("body", 10.0, to=stream) as progress:
            progress(0.0, 0)
            progress(1.0, 2013)
    assert terminal.getvalue().endswith("\rlistening to body: 1 of 10 s, 2013 frames \n")
    assert file.getvalue() == "listening to body for 10 s ...\n"
