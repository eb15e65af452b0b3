"""A centre ends when it is told to, also while its broker dies, and runs once in a directory."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Self

import aiomqtt
import pytest

from tcu_sim.centre.ending import claimed, end_tasks
from tcu_sim.centre.mqtt import BrokerAddress, MqttBus
from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput
from tests.centre.test_processes import CAR, City, run
from tests.contract.mosquitto import free_port
from tests.contract.mosquitto import running as mosquitto

TIMEOUT_S = 10.0


class Listener:
    """A service that hears nothing of interest."""

    name = "command"
    topics = ("event",)

    async def receive(self, vehicle_id: str, message_type: str, payload: bytes) -> None:
        """Nothing."""


async def cancelled_while_the_broker_dies(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether a bus ends at one cancellation that comes with the end of its connection."""
    connections, dies = [], asyncio.Event()

    class Client:
        def __init__(self, *_: object, **__: object) -> None: ...

        async def __aenter__(self) -> Self:
            connections.append(self)
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def subscribe(self, *_: object, **__: object) -> None: ...

        @property
        def messages(self) -> Self:
            return self

        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> aiomqtt.Message:
            await dies.wait()
            raise aiomqtt.MqttError("the broker has died")

    monkeypatch.setattr(aiomqtt, "Client", Client)
    bus = MqttBus(BrokerAddress(port=1), client_id="trial")
    running = asyncio.create_task(bus.run(Listener()))  # type: ignore[arg-type]  # as much of a service as it needs
    await bus.connected.wait()
    await asyncio.sleep(0)
    dies.set()
    await asyncio.sleep(0)  # the reader fails in this step, who waits for it notices in the next
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=1)
    await end_tasks([running])
    return bool(done) and len(connections) == 1


def test_a_cancellation_that_comes_with_the_end_of_the_broker_is_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asyncio.run(cancelled_while_the_broker_dies(monkeypatch))


def test_a_service_outlives_its_broker_and_says_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        port = free_port()
        bus = MqttBus(BrokerAddress(port=port), client_id="trial")
        running = asyncio.create_task(bus.run(Listener()))  # type: ignore[arg-type]  # as above
        for _ in range(2):
            with mosquitto(tmp_path, port=port):
                async with asyncio.timeout(TIMEOUT_S):
                    await bus.connected.wait()
            bus.connected.clear()  # so that only a new connection sets it
            assert not running.done()
        await end_tasks([running])

    asyncio.run(story())
    assert caplog.text.count("trial: connected to the broker again") >= 1
    lost = caplog.text.index("trial: no connection to the broker")
    assert lost < caplog.text.index("trial: connected to the broker again")


def test_a_task_that_loses_a_cancellation_is_ended_all_the_same() -> None:
    async def loses_one() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def story() -> None:
        task = asyncio.create_task(loses_one())
        await asyncio.sleep(0)
        async with asyncio.timeout(TIMEOUT_S):
            await end_tasks([task])
        assert task.cancelled()

    asyncio.run(story())


def test_a_centre_ends_while_its_broker_dies(tmp_path: Path) -> None:
    async def story(city: City) -> None:
        broker = city.programs.programs["broker"]
        broker.process.kill()
        city.centre.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(TIMEOUT_S):
            assert await city.centre.process.wait() == 0
        assert not list(city.layout.run.glob("*.url"))

    run(tmp_path, story, embedded=False)


def test_a_second_centre_is_refused_and_does_not_disturb_the_first(tmp_path: Path) -> None:
    async def story(city: City) -> None:
        for words in (["centre"], ["centre", "pin"]):
            second = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tcu_sim.cli.main", *words),
                *("--dir", str(city.layout.root), "--broker-port", str(city.broker.port)),
                stderr=asyncio.subprocess.PIPE,
            )
            _, err = await second.communicate()
            assert (second.returncode, b"in use" in err) == (2, True), err
        assert await city.client.operator().incidents() == []
        view = await city.client.operator().subscribe(CAR, address="owner-home")
        assert view.is_active

    run(tmp_path, story, embedded=False)


def test_a_lock_is_free_when_its_holder_has_gone(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "pin.lock"
    with (
        claimed(lock, what="centre pin"),
        pytest.raises(BadInput, match="in use"),
        claimed(lock, what="centre pin"),
    ):
        pass
    with claimed(lock, what="centre pin"):
        assert lock.stat().st_mode & 0o077 == 0


def test_what_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = str(tmp_path / "bench")
    assert main(["centre", "--dir", bench]) == 2
    assert not (tmp_path / "bench").exists()
    assert main(["centre", "--dir", bench, "--password-file", "nope"]) == 2
    assert "--password-file nope" in capsys.readouterr().err
