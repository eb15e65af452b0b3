"""Every error of the agent, one tree.

    AgentError
    +-- BugError                 ours to fix: the process ends and starts clean
    +-- BadInput                 a file or an option is wrong: says what, where, what to do (exit status 2)
    |   +-- ConfigError          tcu.toml
    |   +-- MappingError         the mapping file or its DBC
    |   +-- RecordingError       a recording that cannot be read at all
    +-- MalformedError           the peer's: bytes outside the strict profile (carries a Reason)
    +-- TransportError           CAN or MQTT; `may_have_happened`, `temporary`
    |   +-- CanTransportError
    |   +-- MqttTransportError
    |       +-- PublicationRefusedError  the broker did not take one message; the link itself holds
    |       +-- ConnectionEndedError  the broker, or who is on the way to it, has ended the connection
    +-- StorageError             durable state: corrupt or not writable; fails closed
    |   +-- NoStateError         there is no place for it: nothing is known of what may be stored
    |   +-- DamagedMessageError  one message that waits for the centre, and nothing else (carries its place)
    +-- PowerError               the board cannot be suspended, or not be woken
    +-- EnrolmentError           no new certificate or trust bundle; the old one stays; `temporary`
    +-- DeadlinePassedError      what the core asked for would come too late: it was not done
    +-- KeyStoreError            a key is missing, has wrong permissions, or cannot sign; `temporary`
    |   +-- NoSuchKeyError       there is no key where one was looked for, and nothing else is wrong

A verification that fails is no exception: it is a `protocol.verify.Refused` value with a reason.
No PIN, key, token or position ever stands in a message of these.
"""

from __future__ import annotations

from tcu_agent.protocol.vocabulary import Reason


class AgentError(Exception):
    """Root of the tree."""


class BugError(AgentError):
    """A broken promise inside the agent."""


class BadInput(AgentError):
    """Something a person wrote is wrong.

    `where` names the file and the key or line, `what` the cause, `hint` what to do about it.
    """

    def __init__(self, what: str, *, where: str, hint: str = "") -> None:
        super().__init__(f"{where}: {what}" + (f" ({hint})" if hint else ""))
        self.what = what
        self.where = where
        self.hint = hint


class ConfigError(BadInput):
    """tcu.toml is wrong."""


class MappingError(BadInput):
    """The mapping file, or the DBC it names, is wrong."""


class RecordingError(BadInput):
    """A recording cannot be read."""


class MalformedError(AgentError):
    """Bytes from a peer are outside the strict profile."""

    def __init__(self, detail: str, *, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(detail)
        self.reason = reason


class TransportError(AgentError):
    """CAN or MQTT did not take it.

    `may_have_happened`: the other side may have got it all the same. `temporary`: trying later can help.
    """

    def __init__(self, detail: str, *, may_have_happened: bool, temporary: bool) -> None:
        super().__init__(detail)
        self.may_have_happened = may_have_happened
        self.temporary = temporary


class CanTransportError(TransportError):
    """The CAN bus did not take a frame."""


class MqttTransportError(TransportError):
    """The broker did not take a message."""


class PublicationRefusedError(MqttTransportError):
    """The broker answered a publication with a failure. `reason_code`: of its PUBACK (MQTT 5, 3.4.2.1)."""

    def __init__(self, reason_code: int, name: str) -> None:
        super().__init__(
            f"the broker refuses a publication: {name} (0x{reason_code:02X})",
            may_have_happened=False,
            temporary=True,
        )
        self.reason_code = reason_code


SESSION_TAKEN_OVER = 0x8E
"""Source: MQTT 5, 3.14.2.1: another connection has used the same client id."""


class ConnectionEndedError(MqttTransportError):
    """The other end has closed the connection, which had not died before that.

    `reason_code`: of the broker's DISCONNECT (MQTT 5, 3.14.2.1); None = it came without a word.
    """

    def __init__(
        self, detail: str, *, may_have_happened: bool, temporary: bool, reason_code: int | None
    ) -> None:
        super().__init__(detail, may_have_happened=may_have_happened, temporary=temporary)
        self.reason_code = reason_code


class StorageError(AgentError):
    """Durable state cannot be read or written."""


class NoStateError(StorageError):
    """The state directory cannot be made or used; what it may hold was not looked at."""


class DamagedMessageError(StorageError):
    """A stored message cannot be read.

    `seq`: under which number it is stored. `after_seq`: the number stored before it, 0 where there is none.
    """

    def __init__(self, detail: str, *, seq: int, after_seq: int) -> None:
        super().__init__(detail)
        self.seq = seq
        self.after_seq = after_seq


class DeadlinePassedError(AgentError):
    """The `not_after` of an effect has passed before it was carried out; nothing of it has happened."""


class EnrolmentError(AgentError):
    """The vehicle could not be enrolled; what was in force still is.

    `temporary`: trying later can help.
    """

    def __init__(self, detail: str, *, temporary: bool) -> None:
        super().__init__(detail)
        self.temporary = temporary


class PowerError(AgentError):
    """The board cannot be suspended, or nothing would wake it."""


class KeyStoreError(AgentError):
    """A key is missing, unprotected, or cannot sign.

    `temporary`: trying later can help, for the key is in a token that may come back.
    """

    def __init__(self, detail: str, *, temporary: bool = False) -> None:
        super().__init__(detail)
        self.temporary = temporary


class NoSuchKeyError(KeyStoreError):
    """There is no key of this name in a token that could be looked into: one may be made."""
