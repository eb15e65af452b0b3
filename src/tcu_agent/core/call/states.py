"""ON CALL: from a press to an assistance call, and back. Needs no trust, no account and no subscription to begin.

Theory of operation
===================
IDLE       No call. A press asks for one: incident id, durable record, signed event, pulsing lamp.
REQUESTED  Asked for. The centre says what becomes of it; not connected in time, it has failed.
RINGING    The centre is ringing. The same time limit goes on.
CONNECTED  They talk. Only the centre or a long press ends it.
ENDED      Over; shown for a while. A press asks for a new call.
FAILED     Not reached; the lamp says so for a while. A press asks for a new call.

A press while a call is on does nothing; held for `hang_up_s` it hangs up, unless it is the very press that asked for
the call. The call survives a restart: within its time it goes on, after it it has failed. Where no clock can prove how
much time has passed, it is asked for again: for a call, doing it once too often is the safe side.

Corrupt state of anything else does not matter here; a corrupt record of a call means that there is none.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from tcu_agent.protocol.vocabulary import CallState


@unique
class Trigger(Enum):
    """What moves a call. Its states are the protocol's `CallState`."""

    PRESSED = "pressed"
    CENTRE_RINGS = "centre rings"
    CENTRE_CONNECTS = "centre connects"
    CENTRE_ENDS = "centre ends"
    CENTRE_FAILS = "centre fails"
    HUNG_UP = "hung up"
    NOT_CONNECTED_IN_TIME = "not connected in time"
    REBOOTED = "rebooted"
    SHOWN = "shown"


TABLE: Final[dict[tuple[CallState, Trigger], CallState]] = {
    (CallState.IDLE, Trigger.PRESSED): CallState.REQUESTED,
    (CallState.ENDED, Trigger.PRESSED): CallState.REQUESTED,
    (CallState.FAILED, Trigger.PRESSED): CallState.REQUESTED,
    (CallState.REQUESTED, Trigger.CENTRE_RINGS): CallState.RINGING,
    (CallState.REQUESTED, Trigger.CENTRE_CONNECTS): CallState.CONNECTED,
    (CallState.REQUESTED, Trigger.CENTRE_ENDS): CallState.ENDED,
    (CallState.REQUESTED, Trigger.CENTRE_FAILS): CallState.FAILED,
    (CallState.REQUESTED, Trigger.HUNG_UP): CallState.ENDED,
    (CallState.REQUESTED, Trigger.NOT_CONNECTED_IN_TIME): CallState.FAILED,
    (CallState.RINGING, Trigger.CENTRE_CONNECTS): CallState.CONNECTED,
    (CallState.RINGING, Trigger.CENTRE_ENDS): CallState.ENDED,
    (CallState.RINGING, Trigger.CENTRE_FAILS): CallState.FAILED,
    (CallState.RINGING, Trigger.HUNG_UP): CallState.ENDED,
    (CallState.RINGING, Trigger.NOT_CONNECTED_IN_TIME): CallState.FAILED,
    (CallState.CONNECTED, Trigger.CENTRE_ENDS): CallState.ENDED,
    (CallState.CONNECTED, Trigger.CENTRE_FAILS): CallState.FAILED,
    (CallState.CONNECTED, Trigger.HUNG_UP): CallState.ENDED,
    (CallState.CONNECTED, Trigger.REBOOTED): CallState.ENDED,
    (CallState.ENDED, Trigger.SHOWN): CallState.IDLE,
    (CallState.FAILED, Trigger.SHOWN): CallState.IDLE,
}
