"""Plays steps: what each word of a history means in the town."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from tcu_sim.bench.fuse import Point
from tcu_sim.bench.light_centre import seeded_key
from tcu_sim.bench.simulation.step import Step
from tcu_sim.bench.simulation.town import Town
from tcu_sim.errors import NotPossible
from tcu_sim.vehicle.body import Jam
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.vehicle.e2e import E2eFault
from tcu_sim.vehicle.person import Person
from tcu_sim.vehicle.reference import Door, LockSource
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Call, Role, Told

Values = Mapping[str, Any]
MOMENT_S: Final = 0.2
"""What passes after a step at least: messages are handled, frames answered."""
DRIVE_S: Final = 4.0


class Player:
    """Plays one history in one town."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._off: Values = {"off_s": 1.0, "how": "power"}
        """How the board comes back if the fuse that was set blows."""

    async def play(self, step: Step) -> None:
        """Play one step, and bring the board back if its power failed meanwhile."""
        self._town.trace.add(f"step {step}")
        await STEPS[step.do](self, step.of)
        await self._town.live(MOMENT_S)
        await self.come_back()

    async def come_back(self) -> None:
        """Start the agent again if the fuse has cut its power."""
        if self._town.agent.lost_power() or self._town.fuse.is_blown:
            await self._die(self._off)

    # ------------------------------------------------------------------ time and board
    async def wait(self, of: Values) -> None:
        """Let time pass."""
        await self._town.live(of["s"])

    async def wall(self, of: Values) -> None:
        """Set the wall clock wrong, or right again. `forged`: its keeper (NTP, GNSS) is deceived as well."""
        by_s, is_forged = of["by_s"], of.get("forged", False)
        forgery, clock = self._town.judge.forgery, self._town.clock
        if by_s == 0:
            clock.set_right()
        else:
            clock.set_wrong(by_s)
            clock.synchronised = is_forged
        if is_forged:
            forgery.begin(by_s)
        else:
            forgery.end()

    async def suspend(self, of: Values) -> None:
        """Let the board sleep."""
        self._disturb()
        self._town.suspend(of["s"])
        self._disturb()

    async def cut(self, of: Values) -> None:
        """Cut the power, or kill the process, now. `right`: the clock is set right before the agent is back."""
        await self._die(of, sets_clock_right=of.get("right", False))

    async def fuse(self, of: Values) -> None:
        """Cut the power at a point that the agent has yet to reach."""
        self._off = of
        self._town.fuse.blow_at(Point[of["point"]], number=of["number"])

    async def restart(self, of: Values) -> None:
        """Stop the agent cleanly and start it again."""
        await self._town.agent.stop()
        await self._die(of)

    async def disk(self, of: Values) -> None:
        """Let the next commits fail."""
        self._disturb()
        self._town.state.failing_commits = of["failing"]

    async def corrupt(self, of: Values) -> None:
        """Let one start find a state that cannot be read; the next one finds it whole again."""
        self._town.state.is_corrupt = self._town.was_corrupt = True
        await self._die(of)
        self._town.state.is_corrupt = False

    def _disturb(self) -> None:
        self._town.judge.disturbed_at.append(self._town.now())

    async def _die(self, of: Values, *, sets_clock_right: bool = False) -> None:
        by_power = of["how"] == "power"
        if by_power:
            self._town.judge.forgery.power_cut()
        await self._town.die(
            off_s=of["off_s"], by_power=by_power, sets_clock_right=sets_clock_right
        )

    # ------------------------------------------------------------------ centre
    async def ask(self, of: Values) -> None:
        """Let the centre ask for something; the rest of it happens as the car answers."""
        self._town.errands.ask(of)
        if (plate_after_s := of.get("plate_after_s")) is not None:
            await self._town.live(plate_after_s)
            self._town.car.do(lambda now: self._town.car.person.press_plate(now=now))
        await self._town.live(of["for_s"])

    async def call(self, of: Values) -> None:
        """Say something about an incident that the car has opened."""
        if incidents := self._town.waiting.events(Told.ON_CALL_PRESSED):
            self._town.centre.send_call(incidents[of["which"] % len(incidents)], Call(of["state"]))

    async def case_end(self, of: Values) -> None:
        """End a theft case."""
        if cases := self._town.errands.case_ids:
            centre = self._town.centre
            case_id = cases[of["which"] % len(cases)]
            centre.send(
                m.CaseEnd(vehicle_id=centre.vehicle_id, case_id=case_id),
                key=centre.keys[Role.THEFT_DESK],
            )

    async def account(self, of: Values) -> None:
        """Change PIN, owner or users, or say it all again."""
        account = self._town.centre.account
        if of["change"] in {"pin", "owner"}:
            account.pin_generation += 1
        if of["change"] == "owner":
            account.ownership_generation += 1
            account.subscription_active = True
        if of["change"] in {"owner", "forget-users"}:
            account.users = ()
        self._town.centre.send_account()

    async def trust(self, of: Values) -> None:
        """Rotate or revoke a service's key, begin an epoch, or say it all again."""
        centre = self._town.centre
        if of["change"] != "again":
            centre.trust_version += 1
        if of["change"] in {"rotate", "revoke"}:
            role = Role[of.get("role", "COMMAND")]
            old = centre.keys[role]
            centre.keys[role] = seeded_key(f"{role.name} {centre.trust_version}")
            if of["change"] == "revoke":
                centre.revoked = (*centre.revoked, old.public.kid)
        if of["change"] == "epoch":
            centre.epoch += 1
        centre.send_trust()
        if of["change"] == "epoch":
            centre.send_account()

    async def back_end(self, of: Values) -> None:
        """Let the other of two back ends speak from now on: it has counted its own requests alone."""
        self._town.centre.back_end = of["which"]

    # ------------------------------------------------------------------ network and attacker
    async def network(self, of: Values) -> None:
        """Make the network bad."""
        network = self._town.network
        network.loss, network.copies, network.delay_s = of["loss"], of["copies"], of["delay_s"]

    async def calm(self, of: Values) -> None:
        """Make it good again; all that was held up arrives at once."""
        del of
        self._town.network.calm()

    async def broker(self, of: Values) -> None:
        """Cut the connections, lose the broker, let it swallow its acknowledgements, or refuse the car."""
        broker = self._town.broker
        match of["is"]:
            case "cut":
                broker.cut()
            case "gone":
                broker.is_reachable = False
                broker.cut()
            case "back":
                broker.is_reachable, broker.refuses_authentication = True, False
            case "deaf" | "hearing":
                broker.loses_pubacks = of["is"] == "deaf"
            case _:
                broker.refuses_authentication = True
                broker.cut()

    async def attack(self, of: Values) -> None:
        """Let the attacker try something."""
        self._town.attacker.attack(of)

    async def intrude(self, of: Values) -> None:
        """Let somebody on the car's bus try something."""
        self._town.intruder.intrude(of)

    # ------------------------------------------------------------------ car
    async def person(self, of: Values) -> None:
        """Let somebody do something at the car, if it can be done."""
        act, door = ACTS[of["act"]], Door(of["door"])
        with suppress(NotPossible):
            self._town.car.do(lambda now: act(self._town.car.person, door, now))

    async def press(self, of: Values) -> None:
        """Press ON CALL."""
        self._town.car.do(lambda now: self._town.car.person.press_on_call(of["for_s"], now=now))
        await self._town.live(of["for_s"] + MOMENT_S)

    async def can(self, of: Values) -> None:
        """Let the bus go and come back, let its queue be full, let sends fail."""
        port = self._town.port
        match of["is"]:
            case "lost":
                port.lose()
            case "gone":
                port.refuses_open = True
                port.lose()
            case "back":
                port.refuses_open = False
            case "full" | "drained":
                port.is_full = of["is"] == "full"
            case _:
                port.failing_sends = 2
                port.send_may_have_happened = of["is"] == "doubtful"

    async def locking(self, of: Values) -> None:
        """Let central locking behave so from the next command on."""
        locking = self._town.car.vehicle.bcm.locking
        locking.set_behaviour(Behaviour(of["is"]), late_s=of["late_s"])

    async def jam(self, of: Values) -> None:
        """Let a lock jam, or free it."""
        motor = self._town.car.vehicle.body.motors[Door(of["door"])]
        motor.jam = None if of["is"] == "free" else Jam(of["is"])

    async def e2e(self, of: Values) -> None:
        """Spoil a protected message."""
        vehicle, fault = self._town.car.vehicle, E2eFault(of["is"])
        if of["of"] == "locks":
            vehicle.bcm.e2e["DoorLockStatus"].fault = fault
        else:
            vehicle.on_call.e2e["OnCallButton"].fault = fault


Act = Callable[[Person, Door, float], None]
ACTS: Final[dict[str, Act]] = {
    "open": lambda person, door, now: person.open_door(door, now=now),
    "close": lambda person, door, now: person.close_door(door, now=now),
    "lock": lambda person, _, now: person.lock(LockSource.KEY, now=now),
    "unlock": lambda person, _, now: person.unlock(LockSource.KEY, now=now),
    "plate": lambda person, _, now: person.press_plate(now=now),
    "drive": lambda person, _, now: person.drive(30.0, for_s=DRIVE_S, now=now),
    "park": lambda person, _, now: person.park(now=now),
    "leave": lambda person, _, now: person.leave(now=now),
    "enter": lambda person, _, now: person.enter(now=now),
}
STEPS: Final[dict[str, Callable[[Player, Values], Awaitable[None]]]] = {
    "wait": Player.wait,
    "ask": Player.ask,
    "person": Player.person,
    "press": Player.press,
    "call": Player.call,
    "case-end": Player.case_end,
    "network": Player.network,
    "calm": Player.calm,
    "broker": Player.broker,
    "attack": Player.attack,
    "intrude": Player.intrude,
    "back-end": Player.back_end,
    "wall": Player.wall,
    "suspend": Player.suspend,
    "cut": Player.cut,
    "fuse": Player.fuse,
    "restart": Player.restart,
    "disk": Player.disk,
    "corrupt": Player.corrupt,
    "can": Player.can,
    "car": Player.locking,
    "jam": Player.jam,
    "e2e": Player.e2e,
    "account": Player.account,
    "trust": Player.trust,
}
