"""Nothing reaches a lock or tells a position but through the types that the verifier builds: every path is listed here.

A new way out (a method of an adapter, a caller of an old one, another maker of a permission) fails these tests until
somebody has looked at it and written it down. Why each group is safe stands above it.
"""

import ast
from collections.abc import Mapping
from typing import Any

import pytest

from tcu_agent.core import effects
from tcu_agent.core.events import Connected, MessageArrived
from tcu_agent.core.verify.authorisation import (
    PositionAuthorisation,
    RelockAuthorisation,
    UnlockAuthorisation,
)
from tcu_agent.errors import BugError
from tcu_agent.protocol.messages import Fix
from tcu_agent.protocol.vocabulary import FixQuality
from tests.meta.checkout import Module, modules
from tests.meta.choke_point import places, public_methods
from tests.runtime.rig import (
    Rig,
    play,
    position_authorisation,
    relock_authorisation,
    unlock_authorisation,
)

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
COPIES = {
    # dataclasses.replace of an event, a record, an intent, settings, a refusal: never of a permission.
    "tcu_agent.cli.assembly.fit_settings: replace",
    "tcu_agent.config.schema.MqttConfig.each_broker: replace",
    "tcu_agent.core.verify.account_rules.check_exactly: replace",
    "tcu_agent.core.reports.journal.Journal.report: replace",
    "tcu_agent.core.reports.journal.Journal.tombstone: replace",
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
    # cli.description and config name things after locks; they touch none.
    "tcu_agent.adapters.can.bus.PythonCanBus._try_to_send: send",
    "tcu_agent.adapters.can.socketcan.bus.SocketCanBus.send: send",
    "tcu_agent.adapters.can.socketcan.session.Session.__init__: send",
    "tcu_agent.adapters.cloud.brokers.BrokerList.publish: publish",
    "tcu_agent.adapters.cloud.mqtt.MqttLink.publish: publish",
    "tcu_agent.cli.description._fields: lock",
    "tcu_agent.config.core_settings._words: unlock",
    "tcu_agent.runtime.can_bus.CanBus.send: send",
    "tcu_agent.runtime.connection.Connection._publish: publish",
    "tcu_agent.runtime.executor.Executor._lock: lock",
    "tcu_agent.runtime.executor.Executor._seal: put_position",
    "tcu_agent.runtime.executor.Executor._seal: seal_position",
    "tcu_agent.runtime.executor.Executor._unlock: unlock",
    "tcu_agent.runtime.outbox.OutboxSender._send_window: publish",
    "tcu_agent.runtime.outbox.OutboxSender.run: publish",
    "tcu_agent.runtime.position_sender.PositionSender._send_due: publish",
    "tcu_agent.runtime.position_sender.PositionSender._send_due: sign_position",
    "tcu_agent.runtime.position_sender.PositionSender.run: publish",
    "tcu_agent.runtime.prompt_sender.PromptSender.run: publish",
    "tcu_agent.runtime.sealing.seal_position: seal",
    "tcu_agent.runtime.supervisor.Supervisor._send: sendto",
    "tcu_agent.runtime.transmitter.Transmitter._send: send",
    "tcu_agent.runtime.transmitter.Transmitter._try: send",
    "tcu_agent.runtime.transmitter.Transmitter.lock: lock",
    "tcu_agent.runtime.transmitter.Transmitter.unlock: unlock",
}
SURFACES: Mapping[str, set[str]] = {
    "tcu_agent.ports.CanPort": {"name", "open", "close", "receive", "send"},
    "tcu_agent.ports.LinkPort": {"connect", "messages", "publish", "disconnect"},
    "tcu_agent.ports.Sealer": {"seal"},
    "tcu_agent.adapters.can.bus.PythonCanBus": {"close", "counters", "name", "open", "receive", "send"},
    "tcu_agent.adapters.can.socketcan.bus.SocketCanBus": {
        "close", "counters", "name", "open", "receive", "send",
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
WORLD_LIBRARIES = {
    "can": {
        "tcu_agent.adapters.can.batches",
        "tcu_agent.adapters.can.bus",
        "tcu_agent.adapters.can.opening",
        "tcu_agent.adapters.can.recording",
        "tcu_agent.adapters.can.waiting_frames",
    },
    "aiomqtt": {
        "tcu_agent.adapters.cloud.mqtt", "tcu_agent.adapters.cloud.client", "tcu_agent.doctor.broker",
    },
    "paho": {"tcu_agent.adapters.cloud.mqtt", "tcu_agent.adapters.cloud.client"},
    "socket": {
        "tcu_agent.adapters.can.socketcan.reading",
        "tcu_agent.adapters.can.socketcan.sockets",
        "tcu_agent.adapters.cloud.mqtt",
        "tcu_agent.runtime.supervisor",
        "tcu_agent.doctor.broker",
    },
}
"""Who may touch the libraries that reach a bus, a broker or a network."""
AGENT = tuple(module for module in modules() if module.path.startswith("src/tcu_agent/"))


def found_in(*given: Module) -> set[str]:
    return {str(place) for module in given for place in places(module)}


def test_every_way_out_and_every_maker_of_a_permission_is_listed() -> None:
    found, listed = found_in(*AGENT), PERMISSIONS | COPIES | OUTLETS
    assert found - listed == set(), "new: who thought about it?"
    assert listed - found == set(), "gone: take it off the list"


@pytest.mark.parametrize("name", SURFACES)
def test_no_adapter_has_a_way_out_that_nobody_thought_about(name: str) -> None:
    module_name, _, class_name = name.rpartition(".")
    module = next(each for each in AGENT if each.name == module_name)
    assert public_methods(module, class_name) == SURFACES[name]


@pytest.mark.parametrize("library", WORLD_LIBRARIES)
def test_few_touch_the_libraries_that_reach_the_world(library: str) -> None:
    assert {each.name for each in AGENT if library in imported(each)} == WORLD_LIBRARIES[library]


def imported(module: Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


BYPASSES = {
    "an effect made elsewhere": "def f(step, grant):\n    step.do(TransmitUnlock(grant))",
    "by its module": "def f(step, grant):\n    step.do(effects.TransmitUnlock(grant))",
    "a permission made elsewhere": "def f(**known):\n    return UnlockAuthorisation(**known)",
    "a permission of another name": "from tcu_agent.core.verify.authorisation import UnlockAuthorisation as Paper",
    "a permission with other parameters": "def f(grant):\n    return replace(grant, expires_at=1e9)",
    "replace by its module": "def f(grant):\n    return dataclasses.replace(grant, expires_at=1e9)",
    "the seal": "from tcu_agent.core.verify.authorisation import _VERIFIER",
    "the seal by its name": 'def f(room):\n    return vars(room)["_VERIFIER"]',
    "no constructor": "def f():\n    return object.__new__(PositionAuthorisation)",
    "a re-lock without an unlock": "def f(step):\n    return relock_after_unlock(bytes(16))",
    "the encoder": "async def f(self):\n    await self._port.send(self._encoder.unlock().frame, timeout_s=1)",
    "the transmitter by a variable": "def f(self):\n    go = self._transmitter.unlock\n    return go()",
    "getattr": 'def f(self):\n    return getattr(self._transmitter, "unlock")()',
    "the link": 'async def f(link, fix):\n    await link.publish("position", fix)',
    "sealed without permission": 'def f(sealer, fix):\n    return sealer.seal(fix, recipient=b"", info=b"")',
    "stored without permission": "def f(state, position):\n    state.put_position(position)",
}


@pytest.mark.parametrize("source", BYPASSES.values(), ids=BYPASSES)
def test_a_planted_bypass_is_seen(source: str) -> None:
    planted = Module(name="tcu_agent.runtime.planted", path="planted.py", source=source)
    assert found_in(planted) - (PERMISSIONS | COPIES | OUTLETS)


def test_a_new_method_of_an_adapter_is_seen() -> None:
    source = "class MqttLink:\n    async def publish_raw(self): ...\n    def _own(self): ..."
    planted = Module(name="tcu_agent.adapters.planted", path="planted.py", source=source)
    assert public_methods(planted, "MqttLink") == {"publish_raw"}


FIX = Fix(quality=FixQuality.NONE, wall_time_ms=0)
NOTHING: Any = None
RELOCK: Any = relock_authorisation()
UNLOCK: Any = unlock_authorisation()
POSITION: Any = position_authorisation()
WRONG = {
    "unlock by a re-lock": effects.TransmitUnlock(RELOCK, not_after=1e9),
    "unlock by a position": effects.TransmitUnlock(POSITION, not_after=1e9),
    "unlock by nothing": effects.TransmitUnlock(NOTHING, not_after=1e9),
    "lock by an unlock": effects.TransmitLock(UNLOCK, not_after=1e9),
    "position by an unlock": effects.SealPosition(UNLOCK, 1, FIX, bytes(32), not_after=1e9),
}


@pytest.mark.parametrize("effect", WRONG.values(), ids=WRONG)
def test_the_executor_refuses_an_effect_with_a_permission_for_something_else(
    effect: effects.Effect,
) -> None:
    async def body(rig: Rig) -> None:
        rig.core.on(MessageArrived, effect)
        rig.start()
        await rig.core.wait_for(Connected)
        rig.broker.publish("tcu/v1/car-1/down/request", b"", retain=False)
        assert rig.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await rig.task
        assert caught.value.subgroup(BugError) is not None
        assert rig.state.sealed == {}
        assert not [frame for frame in rig.bus.sent if frame.arbitration_id == COMMAND_ID]

    play(body)


COMMAND_ID = 0xA0  # CentralLockCommand, dbc/README.md


@pytest.mark.parametrize(
    ("permission", "make"),
    [
        (UnlockAuthorisation, unlock_authorisation),
        (PositionAuthorisation, position_authorisation),
        (RelockAuthorisation, relock_authorisation),
    ],
)
def test_no_permission_comes_into_being_without_its_seal(permission: Any, make: Any) -> None:
    good = make()
    known = {name: getattr(good, name) for name in permission.__slots__}
    assert permission(**known) == good
    for seal in (object(), None, "seal"):
        with pytest.raises(BugError):
            permission(**(known | {"seal": seal}))
