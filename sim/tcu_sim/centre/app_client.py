"""The owner's app. The password signs in; each service that the manual names asks for the PIN besides (S12)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcu_sim.centre.api import Peer
from tcu_sim.centre.errors import Denied
from tcu_sim.centre.views import AccountView, ChangeView, view

RIGHT = "right"


class PinNotAccepted(Denied):
    """The PIN authority did not say ``right``; `word` is what it said: ``wrong``, ``locked``, ``new-pin-needed``."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A change that waits for the PIN."""

    change_id: bytes
    ticket: str = field(repr=False)


class App:
    """One phone. Signed in after `sign_in`."""

    def __init__(self, *, account: Peer, pin: Peer) -> None:
        self._account = account
        self._pin = pin
        self._session = ""

    async def create_account(self, login: str, password: str) -> str:
        """Create an app account; returns its id, which is also the user id in vehicles."""
        body = {"login": login, "password": password}
        return str((await self._account.call("create-account", body))["app_account"])

    async def sign_in(self, login: str, password: str) -> None:
        """Sign in with the password."""
        reply = await self._account.call("sign-in", {"login": login, "password": password})
        self._session = str(reply["session"])

    @property
    def session(self) -> str:
        """The session of whoever is signed in; empty if nobody is."""
        return self._session

    def resume(self, session: str) -> None:
        """Go on with a session of an earlier `sign_in`."""
        self._session = session

    async def link(self, vehicle_id: str, pin: str, *, timeout_s: float = 30) -> ChangeView:
        """Link this app account with a vehicle (S3).

        Raises:
            PinNotAccepted: the PIN is not accepted.
        """
        return await self._with_pin(await self.begin("app-link", vehicle_id), pin, timeout_s)

    async def add_user(
        self, vehicle_id: str, user_id: str, pin: str, *, timeout_s: float = 30
    ) -> ChangeView:
        """Add an app user to the vehicle (S6).

        Raises:
            PinNotAccepted: the PIN is not accepted.
        """
        begun = await self.begin("add-user", vehicle_id, user_id=user_id)
        return await self._with_pin(begun, pin, timeout_s)

    async def end_subscription(
        self, vehicle_id: str, pin: str, *, timeout_s: float = 30
    ) -> ChangeView:
        """End the vehicle's subscription (S7).

        Raises:
            PinNotAccepted: the PIN is not accepted.
        """
        begun = await self.begin("end-subscription", vehicle_id)
        return await self._with_pin(begun, pin, timeout_s)

    async def begin(self, service: str, vehicle_id: str, *, user_id: str | None = None) -> Begun:
        """Begin a change: ``app-link``, ``add-user`` or ``end-subscription``."""
        body = {"session": self._session, "service": service, "vehicle_id": vehicle_id}
        if user_id is not None:
            body["user_id"] = user_id
        reply = await self._account.call("change-begin", body)
        return Begun(bytes.fromhex(reply["change_id"]), str(reply["ticket"]))

    async def enter_pin(self, begun: Begun, pin: str) -> str:
        """Enter the PIN, straight to the PIN authority; returns its answer."""
        reply = await self._pin.call("enter", {"ticket": begun.ticket, "pin": pin})
        return str(reply["answer"])

    async def go(self, change_id: bytes) -> ChangeView:
        """Have the change sent to the car, after the PIN was accepted."""
        return view(ChangeView, await self._account.call("change-go", self._of(change_id)))

    async def change(self, change_id: bytes, *, timeout_s: float = 0) -> ChangeView:
        """Look at a change; waits up to `timeout_s` for its end."""
        body = {**self._of(change_id), "timeout_s": timeout_s}
        return view(ChangeView, await self._account.call("change", body))

    async def remove_user(self, vehicle_id: str, user_id: str) -> AccountView:
        """Take a user away; needs no PIN."""
        body = {"session": self._session, "vehicle_id": vehicle_id, "user_id": user_id}
        return view(AccountView, await self._account.call("remove-user", body))

    async def contact_assistance(self, vehicle_id: str) -> bytes:
        """Contact Assistance from the app (S9); returns the incident id."""
        body = {"session": self._session, "vehicle_id": vehicle_id}
        return bytes.fromhex((await self._account.call("contact", body))["incident_id"])

    async def _with_pin(self, begun: Begun, pin: str, timeout_s: float) -> ChangeView:
        answer = await self.enter_pin(begun, pin)
        if answer != RIGHT:
            raise PinNotAccepted(answer)
        await self.go(begun.change_id)
        return await self.change(begun.change_id, timeout_s=timeout_s)

    def _of(self, change_id: bytes) -> dict[str, str]:
        return {"session": self._session, "change_id": change_id.hex()}
