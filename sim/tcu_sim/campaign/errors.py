"""Errors of this room, below the simulator's root."""

from __future__ import annotations

from tcu_sim.errors import SimulatorError


class CampaignError(SimulatorError):
    """The campaign itself cannot go on: nothing is said about the agent."""
