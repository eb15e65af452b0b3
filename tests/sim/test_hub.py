"""The hub as a process, with nodes that are really python-can's slcan on real ptys."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import can
import pytest

from tests.sim.hub_process import NODES, HubProcess, hub_process, receive

FRAMES_EACH = 2000


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with hub_process(tmp_path / "bus") as hub:
        yield hub


def message(number: int, arbitration_id: int = 0x100) -> can.Message:
    return can.Message(
        arbitration_id=arbitration_id, data=number.to_bytes(4, "big"), is_extended_id=False
    )


def test_ready_line_names_interface_and_channels(hub: HubProcess) -> None:
    assert hub.ready["event"] == "ready"
    assert hub.ready["interface"] == "slcan"
    assert sorted(hub.ready["nodes"]) == sorted(NODES)
    for channel in hub.ready["nodes"].values():
        assert str(Path(channel).readlink()).startswith("/dev/pts/")


def test_three_nodes_thousands_of_frames_none_lost_none_reordered(hub: HubProcess) -> None:
    with hub.node("tcu") as tcu, hub.node("vehicle") as vehicle, hub.node("observer") as observer:
        received: dict[str, list[can.Message]] = {}

        def hear(name: str, bus: can.BusABC, count: int) -> None:
            received[name] = receive(bus, count)

        def speak(bus: can.BusABC, arbitration_id: int) -> None:
            for number in range(FRAMES_EACH):
                bus.send(message(number, arbitration_id))

        threads = [
            threading.Thread(target=hear, args=("observer", observer, 2 * FRAMES_EACH)),
            threading.Thread(target=hear, args=("tcu", tcu, FRAMES_EACH)),
            threading.Thread(target=hear, args=("vehicle", vehicle, FRAMES_EACH)),
            threading.Thread(target=speak, args=(tcu, 0x0A0)),
            threading.Thread(target=speak, args=(vehicle, 0x1B0)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(50)
    expected = [number.to_bytes(4, "big") for number in range(FRAMES_EACH)]
    for name, arbitration_id in (
        ("observer", 0x0A0),
        ("observer", 0x1B0),
        ("tcu", 0x1B0),
        ("vehicle", 0x0A0),
    ):
        heard = [bytes(m.data) for m in received[name] if m.arbitration_id == arbitration_id]
        assert heard == expected, f"{name} {arbitration_id:#x}"


def test_every_kind_of_frame_arrives_as_it_was_sent(hub: HubProcess) -> None:
    frames = [
        can.Message(arbitration_id=0x7FF, data=b"", is_extended_id=False),
        can.Message(arbitration_id=0x1FFFFFFF, data=bytes(8), is_extended_id=True),
        can.Message(arbitration_id=0x12, dlc=5, is_remote_frame=True, is_extended_id=False),
        can.Message(arbitration_id=0x12345, dlc=8, is_remote_frame=True, is_extended_id=True),
        can.Message(arbitration_id=0x20, data=bytes(range(64)), is_fd=True, is_extended_id=False),
        can.Message(
            arbitration_id=0x21,
            data=bytes(12),
            is_fd=True,
            bitrate_switch=True,
            is_extended_id=True,
        ),
    ]
    with hub.node("tcu") as tcu, hub.node("vehicle") as vehicle, hub.node("observer"):
        for frame in frames:
            tcu.send(frame)
        for sent, seen in zip(frames, receive(vehicle, len(frames)), strict=True):
            assert seen.equals(
                sent, timestamp_delta=None, check_channel=False, check_direction=False
            )


def test_bit_rate_setting_and_serial_number_are_answered(hub: HubProcess) -> None:
    with hub.node("tcu", bitrate=500_000) as tcu:
        assert tcu.get_serial_number(5) == "0000"
    assert hub.end()["nodes"]["tcu"]["garbage"] == 0


def test_a_slow_reader_loses_its_own_frames_and_holds_up_nobody(tmp_path: Path) -> None:
    count = 5000
    with (
        hub_process(tmp_path, "--queue", "100") as hub,
        hub.node("tcu") as tcu,
        hub.node("vehicle") as vehicle,
        hub.node("observer"),
    ):
        for first in range(0, count, 50):  # in bursts that the quick reader's own bound can hold
            for number in range(first, first + 50):
                tcu.send(message(number))
            burst = [int.from_bytes(m.data, "big") for m in receive(vehicle, 50)]
            assert burst == list(range(first, first + 50))
        nodes = hub.statistics()["nodes"]
    assert nodes["observer"]["lost_slow_reader"] > 1000  # the observer read none of them
    assert nodes["vehicle"]["lost_slow_reader"] == 0


def test_nodes_come_and_go_and_the_rest_goes_on(hub: HubProcess) -> None:
    with hub.node("tcu") as tcu, hub.node("vehicle") as vehicle:
        for _ in range(5):
            with hub.node("observer") as observer:
                tcu.send(message(7))
                assert receive(observer, 1)[0].data == message(7).data
                receive(vehicle, 1)
        tcu.send(message(8))
        assert receive(vehicle, 1)[0].data == message(8).data
    assert hub.end()["nodes"]["observer"]["hang_ups"] >= 1


def test_a_node_that_dies_leaves_nothing_for_the_next(hub: HubProcess) -> None:
    path = hub.ready["nodes"]["observer"]
    with hub.node("tcu") as tcu, hub.node("vehicle") as vehicle:
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(terminal, b"O\r")
        assert os.read(terminal, 1) == b"\r"
        tcu.send(message(1))
        receive(vehicle, 1)
        os.close(terminal)  # no `C`, and a frame unread
        while hub.statistics()["nodes"]["observer"]["hang_ups"] == 0:
            pass
        with os.fdopen(os.open(path, os.O_RDWR | os.O_NOCTTY), "r+b", buffering=0) as observer:
            observer.write(b"V\r")
            assert observer.read(1) == b"V"


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r",
        b"t12\r",
        b"t1009" + b"00" * 9 + b"\r",
        b"t80000\r",
        b"\x00\xff\x80\r",
        b"t" * 4000 + b"\r",
        b"Z1\r",
    ],
)
def test_garbage_is_answered_with_bel_counted_and_goes_nowhere(
    hub: HubProcess, garbage: bytes
) -> None:
    terminal = os.open(hub.ready["nodes"]["observer"], os.O_RDWR | os.O_NOCTTY)
    with hub.node("tcu") as tcu, os.fdopen(terminal, "r+b", buffering=0) as observer:
        observer.write(b"O\r")
        assert observer.read(1) == b"\r"
        observer.write(garbage)
        assert observer.read(1) == b"\a"
        observer.write(b"t10010A\r")
        (seen,) = receive(tcu, 1)
        assert (seen.arbitration_id, bytes(seen.data)) == (0x100, b"\x0a")
        assert hub.statistics()["nodes"]["observer"]["garbage"] == 1


def test_with_a_bit_rate_frames_take_their_time_and_none_is_lost(tmp_path: Path) -> None:
    with (
        hub_process(tmp_path, "--bitrate", "20000") as hub,
        hub.node("tcu") as tcu,
        hub.node("vehicle") as vehicle,
        hub.node("observer") as observer,
    ):
        began_s = time.monotonic()
        for number in range(10):
            tcu.send(message(number, 0x300))
            vehicle.send(message(number, 0x200))
        seen = receive(observer, 20)
        took_s = time.monotonic() - began_s
    assert took_s > 0.090  # 20 frames, 95 bits each with worst-case stuffing, at 20 kbit/s
    for identifier in (0x200, 0x300):
        numbers = [m.data[3] for m in seen if m.arbitration_id == identifier]
        assert numbers == list(range(10))


def command(path: Path, line: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(line.encode() + b"\n")
        with client.makefile() as answers:
            return answers.readline().rstrip("\n")


def test_control_socket_cuts_and_heals_a_link(tmp_path: Path) -> None:
    control = tmp_path / "control"
    with (
        hub_process(tmp_path / "bus", "--control", str(control)) as hub,
        hub.node("tcu") as tcu,
        hub.node("vehicle") as vehicle,
        hub.node("observer") as observer,
    ):
        assert command(control, "cut vehicle") == "ok"
        tcu.send(message(1))
        assert receive(observer, 1)[0].data == message(1).data
        assert command(control, "heal vehicle") == "ok"
        tcu.send(message(2))
        assert receive(vehicle, 1)[0].data == message(2).data
        assert (
            command(control, "cut vehcle")
            == "error column 5: unknown node 'vehcle' (did you mean vehicle?)"
        )
        assert '"cut": 1' in command(control, "statistics")


def test_faults_from_the_command_line_strike_repeatably(tmp_path: Path) -> None:
    faults = ("drop 0.3", "duplicate 0.2", "corrupt 0.1")
    options = [word for fault in faults for word in ("--fault", f"observer {fault}")]

    def run(directory: Path) -> tuple[dict[str, int], list[bytes]]:
        with (
            hub_process(directory, *options, "--seed", "5") as hub,
            hub.node("tcu") as tcu,
            hub.node("vehicle") as vehicle,
            hub.node("observer") as observer,
        ):
            for number in range(300):
                tcu.send(message(number))
            receive(vehicle, 300)
            counters = hub.statistics()["nodes"]["observer"]
            return counters["faults"], [
                bytes(m.data) for m in receive(observer, counters["delivered"])
            ]

    counters, heard = run(tmp_path / "first")
    assert min(counters["dropped"], counters["duplicated"], counters["corrupted"]) > 10
    assert len(heard) == 300 - counters["dropped"] + counters["duplicated"]
    assert run(tmp_path / "second") == (counters, heard)


def test_a_second_hub_in_the_same_folder_is_refused(hub: HubProcess) -> None:
    second = bus_command("--dir", str(hub.directory))
    assert second.returncode == 2
    assert "another hub serves this folder" in second.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--nodes", "a"], "two nodes or more"),
        (["--nodes", "a", "a"], "a name of its own"),
        (["--nodes", "a", "../b"], "node name '../b'"),
        (["--bitrate", "3"], "--bitrate is 5000 to 1000000"),
        (
            ["--fault", "tcu dorp 0.1"],
            "column 5: unknown kind of fault 'dorp' (did you mean drop?)",
        ),
        (["--fault", "tcu drop 2"], "out of range"),
        (["--fault", "nobody drop 0.2"], "no node has this name"),
        (["--fault", ""], "node is missing"),
    ],
)
def test_wrong_options_end_with_status_2_and_say_what(
    tmp_path: Path, options: list[str], said: str
) -> None:
    ended = bus_command("--dir", str(tmp_path), *options)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def bus_command(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tcu_sim.cli.main", "bus", "--interface", "slcan", *options],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_clean_end_takes_the_names_away_and_tells_the_counters(hub: HubProcess) -> None:
    last = hub.end()
    assert last["event"] == "statistics"
    assert not [path for path in hub.directory.iterdir() if path.is_symlink()]
