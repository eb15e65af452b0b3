"""What somebody has thought about: every way out of the agent, every maker of a permission, every reader of a place.

`tests/meta/test_choke_point.py` compares these lists with the code. Whoever adds a way out enters it here, and says why
no command and no position leaves by it without the type that only the verifier builds. What Python and its libraries
could do past our own ports, and what `adapters` may do, stands in tests/meta/world.py.
"""

from collections.abc import Mapping

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
    # Unions of types, tables by type; a fix and a frame are withdrawn when the right to them ends.
    "tcu_agent.core.effects: SealPosition",
    "tcu_agent.core.effects: SendMessage",
    "tcu_agent.core.effects: TransmitLock",
    "tcu_agent.core.effects: TransmitUnlock",
    "tcu_agent.core.position.position.PositionCase._take_back: SealPosition",
    "tcu_agent.core.unlock.unlock.Unlock.cancel: TransmitUnlock",
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
    # Own tables of a keyring and of the grammar, made once while they come into being.
    "tcu_agent.protocol.schema.OneOf.__post_init__: __setattr__",
    "tcu_agent.protocol.schema.Table.__post_init__: __setattr__",
    "tcu_agent.protocol.trust.Keyring.__post_init__: __setattr__",
}
COPIES = {
    # dataclasses.replace of an event, a record, an intent, settings, a refusal, a frame heard: never of a permission.
    "tcu_agent.adapters.can.socketcan.session.Session._drain: replace",
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
POSITIONS = {
    # Paths, with what a mapping may say of them; values are not seen there.
    "tcu_agent.adapters.mapping.meanings: ACCURACY_M",
    "tcu_agent.adapters.mapping.meanings: FIX_AGE_S",
    "tcu_agent.adapters.mapping.meanings: FIX_TYPE",
    "tcu_agent.adapters.mapping.meanings: HEADING",
    "tcu_agent.adapters.mapping.meanings: LATITUDE",
    "tcu_agent.adapters.mapping.meanings: LONGITUDE",
    "tcu_agent.adapters.mapping.paths._unmapped: LATITUDE",
    "tcu_agent.adapters.mapping.paths._unmapped: LONGITUDE",
    "tcu_agent.adapters.mapping.paths: FIX_AGE_S",
    "tcu_agent.adapters.mapping.paths: POSITION_PATHS",
    "tcu_agent.core.vss: ACCURACY_M",
    "tcu_agent.core.vss: FIX_TYPE",
    "tcu_agent.core.vss: HEADING",
    "tcu_agent.cli.assembly: LATITUDE",
    "tcu_agent.cli.assembly: LONGITUDE",
    "tcu_agent.core.vss: LATITUDE",
    "tcu_agent.core.vss: LONGITUDE",
    "tcu_agent.core.vss: a place's path",
    # What keeps a place out of tracebacks, and out of events.
    "tcu_agent.core.events.shown: LATITUDE",
    "tcu_agent.core.events.shown: LONGITUDE",
    "tcu_agent.protocol.messages: a place's path",
    # Signals become a place, and a place a fix; both stay in RAM.
    "tcu_agent.core.parts.build: FixSource",
    "tcu_agent.core.position.fixes.FixSource._sighting: ACCURACY_M",
    "tcu_agent.core.position.fixes.FixSource._sighting: FIX_AGE_S",
    "tcu_agent.core.position.fixes.FixSource._sighting: FIX_TYPE",
    "tcu_agent.core.position.fixes.FixSource._sighting: HEADING",
    "tcu_agent.core.position.fixes.FixSource._sighting: LATITUDE",
    "tcu_agent.core.position.fixes.FixSource._sighting: LONGITUDE",
    "tcu_agent.core.position.fixes.FixSource._sighting: latitude",
    "tcu_agent.core.position.fixes.FixSource._sighting: longitude",
    "tcu_agent.core.position.fixes.FixSource.fix: Fix",
    "tcu_agent.core.position.fixes.FixSource.fix: latitude",
    "tcu_agent.core.position.fixes.FixSource.fix: longitude",
    "tcu_agent.core.position.fixes.FixSource.place: latitude",
    "tcu_agent.core.position.fixes.FixSource.place: longitude",
    # Who asks for them: the tow watch, for a distance that nobody is told; the case, to have it sealed.
    "tcu_agent.core.position.position.PositionCase._seal: fix",
    "tcu_agent.core.theft.places.Place.distance_m: latitude",
    "tcu_agent.core.theft.places.Place.distance_m: longitude",
    "tcu_agent.core.theft.tow.TowWatch._watch: place",
    # What stands inside a seal.
    "tcu_agent.protocol.tables: Fix",
    "tcu_agent.protocol.tables._fix_rule: latitude_e7",
    "tcu_agent.protocol.tables._fix_rule: longitude_e7",
    "tcu_agent.runtime.sealing.seal_position: fix",
    # All fields of something, unnamed: what an enrolment came to.
    "tcu_agent.cli.enrol.run: asdict",
}
"""Who reads where the car is. Whoever else does could tell it: an event needs no permission."""
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
    "tcu_agent.adapters.can.socketcan.session.Session._hand_over: send",
    "tcu_agent.adapters.can.socketcan.session.Session.send: send",
    "tcu_agent.adapters.cloud.brokers.BrokerList.publish: publish",
    "tcu_agent.adapters.cloud.mqtt.MqttLink.publish: publish",
    "tcu_agent.adapters.cloud.mqtt.MqttLink._new_client: Will",  # a signed availability, as the core said it
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
        "echoed", "gone", "heard", "is_off", "is_under_way", "lost_frames", "restarted", "send", "went_off",
    },
    "tcu_agent.adapters.can.socketcan.session.Session": {"catch_up", "close", "counters", "send"},
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
