"""What the steps work with: the people, the car, the observer's sightings, and what the story remembers.

The helpers here ask the centre as its people would, and wait for what the observer saw; they judge nothing but that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tcu_sim.centre.app_client import App
from tcu_sim.centre.client import Client
from tcu_sim.centre.operator_client import Operator
from tcu_sim.demo.attacker import Attacker
from tcu_sim.demo.broker import Broker
from tcu_sim.demo.burglar import Burglar, Overheard, overhear
from tcu_sim.demo.conditions import (
    CAR,
    LOCKS,
    about,
    both,
    from_car,
    is_grant,
    is_signal,
    is_unlock,
    signal_is,
    to_car,
)
from tcu_sim.demo.other_car import OtherCar
from tcu_sim.demo.remote_control import RemoteControl
from tcu_sim.demo.sightings import Condition, NotSeenError, Sighting, Sightings, describe
from tcu_sim.errors import SimulatorError
from tcu_sim.pki.layout import Layout

OWNER, OTHER_OWNER = "owner-of-demo-car", "owner-of-other-car"
PLACE = (57.6890, 11.9810)
"""Where the car stands, degrees, north and east: the demo puts it there and looks whether the desk sees that."""
T = TypeVar("T")
RIGHT, WRONG = "right", "wrong"


@dataclass(slots=True)
class Memory:
    """What later steps need of earlier ones."""

    incident_id: bytes | None = None
    unlock_id: bytes | None = None
    unlock_grant: bytes | None = None
    challenged: Overheard | None = None
    case_id: bytes | None = None
    tracking_id: bytes | None = None
    tracking_mark: int | None = None
    app: App | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything a step may use."""

    layout: Layout
    environment: str
    broker: Broker
    sightings: Sightings
    client: Client
    operator: Operator
    control: RemoteControl
    attacker: Attacker
    burglar: Burglar
    other_car: OtherCar
    memory: Memory = field(default_factory=Memory)

    # ------------------------------------------------------------------ PINs
    def pin(self, owner: str = OWNER) -> str:
        """Open the owner's letterbox and return the PIN of the newest letter with one."""
        letters = sorted((self.layout.post / owner).glob("*-pin.txt"))
        if not letters:
            raise SimulatorError(f"no PIN letter in the letterbox of {owner}")
        return _pin_in(letters[-1])

    def wrong_pin(self) -> str:
        """Return four digits that no letter to the owner has held."""
        known = {_pin_in(letter) for letter in (self.layout.post / OWNER).glob("*-pin.txt")}
        return next(
            f"{number:04d}" for number in range(1234, 10_000) if f"{number:04d}" not in known
        )

    async def enter(self, request_id: bytes, pin: str) -> str:
        """Let the caller enter a PIN on his keypad for a request; return the PIN authority's answer."""
        ticket = await self.operator.ticket(request_id)
        return await self.client.keypad().enter(ticket, pin)

    async def confirmed(self, request_id: bytes, pin: str | None = None) -> bytes:
        """Let the caller enter the right PIN; return the request id.

        Raises:
            NotSeenError: the PIN authority did not take it.
        """
        answer = await self.enter(request_id, pin or self.pin())
        if answer != RIGHT:
            raise NotSeenError(f"the PIN authority answered {answer!r} to the right PIN")
        return request_id

    def recall(self, kept: T | None, what: str) -> T:
        """Return what an earlier step has kept.

        Raises:
            NotSeenError: that step has failed.
        """
        if kept is None:
            raise NotSeenError(f"not played: no {what} from an earlier step")
        return kept

    @property
    def incident_id(self) -> bytes:
        """The incident of the call that is open."""
        return self.recall(self.memory.incident_id, "call")

    @property
    def unlock_grant(self) -> bytes:
        """The grant that has unlocked the car."""
        return self.recall(self.memory.unlock_grant, "unlock")

    @property
    def challenged(self) -> Overheard:
        """A request without a PIN, and its challenge."""
        return self.recall(self.memory.challenged, "challenge")

    @property
    def app(self) -> App:
        """The owner's app, signed in."""
        return self.recall(self.memory.app, "app account")

    async def learnt(self) -> None:
        """Wait until the car has learnt its account.

        Raises:
            NotSeenError: it has not.
        """
        account = await self.operator.account_state(CAR, timeout_s=10)
        if account.learnt_version < account.version:
            raise NotSeenError("the car has not learnt its account")

    # ------------------------------------------------------------------ what was seen
    async def seen_at(self, at_s: float, *, timeout_s: float = 20.0) -> None:
        """Wait until the observer's own clock has passed a time, shown by what it sees."""
        await self.seen("later sightings", lambda s: s["t"] >= at_s, since=0, timeout_s=timeout_s)

    async def age_of(self, overheard: Overheard, *, at_least_s: float) -> float:
        """Wait until a challenge is so old, by the observer's clock; return its age."""
        request = overheard.request.request_id.hex()
        mine = about(from_car("challenge"), request)
        came = await self.seen("challenge", mine, since=0)
        await self.seen_at(came["t"] + at_least_s)
        latest = self.sightings.last(lambda _: True) or came
        return float(latest["t"] - came["t"])

    def result_of(self, request_id: bytes) -> Sighting:
        """Return the result of a request that was seen before.

        Raises:
            NotSeenError: none was.
        """
        mine = about(from_car("result"), request_id.hex())
        found = self.sightings.since(0, mine)
        if not found:
            raise NotSeenError("no result of the first grant was seen")
        return found[0]

    async def executed(self, service: str, *, since: int) -> None:
        """Wait for the car's signed result of a service.

        Raises:
            NotSeenError: none, or another outcome than executed.
        """
        mine = both(from_car("result"), lambda s: s["service"] == service)
        result = await self.seen(f"result of {service}", mine, since=since)
        if result["outcome"] != "executed":
            raise NotSeenError(f"{service}: {result['outcome']} {result['reason']}")

    async def seen(
        self, what: str, condition: Condition, *, since: int, timeout_s: float = 10.0
    ) -> Sighting:
        """Return the first sighting since the mark that meets the condition."""
        return await self.sightings.wait(what, condition, since=since, timeout_s=timeout_s)

    async def challenge(self, since: int) -> Overheard:
        """Wait for the car's challenge; return it with its request, as the broker passed them."""
        challenge = await self.seen("challenge", from_car("challenge"), since=since)
        is_request = about(to_car("request"), challenge["request"])
        request = await self.seen("request", is_request, since=since)
        return overhear(
            await self.attacker.message(request["hash"]),
            await self.attacker.message(challenge["hash"]),
        )

    async def grant_of(self, request_id: bytes) -> bytes:
        """Return the grant for a request as the broker passed it."""
        grant = await self.seen("grant", about(is_grant, request_id.hex()), since=0)
        return await self.attacker.message(grant["hash"])

    async def refusal(self, since: int) -> Sighting:
        """Wait for the car's next refusal."""
        return await self.seen("refusal", from_car("refusal"), since=since)

    async def expect_refusal(self, reason: str, *, since: int) -> str:
        """Wait for a refusal with this reason, and make sure that nothing has moved.

        Raises:
            NotSeenError: another reason, none, or a central locking command.
        """
        refusal = await self.refusal(since)
        if refusal["reason"] != reason:
            raise NotSeenError(f"refusal with {refusal['reason']} instead of {reason}")
        await self.expect_no_unlock(since)
        return f"signed refusal {reason}, no command on CAN"

    async def expect_no_unlock(self, since: int) -> None:
        """Make sure that no unlock command was on CAN since the mark.

        Raises:
            NotSeenError: there was one, or the TCU has fallen silent.
        """
        await self.sightings.settle()
        if moved := self.sightings.since(since, is_unlock):
            raise NotSeenError(f"{describe(moved[0])} on CAN, {self.sightings.summary(since)}")

    async def locked(self, *, timeout_s: float = 15.0) -> None:
        """Wait until the lock status says of all five locks that they are locked.

        Raises:
            NotSeenError: it does not.
        """

        def all_are(_: Sighting) -> bool:
            last = [self.sightings.last(is_signal(name)) for name in LOCKS]
            return all(sighting is not None and sighting["value"] == "Locked" for sighting in last)

        await self.seen("locked car", all_are, since=self.sightings.mark() - 1, timeout_s=timeout_s)

    async def expect_no_grant(self, since: int) -> None:
        """Make sure that no grant went to the car since the mark.

        Raises:
            NotSeenError: there was one.
        """
        if self.sightings.since(since, is_grant):
            raise NotSeenError("a grant on the broker")

    async def unlocked(self, request_id: bytes, *, since: int) -> str:
        """Wait for command frame, five moved locks and the request's signed result, in this order.

        Raises:
            NotSeenError: one of them is missing, or the result was told before the locks had moved.
        """
        command = await self.seen("unlock command", is_unlock, since=since)
        is_result = about(from_car("result"), request_id.hex())
        result = await self.seen("result", is_result, since=since, timeout_s=15.0)
        moved = [await self._moved(lock, since, result) for lock in LOCKS]
        if result["outcome"] != "executed":
            raise NotSeenError(f"result {result['outcome']} {result['reason']}")
        if result["t"] < max(sighting["t"] for sighting in moved):
            raise NotSeenError("the result was told before the locks had moved")
        last_s = max(sighting["t"] for sighting in moved) - command["t"]
        return (
            f"unlock command, all five locks unlocked {last_s:.2f} s later, "
            f"signed result executed after {result['t'] - command['t']:.2f} s"
        )

    async def _moved(self, lock: str, since: int, result: Sighting) -> Sighting:
        is_moved = signal_is(lock, "Unlocked")
        try:
            return await self.seen(f"unlocked {lock}", is_moved, since=since, timeout_s=1.0)
        except NotSeenError as error:
            told = f"signed result {result['outcome']} {result['reason']}"
            raise NotSeenError(f"{told}, but {error}") from None


def _pin_in(letter: Path) -> str:
    return letter.read_text(encoding="utf-8").strip()[-4:]
