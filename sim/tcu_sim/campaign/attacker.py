"""Someone who has broken into the broker: knows every byte that ever went to the car, and sends it again.

After each restart he repeats what is newest, where a restart might have forgotten, and a draw of all that is older; now
and then everything. In bursts that the agent's inbox can take: what it drops unread would be no attack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from tcu_sim.campaign.town import Town

NEWEST = 25
OLDER = 10
BURST = 10
PAUSE_S = 0.03


async def replay(town: Town, *, rng: Random, everything: bool) -> None:
    """Send again what was recorded before."""
    recorded = list(town.observer.recorded.items())
    chosen = recorded if everything else _choice(recorded, rng)
    for number, (payload, word) in enumerate(chosen):
        town.publish(word, payload)
        town.observer.evidence.replays += 1
        if number % BURST == BURST - 1:
            await asyncio.sleep(PAUSE_S)


def _choice(recorded: Sequence[tuple[bytes, str]], rng: Random) -> list[tuple[bytes, str]]:
    older = recorded[:-NEWEST]
    return [*rng.sample(older, min(OLDER, len(older))), *recorded[-NEWEST:]]
