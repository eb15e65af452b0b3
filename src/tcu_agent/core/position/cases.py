"""Position cases of which sealed positions may still be stored: the highest seq given out, and what is over.

A seq of a case is never used twice, also by a second grant for it. What is over is marked durably first, then erased,
then forgotten; a power cut in between only erases again.
"""

from __future__ import annotations

from collections.abc import Mapping

from tcu_agent.core.durable import records
from tcu_agent.core.effects import ErasePositions
from tcu_agent.core.step import Step

SCHEMA = 1
RETRY_S = 10.0
KEPT = 16
"""Cases; one more ends the oldest. A car is stolen once in a while."""


class Cases:
    """Case id -> highest seq given out."""

    def __init__(self) -> None:
        self._last_seqs: dict[bytes, int] = {}
        self._ended: set[bytes] = set()
        self._is_erased = False
        self.deadline: float | None = None

    @property
    def last_seqs(self) -> Mapping[bytes, int]:
        """Highest position seq given out, by case, for cases that are not over."""
        return {c: seq for c, seq in self._last_seqs.items() if c not in self._ended}

    def restore(self, record: bytes) -> None:
        """Read the durable record.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        reader = records.RecordReader(record, key=records.CASES, schema=SCHEMA)
        entries = [
            (reader.take_bytes(records.ID_BYTES), reader.take_number(), reader.take(bool))
            for _ in range(reader.take_number())
        ]
        reader.end()
        self._last_seqs = {case_id: seq for case_id, seq, _ in entries}
        self._ended = {case_id for case_id, _, is_ended in entries if is_ended}

    def start(self, step: Step) -> None:
        """Erase again what was over when the power was cut."""
        self._erase(step)

    def advance(self, step: Step) -> None:
        """Forget what has been erased by the step before; try again what could not be erased."""
        if self.deadline is None or step.now < self.deadline:
            return
        if not self._is_erased:
            self._erase(step)
            return
        self.deadline = None
        for case_id in self._ended:
            del self._last_seqs[case_id]
        self._ended.clear()
        self._save(step)

    def next_seq(self, step: Step, case_id: bytes) -> int:
        """Give out the next seq of a case, from 1; durable with this step."""
        seq = self._last_seqs.pop(case_id, 0) + 1
        self._last_seqs[case_id] = seq
        self._save(step)
        if len(self._last_seqs) > KEPT:
            self.end(step, next(iter(self._last_seqs)))
        return seq

    def end(self, step: Step, case_id: bytes) -> None:
        """Erase all that is stored of a case."""
        self._ended.add(case_id)
        self._last_seqs.setdefault(case_id, 0)
        self._save(step)
        self._erase(step)

    def not_erased(self, step: Step) -> None:
        """Something could not be erased: it is not forgotten."""
        if self._ended:
            self._is_erased = False
            self.deadline = step.now + RETRY_S

    def _erase(self, step: Step) -> None:
        self._is_erased = True
        for case_id in sorted(self._ended):
            step.do(ErasePositions(case_id))
            self.deadline = step.now

    def _save(self, step: Step) -> None:
        fields = [
            each
            for case_id, seq in self._last_seqs.items()
            for each in (case_id, seq, case_id in self._ended)
        ]
        step.put(records.CASES, records.pack(SCHEMA, len(self._last_seqs), *fields))
