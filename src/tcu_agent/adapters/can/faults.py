"""What a CAN error frame says about the state of the controller.

Source: Linux include/uapi/linux/can/error.h (the error class stands in the identifier, details in the data bytes).
"""

from __future__ import annotations

from tcu_agent.ports import CanFrame

BUS_OFF = "bus-off"
RESTARTED = "restarted"
"""Back after bus-off; error-active as soon as another node is heard."""
ERROR_PASSIVE = "error-passive"
ERROR_WARNING = "error-warning"
ERROR_ACTIVE = "error-active"
LINK_DOWN = "link-down"

BUS_OFF_LASTS_S = 0.001
"""At least: 128 times 11 bits (ISO 11898-1) are 1.4 ms at 1 Mbit/s. What is stamped earlier is older than bus-off:
each socket of a bus has its own queue and its own idea of the clock.
"""

_CLASS_CONTROLLER = 0x04
BUS_OFF_CLASS = 0x40
_CLASS_RESTARTED = 0x100
_CONTROLLER_OVERRUN = 0x01  # receive; that of sending, 0x02, loses nothing that we hear
_CONTROLLER_WARNING = 0x0C  # receive 0x04, transmit 0x08
_CONTROLLER_PASSIVE = 0x30  # receive 0x10, transmit 0x20
_CONTROLLER_ACTIVE = 0x40


def bus_state(frame: CanFrame) -> str | None:
    """Return the state that an error frame announces, or None if it announces none."""
    if frame.arbitration_id & BUS_OFF_CLASS:
        return BUS_OFF
    if frame.arbitration_id & _CLASS_RESTARTED:
        return RESTARTED
    if frame.arbitration_id & _CLASS_CONTROLLER and len(frame.data) > 1:
        if frame.data[1] & _CONTROLLER_PASSIVE:
            return ERROR_PASSIVE
        if frame.data[1] & _CONTROLLER_WARNING:
            return ERROR_WARNING
        if frame.data[1] & _CONTROLLER_ACTIVE:
            return ERROR_ACTIVE
    return None


def is_overrun(frame: CanFrame) -> bool:
    """Return whether an error frame says that the controller lost frames, since nobody took them from it in time."""
    return bool(
        frame.arbitration_id & _CLASS_CONTROLLER
        and len(frame.data) > 1
        and frame.data[1] & _CONTROLLER_OVERRUN
    )
