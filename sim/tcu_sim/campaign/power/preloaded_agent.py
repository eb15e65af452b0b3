"""Agents that start at once: python -m tcu_sim.campaign.power.preloaded_agent.

Loads the agent's modules once, then obeys lines of standard input, one agent a line: `[POINT, NUMBER] run -c FILE` as a
JSON array. Each agent is a fork in a session of its own that runs the agent's own command line, and is killed as such.
For user-mode Linux, where loading takes ten seconds and more. What the agents print goes to standard output; so do
lines `agent PID` and `dead PID STATUS` (minus the signal's number, where a signal has ended it).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import suppress

from tcu_agent.cli.main import main
from tcu_sim.campaign.mine import Mine
from tcu_sim.campaign.mined_agent import plant

LOADED_BY_RUN = (
    "tcu_agent.adapters.can.bus",
    "tcu_agent.cli.assembly",
    "tcu_agent.cli.degraded",
    "tcu_agent.config",
    "tcu_agent.runtime.agent",
)
"""What `run` loads only when it is asked to run."""


def preload() -> None:
    """Load all that the forks need, and say so."""
    for name in LOADED_BY_RUN:
        importlib.import_module(name)
    _say("preloaded")


def serve() -> None:
    """Start what is asked for and say how it ends, until standard input ends. One agent at a time."""
    for line in sys.stdin:
        words = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_agent(words)
        _say(f"agent {pid}")
        _, status = os.waitpid(pid, 0)
        _say(f"dead {pid} {os.waitstatus_to_exitcode(status)}")


def _be_agent(words: list[str]) -> None:
    os.setsid()
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if words[0] != "run":
        plant(Mine(point=words[0], number=int(words[1])))
        words = words[2:]
    status = 70
    try:
        status = main(words)
    finally:
        sys.stdout.flush()
        os._exit(status)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    preload()
    serve()
