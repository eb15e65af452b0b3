"""What a frame of a busy bus costs a program that listens: ours, the usual way, and the plainest. On `virtual`.

The usual way in asyncio is python-can's `Notifier(loop=)` with `decode_message`; the plainest a thread that does
nothing else. Each way listens in a process of its own to the same five seconds of a real drive at their own pace.

Who loses frames has not worked for them, and who is divided by fewer looks dear: so both are told, the cost of a frame
that was sent and of one that was noticed, and how many the others lost. Where ours loses one, the round does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.drive import CASES
from benchmarks.figures import Figure, compared

_SECONDS = 5.0
_TARGET = 5.0
_OURS = "ours"
_OTHERS = {"notifier": "Notifier(loop=) and decode_message", "blocking": "a blocking loop"}
_TRIES = 3
"""A machine that is busy with other things may make us lose frames once; not thrice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """One way, one round. `cpu_s`: of listening."""

    sent: int
    noticed: int
    cpu_s: float

    @property
    def lost(self) -> int:
        """Frames sent and not noticed."""
        return max(0, self.sent - self.noticed)

    def cost_us(self, per: str) -> float:
        """Return CPU microseconds a frame that was ``sent`` or ``noticed``."""
        return self.cpu_s / (self.sent if per == "sent" else max(1, self.noticed)) * 1e6


def measure(rounds: int) -> Iterator[Figure]:
    """Yield CPU microseconds a frame against both others, for each database."""
    yield from compare("virtual", "benchmark", rounds=rounds, target=_TARGET)


def compare(interface: str, channel: str, *, rounds: int, target: float) -> Iterator[Figure]:
    """Yield the figures of one interface.

    Raises:
        SystemExit: ours lost frames however often it was tried.
    """
    for case in CASES:
        found: dict[str, list[Listened]] = {_OURS: [], **{way: [] for way in _OTHERS}}
        for _ in range(rounds):
            for way, results in found.items():
                results.append(_without_loss(way, interface, channel, case))
        yield from figures_of(f"{interface}, {case} database", found, target=target)
        if interface != "virtual":
            as_it_is = _listened("notifier", interface, channel, case, has_room=False)
            yield Figure(
                name=f"{interface}, {case} database: the usual way with the socket as python-can opens it loses",
                value=100 * as_it_is.lost / as_it_is.sent,
                unit="% of the frames",
            )


def figures_of(
    where: str, found: Mapping[str, Sequence[Listened]], *, target: float
) -> Iterator[Figure]:
    """Yield the cost of a frame sent, against which the target is, and of a frame noticed, for each other way."""
    for way, words in _OTHERS.items():
        lost = median(one.lost / one.sent for one in found[way])
        against = f"{words}, which lost {100 * lost:.1f} %" if lost else words
        for per in ("sent", "noticed"):
            yield compared(
                f"{where}: CPU a frame {per}",
                ours=[one.cost_us(per) for one in found[_OURS]],
                others=[one.cost_us(per) for one in found[way]],
                unit="us",
                against=against,
                target=target if (way, per) == ("notifier", "sent") else None,
            )


def _without_loss(way: str, interface: str, channel: str, case: str) -> Listened:
    """Listen once; ours again if it lost a frame."""
    for _ in range(_TRIES):
        found = _listened(way, interface, channel, case)
        if way != _OURS or not found.lost:
            return found
        print(f"{found.lost} of {found.sent} frames lost by ours: not counted", file=sys.stderr)
    raise SystemExit(f"ours lost frames {_TRIES} times in a row on {interface}: no fair figure")


def _listened(
    way: str, interface: str, channel: str, case: str, *, has_room: bool = True
) -> Listened:
    """Let a way listen in a process of its own. `has_room`: every way's socket gets as much room as ours."""
    options = {"way": way, "interface": interface, "channel": channel, "case": case}
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    arguments += ["--seconds", str(_SECONDS), *(["--room"] if has_room else [])]
    command = (sys.executable, "-m", "benchmarks.listeners", *arguments)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- this very program
    return Listened(**json.loads(done.stdout))
