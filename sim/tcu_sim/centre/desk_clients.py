"""The owner, the police and the theft desk's clerk."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_sim.centre.api import Peer
from tcu_sim.centre.views import CaseView, PositionView, view


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner, through the theft desk's own form."""

    desk: Peer

    async def confirm_case(self, case_id: bytes, *, note: str = "agreed") -> CaseView:
        """Agree that the car is traced."""
        return await _confirm(self.desk, case_id, note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Police:
    """The police."""

    desk: Peer

    async def confirm_case(self, case_id: bytes, *, reference: str) -> CaseView:
        """Agree that the car is traced; `reference`: their file number."""
        return await _confirm(self.desk, case_id, reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskClerk:
    """The only person who sees positions."""

    desk: Peer

    async def case(self, case_id: bytes) -> CaseView:
        """Look at a case."""
        return view(CaseView, await self.desk.call("case", {"case_id": case_id.hex()}))

    async def positions(
        self, case_id: bytes, *, at_least: int = 0, timeout_s: float = 0
    ) -> list[PositionView]:
        """Return a case's positions, oldest first; waits up to `timeout_s` until there are `at_least` so many."""
        body = {"case_id": case_id.hex(), "at_least": at_least, "timeout_s": timeout_s}
        reply = await self.desk.call("positions", body)
        return [view(PositionView, position) for position in reply["positions"]]

    async def end_case(self, case_id: bytes) -> CaseView:
        """End a case: the car stops, the positions are erased."""
        return view(CaseView, await self.desk.call("case-end", {"case_id": case_id.hex()}))


async def _confirm(desk: Peer, case_id: bytes, reference: str) -> CaseView:
    body = {"case_id": case_id.hex(), "reference": reference}
    return view(CaseView, await desk.call("case-confirm", body))
