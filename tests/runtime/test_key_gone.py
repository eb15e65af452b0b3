"""A key that cannot sign now: the agent goes on, and how soon it tries again depends on whether that can help."""

from __future__ import annotations

from typing import Any

from tcu_agent.core.events import MessageArrived
from tcu_agent.errors import KeyStoreError
from tcu_agent.runtime.connection import REFUSED_LEAST_S
from tests.runtime.rig import Rig, append, play
from tests.runtime.test_connection import connected, send, seqs


def test_a_key_that_cannot_sign_is_no_reason_to_end() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await connected(rig)
        assert rig.agent is not None
        signer: Any = rig.agent._notary._signer
        sign = signer.sign

        def fail(_: bytes) -> bytes:
            raise KeyStoreError("the token does not answer")

        signer.sign = fail
        rig.core.on(MessageArrived, append(1))
        send(rig)
        await rig.wait_s(1)
        assert rig.logbook.counts["outbox-stuck"] == 1
        rig.broker.cut()
        await rig.wait_s(1)
        signer.sign = sign
        await connected(rig, number=2)
        assert seqs(rig) == [1]

    play(body)


def test_a_token_that_is_away_is_asked_again_soon() -> None:
    async def body(rig: Rig) -> None:
        rig.start()
        await connected(rig)
        assert rig.agent is not None
        signer: Any = rig.agent._notary._signer
        sign = signer.sign

        def fail(_: bytes) -> bytes:
            raise KeyStoreError("no token", temporary=True)

        signer.sign = fail
        rig.broker.cut()
        await rig.wait_s(10)
        assert rig.logbook.counts["connect-failed"] > 1
        assert rig.logbook.counts["link-refused"] == 0
        signer.sign = sign
        await rig.wait_s(REFUSED_LEAST_S / 10)
        assert rig.logbook.counts["connected"] == 2

    play(body)
