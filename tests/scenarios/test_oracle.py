"""The oracle sees each rule broken, and leaves a lawful run alone."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_agent.ports import CanFrame
from tcu_sim.bench.light_centre import Deed
from tcu_sim.bench.oracle import Command, Evidence, LockStatus, Sealed, complaints
from tcu_sim.bench.simulated_loop import run_simulated
from tcu_sim.bench.world import CondemnedError, World
from tcu_sim.wire import messages as m
from tcu_sim.wire.numbers import Kind, Lock, Mode, Outcome, Relock, Service
from tcu_sim.wire.parameters import Locate, Unlock

REQUEST, CASE = b"r" * 16, b"c" * 16
DIRECT = Deed(
    request_id=REQUEST,
    service=Service.UNLOCK,
    parameters=Unlock(mode=Mode.DIRECT),
    at=101.0,
    challenged_at=100.0,
    ttl_s=30,
    case_id=None,
)
ARMED = replace(DIRECT, parameters=Unlock(mode=Mode.ARMED, window_s=60))
SNAPSHOT = replace(
    DIRECT, service=Service.POSITION, parameters=Locate(kind=Kind.SNAPSHOT), case_id=CASE
)
TRACKING = replace(SNAPSHOT, parameters=Locate(kind=Kind.TRACKING, interval_s=10, duration_s=60))
UNLOCKED, LOCKED = (Lock.UNLOCKED,) * 5, (Lock.LOCKED,) * 5
EXECUTED = m.Result(
    vehicle_id="car-1",
    service=Service.UNLOCK,
    request_id=REQUEST,
    nonce=bytes(16),
    boot_id=bytes(8),
    outcome=Outcome.EXECUTED,
    reason=0,
    grant_hash=bytes(32),
    locks=dict.fromkeys(range(5), Lock.UNLOCKED),
    relock=Relock.AGENT,
    seq=1,
    stream_id=bytes(8),
)


OTHER_REQUEST = b"o" * 16
OTHER = replace(DIRECT, request_id=OTHER_REQUEST)


def unlock(at: float, request_id: bytes = REQUEST) -> Command:
    return Command(at, is_unlock=True, request_id=request_id)


def lock(at: float, request_id: bytes = REQUEST) -> Command:
    return Command(at, is_unlock=False, request_id=request_id)


LAWFUL = [
    Evidence(),
    Evidence(ledger=[DIRECT], commands=[unlock(102)]),
    Evidence(ledger=[DIRECT], commands=[unlock(102), lock(222)]),
    Evidence(ledger=[ARMED], commands=[unlock(189)]),
    Evidence(ledger=[ARMED, OTHER], commands=[unlock(129, OTHER_REQUEST), unlock(189)]),
    Evidence(
        ledger=[DIRECT, OTHER],
        commands=[unlock(102), lock(110), unlock(111, OTHER_REQUEST), lock(231, OTHER_REQUEST)],
    ),
    Evidence(  # the second one found it unlocked already
        ledger=[DIRECT, OTHER], commands=[unlock(102), lock(231, OTHER_REQUEST)]
    ),
    Evidence(ledger=[SNAPSHOT], sealed=[Sealed(102, CASE, 1)]),
    Evidence(ledger=[TRACKING], sealed=[Sealed(102 + 10 * n, CASE, n + 1) for n in range(7)]),
    Evidence(
        ledger=[DIRECT],
        commands=[unlock(102)],
        statuses=[LockStatus(90, LOCKED), LockStatus(103, UNLOCKED)],
        results=[(103, EXECUTED), (104, replace(EXECUTED))],
    ),
    Evidence(  # offline: the result comes when the car has locked itself again
        ledger=[DIRECT],
        commands=[unlock(102), lock(222)],
        statuses=[LockStatus(90, LOCKED), LockStatus(103, UNLOCKED), LockStatus(223, LOCKED)],
        results=[(400, EXECUTED)],
    ),
]
BROKEN = [
    ("no evidence at all", Evidence(commands=[unlock(102)]), "without unused evidence"),
    (
        "one evidence, two frames",
        Evidence(ledger=[DIRECT], commands=[unlock(102), unlock(103)]),
        "without unused evidence",
    ),
    (
        "two frames for one request, while another one's evidence is unused",
        Evidence(ledger=[DIRECT, OTHER], commands=[unlock(102), unlock(103)]),
        "without unused evidence",
    ),
    (
        "two pieces of evidence for one request, two frames",
        Evidence(ledger=[DIRECT, DIRECT], commands=[unlock(102), unlock(103)]),
        "without unused evidence",
    ),
    (
        "no intent on the disk",
        Evidence(ledger=[DIRECT], commands=[unlock(102, b"")]),
        "without unused evidence",
    ),
    (
        "the intent of a request that nobody has given evidence for",
        Evidence(ledger=[OTHER], commands=[unlock(102)]),
        "without unused evidence",
    ),
    (
        "two lock frames for one request, while another one's car is unlocked",
        Evidence(
            ledger=[DIRECT, OTHER],
            commands=[unlock(102), unlock(103, OTHER_REQUEST), lock(222), lock(223)],
        ),
        "follows no unlock",
    ),
    (
        "a lock frame without its attempt on the disk",
        Evidence(ledger=[DIRECT], commands=[unlock(102), lock(222, b"")]),
        "follows no unlock",
    ),
    (
        "after the challenge's end",
        Evidence(ledger=[DIRECT], commands=[unlock(130.1)]),
        "without unused evidence",
    ),
    (
        "before the evidence",
        Evidence(ledger=[DIRECT], commands=[unlock(100.5)]),
        "without unused evidence",
    ),
    (
        "after the plate window",
        Evidence(ledger=[ARMED], commands=[unlock(190.1)]),
        "without unused evidence",
    ),
    (
        "with the evidence for a position",
        Evidence(ledger=[SNAPSHOT], commands=[unlock(102)]),
        "without unused evidence",
    ),
    ("lock out of nothing", Evidence(commands=[lock(102)]), "follows no unlock"),
    (
        "two locks after one unlock",
        Evidence(ledger=[DIRECT], commands=[unlock(102), lock(222), lock(223)]),
        "follows no unlock",
    ),
    ("position without a case", Evidence(sealed=[Sealed(102, CASE, 1)]), "more than its evidence"),
    (
        "a second snapshot",
        Evidence(ledger=[SNAPSHOT], sealed=[Sealed(102, CASE, 1), Sealed(103, CASE, 2)]),
        "more than its evidence",
    ),
    (
        "after the stop time",
        Evidence(ledger=[TRACKING], sealed=[Sealed(190.1, CASE, 1)]),
        "outside its evidence",
    ),
    (
        "executed on sending",
        Evidence(statuses=[LockStatus(90, LOCKED)], results=[(103, EXECUTED)]),
        "said something else",
    ),
    (
        "executed because it had been unlocked before the grant",
        Evidence(
            ledger=[DIRECT],
            statuses=[LockStatus(50, UNLOCKED), LockStatus(90, LOCKED)],
            results=[(103, EXECUTED)],
        ),
        "said something else",
    ),
    (
        "executed without any status",
        Evidence(results=[(103, EXECUTED)]),
        "said something else",
    ),
    (
        "executed with a locked door",
        Evidence(
            statuses=[LockStatus(90, UNLOCKED)],
            results=[(103, replace(EXECUTED, locks={0: Lock.LOCKED}))],
        ),
        "not all unlocked",
    ),
    (
        "two stories",
        Evidence(
            statuses=[LockStatus(90, UNLOCKED)],
            results=[(103, EXECUTED), (104, replace(EXECUTED, outcome=Outcome.UNKNOWN))],
        ),
        "two different results",
    ),
    ("in clear", Evidence(published_in_clear=1), "show a position"),
]


@pytest.mark.parametrize("run", LAWFUL)
def test_a_lawful_run_is_left_alone(run: Evidence) -> None:
    assert complaints(run) == []


@pytest.mark.parametrize(
    ("run", "words"), [(run, words) for _, run, words in BROKEN], ids=[name for name, *_ in BROKEN]
)
def test_each_broken_rule_is_seen(run: Evidence, words: str) -> None:
    assert any(words in complaint for complaint in complaints(run))


async def _unlocked_by_nobody(world: World) -> None:
    """A command frame of the TCU's identifier, which no evidence covers."""
    async with world:
        arbitration_id = world.car.vehicle.database.arbitration_id("CentralLockCommand")
        world.bus.put(CanFrame(arbitration_id, bytes([1, 0, 0, 0, 0, 0, 0, 0])))


def test_every_world_is_judged_when_it_ends() -> None:
    with pytest.raises(CondemnedError, match="without unused evidence"):
        run_simulated(_unlocked_by_nobody(World()))


def test_a_world_that_expects_a_complaint_is_content_with_it() -> None:
    run_simulated(_unlocked_by_nobody(World(expects="without unused evidence")))


def test_a_world_that_expects_a_complaint_insists_on_it() -> None:
    async def nothing_happens() -> None:
        async with World(expects="without unused evidence"):
            pass

    with pytest.raises(CondemnedError, match="no complaint says"):
        run_simulated(nothing_happens())


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.glob("test_*.py")), ids=lambda p: p.stem
)
def test_every_scenario_has_a_world(path: Path) -> None:
    """A coroutine test without the fixture would be a run that nobody judges."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert "world" in {argument.arg for argument in node.args.args}, node.name
