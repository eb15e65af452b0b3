"""Another client with our MQTT client id: the broker gives it our session and throws us out, and so on in turns.

A broker may say so (MQTT 5, reason 0x8E). Many do not, and MQTT 3.1.1 cannot: then connections that the other end
closes without a word, soon after it has taken them and one after the other, make it a suspicion.

Whoever was thrown out tries again after pauses that grow, and stay long, as for a broker that is out of reach; not as
long as for one that refuses us, else who has stolen our password kept us away for half an hour by one connection.
"""

from __future__ import annotations

import asyncio
from typing import Final

from tcu_agent.errors import SESSION_TAKEN_OVER, ConnectionEndedError, MqttTransportError
from tcu_agent.runtime.surroundings import Surroundings

HASTY_S: Final = 150.0
"""A connection that was closed sooner may have been closed by the other one's coming back: that waits 120 s at most."""
SUSPECTED_AFTER: Final = 5
"""Connections in a row that were closed so, without a word."""
PEACE_S: Final = 600.0
"""Whoever holds a connection for so long has it alone."""
_ABOUT = "takeovers"
_ADVICE = (
    "give each agent a [mqtt] client_id of its own, and no tool this one's; the broker's log says where the other one "
    "is (mosquitto: `already connected, closing old connection`)"
)


class Takeovers:
    """Tells of it once, until a connection has held in peace."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._wordless = 0
        """Connections in a row."""
        self.is_on = False
        """Whether another one is known or suspected."""

    def note(self, lost: MqttTransportError, *, held_s: float) -> None:
        """Take note of how a connection ended."""
        code = lost.reason_code if isinstance(lost, ConnectionEndedError) else 0
        self._wordless = self._wordless + 1 if code is None and held_s < HASTY_S else 0
        if self.is_on:
            return
        if code == SESSION_TAKEN_OVER:
            self._tell("another client uses our MQTT client id")
            self._around.logbook.error("session-taken-over", detail=str(lost), advice=_ADVICE)
        elif self._wordless >= SUSPECTED_AFTER:
            self._tell("the broker closes each connection: perhaps another uses our MQTT client id")
            self._around.logbook.warning(
                "session-perhaps-taken-over", connections=self._wordless, advice=_ADVICE
            )

    async def watch(self) -> None:
        """Forget it once the connection, which begins now, has held in peace; never returns."""
        await self._around.wait_s(PEACE_S)
        self.is_on = False
        self._around.supervisor.trouble(_ABOUT, None)
        await asyncio.Event().wait()

    def _tell(self, trouble: str) -> None:
        self.is_on = True
        self._around.supervisor.trouble(_ABOUT, trouble)
