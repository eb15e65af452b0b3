"""A small fleet plays every phase on the real broker and the real centre, and nobody is left behind."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.fleet.broker import AS_DEPLOYED
from tcu_sim.fleet.story import Story
from tcu_sim.fleet.town import open_town

CARS = 3
SHIPPED = Path(__file__).parents[2] / "deploy" / "mosquitto" / "mosquitto.conf"
OF_THE_SITE = re.compile(
    r"listener|cafile|certfile|keyfile|tls_version|require_certificate|allow_anonymous|acl_file"
    r"|use_\w+_as_\w+|persistence_location|log_\w+|connection_messages"
)
"""Who may come in, where files lie and what is logged: a fleet's own."""


def test_the_broker_of_a_fleet_is_set_as_the_shipped_one() -> None:
    lines = SHIPPED.read_text().splitlines()
    said = {line for line in lines if line and not line.startswith("#")}
    assert {line for line in said if not OF_THE_SITE.match(line)} == set(AS_DEPLOYED)


def test_every_car_does_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    words = ["fleet", "-n", str(CARS), "--json", str(figures), "--dir", str(tmp_path / "kept")]
    assert main(words) == 0, capsys.readouterr()
    found = json.loads(figures.read_text())
    assert [(each["name"], each["done"]) for each in found["phases"]] == [
        (name, CARS) for name in ("connect", "account", "reconnect", "unlock", "on-call")
    ]
    (memory,) = found["memory"]
    assert min(memory["car_kib"], memory["broker_kib"], memory["centre_kib"]) > 0
    broker = (tmp_path / "kept" / f"fleet-{CARS}" / "logs" / "broker.log").read_text()
    lives = re.findall(r"mosquitto version \S+ (starting|terminating)", broker)
    assert lives == ["starting", "starting", "terminating"]  # killed it has no last word


def test_a_car_whose_pin_is_wrong_is_left_behind(tmp_path: Path) -> None:
    async def play() -> int:
        async with open_town(tmp_path / "town", cars=2) as town:
            story = Story(town=town, operators=2)
            await story.connect()
            await story.accounts()
            (letter,) = (town.layout.post / "car-1").glob("*-pin.txt")
            pin = letter.read_text().strip()[-4:]
            wrong = "0123" if pin != "0123" else "3210"
            letter.write_text(f"PIN {wrong}\n")
            return (await story.unlocks()).done

    assert asyncio.run(play()) == 1


@pytest.mark.parametrize("sizes", ["0", "5001", "ten", "1,,2"])
def test_a_size_that_makes_no_sense_is_refused(sizes: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fleet", "-n", sizes])


def test_what_is_there_already_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", "-n", "1", "--dir", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
