"""The command language: any text is parsed or refused with a column, and every verb does what it says."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcu_sim.errors import BadInput, CommandError, NotPossible
from tcu_sim.vehicle.commands import Command, Do, Expect, Wait
from tcu_sim.vehicle.language import VERBS, help_text, parse
from tcu_sim.vehicle.reference import Door, LockPosition, UsageMode
from tcu_sim.vehicle.steering import read_script
from tests.sim.stepped import Stepped

WORDS = sorted(
    {
        word
        for verb in VERBS.values()
        for word in verb.usage.replace("|", " ").replace("[", " ").split()
    }
)
NUMBERS = [
    "0",
    "1",
    "0.3",
    "-1",
    "48.1",
    "1e9",
    "nan",
    "999999999999",
    "7ff",
    "0A0",
    "01ff",
    "front-left",
    "locked",
    "#",
]


def do(car: Stepped, line: str) -> None:
    """One command that happens at once."""
    command = parse(line)
    assert isinstance(command, Do), line
    command.act(car.vehicle, car.now)


def parsed(line: str) -> Command | CommandError | None:
    """A command, nothing, or an error that points into the line: there is no fourth."""
    try:
        return parse(line)
    except CommandError as error:
        return error


def is_clear(error: CommandError, line: str) -> bool:
    return 1 <= error.column <= len(line) + 1 and str(error).startswith(f"column {error.column}: ")


@given(st.text())
@example("press on-call \x00")
@example("é")
@example("wait " + "9" * 5000)
def test_any_text_is_a_command_or_a_clear_error(text: str) -> None:
    command = parsed(text)
    assert not isinstance(command, CommandError) or is_clear(command, text)


@given(st.lists(st.sampled_from([*VERBS, *WORDS, *NUMBERS]), min_size=1, max_size=6))
def test_any_words_are_a_command_that_runs_or_a_clear_error(words: list[str]) -> None:
    line = " ".join(words)
    command = parsed(line)
    assert not isinstance(command, CommandError) or is_clear(command, line)
    if isinstance(command, Do):
        car = Stepped()
        with contextlib.suppress(NotPossible):
            command.act(car.vehicle, car.now)
        car.advance(0.5)


EVERY_VERB = [
    "press on-call", "press plate 0.2", "plate", "plate 3", "bounce on-call", "bounce on-call 4 0.3", "hold on-call",
    "release on-call", "break on-call", "close front-left", "open tailgate by force", "lock", "lock key", "unlock",
    "unlock key", "enter", "leave", "drive 50", "drive 50 for 30", "stop", "park", "ignition convenience", "gnss fix",
    "gnss flat", "gnss lost", "gnss nothing", "gnss at 48.1 -11.5", "gnss follow 1 2", "gnss follow 1 2 3 4 5 6",
    "jam rear-right", "jam rear-right halfway", "free rear-right", "central-locking ok", "central-locking refuse",
    "central-locking late", "central-locking late 3", "central-locking never", "central-locking silent",
    "central-locking boast", "central-locking lie", "relock after 3", "relock off", "alarm trigger", "alarm off",
    "e2e locks wrong-crc", "e2e button stuck-counter", "e2e locks ok", "babble 0x10 50 for 2", "babble 7ff 1",
    "babble off", "send 0a0", "send 0a0 0107000042523b0e", "freshness 322", "sleep", "wake",
]  # fmt: skip


@pytest.mark.parametrize("line", EVERY_VERB)
def test_every_command_runs_on_a_parked_vehicle(line: str) -> None:
    car = Stepped()
    car.advance(0.3)
    do(car, line)
    car.advance(1.0)


def test_every_verb_is_in_the_list_of_tried_commands_and_in_the_help() -> None:
    tried = {line.split()[0] for line in EVERY_VERB} | {"wait", "expect", "state", "help", "open"}
    assert tried == set(VERBS)
    for verb in VERBS.values():
        assert verb.usage in help_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("unlok", "column 1: unknown command 'unlok' (did you mean unlock?)"),
        ("  opn front-left", "column 3: unknown command 'opn' (did you mean open?)"),
        ("open fron-left", "column 6: unknown door 'fron-left' (did you mean front-left?)"),
        (
            "open",
            "column 5: door is missing (one of: front-left, front-right, rear-left, rear-right, tailgate)",
        ),
        (
            "press on-call soon",
            "column 15: time in seconds is 'soon' (write a number from 0 to 2.592e+06)",
        ),
        (
            "press on-call -1",
            "column 15: time in seconds -1 is out of range (write a number from 0 to 2.592e+06)",
        ),
        ("park now", "column 6: 'now' is too much (the command ends before it)"),
        ("drive 50 during 3", "column 10: 'during' stands where 'for' belongs"),
        ("send 800", "column 6: identifier '800' (write hexadecimal 0 to 7ff)"),
        ("send 1 abc", "column 8: data 'abc' (write 0 to 8 bytes, as 01ff)"),
        ("gnss at 91 0", "column 9: latitude 91 is out of range (write a number from -89 to 89)"),
        ("gnss follow 1", "column 14: longitude is missing"),
        ("expect locks closed", "column 14: unknown state 'closed' (did you mean locked?)"),
    ],
)
def test_errors_name_the_column_and_what_to_do(line: str, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(line)
    assert str(caught.value) == said


@pytest.mark.parametrize("line", ["", "   ", "# a comment", "\t# another", "\n"])
def test_empty_lines_and_comments_are_nothing(line: str) -> None:
    assert parse(line) is None


def test_a_comment_may_stand_behind_a_command() -> None:
    assert parse("wait 2 # two seconds") == Wait(2.0)


def test_a_wrong_script_names_file_line_and_column() -> None:
    with pytest.raises(
        BadInput, match=r"^story\.txt:3: column 1: unknown command 'jm' \(did you mean jam\?\)$"
    ):
        read_script(["wait 1", "# nothing", "jm rear-left"], name="story.txt")


# --------------------------------------------------- what the words mean, where tests of the ECUs do not say it


def test_words_reach_what_they_name() -> None:
    car = Stepped()
    do(car, "central-locking late 7")
    assert (car.vehicle.bcm.locking.behaviour.value, car.vehicle.bcm.locking.late_s) == (
        "late",
        7.0,
    )
    relocks: list[float | None] = []
    for line in ("relock after 4", "relock off"):
        do(car, line)
        relocks.append(car.vehicle.bcm.relock_after_s)
    assert relocks == [4.0, None]
    do(car, "e2e locks wrong-crc")
    assert car.vehicle.bcm.e2e["DoorLockStatus"].fault.value == "wrong-crc"
    assert car.vehicle.on_call.e2e["OnCallButton"].fault.value == "ok"
    do(car, "jam rear-left halfway")
    jam = car.vehicle.body.motors[Door.REAR_LEFT].jam
    assert jam is not None
    assert jam.value == "halfway"
    do(car, "free rear-left")
    assert car.vehicle.body.motors[Door.REAR_LEFT].jam is None
    do(car, "gnss at -1.5 2.25")
    assert (
        car.vehicle.motion.position.latitude_deg,
        car.vehicle.motion.position.longitude_deg,
    ) == (-1.5, 2.25)
    do(car, "freshness 77")
    assert car.vehicle.bcm.gate.receiver.last_freshness == 77


def test_alarm_trigger_sounds_at_once() -> None:
    car = Stepped()
    do(car, "alarm trigger")
    car.advance(0.1)
    assert car.last("AlarmStatus") == {"AlarmState": "Triggered"}
    do(car, "alarm off")
    car.advance(0.3)
    assert car.last("AlarmStatus") == {"AlarmState": "Off"}


def test_sleep_ends_the_timer_but_not_a_reason() -> None:
    car = Stepped()
    do(car, "sleep")
    car.advance(2)  # the last NmBcm, and a network timeout after it
    assert car.vehicle.next_deadline() is None
    do(car, "ignition active")
    do(car, "sleep")
    car.advance(5.0)
    assert not car.vehicle.is_asleep
    assert car.vehicle.bcm.usage_mode is UsageMode.ACTIVE


def test_a_sent_frame_is_heard_by_the_bcm_and_by_the_bus() -> None:
    car = Stepped()
    car.vehicle.bcm.gate.receiver.last_freshness = 0x141
    do(
        car, "send 0a0 0107000042523b0e"
    )  # the worked bytes: authentic, so a replayed recording unlocks
    sent = car.advance(1.0)
    assert bytes.fromhex("0107000042523b0e") in {timed.frame.data for timed in sent}
    assert set(car.vehicle.locks.values()) == {LockPosition.UNLOCKED}


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("expect locks locked", True), ("expect locks unlocked", False), ("expect lock tailgate locked", True),
        ("expect door front-left closed", True), ("expect door front-left open", False), ("expect lamp off", True),
        ("expect call idle", True), ("expect alarm armed", True), ("expect usage abandoned", True),
        ("expect bus awake", True), ("expect bus asleep", False), ("expect response idle", True),
    ],
)  # fmt: skip
def test_expectations_look_at_the_truth(line: str, holds: bool) -> None:
    command = parse(line)
    assert isinstance(command, Expect)
    assert command.predicate(Stepped().vehicle) is holds
