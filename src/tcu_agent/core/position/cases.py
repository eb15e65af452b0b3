"""Position cases of which sealed positions may still be stored: the highest seq given out, and what is over.

A seq of a case is never used twice, also by a second grant for it. It becomes durable together with the position that
has it: what fails, or is cut off, in between leaves no number behind that never comes. Each case has its own record, so
that the number of one is never written by what happens to another. What is over is marked durably first, then erased,
then forgotten; a power cut in between only erases again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tcu_agent.core.durable import records
from tcu_agent.core.effects import ErasePositions
from tcu_agent.core.step import Step
from tcu_agent.errors import StorageError
from tcu_agent.protocol import tables

SCHEMA = 1
FIRST_FORM_SCHEMA = 1
"""Of `records.CASES`: all cases in one record, as the first store had them."""
RETRY_S = 10.0
LARGEST = tables.UINT32.high // 2
"""Highest seq that is believed of a record: half of what a message can carry, so that it can be counted on from."""
KEPT = 16
"""Cases; one more ends the oldest. A car is stolen once in a while."""


@dataclass(slots=True, kw_only=True)
class _Case:
    """`turn`: counts on with each number given out, so that the case that was used longest ago can be told.

    `erased_seq`: up to here all is erased on the theft desk's word, as far as this start knows; never stored.
    """

    last_seq: int
    turn: int
    is_ended: bool = False
    erased_seq: int = 0

    def to_bytes(self) -> bytes:
        return records.pack(SCHEMA, self.turn, self.last_seq, self.is_ended)


class Cases:
    """Case id -> highest seq given out."""

    def __init__(self) -> None:
        self._cases: dict[bytes, _Case] = {}
        self._is_first_form = False
        self._is_erased = False
        self.deadline: float | None = None

    @property
    def last_seqs(self) -> Mapping[bytes, int]:
        """Highest position seq given out, by case, for cases that are not over."""
        return {c: case.last_seq for c, case in self._cases.items() if not case.is_ended}

    def restore(self, stored: Mapping[str, bytes]) -> None:
        """Read the durable records.

        Raises:
            StorageError: one of them is corrupt, or of another schema.
        """
        found = self._first_form(stored.get(records.CASES))
        self._is_first_form = records.CASES in stored
        for key, value in stored.items():
            if key.startswith(records.CASE_PREFIX):
                found[_case_id(key)] = _read(key, value)
        self._cases = dict(sorted(found.items(), key=lambda item: item[1].turn))

    def start(self, step: Step) -> None:
        """Erase again what was over when the power was cut."""
        if self._is_first_form:
            step.put(records.CASES, None)
            for case_id in self._cases:
                self._save(step, case_id)
        self._erase(step)

    def advance(self, step: Step) -> None:
        """Forget what has been erased by the step before; try again what could not be erased."""
        if self.deadline is None or step.now < self.deadline:
            return
        if not self._is_erased:
            self._erase(step)
            return
        self.deadline = None
        for case_id in self._ended():
            del self._cases[case_id]
            step.put(_key(case_id), None)

    def next_seq(self, step: Step, case_id: bytes) -> tuple[int, Mapping[str, bytes | None]]:
        """Give out the next seq of a case, from 1, with what has to become durable together with its position."""
        turn = max((case.turn for case in self._cases.values()), default=0) + 1
        case = self._cases.pop(case_id, None) or _Case(last_seq=0, turn=turn)
        case.last_seq, case.turn = case.last_seq + 1, turn
        self._cases[case_id] = case
        if len(self._cases) > KEPT:
            self.end(step, next(iter(self._cases)))
        return case.last_seq, {_key(case_id): case.to_bytes()}

    def take_back(self, case_id: bytes, seq: int) -> None:
        """Give out `seq` again: neither it nor its position became durable."""
        case = self._cases.get(case_id)
        if case is not None and case.last_seq == seq and not case.is_ended:
            case.last_seq -= 1
            case.erased_seq = min(case.erased_seq, case.last_seq)
            if case.last_seq == 0:
                del self._cases[case_id]

    def acknowledge(self, step: Step, case_id: bytes, seq: int) -> None:
        """Erase what the theft desk has stored, up to `seq` (verified: given out). An old one costs nothing."""
        case = self._cases[case_id]
        if seq > case.erased_seq:
            case.erased_seq = seq
            step.do(ErasePositions(case_id, seq))

    def still_stored(self, case_id: bytes) -> None:
        """What was acknowledged could not be erased: the same acknowledgement is wanted once more."""
        if case := self._cases.get(case_id):
            case.erased_seq = 0

    def end(self, step: Step, case_id: bytes) -> None:
        """Erase all that is stored of a case."""
        case = self._cases.setdefault(case_id, _Case(last_seq=0, turn=0))
        case.is_ended = True
        self._save(step, case_id)
        self._erase(step)

    def not_erased(self, step: Step) -> None:
        """Something could not be erased: it is not forgotten."""
        if self._ended():
            self._is_erased = False
            self.deadline = step.now + RETRY_S

    def _ended(self) -> list[bytes]:
        return sorted(case_id for case_id, case in self._cases.items() if case.is_ended)

    def _erase(self, step: Step) -> None:
        self._is_erased = True
        for case_id in self._ended():
            step.do(ErasePositions(case_id))
            self.deadline = step.now

    def _save(self, step: Step, case_id: bytes) -> None:
        step.put(_key(case_id), self._cases[case_id].to_bytes())

    @staticmethod
    def _first_form(record: bytes | None) -> dict[bytes, _Case]:
        if record is None:
            return {}
        reader = records.RecordReader(record, key=records.CASES, schema=FIRST_FORM_SCHEMA)
        found = {
            reader.take_bytes(records.ID_BYTES): _Case(
                last_seq=reader.take_number(LARGEST), turn=turn, is_ended=reader.take(bool)
            )
            for turn in range(reader.take_number())
        }
        reader.end()
        return found


def _key(case_id: bytes) -> str:
    return records.CASE_PREFIX + case_id.hex()


def _case_id(key: str) -> bytes:
    try:
        case_id = bytes.fromhex(key.removeprefix(records.CASE_PREFIX))
    except ValueError as error:
        raise StorageError(f"{key}: corrupt") from error
    if len(case_id) != records.ID_BYTES or _key(case_id) != key:
        raise StorageError(f"{key}: corrupt")
    return case_id


def _read(key: str, record: bytes) -> _Case:
    reader = records.RecordReader(record, key=key, schema=SCHEMA)
    turn, last_seq = reader.take_number(), reader.take_number(LARGEST)
    case = _Case(last_seq=last_seq, turn=turn, is_ended=reader.take(bool))
    reader.end()
    return case
