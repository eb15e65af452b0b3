"""docs/own-run.md: what the page tells a person to type, typed, with nothing added but another port."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcu_sim.demo.broker import find_mosquitto, free_port
from tcu_sim.demo.processes import Command, Ensemble

PAGE = Path(__file__).parents[2] / "docs" / "own-run.md"
BLOCK = re.compile(r"^```(.+?)\n(.*?)^```", re.MULTILINE | re.DOTALL)
READY = {
    "bus": "ready",
    "vehicle": "^ready: ",
    "broker": "running",
    "centre": "^centre: ready",
    "agent": '"connected"|connected',
}
TIMEOUT_S = 60


def blocks(port: int) -> list[tuple[str, str]]:
    """The page's blocks, with a port that nobody uses here in the place of MQTT's own."""
    text = PAGE.read_text(encoding="utf-8")
    assert "1883" in text
    return [(name, body) for name, body in BLOCK.findall(text.replace("1883", str(port)))]


def typed(body: str, folder: Path) -> str:
    """Return what a shell prints that gets these lines and stops at the first that fails."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", body],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{body}\n{done.stdout}{done.stderr}"
    return done.stdout


def environment() -> dict[str, str]:
    broker = find_mosquitto()
    assert broker is not None
    places = (str(Path(sys.executable).parent), os.environ["PATH"], str(Path(broker).parent))
    return {**os.environ, "PATH": os.pathsep.join(places)}


@contextmanager
def keyboard(path: Path) -> Iterator[int]:
    """The vehicle's standard input."""
    os.mkfifo(path)
    handle = os.open(path, os.O_RDWR)
    try:
        yield handle
    finally:
        os.close(handle)


@pytest.mark.skipif(find_mosquitto() is None, reason="the page wants mosquitto")
def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    async def story() -> None:
        said: list[str] = []
        printed: dict[str, str] = {}
        heard = asyncio.Event()

        def listen(line: str) -> None:
            said.append(line)
            heard.set()

        with keyboard(tmp_path / "keys.fifo") as keys:
            async with Ensemble(tmp_path) as ensemble:
                for name, body in blocks(free_port()):
                    if name == "sh":
                        printed[body] = await asyncio.to_thread(typed, body, tmp_path)
                    elif name == "toml":
                        (tmp_path / "tcu.toml").write_text(body, encoding="utf-8")
                    elif name == "vehicle":
                        count = len(said)
                        os.write(keys, body.encode())
                        async with asyncio.timeout(TIMEOUT_S):
                            while len(said) == count:
                                heard.clear()
                                await heard.wait()
                        assert said[-1].startswith("ok"), said
                    else:
                        part = name.removeprefix("sh ")
                        line = f"cd {tmp_path} && exec {body.strip()}"
                        await ensemble.start(
                            Command(
                                name=part,
                                argv=["bash", "-c", line + " < keys.fifo" * (part == "vehicle")],
                                ready=READY[part],
                                timeout_s=TIMEOUT_S,
                                environment=environment(),
                                on_line=listen if part == "vehicle" else None,
                            )
                        )
        (unlocked,) = [
            said for body, said in printed.items() if "operator --dir pki unlock" in body
        ]
        decided = json.loads(unlocked[unlocked.rindex("\n{") :])
        assert decided["state"] == "completed"
        assert set(decided["result"]["locks"].values()) == {"unlocked"}
        assert "front left" in decided["result"]["locks"]
        (traced,) = [said for body, said in printed.items() if "operator --dir pki track" in body]
        for word in ('"state": "completed"', '"latitude_deg"', '"is_open": false'):
            assert word in traced, traced

    asyncio.run(story())
