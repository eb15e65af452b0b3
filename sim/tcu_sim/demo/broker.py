"""The demo's MQTT broker: mosquitto where it is installed, else amqtt in a process of its own.

Both listen on the loopback alone, keep nothing on the disk and let everybody in: the protocol has
to hold against whoever has broken into the broker, and the demo's attacker does just that. amqtt
speaks MQTT 3.1.1 only.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.demo.processes import Command, Ensemble, ProgramError

LOOPBACK = "127.0.0.1"
NAME = "broker"
EMBEDDED_READY = "broker: ready"
PORT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker that runs."""

    name: str
    port: int
    mqtt_version: str
    """``5`` or ``3.1.1``."""

    @property
    def shows_retained(self) -> bool:
        """Whether a live subscriber can ask for Retain As Published; 3.1.1 cannot."""
        return self.mqtt_version == "5"


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, also where Debian hides it from users, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def start_broker(ensemble: Ensemble, folder: Path, *, embedded: bool = False) -> Broker:
    """Start mosquitto, or the embedded broker if it is asked for or mosquitto is not there.

    Raises:
        ProgramError: neither starts.
    """
    mosquitto = None if embedded else find_mosquitto()
    for _ in range(PORT_ATTEMPTS - 1):
        try:
            return await _start(ensemble, folder, mosquitto)
        except ProgramError:
            # Somebody else may have taken the port between looking and listening.
            await ensemble.stop(NAME)
    return await _start(ensemble, folder, mosquitto)


async def _start(ensemble: Ensemble, folder: Path, mosquitto: str | None) -> Broker:
    port = free_port()
    if mosquitto is None:
        argv = [sys.executable, "-m", "tcu_sim.demo.broker", str(port)]
        await ensemble.start(Command(name=NAME, argv=argv, ready=EMBEDDED_READY))
        return Broker(name="embedded amqtt", port=port, mqtt_version="3.1.1")
    configuration = folder / "mosquitto.conf"
    # As whoever runs the demo: a process that changes its user outlives a demo that is killed (prctl(2)).
    configuration.write_text(
        f"listener {port} {LOOPBACK}\nallow_anonymous true\npersistence false\nlog_dest stderr\n"
        f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
    )
    ready = r"mosquitto version (\S+) running"
    argv = [mosquitto, "-c", str(configuration)]
    program = await ensemble.start(Command(name=NAME, argv=argv, ready=ready))
    version = program.ready[1] if program.ready else ""
    return Broker(name=f"mosquitto {version}", port=port, mqtt_version="5")


async def run_embedded(port: int) -> None:
    """Run amqtt on the loopback until SIGTERM or SIGINT."""
    from amqtt.broker import Broker as AmqttBroker  # noqa: PLC0415 - loads slowly, and only this process needs it

    broker = AmqttBroker(
        {
            "listeners": {
                "default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}", "max_connections": 50}
            },
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await broker.start()
    sys.stdout.write(f"{EMBEDDED_READY} on {LOOPBACK}:{port}\n")
    sys.stdout.flush()
    await ended.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(run_embedded(int(sys.argv[1])))
