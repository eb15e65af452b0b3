"""SocketCAN: when it is used, what `ip` (a stand-in here) is asked for, that what was made is removed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tcu_sim.bus import cli, socketcan
from tcu_sim.bus.hub import HubSettings
from tcu_sim.cli.main import main
from tcu_sim.cli.output import say_json
from tcu_sim.errors import BusUnreachable


class IpTool:
    """Keeps the interfaces as folders, as /sys/class/net does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.refuses = ""

    def run(self, *words: str) -> None:
        line = " ".join(words)
        self.asked.append(line)
        if self.refuses and self.refuses in line:
            raise BusUnreachable(f"ip {line}: not permitted")
        channel = words[3] if words[2] == "dev" else words[2]
        state = self.folder / channel / "operstate"
        if words[1] == "add":
            state.parent.mkdir()
            state.write_text("down\n")
        elif words[1] == "set":
            state.write_text("unknown\n")
        else:
            state.unlink()
            state.parent.rmdir()


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IpTool:
    tool = IpTool(tmp_path)
    monkeypatch.setattr(socketcan, "INTERFACES", tmp_path)
    monkeypatch.setattr(socketcan, "_ip", tool.run)
    return tool


def hold(channel: str) -> list[dict[str, Any]]:
    """Provide the interface, and end it as soon as it is ready."""
    reports: list[dict[str, Any]] = []

    def report(told: dict[str, Any]) -> None:
        reports.append(told)
        os.kill(os.getpid(), signal.SIGTERM)

    asyncio.run(socketcan.hold_vcan(channel, report=report))
    return reports


def test_an_interface_that_was_made_is_removed_at_the_end(ip: IpTool) -> None:
    (ready,) = hold("vcan7")
    assert ready == {"event": "ready", "interface": "socketcan", "channel": "vcan7", "made": True}
    assert ip.asked == ["link add dev vcan7 type vcan", "link set vcan7 up", "link delete vcan7"]


def test_an_interface_that_was_there_stays(ip: IpTool) -> None:
    ip.run("link", "add", "dev", "vcan0", "type", "vcan")
    ip.run("link", "set", "vcan0", "up")
    ip.asked.clear()
    (ready,) = hold("vcan0")
    assert ready["made"] is False
    assert ip.asked == []
    assert (ip.folder / "vcan0").exists()


def test_one_that_was_down_is_brought_up(ip: IpTool) -> None:
    ip.run("link", "add", "dev", "vcan0", "type", "vcan")
    hold("vcan0")
    assert ip.asked[1:] == ["link set vcan0 up"]


def test_one_that_cannot_be_brought_up_is_not_left_behind(ip: IpTool) -> None:
    ip.refuses = " up"
    with pytest.raises(BusUnreachable, match="not permitted"):
        hold("vcan0")
    assert not (ip.folder / "vcan0").exists()


def test_asking_for_socketcan_without_it_says_so(
    ip: IpTool, capsys: pytest.CaptureFixture[str]
) -> None:
    ip.refuses = "add"
    assert main(["bus", "--interface", "socketcan"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("tcu-sim: ip link add dev vcan0 type vcan: not permitted (")
    assert "modprobe vcan; `tcu-sim bus --interface slcan` needs neither" in said


def test_auto_takes_the_hub_where_the_kernel_does_not_give_vcan(
    ip: IpTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ip.refuses = "add"
    served: list[HubSettings] = []

    async def serve(settings: HubSettings, *, report: object) -> None:
        served.append(settings)

    monkeypatch.setattr(cli, "run_hub", serve)
    for kernel_has_can in (False, True):
        monkeypatch.setattr(socketcan, "kernel_has_can", lambda answer=kernel_has_can: answer)
        monkeypatch.setattr(socketcan, "can_make_vcan", lambda answer=kernel_has_can: answer)
        assert main(["bus", "--nodes", "a", "b"]) == 0
    assert [settings.nodes for settings in served] == [("a", "b")] * 2
    assert len(ip.asked) == 1


def test_on_socketcan_every_node_opens_the_same_channel(
    ip: IpTool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(socketcan, "is_worth_trying", lambda _channel: True)

    def tell_and_end(report: dict[str, Any]) -> None:
        say_json(report)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(cli, "say_json", tell_and_end)
    assert main(["bus", "--json", "--nodes", "a", "b"]) == 0
    ready = json.loads(capsys.readouterr().out)
    assert ready["nodes"] == {"a": "vcan0", "b": "vcan0"}
    assert not (ip.folder / "vcan0").exists()


def test_hub_options_and_socketcan_exclude_each_other() -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tcu_sim.cli.main",
            "bus",
            "--interface",
            "socketcan",
            "--bitrate",
            "500000",
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert "use --interface slcan" in ended.stderr


def test_the_receive_buffer_is_enlarged_as_far_as_one_may() -> None:
    class Bus:
        def __init__(self) -> None:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    bus = Bus()
    with bus.socket as raw:
        before = raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        socketcan.enlarge_receive_buffer(bus)
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > before
    socketcan.enlarge_receive_buffer(object())
