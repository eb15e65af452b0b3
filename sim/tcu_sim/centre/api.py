"""What a service offers: named operations, each with the callers that may use it, over any transport.

A call is an operation's name, the caller's token and a JSON object. `dispatch` is the one gate:
token, caller, body, handler. `http` and `local` are transports around it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tcu_sim.centre.errors import BadCall, NotAllowed
from tcu_sim.pki.tokens import TokenCheck

Reply = dict[str, Any]
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Call:
    """One call by `caller`, such as ``operator-1``.

    The getters refuse what has not the form asked for.
    """

    caller: str
    body: Mapping[str, object] = field(repr=False)

    def text(self, name: str, *, longest: int = 256) -> str:
        """Return a text of 1..longest characters."""
        value = self.body.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            raise BadCall(f"{name}: a text of 1 to {longest} characters is needed")
        return value

    def octets(self, name: str, size: int | None = None) -> bytes:
        """Return bytes given in hex."""
        try:
            value = bytes.fromhex(self.text(name, longest=65536))
        except ValueError as error:
            raise BadCall(f"{name}: hex digits are needed") from error
        if size is not None and len(value) != size:
            raise BadCall(f"{name}: {size} bytes are needed")
        return value

    def integer(self, name: str, *, default: int | None = None) -> int:
        """Return an integer."""
        value = self.body.get(name, default)
        if type(value) is not int:
            raise BadCall(f"{name}: an integer is needed")
        return value

    def number(self, name: str, *, default: float) -> float:
        """Return a number that is not negative."""
        value = self.body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BadCall(f"{name}: a number >= 0 is needed")
        return value

    def flag(self, name: str) -> bool:
        """Return a truth value; absent is false."""
        value = self.body.get(name, False)
        if not isinstance(value, bool):
            raise BadCall(f"{name}: true or false is needed")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.body.get(name) is not None

    def table(self, name: str) -> Mapping[str, object]:
        """Return a JSON object."""
        value = self.body.get(name)
        if not isinstance(value, Mapping):
            raise BadCall(f"{name}: an object is needed")
        return value


@dataclass(frozen=True, slots=True)
class Operation:
    """What a handler does for `callers` (``operator`` stands for every operator)."""

    callers: frozenset[str]
    handler: Callable[[Call], Awaitable[Reply]]

    def allows(self, caller: str) -> bool:
        """Whether this caller may use it."""
        group = OPERATOR if caller.startswith(f"{OPERATOR}-") else caller
        return group in self.callers


class Service(Protocol):
    """One service of the centre."""

    @property
    def name(self) -> str:
        """``pin``, ``command``, ``account`` or ``desk``."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it offers, by name."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The last levels of the vehicles' up topics that it listens to."""

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Take a message from a vehicle, unverified; whatever is wrong with it ends here."""

    async def tick(self) -> None:
        """Do what time asks for; called about once a second."""


class Peer(Protocol):
    """Another service (or, for a client, a service), with the caller's token."""

    async def call(self, operation: str, body: Mapping[str, object]) -> Reply:
        """Call an operation.

        Raises:
            Denied: the service refuses.
            BadCall: the call has not the form asked for.
            NotAllowed: not with this token.
            ServiceUnreachable: no answer.
        """


class Bus(Protocol):
    """The way to the vehicles."""

    async def publish(
        self, vehicle_id: str, message_type: str, payload: bytes, *, expiry_s: int | None = None
    ) -> None:
        """Publish to a vehicle's down topic, QoS 1, never retained.

        Waits while the broker is away.
        """


async def dispatch(
    service: Service, tokens: TokenCheck, *, operation: str, token: str, body: Mapping[str, object]
) -> Reply:
    """Carry out one call.

    Raises:
        NotAllowed: unknown token, unknown operation, or not for this caller; the three look alike.
        Denied, BadCall, ServiceUnreachable: as the operation says.
    """
    caller = tokens.caller_of(token)
    offered = service.operations.get(operation)
    if caller is None or offered is None or not offered.allows(caller):
        raise NotAllowed(f"{service.name}: not with this token")
    return await offered.handler(Call(caller, body))
