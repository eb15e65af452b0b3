"""Sightings are waited for and told; a step that does not see what it expects fails and says so."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from tcu_sim.demo.report import JsonReport, PlainReport
from tcu_sim.demo.sightings import NotSeenError, Sighting, Sightings
from tcu_sim.demo.story import Step, Verdict, judge, play
from tcu_sim.errors import SimulatorError


@pytest.fixture
def sightings(tmp_path: Path) -> Sightings:
    return Sightings(tmp_path / "observer.jsonl")


def is_result(sighting: Sighting) -> bool:
    return bool(sighting["what"] == "result")


def tell(sightings: Sightings, **fields: object) -> None:
    sightings.take_line(json.dumps({"t": 1.0, **fields}))


async def test_a_sighting_ends_the_wait_at_once(sightings: Sightings) -> None:
    mark = sightings.mark()
    waiting = asyncio.create_task(sightings.wait("result", is_result, since=mark))
    await asyncio.sleep(0)
    tell(sightings, at="mqtt", what="challenge")
    await asyncio.sleep(0)
    assert not waiting.done()
    tell(sightings, at="mqtt", what="result", outcome="executed")
    assert (await waiting)["outcome"] == "executed"


async def test_what_was_seen_before_the_mark_does_not_count(sightings: Sightings) -> None:
    tell(sightings, at="mqtt", what="result")
    with pytest.raises(NotSeenError, match=r"no result in 0\.01 s; seen: nothing"):
        await sightings.wait("result", is_result, since=sightings.mark(), timeout_s=0.01)


async def test_what_came_instead_is_told_without_the_ticks(sightings: Sightings) -> None:
    mark = sightings.mark()
    tell(sightings, at="can", what="tick")
    tell(sightings, at="mqtt", what="refusal", reason="pin-too-old", signature="good")
    tell(sightings, at="can", what="command", command="unlock")
    tell(sightings, at="mqtt", what="event", event="started", signature="unknown-key")
    with pytest.raises(NotSeenError) as caught:
        await sightings.wait("result", is_result, since=mark, timeout_s=0.01)
    assert str(caught.value).endswith(
        "seen: refusal pin-too-old, command unlock, event started (signature unknown-key)"
    )


async def test_settling_needs_signs_of_life_from_now_on(sightings: Sightings) -> None:
    for _ in range(5):
        tell(sightings, at="can", what="tick")
    with pytest.raises(NotSeenError, match="sign of life"):
        await sightings.settle(timeout_s=0.01)


async def test_lines_that_are_no_json_are_left_alone(sightings: Sightings, tmp_path: Path) -> None:
    sightings.take_line("observer: ready")
    sightings.take_line("[1]")
    tell(sightings, at="mqtt", what="result")
    assert sightings.mark() == 1
    assert json.loads((tmp_path / "observer.jsonl").read_text())["what"] == "result"


async def saw_it(_: None) -> str:
    return "doors unlocked"


async def saw_something_else(_: None) -> str:
    raise NotSeenError("doors still locked")


async def bench_broke(_: None) -> str:
    raise SimulatorError("the centre does not answer")


async def hangs(_: None) -> str:
    await asyncio.Event().wait()
    return ""


async def test_each_end_of_a_step_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcu_sim.demo.story.STEP_LIMIT_S", 0.05)
    plays = [saw_it, saw_something_else, bench_broke, hangs]
    steps = [Step(play.__name__, "doors unlocked", play) for play in plays]
    verdicts = [verdict async for verdict in play(steps, None)]
    assert [(v.number, v.ok, v.seen) for v in verdicts] == [
        (1, True, "doors unlocked"),
        (2, False, "doors still locked"),
        (3, False, "the bench itself failed: the centre does not answer"),
        (4, False, "nothing that decides, in 0.05 s"),
    ]


async def test_a_bug_in_a_step_is_not_taken_for_a_verdict() -> None:
    async def broken(_: None) -> str:
        raise KeyError("pin")

    with pytest.raises(KeyError):
        await judge(1, Step("x", "y", broken), None)


VERDICT = Verdict(
    number=3,
    step="right PIN",
    expected="doors unlock",
    seen="4 locks open",
    ok=True,
    duration_s=0.1234,
)


def test_the_plain_report_ends_with_the_line_that_scripts_read() -> None:
    stream = io.StringIO()
    report = PlainReport(stream)
    report.tell(VERDICT)
    report.close(as_expected=1, steps=2)
    lines = stream.getvalue().splitlines()
    assert lines[-1] == "demo: 1 of 2 steps as expected"
    assert "ok" in lines[1]
    assert "4 locks open" in lines[1]


def test_the_json_report_prints_one_object_a_step_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.StringIO()
    report = JsonReport(stream)
    report.say("broker: mosquitto")
    report.tell(VERDICT)
    report.close(as_expected=1, steps=1)
    [line] = stream.getvalue().splitlines()
    assert json.loads(line) == {
        "step": "right PIN",
        "expected": "doors unlock",
        "seen": "4 locks open",
        "ok": True,
        "number": 3,
        "duration_s": 0.123,
    }
    assert capsys.readouterr().out == ""
