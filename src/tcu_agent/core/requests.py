"""From a verified request to a challenge. Source: docs/protocol.md, "Order of work in the car"."""

from __future__ import annotations

from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.effects import SendMessage
from tcu_agent.core.reports.refusals import Refusals
from tcu_agent.core.settings import CoreSettings
from tcu_agent.core.step import Step
from tcu_agent.core.verify.challenges import ChallengeTable
from tcu_agent.core.verify.verdicts import AcceptedRequest
from tcu_agent.core.verify.verifier import Verifier
from tcu_agent.protocol.messages import Parameters, PositionParameters, UnlockParameters
from tcu_agent.protocol.vocabulary import Reason


class Challenger:
    """Issues challenges. The request's mark is part of the same step, so it is durable before the challenge leaves."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        verifier: Verifier,
        knowledge: Knowledge,
        challenges: ChallengeTable,
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._knowledge = knowledge
        self._challenges = challenges
        self._refusals = refusals

    def challenge(self, step: Step, accepted: AcceptedRequest, *, nonce: bytes) -> None:
        """Send a challenge, or say why there is none. `nonce`: 16 fresh random bytes."""
        reason = self._issue(step, accepted, nonce)
        if reason is not Reason.NONE:
            self._refusals.known(step, reason, accepted.request.request_id)

    def _issue(self, step: Step, accepted: AcceptedRequest, nonce: bytes) -> Reason:
        keyring, account = self._knowledge.keyring, self._knowledge.account
        if keyring is None or account is None:  # the verifier has refused before
            return Reason.TRUST_MISSING
        if not self._is_in_range(accepted.request.parameters):
            return Reason.WINDOW_OUT_OF_RANGE
        challenge = self._verifier.challenge_for(
            accepted,
            keyring=keyring,
            account=account,
            nonce=nonce,
            ttl_s=self._settings.challenge_ttl_s,
        )
        issued = self._challenges.issue(
            accepted.request, challenge, account_epoch=account.epoch, now=step.now
        )
        if isinstance(issued, Reason):
            return issued
        step.do(SendMessage(challenge))
        return Reason.NONE

    def _is_in_range(self, parameters: Parameters) -> bool:
        """Whether the car's own limits allow what the grammar allows."""
        settings = self._settings
        if isinstance(parameters, UnlockParameters) and parameters.window_s is not None:
            low, high = settings.armed_window_min_s, settings.armed_window_max_s
            return low <= parameters.window_s <= high
        if isinstance(parameters, PositionParameters) and parameters.interval_s is not None:
            return (
                parameters.interval_s >= settings.tracking_interval_min_s
                and (parameters.duration_s or 0) <= settings.tracking_duration_max_s
            )
        return True
