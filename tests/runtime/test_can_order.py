"""What happens on the bus within one turn of the event loop is neither missed nor held against the next time."""

from __future__ import annotations

from typing_extensions import override

from tcu_agent.core.effects import TransmitUnlock
from tcu_agent.core.events import Connected, MessageArrived, SignalsChanged
from tcu_agent.ports import CanFrame
from tcu_agent.runtime.can_bus import FIRST_RETRY_S
from tcu_sim.bench.can_bus import InMemoryBus, InMemoryCanPort
from tests.runtime.rig import Rig, mapping, play, unlock_authorisation

BODY = mapping().buses["body"]
COMMAND, RESPONSE = BODY.message("CentralLockCommand"), BODY.message("CentralLockResponse")
MOTION = BODY.message("VehicleMotion")
RESPONSE_PATH = "Vehicle.Body.CentralLocking.Response"
STEP_S = 0.01


class PromptCar(InMemoryCanPort):
    """Answers a command before the one who sent it gets to run again."""

    def __init__(self, bus: InMemoryBus) -> None:
        super().__init__(bus=bus)
        self._on = bus

    @override
    def hear(self, frame: CanFrame) -> None:
        if frame.arbitration_id == COMMAND.frame_id:
            said = COMMAND.decode_simple(frame.data, decode_choices=False)
            answer = {"LockResponse": 1, "CommandCounterEcho": said["CommandCounter"]}
            self._on.put(CanFrame(RESPONSE.frame_id, RESPONSE.encode(answer)), sender=self)


def test_a_response_that_comes_at_once_is_not_missed() -> None:
    async def body(rig: Rig) -> None:
        rig.bus.attach(PromptCar(rig.bus))
        rig.core.on(MessageArrived, TransmitUnlock(unlock_authorisation(), not_after=1e9))
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.publish("tcu/v1/car-1/down/request", b"x")
        (change,) = (await rig.core.wait_for(SignalsChanged)).changes
        assert (change.path, change.value) == (RESPONSE_PATH, "busy")

    play(body)


def test_a_bus_that_was_heard_is_opened_again_soon_when_it_is_lost() -> None:
    """However often it could not be kept open before: somebody may press ON CALL."""

    async def body(rig: Rig) -> None:
        rig.start()
        for _ in range(8):
            await opened(rig)
            rig.port.lose()
        await opened(rig)
        rig.bus.put(CanFrame(MOTION.frame_id, bytes(MOTION.length)))
        await rig.core.wait_for(SignalsChanged)
        rig.port.lose()
        lost_at = rig.clock.boottime()
        await opened(rig)
        assert rig.clock.boottime() - lost_at <= FIRST_RETRY_S + STEP_S

    play(body)


async def opened(rig: Rig) -> None:
    while not rig.port.is_open:
        await rig.wait_s(STEP_S)
