"""Short sequences that lots alone hardly ever draw: each leads up to a moment at which one safeguard is all there is.

They are steps like any other, and everything around them happens as the lots fall.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from tcu_sim.bench.simulation.step import Step

RELOCK_S: Final = 125.0
"""Until a re-lock is due, and a little more."""


def _ask(service: str, *, for_s: float, **more: Any) -> Step:
    return Step("ask", {"service": service, "after_s": 0.05, "grants": 1, "for_s": for_s, **more})


def _armed(window_s: int) -> Step:
    return _ask("armed", for_s=0.5, window_s=window_s, plate_after_s=None)


def _tracking(rng: Random, duration_s: int) -> Step:
    interval_s = rng.choice([5, 20])
    return _ask("tracking", for_s=3.0, interval_s=interval_s, duration_s=duration_s)


def _fuse(rng: Random, *points: str) -> Step:
    return Step(
        "fuse",
        {
            "point": rng.choice(points),
            "number": rng.randint(1, 2),
            "off_s": rng.choice([0.5, 5.0]),
            "how": rng.choice(["power", "process"]),
        },
    )


def _armed_for_the_last_owner(rng: Random) -> list[Step]:
    return [
        _armed(rng.choice([30, 120])),
        Step("account", {"change": rng.choice(["pin", "owner"])}),
        Step("person", {"act": "plate", "door": "tailgate"}),
    ]


def _late_plate(rng: Random) -> list[Step]:
    return [
        _armed(10),
        Step("wait", {"s": rng.choice([8.0, 25.0])}),
        Step("person", {"act": "plate", "door": "tailgate"}),
    ]


def _cut_off_unlock(rng: Random) -> list[Step]:
    points = ("AFTER_COMMIT", "BEFORE_COMMAND", "AFTER_COMMAND")
    return [_fuse(rng, *points), _ask("unlock", for_s=10.0), Step("wait", {"s": 3.0})]


def _relock_cut_off(rng: Random) -> list[Step]:
    """The lock frame was out, the car did not lock, and the power failed: whoever tries again tries twice."""
    fuse = _fuse(rng, "AFTER_COMMAND")
    return [
        _ask("unlock", for_s=10.0),
        Step("car", {"is": rng.choice(["never", "boast"]), "late_s": 1.0}),
        Step("fuse", {**fuse.of, "number": 1}),
        Step("wait", {"s": RELOCK_S}),
        Step("wait", {"s": RELOCK_S}),
    ]


def _unlocked_too_late(rng: Random) -> list[Step]:
    late = {"is": rng.choice(["late", "silent", "never"]), "late_s": 7.0}
    return [Step("car", late), _ask("unlock", for_s=40.0), Step("wait", {"s": RELOCK_S})]


def _tracking_cut_off(rng: Random) -> list[Step]:
    cut = {"off_s": rng.choice([0.5, 5.0]), "how": "process"}
    return [
        _tracking(rng, 40),
        Step("wait", {"s": 8.0}),
        Step("cut", cut),
        Step("wait", {"s": 60.0}),
    ]


def _tracking_to_its_end(rng: Random) -> list[Step]:
    return [_tracking(rng, rng.choice([10, 40])), Step("wait", {"s": 125.0})]


def _forged(rng: Random) -> list[Step]:
    """Evidence in the PIN authority's name, for a challenge that waits for its grant."""
    asked = _ask(rng.choice(["unlock", "armed", "snapshot"]), for_s=0.5, window_s=30)
    return [
        Step("ask", {**asked.of, "grants": 0}),
        Step(
            "attack", {"how": "forge", "which": -1, "other": 0, "bit": rng.choice([0, 1, 2, 2, 2])}
        ),
        Step("person", {"act": "plate", "door": "tailgate"}),
    ]


def _said_into_the_void(rng: Random) -> list[Step]:
    """The network loses what the broker has acknowledged: people are at the car, and each lock is an event."""
    lossy = {"loss": 0.6, "copies": 0.0, "delay_s": 0.0}
    return [
        Step("network", lossy),
        Step("person", {"act": "unlock", "door": "front-left"}),
        Step("wait", {"s": rng.choice([1.0, 3.0])}),
        Step("person", {"act": rng.choice(["open", "lock"]), "door": "front-left"}),
        Step("wait", {"s": rng.choice([1.0, 3.0])}),
    ]


def _cut(off_s: float, *, right: bool = False) -> Step:
    return Step("cut", {"off_s": off_s, "how": "power", "right": right})


def _ran_ahead_and_was_set_right_without_power(rng: Random) -> list[Step]:
    """Nothing kept it right when the rest was stored: it may be no proof of how long the power was off."""
    return [
        Step("wall", {"by_s": rng.choice([30, 60]), "forged": False}),
        _ask("tracking", for_s=3.0, interval_s=5, duration_s=120),
        Step("wait", {"s": rng.choice([3.0, 8.0])}),
        _cut(60.0, right=True),
        Step("wait", {"s": 125.0}),
    ]


def _ran_ahead_for_a_while(rng: Random) -> list[Step]:
    """Its keeper was deceived, too; it was seen right again before the power failed."""
    return [
        Step("wall", {"by_s": rng.choice([60, 3600]), "forged": True}),
        _ask("tracking", for_s=8.0, interval_s=60, duration_s=120),
        Step("wall", {"by_s": 0, "forged": False}),
        Step("wait", {"s": 12.0}),
        _cut(60.0),
        Step("wait", {"s": 125.0}),
    ]


def _all_numbers_used_up(rng: Random) -> list[Step]:
    """The command key is stolen, and the car starts again with what it remembers of the thief."""
    spend = {"how": "spend", "which": 0, "other": 0, "bit": rng.choice([0, 1])}
    again = Step("cut", {**_cut(0.5).of, "how": rng.choice(["power", "process"])})
    rotate = Step("trust", {"change": rng.choice(["rotate", "revoke"]), "role": "COMMAND"})
    return [
        Step("attack", spend),
        Step("wait", {"s": 1.0}),
        *rng.choice([[again, rotate], [rotate, again]]),
        Step("wait", {"s": 1.0}),
        _ask("unlock", for_s=10.0),
    ]


THIEF_PLOTS: Final[tuple[Callable[[Random], list[Step]], ...]] = (_all_numbers_used_up,)
CLOCK_PLOTS: Final[tuple[Callable[[Random], list[Step]], ...]] = (
    _ran_ahead_and_was_set_right_without_power,
    _ran_ahead_for_a_while,
)
PLOTS: Final[tuple[Callable[[Random], list[Step]], ...]] = (
    _armed_for_the_last_owner,
    _late_plate,
    _cut_off_unlock,
    _relock_cut_off,
    _unlocked_too_late,
    _tracking_cut_off,
    _tracking_to_its_end,
    _forged,
    _said_into_the_void,
)
