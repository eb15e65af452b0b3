"""Several brokers as one link: one attempt at one broker, the next attempt at the next in the list.

The one that held us comes first the next time: our session is there, and what waits in it.

The waiting between attempts stays with who calls `connect`. A broker that has refused us is left out for a while, for
it will not change its mind in seconds; when all have, that is said (`temporary` False), and the caller waits for long.
Which broker it is does not matter to anybody: what was under way is in the outbox, what is stale proves itself stale.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from tcu_agent.errors import MqttTransportError
from tcu_agent.ports import Clock, Inbound, LinkPort

LEFT_OUT_S = 300.0
"""As long as the agent waits at least before it tries a single broker that refuses it again."""


class BrokerList:
    """The `LinkPort` over several, in the order of preference."""

    def __init__(self, links: Sequence[LinkPort], *, clock: Clock) -> None:
        """Take at least one link, each to another broker."""
        self._links = links
        self._clock = clock
        self._next = 0
        self._current = links[0]
        self._left_out_until: dict[int, float] = {}

    async def connect(self, *, connection: int, will: bytes) -> bool:
        """Try the broker whose turn it is; if that fails, the next attempt goes to the one behind it.

        Return whether that broker still had our session.

        Raises:
            MqttTransportError: refused or unreachable; `temporary` False only if every broker has refused us.
        """
        index = self._take_turn()
        self._current = self._links[index]
        try:
            has_session = await self._current.connect(connection=connection, will=will)
        except MqttTransportError as error:
            if error.temporary:
                raise
            self._leave_out(index, error)
            raise
        self._next = index
        return has_session

    async def messages(self) -> AsyncIterator[Inbound]:
        """Iterate over what arrives from the broker that we are connected to, until that is lost.

        Raises:
            MqttTransportError: it is; `temporary` False only if no other broker is left that has not refused us.
        """
        with self._left_out_if_it_ends():
            async for inbound in self._current.messages():
                yield inbound

    async def publish(
        self,
        message_type: str,
        payload: bytes,
        *,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> bool:
        """Publish to the broker that we are connected to; return whether it says that it has nobody to give it to.

        Raises:
            PublicationRefusedError: the PUBACK says no; the connection holds.
            MqttTransportError: not connected, or no PUBACK (`may_have_happened` True then); `temporary` as above.
        """
        with self._left_out_if_it_ends():  # who publishes may hear of it before who listens
            return await self._current.publish(
                message_type, payload, expiry_s=expiry_s, correlation=correlation
            )

    async def disconnect(self) -> None:
        """End the connection politely; never raises."""
        await self._current.disconnect()

    @contextmanager
    def _left_out_if_it_ends(self) -> Iterator[None]:
        """Leave out the broker that we are connected to if it sends us away."""
        index = self._next
        try:
            yield
        except MqttTransportError as error:
            if not error.temporary:
                self._leave_out(index, error)
            raise

    def _leave_out(self, index: int, error: MqttTransportError) -> None:
        """Leave out a broker that has refused us.

        Raises:
            MqttTransportError: in the place of `error`, if there is another broker to try soon.
        """
        self._left_out_until[index] = self._clock.boottime() + LEFT_OUT_S
        if self._first_turn() is None:
            return
        raise MqttTransportError(
            f"{error}; left out for {LEFT_OUT_S:.0f} s, the next one's turn",
            may_have_happened=error.may_have_happened,
            temporary=True,
        ) from error

    def _take_turn(self) -> int:
        found = self._first_turn()
        index = self._next if found is None else found
        self._next = (index + 1) % len(self._links)
        return index

    def _first_turn(self) -> int | None:
        """Return the first broker from the one whose turn it is on that is not left out now."""
        now = self._clock.boottime()
        count = len(self._links)
        turns = ((self._next + n) % count for n in range(count))
        return next((turn for turn in turns if self._left_out_until.get(turn, now) <= now), None)
