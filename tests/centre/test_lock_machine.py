"""S10 as a state machine: ten wrong ones in a row lock an account, whatever else happens, and nothing else does."""

from __future__ import annotations

import sqlite3

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tcu_sim.centre.pin import schema
from tcu_sim.centre.pin.attempts import AttemptBook
from tcu_sim.centre.pin.post import LettersInMemory
from tcu_sim.centre.store import IN_MEMORY, open_store, transaction
from tests.centre.town import MovableClock

ACCOUNTS = ("a", "b")
VEHICLES = ("car", "other")


class LockMachine(RuleBasedStateMachine):
    """Counts by itself and holds the book against it. The vehicle's own cap is lifted: it has its own tests."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = MovableClock()
        self.store = open_store(IN_MEMORY, schema.SCHEMA)
        self.book = AttemptBook(store=self.store, post=LettersInMemory(), clock=self.clock)
        self.in_a_row = dict.fromkeys(ACCOUNTS, 0)
        self.locked: set[str] = set()

    def ticket(self, account: str, vehicle: str) -> sqlite3.Row:
        query = (
            "SELECT ? AS app_account, ? AS vehicle_id, NULL AS caller, x'00' AS incident_id,"
            " 0 AS is_linked"
        )
        row: sqlite3.Row = self.store.execute(query, (account, vehicle)).fetchone()
        return row

    def enter(self, account: str, vehicle: str, *, is_right: bool, cut: bool = False) -> None:
        ticket = self.ticket(account, vehicle)
        if self.book.is_locked(account):
            assert self.book.obstacle(ticket) == "locked"
            return
        number = self.book.begin(ticket)
        if is_right and not cut:
            with transaction(self.store):
                self.book.take_back(number, ticket)
            self.in_a_row[account] = 0
            return
        if not cut:
            self.book.settle_wrong(ticket)
        self.in_a_row[account] += 1
        if self.in_a_row[account] == schema.LOCK_AT:
            self.locked.add(account)

    @rule(account=st.sampled_from(ACCOUNTS), vehicle=st.sampled_from(VEHICLES))
    def wrong(self, account: str, vehicle: str) -> None:
        self.enter(account, vehicle, is_right=False)

    @rule(account=st.sampled_from(ACCOUNTS), times=st.integers(1, 11))
    def wrong_again_and_again(self, account: str, times: int) -> None:
        for _ in range(times):
            self.enter(account, "car", is_right=False)

    @rule(account=st.sampled_from(ACCOUNTS), vehicle=st.sampled_from(VEHICLES))
    def right(self, account: str, vehicle: str) -> None:
        self.enter(account, vehicle, is_right=True)

    @rule(account=st.sampled_from(ACCOUNTS), is_right=st.booleans())
    def power_is_cut_before_the_comparison(self, account: str, *, is_right: bool) -> None:
        self.enter(account, "car", is_right=is_right, cut=True)

    @rule(days=st.integers(1, 40))
    def time_passes(self, days: int) -> None:
        self.clock.pass_s(days * 86_400)

    @precondition(lambda self: self.locked)
    @rule()
    def a_locked_account_is_tried(self) -> None:
        for account in self.locked:
            self.enter(account, "other", is_right=True)

    @invariant()
    def exactly_the_tenth_in_a_row_locks(self) -> None:
        for account in ACCOUNTS:
            assert self.book.is_locked(account) == (account in self.locked)

    def teardown(self) -> None:
        self.store.close()


LockMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLock = LockMachine.TestCase
