"""The core's one entry: events in, effects out.

How to drive it (the runtime and every bench do exactly this):

1. ``core = Core(settings=..., boot_id=..., boot_session=..., stored=..., now=..., wall=..., random=...)``.
   `boot_id`: 8 fresh random bytes. `stored`: what `StatePort.load` gave, the empty mapping at the very first start.
   `random`: 16 fresh random bytes. Corrupt or newer records never raise: remote services then refuse with
   ``state-corrupt`` and ON CALL goes on.
2. Carry out ``core.start(now=..., wall=...)`` once, before any event.
3. For each event: ``effects = core.handle(event, now=..., wall=...)``; carry out all of them, strictly in order, BEFORE
   the next call of `handle`. If one fails, the effects behind it are dropped and ``EffectFailed(effect, ...)`` is the
   VERY NEXT event that goes in. No failure reported = all of it happened.
4. After each call, look at ``core.next_deadline()`` (CLOCK_BOOTTIME, s; may lie in the past: then at once) and put in
   ``TimePassed`` when it is reached. Too early or too often is harmless.

What the effects of one call look like: at most ONE `Persist`, and it stands first (so one transaction protects all that
follows); then the rest in order. `now` is CLOCK_BOOTTIME and never goes back; `wall` is a hint and may be None or jump.

Two calls instead of one where something must be durable first and judged afterwards: an unlock's intent is persisted by
one call; the next one (`next_deadline` lies in the past, so it comes at once) looks at age and signals again and sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from tcu_agent.core.effects import Effect
from tcu_agent.core.events import CoreEvent
from tcu_agent.core.settings import CoreSettings


class Core:
    """All machines of the agent behind one `handle`."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        boot_id: bytes,
        boot_session: str,
        stored: Mapping[str, bytes],
        now: float,
        wall: float | None,
        random: bytes,
    ) -> None:
        """Restore from `stored`; nothing happens before `start`."""
        raise NotImplementedError

    def start(self, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what a start has to do: settle open intents, resume call, re-lock and tracking, report STARTED."""
        raise NotImplementedError

    def handle(self, event: CoreEvent, *, now: float, wall: float | None) -> tuple[Effect, ...]:
        """Return what to do about `event`, in order."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """Return when `TimePassed` is wanted next, or None."""
        raise NotImplementedError

    def snapshot(self) -> Mapping[str, object]:
        """Return machine states and marks for tests and `tcu-agent` diagnostics; no secrets, no positions."""
        raise NotImplementedError
