"""A whole agent core on a simulated clock, with a durable store that keeps exactly what was persisted.

The driver carries out effects one by one, as the runtime does. It can fail any of them, and cut the power before or
after any of them: what was persisted by then is all that the next start gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tcu_agent.core import events, vss
from tcu_agent.core.agent import Core
from tcu_agent.core.effects import (
    Effect,
    ErasePositions,
    Note,
    Persist,
    SealPosition,
    SendMessage,
    ShowCallState,
    TransmitLock,
    TransmitUnlock,
    WakeBus,
)
from tcu_agent.core.events import CoreEvent, SignalChange, Value
from tcu_agent.core.settings import CoreSettings
from tcu_agent.protocol.messages import Challenge, Event, Message, Refusal, Request, Result
from tcu_agent.protocol.vocabulary import CallState, EventKind, Reason, Service
from tests.protocol import signing

PARKED: dict[str, Value] = {
    vss.SPEED_KMH: 0.0,
    vss.USAGE_MODE: "abandoned",
    vss.PLATE: False,
    vss.ON_CALL_BUTTON: False,
    vss.ALARM: "armed",
    vss.CENTRAL_LOCKING_RESPONSE: "idle",
    **dict.fromkeys(vss.DOOR_LOCKS, True),
    **dict.fromkeys(vss.DOORS_OPEN, False),
}
"""A car that was locked and left."""

FRESH_EVERY_S = 0.5
WALL_AT_0 = 1_800_000_000.0


class PowerCut(Exception):
    """The agent is gone in the middle of its effects."""


def settings(**changes: Any) -> CoreSettings:
    """Return settings of car-1 with the test roots."""
    values: dict[str, Any] = {
        "vehicle_id": signing.VEHICLE_ID,
        "environment": signing.ENVIRONMENT,
        "roots": tuple(party.public_key for party in signing.ROOTS),
    }
    return CoreSettings(**{**values, **changes})


@dataclass
class Failure:
    """Fail the next effects for which `matches` is true, `times` times."""

    matches: Callable[[Effect], bool]
    may_have_happened: bool = False
    times: int = 1


@dataclass
class Driver:
    """One car: its clock, its store, its signals, and everything that the core ever asked for."""

    settings: CoreSettings = field(default_factory=settings)
    now: float = 1000.0
    wall_offset: float | None = WALL_AT_0
    boot_session: str = "session-1"
    boots: int = 0
    stored: dict[str, bytes] = field(default_factory=dict)
    outbox: dict[int, Result | Event] = field(default_factory=dict)
    done: list[tuple[float, Effect]] = field(default_factory=list)
    signals: dict[str, Value] = field(default_factory=lambda: dict(PARKED))
    awake: bool = True
    failures: list[Failure] = field(default_factory=list)
    cut_at: int | None = None
    """Cut the power before the effect with this number (counted over all effects since it was set to 0)."""
    effects_begun: int = 0
    stalls: dict[type[Any], float] = field(default_factory=dict)
    """How long the next effect of a type takes, s."""
    received: list[tuple[str, bytes]] = field(default_factory=list)
    """Everything that ever arrived: what an attacker on the broker knows."""
    settles: bool = True
    """Whether timers that are due fire by themselves after each event."""
    centre: signing.Centre = field(default_factory=signing.Centre)

    def __post_init__(self) -> None:
        """Start for the first time."""
        self.core = self._new_core(self.stored)
        self.start()

    # ---------------------------------------------------------------- life
    def _new_core(self, stored: dict[str, bytes] | None) -> Core:
        self.boots += 1
        return Core(
            settings=self.settings,
            boot_id=self.boots.to_bytes(8, "big"),
            boot_session=self.boot_session,
            stored=None if stored is None else dict(stored),
            now=self.now,
            wall=self.wall,
            random=signing.id16(f"start {self.boots}"),
        )

    @property
    def wall(self) -> float | None:
        """The wall clock, None while it is known to be wrong."""
        return None if self.wall_offset is None else self.wall_offset + self.now

    def start(self, *, with_signals: bool = True) -> None:
        """Carry out what a start has to do, and let the bus be heard if it is awake."""
        self.carry_out(self.core.start(now=self.now, wall=self.wall))
        self.settle()
        if self.awake and with_signals:
            self.show()

    def restart(
        self,
        *,
        new_session: bool = False,
        off_s: float = 1.0,
        with_store: bool = True,
        cut_at: int | None = None,
        failing: Failure | None = None,
    ) -> None:
        """Lose everything but the store, and start again after `off_s`."""
        self.cut_at = cut_at
        self.effects_begun = 0
        self.failures[:] = [] if failing is None else [failing]
        self.now += off_s
        if new_session:
            self.boot_session += "'"
        self.core = self._new_core(self.stored if with_store else None)
        if not with_store:
            self.failures.append(Failure(lambda each: isinstance(each, Persist), times=1_000_000))
        self.start()

    # ---------------------------------------------------------------- effects
    def carry_out(self, effects: tuple[Effect, ...]) -> None:
        """Carry out effects in order; a failed one goes back in as the very next event."""
        assert not any(isinstance(each, Persist) for each in effects[1:])
        for effect in effects:
            self._maybe_cut()
            failed = self._failed(effect)
            if failed is not None:
                self.carry_out(self.core.handle(failed, now=self.now, wall=self.wall))
                return
            self._do(effect)

    def _maybe_cut(self) -> None:
        if self.cut_at is not None and self.effects_begun >= self.cut_at:
            raise PowerCut
        self.effects_begun += 1

    def _failed(self, effect: Effect) -> events.EffectFailed | None:
        if self.now > getattr(effect, "not_after", self.now):
            return events.EffectFailed(effect, "late", may_have_happened=False, is_too_late=True)
        failure = self._failure_of(effect)
        if failure is None:
            return None
        return events.EffectFailed(effect, "planned", failure.may_have_happened)

    def _failure_of(self, effect: Effect) -> Failure | None:
        if isinstance(effect, Persist) and {m.seq for m in effect.append} & self.outbox.keys():
            # Only a journal that had to start afresh gives out a number twice; the store refuses it.
            assert self.core.snapshot()["is_corrupt"], "a sequence number was used twice"
            return Failure(lambda _: True)
        for failure in self.failures:
            if failure.times > 0 and failure.matches(effect):
                failure.times -= 1
                return failure
        return None

    def _do(self, effect: Effect) -> None:
        self.done.append((self.now, effect))
        self.now += self.stalls.pop(type(effect), 0.0)
        if isinstance(effect, Persist | SealPosition):
            for key, value in effect.puts.items():
                if value is None:
                    self.stored.pop(key, None)
                else:
                    self.stored[key] = value
        if isinstance(effect, Persist):
            for message in effect.append:
                self.outbox[message.seq] = message
            if effect.acknowledged is not None:
                self.outbox = {n: m for n, m in self.outbox.items() if n > effect.acknowledged}

    # ---------------------------------------------------------------- events
    def put(self, event: CoreEvent) -> None:
        """Let one event happen now, and everything that is due at once because of it."""
        self.carry_out(self.core.handle(event, now=self.now, wall=self.wall))
        self.settle()

    def persisted(self, key: str) -> list[bytes | None]:
        """Return everything that was ever put under a key, in order."""
        return [each.puts[key] for each in self.seen(Persist) if key in each.puts]

    def settle(self) -> None:
        """Let the timers fire that are due already."""
        for _ in range(20 if self.settles else 0):
            deadline = self.core.next_deadline()
            if deadline is None or deadline > self.now:
                return
            self.fire()
        assert not self.settles, "a deadline that never gets done: the runtime would spin"

    def fire(self) -> None:
        """Let the timer fire, be it due or not."""
        event = events.TimePassed(random=signing.id16(f"time {self.boots} {len(self.done)}"))
        self.carry_out(self.core.handle(event, now=self.now, wall=self.wall))

    def pass_time(self, duration_s: float, *, quiet: bool = False) -> None:
        """Let time pass; timers fire when due, and an awake bus shows its signals again and again."""
        end = self.now + duration_s
        while self.now < end:
            next_frame = self.now + FRESH_EVERY_S if self.awake and not quiet else end
            deadline = self.core.next_deadline()
            self.now = min(end, next_frame, max(self.now, deadline or end))
            self.settle()
            if self.awake and not quiet:
                self.refresh()

    def jump(self, duration_s: float) -> None:
        """Let time pass without anything happening: no timer, no frame (a suspend, or a busy machine)."""
        self.now += duration_s

    def refresh(self) -> None:
        """Show all signals again, unchanged."""
        known = tuple(path for path, value in self.signals.items() if value is not None)
        self.put(events.SignalsRefreshed(known, self.now))

    def show(self) -> None:
        """Show all signals as changes (after a start or a wake-up)."""
        changes = tuple(SignalChange(p, v, self.now) for p, v in self.signals.items())
        self.put(events.SignalsChanged(changes))

    def change(self, values: dict[str, Value], *, at: float | None = None) -> None:
        """Change signals of the car, in one frame."""
        self.signals.update(values)
        time = self.now if at is None else at
        self.put(events.SignalsChanged(tuple(SignalChange(p, v, time) for p, v in values.items())))

    def locks(self, locked: bool | None) -> None:
        """Let all lock statuses change."""
        self.change(dict.fromkeys(vss.DOOR_LOCKS, locked))

    def fall_asleep(self) -> None:
        """Let the bus fall asleep."""
        self.awake = False
        self.put(events.BusFellAsleep("body", tuple(self.signals), self.now))

    def wake_up(self) -> None:
        """Let the bus wake up and show its signals."""
        self.awake = True
        self.put(events.BusWokeUp("body", self.now))
        self.show()

    def receive(self, topic_type: str, payload: bytes, *, retained: bool = False) -> None:
        """Let a message arrive."""
        self.received.append((topic_type, payload))
        random = signing.id16(f"arrived {self.boots} {len(self.done)}")
        self.put(
            events.MessageArrived(
                topic_type=topic_type, payload=payload, retained=retained, random=random
            )
        )

    # ---------------------------------------------------------------- the centre's side
    def provision(self, **account: Any) -> None:
        """Give the car its trust bundle and its account."""
        self.receive("trust", signing.trust_container())
        self.tell_account(**account)

    def tell_account(self, **changes: Any) -> None:
        """Let the account service say something."""
        values = {"users": (), **changes}
        self.receive("account", signing.sign(signing.account_state(**values)))

    def ask(self, service: Service, **changes: Any) -> Request:
        """Let the command service send a new request."""
        request = self.centre.request(service, **changes)
        self.receive("request", signing.sign(request))
        return request

    def grant_for(self, request: Request, **changes: Any) -> bytes:
        """Return the grant that answers the last challenge."""
        assert self.challenge.common.request_id == request.request_id
        return signing.sign(self.centre.grant(self.challenge, request.parameters, **changes))

    def allow(self, service: Service, **changes: Any) -> bytes:
        """Let the centre ask for something and grant it; return the grant."""
        grant = self.grant_for(self.ask(service, **changes))
        self.receive("grant", grant)
        return grant

    def acknowledge_positions(self, seq: int, **changes: Any) -> None:
        """Let the theft desk say up to which seq it has stored what it saw of this stream."""
        values = {"stream_id": self.core._parts.journal.stream_id, **changes}
        self.receive("position-ack", signing.sign(self.centre.position_ack(seq, **values)))

    def control(self, state: CallState, seq: int, **changes: Any) -> None:
        """Let the command service say something about the open call."""
        open_call = self.events(EventKind.ON_CALL_PRESSED)[-1]
        values = {
            "boot_id": open_call.boot_id,
            "incident_id": open_call.incident_id,
            **changes,
        }
        self.receive("call", signing.sign(self.centre.call(state, seq, **values)))

    # ---------------------------------------------------------------- what was seen
    def seen(self, kind: type[Any]) -> list[Any]:
        """Return all effects of one type that were carried out."""
        return [effect for _, effect in self.done if isinstance(effect, kind)]

    def sent(self, kind: type[Any]) -> list[Any]:
        """Return all messages of one type that were sent without being stored."""
        messages: list[Message] = [effect.message for effect in self.seen(SendMessage)]
        return [message for message in messages if isinstance(message, kind)]

    def appended(self) -> Iterator[Result | Event]:
        """Iterate over all results and events that ever became durable."""
        for effect in self.seen(Persist):
            yield from effect.append

    @property
    def results(self) -> list[Result]:
        """All results that became durable."""
        return [message for message in self.appended() if isinstance(message, Result)]

    def events(self, kind: EventKind) -> list[Event]:
        """Return all events of a kind that became durable."""
        return [m for m in self.appended() if isinstance(m, Event) and m.kind is kind]

    @property
    def refusals(self) -> list[Reason]:
        """The reasons of all refusals that were sent."""
        return [refusal.reason for refusal in self.sent(Refusal)]

    @property
    def challenge(self) -> Challenge:
        """The last challenge that was sent."""
        challenge = self.sent(Challenge)[-1]
        assert isinstance(challenge, Challenge)
        return challenge

    @property
    def unlock_frames(self) -> list[TransmitUnlock]:
        """All unlock commands that went out."""
        return self.seen(TransmitUnlock)

    @property
    def lock_frames(self) -> list[TransmitLock]:
        """All lock commands that went out."""
        return self.seen(TransmitLock)

    @property
    def positions(self) -> list[SealPosition]:
        """All positions that were sealed."""
        return self.seen(SealPosition)

    @property
    def wakes(self) -> list[WakeBus]:
        """All wake-ups that were asked for."""
        return self.seen(WakeBus)

    @property
    def shown(self) -> list[ShowCallState]:
        """All lamp states."""
        return self.seen(ShowCallState)

    @property
    def erased(self) -> list[ErasePositions]:
        """All erasures."""
        return self.seen(ErasePositions)

    @property
    def notes(self) -> list[str]:
        """The words of all notes."""
        return [note.word for note in self.seen(Note)]
