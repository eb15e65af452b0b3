"""The observer's eyes on CAN: frames in, sightings out. It shares nothing with the agent.

Reported are central locking commands frame by frame, each change of lock, door, lamp, call, plate
and usage signals, and each frame of the TCU's status as a tick. A position is never reported; the
last ones are kept to look for them on MQTT.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cantools
from cantools.database.can import Database, Message
from cantools.database.errors import Error as CantoolsError

from tcu_sim.errors import BadInput

COMMAND = "CentralLockCommand"
TICK_OF = "TcuStatus"
WATCHED = (
    "CentralLockResponse",
    "DoorLockStatus",
    "DoorStatus",
    "OnCallButton",
    "TailgatePlate",
    "TcuStatus",
    "UsageMode",
)
"""DBC messages whose changes are reported, signal by signal."""
UNINTERESTING = frozenset({"Crc", "AliveCounter"})
POSITION = "GnssPosition"
POSITIONS_KEPT = 200


class CanWatch:
    """Follows one bus. `dbc`: path of the reference database.

    Raises:
        BadInput: the database cannot be read, or is not the reference vehicle's.
    """

    def __init__(self, dbc: Path) -> None:
        database = _load(dbc)
        try:
            self._messages = {
                message.frame_id: message
                for message in map(database.get_message_by_name, (*WATCHED, COMMAND, POSITION))
            }
        except KeyError as error:
            raise BadInput(
                f"{dbc}: has no message {error}; the observer needs the reference database"
            ) from error
        self._last: dict[tuple[str, str], str] = {}
        self.positions: deque[tuple[int, int]] = deque(maxlen=POSITIONS_KEPT)
        """The last positions that were on the bus: latitude and longitude in 1e-7 degree."""
        self.frames = 0

    def take(self, arbitration_id: int, data: bytes) -> Iterator[dict[str, Any]]:
        """Yield what one standard frame shows."""
        self.frames += 1
        message = self._messages.get(arbitration_id)
        if message is None:
            return
        try:
            values = message.decode_simple(data, decode_choices=False, scaling=False)
            words = message.decode_simple(data)
        except (ValueError, CantoolsError):
            yield {"what": "undecodable", "message": message.name}
            return
        if message.name == POSITION:
            self._keep(values)
        elif message.name == COMMAND:
            yield {
                "what": "command",
                "command": str(words["LockCommand"]),
                "counter": values["CommandCounter"],
            }
        else:
            yield from self._changes(message, words)
            if message.name == TICK_OF:
                yield {"what": "tick"}

    def _changes(self, message: Message, words: Any) -> Iterator[dict[str, Any]]:
        for name, value in words.items():
            key, text = (message.name, name), str(value)
            if name not in UNINTERESTING and self._last.get(key) != text:
                before = self._last.get(key)
                self._last[key] = text
                yield {"what": "signal", "signal": name, "value": text, "before": before}

    def _keep(self, values: Any) -> None:
        position = (int(values["Latitude"]), int(values["Longitude"]))
        if not self.positions or self.positions[-1] != position:
            self.positions.append(position)


def _load(dbc: Path) -> Database:
    try:
        database = cantools.database.load_file(dbc)
    except (OSError, ValueError, CantoolsError) as error:
        raise BadInput(f"{dbc}: cannot be read as a CAN database: {error}") from error
    if not isinstance(database, Database):
        raise BadInput(f"{dbc}: is no CAN database")
    return database
