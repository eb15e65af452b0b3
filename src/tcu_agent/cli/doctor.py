"""`tcu-agent doctor`: interface, traffic, broker, clock, keys and storage of this board, now; and what to do."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tcu_agent.errors import BadInput, KeyStoreError, StorageError

if TYPE_CHECKING:
    from tcu_agent.adapters.mapping.mapping import VehicleMapping
    from tcu_agent.config import BusConfig, Config
    from tcu_agent.doctor.board import Board
    from tcu_agent.doctor.findings import Finding
    from tcu_agent.doctor.traffic import Progress

EXIT_FAILURES = 2
_SHARED_INTERFACES = {"socketcan"}
"""What several programs may open at the same time."""
_LONGEST_S = 600.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `doctor` sub-command."""
    parser = subparsers.add_parser(
        "doctor",
        help="find out why it does not work on this board",
        description="Look at everything that `check` cannot: the CAN interface, the live traffic against DBC and "
        "mapping, the way to the broker, clock, certificate, storage. Sends no frame and publishes nothing; may run "
        "beside the agent, for who shows the broker a certificate or a user name is not logged in (but see --log-in). "
        "Status 2 if something does not work.",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="tcu.toml")
    parser.add_argument(
        "--listen-s",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="how long to listen to each bus, 1 to 600 seconds (default 10)",
    )
    parser.add_argument(
        "--log-in",
        action="store_true",
        help="log in to the broker in any case, and ask for the vehicle's topics. Where the broker knows the vehicle "
        "by its certificate or user name (the shipped one does) that ends the agent's connection and erases the "
        "requests that wait for the vehicle",
    )
    parser.add_argument(
        "--json", action="store_true", help="JSON: a list of level, subject, what, advice"
    )
    parser.set_defaults(func=run)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds in 1..600")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status."""
    from tcu_agent.doctor.findings import Level, count

    findings = examine(args.config, listen_s=args.listen_s, logs_in=args.log_in)
    if args.json:
        told = [
            {
                "level": each.level.value,
                "subject": each.subject,
                "what": each.what,
                "advice": each.advice,
            }
            for each in findings
        ]
        print(json.dumps(told, indent=1))
    else:
        for finding in findings:
            print("\n".join(finding.lines()))
        failures, warnings = count(findings, Level.FAILURE), count(findings, Level.WARNING)
        print(f"{failures} failure(s), {warnings} warning(s)")
    return EXIT_FAILURES if count(findings, Level.FAILURE) else 0


def examine(
    file: Path, *, listen_s: float, board: Board | None = None, logs_in: bool = False
) -> list[Finding]:
    """Return all findings, those of the files first. `board`: this one; `logs_in`: to the broker in any case."""
    import asyncio

    from tcu_agent.config import examine_further
    from tcu_agent.doctor.board import Board
    from tcu_agent.doctor.examination import attempted

    board = board or Board()
    found = attempted("files", lambda: _files(file))
    config, _ = examine_further(file)
    if config is None:
        return found
    found.extend(_surroundings(config, board))
    found.extend(asyncio.run(_outside(config, board, listen_s=listen_s, logs_in=logs_in)))
    return found


def _files(file: Path) -> Iterable[Finding]:
    from tcu_agent.cli import check
    from tcu_agent.doctor.findings import failure, note, ok, warning

    report = check.examine(file)
    yield from (failure("files", problem, "") for problem in report.problems)
    yield from (warning("files", each, "see `tcu-agent check`") for each in report.warnings)
    yield from (note("files", remark) for remark in report.remarks)
    if not report.problems:
        yield ok("files", f"{file} and all that it names")


def _surroundings(config: Config, board: Board) -> Iterable[Finding]:
    from tcu_agent.adapters.clock import SystemClock
    from tcu_agent.doctor import access, surroundings
    from tcu_agent.doctor.examination import attempted

    yield from attempted("access", lambda: access.examine_owners(config, user=board.user))
    yield from attempted("clock", lambda: surroundings.examine_clock(SystemClock()))
    yield from attempted(
        "certificate", lambda: surroundings.examine_certificate(config, now_s=time.time())
    )
    yield from attempted("storage", lambda: surroundings.examine_storage(config.state_directory))


async def _outside(
    config: Config, board: Board, *, listen_s: float, logs_in: bool
) -> list[Finding]:
    import asyncio

    from tcu_agent.doctor.broker import examine_broker
    from tcu_agent.doctor.examination import attempted_outside

    mapping = _mapping(config)
    buses = [
        attempted_outside(
            f"can.{bus.name}", _bus(bus, config, mapping, board=board, listen_s=listen_s)
        )
        for bus in config.buses
    ]
    brokers = [
        attempted_outside(
            "broker", examine_broker(each, vehicle_id=config.vehicle_id, logs_in=logs_in)
        )
        for each in config.mqtt.each_broker
    ]
    # All at once: each waits for the world, and a person waits for them.
    return [finding for found in await asyncio.gather(*buses, *brokers) for finding in found]


def _mapping(config: Config) -> VehicleMapping | None:
    from tcu_agent.cli import assembly

    try:
        return assembly.read_mapping(config)
    except (BadInput, OSError):  # said already, among the files
        return None


def _secoc_keys(config: Config) -> Mapping[str, bytes]:
    """Return those that can be used; what is wrong with the others is said already, among the files."""
    from tcu_agent.cli import assembly

    keys = {}
    for name, file in config.keys.secoc.items():
        with suppress(KeyStoreError, OSError):
            keys[name] = assembly.read_secoc_key(name, file)
    return keys


async def _bus(
    bus: BusConfig,
    config: Config,
    mapping: VehicleMapping | None,
    *,
    board: Board,
    listen_s: float,
) -> Sequence[Finding]:
    import asyncio

    from tcu_agent.doctor.examination import attempted, attempted_outside
    from tcu_agent.doctor.findings import note

    subject = f"can.{bus.name}"
    found = await asyncio.to_thread(
        attempted, subject, lambda: board.examine_way_in(bus, subject=subject)
    )
    if bus.interface == "virtual":
        return [note(subject, "virtual: a bus inside one process, nobody else can be on it")]
    if mapping is None or any(each.ends for each in found):
        return found
    if bus.interface not in _SHARED_INTERFACES and _is_running(config):
        what = f"{bus.interface} can be opened by one program only, and the agent has it"
        return [*found, note(subject, what, "stop the agent to have the doctor listen")]
    heard = _traffic(bus, mapping, board=board, listen_s=listen_s, keys=_secoc_keys(config))
    return [*found, *await attempted_outside(subject, heard)]


async def _traffic(
    bus: BusConfig,
    mapping: VehicleMapping,
    *,
    board: Board,
    listen_s: float,
    keys: Mapping[str, bytes],
) -> Sequence[Finding]:
    import asyncio

    from tcu_agent.cli import assembly
    from tcu_agent.doctor import losses, traffic

    before = await asyncio.to_thread(board.link_of, bus)
    with progress_of(bus.name, listen_s) as progress:
        heard = await traffic.listen(
            assembly.open_bus(bus), mapping, listen_s=listen_s, keys=keys, progress=progress
        )
    after = await asyncio.to_thread(board.link_of, bus)
    lost = losses.examine_losses(f"can.{bus.name}", before=before, after=after, port=heard.port)
    return [*traffic.judge(heard, mapping, bus.name), *lost]


@contextmanager
def progress_of(bus: str, listen_s: float, *, to: TextIO | None = None) -> Iterator[Progress]:
    """Yield what tells on standard error how far the listening is: one line that is written anew on a terminal."""
    stream = to or sys.stderr
    first = True

    def tell(seconds: float, frames: int) -> None:
        nonlocal first
        if stream.isatty():
            text = f"\rlistening to {bus}: {seconds:.0f} of {listen_s:g} s, {frames} frames "
            print(text, end="", file=stream, flush=True)
        elif first:
            print(f"listening to {bus} for {listen_s:g} s ...", file=stream, flush=True)
        first = False

    yield tell
    if stream.isatty() and not first:
        print(file=stream, flush=True)


def _is_running(config: Config) -> bool:
    """Return whether the agent has the state, and so the buses; unknown counts as no, for opening says it then."""
    from tcu_agent.adapters.storage.store import FILE_NAME, SqliteState, StateInUse

    try:
        if not (config.state_directory / FILE_NAME).exists():
            return False
        SqliteState(config.state_directory).close()
    except StateInUse:
        return True
    except (StorageError, BadInput, KeyStoreError, OSError):
        return False
    return False
