"""A person at the command line plays operator and owner against running services, with nothing but what is printed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tcu_sim.cli.main import main
from tests.centre.test_processes import CAR, HOME, WAIT_S, City, run
from tests.centre.town import wrong


class Hands:
    """Types commands and reads their answers."""

    def __init__(self, city: City) -> None:
        self.directory = str(city.layout.root)

    async def operator(self, *words: str, typed: str = "") -> Any:
        return await self.command("operator", *words, typed=typed)

    async def app(self, *words: str, typed: str = "") -> Any:
        return await self.command("app", *words, typed=typed)

    async def command(self, part: str, *words: str, typed: str) -> Any:
        status, out, err = await self.tries(part, *words, typed=typed)
        assert status == 0, err
        return json.loads(out)

    async def tries(self, part: str, *words: str, typed: str = "") -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tcu_sim.cli.main", part, "--dir", self.directory, *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(f"{typed}\n".encode())
        return process.returncode, out.decode(), err.decode()


def test_an_unlock_and_an_app_by_hand(tmp_path: Path) -> None:
    async def story(city: City) -> None:
        hands = Hands(city)
        await hands.operator("subscribe", CAR, HOME)
        await city.client.operator().account_state(CAR, timeout_s=WAIT_S)
        await city.car.press_on_call()
        [incident] = await hands.operator("incidents", "--wait", "20")
        assert (incident["source"], incident["call"]) == ("on-call", "ringing")
        incident_id = incident["incident_id"]
        assert (await hands.operator("answer", incident_id))["call"] == "connected"
        request_id = await hands.operator("unlock", CAR, incident_id)
        ticket = await hands.operator("ticket", request_id)
        status, out, err = await hands.tries("operator", "keypad", ticket, typed=wrong(city.pin()))
        assert (status, out, "the PIN is wrong" in err) == (1, '"wrong"\n', True)
        assert await hands.operator("keypad", ticket, typed=city.pin()) == "right"
        assert (await hands.operator("send", request_id))["result"] is None
        request = await hands.operator("request", request_id, "--wait", "20")
        assert (request["state"], request["result"]["outcome"]) == ("completed", "executed")

        account = await hands.app("create", "o@example.org", typed="a long password")
        assert await hands.app("sign-in", "o@example.org", typed="a long password") == "signed in"
        status, _, err = await hands.tries("app", "link", CAR, typed=wrong(city.pin()))
        assert (status, "the PIN is wrong" in err) == (1, True)
        assert (await hands.app("link", CAR, typed=city.pin()))["state"] == "completed"
        assert (await hands.operator("account", CAR))["users"] == [account]
        assert await hands.operator("trust", CAR) == "done"

        status, out, err = await hands.tries("operator", "ticket", "not an id")
        assert (status, out) == (2, "")
        assert "32 hex digits" in err
        status, _, err = await hands.tries("app", "--phone", "other", "contact", CAR)
        assert (status, "sign-in" in err) == (2, True)

    run(tmp_path, story, embedded=False)


def test_a_centre_that_does_not_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = str(tmp_path / "bench")
    assert main(["pki", "init", bench, "--vehicle", CAR]) == 0
    assert main(["operator", "--dir", bench, "incidents"]) == 2
    said = capsys.readouterr().err
    assert f"command does not answer: it has left no address in {bench}/run/command.url" in said
    assert "does `tcu-sim centre` run?" in said


def test_a_place_where_no_keys_can_be_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pki", "init", "/dev/null/bench", "--vehicle", CAR]) == 2
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["pki", "centre", "operator", "app"])
def test_help_says_what_to_do(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([part, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 200
