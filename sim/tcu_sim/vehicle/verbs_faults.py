"""Commands for what goes wrong: locks, central locking, alarm, E2E, hostile frames, sleep."""

from __future__ import annotations

import re

from tcu_sim.bus.frame import STANDARD_ID_LIMIT, Frame
from tcu_sim.control.words import WordReader
from tcu_sim.errors import CommandError
from tcu_sim.vehicle.body import Jam
from tcu_sim.vehicle.central_locking import Behaviour
from tcu_sim.vehicle.commands import Command, Do, Verb
from tcu_sim.vehicle.e2e import E2eFault
from tcu_sim.vehicle.reference import Door
from tcu_sim.vehicle.vehicle import Vehicle
from tcu_sim.vehicle.verbs_people import LONGEST_S, read_door, read_seconds

LATE_S = 3.0


def _jam(reader: WordReader) -> Command:
    door, jam = read_door(reader), Jam.HOLDS
    if not reader.is_at_end:
        jam = Jam(reader.choice("kind of jam", [kind.value for kind in Jam]))
    return Do(lambda vehicle, _: _set_jam(vehicle, door, jam))


def _free(reader: WordReader) -> Command:
    door = read_door(reader)
    return Do(lambda vehicle, _: _set_jam(vehicle, door, None))


def _set_jam(vehicle: Vehicle, door: Door, jam: Jam | None) -> None:
    vehicle.body.motors[door].jam = jam


def _central_locking(reader: WordReader) -> Command:
    behaviour = Behaviour(reader.choice("behaviour", [kind.value for kind in Behaviour]))
    late_s = read_seconds(reader, default=LATE_S) if behaviour is Behaviour.LATE else LATE_S
    return Do(lambda vehicle, _: vehicle.bcm.locking.set_behaviour(behaviour, late_s=late_s))


def _relock(reader: WordReader) -> Command:
    after_s: float | None = None
    if reader.choice("word", ["after", "off"]) == "after":
        after_s = reader.number("time in seconds", least=0, most=LONGEST_S)
    return Do(lambda vehicle, _: _set_relock(vehicle, after_s))


def _set_relock(vehicle: Vehicle, after_s: float | None) -> None:
    vehicle.bcm.relock_after_s = after_s


def _alarm(reader: WordReader) -> Command:
    if reader.choice("what about the alarm", ["trigger", "off"]) == "off":
        return Do(_alarm_off)
    return Do(_trigger_alarm)


def _alarm_off(vehicle: Vehicle, now: float) -> None:
    vehicle.bcm.activity(now)
    vehicle.bcm.alarm.disarm()


def _trigger_alarm(vehicle: Vehicle, now: float) -> None:
    vehicle.bcm.activity(now)
    vehicle.bcm.alarm.arm()
    vehicle.bcm.alarm.break_in(delay_s=0.0, now=now)


def _e2e(reader: WordReader) -> Command:
    message = reader.choice("what is protected", ["locks", "button"])
    fault = E2eFault(reader.choice("fault", [kind.value for kind in E2eFault]))
    return Do(lambda vehicle, _: _set_e2e(vehicle, message, fault))


def _set_e2e(vehicle: Vehicle, message: str, fault: E2eFault) -> None:
    if message == "locks":
        vehicle.bcm.e2e["DoorLockStatus"].fault = fault
    else:
        vehicle.on_call.e2e["OnCallButton"].fault = fault


def _babble(reader: WordReader) -> Command:
    if reader.next_is("off"):
        reader.keyword("off")
        return Do(lambda vehicle, _: vehicle.babbler.stop())
    arbitration_id = _identifier(reader)
    rate = reader.number("frames a second", least=1, most=5000)
    for_s = 1.0
    if not reader.is_at_end:
        reader.keyword("for")
        for_s = reader.number("time in seconds", least=0, most=LONGEST_S)
    return Do(
        lambda vehicle, now: vehicle.babbler.start(
            arbitration_id, frames_per_s=rate, for_s=for_s, now=now
        )
    )


def _send(reader: WordReader) -> Command:
    arbitration_id = _identifier(reader)
    data = b""
    if not reader.is_at_end:
        word = reader.word("data")
        if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){0,8}", word.text):
            raise CommandError(
                f"data {word.text!r}", column=word.column, hint="write 0 to 8 bytes, as 01ff"
            )
        data = bytes.fromhex(word.text)
    frame = Frame(arbitration_id=arbitration_id, data=data)
    return Do(lambda vehicle, now: vehicle.babbler.put(frame, now=now))


def _identifier(reader: WordReader) -> int:
    word = reader.word("identifier")
    if (
        not re.fullmatch(r"(?:0x)?[0-9A-Fa-f]{1,3}", word.text)
        or int(word.text, 16) > STANDARD_ID_LIMIT
    ):
        raise CommandError(
            f"identifier {word.text!r}", column=word.column, hint="write hexadecimal 0 to 7ff"
        )
    return int(word.text, 16)


def _freshness(reader: WordReader) -> Command:
    value = int(reader.number("freshness value", least=0, most=0xFFFF_FFFF))
    return Do(lambda vehicle, _: _set_freshness(vehicle, value))


def _set_freshness(vehicle: Vehicle, value: int) -> None:
    vehicle.bcm.gate.receiver.last_freshness = value


def _sleep(reader: WordReader) -> Command:
    del reader
    return Do(lambda vehicle, _: vehicle.bcm.want_sleep())


def _wake(reader: WordReader) -> Command:
    del reader
    return Do(lambda vehicle, now: vehicle.bcm.activity(now))


VERBS = {
    "jam": Verb("jam DOOR [holds|halfway]", "the bolt stays where it is, or stops between", _jam),
    "free": Verb("free DOOR", "end a jam", _free),
    "central-locking": Verb(
        "central-locking ok|refuse|late [SECONDS]|never|silent|boast|lie",
        "what becomes of a command; never: no answer and no movement, silent: no answer,\n"
        "boast: answers Done and moves nothing, lie: the lock status pretends as well",
        _central_locking,
    ),
    "relock": Verb("relock after SECONDS|off", "lock unasked after each remote unlock", _relock),
    "alarm": Verb("alarm trigger|off", "sound the alarm; switch it off with the key", _alarm),
    "e2e": Verb("e2e locks|button ok|wrong-crc|stuck-counter", "spoil a protected message", _e2e),
    "babble": Verb(
        "babble ID RATE [for SECONDS] | off", "flood the bus with random frames of one id", _babble
    ),
    "send": Verb("send ID [DATA]", "one frame of a hostile node, all in hexadecimal", _send),
    "freshness": Verb("freshness VALUE", "set the last accepted SecOC freshness value", _freshness),
    "sleep": Verb("sleep", "let the bus fall asleep now if nothing needs it", _sleep),
    "wake": Verb("wake", "wake the bus as an opened door would", _wake),
}
