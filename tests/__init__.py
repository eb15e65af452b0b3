"""Tests of the agent, the simulator and of the repository itself."""
