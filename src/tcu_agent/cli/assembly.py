"""From a configuration to the parts that the agent is built of. `check` uses the same steps as `run`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tcu_agent.adapters.can.bus import CanInterface, PythonCanBus
from tcu_agent.adapters.can.selection import Selection, select
from tcu_agent.adapters.can.socketcan.bus import FdMode, SocketCanBus
from tcu_agent.adapters.clock import SystemClock
from tcu_agent.adapters.cloud.brokers import BrokerList
from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.adapters.entropy import SystemEntropy
from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.adapters.keys.secoc_key import load_secoc_key
from tcu_agent.adapters.keys.signing_key import PrivateSigner, load_signer
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.mapping.mapping import VehicleMapping
from tcu_agent.adapters.storage.store import SqliteState, StateInUse
from tcu_agent.adapters.storage.volatile_state import UnreadableState
from tcu_agent.cli.blame import named_by
from tcu_agent.cli.power import suspend_ports
from tcu_agent.config import BusConfig, Config
from tcu_agent.core import vss
from tcu_agent.core.durable.records import TRUST
from tcu_agent.core.settings import CoreSettings
from tcu_agent.errors import BadInput, ConfigError, MalformedError, NoStateError, StorageError
from tcu_agent.ports import CanPort, Clock, LinkPort, StatePort
from tcu_agent.protocol.trust import CONTAINER_LIMIT, Keyring, open_container, root_keys
from tcu_agent.protocol.vocabulary import Reason, Service
from tcu_agent.runtime.agent import Car, World
from tcu_agent.runtime.supervisor import Supervisor
from tcu_agent.runtime.surroundings import Surroundings

_SEE_BUNDLE = "see [trust] bundle"
_PEM = b"-----BEGIN "
_MISFITS = {
    "relock": (
        "unlock.relock",
        f'map the doors, such as {vss.DOORS_OPEN[0]}, or set relock = "vehicle" or "none"',
    ),
    "locks": (
        "vehicle.services",
        f"map the locks, such as {vss.DOOR_LOCKS[0]}, or list the services without unlock",
    ),
}
"""Where and how to mend what `CoreSettings` says of a mapping, by the field that it blames."""
_NEEDED = {
    Service.UNLOCK: (vss.SPEED_KMH, vss.USAGE_MODE),
    Service.POSITION: (vss.LATITUDE, vss.LONGITUDE),
}
"""Without which each request would end with signals-unknown or no-fix. Source: dbc/README.md, "needed for"."""


def read_mapping(config: Config) -> VehicleMapping:
    """Return the mapping, whose buses are exactly those of the configuration.

    Raises:
        MappingError: the mapping or its DBC is wrong.
        ConfigError: a bus is configured but not mapped, or mapped but not configured.
    """
    with named_by("[can] mapping"):
        mapping = load_mapping(config.mapping)
    configured = {bus.name for bus in config.buses}
    misfits = []
    for name in sorted(configured ^ mapping.buses.keys()):
        missing, has = ("mapping", config.file) if name in configured else (config.file, "mapping")
        misfits.append(f"bus {name!r} is in the {_file(has)} and not in the {_file(missing)}")
    if misfits and configured:  # that no bus at all is configured, is said already
        raise ConfigError(
            "; ".join(misfits),
            where=f"{config.file}: can.bus",
            hint=f"the mapping is {config.mapping}; its buses: {', '.join(sorted(mapping.buses))}",
        )
    return mapping


def fit_settings(config: Config, mapping: VehicleMapping) -> CoreSettings:
    """Return the core's settings with what this car's mapping has.

    Raises:
        ConfigError: a service is offered that the mapping has no signal or command for.
    """
    paths = {signal.path for signal in mapping.signals}
    if Service.UNLOCK in config.core.services and "unlock" not in mapping.commands:
        raise ConfigError(
            "the service unlock is offered, but the mapping has no command for it",
            where=f"{config.file}: vehicle.services",
            hint=f"add [command.unlock] to {config.mapping}, or list the services without it",
        )
    for service, needed in _NEEDED.items():
        if service in config.core.services and (missing := [p for p in needed if p not in paths]):
            name = service.name.lower()
            raise ConfigError(
                f"the service {name} is offered, but the mapping has no {' and no '.join(missing)}",
                where=f"{config.file}: vehicle.services",
                hint=f"add it to {config.mapping}, or list the services without {name}",
            )
    try:
        return replace(
            config.core,
            locks=tuple(path for path in vss.DOOR_LOCKS if path in paths),
            has_locking_source=vss.LOCKING_SOURCE in paths,
            reported=tuple(path for path in vss.REPORTED if path in paths),
        )
    except BadInput as error:
        setting, hint = _MISFITS.get(error.where, ("vehicle.services", error.hint))
        raise ConfigError(error.what, where=f"{config.file}: {setting}", hint=hint) from error


def read_secoc_key(name: str, file: Path) -> bytes:
    """Return one SecOC key. `name`: of its setting.

    Raises:
        KeyStoreError: the file is missing, open to others, or holds something else than 16 bytes.
    """
    with named_by(f"[keys.secoc] {name}"):
        return load_secoc_key(file)


def open_signer(config: Config) -> PrivateSigner:
    """Return what signs.

    Raises:
        KeyStoreError: the key is missing, open to others, or none that we can use.
    """
    key = config.keys.signing
    is_missing = isinstance(key, Path) and not key.exists()
    advice = "`tcu-agent key create FILE` makes a new one" if is_missing else ""
    with named_by("[keys] signing", advice=advice):
        return load_signer(key)


def read_trust(config: Config) -> tuple[bytes, Keyring] | None:
    """Return the first trust bundle, as bytes and opened, or None if none is configured.

    Raises:
        ConfigError: it cannot be read, or the configured roots have not signed it.
    """
    if config.trust.bundle is None:
        return None
    container = read_bundle(config.trust.bundle)
    try:
        return container, _opened(config, container)
    except MalformedError as error:
        hint = _SEE_BUNDLE
        if error.reason is Reason.BAD_SIGNATURE:
            hint = (
                f"the configured environment is {config.environment!r}: the bundle may have been signed "
                "for another one, see [vehicle] environment"
            )
        what = f"is no trust bundle: {error} ({error.reason.code})"
        if error.reason is not Reason.MALFORMED:
            what = f"{error} ({error.reason.code})"
        elif container.startswith(_PEM):
            what = (
                "is a PEM file, no trust bundle; one comes from the centre, or from tcu-agent enrol"
            )
        raise ConfigError(what, where=str(config.trust.bundle), hint=hint) from error


def read_bundle(file: Path) -> bytes:
    """Return the first trust bundle as it stands in its file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            # One more: the verifier says that it is too large.
            return stream.read(CONTAINER_LIMIT + 1)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ConfigError(what, where=str(file), hint=_SEE_BUNDLE) from error


def is_of_others(config: Config, stored: bytes) -> bool:
    """Return whether a stored trust bundle is whole, but not for these roots or this environment.

    Damage would be noticed before: the state has checksums. So it is the configuration that has changed.
    """
    try:
        _opened(config, stored)
    except MalformedError as error:
        return error.reason in {Reason.BAD_SIGNATURE, Reason.THRESHOLD_NOT_MET}
    return False


def wall_floor_s(config: Config, state: StatePort, first: Keyring | None) -> float:
    """Return the time before which the wall clock is known to be wrong: when the newest trust bundle was issued."""
    issued_s = [0 if first is None else first.trust.issued_s]
    # The agent itself says what is wrong with the state; that none is stored yet is no fault.
    with suppress(StorageError, MalformedError):
        issued_s.append(_opened(config, state.load().get(TRUST, b"")).trust.issued_s)
    return float(max(issued_s))


def open_state(directory: Path) -> StatePort:
    """Return the durable state; one that cannot be opened, or that others may touch, is stood for by one that says so.

    Raises:
        StateInUse: another agent uses it.
    """
    try:
        return SqliteState(directory)
    except StateInUse:
        raise
    except StorageError as error:
        return UnreadableState(error)
    except BadInput as error:
        return UnreadableState(NoStateError(str(error)))


def build_car(config: Config, *, trust: bytes | None, secoc_keys: Mapping[str, bytes]) -> Car:
    """Return what the agent knows about its car. `secoc_keys`: those that can be used.

    Raises:
        BadInput: mapping or configuration do not fit.
    """
    mapping = read_mapping(config)
    return Car(
        settings=fit_settings(config, mapping),
        mapping=mapping,
        secoc_keys=secoc_keys,
        lost_keys=frozenset(config.keys.secoc.keys() - secoc_keys.keys()),
        trust=trust,
        outbox=config.outbox,
    )


def build_world(
    config: Config, *, mapping: VehicleMapping, supervisor: Supervisor, trust: Keyring | None
) -> World:
    """Return the real world: CAN, MQTT, SQLite, key files, the system's clock.

    Raises:
        BadInput: a file or directory cannot be used.
        KeyStoreError: a key cannot be used.
    """
    state = open_state(config.state_directory)
    clock = SystemClock(floor_s=wall_floor_s(config, state, trust))
    rtc, power = suspend_ports(config)
    return World(
        buses={bus.name: open_bus(bus, mapping) for bus in config.buses},
        link=open_link(config, clock=clock),
        state=state,
        signer=open_signer(config),
        sealer=HpkeSealer(),
        around=Surroundings(
            clock=clock,
            entropy=SystemEntropy(),
            supervisor=supervisor,
        ),
        rtc=rtc,
        power=power,
    )


def open_link(config: Config, *, clock: Clock) -> LinkPort:
    """Return the link to the broker, or to the first of several that takes us; not connected yet."""
    links = [
        MqttLink(config=broker, vehicle_id=config.vehicle_id) for broker in config.mqtt.each_broker
    ]
    return links[0] if len(links) == 1 else BrokerList(links, clock=clock)


def open_bus(bus: BusConfig, mapping: VehicleMapping | None = None) -> CanPort:
    """Return the port of one bus, not opened yet. With a `mapping`, it may leave out what that does not name."""
    selection = select(mapping, bus.name) if mapping is not None else Selection()
    if bus.adapter == "native":
        return SocketCanBus(
            name=bus.name,
            channel=bus.channel,
            fd=FdMode(bit_rate_switch=bus.bit_rate_switch) if bus.fd else None,
            selection=selection,
        )
    fd = {"fd": True} if bus.fd else {}
    interface = CanInterface(
        interface=bus.interface,
        channel=bus.channel,
        bitrate=bus.bitrate,
        bit_rate_switch=bus.bit_rate_switch,
        options=fd | dict(bus.options),
    )
    return PythonCanBus(name=bus.name, interface=interface, selection=selection)


def _opened(config: Config, container: bytes) -> Keyring:
    return open_container(
        container,
        roots=root_keys(config.trust.roots),
        threshold=config.trust.threshold,
        environment=config.environment,
    )


def _file(name: object) -> str:
    return "mapping" if name == "mapping" else "configuration"
