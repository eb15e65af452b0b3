"""`tcu-agent run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tcu_agent.errors import BadInput

if TYPE_CHECKING:
    from tcu_agent.config import Config
    from tcu_agent.runtime.agent import Agent

EXIT_BUG = 70
"""sysexits.h, EX_SOFTWARE."""
_ENDING = (signal.SIGTERM, signal.SIGINT)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `run` sub-command."""
    parser = subparsers.add_parser(
        "run",
        help="run the agent",
        description="Run the agent until SIGTERM or SIGINT; a second one ends it at once. It logs "
        "'listening' when CAN is open and 'connected' when "
        "the broker has taken it in; systemd is told READY, STATUS and, if it asks for it, WATCHDOG.",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="tcu.toml")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status.

    Raises:
        BadInput, KeyStoreError: what was configured cannot be used.
    """
    from tcu_agent.config import load
    from tcu_agent.runtime.log_format import set_up_logging

    config = load(args.config)
    set_up_logging(level=config.log.level, form=config.log.format)
    try:
        asyncio.run(_run(config))
    except BaseExceptionGroup as errors:
        bad, others = errors.split(BadInput)
        if others is None and bad is not None:
            raise _first(bad) from errors
        logging.getLogger("tcu_agent").critical("bug", exc_info=errors)
        return EXIT_BUG
    return 0


async def _run(config: Config) -> None:
    agent = _build(config)
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, _stop, agent, loop)
    await agent.run()


def _stop(agent: Agent, loop: asyncio.AbstractEventLoop) -> None:
    """End cleanly; the next signal is the kernel's own to carry out, so that nothing here can hold it up."""
    agent.stop()
    for number in _ENDING:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)


def _build(config: Config) -> Agent:
    from tcu_agent.cli import assembly, degraded
    from tcu_agent.runtime.agent import Agent
    from tcu_agent.runtime.logbook import Logbook
    from tcu_agent.runtime.supervisor import Supervisor

    supervisor = Supervisor(os.environ)
    losses = degraded.Losses(logbook=Logbook(), supervisor=supervisor)
    degraded.tell_of_roots(config, losses)
    trust = degraded.first_trust(config, losses)
    keys = degraded.usable_secoc_keys(config, losses)
    car = assembly.build_car(config, trust=trust[0] if trust else None, secoc_keys=keys)
    world = assembly.build_world(
        config,
        mapping=car.mapping,
        supervisor=supervisor,
        trust=trust[1] if trust else None,
    )
    for warning in (*config.warnings, *car.mapping.warnings()):
        world.around.logbook.warning("unsafe", what=warning)
    return Agent(car=car, world=world)


def _first(group: BaseExceptionGroup[BadInput]) -> BadInput:
    error: BadInput | BaseExceptionGroup[BadInput] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
