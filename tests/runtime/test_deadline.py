"""The last look at the time stands where nothing slow comes between the look and the deed (G3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_agent.core.effects import (
    Effect,
    Persist,
    SealPosition,
    TransmitLock,
    TransmitUnlock,
)
from tcu_agent.core.events import Connected, EffectFailed, MessageArrived
from tcu_agent.protocol.messages import Event, Fix, Result
from tcu_agent.protocol.vocabulary import FixQuality
from tests.runtime.rig import (
    VEHICLE_ID,
    Rig,
    append,
    mapping,
    play,
    position_authorisation,
    relock_authorisation,
    unlock_authorisation,
)

COMMAND_ID = mapping().buses["body"].message("CentralLockCommand").frame_id
LEFT_S = 2.0
"""How much time the effects of these tests have."""


def let_hang(rig: Rig, word: str, takes_s: float) -> None:
    """Let the next commit of a message (``append``), or of a key with this word in it, take so long.

    Nothing of the agent runs meanwhile, but CLOCK_BOOTTIME does.
    """
    left = [takes_s]

    def during(keys: tuple[str, ...], messages: tuple[Result | Event, ...]) -> None:
        if left and word in " ".join([*keys, *(["append"] if messages else [])]):
            rig.clock.suspend(left.pop())

    rig.state.during_commit = during


def unlock(not_after: float) -> Effect:
    return TransmitUnlock(unlock_authorisation(), not_after=not_after)


def lock(not_after: float) -> Effect:
    return TransmitLock(relock_authorisation(), not_after=not_after)


def seal(not_after: float) -> Effect:
    recipient = X25519PrivateKey.from_private_bytes(bytes(31) + b"\x01").public_key()
    fix = Fix(quality=FixQuality.NONE)
    return SealPosition(
        position_authorisation(),
        1,
        fix,
        recipient.public_bytes_raw(),
        stream_id=bytes(8),
        not_after=not_after,
        puts={},
    )


async def carried_out(rig: Rig, make: Callable[[float], Effect]) -> None:
    """Let the core answer a message with a transaction, an effect that has `LEFT_S` left, and something behind it."""
    rig.core.always[MessageArrived] = lambda _: (
        append(1),
        make(rig.clock.boottime() + LEFT_S),
        Persist(puts={"behind": b""}),
    )
    rig.start()
    await rig.core.wait_for(Connected)
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")
    await rig.core.wait_for(MessageArrived)
    await rig.wait_s(1)


def has_happened(rig: Rig) -> bool:
    return bool(rig.state.sealed) or COMMAND_ID in [f.arbitration_id for f in rig.bus.sent]


@pytest.mark.parametrize(("takes_s", "is_done"), [(LEFT_S, True), (LEFT_S + 0.001, False)])
@pytest.mark.parametrize("make", [unlock, lock, seal])
def test_what_a_hanging_disk_held_up_is_done_in_time_or_not_at_all(
    make: Callable[[float], Effect], *, takes_s: float, is_done: bool
) -> None:
    async def body(rig: Rig) -> None:
        let_hang(rig, "append", takes_s)
        await carried_out(rig, make)
        assert has_happened(rig) is is_done
        assert ("behind" in rig.state.values) is is_done
        failures = rig.core.of(EffectFailed)
        assert [(f.is_too_late, f.may_have_happened) for f in failures] == [(True, False)] * (
            not is_done
        )
        assert all(isinstance(f.effect, type(make(0.0))) for f in failures)

    play(body)


@pytest.mark.parametrize("make", [unlock, lock])
def test_a_disk_that_hangs_over_the_freshness_value_counts_too(
    make: Callable[[float], Effect],
) -> None:
    async def body(rig: Rig) -> None:
        let_hang(rig, "secoc", LEFT_S + 0.001)
        await carried_out(rig, make)
        assert not has_happened(rig)
        (failed,) = rig.core.of(EffectFailed)
        assert failed.is_too_late

    play(body)


def test_a_full_transmit_queue_is_waited_for_as_long_as_the_command_may() -> None:
    async def body(rig: Rig) -> None:
        rig.port.is_full = True
        before = rig.clock.boottime()
        await carried_out(rig, unlock)
        failed = await rig.core.wait_for(EffectFailed)
        told_at = rig.core.times[rig.core.events.index(failed)]
        assert LEFT_S - 0.01 <= told_at - before <= LEFT_S + 0.01

    play(body)


def test_a_full_transmit_queue_is_waited_for_no_longer_than_the_command_may() -> None:
    async def body(rig: Rig) -> None:
        let_hang(rig, "append", LEFT_S - 0.1)
        rig.port.is_full = True
        before = rig.clock.boottime()
        await carried_out(rig, unlock)
        (failed,) = rig.core.of(EffectFailed)
        assert not failed.may_have_happened
        told_at = rig.core.times[rig.core.events.index(failed)]
        assert told_at - before <= LEFT_S + 0.01

    play(body)
