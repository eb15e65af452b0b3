"""Reads tcu.toml: shape, kinds, ranges, and what only two settings together can get wrong."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast

from tcu_agent.config.board import read_suspend_command
from tcu_agent.config.brokers import read_brokers
from tcu_agent.config.can_bus import read_bus
from tcu_agent.config.core_settings import read_core_settings
from tcu_agent.config.enrolment import read_enrolment
from tcu_agent.config.outbox import read_outbox
from tcu_agent.config.roots import read_roots
from tcu_agent.config.schema import (
    Config,
    KeysConfig,
    LogConfig,
    MqttConfig,
    MqttProtocol,
    TlsConfig,
    TrustConfig,
)
from tcu_agent.config.signing_key import read_signing_key
from tcu_agent.config.table import Findings, Table, read_toml
from tcu_agent.core.settings import CoreSettings
from tcu_agent.errors import BadInput, ConfigError

SCHEMA = 1
REFERENCE_MAPPING = Path(__file__).parent.parent / "dbc" / "reference.toml"
LEVELS = ("debug", "info", "warning", "error")
_DAY_S = 86_400
MOST_TIMEOUT_S = 300
"""TCP, TLS and CONNECT have it together: three round trips, and more than that at 30 s each way."""
_VIN = re.compile("[A-HJ-NPR-Z0-9]{17}")
"""Source: ISO 3779: no I, O and Q."""


def load(file: Path) -> Config:
    """Return the configuration. A damaged roots file alone does not stop it: see `TrustConfig.problems`.

    Raises:
        ConfigError: wrong; the message has every problem, one a line.
    """
    config, findings = examine_further(file)
    if config is None or len(findings.problems) > len(config.trust.problems):
        raise _joined(findings.problems)
    return config


def examine(file: Path) -> tuple[Config | None, Findings]:
    """Return the configuration (None where it has problems), and everything that came up."""
    config, findings = examine_further(file)
    return (None if findings.problems else config), findings


def examine_further(file: Path) -> tuple[Config | None, Findings]:
    """As `examine`, but of a file with problems return what there is, with a stand-in for each wrong value.

    `Findings.are_clean` says which values are the file's own. None only where nothing can be read at all.
    """
    findings = Findings(file)
    try:
        top = Table(read_toml(file), key="", findings=findings)
    except ConfigError as error:
        findings.problems.append(error)
        return None, findings
    schema = top.integer("schema", low=1, high=2**31)
    if "schema" in top and schema != SCHEMA:
        if findings.are_clean("schema"):
            hint = "start the agent that it was written for"
            top.problem("schema", f"this agent reads schema {SCHEMA}, not {schema}", hint)
        return None, findings
    config = _read(top, findings)
    top.finish()
    return config, findings


def _read(top: Table, findings: Findings) -> Config:
    can, trust_table, state = top.table("can"), top.table("trust"), top.table("state")
    trust = _read_trust(trust_table, findings)
    core = read_core_settings(top, roots=trust.roots, threshold=trust.threshold)
    warnings: list[str] = []
    mqtt = _read_mqtt(top.table("mqtt"), top, warnings)
    buses = tuple(read_bus(name, table) for name, table in can.tables("bus").items())
    if not buses:
        can.problem("bus", "no CAN bus is configured", "add a section [can.bus.NAME]")
    mapping = can.optional_path("mapping") or REFERENCE_MAPPING
    can.finish()
    keys, log = _read_keys(top.table("keys")), _read_log(top.table("log"))
    directory = state.path("directory")
    state.finish()
    return Config(
        file=findings.file,
        mapping=mapping,
        buses=buses,
        mqtt=mqtt,
        keys=keys,
        trust=trust,
        state_directory=directory,
        log=log,
        enrolment=read_enrolment(top),
        suspend_command=read_suspend_command(top.table("board")),
        outbox=read_outbox(top.table("outbox")),
        core=core or _stand_in(top.table("vehicle")),
        warnings=tuple(warnings),
    )


def _stand_in(vehicle: Table) -> CoreSettings:
    """Return settings for those that are wrong, in the environment that the file names: the bundle is judged by it."""
    environment = vehicle.text("environment", "unknown")
    with suppress(BadInput):
        return CoreSettings(vehicle_id="unknown", environment=environment)
    return CoreSettings(vehicle_id="unknown", environment="unknown")


def _read_mqtt(table: Table, top: Table, warnings: list[str]) -> MqttConfig:
    vehicle_id = top.table("vehicle").text("id", "")
    mqtt = MqttConfig(
        host=table.text("host"),
        client_id=table.text("client_id", f"tcu-{vehicle_id}", pattern=".{1,128}"),
        port=table.integer("port", 8883, low=1, high=65_535),
        protocol=cast("MqttProtocol", table.text("protocol", "5", choices=("5", "3.1.1"))),
        keepalive_s=table.integer("keepalive_s", 30, low=5, high=3600),
        session_expiry_s=table.integer("session_expiry_s", 7 * _DAY_S, low=0, high=60 * _DAY_S),
        timeout_s=table.integer("timeout_s", 10, low=1, high=MOST_TIMEOUT_S),
        username=table.optional_text("username"),
        password_file=table.optional_path("password_file"),
        tls=_read_tls(table),
        further_brokers=read_brokers(table),
    )
    if _VIN.fullmatch(vehicle_id):
        warnings.append(
            "the vehicle's id looks like a VIN; it stands in MQTT topics: use an opaque one"
        )
    if mqtt.protocol == "3.1.1":
        warnings.append("MQTT 3.1.1 does not show which command a broker has retained")
    _check_plain_text(mqtt, table, warnings)
    table.finish()
    return mqtt


def _read_tls(mqtt: Table) -> TlsConfig | None:
    is_wanted, table = "tls" in mqtt, mqtt.table("tls")
    ca, certificate, key = (table.optional_path(name) for name in ("ca", "certificate", "key"))
    table.finish()
    if not is_wanted:
        return None
    if ca is None and "ca" not in table:
        table.problem("ca", "is missing", "the file with the authority that signed the broker")
    if (certificate is None) != (key is None):
        table.problem("certificate", "certificate and key belong together", "give both or neither")
    return TlsConfig(ca=ca or Path(), certificate=certificate, key=key)


def _check_plain_text(mqtt: MqttConfig, table: Table, warnings: list[str]) -> None:
    allowed = table.flag("allow_plain_text", default=False)
    if not mqtt.is_plain_text or not mqtt.host:
        return
    for broker in mqtt.each_broker:
        if _is_loopback(broker.host):
            continue
        if allowed:
            warnings.append(f"MQTT to {broker.host} is plain text: all on the way can read along")
            continue
        table.problem(
            "host" if broker.host == mqtt.host else "further_brokers",
            f"plain text to {broker.host} is refused",
            "add [mqtt.tls], or set allow_plain_text = true and accept that all can be read",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_keys(table: Table) -> KeysConfig:
    secoc = table.table("secoc")
    keys = KeysConfig(
        signing=read_signing_key(table), secoc={name: secoc.path(name) for name in secoc.names()}
    )
    table.finish()
    return keys


def _read_trust(table: Table, findings: Findings) -> TrustConfig:
    roots_file, bundle = table.optional_path("roots"), table.optional_path("bundle")
    table.finish()
    if roots_file is None:
        if "roots" not in table:
            table.problem("roots", "is missing", "the file with the root keys that sign the trust")
        return TrustConfig(threshold=2, roots=(), bundle=bundle)
    of_roots = Findings(roots_file)
    roots = read_roots(roots_file, of_roots)
    problems = tuple(_naming_roots(problem, roots_file) for problem in of_roots.problems)
    findings.problems.extend(problems)
    if problems:
        return TrustConfig(threshold=2, roots=(), bundle=bundle, problems=problems)
    return TrustConfig(threshold=roots.threshold, roots=roots.keys, bundle=bundle)


def _naming_roots(problem: ConfigError, file: Path) -> ConfigError:
    """Return a problem of the whole file with the setting that names it."""
    if problem.hint or problem.where != str(file):
        return problem
    hint = "see [trust] roots: the file with the root keys, such as roots.toml"
    return ConfigError(problem.what, where=problem.where, hint=hint)


def _read_log(table: Table) -> LogConfig:
    log = LogConfig(
        level=table.text("level", "info", choices=LEVELS),
        format=cast(
            "Literal['text', 'json']", table.text("format", "text", choices=("text", "json"))
        ),
    )
    table.finish()
    return log


def _joined(problems: list[ConfigError]) -> ConfigError:
    if len(problems) == 1:
        return problems[0]
    lines = "".join(f"\n  {problem}" for problem in problems)
    first = problems[0]
    return ConfigError(f"{len(problems)} problems:{lines}", where=first.where.split(":")[0])
