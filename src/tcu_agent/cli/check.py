"""`tcu-agent check`: everything that can be wrong before the agent starts, all at once, with nothing started."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tcu_agent.errors import BadInput, KeyStoreError, StorageError

if TYPE_CHECKING:
    from tcu_agent.config import Config

EXIT_PROBLEMS = 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `check` sub-command."""
    parser = subparsers.add_parser(
        "check",
        help="check a configuration without starting",
        description="Check configuration, mapping and DBC, keys and their permissions, TLS files, the trust bundle "
        "against the roots, and the state directory. Lists all problems (status 2), or warnings and 'ok'.",
    )
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="tcu.toml")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Carry out the command; return the exit status."""
    report = examine(args.config)
    for problem in report.problems:
        print(f"problem: {problem}")
    for warning in report.warnings:
        print(f"warning: {warning}")
    for remark in report.remarks:
        print(f"note: {remark}")
    if report.problems:
        print(f"{len(report.problems)} problem(s), {len(report.warnings)} warning(s)")
        return EXIT_PROBLEMS
    print("ok")
    return 0


class Report:
    """What a check found. Warnings are allowed, problems are not, remarks are neither."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.remarks: list[str] = []

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Turn what is wrong with the files of a person into a problem."""
        try:
            yield
        except (BadInput, KeyStoreError) as error:
            self.problems.append(str(error))
        except StorageError as error:
            self.problems.append(_damaged(error))


def examine(file: Path) -> Report:
    """Return what is to say about the configuration in `file` and all that it names."""
    from tcu_agent.config import examine as examine_config

    report = Report()
    config, findings = examine_config(file)
    report.problems.extend(str(problem) for problem in findings.problems)
    if config is not None:
        report.warnings.extend(config.warnings)
        for step in (_mapping, _keys, _link, _trust, _state):
            with report.collecting():
                step(config, report)
    return report


def _mapping(config: Config, report: Report) -> None:
    from tcu_agent.adapters.can_commands import CommandEncoder
    from tcu_agent.adapters.volatile_state import VolatileState
    from tcu_agent.cli import assembly
    from tcu_agent.runtime.freshness import StoredFreshness

    mapping = assembly.read_mapping(config)
    report.warnings.extend(mapping.warnings())
    with report.collecting():
        assembly.fit_settings(config, mapping)
    keys = assembly.read_secoc_keys(config)
    state = VolatileState()  # nothing is sent, so nothing is reserved
    CommandEncoder(
        mapping,
        keys=keys,
        open_freshness=lambda key: StoredFreshness(key=key, stored={}, state=state),
        first_counter=0,
    )
    used = {secoc.key for bus in mapping.buses.values() for secoc in bus.secoc.values()}
    report.warnings.extend(
        f"the SecOC key {name!r} is configured, but the mapping does not use it"
        for name in sorted(keys.keys() - used)
    )


def _keys(config: Config, report: Report) -> None:
    from tcu_agent.adapters.keys import load_signer

    signer = load_signer(config.keys.signing)
    report.remarks.append(f"signing key {signer.kid.hex()} (COSE algorithm {signer.alg})")


def _link(config: Config, report: Report) -> None:
    from tcu_agent.adapters.secret_file import read_secret
    from tcu_agent.adapters.tls import client_context

    if config.mqtt.password_file is not None:
        with report.collecting():
            read_secret(config.mqtt.password_file)
    if config.mqtt.tls is not None:
        client_context(config.mqtt.tls)


def _trust(config: Config, report: Report) -> None:
    from tcu_agent.cli import assembly

    trust = assembly.read_trust(config)
    if trust is None:
        report.remarks.append("no first trust bundle: the agent waits for one from the centre")
    else:
        bundle = trust[1].trust
        report.remarks.append(f"trust bundle {bundle.version}, epoch {bundle.epoch}")


def _state(config: Config, report: Report) -> None:
    """Look without touching: a first start makes the directory itself."""
    directory = config.state_directory
    if not directory.exists():
        parent = next(each for each in directory.parents if each.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            report.problems.append(f"{directory}: cannot be made here (see [state] directory)")
        return
    _open_state(directory, report)


def _open_state(directory: Path, report: Report) -> None:
    from tcu_agent.adapters.store import FILE_NAME, SqliteState, StateInUse

    if not (directory / FILE_NAME).exists():
        report.remarks.append("no state yet: the agent starts as a new vehicle")
        return
    try:
        state = SqliteState(directory)
    except StateInUse:
        report.remarks.append(f"{directory}: in use by a running agent, not looked into")
        return
    try:
        state.load()
    finally:
        state.close()


def _damaged(error: StorageError) -> str:
    return (
        f"{error} (the agent would give ON CALL only; the state keeps old messages from acting again, "
        "so let nothing but a new enrolment replace it)"
    )
