"""Deterministic simulation: any history of people, network, attacker, clocks, crashes and faults, from one seed."""
