"""Both programs as a person runs them: invite, serve, enrol, and the server ended by a signal."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from tcu_agent.cli.check import examine
from tests.enrolment.bench import CAR, Bench

AGENT, SIM = "from tcu_agent.cli.main import main", "from tcu_sim.cli.main import main"


def program(which: str, *words: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; {which}; sys.exit(main())", *words]


def run(which: str, *words: str) -> str:
    done = subprocess.run(
        program(which, *words), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_an_invitation_to_an_identity(bench: Bench) -> None:
    password = bench.folder / "password"
    password.touch(mode=0o600)
    password.write_text(run(SIM, "est", "invite", str(bench.layout.root), CAR))
    command = program(SIM, "est", "serve", str(bench.layout.root), "--port", "0", "--days", "20")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = re.search(r"https://\S+/est", server.stdout.readline())
            assert ready is not None
            _point_to(bench.folder / "tcu.toml", ready.group())
            file = str(bench.folder / "tcu.toml")
            assert run(AGENT, "enrol", "-c", file).startswith("enrolled: certificate until ")
            # It lasts for 20 days and is renewed 30 days before its end: the next day's timer would do it.
            assert examine(bench.folder / "tcu.toml").problems == []
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0


def _point_to(file: Path, url: str) -> None:
    text = file.read_text()
    file.write_text(re.sub(r'url = ".*"', f'url = "{url}"', text))
