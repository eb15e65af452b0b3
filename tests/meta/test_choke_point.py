"""Nothing reaches a lock or tells a position but through the types that the verifier builds: every path is listed here.

A new way out (a method of an adapter, a caller of an old one, another maker of a permission) fails these tests until
somebody has looked at it and written it down in tests/meta/outlets.py or world.py.
"""

from collections.abc import Iterator
from dataclasses import replace
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
from tests.meta import outlets, world
from tests.meta.checkout import Module, modules
from tests.meta.choke_point import places
from tests.meta.reach import libraries, public_names, reaches
from tests.meta.world import Reach
from tests.runtime.rig import (
    Rig,
    play,
    position_authorisation,
    relock_authorisation,
    unlock_authorisation,
)

AGENT = tuple(module for module in modules() if module.path.startswith("src/tcu_agent/"))
ADAPTER_ROOM = "tcu_agent.adapters."
PLACES = outlets.PERMISSIONS | outlets.NAMED | outlets.COPIES | outlets.OUTLETS | outlets.POSITIONS


def used_in(module: Module) -> set[str]:
    """Return every place of a module that somebody has to have thought about."""
    return {str(place) for place in places(module) | reaches(module)}


def unlisted(module: Module) -> list[str]:
    """Return what is in a module and in no table of outlets.py and world.py, or is listed as able to do less."""
    return [
        *sorted(used_in(module) - PLACES - world.REACHES.keys()),
        *(f"imports {library}" for library in sorted(libraries(module) - allowed_in(module))),
        *unlisted_of_adapter(module),
        *unlisted_methods(module),
    ]


def allowed_in(module: Module) -> frozenset[str]:
    users_of = world.WORLD_LIBRARIES
    return world.HARMLESS | {name for name, users in users_of.items() if module.name in users}


def unlisted_of_adapter(module: Module) -> Iterator[str]:
    if not module.name.startswith(ADAPTER_ROOM):
        return
    listed = world.ADAPTERS.get(module.name.removeprefix(ADAPTER_ROOM), {})
    names = {name for each in listed.values() for name in each.split()}
    yield from (f"public: {name}" for name in sorted(public_names(module).keys() - names))
    for place in sorted(places(module) | reaches(module)):
        needed = world.NEEDS.get(place.name)
        if needed is not None and not needed & listed.keys():
            yield f"{place}: nothing public in this module is listed as doing that"


def unlisted_methods(module: Module) -> Iterator[str]:
    public = public_names(module)
    for name, methods in public.items():
        listed = outlets.SURFACES.get(f"{module.name}.{name}")
        if listed is not None:
            yield from (f"{name}.{method}" for method in sorted(methods - listed))


@pytest.mark.parametrize("module", AGENT, ids=lambda module: module.name)
def test_every_way_out_and_every_maker_of_a_permission_is_listed(module: Module) -> None:
    assert unlisted(module) == [], "new: think about it, then enter it in outlets.py or world.py"


def test_nothing_is_listed_that_is_gone() -> None:
    used = {place for module in AGENT for place in used_in(module)}
    assert (PLACES | world.REACHES.keys()) - used == set()
    for library, users in world.WORLD_LIBRARIES.items():
        assert {each.name for each in AGENT if library in libraries(each)} == users, library
    for room, names in world.ADAPTERS.items():
        listed = " ".join(names.values()).split()
        assert sorted(public_names(module_named(f"adapters.{room}"))) == sorted(listed), room


@pytest.mark.parametrize("name", outlets.SURFACES)
def test_what_is_on_the_way_out_has_the_methods_that_are_listed(name: str) -> None:
    module_name, _, own_name = name.removeprefix("tcu_agent.").rpartition(".")
    assert public_names(module_named(module_name))[own_name] == outlets.SURFACES[name]


@pytest.mark.parametrize("module", [each for each in AGENT if each.name.startswith(ADAPTER_ROOM)])
def test_what_may_send_or_publish_is_listed_with_its_methods(module: Module) -> None:
    listed = world.ADAPTERS.get(module.name.removeprefix(ADAPTER_ROOM), {})
    able = f"{listed.get(Reach.CAN, '')} {listed.get(Reach.MQTT, '')}".split()
    assert [name for name in able if f"{module.name}.{name}" not in outlets.SURFACES] == []


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
    "stored past the store": "def f(db, row):\n    db.execute('INSERT OR REPLACE INTO position VALUES (?, ?)', row)",
    "a frame past the permission": "async def f(self, cyclic):\n    await self._transmitter._try('x', cyclic)",
    "a command past the permission": "async def f(self, command):\n    await self._transmitter._send(command)",
}
FORGED = {
    "an effect by a variable": "def f(step, p):\n    Make = fx.TransmitUnlock\n    step.do(Make(p))",
    "an effect passed on": "def f(p):\n    return list(map(TransmitLock, [p]))",
    "a permission by a variable": "def f(k):\n    make = UnlockAuthorisation\n    return make(**k)",
    "a permission by its base": "class Paper(UnlockAuthorisation):\n    pass",
    "everything of a room": "from tcu_agent.core.effects import *",
    "the class of an effect": "def f(effect, p):\n    return type(effect)(p, not_after=1e12)",
    "the class of an effect, kept": "def f(effect, p):\n    make = type(effect)\n    return make(p)",
    "the class of an effect, by its attribute": "def f(effect, p):\n    return effect.__class__(p)",
    "a frozen permission": "def f(grant):\n    object.__setattr__(grant, 'expires_at', 1e12)",
    "another replace": "def f(grant):\n    change = replace\n    return change(grant, expires_at=1e12)",
    "replace under another module": "import dataclasses as d\ndef f(grant):\n    return d.replace(grant, seal=1)",
    "the seal of another": "def f(grant, **k):\n    return type(grant)(**k, seal=grant.seal)",
    "the seal, kept": "def f(grant):\n    return grant.seal",
    "the seal by a pattern": "def f(grant):\n    match grant:\n        case object(seal=key):\n            return key",
    "a message": "def f(step, position):\n    step.do(SendMessage(position))",
    "a position": "def f(**place):\n    return Position(**place)",
    "a position by its room": "def f(**place):\n    make = messages.Position\n    return make(**place)",
}
TOLD = {
    "a coordinate in an event": "def f(journal, vehicle, step, kind):\n"
    "    journal.report(step, kind, values={vss.LATITUDE: vehicle.value(vss.LATITUDE)})",
    "a coordinate under another name": "def f(self):\n"
    "    return {vss.TOW_SEEN_AT: self._vehicle.value(vss.LONGITUDE)}",
    "all that tells a place": "def f(vehicle):\n    return [vehicle.value(p) for p in vss.POSITION_PATHS]",
    "a path by its room": 'def f(vehicle):\n    return vehicle.value(getattr(vss, "LATITUDE"))',
    "a path under another name": "from tcu_agent.core.vss import LATITUDE as SPEED",
    "a path by its text": 'def f(vehicle):\n    return vehicle.value("Vehicle.CurrentLocation.Latitude")',
    "a path by pieces of its text": "PATH = f'Vehicle.CurrentLocation.{name}'",
    "half a place": "def f(self, step):\n    step.note('towed', at=self._stands_at.latitude)",
    "half a place by a pattern": "def f(p):\n    match p:\n        case object(longitude=x):\n            return x",
    "half a fix": "def f(effect):\n    return str(effect.fix.longitude_e7)",
    "a fix of now": "def f(self, step):\n    return codec.encode(self._fixes.fix(step.now, None)).hex()",
    "a place of now": "def f(self, step):\n    return self._fixes.place(step.now)",
    "all fields of a place": "def f(place):\n    return astuple(place)",
    "all fields by their module": "def f(place):\n    return dataclasses.asdict(place)",
    "what speaks when we are gone": "def f(client, topic, place):\n    client.will_set(topic, place)",
}
HARMLESS = {
    "an annotation": "def f(effect: TransmitUnlock) -> UnlockAuthorisation:\n    grant: UnlockAuthorisation",
    "isinstance": "def f(effect):\n    return isinstance(effect, TransmitUnlock | SendMessage)",
    "a pattern": "def f(effect):\n    match effect:\n        case TransmitUnlock(not_after=x):\n            return x",
    "a name for the log": "def f(error):\n    return type(error).__name__",
    "a comparison": "def f(one, two):\n    return type(one) is type(two)",
    "a text": "def f(text):\n    return text.replace('a', 'b')",
    "a word": "def f(place, fix):\n    return place or fix",
    "a comment": 'def f():\n    """Look at Vehicle.CurrentLocation.Latitude."""',
    "SQL that reads": "def f(db):\n    return db.execute('SELECT seq FROM position')",
}
"""What only says what something is: none of it may cost an entry, or entries are made without a thought."""


IN_A_ROOM = {
    "a new adapter class": ("adapters.entropy", "class Radio:\n    def shout(self): ..."),
    "a new adapter function": ("adapters.entropy", "def shout(frame): ..."),
    "another name of a function": ("adapters.entropy", "shout = SystemEntropy.random_bytes"),
    "a socket of asyncio's": (
        "runtime.pump",
        "async def f(host):\n    return await asyncio.open_connection(host, 1883)",
    ),
    "a transport of asyncio's": (
        "runtime.pump",
        "async def f(loop, made):\n    await loop.create_connection(made, 'centre', 1883)",
    ),
    "a descriptor": ("adapters.timerfd", "def f(fd, frame):\n    os.write(fd, frame)"),
    "a descriptor's write, renamed": ("adapters.timerfd", "from os import write as put_down"),
    "a device file": (
        "adapters.keys.secret_file",
        "def read(path, frame):\n    path.write_bytes(frame)",
    ),
    "a file opened for appending": ("adapters.entropy", "_OUT = open('/dev/ttyUSB0', 'ab')"),
    "os.open": ("adapters.timerfd", "_OUT = os.open('/dev/ttyUSB0', os.O_RDWR)"),
    "another program": ("runtime.supervisor", "import subprocess as s"),
    "a shell": ("adapters.timerfd", "def checked(line):\n    os.system(line)"),
    "a program of asyncio's": (
        "runtime.sleeper",
        "async def f():\n    await asyncio.create_subprocess_exec('cansend', 'can0', '0A0#01')",
    ),
    "the C library": ("runtime.supervisor", "import ctypes"),
    "the C library by an old handle": (
        "adapters.power.alarm_timer",
        "def f(fd, frame):\n    libc.write(fd, frame, 16)",
    ),
    "a method by its name": (
        "runtime.sleeper",
        "from operator import methodcaller\ngo = methodcaller('un' + 'lock')",
    ),
    "getattr with a computed name": (
        "runtime.executor",
        "def f(to, *words):\n    return getattr(to.transmitter, ''.join(words))",
    ),
    "getattr passed on": ("runtime.executor", "def f(to):\n    return map(getattr, [to], ['x'])"),
    "a dictionary of names": ("runtime.executor", "def f(to):\n    return to.__dict__['_x']"),
    "a module by its name": (
        "runtime.executor",
        "import importlib\ncan = importlib.import_module('c' + 'an')",
    ),
    "code made while running": ("runtime.executor", "def f(text):\n    eval(text)"),
    "a library that nobody knows": ("runtime.executor", "import telnetlib"),
    "a raw socket's send": (
        "adapters.can.socketcan.reading",
        "def f(opened: socket.socket, frame):\n    opened.sendmsg([frame])",
    ),
    "a place in an event of the core": (
        "core.theft.tow",
        "def f(self):\n    return {vss.LATITUDE: round(self._vehicle.value(vss.LATITUDE) * 1e7)}",
    ),
    "a place in a report": (
        "core.reports.reports",
        "def f(self, told):\n    return told | {vss.LATITUDE: self._vehicle.value(vss.LATITUDE)}",
    ),
    "a will of paho's": ("adapters.cloud.client", "def _f(c, topic, x):\n    c.will_set(topic, x)"),
    "a will of aiomqtt's": (
        "adapters.cloud.client",
        "def _f(topic, x):\n    return aiomqtt.Will(topic, x)",
    ),
    "a core that writes": ("core.unlock.unlock", "def f(port, frame):\n    port.write(frame)"),
}


@pytest.mark.parametrize("source", BYPASSES.values(), ids=BYPASSES)
def test_a_planted_bypass_is_seen(source: str) -> None:
    assert unlisted(Module(name="tcu_agent.runtime.planted", path="planted.py", source=source))


@pytest.mark.parametrize("room", ["runtime", "core.unlock"])
@pytest.mark.parametrize("source", FORGED.values(), ids=FORGED)
def test_a_forged_permission_is_seen_in_the_core_as_well(room: str, source: str) -> None:
    assert unlisted(Module(name=f"tcu_agent.{room}.planted", path="planted.py", source=source))


@pytest.mark.parametrize("room", ["runtime", "core.reports", "adapters.cloud"])
@pytest.mark.parametrize("source", TOLD.values(), ids=TOLD)
def test_whoever_reads_a_place_is_seen(room: str, source: str) -> None:
    module = Module(name=f"tcu_agent.{room}.planted", path="planted.py", source=source)
    will_is_harmless = "will_set" in source and room.startswith("core")  # nothing to call it on
    assert will_is_harmless or used_in(module) - PLACES


@pytest.mark.parametrize("source", HARMLESS.values(), ids=HARMLESS)
def test_what_says_what_something_is_needs_no_entry(source: str) -> None:
    assert (
        unlisted(Module(name="tcu_agent.runtime.planted", path="planted.py", source=source)) == []
    )


def module_named(name: str) -> Module:
    return next(each for each in AGENT if each.name == f"tcu_agent.{name}")


@pytest.mark.parametrize(("room", "source"), IN_A_ROOM.values(), ids=IN_A_ROOM)
def test_a_bypass_planted_in_a_room_is_seen(room: str, source: str) -> None:
    """A copy of a real module with something more in it."""
    module = module_named(room)
    assert unlisted(module) == []
    assert unlisted(replace(module, source=f"{module.source}\n\n{source}\n"))


def test_a_bypass_planted_in_a_class_of_an_adapter_is_seen() -> None:
    module = module_named("adapters.cloud.mqtt")
    method = "    async def publish_raw(self, data: bytes) -> None:\n        self._data = data\n\n"
    source = module.source.replace("    async def publish(", f"{method}    async def publish(")
    assert unlisted(replace(module, source=source)) == ["MqttLink.publish_raw"]


def test_a_place_added_to_an_event_of_the_core_is_seen() -> None:
    """As somebody would write it: into the very line that tells something else."""
    module = module_named("core.theft.tow")
    line = "values={vss.TOW_SEEN_AT: seen_s"
    more = f"{line}, vss.LATITUDE: round(float(self._vehicle.value(vss.LATITUDE) or 0) * 1e7)"
    assert module.source.count(line) == 1
    planted = replace(module, source=module.source.replace(line, more))
    assert unlisted(planted) == ["tcu_agent.core.theft.tow.TowWatch._tell: LATITUDE"]


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
    "position by an unlock": effects.SealPosition(
        UNLOCK, 1, FIX, bytes(32), stream_id=bytes(8), not_after=1e9, puts={}
    ),
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
