"""Saying no: strangers get a few answers, what was signed by a known sender gets more, and neither gets a flood.

A signature does not show who publishes: anybody can repeat an old message of a known sender. So nobody can make the car
talk itself dry, neither with refusals nor with stored results. What is new and authentic can come from a known sender
alone, and has a bucket of its own, which nobody else can empty; it has an end too, for a command key can be stolen.
Every refusal is counted (a Note), answered or not.
"""

from __future__ import annotations

from tcu_agent.core.effects import SendMessage
from tcu_agent.core.reports.limits import Bucket
from tcu_agent.core.step import Step
from tcu_agent.core.verify.verdicts import Refused
from tcu_agent.protocol.messages import Refusal
from tcu_agent.protocol.vocabulary import Reason

BURST = 5
PER_MINUTE = 10
"""Enough for an operator who tries things by hand; a flood costs at most ten signatures a minute."""
KNOWN_BURST = 20
KNOWN_PER_MINUTE = 120
"""Answers to authentic messages that somebody may be repeating; a centre with one request at a time needs far fewer."""


class Refusals:
    """Answers refusals and counts them."""

    def __init__(self, *, vehicle_id: str, boot_id: bytes, now: float) -> None:
        self._vehicle_id = vehicle_id
        self._boot_id = boot_id
        self._strangers = Bucket(burst=BURST, per_minute=PER_MINUTE, now=now)
        self._known = Bucket(burst=KNOWN_BURST, per_minute=KNOWN_PER_MINUTE, now=now)
        self._new = Bucket(burst=KNOWN_BURST, per_minute=KNOWN_PER_MINUTE, now=now)

    def answer(self, step: Step, refused: Refused) -> None:
        """Count a refusal, and send it unless there have been too many of its kind."""
        step.note(
            "refused",
            reason=refused.reason.code,
            detail=refused.detail,
            authenticated=int(refused.authenticated),
        )
        may_send = (
            self.may_repeat(step) if refused.authenticated else self._strangers.take(step.now)
        )
        if may_send:
            self.send(step, refused.reason, request_id=refused.request_id)

    def may_repeat(self, step: Step) -> bool:
        """Whether one more answer may be given to an authentic message that may be a repeated one; it counts."""
        return self._known.take(step.now)

    def stranger(self, step: Step, reason: Reason, detail: str) -> None:
        """Refuse what nobody has verified."""
        self.answer(step, Refused(reason=reason, detail=detail, authenticated=False))

    def known(self, step: Step, reason: Reason, request_id: bytes | None) -> None:
        """Count a refusal of what was verified and new, and send it unless there have been too many."""
        step.note("refused", reason=reason.code, authenticated=1)
        if self._new.take(step.now):
            self.send(step, reason, request_id=request_id)

    def send(self, step: Step, reason: Reason, *, request_id: bytes | None) -> None:
        """Send a refusal."""
        step.do(
            SendMessage(
                Refusal(
                    vehicle_id=self._vehicle_id,
                    boot_id=self._boot_id,
                    reason=reason,
                    request_id=request_id,
                )
            )
        )
