"""A real mosquitto on loopback, for one test, with nothing kept."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@dataclass
class Mosquitto:
    """A running broker."""

    port: int
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(folder: Path, *, port: int = 0, settings: str = "") -> Iterator[Mosquitto]:
    """Start one that is ready; `settings` are further lines of its configuration."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    port = port or free_port()
    access = "" if "allow_anonymous" in settings else "allow_anonymous true\n"
    # As root it would become another user, who cannot read the test's files.
    user = f"user {getpass.getuser()}\n"
    text = f"{user}listener {port} 127.0.0.1\npersistence false\n{access}{settings}"
    with started_from(folder, text) as process:
        yield Mosquitto(port, process)


@contextmanager
def started_from(folder: Path, configuration: str) -> Iterator[subprocess.Popen[str]]:
    """Start one with a whole configuration of its own; it is ready when this gives its process."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    file = folder / "mosquitto.conf"
    file.write_text(configuration)
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(file)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.rstrip().endswith("running"):
                break
        else:
            pytest.fail(f"mosquitto did not start: {''.join(said)}")
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
