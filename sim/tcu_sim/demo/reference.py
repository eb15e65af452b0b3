"""Where the reference vehicle's CAN database lies: the agent's distribution ships it as data."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tcu_sim.errors import BadInput


def reference_dbc() -> Path:
    """Return the path of reference.dbc.

    Raises:
        BadInput: tcu-agent is not installed beside the simulator.
    """
    spec = find_spec("tcu_agent")
    if spec is None or spec.origin is None:
        raise BadInput("tcu-agent is not installed; name the database with --dbc")
    return Path(spec.origin).parent / "dbc" / "reference.dbc"
