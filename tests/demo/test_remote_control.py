"""The demo's hand in the virtual vehicle, against the simulator's own command socket."""

from pathlib import Path

import pytest

from tcu_sim.control.socket_server import serve_commands
from tcu_sim.demo.remote_control import RemoteControl
from tcu_sim.errors import BadInput, SimulatorError


async def handler(line: str) -> str:
    if line.startswith("fly"):
        raise BadInput("cars cannot fly")
    return line.strip().upper()


async def test_an_answer_comes_back(tmp_path: Path) -> None:
    async with serve_commands(tmp_path / "socket", handler):
        assert await RemoteControl(tmp_path / "socket").do("press oncall") == "PRESS ONCALL"


async def test_a_refusal_is_an_error_with_its_words(tmp_path: Path) -> None:
    async with serve_commands(tmp_path / "socket", handler):
        with pytest.raises(SimulatorError, match="cars cannot fly"):
            await RemoteControl(tmp_path / "socket").do("fly")


async def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="no answer"):
        await RemoteControl(tmp_path / "socket").do("press oncall")
