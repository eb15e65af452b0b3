"""`tcu-agent doctor`: interface, traffic, broker, clock, keys and storage of this board, now; and what to do."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tcu_agent.errors import BadInput, KeyStoreError, StorageError

if TYPE_CHECKING:
    from tcu_agent.adapters.mapping.mapping import VehicleMapping
    from tcu_agent.config import BusConfig, Config
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
        "beside the agent. Status 2 if something does not work.",
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
        "--json", action="store_true", help="JSON: a list of level, subject, what, advice"
    )
    parser.set_defaults(func=run)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1.0 <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text} is not in 1..600")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status."""
    from tcu_agent.doctor.findings import Level, count

    findings = examine(args.config, listen_s=args.listen_s)
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


def examine(file: Path, *, listen_s: float) -> list[Finding]:
    """Return all findings, those of the files first."""
    import asyncio

    from tcu_agent.cli import check
    from tcu_agent.config import examine_further
    from tcu_agent.doctor.findings import failure, note, ok, warning

    report = check.examine(file)
    found = [failure("files", problem, "") for problem in report.problems]
    found += [warning("files", each, "see `tcu-agent check`") for each in report.warnings]
    found += [note("files", remark) for remark in report.remarks]
    config, _ = examine_further(file)
    if config is None:
        return found
    if not report.problems:
        found.append(ok("files", f"{file} and all that it names"))
    found.extend(_surroundings(config))
    found.extend(asyncio.run(_outside(config, listen_s=listen_s)))
    return found


def _surroundings(config: Config) -> Iterable[Finding]:
    from tcu_agent.adapters.clock import SystemClock
    from tcu_agent.doctor import access, surroundings

    yield from access.examine_owners(config)
    yield from surroundings.examine_clock(SystemClock())
    yield from surroundings.examine_certificate(config, now_s=time.time())
    yield from surroundings.examine_storage(config.state_directory)


async def _outside(config: Config, *, listen_s: float) -> list[Finding]:
    import asyncio

    from tcu_agent.doctor.broker import examine_broker

    mapping = _mapping(config)
    buses = [_bus(bus, config, mapping, listen_s=listen_s) for bus in config.buses]
    brokers = [
        examine_broker(each, vehicle_id=config.vehicle_id) for each in config.mqtt.each_broker
    ]
    # All at once: each waits for the world, and a person waits for them.
    return [finding for found in await asyncio.gather(*buses, *brokers) for finding in found]


def _mapping(config: Config) -> VehicleMapping | None:
    from tcu_agent.cli import assembly

    try:
        return assembly.read_mapping(config)
    except BadInput:  # said already, among the files
        return None


async def _bus(
    bus: BusConfig, config: Config, mapping: VehicleMapping | None, *, listen_s: float
) -> Sequence[Finding]:
    import asyncio

    from tcu_agent.cli import assembly
    from tcu_agent.doctor import access, interface, losses, traffic
    from tcu_agent.doctor.findings import Level, count, note

    subject = f"can.{bus.name}"
    is_kernels = bus.interface == "socketcan"
    found = list(await asyncio.to_thread(interface.examine_interface, bus))
    if is_kernels:
        found.extend(interface.examine_receive_buffer(subject))
    else:
        found.extend(access.examine_device(bus))
    if bus.interface == "virtual":
        return [note(subject, "virtual: a bus inside one process, nobody else can be on it")]
    if count(found, Level.FAILURE) or mapping is None:
        return found
    if bus.interface not in _SHARED_INTERFACES and _is_running(config):
        what = f"{bus.interface} can be opened by one program only, and the agent has it"
        return [*found, note(subject, what, "stop the agent to have the doctor listen")]
    before = await asyncio.to_thread(interface.describe_link, bus.channel) if is_kernels else None
    with progress_of(bus.name, listen_s) as progress:
        heard = await traffic.listen(
            assembly.open_bus(bus), mapping, listen_s=listen_s, progress=progress
        )
    after = await asyncio.to_thread(interface.describe_link, bus.channel) if is_kernels else None
    lost = losses.examine_losses(subject, before=before, after=after, port=heard.port)
    return [*found, *traffic.judge(heard, mapping, bus.name), *lost]


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
    from tcu_agent.adapters.storage.store import FILE_NAME, SqliteState, StateInUse

    if not (config.state_directory / FILE_NAME).exists():
        return False
    try:
        SqliteState(config.state_directory).close()
    except StateInUse:
        return True
    except (StorageError, BadInput, KeyStoreError):
        return False
    return False
