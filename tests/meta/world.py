"""What somebody has thought about: how the agent could reach the world past its ports, and what each adapter may do.

`tests/meta/test_choke_point.py` compares these lists with the code. Whoever adds an adapter or a library enters it
here, and says why no command and no position leaves by it; our own ways out stand in tests/meta/outlets.py.
"""

from collections.abc import Mapping
from enum import Enum, unique


@unique
class Reach(Enum):
    """What a part of `adapters` may do to the world by itself, that is without another port in between."""

    NONE = "computes or holds values; at most reads"
    CAN = "puts frames on a bus"
    MQTT = "publishes"
    FILE = "writes files of our own"
    PROCESS = "starts another program"
    KERNEL = "sets a timer, or asks the kernel something"
    TOKEN = "makes a key in a token"


REACHES: Mapping[str, str] = {
    # adapters
    "tcu_agent.adapters.can.socketcan.controller.KernelController._flags: ioctl": "reads an interface's flags",
    "tcu_agent.adapters.cloud.verdict._asked: sendall": "two constant bytes that are no message, never CONNECT",
    "tcu_agent.adapters.cloud.verdict.verdict_on: create_connection": "TLS only: is our certificate taken?",
    "tcu_agent.adapters.clock.kernel_clock_state: libc": "adjtimex in its asking form",
    "tcu_agent.adapters.keys.signing_key._create_file: open for writing": "a new key file, only if there is none",
    "tcu_agent.adapters.keys.signing_key._create_file: write": "as above",
    "tcu_agent.adapters.mapping.mapping._slow_unpacking: import_module": "one constant name: is it there?",
    "tcu_agent.adapters.power.alarm_timer.AlarmTimer.__init__: libc": "a timer that wakes the board",
    "tcu_agent.adapters.power.alarm_timer.AlarmTimer.wake_at: libc": "as above",
    "tcu_agent.adapters.power.suspend_command.SuspendCommand.suspend: create_subprocess_exec": (
        "the integrator's own command, fixed in the configuration; nothing of a message goes into it"
    ),
    "tcu_agent.adapters.storage.kept_log._make_room: open for writing": "room at the end of the state's own log",
    "tcu_agent.adapters.storage.kept_log._make_room: write": "zeros",
    "tcu_agent.adapters.storage.schema.make_file: open for writing": "the state's file, only if there is none",
    "tcu_agent.adapters.timerfd: CDLL": "timerfd, which Python lacks",
    "tcu_agent.adapters.timerfd.BoottimeTimer.__init__: libc": "as above",
    "tcu_agent.adapters.timerfd.BoottimeTimer._set: libc": "as above",
    # commands that people start; no agent runs in them
    "tcu_agent.cli.description._fields: getattr of a computed name": "fields of a message, to show them",
    "tcu_agent.cli.reader.forget_reader: open for writing": "/dev/null, when whoever read our output is gone",
    "tcu_agent.doctor.broker._reach: open_connection": "connects and closes: is there a broker?",
    "tcu_agent.doctor.broker._shake_hands: open_connection": "as above, with TLS",
    "tcu_agent.doctor.surroundings._sync: write": "zeros into a temporary file, to time the disk",
    "tcu_agent.enrolment.identity_directory.IdentityDirectory.alone: open for writing": "its lock",
    "tcu_agent.enrolment.identity_directory.IdentityDirectory.put: open for writing": "keys and certificates",
    "tcu_agent.enrolment.identity_directory.IdentityDirectory.put: write": "as above",
    # what only looks as if
    "tcu_agent.core.settings.CoreSettings.__post_init__: getattr of a computed name": "its own fields' limits",
    "tcu_agent.core.verify.steps.check_common: getattr of a computed name": "five names of a constant",
    "tcu_agent.core.verify.verifier.Verifier._account_evidence: open for writing": "opens a signed message",
    "tcu_agent.core.verify.verifier.Verifier._judge: open for writing": "as above",
    "tcu_agent.core.verify.verifier.Verifier._nested: open for writing": "as above",
    "tcu_agent.protocol.codec._plain: write": "a table makes plain values of a message",
    "tcu_agent.protocol.schema.Table.write: attrgetter": "one constant name",
    "tcu_agent.protocol.schema.Table.write: getattr of a computed name": "the fields that the table names",
    "tcu_agent.runtime.log_format._fields: getattr of a computed name": "one constant name of a log record",
}
"""Where Python itself could reach the world past our ports, and why no command and no position leaves there."""
ADAPTERS: Mapping[str, Mapping[Reach, str]] = {
    "can.batches": {Reach.NONE: "Batches"},
    "can.bus": {Reach.NONE: "CanInterface", Reach.CAN: "PythonCanBus"},
    "can.commands": {Reach.NONE: "CommandFrame CyclicFrame CommandEncoder"},
    "can.counters": {Reach.NONE: "BusCounters DecoderCounters Tally"},
    "can.debounce": {Reach.NONE: "Unset Debounce"},
    "can.e2e": {Reach.NONE: "Profile E2eReceiver E2eSender"},
    "can.faults": {Reach.NONE: "bus_state is_overrun"},
    "can.lengths": {Reach.NONE: "padded_length message_in"},
    "can.life": {Reach.NONE: "BusLife"},
    "can.opening": {Reach.NONE: "is_missing_library advice open_bus close_bus"},
    "can.outgoing": {Reach.NONE: "OutgoingMessage NumberedCommand raw_values_of"},
    "can.own_ids": {Reach.NONE: "OwnIds"},
    "can.plans": {Reach.NONE: "Meaning SignalState MessagePlan compile_plans value_of"},
    "can.recording": {Reach.NONE: "Damage Recording frame_of"},
    "can.resync": {Reach.NONE: "ignore_verdict Resync ResyncTap resyncs listening_taps"},
    "can.secoc": {Reach.NONE: "FreshnessStore authenticator secure is_authentic FreshnessCounter"},
    "can.selection": {Reach.NONE: "Selection select"},
    "can.signals": {Reach.NONE: "SignalDecoder"},
    "can.socketcan.bus": {Reach.NONE: "FdMode", Reach.CAN: "SocketCanBus"},
    "can.socketcan.controller": {
        Reach.NONE: "Controller state_in",
        Reach.KERNEL: "KernelController can_state",
    },
    "can.socketcan.filters": {Reach.NONE: "exactly all_but"},
    "can.socketcan.frames": {Reach.NONE: "unpack pack"},
    "can.socketcan.life": {Reach.NONE: "SignsOfLife"},
    "can.socketcan.pace": {Reach.NONE: "Pace"},
    "can.socketcan.reading": {Reach.NONE: "Batch Reader"},
    "can.socketcan.sending": {Reach.NONE: "Fate", Reach.CAN: "Sending"},
    "can.socketcan.session": {Reach.CAN: "Session"},
    "can.socketcan.sockets": {Reach.CAN: "RawSocket Sockets dropped_by open_sockets"},
    "can.socketcan.stamps": {Reach.NONE: "StampClock"},
    "can.values": {Reach.NONE: "SignalValues"},
    "can.waiting_frames": {Reach.NONE: "waiting"},
    "clock": {Reach.KERNEL: "SystemClock kernel_clock_state"},
    "cloud.brokers": {Reach.MQTT: "BrokerList"},
    "cloud.client": {Reach.NONE: "Inbox number", Reach.MQTT: "Client"},
    "cloud.mqtt": {Reach.MQTT: "MqttLink"},
    "cloud.password": {Reach.NONE: "read_password"},
    "cloud.tls": {Reach.NONE: "ClientContext is_refusal client_context"},
    "cloud.verdict": {Reach.NONE: "Verdict broker_verdict verdict_on"},
    "entropy": {Reach.NONE: "SystemEntropy"},
    "keys.pkcs11_signer": {Reach.NONE: "TokenSigner"},
    "keys.pkcs11_token": {
        Reach.NONE: "open_session find_private_key find_public_key asked gone word",
        Reach.TOKEN: "create_token_key",
    },
    "keys.sealer": {Reach.NONE: "HpkeSealer"},
    "keys.secoc_key": {Reach.NONE: "load_secoc_key"},
    "keys.secret_file": {Reach.NONE: "read_secret"},
    "keys.signing_key": {
        Reach.NONE: "PrivateSigner P256Signer Ed25519Signer load_signer",
        Reach.FILE: "create_key",
    },
    "mapping.buses": {Reach.NONE: "read_bus read_assignments"},
    "mapping.commands": {Reach.NONE: "read_commands"},
    "mapping.dbc_names": {
        Reach.NONE: "load_database find_message find_signal raw_values raw_range encode_raw"
    },
    "mapping.file": {Reach.NONE: "load_mapping"},
    "mapping.meanings": {Reach.NONE: "check_value check_choices"},
    "mapping.mapping": {
        Reach.NONE: "Placeholder E2eProtection SecocProtection SignalMapping WakeMapping CommandMapping "
        "BusMapping VehicleMapping"
    },
    "mapping.paths": {Reach.NONE: "path_warnings"},
    "mapping.signals": {Reach.NONE: "read_signals bus_of"},
    "mapping.toml_lines": {Reach.NONE: "index_lines line_of show_path"},
    "mapping.toml_table": {Reach.NONE: "near_miss Problems Table"},
    "mapping.whole_numbers": {Reach.NONE: "check_whole check_freshness check_scale check_encodes"},
    "power.alarm_timer": {Reach.KERNEL: "AlarmTimer"},
    "power.suspend_command": {Reach.PROCESS: "SuspendCommand"},
    "storage.checksum": {Reach.NONE: "checksum position_checksum"},
    "storage.first_look": {Reach.FILE: "look_first"},
    "storage.kept_log": {Reach.FILE: "KeptLog"},
    "storage.schema": {Reach.NONE: "read_version", Reach.FILE: "make_file upgrade"},
    "storage.state_directory": {
        Reach.NONE: "StateInUse in_use obstacle",
        Reach.FILE: "StateDirectory prepare_directory check_makeable",
    },
    "storage.store": {Reach.FILE: "SqliteState"},
    "storage.stored_message": {Reach.NONE: "pack unpack"},
    "storage.volatile_state": {Reach.NONE: "VolatileState UnreadableState"},
    "storage.write_ahead_log": {Reach.NONE: "Commits read_log"},
    "timerfd": {Reach.NONE: "checked", Reach.KERNEL: "BoottimeTimer"},
}
"""Every public class and function of `adapters`, by module, and what each may do."""
NEEDS: Mapping[str, frozenset[Reach]] = {
    "send": frozenset({Reach.CAN, Reach.KERNEL}),
    "publish": frozenset({Reach.MQTT}),
    "will_set": frozenset({Reach.MQTT}),
    "Will": frozenset({Reach.MQTT}),
    "write": frozenset({Reach.FILE}),
    "open for writing": frozenset({Reach.FILE}),
    "create_subprocess_exec": frozenset({Reach.PROCESS}),
    "CDLL": frozenset({Reach.KERNEL}),
    "libc": frozenset({Reach.KERNEL}),
    "ioctl": frozenset({Reach.KERNEL}),
    "put_position": frozenset({Reach.FILE}),
}
"""A module of `adapters` that uses this name has to be listed as able to do one of these."""
HARMLESS = frozenset(
    {
        ".", "__future__", "argparse", "asyncio", "base64", "binascii", "bitstruct", "cantools", "cbor2",
        "collections", "contextlib", "cryptography", "dataclasses", "datetime", "difflib", "e2e", "enum",
        "errno", "functools", "gzip", "hashlib", "hmac", "io", "ipaddress", "itertools", "json", "math",
        "operator", "os", "pathlib", "re", "secrets", "shlex", "signal", "stat", "string", "struct",
        "sys", "threading", "time", "tomllib", "types", "typing", "warnings", "weakref", "zlib",
    }
)  # fmt: skip
"""Libraries that anybody may use: they reach nothing, or only by a name that tests/meta/reach.py looks for."""
WORLD_LIBRARIES = {
    "can": {
        "tcu_agent.adapters.can.batches",
        "tcu_agent.adapters.can.bus",
        "tcu_agent.adapters.can.opening",
        "tcu_agent.adapters.can.recording",
        "tcu_agent.adapters.can.waiting_frames",
        "tcu_agent.config.can_bus",  # the names of the interfaces, and nothing else
    },
    "aiomqtt": {
        "tcu_agent.adapters.cloud.mqtt",
        "tcu_agent.adapters.cloud.client",
        "tcu_agent.doctor.broker",
    },
    "paho": {"tcu_agent.adapters.cloud.mqtt", "tcu_agent.adapters.cloud.client"},
    "ctypes": {
        "tcu_agent.adapters.clock",
        "tcu_agent.adapters.power.alarm_timer",
        "tcu_agent.adapters.timerfd",
    },
    "fcntl": {
        "tcu_agent.adapters.can.socketcan.controller",
        "tcu_agent.adapters.storage.state_directory",
        "tcu_agent.enrolment.identity_directory",
    },
    "http": {"tcu_agent.enrolment.est"},
    "importlib": {"tcu_agent.adapters.mapping.mapping", "tcu_agent.cli.main"},
    "logging": {
        "tcu_agent.cli.run",
        "tcu_agent.runtime.log_format",
        "tcu_agent.runtime.logbook",
    },
    "pkcs11": {"tcu_agent.adapters.keys.pkcs11_signer", "tcu_agent.adapters.keys.pkcs11_token"},
    "select": {"tcu_agent.adapters.can.waiting_frames"},
    "shutil": {"tcu_agent.doctor.surroundings", "tcu_agent.enrolment.identity_directory"},
    "sqlite3": {
        "tcu_agent.adapters.storage.kept_log",
        "tcu_agent.adapters.storage.schema",
        "tcu_agent.adapters.storage.store",
    },
    "ssl": {
        "tcu_agent.adapters.cloud.mqtt",
        "tcu_agent.adapters.cloud.tls",
        "tcu_agent.adapters.cloud.verdict",
        "tcu_agent.doctor.broker",
        "tcu_agent.enrolment.est",
    },
    "subprocess": {"tcu_agent.doctor.interface"},
    "tempfile": {"tcu_agent.adapters.storage.state_directory", "tcu_agent.doctor.surroundings"},
    "urllib": {
        "tcu_agent.config.brokers",
        "tcu_agent.config.signing_key",
        "tcu_agent.enrolment.est",
    },
    "socket": {
        "tcu_agent.adapters.can.socketcan.controller",
        "tcu_agent.adapters.can.socketcan.reading",
        "tcu_agent.adapters.can.socketcan.sockets",
        "tcu_agent.adapters.cloud.mqtt",
        "tcu_agent.adapters.cloud.verdict",
        "tcu_agent.runtime.supervisor",
        "tcu_agent.doctor.broker",
    },
}
"""Who may touch the libraries that reach a bus, a broker, a network, a file or the kernel."""
