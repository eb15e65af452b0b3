"""From bytes of the broker to the machine that they concern: verified first, and only then looked at.

A retained message is refused before anything else. While durable state is corrupt, everything that could act remotely
is refused; call control, acknowledgements and the end of a case still get through: they only stop or forget. So does a
trust bundle, for these alone and in RAM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcu_agent.core.effects import SendMessage
from tcu_agent.core.events import MessageArrived
from tcu_agent.core.parts import Parts
from tcu_agent.core.step import Step
from tcu_agent.core.verify.authorisation import UnlockAuthorisation
from tcu_agent.core.verify.verdicts import AcceptedRequest, AlreadyAnswered, Refused
from tcu_agent.protocol.vocabulary import Reason, Service

Handler = Callable[[Step, MessageArrived], None]


class Intake:
    """Everything that arrives over MQTT."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._remote: Mapping[str, Handler] = {
            "request": self._take_request,
            "grant": self._take_grant,
            "account": self._take_account,
        }
        self._harmless: Mapping[str, Handler] = {
            "call": self._take_call,
            "ack": self._take_ack,
            "position-ack": self._take_position_ack,
            "case-end": self._take_case_end,
            "trust": self._take_trust,
        }

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
        parts.knowledge.raise_mark(verdict.mark)
        self._answer_request(step, verdict, nonce=arrived.random)
        parts.knowledge.protect_answer(step)

    def _answer_request(
        self, step: Step, verdict: AcceptedRequest | AlreadyAnswered | Refused, *, nonce: bytes
    ) -> None:
        parts = self._parts
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        elif isinstance(verdict, AlreadyAnswered):
            self._answer_again(step, verdict.request_id)
        elif verdict.request.service not in parts.settings.services:
            parts.refusals.known(step, Reason.SERVICE_NOT_AVAILABLE, verdict.request.request_id)
        elif (reason := self._too_late(step, verdict.request.service)) is not Reason.NONE:
            parts.refusals.known(step, reason, verdict.request.request_id)
        elif verdict.request.service is Service.STATE:
            reason = parts.reports.tell_state(step, verdict.request)
            if reason is not Reason.NONE:
                parts.refusals.known(step, reason, verdict.request.request_id)
        else:
            parts.challenger.challenge(step, verdict, nonce=nonce)

    def _too_late(self, step: Step, service: Service) -> Reason:
        return self._parts.reachability.refusal(service, step.now)

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
        else:
            parts.position.accept(step, verdict)

    def _take_account(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_account(
            arrived.payload,
            keyring=parts.knowledge.keyring,
            account=parts.knowledge.account,
            challenges=parts.challenges,
            now=step.now,
        )
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        else:
            parts.adopter.account(step, verdict)

    def _take_trust(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_trust(arrived.payload, keyring=parts.knowledge.keyring)
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        elif parts.is_corrupt:
            # Not to rest a remote service on, which stay refused: so that an ON CALL call can be answered.
            parts.knowledge.use_trust(verdict)
        else:
            parts.adopter.trust(step, verdict)

    def _take_call(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_call(
            arrived.payload, keyring=parts.knowledge.keyring, call=parts.on_call.open_call
        )
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        else:
            parts.on_call.control(step, verdict)

    def _take_ack(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_ack(
            arrived.payload,
            keyring=parts.knowledge.keyring,
            stream_id=parts.journal.stream_id,
            last_seq=parts.journal.last_seq,
        )
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        else:
            parts.journal.acknowledge(step, verdict.seq)

    def _take_position_ack(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_position_ack(
            arrived.payload,
            keyring=parts.knowledge.keyring,
            stream_id=parts.journal.stream_id,
            last_seqs=parts.position.cases.last_seqs,
        )
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        else:
            parts.position.cases.acknowledge(step, verdict.case_id, verdict.seq)

    def _take_case_end(self, step: Step, arrived: MessageArrived) -> None:
        parts = self._parts
        verdict = parts.verifier.verify_case_end(
            arrived.payload,
            keyring=parts.knowledge.keyring,
            cases=parts.position.open_cases | parts.challenges.case_ids,
        )
        if isinstance(verdict, Refused):
            parts.refusals.answer(step, verdict)
        else:
            parts.challenges.end_case(verdict.case_id)
            # Of a case that has a challenge alone nothing is stored: its end costs no write.
            if verdict.case_id in parts.position.open_cases:
                parts.position.case_ended(step, verdict.case_id)

    def _answer_again(self, step: Step, request_id: bytes) -> None:
        """Send the stored result once more.

        While there is none that is durable, nothing is answered: the result will come. A refusal here would let whoever
        repeats a message (the broker, or QoS 1 itself) make the centre take a request for refused that is carried out.
        """
        parts = self._parts
        result = parts.outcomes.find(request_id)
        if result is None or not parts.unsaved.is_empty:
            step.note("under-way")
        elif parts.refusals.may_repeat(step):
            step.do(SendMessage(result))

    def _answered(self) -> frozenset[bytes]:
        """Return the request ids that have an intent or an outcome."""
        parts = self._parts
        under_way = (parts.unlock.request_id, parts.position.request_id)
        return frozenset((*parts.outcomes, *(each for each in under_way if each is not None)))
