"""What can happen, as data: a history is a list of steps, drawn from one seed, written as JSON, shrunk, replayed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from tcu_sim.bench.fuse import Point
from tcu_sim.bench.simulation.plots import CLOCK_PLOTS, PLOTS, THIEF_PLOTS
from tcu_sim.bench.simulation.step import Step
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.vehicle.reference import Door

LEAST_STEPS, MOST_STEPS = 4, 20
SHARE: Final = 0.45
SHARE_OF_PLOTS: Final = 0.5
SHARE_OF_CLOCKS: Final = 0.08
SHARE_OF_THIEVES: Final = 0.05
ALWAYS: Final = frozenset({"ask", "wait"})
ANY_NUMBER: Final = 1_000_000
WAITS_S: Final = (0.01, 0.3, 1.0, 3.0, 8.0, 25.0, 60.0, 125.0, 125.0, 600.0, 3600.0, 6 * 3600.0)
WAYS_ON_THE_BUS: Final = (
    "lock-status",
    "usage-mode",
    "command",
    "replay",
    "replay-command",
    "dlc",
    "odd",
    "wake",
    "babble",
)
DAYS_10_YEARS: Final = 3650 * 86_400


def history(seed: int) -> list[Step]:
    """Return the history of a seed.

    Each history leaves out about half of the things that can happen, so that what is left can unfold: a run in which
    everything fails at once never gets to the interesting places. Every second one has a plot in it.
    """
    rng = Random(f"history {seed}")
    weights = [
        weight if name in ALWAYS or rng.random() < SHARE else 0
        for name, (weight, _) in DRAWS.items()
    ]
    length = rng.randint(LEAST_STEPS, MOST_STEPS)
    names = rng.choices(list(DRAWS), weights, k=length)
    steps = [Step(name, DRAWS[name][1](rng)) for name in names]
    if rng.random() < SHARE_OF_PLOTS:
        at = rng.randint(0, len(steps))
        steps[at:at] = rng.choice(PLOTS)(rng)
    # Lots of their own: what else happens in a history stays what it was before there were any.
    lots = Random(f"clocks {seed}")
    if lots.random() < SHARE_OF_CLOCKS:
        at = lots.randint(0, len(steps))
        steps[at:at] = lots.choice(CLOCK_PLOTS)(lots)
    lots = Random(f"thieves {seed}")
    if lots.random() < SHARE_OF_THIEVES:
        at = lots.randint(0, len(steps))
        steps[at:at] = lots.choice(THIEF_PLOTS)(lots)
    return steps


Draw = Callable[[Random], dict[str, Any]]


def _nothing(_: Random) -> dict[str, Any]:
    return {}


def _wait(rng: Random) -> dict[str, Any]:
    return {"s": rng.choice(WAITS_S)}


def _ask(rng: Random) -> dict[str, Any]:
    service = rng.choices(
        ["unlock", "armed", "snapshot", "tracking", "link", "add", "end", "state"],
        [20, 12, 6, 12, 2, 2, 1, 1],
    )[0]
    asked: dict[str, Any] = {
        "service": service,
        "after_s": rng.choice([0.05, 0.05, 0.05, 0.05, 1.0, 10.0, 29.0, 31.0, 90.0]),
        "grants": rng.choice([1, 1, 1, 1, 2, 0]),
        "for_s": rng.choice([0.5, 3.0, 3.0, 10.0, 40.0]),
    }
    if service == "armed":
        asked["window_s"] = rng.choice([10, 30, 120])
        asked["plate_after_s"] = rng.choice([None, 1.0, 3.0, 9.0, 31.0])
    if service == "tracking":
        asked["interval_s"] = rng.choice([5, 20, 60])
        asked["duration_s"] = rng.choice([10, 40, 120])
    return asked


def _person(rng: Random) -> dict[str, Any]:
    return {
        "act": rng.choice(
            ["open", "close", "lock", "unlock", "plate", "plate", "drive", "park", "leave", "enter"]
        ),
        "door": rng.choice([door.value for door in Door]),
    }


def _press(rng: Random) -> dict[str, Any]:
    return {"for_s": rng.choice([0.05, 0.5, 0.5, 0.5, 2.5, 12.0])}


def _call(rng: Random) -> dict[str, Any]:
    return {"state": rng.choice([1, 2, 2, 3, 4]), "which": rng.randrange(ANY_NUMBER)}


def _case_end(rng: Random) -> dict[str, Any]:
    return {"which": rng.randrange(ANY_NUMBER)}


def _network(rng: Random) -> dict[str, Any]:
    return {
        "loss": rng.choice([0.0, 0.0, 0.2, 0.6]),
        "copies": rng.choice([0.0, 0.3, 0.9]),
        "delay_s": rng.choice([0.0, 0.0, 0.5, 5.0, 40.0]),
    }


def _broker(rng: Random) -> dict[str, Any]:
    return {"is": rng.choice(["cut", "cut", "gone", "back", "deaf", "hearing", "refusing"])}


def _attack(rng: Random) -> dict[str, Any]:
    return {
        "how": rng.choice(
            ["replay", "replay", "retained", "flip", "mix", "mix", "forge", "pin-key", "storm"]
        ),
        "which": rng.randrange(ANY_NUMBER),
        "other": rng.randrange(ANY_NUMBER),
        "bit": rng.randrange(ANY_NUMBER),
    }


def _intrude(rng: Random) -> dict[str, Any]:
    return {
        "how": rng.choice(WAYS_ON_THE_BUS),
        "which": rng.randrange(ANY_NUMBER),
        "other": rng.randrange(ANY_NUMBER),
        "bit": rng.randrange(ANY_NUMBER),
    }


def _back_end(rng: Random) -> dict[str, Any]:
    return {"which": rng.choice([0, 1])}


def _wall(rng: Random) -> dict[str, Any]:
    return {
        "by_s": rng.choice([None, -DAYS_10_YEARS, DAYS_10_YEARS, -3600, 3600, 60]),
        "forged": False,
    }


def _suspend(rng: Random) -> dict[str, Any]:
    return {"s": rng.choice([1.0, 20.0, 60.0, 3600.0])}


def _off(rng: Random) -> dict[str, Any]:
    return {"off_s": rng.choice([0.5, 5.0, 40.0, 600.0]), "how": rng.choice(["power", "process"])}


def _cut(rng: Random) -> dict[str, Any]:
    return {**_off(rng), "right": False}


def _fuse(rng: Random) -> dict[str, Any]:
    return {
        "point": rng.choice([point.name for point in Point]),
        "number": rng.randint(1, 6),
        **_off(rng),
    }


def _disk(rng: Random) -> dict[str, Any]:
    return {"failing": rng.choice([1, 1, 2, 5])}


def _can(rng: Random) -> dict[str, Any]:
    return {
        "is": rng.choice(["lost", "gone", "back", "full", "drained", "failing", "doubtful", "back"])
    }


def _car(rng: Random) -> dict[str, Any]:
    return {"is": rng.choice([kind.value for kind in Behaviour]), "late_s": rng.choice([1.0, 7.0])}


def _jam(rng: Random) -> dict[str, Any]:
    return {
        "door": rng.choice([door.value for door in Door]),
        "is": rng.choice(["holds", "halfway", "free", "free"]),
    }


def _e2e(rng: Random) -> dict[str, Any]:
    return {
        "of": rng.choice(["locks", "button"]),
        "is": rng.choice(["ok", "wrong-crc", "stuck-counter"]),
    }


def _account(rng: Random) -> dict[str, Any]:
    return {"change": rng.choice(["pin", "pin", "owner", "forget-users", "again"])}


def _trust(rng: Random) -> dict[str, Any]:
    return {
        "change": rng.choice(["again", "rotate", "rotate", "revoke", "epoch"]),
        "role": rng.choice(["COMMAND", "COMMAND", "PIN_AUTHORITY", "ACCOUNT", "THEFT_DESK"]),
    }


DRAWS: Final[dict[str, tuple[int, Draw]]] = {
    "wait": (14, _wait),
    "ask": (36, _ask),
    "person": (14, _person),
    "press": (5, _press),
    "call": (3, _call),
    "case-end": (2, _case_end),
    "network": (4, _network),
    "calm": (3, _nothing),
    "broker": (4, _broker),
    "attack": (10, _attack),
    "intrude": (8, _intrude),
    "back-end": (3, _back_end),
    "wall": (2, _wall),
    "suspend": (3, _suspend),
    "cut": (3, _cut),
    "fuse": (7, _fuse),
    "restart": (2, _off),
    "disk": (4, _disk),
    "corrupt": (1, _off),
    "can": (4, _can),
    "car": (4, _car),
    "jam": (2, _jam),
    "e2e": (2, _e2e),
    "account": (4, _account),
    "trust": (2, _trust),
}
"""Name of a step: how often it comes, and how its values are drawn."""
