"""What the agent tells the process supervisor: ready, alive, what it is doing. systemd's protocol, a datagram a line.

Source: sd_notify(3). Without NOTIFY_SOCKET in the environment nothing is sent.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping


class Supervisor:
    """Speaks to the socket that `environment` names, if any."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog_us = environment.get("WATCHDOG_USEC", "")
        self._losses: list[str] = []
        self._troubles: dict[str, str] = {}
        self._doing = "starting"

    @property
    def watchdog_s(self) -> float | None:
        """How often `alive` has to be said, in seconds: half of what systemd allows; None = not at all."""
        return int(self._watchdog_us) / 2e6 if self._watchdog_us.isdigit() else None

    def ready(self) -> None:
        """Say that the agent listens on CAN."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end is wanted."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Show one line in ``systemctl status``, with what `trouble` and `degrade` were told of behind it."""
        self._doing = text
        self._show()

    def trouble(self, about: str, text: str | None) -> None:
        """Show that something is wrong for now; None = no longer. `about`: one word for each kind, never shown."""
        if self._troubles.get(about) == text:
            return
        if text is None:
            del self._troubles[about]
        else:
            self._troubles[about] = text
        self._show()

    def degrade(self, loss: str) -> None:
        """Show from now on that the agent runs without something."""
        self._losses.append(loss)
        self._show()

    def _show(self) -> None:
        troubles = "".join(f"; {text}" for text in self._troubles.values())
        lost = f"; DEGRADED: {', '.join(self._losses)}" if self._losses else ""
        self._send(f"STATUS={self._doing}{troubles}{lost}")

    def _send(self, line: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # The supervisor may be gone or slow; that is no reason to stop a car's agent.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as outlet,
        ):
            outlet.sendto(line.encode(), address)
