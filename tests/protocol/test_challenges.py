"""The table of challenges: bounded, never evicting, remembering for a while why one is gone."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcu_agent.core.verify.challenges import DEAD_REMEMBERED, ChallengeTable, Outstanding
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Challenge, Common, Request
from tcu_agent.protocol.vocabulary import Reason, Service
from tests.protocol.signing import BOOT_ID, DIRECT, VEHICLE_ID, id16

TTL_S = 30


def a_request(name: str) -> Request:
    return Request(
        vehicle_id=VEHICLE_ID,
        service=Service.UNLOCK,
        request_id=id16(f"request {name}"),
        seq=1,
        incident_id=id16("incident"),
        parameters=DIRECT,
    )


def a_challenge(name: str, *, nonce: str | None = None, ttl_s: int = TTL_S) -> Challenge:
    return Challenge(
        common=Common(
            vehicle_id=VEHICLE_ID,
            service=Service.UNLOCK,
            request_id=id16(f"request {name}"),
            nonce=id16(f"nonce {nonce or name}"),
            boot_id=BOOT_ID,
        ),
        request_hash=bytes(32),
        trust_version=1,
        trust_epoch=1,
        account_version=1,
        ownership_generation=1,
        pin_generation=1,
        ttl_s=ttl_s,
    )


def issue(
    table: ChallengeTable, name: str, *, now: float = 0.0, ttl_s: int = TTL_S
) -> Outstanding | Reason:
    return table.issue(a_request(name), a_challenge(name, ttl_s=ttl_s), account_epoch=1, now=now)


def find(table: ChallengeTable, name: str, *, now: float = 0.0) -> Outstanding | Reason:
    return table.find(id16(f"nonce {name}"), now=now)


def test_what_was_issued_is_found_with_its_hash() -> None:
    table = ChallengeTable()
    entry = issue(table, "a", now=5.0)
    assert isinstance(entry, Outstanding)
    assert find(table, "a", now=5.0) is entry
    assert entry.issued_at == 5.0
    assert entry.challenge_hash == codec.payload_hash(codec.encode(a_challenge("a")))
    assert find(table, "b") is Reason.UNKNOWN_CHALLENGE


def test_a_full_table_is_busy_and_evicts_nobody() -> None:
    table = ChallengeTable(capacity=2)
    assert isinstance(issue(table, "a"), Outstanding)
    assert isinstance(issue(table, "b"), Outstanding)
    assert issue(table, "c") is Reason.BUSY
    assert isinstance(find(table, "a"), Outstanding)
    assert isinstance(find(table, "b"), Outstanding)
    table.take(id16("nonce a"))
    assert isinstance(issue(table, "c"), Outstanding)


def test_the_usual_table_has_room_for_four() -> None:
    """As docs/protocol.md says."""
    table = ChallengeTable()
    issued = [issue(table, name) for name in "abcde"]
    assert [isinstance(each, Outstanding) for each in issued] == [True] * 4 + [False]
    assert DEAD_REMEMBERED == 16


def test_room_comes_back_when_one_expires() -> None:
    table = ChallengeTable(capacity=1)
    issue(table, "a", now=0.0)
    assert issue(table, "b", now=TTL_S) is Reason.BUSY
    assert isinstance(issue(table, "b", now=TTL_S + 0.1), Outstanding)
    assert find(table, "a", now=TTL_S + 0.1) is Reason.CHALLENGE_EXPIRED


def test_one_request_has_one_live_challenge() -> None:
    table = ChallengeTable()
    issue(table, "a")
    again = table.issue(a_request("a"), a_challenge("a", nonce="other"), account_epoch=1, now=1.0)
    assert again is Reason.BUSY
    assert isinstance(find(table, "a"), Outstanding)
    table.take(id16("nonce a"))
    again = table.issue(a_request("a"), a_challenge("a", nonce="other"), account_epoch=1, now=1.0)
    assert isinstance(again, Outstanding)


def test_what_was_taken_is_unknown() -> None:
    table = ChallengeTable()
    issue(table, "a")
    table.take(id16("nonce a"))
    assert find(table, "a") is Reason.UNKNOWN_CHALLENGE
    assert len(table) == 0


@pytest.mark.parametrize("reason", [Reason.CHALLENGE_EXPIRED, Reason.GENERATION_MISMATCH])
def test_clearing_kills_all_and_tells_why(reason: Reason) -> None:
    table = ChallengeTable()
    for name in "abc":
        issue(table, name)
    table.clear(reason)
    assert len(table) == 0
    assert {find(table, name) for name in "abc"} == {reason}
    assert isinstance(issue(table, "d"), Outstanding)


def test_the_dead_are_remembered_within_bounds() -> None:
    table = ChallengeTable(capacity=1)
    for number in range(DEAD_REMEMBERED + 3):
        issue(table, str(number))
        table.clear(Reason.GENERATION_MISMATCH)
    known = [find(table, str(number)) for number in range(DEAD_REMEMBERED + 3)]
    assert known == [Reason.UNKNOWN_CHALLENGE] * 3 + [Reason.GENERATION_MISMATCH] * DEAD_REMEMBERED


def test_the_next_expiry_is_that_of_the_first_to_run_out() -> None:
    table = ChallengeTable()
    assert table.next_expiry() is None
    issue(table, "a", now=10.0, ttl_s=60)
    issue(table, "b", now=12.0, ttl_s=5)
    assert table.next_expiry() == 17.0
    table.take(id16("nonce b"))
    assert table.next_expiry() == 70.0


@pytest.mark.parametrize("now", [-0.1, TTL_S + 0.1, math.inf, math.nan])
def test_out_of_its_time_a_challenge_is_dead_for_good(now: float) -> None:
    table = ChallengeTable()
    issue(table, "a", now=0.0)
    assert find(table, "a", now=now) is Reason.CHALLENGE_EXPIRED
    assert find(table, "a", now=0.0) is Reason.CHALLENGE_EXPIRED


class TableAgainstModel(RuleBasedStateMachine):
    """Whatever happens in whatever order: bounded, nobody live evicted, the dead stay dead."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ChallengeTable(capacity=3)
        self.now = 0.0
        self.live: dict[str, float] = {}
        self.gone: set[str] = set()
        self.count = 0

    @rule(ttl_s=st.integers(1, 120), again=st.booleans())
    def issues(self, ttl_s: int, *, again: bool) -> None:
        self.count += 1
        name = next(iter(self.live)) if again and self.live else str(self.count)
        challenge = a_challenge(name, nonce=str(self.count), ttl_s=ttl_s)
        result = self.table.issue(a_request(name), challenge, account_epoch=1, now=self.now)
        if len(self.live) >= 3 or name in self.live:
            assert result is Reason.BUSY
        else:
            assert isinstance(result, Outstanding)
            self.live[name] = self.now + ttl_s

    @rule(seconds=st.integers(0, 90))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        for name, until in tuple(self.live.items()):
            if self.now > until:
                del self.live[name]
                self.gone.add(name)

    @precondition(lambda self: bool(self.live))
    @rule()
    def takes(self) -> None:
        name = next(iter(self.live))
        self.table.take(id16(f"nonce {name}"))
        del self.live[name]
        self.gone.add(name)

    @rule()
    def clears(self) -> None:
        self.table.clear(Reason.CHALLENGE_EXPIRED)
        self.gone |= set(self.live)
        self.live.clear()

    @invariant()
    def agrees(self) -> None:
        for name in self.live:
            assert isinstance(find(self.table, name, now=self.now), Outstanding)
        for name in self.gone:
            assert isinstance(find(self.table, name, now=self.now), Reason)
        assert len(self.table) == len(self.live)


TableAgainstModel.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestTableAgainstModel = TableAgainstModel.TestCase
