"""Steps about messages that an attacker, another customer or a burglar sends: all refused, each for its reason."""

from __future__ import annotations

import asyncio

from tcu_sim.demo.attacker import signed_anew, with_flipped_bit
from tcu_sim.demo.conditions import CAR, OTHER_CAR, from_car
from tcu_sim.demo.sightings import NotSeenError
from tcu_sim.demo.stage import OTHER_OWNER, RIGHT, Stage
from tcu_sim.demo.story import Step
from tcu_sim.wire.keys import generate

GRANT_TIMEOUT_S = 10.0


async def stolen_command_key(stage: Stage) -> str:
    """With the command service's key alone, a burglar signs grant and evidence himself."""
    since = stage.sightings.mark()
    await _publish(stage, stage.burglar.grant(stage.challenged, evidence_by="command"))
    return await stage.expect_refusal("wrong-role", since=since)


async def evidence_without_signature(stage: Stage) -> str:
    """With the command service's key alone, he names the PIN authority's key and cannot sign with it."""
    since = stage.sightings.mark()
    await _publish(stage, stage.burglar.grant(stage.challenged, evidence_is_spoilt=True))
    return await stage.expect_refusal("bad-signature", since=since)


async def grant_for_another_car(stage: Stage) -> str:
    """Another customer has his own car unlocked, and tries the grant on this one."""
    since = stage.sightings.mark()
    incident_id = await stage.client.telephone().call_in(
        caller="another customer", vehicle_id=OTHER_CAR
    )
    request_id = await stage.operator.draft_unlock(OTHER_CAR, incident_id)
    if await stage.enter(request_id, stage.pin(OTHER_OWNER)) != RIGHT:
        raise NotSeenError("the other customer's own PIN is not taken")
    await stage.operator.send(request_id)
    async with asyncio.timeout(GRANT_TIMEOUT_S):
        grant = await stage.other_car.grants.get()
    await _publish(stage, grant)
    return f"a lawful grant for {OTHER_CAR}; here: " + await stage.expect_refusal(
        "wrong-vehicle", since=since
    )


async def forged_key(stage: Stage) -> str:
    """The attacker signs a grant anew with a key of his own."""
    since = stage.sightings.mark()
    forged = signed_anew(stage.unlock_grant, generate(), stage.environment)
    await _publish(stage, forged)
    return await stage.expect_refusal("unknown-key", since=since)


async def flipped_bit(stage: Stage) -> str:
    """The attacker changes one bit of a lawful grant's signature."""
    since = stage.sightings.mark()
    await _publish(stage, with_flipped_bit(stage.unlock_grant))
    return await stage.expect_refusal("bad-signature", since=since)


async def retained_message(stage: Stage) -> str:
    """The attacker leaves a lawful grant on the broker as a retained message."""
    since = stage.sightings.mark()
    await stage.attacker.publish(CAR, "grant", stage.unlock_grant, retain=True)
    try:
        if stage.broker.shows_retained:
            return await stage.expect_refusal("retained", since=since)
        await stage.seen("stored result", from_car("result"), since=since)
        await stage.expect_no_unlock(since)
        return (
            f"{stage.broker.name} speaks MQTT {stage.broker.mqtt_version}, which does not show the flag "
            "to who is subscribed: taken as a grant sent again, the stored result, no command on CAN"
        )
    finally:
        await stage.attacker.clear_retained(CAR, "grant")


async def expired_challenge(stage: Stage) -> str:
    """A grant that is perfect but for its time: the burglar holds both keys and comes too late."""
    since = stage.sightings.mark()
    challenged = stage.challenged
    age_s = await stage.age_of(challenged, at_least_s=challenged.challenge.message.ttl_s + 0.5)
    await _publish(stage, stage.burglar.grant(challenged))
    seen = await stage.expect_refusal("challenge-expired", since=since)
    return f"{seen} (the challenge was {age_s:.1f} s old and lived {challenged.challenge.message.ttl_s} s)"


async def _publish(stage: Stage, grant: bytes) -> None:
    await stage.attacker.publish(CAR, "grant", grant)


STOLEN_KEY = (
    Step(
        "command service broken into, no PIN authority",
        "refused: wrong-role",
        stolen_command_key,
    ),
    Step(
        "the same, with the PIN authority's name on the evidence",
        "refused: bad-signature",
        evidence_without_signature,
    ),
)
FORGERIES = (
    Step("grant for another car", "refused: wrong-vehicle", grant_for_another_car),
    Step("expired challenge", "refused: challenge-expired", expired_challenge),
    Step("forged key", "refused: unknown-key", forged_key),
    Step("one bit changed", "refused: bad-signature", flipped_bit),
    Step("retained message", "refused: retained, or nothing moves", retained_message),
)
