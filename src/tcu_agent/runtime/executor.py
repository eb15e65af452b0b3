"""Carries out what the core decided: one small step for each kind of effect, and nothing decided here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from tcu_agent.core.effects import (
    RECORD_CORRUPT,
    RECORD_FORGOTTEN,
    Effect,
    ErasePositions,
    GoToSleep,
    Note,
    Persist,
    Said,
    SealPosition,
    SendMessage,
    ShowCallState,
    TransmitLock,
    TransmitUnlock,
    WakeBus,
    WakeUp,
)
from tcu_agent.core.verify.authorisation import (
    PositionAuthorisation,
    RelockAuthorisation,
    UnlockAuthorisation,
)
from tcu_agent.errors import BugError
from tcu_agent.ports import Clock, Sealer, StatePort, StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Challenge, Result
from tcu_agent.protocol.vocabulary import EventKind
from tcu_agent.runtime.connection import Senders
from tcu_agent.runtime.deadline import time_left_s
from tcu_agent.runtime.logbook import Logbook
from tcu_agent.runtime.noise import NOISY, Noise
from tcu_agent.runtime.notary import Notary
from tcu_agent.runtime.sealing import seal_position
from tcu_agent.runtime.sleeper import Sleeper
from tcu_agent.runtime.supervisor import Supervisor
from tcu_agent.runtime.transmitter import Transmitter


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Everything that effects reach."""

    state: StatePort
    senders: Senders
    transmitter: Transmitter
    sleeper: Sleeper
    notary: Notary
    sealer: Sealer
    environment: str
    clock: Clock
    logbook: Logbook
    noise: Noise
    supervisor: Supervisor


class Executor:
    """Its `perform` is what the pump calls."""

    def __init__(self, outlets: Outlets) -> None:
        self._to = outlets

    async def perform(self, effect: Effect) -> None:
        """Carry out one effect; when this returns, it has happened.

        Raises:
            TransportError, StorageError, KeyStoreError: it has not (or may have, as the error says).
            DeadlinePassedError: it would have come too late, and has not happened.
        """
        match effect:
            case Persist():
                self._persist(effect)
            case SendMessage():
                self._send(effect.message)
            case TransmitUnlock():
                await self._unlock(effect.authorisation, not_after=effect.not_after)
            case TransmitLock():
                await self._lock(effect.authorisation, not_after=effect.not_after)
            case ShowCallState():
                self._to.transmitter.show(effect)
            case WakeBus() | GoToSleep() | WakeUp():
                self._wake_or_sleep(effect)
            case SealPosition():
                self._seal(effect)
            case ErasePositions():
                self._erase(effect)
            case Note():
                self._note(effect)
            case _:
                assert_never(effect)

    def _note(self, note: Note) -> None:
        if note.word in NOISY:
            self._to.noise.say(note.word, note.fields)
        elif note.word == RECORD_CORRUPT:
            consequence = "remote services refused"
            self._to.logbook.error(note.word, **note.fields, consequence=consequence)
            self._to.supervisor.degrade(f"record {note.fields['record']} unreadable, {consequence}")
        elif note.word == RECORD_FORGOTTEN:
            self._to.logbook.warning(note.word, **note.fields)
        else:
            self._to.logbook.info(note.word, **note.fields)

    def _wake_or_sleep(self, effect: WakeBus | GoToSleep | WakeUp) -> None:
        if isinstance(effect, GoToSleep):
            self._to.sleeper.sleep(effect)
        elif isinstance(effect, WakeUp):
            self._to.sleeper.wake()
        else:
            self._to.logbook.info("wake-bus", reason=effect.reason)
            self._to.transmitter.wake()

    def _persist(self, effect: Persist) -> None:
        self._to.state.commit(
            puts=effect.puts, append=effect.append, acknowledged=effect.acknowledged
        )
        if effect.acknowledged is not None:
            self._to.senders.outbox.acknowledged(effect.acknowledged)
        if effect.append:
            self._to.senders.outbox.appended(effect.append)
        for message in effect.append:
            if isinstance(message, Result):
                self._tell(message)
            elif message.kind is EventKind.RELOCK_FAILED:
                self._to.logbook.warning("relock-failed", reason=message.reason.code)
            elif message.kind is EventKind.ON_CALL_PRESSED:
                self._to.logbook.info("on-call-pressed")

    def _tell(self, result: Result) -> None:
        """Say how a request ended, once that is durable."""
        self._to.logbook.info(
            "request-ended",
            service=result.common.service.name.lower().replace("_", "-"),
            outcome=result.outcome.name.lower(),
            reason=result.reason.code,
        )

    def _send(self, message: Said) -> None:
        # The type says it already: a position leaves with a permission, sealed and stored, or not at all.
        if not isinstance(message, Said):
            raise BugError(f"a {type(message).__name__} is nothing that the core may say")
        expiry_s = message.ttl_s if isinstance(message, Challenge) else None
        self._to.senders.prompt.offer(self._to.notary.sign(message, expiry_s=expiry_s))

    async def _unlock(self, authorisation: UnlockAuthorisation, *, not_after: float) -> None:
        await self._to.transmitter.unlock(authorisation, not_after=not_after)
        self._to.logbook.info("unlock-transmitted")

    async def _lock(self, authorisation: RelockAuthorisation, *, not_after: float) -> None:
        await self._to.transmitter.lock(authorisation, not_after=not_after)
        self._to.logbook.info("lock-transmitted")

    def _seal(self, effect: SealPosition) -> None:
        # The type says it already; this is the last line before a position leaves the core.
        if not isinstance(effect.authorisation, PositionAuthorisation):
            raise BugError("a position without a PositionAuthorisation")
        time_left_s(effect.not_after, self._to.clock)
        position = seal_position(effect, sealer=self._to.sealer, environment=self._to.environment)
        self._to.state.put_position(
            StoredPosition(position.case_id, position.seq, codec.encode(position)),
            puts=effect.puts,
        )
        self._to.senders.positions.changed()

    def _erase(self, effect: ErasePositions) -> None:
        self._to.state.erase_positions(effect.case_id, effect.up_to_seq)
        self._to.senders.positions.changed()
