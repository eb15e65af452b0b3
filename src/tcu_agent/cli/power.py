"""The ports that let the board suspend, where the configuration wants it."""

from __future__ import annotations

from tcu_agent.adapters.power.alarm_timer import AlarmTimer
from tcu_agent.adapters.power.suspend_command import SuspendCommand
from tcu_agent.config import Config
from tcu_agent.errors import PowerError
from tcu_agent.ports import PowerPort, RtcPort
from tcu_agent.runtime.logbook import Logbook


def suspend_ports(config: Config) -> tuple[RtcPort | None, PowerPort | None]:
    """Return both ports, or neither: a board that nothing would wake stays on, and the rest works as ever."""
    if not config.suspend_command:
        return None, None
    try:
        return AlarmTimer(), SuspendCommand(config.suspend_command)
    except PowerError as error:
        Logbook().error("never-suspends", detail=str(error))
        return None, None
