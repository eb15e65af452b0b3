"""The directory that a person names, if it is a bench's: else every command fails at another file of it."""

from __future__ import annotations

from pathlib import Path

from tcu_sim.errors import BadInput
from tcu_sim.pki.layout import Layout


def bench_at(directory: Path) -> Layout:
    """Return the layout of the bench in `directory`.

    Raises:
        BadInput: there is none.
    """
    layout = Layout(directory)
    if not layout.vehicles.exists():
        raise BadInput(
            f"{directory}: no bench (make one: tcu-sim pki init {directory} --vehicle ID)"
        )
    return layout
