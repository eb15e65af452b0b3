"""What became of each grant: stored with the result that reports it, and given again to a grant that comes again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tcu_agent.core.durable import records
from tcu_agent.core.reports.journal import Journal
from tcu_agent.core.step import Step
from tcu_agent.errors import AgentError, StorageError
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Common, Result
from tcu_agent.protocol.vocabulary import LockState, Outcome, Reason, Relock

SCHEMA = 1


class Outcomes:
    """The last `kept` results by request id; the oldest goes first (its grant then meets an unknown challenge)."""

    def __init__(self, *, journal: Journal, kept: int) -> None:
        self._journal = journal
        self._kept = kept
        self._results: dict[bytes, Result] = {}

    def restore(self, stored: Mapping[str, bytes]) -> None:
        """Read all stored outcomes.

        Raises:
            StorageError: one of them is corrupt, or of another schema.
        """
        results = [
            self._read(key, value)
            for key, value in stored.items()
            if key.startswith(records.OUTCOME_PREFIX)
        ]
        for result in sorted(results, key=lambda result: result.seq):
            self._results[result.common.request_id] = result

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over request ids, oldest outcome first."""
        return iter(self._results)

    def find(self, request_id: bytes) -> Result | None:
        """Return the stored result of this request."""
        return self._results.get(request_id)

    def settle(
        self,
        step: Step,
        *,
        common: Common,
        grant_hash: bytes,
        outcome: Outcome,
        reason: Reason = Reason.NONE,
        locks: Mapping[int, LockState] | None = None,
        relock: Relock = Relock.NONE,
    ) -> Result:
        """Make outcome and result durable together; there is one for each request id, for ever."""
        result = self._journal.conclude(
            step,
            common=common,
            grant_hash=grant_hash,
            outcome=outcome,
            reason=reason,
            locks=locks or {},
            relock=relock,
        )
        self._results[common.request_id] = result
        step.put(_key(common.request_id), records.pack(SCHEMA, codec.encode(result)))
        while len(self._results) > self._kept:
            oldest = next(iter(self._results))
            del self._results[oldest]
            step.put(_key(oldest), None)
        return result

    @staticmethod
    def _read(key: str, value: bytes) -> Result:
        reader = records.RecordReader(value, key=key, schema=SCHEMA)
        payload = reader.take(bytes)
        reader.end()
        try:
            return codec.decode(Result, payload)
        except AgentError as error:
            raise StorageError(f"{key}: corrupt") from error


def _key(request_id: bytes) -> str:
    return records.OUTCOME_PREFIX + request_id.hex()
