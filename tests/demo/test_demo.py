"""The demo itself: the whole story once, as a person starts it, and small ones that must fail."""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tcu_sim.demo.conditions import is_unlock
from tcu_sim.demo.play import DemoOptions, play_demo
from tcu_sim.demo.processes import ProgramError
from tcu_sim.demo.report import Report
from tcu_sim.demo.sightings import describe
from tcu_sim.demo.stage import Stage
from tcu_sim.demo.steps import STEPS
from tcu_sim.demo.steps_forgery import FORGERIES
from tcu_sim.demo.steps_oncall import CALL
from tcu_sim.demo.steps_position import STOP_TIME, THEFT
from tcu_sim.demo.steps_unlock import UNLOCK, unlock_with_wrong_pin
from tcu_sim.demo.story import Step, Verdict

ROOT = Path(__file__).resolve().parents[2]
LYING_AGENT = (sys.executable, "-m", "tests.demo.lying_agent")
OVERRUNNING_AGENT = (sys.executable, "-m", "tests.demo.overrunning_agent")
WITHOUT_PIN, WRONG_PIN, RIGHT_PIN, AGAIN = UNLOCK
RETAINED = FORGERIES[-1]

pytestmark = pytest.mark.timeout(240)  # the whole story takes half a minute of real time


@dataclass(slots=True)
class Told(Report):
    """A report that keeps what it is told."""

    said: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    last: tuple[int, int] = (0, 0)

    def say(self, text: str) -> None:
        self.said.append(text)

    def tell(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def close(self, *, as_expected: int, steps: int) -> None:
        self.last = (as_expected, steps)


@dataclass(frozen=True, slots=True)
class Run:
    """The whole story as a person starts it."""

    status: int
    steps: list[dict[str, Any]]
    stderr: str
    kept: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    kept = tmp_path_factory.mktemp("demo") / "kept"
    argv = [sys.executable, "-m", "tcu_sim.cli.main", "demo", "--json", "--keep", str(kept)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    return Run(done.returncode, steps, done.stderr, kept)


def test_every_step_is_as_expected(run: Run) -> None:
    assert [step for step in run.steps if not step["ok"]] == []
    assert [step["step"] for step in run.steps] == [step.name for step in STEPS]
    assert run.status == 0


def test_stdout_holds_one_object_a_step_and_nothing_else(run: Run) -> None:
    keys = {"step", "expected", "seen", "ok", "number", "duration_s"}
    assert all(set(step) == keys for step in run.steps)
    assert f"demo: {len(STEPS)} of {len(STEPS)} steps as expected" in run.stderr


def test_it_says_which_broker_and_what_it_has_shortened(run: Run) -> None:
    assert re.search(r"demo: broker: (mosquitto|embedded)", run.stderr)
    assert "a challenge lives 5 s (else 30 s)" in run.stderr


def test_logs_and_trace_are_kept_and_keys_are_not(run: Run) -> None:
    names = {path.name for path in run.kept.iterdir()}
    assert {"agent.log", "broker.log", "centre-pin.log", "observer.jsonl"} <= names
    assert not [path for path in run.kept.rglob("*") if path.suffix in {".pem", ".key", ".token"}]


def test_all_that_was_started_has_ended(run: Run) -> None:
    started = re.findall(r"pid (\d+)", (run.kept / "centre-pin.log").read_text())
    assert started
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


async def played(options: DemoOptions, *steps: Step[Stage]) -> Told:
    told = Told()
    is_good = await play_demo(options, told, steps=steps)
    assert is_good == all(verdict.ok for verdict in told.verdicts)
    assert told.last == (sum(verdict.ok for verdict in told.verdicts), len(steps))
    return told


async def test_an_agent_that_reports_success_on_sending_is_caught() -> None:
    """Its car never moves: the result says executed, the locks do not."""
    liar = DemoOptions(agent=LYING_AGENT, vehicle_lines=("central-locking never",))
    told = await played(liar, *CALL, RIGHT_PIN)
    call, unlock = told.verdicts
    assert call.ok
    assert not unlock.ok
    assert "signed result executed none, but no unlocked LockFrontLeft" in unlock.seen


async def test_it_is_caught_even_where_the_car_does_unlock() -> None:
    told = await played(DemoOptions(agent=LYING_AGENT), *CALL, RIGHT_PIN)
    assert told.verdicts[-1].seen == "the result was told before the locks had moved"
    assert any("the ends of the logs" in text for text in told.said)


async def test_an_agent_that_tracks_longer_than_was_signed_is_caught() -> None:
    """It tells the end truly: what it is held against is the grant that the observer saw."""
    told = await played(DemoOptions(agent=OVERRUNNING_AGENT), *CALL, *THEFT, *STOP_TIME)
    *before, stop = told.verdicts
    assert all(verdict.ok for verdict in before)
    assert not stop.ok
    assert "positions after the stop time" in stop.seen


async def test_without_mosquitto_the_embedded_broker_will_do_and_a_wrong_expectation_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tcu_sim.demo.broker.find_mosquitto", lambda: None)

    async def wrong_pin_unlocks(stage: Stage) -> str:
        since = stage.sightings.mark()
        await unlock_with_wrong_pin(stage)
        command = await stage.seen("unlock command", is_unlock, since=since, timeout_s=0.5)
        return describe(command)

    planted = Step("planted", "a wrong PIN unlocks", wrong_pin_unlocks)
    steps = (*CALL, WITHOUT_PIN, RIGHT_PIN, AGAIN, RETAINED, planted)
    told = await played(DemoOptions(), *steps)
    assert [verdict.step for verdict in told.verdicts if not verdict.ok] == ["planted"]
    assert "does not show the flag" in told.verdicts[4].seen
    assert any("embedded amqtt, MQTT 3.1.1" in text for text in told.said)


async def test_an_agent_that_does_not_start_is_told_with_its_log() -> None:
    told = Told()
    broken = DemoOptions(agent=(sys.executable, "-c", "raise SystemExit('no such agent')"))
    with pytest.raises(ProgramError, match="agent ended with status 1"):
        await play_demo(broken, told, steps=CALL)
    assert "no such agent" in told.said[-1]


@pytest.mark.parametrize(
    ("number", "status", "when"),
    [(signal.SIGINT, 130, b"all parts are up"), (signal.SIGTERM, 143, b"CAN:")],
)
async def test_a_signal_ends_everything(number: int, status: int, when: bytes) -> None:
    argv = [sys.executable, "-m", "tcu_sim.cli.main", "demo"]
    demo = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert demo.stdout is not None
    said = b""
    while when not in said:
        said += await demo.stdout.readline()
    [folder] = set(re.findall(rb"tcu-demo-\w+", said))
    assert alive_in(folder)
    demo.send_signal(number)
    _, stderr = await demo.communicate()
    assert demo.returncode == status
    assert b"Traceback" not in stderr
    assert alive_in(folder) == []


def alive_in(folder: bytes) -> list[bytes]:
    """Return the command lines of the processes that were started with this run's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(entry.read_bytes())
    return [line for line in found if folder in line]
