"""A fix is sealed to the desk alone, for this environment, and stored together with its number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.adapters.keys.signing_key import Ed25519Signer
from tcu_agent.core.effects import ErasePositions, SealPosition, SendMessage
from tcu_agent.core.events import Connected, EffectFailed, MessageArrived
from tcu_agent.errors import BugError
from tcu_agent.ports import StoredPosition
from tcu_agent.protocol import codec
from tcu_agent.protocol.messages import Fix, Position
from tcu_agent.protocol.vocabulary import FixQuality
from tcu_agent.runtime.notary import Notary
from tcu_agent.runtime.sealing import seal_position
from tcu_sim.wire import messages as m
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.sealing import label_of, unseal
from tests.runtime.rig import ENVIRONMENT, VEHICLE_ID, Rig, play, position_authorisation

STREAM_ID = b"a stream"
NUMBER = {"position-case/1": b"1"}


def sealing(recipient: bytes) -> SealPosition:
    return SealPosition(
        position_authorisation(),
        1,
        Fix(quality=FixQuality.FIX_3D, latitude_e7=577_000_000, longitude_e7=119_000_000),
        recipient,
        stream_id=STREAM_ID,
        not_after=1e9,
        puts=NUMBER,
    )


def send(rig: Rig) -> None:
    rig.broker.publish(f"tcu/v1/{VEHICLE_ID}/down/request", b"x")


def test_a_sealed_position_is_opened_by_the_desk_alone_and_stored_until_erased() -> None:
    async def body(rig: Rig) -> None:
        desk = X25519PrivateKey.generate()
        case_id = position_authorisation().case_id
        rig.core.on(MessageArrived, sealing(desk.public_key().public_bytes_raw()))
        rig.core.on(MessageArrived, ErasePositions(case_id))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        await rig.wait_s(1)
        (sent,) = rig.sent("position")
        assert isinstance(sent, Position)
        assert sent.stream_id == STREAM_ID
        assert opened(sent, ENVIRONMENT, desk) == 577_000_000
        with pytest.raises(WireError):
            opened(sent, ENVIRONMENT, X25519PrivateKey.generate())
        assert rig.state.positions() == [StoredPosition(case_id, 1, codec.encode(sent))]
        assert rig.state.load() == NUMBER
        send(rig)
        await rig.core.wait_for(MessageArrived, number=2)
        await rig.wait_s(1)
        assert rig.state.positions() == []

    play(body)


def test_a_recipient_that_cannot_be_used_is_a_failure_and_stores_nothing() -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, sealing(b"short"))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        await rig.core.wait_for(EffectFailed)
        assert rig.state.positions() == []
        assert rig.state.load() == {}, "its number is as free as it was"

    play(body)


@pytest.mark.parametrize("environment", ["bench", "production"])
def test_what_is_sealed_for_one_environment_opens_in_no_other(environment: str) -> None:
    desk = X25519PrivateKey.generate()
    effect = sealing(desk.public_key().public_bytes_raw())
    position = seal_position(effect, sealer=HpkeSealer(), environment=environment)
    other = "production" if environment == "bench" else "bench"
    assert opened(position, environment, desk) == 577_000_000
    with pytest.raises(WireError):
        opened(position, other, desk)


def opened(position: Position, environment: str, key: X25519PrivateKey) -> int | None:
    """Return the latitude that the desk's own implementation finds."""
    assert position.sealed is not None
    heard = m.Position(
        vehicle_id=position.vehicle_id,
        request_id=position.request_id,
        case_id=position.case_id,
        seq=position.seq,
        stream_id=position.stream_id,
        sealed=position.sealed,
    )
    return unseal(position.sealed, label_of(heard, environment), key).latitude_e7


NOTHING = Position(vehicle_id=VEHICLE_ID, case_id=bytes(16), seq=1, stream_id=STREAM_ID)
PLACE = replace(NOTHING, request_id=bytes(16), sealed=b"57.7 N 11.9 E".ljust(48))


@pytest.mark.parametrize("position", [NOTHING, PLACE], ids=["without a fix", "with one"])
def test_no_position_leaves_as_a_message_of_the_core(position: Any) -> None:
    """Past the permission, `SealPosition` and the store."""

    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, SendMessage(position))
        rig.start()
        await rig.core.wait_for(Connected)
        send(rig)
        assert rig.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await rig.task
        assert caught.value.subgroup(BugError) is not None
        assert rig.sent("position") == []

    play(body)


def test_a_position_with_a_fix_is_signed_as_it_was_stored_or_not_at_all() -> None:
    signer = Ed25519Signer(Ed25519PrivateKey.generate())
    notary = Notary(signer=signer, environment=ENVIRONMENT)
    assert notary.sign(NOTHING).topic_type == "position"
    with pytest.raises(BugError):
        notary.sign(PLACE)
