"""Adopting what the account service and the root keys say: durable first, and what was allowed under the old ends.

Source: docs/protocol.md, "Account" and "Trust".
"""

from __future__ import annotations

from tcu_agent.core import vss
from tcu_agent.core.durable.knowledge import Knowledge
from tcu_agent.core.position.position import PositionCase
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.step import Step
from tcu_agent.core.unlock.outcomes import Outcomes
from tcu_agent.core.unlock.unlock import Unlock
from tcu_agent.core.verify.challenges import ChallengeTable
from tcu_agent.core.verify.verdicts import AcceptedAccount, AcceptedTrust
from tcu_agent.protocol.messages import Account
from tcu_agent.protocol.vocabulary import EventKind, Outcome, Reason


class Adopter:
    """The one way in for a new account state and a new trust bundle."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        challenges: ChallengeTable,
        journal: Journal,
        outcomes: Outcomes,
        unlock: Unlock,
        position: PositionCase,
    ) -> None:
        self._knowledge = knowledge
        self._challenges = challenges
        self._journal = journal
        self._outcomes = outcomes
        self._unlock = unlock
        self._position = position

    def account(self, step: Step, accepted: AcceptedAccount) -> None:
        """Adopt an account state; finish the service that its evidence belongs to."""
        if not accepted.changed:
            return
        old, new = self._knowledge.account, accepted.account
        self._knowledge.adopt_account(step, accepted)
        self._journal.report(
            step,
            EventKind.ACCOUNT_CHANGED,
            values={
                vss.ACCOUNT_VERSION: new.version,
                vss.OWNERSHIP_GENERATION: new.ownership_generation,
                vss.PIN_GENERATION: new.pin_generation,
                vss.SUBSCRIPTION_ACTIVE: new.subscription_active,
            },
        )
        if accepted.kills_challenges is not None:
            self._challenges.clear(accepted.kills_challenges)
        self._end_old_rights(step, old, new)
        if accepted.common is not None:
            self._outcomes.settle(
                step,
                common=accepted.common,
                grant_hash=accepted.payload_hash,
                outcome=Outcome.EXECUTED,
            )

    def trust(self, step: Step, accepted: AcceptedTrust) -> None:
        """Adopt a trust bundle: what was begun under keys that may be gone does not go on, tracking excepted."""
        if not accepted.changed:
            return
        self._knowledge.adopt_trust(step, accepted)
        bundle = accepted.keyring.trust
        self._journal.report(
            step,
            EventKind.TRUST_CHANGED,
            values={vss.TRUST_VERSION: bundle.version, vss.TRUST_EPOCH: bundle.epoch},
        )
        self._challenges.clear(Reason.GENERATION_MISMATCH)
        self._unlock.cancel(step)
        self._position.keys_changed(step)

    def _end_old_rights(self, step: Step, old: Account | None, new: Account) -> None:
        if old is None:
            return
        if not new.subscription_active:
            self._unlock.cancel(step)
            self._position.right_ended(step, Reason.SUBSCRIPTION_ENDED)
        elif _owner(old) != _owner(new):
            self._unlock.cancel(step)
            self._position.right_ended(step, Reason.GENERATION_CHANGED)
        elif old.pin_generation != new.pin_generation:
            self._unlock.cancel(step)
            self._position.pin_changed(step)


def _owner(account: Account) -> tuple[int, int]:
    return account.epoch, account.ownership_generation
