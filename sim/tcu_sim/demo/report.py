"""How the demo speaks: a line a step for people, a JSON object a step for machines."""

from __future__ import annotations

import json
import sys
from typing import Protocol, TextIO

from typing_extensions import override

from tcu_sim.demo.story import Verdict


class Report(Protocol):
    """Where the demo tells what happens."""

    def say(self, text: str) -> None:
        """Tell something about the set-up or the end."""

    def tell(self, verdict: Verdict) -> None:
        """Tell what became of a step."""

    def close(self, *, as_expected: int, steps: int) -> None:
        """Tell the last line."""


class PlainReport(Report):
    """For people; everything on one stream. The last line is a promise that scripts read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @override
    def say(self, text: str) -> None:
        self._line(f"demo: {text}")

    @override
    def tell(self, verdict: Verdict) -> None:
        state = "ok" if verdict.ok else "FAILED"
        self._line(f"{verdict.number:>2}. {verdict.step} ({verdict.expected})")
        self._line(f"    {state:<6} {verdict.duration_s:5.1f} s  seen: {verdict.seen}")

    @override
    def close(self, *, as_expected: int, steps: int) -> None:
        self._line(f"demo: {as_expected} of {steps} steps as expected")

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class JsonReport(Report):
    """One object a step on stdout and nothing else there; the rest goes to stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @override
    def say(self, text: str) -> None:
        sys.stderr.write(f"demo: {text}\n")

    @override
    def tell(self, verdict: Verdict) -> None:
        line = {
            "step": verdict.step,
            "expected": verdict.expected,
            "seen": verdict.seen,
            "ok": verdict.ok,
            "number": verdict.number,
            "duration_s": round(verdict.duration_s, 3),
        }
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()

    @override
    def close(self, *, as_expected: int, steps: int) -> None:
        self.say(f"{as_expected} of {steps} steps as expected")
