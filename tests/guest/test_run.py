"""The runner gives back what the command said and how it ended, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from scripts.guest.errors import GuestUnavailable
from scripts.guest.packages import install_missing
from scripts.guest.plan import CANNOT_START, Plan
from scripts.guest.run import OUT_OF_TIME, run


class PlainProcess:
    """A machine without a kernel: `script` stands for all that a guest does. $1 is its folder, $2 the output's fd."""

    name = "plain process"
    modules_folder = Path("/nowhere")
    output = "/dev/null"

    def __init__(self, script: str) -> None:
        self.script = script
        self.prepared = False

    def prepare(self) -> None:
        self.prepared = True

    def argv(self, plan: Plan, *, init: Path, output_fd: int) -> Sequence[str]:
        assert os.access(init, os.X_OK)
        return ("bash", "-c", self.script, "-", str(init.parent), str(output_fd))


def plan(results: Path, *, limit_s: float = 30.0) -> Plan:
    return Plan(command=("true",), directory=Path("/"), results=results, limit_s=limit_s)


def test_the_commands_exit_status_and_output_come_back(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    machine = PlainProcess('echo said >&$2; echo booting; echo 7 >"$1/status"')
    assert run(plan(tmp_path / "deep" / "results"), machine) == 7
    assert machine.prepared
    assert capfdbinary.readouterr().out == b"said\n"
    assert (tmp_path / "deep" / "results" / "output.log").read_bytes() == b"said\n"
    assert (tmp_path / "deep" / "results" / "console.log").read_bytes() == b"booting\n"


@pytest.mark.parametrize("script", ["echo panic", 'echo panic; echo 125 >"$1/status"'])
def test_a_guest_that_dies_is_no_success_and_shows_its_console(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], script: str
) -> None:
    assert run(plan(tmp_path), PlainProcess(script)) == CANNOT_START
    assert "plain process did not run the command to its end" in (told := capfd.readouterr().err)
    assert "    panic" in told


def test_what_takes_too_long_is_ended_with_all_it_has_started(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "held")
    holder = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 9>{tmp_path}/held; mkfifo {tmp_path}/never; cat {tmp_path}/never & wait"
    assert run(plan(tmp_path, limit_s=1.0), PlainProcess(script)) == OUT_OF_TIME
    assert "not done after 1 s" in capfd.readouterr().err
    os.set_blocking(holder, True)
    assert os.read(holder, 1) == b""  # its end: nobody is left who holds the other one
    os.close(holder)


def test_a_guest_that_hangs_before_it_has_started_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.guest.run.START_S", 0.1)
    monkeypatch.setattr("scripts.guest.run.LOOK_EACH_S", 0.05)
    hangs = "mkfifo $1/never; read -r _ <$1/never"
    script = f"cd {tmp_path}; if mkdir once; then {hangs}; fi; echo up >&$2; echo 0 >$1/status"
    assert run(plan(tmp_path), PlainProcess(script)) == 0
    assert "has not started (attempt 1)" in capfd.readouterr().err
    assert run(plan(tmp_path), PlainProcess(hangs)) == CANNOT_START
    assert "has not started (attempt 2)" in capfd.readouterr().err


def test_the_guests_own_folder_is_gone_afterwards(tmp_path: Path) -> None:
    run(plan(tmp_path), PlainProcess(f'echo "$1" >{tmp_path}/where; echo 0 >"$1/status"'))
    assert not Path((tmp_path / "where").read_text().strip()).exists()


def test_the_plan_survives_the_shell_whatever_is_in_it(tmp_path: Path) -> None:
    command = ("sh", "-c", "echo \"$HOME\" 'it''s' `date`", "", "a  b\nc", "*")
    text = Plan(
        command=command,
        directory=tmp_path,
        results=tmp_path / "with blank",
        limit_s=1.0,
        modules=("can-raw", "vcan"),
        environment={"NAME": "a 'b' $c"},
    ).as_shell(modules_folder=Path("/m"), output="/dev/ttyS0")
    show = 'printf "%s\\0" "${command[@]}" "${modules[@]}" "${interfaces[@]}" "${environment[@]}" "$results"'
    shown = subprocess.run(
        ["bash", "-euc", text + show], capture_output=True, check=True, timeout=20
    )
    assert shown.stdout.decode().split("\0")[:-1] == [
        *(*command, "can-raw", "vcan", "NAME=a 'b' $c", f"{tmp_path}/with blank")
    ]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("scripts.guest.packages.WHERE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestUnavailable, match="missing: good-package"):
        install_missing({"no-such-command": "good-package"})
