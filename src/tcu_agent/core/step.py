"""What one call of `handle` gathers: one transaction, then the effects that it protects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from tcu_agent.core.effects import Effect, Note, Persist, SealPosition, SendMessage
from tcu_agent.protocol.messages import Event, Result

E = TypeVar("E", bound=Effect)


@dataclass(slots=True, kw_only=True)
class Step:
    """`now`: CLOCK_BOOTTIME, s. `wall`: s since 1970-01-01, or None. `random`: 16 fresh bytes, or None."""

    now: float
    wall: float | None
    random: bytes | None = None
    puts: dict[str, bytes | None] = field(default_factory=dict)
    appended: list[Result | Event] = field(default_factory=list)
    acknowledged: int | None = None
    effects: list[Effect] = field(default_factory=list)

    @property
    def has_writes(self) -> bool:
        """Whether something has to become durable."""
        return bool(self.puts or self.appended or self.acknowledged is not None)

    @property
    def says_anything(self) -> bool:
        """Whether a message is sent that is not stored."""
        return any(isinstance(each, SendMessage) for each in self.effects)

    @property
    def seals(self) -> bool:
        """Whether a position is sealed, with what has to become durable together with it."""
        return any(isinstance(each, SealPosition) for each in self.effects)

    def put(self, key: str, value: bytes | None) -> None:
        """Make `value` durable under `key` (None deletes), before every effect of this step."""
        self.puts[key] = value

    def do(self, *effects: Effect) -> None:
        """Carry these out, in this order, once everything of this step is durable."""
        self.effects.extend(effects)

    def withdraw(self, kind: type[E]) -> list[E]:
        """Take back and return what this step wanted to do of this kind: the right to it has ended within the step."""
        withdrawn: list[E] = [each for each in self.effects if isinstance(each, kind)]
        self.effects = [each for each in self.effects if not isinstance(each, kind)]
        return withdrawn

    def note(self, word: str, **fields: str | int) -> None:
        """Leave one line for the log and the counters."""
        self.effects.append(Note(word, fields))

    def finish(self) -> tuple[Effect, ...]:
        """Return what to carry out: the one transaction first."""
        if not self.has_writes:
            return tuple(self.effects)
        persist = Persist(
            puts=dict(self.puts), append=tuple(self.appended), acknowledged=self.acknowledged
        )
        return (persist, *self.effects)
