"""How far a campaign is, on standard error: ten thousand seeds take an hour, and silence looks like a hang."""

from __future__ import annotations

from typing import Final, TextIO

from tcu_sim.bench.simulation.campaign import Sum

EVERY_SEEDS: Final = 250
"""For a file or a pipe: some forty lines of ten thousand seeds. A terminal gets each seed, always in the same line."""
_WIPE: Final = "\r\x1b[K"
"""Source: ECMA-48, 8.3.41 (EL, erase in line)."""


class Progress:
    """Tells it on one stream. `of`: how many seeds there are in all."""

    def __init__(self, stream: TextIO, *, of: int) -> None:
        self._stream = stream
        self._of = of
        self._is_terminal = stream.isatty()
        self._stands = False

    def tell(self, total: Sum) -> None:
        """Say how far it is, if it is time to."""
        line = (
            f"simulate: {total.seeds} of {self._of} seeds, {total.failures} failing,"
            f" {total.vehicle_s / 3600:.1f} vehicle-hours"
        )
        if self._is_terminal:
            self._write(_WIPE + line)
            self._stands = True
        elif total.seeds % EVERY_SEEDS == 0:
            self._write(line + "\n")

    def wipe(self) -> None:
        """Make room for something else on the terminal."""
        if self._stands:
            self._write(_WIPE)
            self._stands = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
