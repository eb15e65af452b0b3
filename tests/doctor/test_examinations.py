"""That the doctor asks each of its examinations, and that none of them can take the others' findings with it."""

from __future__ import annotations

import errno
import os
import pty
import tty
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tcu_agent.adapters.can.counters import BusCounters
from tcu_agent.adapters.storage.store import SqliteState
from tcu_agent.cli import assembly
from tcu_agent.cli.doctor import examine
from tcu_agent.doctor import access, broker, surroundings
from tcu_agent.doctor.board import Board
from tcu_agent.doctor.examination import attempted
from tcu_agent.doctor.findings import Finding, Level, ok
from tcu_agent.doctor.interface import ARPHRD_CAN
from tcu_sim.pki.ceremony import Plan, initialise
from tests.can.vehicle import frame
from tests.contract.certificates import Authority
from tests.contract.mosquitto import free_port
from tests.doctor.place import SECOC, VIRTUAL
from tests.doctor.test_traffic import Port
from tests.runtime.files import minimal

LISTEN_S = 0.2
SOCKETCAN = 'interface = "socketcan"\nchannel = "can0"\nbitrate = 500000'


class CountingPort(Port):
    """A bus of the kernel's that has lost a frame."""

    def counters(self) -> BusCounters:
        return BusCounters(received=100, dropped=1)


class Kernel:
    """What `ip` answers, one description after the other; the last of them stays."""

    def __init__(self, *links: Mapping[str, Any]) -> None:
        self.links = list(links)

    def __call__(self, _: str) -> Mapping[str, Any]:
        return self.links.pop(0) if len(self.links) > 1 else self.links[0]


def link(
    state: str = "ERROR-ACTIVE", *, flags: Iterable[str] = ("UP",), overruns: int = 0
) -> Mapping[str, Any]:
    data = {"state": state, "restart_ms": 100, "bittiming": {"bitrate": 500_000}}
    rx = {"over_errors": overruns, "dropped": 0}
    return {
        "flags": list(flags),
        "linkinfo": {"info_kind": "can", "info_data": data},
        "stats64": {"rx": rx, "tx": {"dropped": 0}},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A car's folder, with a CAN interface beside it."""
    (tmp_path / "net/can0").mkdir(parents=True)
    (tmp_path / "net/can0/type").write_text(f"{ARPHRD_CAN}\n")
    (tmp_path / "rmem_max").write_text("212992\n")
    return initialise(tmp_path / "bench", Plan(vehicles=["car-1"])).vehicle("car-1")


def board(folder: Path, *links: Mapping[str, Any]) -> Board:
    place = folder.parents[2]
    assert (place / "net").exists(), place
    return Board(
        net_class=place / "net",
        rmem_max=place / "rmem_max",
        describe=Kernel(*links or [link()]),
        user=lambda: 0,
    )


def examined(folder: Path, board: Board, *edits: tuple[str, str]) -> list[Finding]:
    text = minimal(broker_port=free_port())
    for old, new in (SECOC, *edits):
        assert old in text
        text = text.replace(old, new)
    (folder / "tcu.toml").write_text(text)
    return examine(folder / "tcu.toml", listen_s=LISTEN_S, board=board)


def about(what: str, found: Iterable[Finding]) -> Finding:
    (finding,) = [each for each in found if what in each.what]
    return finding


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Port]:
    """Ports that were opened, each of a bus with a car on it."""
    ports: list[Port] = []

    def open_bus(_: object) -> Port:
        ports.append(CountingPort([frame("NmBcm", 0.1 * index) for index in range(50)]))
        return ports[-1]

    monkeypatch.setattr(assembly, "open_bus", open_bus)
    return ports


def test_interface_traffic_and_losses_of_a_bus_of_the_kernels(
    folder: Path, opened: list[Port]
) -> None:
    links = [link(), link(overruns=2), link(overruns=5)]
    found = examined(folder, board(folder, *links), (VIRTUAL, SOCKETCAN))
    assert about("can0 is up, error-active", found).level is Level.OK
    assert about("receive buffer", found).level is Level.WARNING
    assert about("50 frames in", found).level is Level.OK
    assert about("DoorStatus (", found).level is Level.FAILURE
    assert about("5 overruns", found).what.endswith("3 of them while listening")
    assert about("1 frames lost because we", found).level is Level.WARNING
    assert opened[0].closed


@pytest.mark.parametrize("state", ["ERROR-WARNING", "ERROR-PASSIVE"])
def test_a_bus_in_trouble_is_listened_to_all_the_same(
    folder: Path, opened: list[Port], state: str
) -> None:
    found = examined(folder, board(folder, link(state)), (VIRTUAL, SOCKETCAN))
    assert about(state.lower(), found).level in {Level.WARNING, Level.FAILURE}
    assert len(opened) == 1
    assert about("50 frames in", found).level is Level.OK


def test_a_bus_that_is_down_is_not_listened_to(folder: Path, opened: list[Port]) -> None:
    found = examined(folder, board(folder, link(flags=())), (VIRTUAL, SOCKETCAN))
    assert about("can0 is down", found).level is Level.FAILURE
    assert not opened


def test_what_the_board_itself_says_is_asked_for(folder: Path) -> None:
    certificate, key = Authority.make(folder, "authority").issue("car-1")
    tls = f'[mqtt.tls]\nca = "{certificate}"\ncertificate = "{certificate}"\nkey = "{key}"\n'
    found = examined(folder, board(folder), ("[keys]\n", f"{tls}[keys]\n"))
    subjects = {each.subject for each in found}
    assert {"files", "access", "clock", "certificate", "storage", "can.body", "broker"} <= subjects


@pytest.fixture
def terminal() -> Iterator[str]:
    """A serial line on which nobody answers."""
    far, near = pty.openpty()
    tty.setraw(near)
    yield os.ttyname(near)
    os.close(far)
    os.close(near)


@pytest.mark.parametrize("is_running", [True, False])
def test_an_adapter_that_the_agent_has_is_left_to_it(
    folder: Path, opened: list[Port], terminal: str, is_running: bool
) -> None:
    slcan = f'interface = "slcan"\nchannel = "{terminal}"'
    state = SqliteState(folder / "state")
    if not is_running:
        state.close()
    found = examined(folder, board(folder), (VIRTUAL, slcan))
    state.close()
    assert about("may be opened", found).level is Level.OK
    assert len(opened) == (0 if is_running else 1)
    assert any("the agent has it" in each.what for each in found) is is_running


def explode(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a defect")


async def explode_later(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a defect")


@pytest.mark.parametrize(
    ("place", "name", "subject"),
    [
        (access, "examine_owners", "access"),
        (surroundings, "examine_clock", "clock"),
        (surroundings, "examine_certificate", "certificate"),
        (surroundings, "examine_storage", "storage"),
        (broker, "examine_broker", "broker"),
        (assembly, "open_bus", "can.body"),
        (Board, "examine_way_in", "can.body"),
    ],
)
def test_a_defect_of_one_examination_leaves_the_others_their_findings(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: list[Port],
    place: object,
    name: str,
    subject: str,
) -> None:
    monkeypatch.setattr(place, name, explode_later if place is broker else explode)
    found = examined(folder, board(folder), (VIRTUAL, SOCKETCAN))
    broken = about("the doctor itself fails here: ZeroDivisionError", found)
    assert (broken.level, broken.subject) == (Level.FAILURE, subject)
    others = {"files", "access", "clock", "storage", "can.body", "broker"} - {subject}
    assert others <= {each.subject for each in found}


def test_a_state_behind_a_closed_folder_is_a_finding_of_files_and_storage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, opened: list[Port], terminal: str
) -> None:
    exists = Path.exists

    def closed(self: Path) -> bool:
        if "state" in self.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return exists(self)

    monkeypatch.setattr(Path, "exists", closed)  # root, who may run this, is let in everywhere
    slcan = f'interface = "slcan"\nchannel = "{terminal}"'
    found = examined(folder, board(folder), (VIRTUAL, slcan))
    refused = [each.subject for each in found if "this user may not look" in each.what]
    assert refused == ["files", "storage"]
    assert about("signing key", found).level is Level.NOTE
    assert len(opened) == 1


def test_what_was_found_before_an_examination_gave_up_is_kept() -> None:
    def examination() -> Iterator[Finding]:
        yield ok("storage", "is there")
        raise OSError(errno.EIO, "Input/output error")

    found = attempted("storage", examination)
    assert [each.level for each in found] == [Level.OK, Level.FAILURE]
    assert "Input/output error" in found[1].what
