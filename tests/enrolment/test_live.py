"""The enrolled vehicle at a real broker: its certificate lets it in, and after a renewal the new one does."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from tcu_agent.adapters.cloud.mqtt import MqttLink
from tcu_agent.adapters.cloud.verdict import Verdict, broker_verdict
from tcu_agent.config import Config
from tcu_agent.enrolment import identity_directory
from tcu_agent.errors import EnrolmentError
from tcu_sim.est.authority import Authority
from tcu_sim.est.revocations import Revocations
from tcu_sim.pki.ceremony import publish_trust, read_trust
from tests.contract.mosquitto import free_port, running
from tests.enrolment.bench import CAR, Bench
from tests.enrolment.test_failures import Faulty, faulty, packed


def connect(link: MqttLink, number: int) -> None:
    async def main() -> None:
        await link.connect(connection=number, will=b"")
        await link.publish("event", b"x")
        await link.disconnect()

    asyncio.run(main())


def link_of(config: Config, port: int) -> MqttLink:
    return MqttLink(config=replace(config.mqtt, port=port, timeout_s=5), vehicle_id=CAR)


def settings_of(bench: Bench) -> str:
    """A broker that believes this bench's authority alone."""
    authority = bench.service.authority
    certificate, key = authority.server_files("127.0.0.1")
    return (
        f"cafile {authority.directory / 'ca.pem'}\ncertfile {certificate}\nkeyfile {key}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
    )


def verdict(bench: Bench, port: int) -> Verdict:
    files = {"certificate": bench.current / "vehicle.pem", "key": bench.current / "vehicle.key"}
    return broker_verdict(replace(bench.config.mqtt, port=port, timeout_s=5), **files)


def newer_trust(bench: Bench) -> bytes:
    """Let the server have a trust bundle of version 2, and return it."""
    trust = read_trust(bench.layout.root, bench.config.environment).trust
    return publish_trust(bench.layout, replace(trust, version=2, issued_s=trust.issued_s + 1))


@pytest.fixture
def certified_elsewhere(enrolled: Bench, tmp_path: Path) -> Bench:
    """The enrolment server gives certificates of an authority that the broker does not know."""
    other = Authority.open(tmp_path / "other")

    def answer(_: Faulty, request: bytes) -> bytes:
        key = x509.load_der_x509_csr(request).public_key()
        return packed([other.certify(key, CAR, days=365)])

    enrolled.faulty = faulty(answers=answer)
    return enrolled


def test_a_new_certificate_that_the_broker_refuses_does_not_get_in_force(
    certified_elsewhere: Bench, tmp_path: Path
) -> None:
    bench = certified_elsewhere
    before = bench.seen()
    with running(tmp_path, settings=settings_of(bench)) as broker:
        assert verdict(bench, broker.port) is Verdict.TAKEN
        with pytest.raises(EnrolmentError, match="the broker refuses the new") as caught:
            bench.enrol(is_forced=True, broker_port=broker.port)
        assert caught.value.temporary
        assert bench.seen() == before
        bench.faulty = None
        bench.lasting(365)
        assert bench.enrol(is_forced=True, broker_port=broker.port).is_new


def test_a_certificate_that_the_broker_refuses_later_gives_way_to_the_one_before(
    certified_elsewhere: Bench, tmp_path: Path
) -> None:
    bench = certified_elsewhere
    before = bench.seen()
    port = free_port()
    newer = newer_trust(bench)
    assert bench.enrol(is_forced=True, broker_port=port).is_new, "nobody to ask"
    assert not bench.enrol(broker_port=port).is_fallen_back, "still nobody"
    with running(tmp_path, port=port, settings=settings_of(bench)):
        assert verdict(bench, port) is Verdict.REFUSED
        back = bench.enrol(broker_port=port)
        assert (back.is_fallen_back, back.trust_version) == (True, 2)
        assert bench.seen() == {**before, "trust.cbor": newer}, "trust never goes back"
        assert bench.generations() == ["1"]
        connect(link_of(bench.config, port), 1)
        assert not bench.enrol(broker_port=port).is_fallen_back


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_where_the_way_back_fails_the_newer_trust_bundle_stays_in_force(
    certified_elsewhere: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench = certified_elsewhere
    port = free_port()
    newer = newer_trust(bench)
    bench.enrol(is_forced=True, broker_port=port)
    before = bench.seen()
    with running(tmp_path, port=port, settings=settings_of(bench)):
        with monkeypatch.context() as broken:
            full = SimpleNamespace(**{**vars(os), step: fails})
            broken.setattr(identity_directory, "os", full)
            with pytest.raises(EnrolmentError, match="No space left"):
                bench.enrol(broker_port=port)
        assert bench.seen() == before
        assert bench.enrol(broker_port=port).is_fallen_back
    assert bench.seen()["trust.cbor"] == newer
    assert "trust.cbor.new" not in bench.seen()


def test_a_damaged_trust_bundle_does_not_follow_the_certificate_back(
    certified_elsewhere: Bench, tmp_path: Path
) -> None:
    bench = certified_elsewhere
    before = bench.seen()
    port = free_port()
    bench.enrol(is_forced=True, broker_port=port)
    (bench.current / "trust.cbor").write_bytes(b"damaged")
    with running(tmp_path, port=port, settings=settings_of(bench)):
        assert bench.enrol(broker_port=port).is_fallen_back
    assert bench.seen() == before


def test_an_older_certificate_that_the_broker_refuses_too_is_not_gone_back_to(
    enrolled: Bench, tmp_path: Path
) -> None:
    enrolled.lasting(365)
    assert enrolled.enrol(is_forced=True).is_new
    Revocations(enrolled.service.authority).revoke(CAR)
    revoked = f"crlfile {Revocations(enrolled.service.authority).list_file}\n"
    before = enrolled.seen()
    with running(tmp_path, settings=settings_of(enrolled) + revoked) as broker:
        assert verdict(enrolled, broker.port) is Verdict.REFUSED
        assert not enrolled.enrol(broker_port=broker.port).is_fallen_back
        assert enrolled.seen() == before
        enrolled.invite()
        enrolled.enrol(with_password=True, broker_port=broker.port)
        assert verdict(enrolled, broker.port) is Verdict.TAKEN


def test_a_broker_with_a_bad_certificate_of_its_own_says_nothing_about_ours(
    enrolled: Bench, tmp_path: Path
) -> None:
    other = Authority.open(tmp_path / "other")
    certificate, key = other.server_files("127.0.0.1")
    settings = (
        f"cafile {enrolled.service.authority.directory / 'ca.pem'}\ncertfile {certificate}\n"
        f"keyfile {key}\nrequire_certificate true\n"
    )
    with running(tmp_path, settings=settings) as broker:
        assert verdict(enrolled, broker.port) is Verdict.UNKNOWN


def test_the_link_takes_up_a_renewed_certificate_by_itself(enrolled: Bench, tmp_path: Path) -> None:
    with running(tmp_path, settings=settings_of(enrolled)) as broker:
        link = link_of(enrolled.config, broker.port)
        connect(link, 1)
        enrolled.lasting(365)
        assert enrolled.enrol(is_forced=True).is_new
        # What the link used before is gone: only the new identity is left to it.
        for file in (enrolled.folder / "identity" / "1").iterdir():
            file.unlink()
        connect(link, 2)
