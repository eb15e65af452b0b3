"""`tcu-agent check`: everything that can be wrong before the agent starts, all at once, with nothing started."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tcu_agent.errors import BadInput, DamagedMessageError, KeyStoreError, StorageError

if TYPE_CHECKING:
    from tcu_agent.adapters.mapping.mapping import VehicleMapping
    from tcu_agent.config import Config
    from tcu_agent.ports import StatePort

EXIT_PROBLEMS = 2
_OTHERS = (
    "{}: the trust bundle that is stored is for other roots or another environment: until they fit, the agent would "
    "give ON CALL only (see [trust] roots and [vehicle] environment)"
)


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
        self.has_settings = True
        """Whether the core's settings are the file's own; where they are wrong, nothing can be fitted to them."""

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Turn what is wrong with the files of a person into a problem."""
        try:
            yield
        except (BadInput, KeyStoreError) as error:
            self.problems.append(str(error))
        except StorageError as error:
            self.problems.append(_damaged(str(error)))
        except PermissionError as error:  # a folder on the way to a file is closed to this user
            self.problems.append(f"this user may not look: {error}")


def examine(file: Path) -> Report:
    """Return what is to say about the configuration in `file` and all that it names.

    What one setting names is looked at whatever is wrong with the others.
    """
    from tcu_agent.config import examine_further
    from tcu_agent.config.core_settings import NUMBERS_OF_SECTION

    report = Report()
    config, findings = examine_further(file)
    report.problems.extend(str(problem) for problem in findings.problems)
    if config is not None:
        report.warnings.extend(config.warnings)
        report.has_settings = findings.are_clean("vehicle", *NUMBERS_OF_SECTION)
        for needed, step in _STEPS:
            if findings.are_clean(*needed):
                with report.collecting():
                    step(config, report)
    return report


def _mapping(config: Config, report: Report) -> None:
    from tcu_agent.cli import assembly

    mapping = assembly.read_mapping(config)
    report.warnings.extend(mapping.warnings())
    if report.has_settings:
        with report.collecting():
            assembly.fit_settings(config, mapping)
    with report.collecting():
        _mapped_keys(config, mapping, report)


def _mapped_keys(config: Config, mapping: VehicleMapping, report: Report) -> None:
    from tcu_agent.adapters.can.commands import CommandEncoder
    from tcu_agent.adapters.can.secoc import KEY_BYTES
    from tcu_agent.adapters.storage.volatile_state import VolatileState
    from tcu_agent.runtime.freshness import StoredFreshness

    state = VolatileState()  # nothing is sent, so nothing is reserved
    CommandEncoder(
        mapping,
        keys=dict.fromkeys(config.keys.secoc, bytes(KEY_BYTES)),  # what is in them: `_secoc_keys`
        open_freshness=lambda key: StoredFreshness(key=key, stored={}, state=state),
        first_counter=0,
    )
    used = {secoc.key for bus in mapping.buses.values() for secoc in bus.secoc.values()}
    report.warnings.extend(
        f"the SecOC key {name!r} is configured, but the mapping does not use it"
        for name in sorted(config.keys.secoc.keys() - used)
    )


def _secoc_keys(config: Config, report: Report) -> None:
    from tcu_agent.cli import assembly

    for name, file in config.keys.secoc.items():
        with report.collecting():
            assembly.read_secoc_key(name, file)


def _keys(config: Config, report: Report) -> None:
    from tcu_agent.cli import assembly

    signer = assembly.open_signer(config)
    report.remarks.append(f"signing key {signer.kid.hex()} (COSE algorithm {signer.alg})")


def _password(config: Config, _: Report) -> None:
    from tcu_agent.adapters.cloud.password import read_password

    read_password(config.mqtt)


def _tls_files(config: Config, report: Report) -> None:
    """Look for each by itself: who opens them stops at the first that is missing."""
    report.problems.extend(
        f"{file}: No such file or directory (see [mqtt.tls] {name})"
        for name, file in _of_tls(config)
        if not file.exists()
    )


def _tls(config: Config, _: Report) -> None:
    from tcu_agent.adapters.cloud.tls import client_context

    if config.mqtt.tls is not None and all(file.exists() for _, file in _of_tls(config)):
        client_context(config.mqtt.tls)


def _of_tls(config: Config) -> list[tuple[str, Path]]:
    tls = config.mqtt.tls
    if tls is None:
        return []
    named = (("ca", tls.ca), ("certificate", tls.certificate), ("key", tls.key))
    return [(name, file) for name, file in named if file is not None]


def _trust(config: Config, report: Report) -> None:
    from tcu_agent.cli import assembly

    if not config.trust.roots:  # said already; without them the bundle can be looked for, not into
        if config.trust.bundle is not None:
            assembly.read_bundle(config.trust.bundle)
        return
    trust = assembly.read_trust(config)
    if trust is None:
        report.remarks.append("no first trust bundle: the agent waits for one from the centre")
    else:
        bundle = trust[1].trust
        report.remarks.append(f"trust bundle {bundle.version}, epoch {bundle.epoch}")


def _enrolment(config: Config, _: Report) -> None:
    from tcu_agent.enrolment.enrolling import fitting
    from tcu_agent.enrolment.est import check_authority

    if config.enrolment is not None:
        fitting(config)
        check_authority(config.enrolment.ca)


def _state(config: Config, report: Report) -> None:
    """Look and leave nothing behind: a first start makes the directory itself."""
    from tcu_agent.adapters.storage.state_directory import (
        check_makeable,
        obstacle,
        prepare_directory,
    )

    directory = config.state_directory
    if not directory.exists() and obstacle(directory) is None:
        check_makeable(directory)
        return
    prepare_directory(directory)  # something is there, so this only looks at it
    if not os.access(directory, os.W_OK | os.X_OK):
        report.problems.append(f"{directory}: cannot be written to (see [state] directory)")
        return
    _open_state(config, report)


def _open_state(config: Config, report: Report) -> None:
    from tcu_agent.adapters.storage.store import FILE_NAME, SqliteState, StateInUse

    directory = config.state_directory
    if not (directory / FILE_NAME).exists():
        report.remarks.append("no state yet: the agent starts as a new vehicle")
        return
    try:
        state = SqliteState(directory)
    except StateInUse:
        report.remarks.append(f"{directory}: in use by a running agent, not looked into")
        return
    try:
        _records(config, state.load(), report)
        _messages(state, report)
    finally:
        state.close()


def _records(config: Config, stored: Mapping[str, bytes], report: Report) -> None:
    """Let a core read them, as a start would. What the trust rests on cannot be read without roots, which is said."""
    from tcu_agent.cli import assembly
    from tcu_agent.core.agent import Core
    from tcu_agent.core.durable.records import TRUST
    from tcu_agent.core.durable.restore import closes_remote_services

    if not (report.has_settings and config.trust.roots):
        return
    core = Core(
        settings=config.core,
        boot_id=bytes(8),
        boot_session="",
        stored=stored,
        now=0.0,
        wall=None,
        random=bytes(16),
    )
    for record in core.corrupt:
        what = f"{config.state_directory}: the record {record!r} cannot be read"
        if record == TRUST and assembly.is_of_others(config, stored[TRUST]):
            report.problems.append(_OTHERS.format(config.state_directory))
        elif closes_remote_services(record):
            report.problems.append(_damaged(what))
        else:
            report.warnings.append(f"{what}: taken for none")


def _messages(state: StatePort, report: Report) -> None:
    """Look at all that waits for the centre: what is damaged costs itself only, so it is no reason not to start."""
    seq, has_more = 0, True
    while has_more:
        try:
            messages = state.outbox(after_seq=seq, limit=256)
            seq, has_more = (messages[-1].seq, True) if messages else (seq, False)
        except DamagedMessageError as error:
            seq = error.seq
            report.warnings.append(
                f"{error} (the agent tells the centre that message {seq} is lost)"
            )


def _damaged(what: str) -> str:
    return (
        f"{what} (the agent would give ON CALL only; the state keeps old messages from acting again, "
        "so let nothing but a new enrolment replace it)"
    )


_STEPS: tuple[tuple[tuple[str, ...], Callable[[Config, Report], None]], ...] = (
    (("can.mapping",), _mapping),
    (("keys.secoc",), _secoc_keys),
    (("keys.signing", "keys.pkcs11_module", "keys.pkcs11_pin_file"), _keys),
    (("mqtt.password_file",), _password),
    ((), _tls_files),
    (("mqtt.tls",), _tls),
    (("vehicle.environment", "trust.roots", "trust.bundle"), _trust),
    (("enrolment", "mqtt.tls", "trust.bundle"), _enrolment),
    (("state.directory",), _state),
)
"""Each step, and the settings without which it would look at the wrong thing."""
