"""Several brokers: the next one when one fails, a refusing one left out, and a single refusal never hidden."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.adapters.cloud.brokers import LEFT_OUT_S, BrokerList
from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.config import load
from tcu_agent.errors import ConfigError, MqttTransportError
from tcu_agent.ports import Inbound
from tcu_sim.bench.ports import InMemoryBroker, SimulatedClock
from tcu_sim.bench.simulated_loop import run_simulated
from tests.contract.links import DOWN, UP, config, first, peer_of
from tests.contract.mosquitto import free_port, running
from tests.runtime.files import ROOTS, minimal


class Town:
    """Three brokers on simulated time, and the list of them."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.brokers = [InMemoryBroker(clock=self.clock) for _ in range(3)]
        links = [broker.link("car-1") for broker in self.brokers]
        self.list = BrokerList(links, clock=self.clock)

    async def attempt(self) -> MqttTransportError | None:
        try:
            await self.list.connect(connection=1, will=b"will")
        except MqttTransportError as error:
            return error
        return None

    async def found(self) -> list[bytes]:
        """Return what each broker has got, after publishing to the one that holds."""
        await self.list.publish("event", b"x", correlation=b"id")
        return [broker.seen[-1].payload if broker.seen else b"" for broker in self.brokers]

    async def wait_s(self, duration_s: float) -> None:
        await self.clock.wait_until(self.clock.boottime() + duration_s)


def play(body: Any) -> None:
    async def main() -> None:
        await body(Town())

    run_simulated(main())


def test_the_first_one_is_taken_as_long_as_it_is_there() -> None:
    async def body(town: Town) -> None:
        assert await town.attempt() is None
        assert await town.found() == [b"x", b"", b""]

    play(body)


def test_each_broker_speaks_for_itself_of_sessions_and_subscribers() -> None:
    async def body(town: Town) -> None:
        town.brokers[1].has_nobody = True
        town.brokers[2].is_reachable = False
        for has_session in (False, True):
            town.brokers[0].is_reachable = True
            assert await town.list.connect(connection=1, will=b"will") is has_session
            assert not await town.list.publish("event", b"x")
            town.brokers[0].is_reachable = False
            await town.list.disconnect()
            assert await town.attempt() is not None
            assert await town.list.connect(connection=2, will=b"will") is has_session
            assert await town.list.publish("event", b"x")
            town.brokers[1].is_reachable = False
            await town.list.disconnect()
            for _ in range(2):  # that one, and the third
                assert await town.attempt() is not None
            town.brokers[1].is_reachable = True

    play(body)


def test_each_attempt_goes_to_the_next_until_one_takes_us() -> None:
    async def body(town: Town) -> None:
        town.brokers[0].is_reachable = town.brokers[1].is_reachable = False
        for _ in range(2):
            error = await town.attempt()
            assert error is not None
            assert error.temporary
        assert await town.attempt() is None
        assert await town.found() == [b"", b"", b"x"]

    play(body)


def test_after_a_loss_the_one_that_held_is_tried_first_and_then_the_next() -> None:
    async def body(town: Town) -> None:
        for _ in range(2):
            assert await town.attempt() is None
            assert await town.found() == [b"x", b"", b""]
            await town.list.disconnect()
        town.brokers[0].is_reachable = False
        assert await town.attempt() is not None
        for _ in range(2):
            assert await town.attempt() is None
            assert await town.found() == [b"x", b"x", b""]
            await town.list.disconnect()
            town.brokers[0].is_reachable = True

    play(body)


def test_one_that_refuses_is_left_out_for_a_while_and_the_others_are_not() -> None:
    async def body(town: Town) -> None:
        town.brokers[0].refuses_authentication = True
        town.brokers[1].is_reachable = town.brokers[2].is_reachable = False
        error = await town.attempt()
        assert error is not None
        assert error.temporary, "two more can be tried at once"
        assert "left out" in str(error)
        told = [str(await town.attempt()) for _ in range(6)]
        assert not any("refuses" in each for each in told)
        await town.wait_s(LEFT_OUT_S)
        assert "refuses" in " ".join([str(await town.attempt()) for _ in range(3)])

    play(body)


def test_one_that_takes_us_and_sends_us_away_is_left_out_too() -> None:
    async def dismissed() -> AsyncIterator[Inbound]:
        for code in ("0x87",):
            raise MqttTransportError(code, may_have_happened=False, temporary=False)
        yield Inbound("", b"", False)

    async def heard(town: Town) -> MqttTransportError:
        with pytest.raises(MqttTransportError, match="0x87") as caught:
            await first(town.list)
        await town.list.disconnect()
        return caught.value

    async def body(town: Town) -> None:
        for link in town.list._links:
            link.messages = dismissed  # type: ignore[method-assign]  # three links of one test
        assert await town.attempt() is None
        assert (await heard(town)).temporary, "two more can be tried at once"
        assert await town.attempt() is None
        assert await town.found() == [b"", b"x", b""]
        assert (await heard(town)).temporary
        assert await town.attempt() is None
        assert not (await heard(town)).temporary, "all have"

    play(body)


def test_one_that_sends_us_away_is_left_out_also_where_a_publication_hears_of_it_first() -> None:
    async def dismissed(*_: object, **__: object) -> bool:
        raise MqttTransportError("0x87", may_have_happened=True, temporary=False)

    async def told(town: Town) -> tuple[bool, bool]:
        assert await town.attempt() is None
        with pytest.raises(MqttTransportError, match="0x87") as caught:
            await town.list.publish("event", b"x")
        await town.list.disconnect()
        return caught.value.temporary, caught.value.may_have_happened

    async def body(town: Town) -> None:
        for link in town.list._links[:2]:
            link.publish = dismissed  # type: ignore[method-assign]  # two links of one test
        assert await told(town) == (True, True), "two more can be tried at once"
        assert await told(town) == (True, True)
        assert await town.attempt() is None
        assert await town.found() == [b"", b"", b"x"]
        town.list._links[2].publish = dismissed  # type: ignore[method-assign]  # and the last
        await town.list.disconnect()
        assert await told(town) == (False, True), "all have"

    play(body)


def test_when_all_refuse_the_caller_is_told_to_wait_for_long() -> None:
    async def body(town: Town) -> None:
        for broker in town.brokers:
            broker.refuses_authentication = True
        errors = [await town.attempt() for _ in range(4)]
        assert [error is not None and error.temporary for error in errors] == [
            True, True, False, False,
        ]  # fmt: skip

    play(body)


def test_what_arrives_comes_from_the_one_that_holds() -> None:
    async def body(town: Town) -> None:
        town.brokers[0].is_reachable = False
        await town.attempt()
        assert await town.attempt() is None
        town.brokers[1].publish(f"{DOWN}/ack", b"from the second")
        assert (await first(town.list)).payload == b"from the second"
        town.brokers[1].cut()
        with pytest.raises(MqttTransportError):
            await first(town.list)

    play(body)


def test_on_real_brokers_the_second_takes_over_when_the_first_dies(tmp_path: Path) -> None:
    async def main(one: Any, two: Any) -> None:
        clock = SimulatedClock()
        links = [
            MqttLink(config=config(port), vehicle_id="car-1")
            for port in (one.port, two.port, free_port())
        ]
        brokers = BrokerList(links, clock=clock)
        await brokers.connect(connection=1, will=b"")
        one.kill()
        with pytest.raises(MqttTransportError):
            await first(brokers)
        await brokers.disconnect()
        with pytest.raises(MqttTransportError):
            await brokers.connect(connection=2, will=b"")
        async with peer_of(two) as peer:
            await brokers.connect(connection=3, will=b"")
            await brokers.publish("event", b"x")
            assert await peer.next() == (f"{UP}/event", b"x")
        await brokers.disconnect()

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
        run: Coroutine[Any, Any, None] = main(one, two)
        asyncio.run(run)


# ------------------------------------------------------------------------------- configuration
def with_brokers(tmp_path: Path, lines: str) -> Path:
    (tmp_path / "roots.toml").write_text(ROOTS)
    file = tmp_path / "tcu.toml"
    file.write_text(minimal().replace("[mqtt]\n", f"[mqtt]\n{lines}\n"))
    return file


def test_further_brokers_share_all_but_their_address(tmp_path: Path) -> None:
    lines = 'further_brokers = ["localhost", "127.0.0.1:1884", "[::1]:1885"]\nkeepalive_s = 7'
    mqtt = load(with_brokers(tmp_path, lines)).mqtt
    each = mqtt.each_broker
    assert [(broker.host, broker.port) for broker in each] == [
        (mqtt.host, mqtt.port), ("localhost", 8883), ("127.0.0.1", 1884), ("::1", 1885),
    ]  # fmt: skip
    assert {broker.keepalive_s for broker in each} == {7}
    assert {broker.client_id for broker in each} == {mqtt.client_id}


@pytest.mark.parametrize(
    "text", ["", ":8883", "host:0", "host:99999", "host:x", "user@host", "host/path", "a b:c"]
)
def test_what_is_no_address_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        load(with_brokers(tmp_path, f'further_brokers = ["{text}"]'))


def test_a_number_is_no_address_either(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="8883 is no text"):
        load(with_brokers(tmp_path, "further_brokers = [8883]"))


def test_plain_text_to_a_further_broker_is_refused_and_with_leave_warned_of(tmp_path: Path) -> None:
    lines = 'further_brokers = ["broker2.example.com"]'
    with pytest.raises(ConfigError, match=r"plain text to broker2\.example\.com is refused"):
        load(with_brokers(tmp_path, lines))
    allowed = load(with_brokers(tmp_path, f"{lines}\nallow_plain_text = true"))
    assert [each for each in allowed.warnings if "broker2" in each]


def test_3_1_1_is_warned_of(tmp_path: Path) -> None:
    assert any("3.1.1" in w for w in load(with_brokers(tmp_path, 'protocol = "3.1.1"')).warnings)
    assert load(with_brokers(tmp_path, "")).warnings == ()


def test_an_id_that_looks_like_a_vin_is_warned_of(tmp_path: Path) -> None:
    file = with_brokers(tmp_path, "")
    for name, looks_so in (
        ("YV1FZ12345A678901", True),
        ("yv1fz12345a678901", False),
        ("car-1", False),
    ):
        file.write_text(minimal().replace('id = "car-1"', f'id = "{name}"'))
        assert any("VIN" in warning for warning in load(file).warnings) == looks_so
