"""From bytes of the broker to the machine that they concern: verified first, and only then looked at.

A retained message is refused before anything else. While durable state is corrupt, everything that could act remotely
is refused; call control, acknowledgements and the end of a case still get through: they only stop or forget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcu_agent.core.authorisation import UnlockAuthorisation
from tcu_agent.core.effects import SendMessage
from tcu_agent.core.events import MessageArrived
from tcu_agent.core.parts import Parts
from tcu_agent.core.step import Step
from tcu_agent.core.verify import AlreadyAnswered, Refused
from tcu_agent.protocol.vocabulary import Reason, Service

Handler = Callable[[Step, MessageArrived], None]


class Intake:
    """Everything that arrives over MQTT."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._remote: Mapping[str, Handler] = {
            "request": self._take_request,
            "grant": self._take_grant,
        }
        self._harmless: Mapping[str, Handler] = {}

    def take(self, step: Step, arrived: MessageArrived) -> None:
        """Judge one message and let the machine that it concerns act."""
        refusals = self._parts.refusals
        if arrived.retained:
            refusals.stranger(step, Reason.RETAINED, arrived.topic_type)
        elif handler := self._harmless.get(arrived.topic_type):
            handler(step, arrived)
        elif handler := self._remote.get(arrived.topic_type):
            if self._parts.is_corrupt:
                refusals.stranger(step, Reason.STATE_CORRUPT, arrived.topic_type)
            else:
                handler(step, arrived)
        else:
            refusals.stranger(step, Reason.UNSUPPORTED_TYPE, "a topic outside the protocol")

    def _take_request(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_request(
            arrived.payload,
            keyring=parts.knowledge.keyring,
            account=parts.knowledge.account,
            marks=parts.knowledge.marks,
            answered=self._answered(),
        )
        parts.knowledge.raise_mark(step, verdict.mark)
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        elif isinstance(verdict, AlreadyAnswered):
            self._answer_again(step, verdict.request_id)
        elif verdict.request.service not in parts.settings.services:
            parts.refusals.known(step, Reason.SERVICE_NOT_AVAILABLE, verdict.request.request_id)
        elif verdict.request.service is Service.STATE:
            parts.reports.tell_state(step, verdict.request)
        else:
            parts.challenger.challenge(step, verdict, nonce=arrived.random)

    def _take_grant(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_grant(
            arrived.payload,
            keyring=parts.knowledge.keyring,
            account=parts.knowledge.account,
            challenges=parts.challenges,
            answered=self._answered(),
            now=step.now,
        )
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        elif isinstance(verdict, AlreadyAnswered):
            self._answer_again(step, verdict.request_id)
        elif isinstance(verdict, UnlockAuthorisation):
            parts.unlock.accept(step, verdict)

    def _answer_again(self, step: Step, request_id: bytes) -> None:
        """Send the stored result once more; while there is none that is durable, say that it is under way."""
        parts = self._parts
        result = parts.outcomes.find(request_id)
        if result is not None and parts.unsaved.is_empty:
            step.do(SendMessage(result))
        else:
            parts.refusals.known(step, Reason.BUSY, request_id)

    def _answered(self) -> frozenset[bytes]:
        """Return the request ids that have an intent or an outcome."""
        parts = self._parts
        under_way = (parts.unlock.request_id,)
        return frozenset((*parts.outcomes, *(each for each in under_way if each is not None)))
