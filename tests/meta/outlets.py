"""What somebody has thought about: every way out of the agent, every maker of a permission, every part of `adapters`.

`tests/meta/test_choke_point.py` compares these lists with the code. Whoever adds an adapter, a library or a way out
enters it here, and says why no command and no position leaves by it without the type that only the verifier builds.
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


PERMISSIONS = {
    # The verifier makes two of the permissions; an executed unlock, or the durable record of one, the third; a
    # tracking goes on after a restart by its durable record. Each machine makes the one effect that is its own.
    "tcu_agent.core.verify.authorisation.PositionAuthorisation.__post_init__: _VERIFIER",
    "tcu_agent.core.verify.authorisation.RelockAuthorisation.__post_init__: _RELOCKER",
    "tcu_agent.core.verify.authorisation.UnlockAuthorisation.__post_init__: _VERIFIER",
    "tcu_agent.core.verify.authorisation.relock_after_unlock: RelockAuthorisation",
    "tcu_agent.core.verify.authorisation.relock_after_unlock: _RELOCKER",
    "tcu_agent.core.verify.authorisation.resume_position: PositionAuthorisation",
    "tcu_agent.core.verify.authorisation.resume_position: _VERIFIER",
    "tcu_agent.core.position.position.PositionCase._seal: SealPosition",
    "tcu_agent.core.position.position._resumed: resume_position",
    "tcu_agent.core.unlock.relock.AutomaticRelock._lock: TransmitLock",
    "tcu_agent.core.unlock.relock.AutomaticRelock._lock: relock_after_unlock",
    "tcu_agent.core.unlock.unlock.Unlock._end: relock_after_unlock",
    "tcu_agent.core.unlock.unlock.Unlock._fire: TransmitUnlock",
    "tcu_agent.core.verify.verifier: _VERIFIER",
    "tcu_agent.core.verify.verifier._authorisation: PositionAuthorisation",
    "tcu_agent.core.verify.verifier._authorisation: UnlockAuthorisation",
    "tcu_agent.core.verify.verifier._authorisation: _VERIFIER",
}
NAMED = {
    # The permissions look at their own seal; a verified payload has another seal, of cose's own.
    "tcu_agent.core.verify.authorisation.PositionAuthorisation.__post_init__: seal",
    "tcu_agent.core.verify.authorisation.RelockAuthorisation.__post_init__: seal",
    "tcu_agent.core.verify.authorisation.UnlockAuthorisation.__post_init__: seal",
    "tcu_agent.protocol.cose.VerifiedPayload.__post_init__: seal",
    # Unions of types, tables by type; a fix that is due is withdrawn when its case ends.
    "tcu_agent.core.effects: SealPosition",
    "tcu_agent.core.effects: SendMessage",
    "tcu_agent.core.effects: TransmitLock",
    "tcu_agent.core.effects: TransmitUnlock",
    "tcu_agent.core.position.position.PositionCase._end: SealPosition",
    "tcu_agent.core.unlock.unlock: RelockAuthorisation",
    "tcu_agent.protocol.messages: Position",
    "tcu_agent.protocol.tables: Position",
    # What the core says in its own words, none of them a position (`effects.Said`).
    "tcu_agent.core.agent.Core._tell_presence: SendMessage",
    "tcu_agent.core.call.oncall.OnCall._tell: SendMessage",
    "tcu_agent.core.intake.Intake._answer_again: SendMessage",
    "tcu_agent.core.reports.refusals.Refusals.send: SendMessage",
    "tcu_agent.core.requests.Challenger._issue: SendMessage",
    # A position: made with a permission; read back as it was stored; without a fix, to say that there is none.
    "tcu_agent.runtime.notary.Notary.sign_position: Position",
    "tcu_agent.runtime.position_sender.PositionSender._position: Position",
    "tcu_agent.runtime.position_sender.PositionSender._unreadable: Position",
    "tcu_agent.runtime.position_sender._nothing_up_to: Position",
    "tcu_agent.runtime.sealing.seal_position: Position",
    # The class of a value finds its table or a word for it; nothing is made of it but what a message's bytes say.
    "tcu_agent.config.table._kind: type",
    "tcu_agent.protocol.codec._plain: type",
    "tcu_agent.protocol.codec.encode: type",
    "tcu_agent.protocol.codec.prepare: type",
    "tcu_agent.protocol.schema.AnyOf.read: type",
    "tcu_agent.runtime.notary.Notary.sign: type",
    # A keyring's own table, made once while it comes into being.
    "tcu_agent.protocol.trust.Keyring.__post_init__: __setattr__",
}
COPIES = {
    # dataclasses.replace of an event, a record, an intent, settings, a refusal, a frame heard: never of a permission.
    "tcu_agent.adapters.can.socketcan.session.Session._hand_on: replace",
    "tcu_agent.cli.assembly.fit_settings: replace",
    "tcu_agent.config.schema.MqttConfig.each_broker: replace",
    "tcu_agent.core.verify.account_rules.check_exactly: replace",
    "tcu_agent.core.reports.journal.Journal.report: replace",
    "tcu_agent.core.reports.journal.Journal.tombstone: replace",
    "tcu_agent.core.availability.availability.Reachability._save: replace",
    "tcu_agent.core.call.oncall.OnCall._move: replace",
    "tcu_agent.core.call.oncall.OnCall._resume_requested: replace",
    "tcu_agent.core.position.position.PositionCase._save: replace",
    "tcu_agent.core.unlock.relock.AutomaticRelock._judge: replace",
    "tcu_agent.core.unlock.unlock.Unlock._watch: replace",
    "tcu_agent.core.verify.verifier.Verifier._judge: replace",
    "tcu_agent.core.verify.verifier.Verifier.verify_request.rule: replace",
}
OUTLETS = {
    # Commands: executor (with a permission) -> transmitter -> bus -> port. `_try` sends status and wake-up frames.
    # Messages: the three senders -> connection -> link; only signed messages. Positions: executor (with a permission)
    # seals and stores, the position sender sends what is stored. `sendto` tells systemd that the agent lives.
    # cli.description and config name things after locks; they touch none. Positions get into the store's table by
    # `put_position`, and all together when an older file gets its checksums.
    "tcu_agent.adapters.storage.schema._give_positions_a_checksum: SQL into position",
    "tcu_agent.adapters.storage.store.SqliteState.put_position: SQL into position",
    "tcu_agent.adapters.can.bus.PythonCanBus._try_to_send: send",
    "tcu_agent.adapters.can.socketcan.bus.SocketCanBus.send: send",
    "tcu_agent.adapters.can.socketcan.controller.can_state: send",  # netlink: asks for a state
    "tcu_agent.adapters.can.socketcan.session.Session.__init__: send",
    "tcu_agent.adapters.cloud.brokers.BrokerList.publish: publish",
    "tcu_agent.adapters.cloud.mqtt.MqttLink.publish: publish",
    "tcu_agent.cli.description._fields: lock",
    "tcu_agent.config.core_settings._words: unlock",
    "tcu_agent.runtime.can_bus.CanBus.send: send",
    "tcu_agent.runtime.connection.Connection._publish: publish",
    "tcu_agent.runtime.executor.Executor._lock: lock",
    "tcu_agent.runtime.executor.Executor.perform: _send",  # its own: a message of the core, to be signed
    "tcu_agent.runtime.executor.Executor._seal: put_position",
    "tcu_agent.runtime.executor.Executor._seal: seal_position",
    "tcu_agent.runtime.executor.Executor._unlock: unlock",
    "tcu_agent.runtime.outbox.OutboxSender._send_window: publish",
    "tcu_agent.runtime.outbox.OutboxSender.run: publish",
    "tcu_agent.runtime.position_sender.PositionSender._send: publish",
    "tcu_agent.runtime.position_sender.PositionSender._send_windows: _send",
    "tcu_agent.runtime.position_sender.PositionSender._send_windows: publish",
    "tcu_agent.runtime.position_sender.PositionSender._position: sign_position",
    "tcu_agent.runtime.position_sender.PositionSender.run: publish",
    "tcu_agent.runtime.prompt_sender.PromptSender.run: publish",
    "tcu_agent.runtime.sealing.seal_position: seal",
    "tcu_agent.runtime.supervisor.Supervisor._send: sendto",
    "tcu_agent.runtime.supervisor.Supervisor._show: _send",
    "tcu_agent.runtime.supervisor.Supervisor.alive: _send",
    "tcu_agent.runtime.supervisor.Supervisor.ready: _send",
    "tcu_agent.runtime.supervisor.Supervisor.stopping: _send",
    "tcu_agent.runtime.transmitter.Transmitter._send: send",
    "tcu_agent.runtime.transmitter.Transmitter._try: send",
    "tcu_agent.runtime.transmitter.Transmitter._wake_bus: _try",
    "tcu_agent.runtime.transmitter.Transmitter.lock: _send",
    "tcu_agent.runtime.transmitter.Transmitter.lock: lock",
    "tcu_agent.runtime.transmitter.Transmitter.run_status: _try",
    "tcu_agent.runtime.transmitter.Transmitter.unlock: _send",
    "tcu_agent.runtime.transmitter.Transmitter.unlock: unlock",
}
SURFACES: Mapping[str, set[str]] = {
    "tcu_agent.ports.CanPort": {"name", "open", "close", "receive", "send"},
    "tcu_agent.ports.LinkPort": {"connect", "messages", "publish", "disconnect"},
    "tcu_agent.ports.Sealer": {"seal"},
    "tcu_agent.adapters.can.bus.PythonCanBus": {
        "catch_up", "close", "counters", "name", "open", "receive", "send",
    },
    "tcu_agent.adapters.can.socketcan.sending.Sending": {
        "echoed", "gone", "heard", "is_off", "lost_frames", "restarted", "send", "went_off",
    },
    "tcu_agent.adapters.can.socketcan.session.Session": {"catch_up", "close", "counters"},
    "tcu_agent.adapters.can.socketcan.sockets.RawSocket": {
        "close", "fileno", "getsockopt", "recvmsg", "send",
    },
    "tcu_agent.adapters.can.socketcan.sockets.Sockets": {"close"},
    "tcu_agent.adapters.can.socketcan.sockets.dropped_by": set(),
    "tcu_agent.adapters.can.socketcan.sockets.open_sockets": set(),
    "tcu_agent.adapters.cloud.client.Client": {"abandon"},
    "tcu_agent.adapters.can.socketcan.bus.SocketCanBus": {
        "catch_up", "close", "counters", "name", "open", "receive", "send",
    },
    "tcu_agent.adapters.cloud.brokers.BrokerList": {
        "connect", "messages", "publish", "disconnect",
    },
    "tcu_agent.adapters.cloud.mqtt.MqttLink": {"connect", "messages", "publish", "disconnect"},
    "tcu_agent.adapters.keys.sealer.HpkeSealer": {"seal"},
    "tcu_agent.adapters.can.commands.CommandEncoder": {
        "can_unlock", "unlock", "lock", "status", "wake", "taps",
    },
    "tcu_agent.runtime.can_bus.CanBus": {"name", "run", "send", "expect_response"},
    "tcu_agent.runtime.transmitter.Transmitter": {
        "unlock", "lock", "show", "wake", "run_status", "run_wake",
    },
    "tcu_agent.runtime.executor.Executor": {"perform"},
}  # fmt: skip
"""What others may call of each thing on the way out. One more method here is one more way out."""
REACHES: Mapping[str, str] = {
    # adapters
    "tcu_agent.adapters.can.socketcan.controller.KernelController._flags: ioctl": "reads an interface's flags",
    "tcu_agent.adapters.cloud.verdict._asked: sendall": "two constant bytes that are no message, never CONNECT",
    "tcu_agent.adapters.cloud.verdict.broker_verdict: create_connection": "TLS only: is our certificate taken?",
    "tcu_agent.adapters.clock.kernel_clock_state: libc": "adjtimex in its asking form",
    "tcu_agent.adapters.keys.signing_key._create_file: open for writing": "a new key file, only if there is none",
    "tcu_agent.adapters.keys.signing_key._create_file: write": "as above",
    "tcu_agent.adapters.mapping.mapping._slow_unpacking: import_module": "one constant name: is it there?",
    "tcu_agent.adapters.power.alarm_timer.AlarmTimer.__init__: libc": "a timer that wakes the board",
    "tcu_agent.adapters.power.alarm_timer.AlarmTimer.wake_at: libc": "as above",
    "tcu_agent.adapters.power.suspend_command.SuspendCommand.suspend: create_subprocess_exec": (
        "the integrator's own command, fixed in the configuration; nothing of a message goes into it"
    ),
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
    "can.opening": {Reach.NONE: "advice open_bus close_bus"},
    "can.own_ids": {Reach.NONE: "OwnIds"},
    "can.plans": {Reach.NONE: "Meaning SignalState MessagePlan compile_plans value_of"},
    "can.recording": {Reach.NONE: "Damage Recording frame_of"},
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
    "cloud.tls": {Reach.NONE: "ClientContext is_refusal client_context"},
    "cloud.verdict": {Reach.NONE: "Verdict broker_verdict"},
    "entropy": {Reach.NONE: "SystemEntropy"},
    "keys.pkcs11_signer": {Reach.NONE: "TokenSigner"},
    "keys.pkcs11_token": {
        Reach.NONE: "open_session find_private_key find_public_key asked gone word",
        Reach.TOKEN: "create_token_key",
    },
    "keys.sealer": {Reach.NONE: "HpkeSealer"},
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
    "power.alarm_timer": {Reach.KERNEL: "AlarmTimer"},
    "power.suspend_command": {Reach.PROCESS: "SuspendCommand"},
    "storage.checksum": {Reach.NONE: "checksum position_checksum"},
    "storage.first_look": {Reach.FILE: "look_first"},
    "storage.kept_log": {Reach.FILE: "KeptLog"},
    "storage.schema": {Reach.NONE: "read_version", Reach.FILE: "make_file upgrade"},
    "storage.state_directory": {
        Reach.NONE: "StateInUse in_use",
        Reach.FILE: "StateDirectory prepare_directory",
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
    "tempfile": {"tcu_agent.doctor.surroundings"},
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
