"""Refuses databases in which a number of the agent's own does not fit: freshness values, numbers of commands, scales.

A mapped signal may have any shape; its value is only looked at. These here are counted with: one that is signed, a
float or too wide would be wrong for some frames, and for others more than wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from cantools.database.can import Message as DbcMessage
from cantools.database.can import Signal as DbcSignal

from tcu_agent.adapters.mapping.dbc_names import encode_raw
from tcu_agent.adapters.mapping.toml_table import Table

_FRESHNESS_BITS = 32
_LONGEST_FRAME = 64


def check_whole(
    signal: DbcSignal | None, table: Table, key: str, *, what: str, most_bits: int | None = None
) -> None:
    """Note a signal that is no unsigned whole number. `what`: which number it must be, for the message."""
    if signal is None:
        return
    wrong = "a float" if signal.is_float else "signed" if signal.is_signed else ""
    if wrong:
        hint = "correct its type in the DBC (unsigned: `+` behind the byte order), or name another"
        table.problem(
            key, f"signal {signal.name!r} is {wrong}: {what} is an unsigned whole number", hint
        )
    elif most_bits is not None and signal.length > most_bits:
        table.problem(
            key,
            f"signal {signal.name!r} has {signal.length} bits: {what} has {most_bits} at most",
            "correct its length in the DBC, or name another",
        )


def check_freshness(message: DbcMessage | None, signal: DbcSignal | None, table: Table) -> None:
    """Note what can be no receiver's word on the last freshness value: not a plain number in each frame."""
    check_whole(signal, table, "resync_signal", what="a freshness value", most_bits=_FRESHNESS_BITS)
    if message is not None and (message.is_multiplexed() or message.is_container):
        kind = "a container" if message.is_container else "multiplexed"
        table.problem(
            "resync_signal",
            f"message {message.name!r} is {kind}: the freshness value must stand in each frame",
            "name the message that the receiver of the command sends for this alone",
        )


def check_scale(signal: DbcSignal | None, table: Table, key: str) -> None:
    """Note a scale or offset that is no finite number."""
    if signal is not None and not (_is_finite(signal.scale) and _is_finite(signal.offset)):
        table.problem(
            key,
            f"signal {signal.name!r} has no finite scale and offset ({signal.scale}, {signal.offset})",
            "correct them in the DBC",
        )


def check_encodes(
    message: DbcMessage | None, all_raws: Iterable[Mapping[str, int]], table: Table, key: str
) -> None:
    """Note a message that cannot be sent with each of these raw values; better now than when it is wanted."""
    if message is None:
        return
    if message.length > _LONGEST_FRAME:
        table.problem(
            key, f"message {message.name!r} has {message.length} bytes: no frame has room"
        )
        return
    for raws in all_raws:
        try:
            encode_raw(message, raws)
        except Exception as error:  # noqa: BLE001 -- whatever cantools meets in a strange database
            said = " ".join(str(error).split())[:120] or type(error).__name__
            table.problem(
                key,
                f"message {message.name!r} cannot be made with {dict(raws)}: {said}",
                "a selector that has no such value, or signals that do not fit: see the DBC",
            )
            return


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that is beyond any float
        return False
