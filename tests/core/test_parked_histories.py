"""Any history of a car that is parked for weeks: it sleeps over nothing, and its theft machines keep to their tables.

As `test_histories`, with days that pass, an alarm, a lorry and a key.
"""

from __future__ import annotations

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tcu_agent.core import vss
from tcu_agent.core.effects import GoToSleep, WakeUp
from tcu_agent.core.events import BusWokeUp
from tcu_agent.protocol.vocabulary import EventKind
from tests.core.test_histories import UnlockHistory

DAYS = st.sampled_from([0.04, 0.5, 4.99, 5.0, 17.0, 30.0])


class ParkedHistory(UnlockHistory):
    """Days, alarm, lorry and key, besides all that can happen to a car anyway."""

    @rule(days=DAYS)
    def days_pass(self, days: float) -> None:
        self.car.jump(days * 86_400)

    @rule(state=st.sampled_from(["off", "armed", "triggered", "triggered", None]))
    def the_alarm(self, state: str | None) -> None:
        self.show({vss.ALARM: state})

    @rule(source=st.sampled_from(["key", "key", "remote-command", "none"]), locked=st.booleans())
    def somebody_moves_the_locks(self, source: str, locked: bool) -> None:
        self.show({**dict.fromkeys(vss.DOOR_LOCKS, locked), vss.LOCKING_SOURCE: source})

    @rule(north=st.sampled_from([0.0, 0.0001, 0.1]))
    def it_stands(self, north: float) -> None:
        self.show({vss.LATITUDE: north, vss.LONGITUDE: 2.0, vss.FIX_TYPE: "THREE_D"})

    @rule(pressed=st.booleans())
    def the_button(self, pressed: bool) -> None:
        self.show({vss.ON_CALL_BUTTON: pressed})

    @rule()
    def the_bus_twitches(self) -> None:
        self.car.put(BusWokeUp("body", self.car.now))

    @rule()
    def it_is_looked_at(self) -> None:
        """After a look at the time, a car that rests has nothing going on."""
        self.car.fire()
        reachability = self.car.core._parts.reachability
        if self.car.core.snapshot()["availability"] in {"asleep", "off"}:
            assert not reachability._goes_on(self.car.now)

    @invariant()
    def sleeping_and_waking_take_turns(self) -> None:
        last: type[object] | None = None
        for effect in (each for _, each in self.car.done):
            if isinstance(effect, GoToSleep | WakeUp):
                assert type(effect) is not last or self.car.boots > 1
                last = type(effect)

    @invariant()
    def what_is_told_was_seen(self) -> None:
        assert len(self.car.events(EventKind.TOWED)) == 0, "no theft case was ever open"


TestParkedHistory = ParkedHistory.TestCase
TestParkedHistory.settings = hypothesis_settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
