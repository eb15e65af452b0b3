"""Account states that follow the usual one, for tests."""

from dataclasses import replace
from typing import Any

from tcu_agent.core.verify.verifier import AcceptedAccount
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Account
from tests.protocol.car import Car
from tests.protocol.signing import (
    account_state,
    id16,
    sign,
)

STORED = account_state()
ENDED = account_state(users=(), subscription_active=False)
OTHER_ID = id16("something else")


def next_state(**changes: Any) -> Account:
    return replace(STORED, **{"version": STORED.version + 1, **changes})


def accepted(car: Car, account: Account) -> AcceptedAccount:
    verdict = car.judge_account(sign(account))
    assert isinstance(verdict, AcceptedAccount), verdict
    assert verdict.account == account
    assert verdict.payload == codec.encode(account)
    assert verdict.payload_hash == codec.payload_hash(verdict.payload)
    return verdict
