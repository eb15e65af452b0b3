"""The status frame goes out while other nodes are heard, and what our own controller says is not another node."""

from __future__ import annotations

import pytest

from tcu_agent.core.events import BusFaulted, BusFellAsleep
from tcu_agent.ports import CanFrame
from tests.runtime.rig import Rig, mapping, play

STATUS_ID = mapping().buses["body"].message("TcuStatus").frame_id
MOTION = mapping().buses["body"].message("VehicleMotion")
HEARD = CanFrame(MOTION.frame_id, bytes(MOTION.length))
BUS_OFF = CanFrame(0x40, bytes(8), is_error_frame=True)


@pytest.mark.parametrize(("frame", "is_sent"), [(HEARD, True), (BUS_OFF, False)])
def test_a_sleeping_bus_gets_no_status_because_its_controller_has_a_fault(
    frame: CanFrame, *, is_sent: bool
) -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await rig.core.wait_for(BusFellAsleep)
        before = len(rig.bus.sent)
        rig.bus.put(frame)
        if frame is BUS_OFF:
            await rig.core.wait_for(BusFaulted)
        await rig.wait_s(1.5)
        sent = [one.arbitration_id for one in rig.bus.sent[before + 1 :]]
        assert (STATUS_ID in sent) is is_sent

    play(body)
