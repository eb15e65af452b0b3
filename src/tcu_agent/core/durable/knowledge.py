"""What the car has learnt and may never forget: trust bundle, account, each command key's request mark.

Durable before it is used. Whoever adopts something new here also ends what was allowed under the old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tcu_agent.core.durable import records
from tcu_agent.core.step import Step
from tcu_agent.core.verify.verdicts import AcceptedAccount, AcceptedTrust, Refused, RequestMark
from tcu_agent.core.verify.verifier import Verifier
from tcu_agent.errors import AgentError, StorageError
from tcu_agent.protocol import codec, tables
from tcu_agent.protocol.messages import Account
from tcu_agent.protocol.trust import Keyring

SCHEMA = 1
GONE_KEPT = 16
"""Marks of keys that have left the bundle: a key that came back by mistake would take requests of long ago again."""


@dataclass(slots=True)
class Knowledge:
    """`marks`: kid of a command key -> highest request seq taken; keys that left the bundle first, in that order."""

    keyring: Keyring | None = None
    account: Account | None = None
    marks: dict[bytes, int] = field(default_factory=dict)
    _is_mark_unsaved: bool = False

    @property
    def is_subscribed(self) -> bool:
        """Whether anything but ON CALL may leave the car."""
        return self.account is not None and self.account.subscription_active

    def use_trust(self, accepted: AcceptedTrust) -> None:
        """Use a trust bundle until the next start, while durable state is corrupt."""
        self.keyring = accepted.keyring

    def adopt_trust(self, step: Step, accepted: AcceptedTrust) -> None:
        """Make a trust bundle durable and use it; of keys that are gone, the last marks stay."""
        self.keyring = accepted.keyring
        step.put(records.TRUST, accepted.container)
        gone = [kid for kid in self.marks if accepted.keyring.find(kid) is None]
        there = [kid for kid in self.marks if kid not in gone]
        ordered = [*gone[-GONE_KEPT:], *there]
        if ordered != list(self.marks):
            self.marks = {kid: self.marks[kid] for kid in ordered}
            self._save_marks(step)

    def adopt_account(self, step: Step, accepted: AcceptedAccount) -> None:
        """Make an account state durable and use it."""
        self.account = accepted.account
        step.put(records.ACCOUNT, records.pack(SCHEMA, accepted.payload))

    def raise_mark(self, mark: RequestMark | None) -> None:
        """Take no request up to this one any more."""
        if mark is not None:
            self.marks[mark.kid] = mark.seq
            self._is_mark_unsaved = True

    def protect_answer(self, step: Step) -> None:
        """Make the marks durable if this step answers a request, or writes anyway.

        One that gets no answer costs no write: whoever has stolen a command key alone could wear out the flash memory.
        After a restart it may be taken once more, and gets a challenge then, which alone moves nothing.
        """
        if self._is_mark_unsaved and (step.has_writes or step.says_anything):
            self._save_marks(step)

    def restore_trust(self, stored: Mapping[str, bytes], verifier: Verifier) -> None:
        """Verify the stored trust bundle again.

        Raises:
            StorageError: it does not verify any more (corrupt, or other root keys were configured).
        """
        container = stored.get(records.TRUST)
        if container is None:
            return
        accepted = verifier.verify_trust(container, keyring=None)
        if isinstance(accepted, Refused):
            raise StorageError(f"{records.TRUST}: {accepted.reason.code}")
        self.keyring = accepted.keyring

    def restore_account(self, stored: Mapping[str, bytes]) -> None:
        """Read the stored account state.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        record = stored.get(records.ACCOUNT)
        if record is None:
            return
        reader = records.RecordReader(record, key=records.ACCOUNT, schema=SCHEMA)
        payload = reader.take(bytes)
        reader.end()
        try:
            self.account = codec.decode(Account, payload)
        except AgentError as error:
            raise StorageError(f"{records.ACCOUNT}: corrupt") from error

    def restore_marks(self, stored: Mapping[str, bytes]) -> None:
        """Read the stored request marks.

        Raises:
            StorageError: corrupt, or of another schema.
        """
        record = stored.get(records.MARKS)
        if record is None:
            return
        reader = records.RecordReader(record, key=records.MARKS, schema=SCHEMA)
        count = reader.take_number()
        marks = [
            # The centre's number, not ours: whatever a request may say must be read again, or one request with the
            # highest would leave the car without a state that can be read.
            (reader.take_bytes(records.BOOT_ID_BYTES), reader.take_number(tables.UINT53.high))
            for _ in range(count)
        ]
        reader.end()
        self.marks = dict(marks)

    def _save_marks(self, step: Step) -> None:
        self._is_mark_unsaved = False
        flat = [each for pair in self.marks.items() for each in pair]
        step.put(records.MARKS, records.pack(SCHEMA, len(self.marks), *flat))
