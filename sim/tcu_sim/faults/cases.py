"""The faults: what is wrong with the link while people use the car."""

from __future__ import annotations

import asyncio
import resource
import shutil
import sqlite3
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from os import PathLike
from random import Random

from tcu_sim.errors import SimulatorError
from tcu_sim.faults.broker_cases import (
    OUTAGE_S,
    broker_with_store,
    broker_without_store,
    centre_comes_later,
)
from tcu_sim.faults.packets import shuffled
from tcu_sim.faults.papers import Paper, PaperAuthority
from tcu_sim.faults.play import READY_WITHIN_S, STORED_WITHIN_S, Act, Case, connected
from tcu_sim.faults.proxy import LOOPBACK
from tcu_sim.faults.site import KEEPALIVE_S

FOUND_WITHIN_S = 2.0 * KEEPALIVE_S + 2
"""Twice the keepalive, and a second for the agent's and the machine's clockwork."""
LATENCY_S = 3.0
"""Each way. A tenth of what is asked for (30 s)."""
PATIENT = {"timeout_s": 30, "keepalive_s": 15}
"""A tenth of what docs/cloud-link.md advises for 30 s, and a tenth of the most that the agent takes for `timeout_s`.

TLS and CONNECT, a round trip each, share one `timeout_s`; the agent (paho) takes a CONNACK that is later than the
keepalive for none. What is not scaled is the agent's own: when it sends again (45 to 60 s), its pauses before it
connects again.
"""
RATE_BYTES_PER_S = 1000.0
TEN_YEARS = timedelta(days=3652)


async def nothing(act: Act) -> None:
    """Nothing is wrong."""
    await act.make()
    await act.unlock()
    await act.lock_and_send_again()


async def cut_in_packets(act: Act) -> None:
    """The connection breaks in the middle of a packet, again and again."""
    way = act.site.car_way
    for after_bytes in (1, 40, 120, 333, 1000):
        way.faults.cut_after_bytes = after_bytes
        await act.make(
            2, press=after_bytes == 40
        )  # each time at the next packet, on the next connection
        if after_bytes == 333:  # by then the challenge is over
            act.send_grant()
    way.faults.cut_after_bytes = None
    way.cut()


async def half_open(act: Act) -> None:
    """Everything is swallowed, and both sides believe that the connection lives."""
    way, loop = act.site.car_way, asyncio.get_running_loop()
    way.swallow()
    began, mark = loop.time(), act.site.agent.mark()
    act.send_grant()
    found_at = await act.site.agent.says('"link-lost"', since=mark, within_s=READY_WITHIN_S)
    act.note(f"idle, found after {found_at - began:.1f} s")
    if found_at - began > FOUND_WITHIN_S:
        raise SimulatorError(f"half-open for {found_at - began:.1f} s and not found")
    await act.make()
    way.faults.swallows = False


async def latency(act: Act) -> None:
    """Everything comes late, in both directions."""
    act.site.car_way.faults.delay_s = LATENCY_S
    act.send_grant()
    await act.make()
    await asyncio.sleep(2 * LATENCY_S)
    mark = act.site.agent.mark()
    act.site.car_way.cut()
    await act.make(press=False)
    # TLS, CONNECT and SUBSCRIBE take one round trip each.
    await act.site.agent.says('"connected"', since=mark, within_s=READY_WITHIN_S)
    stored = await act.site.until(lambda: act.ledger.is_balanced, timeout_s=90)
    act.note("all stored through it" if stored else "not all stored through it")
    act.site.car_way.faults.delay_s = 0.0


async def slow(act: Act) -> None:
    """A thousand bytes a second, also for the handshake."""
    act.site.car_way.faults.bytes_per_s = RATE_BYTES_PER_S
    act.site.car_way.cut()
    await act.make()
    act.send_grant()
    stored = await act.site.until(lambda: act.ledger.is_balanced, timeout_s=90)
    act.note("all stored through it" if stored else "not all stored through it")
    act.site.car_way.faults.bytes_per_s = None


async def shuffled_both_ways(act: Act) -> None:
    """PUBLISH packets come late, in another order and twice: to the car, from the car, and to the centre.

    A live unlock has to get through that, once; after it the same grant and a stale one come again and again.
    """
    rng = Random(1)
    make = shuffled(rng, most_s=0.5, twice=0.3)
    ways = act.site.car_way, act.site.centre_way
    for way in ways:
        way.up = way.down = make
        way.cut()
    for _ in range(3):
        await act.make(press=not act.ledger.made.presses)
    await act.unlock()
    await act.lock_and_send_again()
    await asyncio.sleep(1.0)
    for way in ways:
        way.up = way.down = None
        way.cut()


async def expired_broker(act: Act) -> None:
    """Somebody answers with a certificate that is out of its dates; later the broker does again."""
    authority = _authority(act)
    paper = authority.issue("expired", age=timedelta(days=10))
    await _impostor(act, authority_paper=paper, restarts=False)


async def foreign_broker(act: Act) -> None:
    """Somebody answers with a certificate of another authority."""
    other = PaperAuthority(act.site.folder / "papers", "other")
    await _impostor(act, authority_paper=other.issue("impostor"), restarts=True)


async def our_certificate_expired(act: Act) -> None:
    """The broker refuses the car's certificate, which is out of its dates."""
    old = _authority(act).issue("car-1", file="car-1-old", age=timedelta(days=10))
    await _refused(act, old)


async def our_certificate_foreign(act: Act) -> None:
    """The broker refuses the car's certificate, which is of another authority."""
    other = PaperAuthority(act.site.folder / "papers", "stranger")
    await _refused(act, other.issue("car-1", file="car-1-foreign"))


async def clock_behind(act: Act) -> None:
    """The board's clock stands ten years back at the start, and is set right while the agent runs."""
    await _wrong_clock(act, -TEN_YEARS)


async def clock_ahead(act: Act) -> None:
    """The board's clock stands ten years ahead at the start, and is set right while the agent runs."""
    await _wrong_clock(act, TEN_YEARS)


async def disk_full(act: Act) -> None:
    """No file of the agent can grow any more."""
    pid = act.site.agent.pid
    files = act.site.database_file.parent.iterdir()
    size = max(file.stat().st_size for file in files)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    mark = act.site.agent.mark()
    for _ in range(4):
        await act.make(press=not act.ledger.made.presses)
    await act.site.agent.says("not-durable", since=mark, within_s=READY_WITHIN_S)
    act.send_grant()
    await act.make(2, press=False)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)


async def no_space(act: Act) -> None:
    """The disk is full (ENOSPC): no file of the agent can grow, whatever the file."""
    site = act.site
    full = site.folder / "full"
    site.agent.environment = {"LD_PRELOAD": str(site.full_disk), "FULL_DISK_FILE": str(full)}
    try:
        await connected(site)
        mark = site.agent.mark()
        full.touch()
        for _ in range(4):
            await act.make(press=not act.ledger.made.presses)
        await site.agent.says("not-durable", since=mark, within_s=READY_WITHIN_S)
        act.send_grant()
        await act.make(2, press=False)
        full.unlink()
    finally:
        site.agent.environment = {}


async def alarm_off_line(act: Act) -> None:
    """Somebody breaks in while the car is off line: the alarm is told when it is back."""
    way = act.site.car_way
    way.faults.is_down = True
    way.cut()
    await act.make()
    act.send_grant()
    alarms = act.site.watch.alarms
    if not await act.site.runner.wait_until(
        lambda _: act.ledger.made.alarms > 0, within_s=READY_WITHIN_S
    ):
        raise SimulatorError(f"the alarm did not go off ({alarms} until now)")
    way.faults.is_down = False


async def file_of_noise(act: Act) -> None:
    """The file of the durable state is noise from one end to the other: ON CALL is told, no remote service is offered.

    What waited in it is gone for good. A person takes the file away, and all is as new.
    """
    site = act.site
    await act.make()
    if not await site.until(lambda: act.ledger.is_balanced, timeout_s=STORED_WITHIN_S):
        raise SimulatorError("not stored before the fault")
    way = site.car_way
    way.faults.is_down = True
    way.cut()
    await act.make(2, press=False)
    act.send_grant()
    await site.agent.kill()
    _give_up(act, 2)
    for file in site.database_file.parent.glob("state.sqlite*"):
        file.write_bytes(Random(1).randbytes(max(file.stat().st_size, 4096)))
    way.faults.is_down = False
    mark = site.agent.mark()
    await site.restart()
    await site.agent.says("state-corrupt", since=mark, within_s=READY_WITHIN_S)
    await site.agent.says('"connected"', since=mark, within_s=READY_WITHIN_S)
    presses = act.ledger.stored().presses
    # Until it has seen the button let go: one that is held down at the start is no press.
    await asyncio.sleep(OUTAGE_S)
    act.press()
    if not await site.until(
        lambda: act.ledger.stored().presses > presses, timeout_s=READY_WITHIN_S
    ):
        raise SimulatorError("ON CALL was silenced by a file that cannot be read")
    act.note("ON CALL told from RAM")
    await site.agent.stop()
    shutil.rmtree(site.database_file.parent)
    await connected(site)


def _give_up(act: Act, doors: int) -> None:
    """The last openings and closings, which the agent alone knew, are gone."""
    del act.ledger.made.doors[-doors:]
    act.ledger.made.given_up += doors


async def outbox_damaged(act: Act) -> None:
    """While the agent is off line, one stored message is damaged on the disk; it is told as lost, alone."""
    way = act.site.car_way
    way.faults.is_down = True
    way.cut()
    await act.make()
    act.send_grant()
    mark = act.site.agent.mark()
    # An orderly end: the log of an agent that was killed must not be opened by anybody else (docs/adr/0014).
    await act.site.agent.stop()
    lost = _damage(act.site.database_file)
    # Which event that was is known here: a door's opening and the closing after it look like nothing at all.
    for index in sorted(lost, reverse=True):
        del act.ledger.made.doors[index]
    way.faults.is_down = False
    await act.site.restart()
    await act.site.agent.says("message-lost", since=mark, within_s=READY_WITHIN_S)


# ------------------------------------------------------------------------------------------ how
def _authority(act: Act) -> PaperAuthority:
    if act.site.papers is None:
        raise SimulatorError("this case needs TLS")
    return act.site.papers.authority


async def _impostor(act: Act, *, authority_paper: Paper, restarts: bool) -> None:
    site, way = act.site, act.site.car_way
    right = way.upstream
    async with _answering(authority_paper) as port:
        way.upstream = port
        mark = site.agent.mark()
        way.cut()
        act.send_grant()
        await act.make()
        await site.agent.says("certificate verify failed", since=mark, within_s=READY_WITHIN_S)
        way.upstream = right
    if restarts:
        # It waits 5 to 30 minutes before it asks who refused it again; a person who has mended it starts it.
        await site.agent.says('"link-refused"', since=mark, within_s=READY_WITHIN_S)
        await connected(site)


@asynccontextmanager
async def _answering(paper: Paper) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(paper.certificate, paper.key)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, LOOPBACK, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def _refused(act: Act, paper: Paper) -> None:
    mark = act.site.agent.mark()
    before = len(act.site.car_way.accepted_at)
    await act.site.restart(paper=paper)
    act.send_grant()
    await act.site.agent.says('"link-refused"', since=mark, within_s=READY_WITHIN_S)
    await act.make()
    attempts = len(act.site.car_way.accepted_at) - before
    act.note(f"{attempts} attempt(s) while refused")
    await connected(act.site)


async def _wrong_clock(act: Act, offset: timedelta) -> None:
    site = act.site
    clock = site.folder / "clock"
    clock.write_text(f"{offset.total_seconds():.0f}\n")
    site.agent.environment = {
        "LD_PRELOAD": str(site.wrong_clock),
        "WRONG_CLOCK_FILE": str(clock),
    }
    mark = site.agent.mark()
    try:
        await site.restart()
        await site.agent.says("certificate verify failed", since=mark, within_s=READY_WITHIN_S)
        act.send_grant()
        await act.make()
        clock.write_text("0\n")
        began = asyncio.get_running_loop().time()
        at = await site.agent.says('"connected"', since=mark, within_s=READY_WITHIN_S)
        act.note(f"connected {at - began:.1f} s after the clock was right")
    finally:
        site.agent.environment = {}


def _damage(file: PathLike[str]) -> list[int]:
    """Flip a bit in the first stored change of the door; return its place among the changes of the door."""
    with sqlite3.connect(file, isolation_level=None) as database:
        rows = database.execute("SELECT seq, payload FROM outbox ORDER BY seq").fetchall()
        seq, payload = next(row for row in rows if b"Row2.PassengerSide.IsOpen" in row[1])
        spoilt = bytes([*payload[:-1], payload[-1] ^ 1])
        database.execute("UPDATE outbox SET payload = ? WHERE seq = ?", (spoilt, seq))
    database.close()
    return [0, 1]


CASES = (
    Case(name="nothing", play=nothing),
    Case(name="broker killed, back with its store", play=broker_with_store, needs=frozenset({"store"})),
    Case(name="broker killed, back without it", play=broker_without_store),
    Case(name="broker killed, back without it before the centre", play=centre_comes_later),
    Case(name="cut in the middle of packets", play=cut_in_packets),
    Case(name="half-open", play=half_open),
    Case(name="latency 3 s each way", play=latency, settings=PATIENT),
    Case(name="1 kB/s", play=slow),
    Case(name="repeated and out of order", play=shuffled_both_ways, plain=True),
    Case(name="broker's certificate expired", play=expired_broker, needs=frozenset({"tls"})),
    Case(name="broker of another authority", play=foreign_broker, needs=frozenset({"tls"})),
    Case(name="our certificate expired", play=our_certificate_expired, needs=frozenset({"tls"})),
    Case(name="our certificate of another authority", play=our_certificate_foreign, needs=frozenset({"tls"})),
    Case(name="clock ten years behind at boot", play=clock_behind, needs=frozenset({"tls", "wrong clock"})),
    Case(name="clock ten years ahead at boot", play=clock_ahead, needs=frozenset({"tls", "wrong clock"})),
    Case(name="disk full", play=disk_full),
    Case(name="disk full (ENOSPC)", play=no_space, needs=frozenset({"full disk"})),
    Case(name="alarm while off line", play=alarm_off_line),
    Case(name="a stored message damaged", play=outbox_damaged, covers=1),
    Case(name="the file full of noise", play=file_of_noise, loses=2),
)  # fmt: skip
