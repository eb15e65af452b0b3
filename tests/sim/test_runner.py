"""The runner on simulated time, with the bus in the same loop; and the vehicle as a process on a real hub."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO

import can
import pytest

from tcu_sim.bench.simulated_loop import run_simulated
from tcu_sim.bus import python_can_port
from tcu_sim.bus.frame import Frame
from tcu_sim.bus.in_process import InProcessBus, InProcessNode
from tcu_sim.bus.python_can_port import MOST_FAILED_WRITES, PythonCanPort
from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput, BusUnreachable, ExpectationFailed
from tcu_sim.vehicle.runner import VehicleRunner
from tcu_sim.vehicle.secoc import secured
from tcu_sim.vehicle.steering import Steering, read_script
from tcu_sim.vehicle.vehicle import Vehicle
from tests.sim.hub_process import HubProcess, hub_process, receive

Play = Callable[[VehicleRunner, InProcessNode], Awaitable[None]]


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[VehicleRunner, InProcessNode]]:
    bus = InProcessBus(["vehicle", "tcu"])
    loop = asyncio.get_running_loop()
    runner = VehicleRunner(Vehicle(now=loop.time()), bus.nodes["vehicle"])
    task = asyncio.create_task(runner.run(), name="vehicle")
    try:
        yield runner, bus.nodes["tcu"]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def play(story: Play) -> None:
    async def main() -> None:
        async with running() as (runner, tcu):
            await story(runner, tcu)

    run_simulated(main())


def unlock_frame(freshness: int) -> Frame:
    data = secured(
        bytes(range(16)), data_id=0xA0, payload=bytes([1, freshness, 0, 0]), freshness=freshness
    )
    return Frame(arbitration_id=0x0A0, data=data)


def test_a_command_over_the_bus_unlocks_and_its_answer_comes_back() -> None:
    async def story(runner: VehicleRunner, tcu: InProcessNode) -> None:
        await tcu.send(unlock_frame(1))
        assert await Steering(runner).obey("expect locks unlocked within 1") == ""
        await asyncio.sleep(0)
        answers = [frame.data for frame in await tcu.receive() if frame.arbitration_id == 0x0A1]
        assert bytes([1, 1]) in answers
        assert answers[-1] == bytes([2, 1])

    play(story)


def test_a_sleeping_vehicle_costs_no_timer_and_wakes_by_the_network() -> None:
    async def story(runner: VehicleRunner, tcu: InProcessNode) -> None:
        steering = Steering(runner)
        await steering.obey("expect bus asleep within 30")
        await steering.obey(
            f"wait {21 * 24 * 3600}"
        )  # four million timers, if one ran each half second
        await tcu.send(Frame(arbitration_id=0x401, data=bytes([1, 0x11, 1, 0, 0, 0, 0, 0])))
        await steering.obey("expect bus awake within 0.1")

    async def main() -> None:
        async with running() as (runner, tcu):
            await story(runner, tcu)

    run_simulated(main(), limit_s=30 * 24 * 3600.0)


def test_a_script_is_played_on_simulated_time() -> None:
    lines = [
        "unlock key", "expect locks unlocked within 1", "wait 100", "open front-left", "close front-left",
        "leave", "expect usage abandoned within 1", "expect bus asleep within 15", "state",
    ]  # fmt: skip
    said: list[str] = []

    async def story(runner: VehicleRunner, tcu: InProcessNode) -> None:
        await Steering(runner).play(read_script(lines, name="story"), progress=said.append)

    play(story)
    assert said[0] == "story:1: unlock key"
    state = json.loads(said[-1])
    assert state["t"] > 100
    assert set(state["locks"].values()) == {"locked"}
    assert len(state["lock_history"]) == 10


@pytest.mark.parametrize(
    ("lines", "error", "said"),
    [
        (
            ["wait 1", "expect locks unlocked within 3"],
            ExpectationFailed,
            "s:2: expected unlocked within 3 s, saw locked",
        ),
        (["open front-left"], BadInput, "s:1: front-left is locked"),
    ],
)
def test_a_script_that_fails_names_its_line(
    lines: list[str], error: type[Exception], said: str
) -> None:
    async def story(runner: VehicleRunner, tcu: InProcessNode) -> None:
        with pytest.raises(error) as caught:
            await Steering(runner).play(read_script(lines, name="s"), progress=lambda _: None)
        assert str(caught.value) == said

    play(story)


def test_the_same_seed_is_the_same_run_also_over_a_runner() -> None:
    def run() -> list[Frame]:
        heard: list[Frame] = []

        async def story(runner: VehicleRunner, tcu: InProcessNode) -> None:
            await tcu.send(unlock_frame(1))
            await Steering(runner).obey("wait 2")
            heard.extend(await tcu.receive())

        play(story)
        return heard

    first = run()
    assert len(first) > 150
    assert first == run()


# ----------------------------------------------------------------------------- real channels


def test_the_virtual_interface_of_python_can_works_too() -> None:
    async def main() -> None:
        port = PythonCanPort(interface="virtual", channel="sim-test")
        try:
            with can.Bus(interface="virtual", channel="sim-test") as other:
                other.send(can.Message(arbitration_id=0x123, data=b"\x01", is_extended_id=False))
                (frame,) = await asyncio.wait_for(port.receive(), 10)
                assert frame == Frame(arbitration_id=0x123, data=b"\x01")
                await port.send(Frame(arbitration_id=0x124, remote_dlc=3))
                message = other.recv(10)
                assert message is not None
                assert (message.arbitration_id, message.is_remote_frame, message.dlc) == (
                    0x124,
                    True,
                    3,
                )
        finally:
            port.close()

    asyncio.run(main())


def test_a_channel_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(BusUnreachable, match="cannot be opened"):
            PythonCanPort(interface="slcan", channel=str(tmp_path / "none"))
        with pytest.raises(BusUnreachable, match="cannot be opened"):
            PythonCanPort(interface="no-such-interface", channel="x")

    asyncio.run(main())


def vehicle_process(
    hub: HubProcess, *options: str, stdin: IO[str] | int = subprocess.PIPE
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tcu_sim.cli.main",
            "vehicle",
            "--channel",
            hub.ready["nodes"]["vehicle"],
            *options,
        ],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], said: str = "") -> tuple[int, str, str]:
    output, errors = process.communicate(said, timeout=30)
    return process.returncode, output, errors


def test_the_process_obeys_lines_and_unlocks_over_a_real_pty(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(os.urandom(16))
    command = secured(key.read_bytes(), data_id=0xA0, payload=bytes([1, 9, 0, 0]), freshness=501)
    with hub_process(tmp_path / "bus") as hub, hub.node("tcu") as tcu:
        process = vehicle_process(
            hub, "--stdin", "--json", "--secoc-key", str(key), "--last-freshness", "500"
        )
        receive(tcu, 20)
        tcu.send(can.Message(arbitration_id=0x0A0, data=command, is_extended_id=False))
        status, output, errors = finish(process, "unlok\nexpect locks unlocked within 10\nstate\n")
    assert (status, errors) == (0, "")
    ready, wrong, expected, told = (json.loads(line) for line in output.splitlines())
    assert ready["event"] == "ready"
    assert wrong["said"].startswith("error column 1: unknown command 'unlok'")
    assert expected["said"] == "ok"
    state = json.loads(told["said"].removeprefix("ok "))
    assert [record["verdict"] for record in state["command_history"]] == ["accepted"]
    assert state["last_freshness"] == 501


@pytest.mark.parametrize("said", [None, "state\njam tailgate\n"], ids=["/dev/null", "a file"])
def test_standard_input_may_be_a_file_and_ends_the_process(
    tmp_path: Path, said: str | None
) -> None:
    lines = tmp_path / "lines"
    lines.write_text(said or "")
    with (
        hub_process(tmp_path / "bus") as hub,
        (Path(os.devnull) if said is None else lines).open() as given,
    ):
        process = vehicle_process(hub, "--stdin", stdin=given)
        status, output, errors = finish(process)
    assert (status, errors) == (0, "")
    assert output.splitlines()[0].startswith("ready: ")
    assert len(output.splitlines()) == 1 + len((said or "").splitlines())


def test_a_channel_that_is_not_there_says_what_makes_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["vehicle", "--channel", "nowhere/vehicle"]) == 2
    assert "start `tcu-sim bus` first" in capsys.readouterr().err


def test_a_failed_expectation_of_a_script_is_exit_status_1(tmp_path: Path) -> None:
    script = tmp_path / "story"
    script.write_text("expect locks unlocked within 0.1\n")
    with hub_process(tmp_path / "bus") as hub:
        status, output, errors = finish(vehicle_process(hub, "--script", str(script)))
    assert status == 1
    assert "expected unlocked within 0.1 s, saw locked" in output
    assert errors == ""


def test_the_control_socket_steers_it_and_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    control = tmp_path / "control"
    with hub_process(tmp_path / "bus") as hub:
        process = vehicle_process(hub, "--control", str(control))
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready: slcan:")

        async def converse() -> list[str]:
            reader, writer = await asyncio.open_unix_connection(control)
            writer.write(
                b"unlock key\nexpect locks unlocked within 10\nopen nothing\nopen front-left\nhelp\n"
            )
            answers = [(await reader.readline()).decode() for _ in range(5)]
            writer.close()
            return answers

        answers = asyncio.run(converse())
        assert [answer.split()[0] for answer in answers] == ["ok", "ok", "error", "ok", "ok"]
        assert control.stat().st_mode & 0o077 == 0
        process.send_signal(signal.SIGTERM)
        assert finish(process)[0] == 0
    assert not control.exists()


def test_a_hub_that_goes_away_ends_the_vehicle_with_a_clear_message(tmp_path: Path) -> None:
    with hub_process(tmp_path / "bus") as hub:
        process = vehicle_process(hub)
        assert process.stdout is not None
        process.stdout.readline()
        hub.end()
        status, _, errors = finish(process)
    assert status == 2
    assert errors.startswith("tcu-sim: ")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--secoc-key", "{folder}/none"], "the SecOC key cannot be read"),
        (["--secoc-key", "{folder}/short"], "is 3 bytes long"),
        (["--script", "{folder}/none"], "the script cannot be read"),
        (["--script", "{folder}/short"], ":1: column 1: unknown command 'abc'"),
        (["--last-freshness", "-1"], "--last-freshness -1"),
        (["--sleep-after", "0"], "--sleep-after 0"),
        (["--dbc", "{folder}/short"], "cannot be loaded"),
        (["--channel", "{folder}/none"], "cannot be opened"),
    ],
)
def test_wrong_options_of_the_vehicle_end_with_status_2(
    tmp_path: Path, options: list[str], said: str
) -> None:
    (tmp_path / "short").write_text("abc")
    words = [option.format(folder=tmp_path) for option in options]
    if "--channel" not in words and "--dbc" not in words:
        words += ["--channel", str(tmp_path / "none")]
    if "--dbc" in words:
        words += ["--interface", "virtual", "--channel", "x"]
    ended = subprocess.run(
        [sys.executable, "-m", "tcu_sim.cli.main", "vehicle", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "failure",
    [
        can.CanOperationError("gone"),
        OSError(5, "Input/output error"),
        termios.error(5, "gone"),
        ValueError("gone"),
    ],
)
def test_whatever_python_can_raises_when_the_channel_goes_is_unreachable(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        port = PythonCanPort(interface="virtual", channel="gone")

        def fail(*_: object) -> None:
            raise failure

        try:
            monkeypatch.setattr(port._bus, "recv", fail)
            monkeypatch.setattr(port._bus, "send", fail)
            for _ in range(MOST_FAILED_WRITES - 1):
                await port.send(Frame(arbitration_id=1))
            assert port.lost == MOST_FAILED_WRITES - 1
            with pytest.raises(
                BusUnreachable, match=r"virtual:gone: sending failed.*start it, then"
            ):
                await port.send(Frame(arbitration_id=1))
            with pytest.raises(
                BusUnreachable, match=r"virtual:gone: receiving failed.*start it, then"
            ):
                await port.receive()
        finally:
            port.close()

    asyncio.run(main())


def test_a_full_transmit_queue_is_tried_again_and_in_the_end_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        port = PythonCanPort(interface="virtual", channel="full")
        attempts: list[object] = []

        def refuse(*arguments: object) -> None:
            attempts.append(arguments)
            raise can.CanOperationError("No buffer space available", error_code=errno.ENOBUFS)

        try:
            monkeypatch.setattr(python_can_port, "ROOM_ATTEMPTS", 3)
            monkeypatch.setattr(port._bus, "send", refuse)
            await port.send(Frame(arbitration_id=1))
            assert (len(attempts), port.lost) == (3, 1)
        finally:
            port.close()

    asyncio.run(main())
