"""Back to the former certificate with a signing key that is newer than it: what says that it is entered goes along."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from tcu_agent.adapters.cloud.verdict import Verdict
from tcu_agent.config import MqttConfig
from tcu_agent.enrolment import enrolling, identity_directory
from tcu_agent.errors import EnrolmentError
from tcu_sim.est.authority import Authority
from tests.contract.mosquitto import free_port, running
from tests.enrolment.bench import CAR, Bench
from tests.enrolment.test_failures import Answer, Faulty, faulty, packed
from tests.enrolment.test_live import newer_trust, settings_of

STEPS = 10
"""Of the way back, trust bundle and signing certificate exchanged: three each, and four until the link has moved."""
LINK_MOVED = 9


@dataclass(frozen=True)
class Refused:
    """A bench with a certificate that its broker refuses. `former`, `refused`: the two generations' files."""

    bench: Bench
    former: dict[str, bytes]
    refused: dict[str, bytes]
    port: int

    @property
    def back(self) -> dict[str, bytes]:
        """What is in force after the way back."""
        newer = {name: self.refused[name] for name in ("trust.cbor", "signing.pem")}
        return {**self.former, **newer}


def certified_by(authority: Authority) -> Answer:
    def answer(_: Faulty, request: bytes) -> bytes:
        key = x509.load_der_x509_csr(request).public_key()
        return packed([authority.certify(key, CAR, days=365)])

    return answer


@pytest.fixture
def refused(enrolled: Bench, tmp_path: Path) -> Refused:
    """Return a car with a new signing key, entered by a one-time password that is gone, and a newer trust bundle."""
    other, former, port = Authority.open(tmp_path / "other"), enrolled.seen(), free_port()

    newer_trust(enrolled)
    (enrolled.folder / "signing.pem").unlink()
    enrolled.invite()
    enrolled.faulty = faulty(answers=certified_by(other))
    assert enrolled.enrol(broker_port=port).is_new, "nobody to ask"
    enrolled.faulty = None
    (enrolled.folder / "password").unlink()
    return Refused(enrolled, former, enrolled.seen(), port)


def test_what_says_that_the_new_signing_key_is_entered_goes_back_too(
    refused: Refused, tmp_path: Path
) -> None:
    bench, port = refused.bench, refused.port
    with running(tmp_path, port=port, settings=settings_of(bench)):
        assert bench.enrol(broker_port=port).is_fallen_back
        assert bench.seen() == refused.back
        again = bench.enrol(broker_port=port)
    assert (again.is_new, again.is_fallen_back) == (False, False), "and no password asked for"
    bench.lasting(365)
    assert bench.enrol(is_forced=True).is_new, "the certificate in force renews"


def test_a_signing_certificate_of_the_key_that_there_is_stays(
    enrolled: Bench, tmp_path: Path
) -> None:
    former, port = enrolled.seen(), free_port()
    enrolled.lasting(365)
    enrolled.faulty = faulty(answers=certified_by(Authority.open(tmp_path / "other")))
    enrolled.enrol(is_forced=True, broker_port=port)
    (enrolled.current / "signing.pem").write_bytes(b"\n" + former["signing.pem"])
    with running(tmp_path, port=port, settings=settings_of(enrolled)):
        assert enrolled.enrol(broker_port=port).is_fallen_back
    assert enrolled.seen() == former


@pytest.mark.parametrize("word", [Verdict.HUNG_UP, Verdict.NO_BROKER, Verdict.UNKNOWN])
def test_a_broker_that_has_not_taken_the_former_certificate_is_no_reason_to_go_back(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, word: Verdict
) -> None:
    def judged(broker: MqttConfig, *, certificate: Path, key: Path) -> Verdict:
        is_refused = certificate.read_bytes() == refused.refused["vehicle.pem"]
        return Verdict.REFUSED if is_refused else word

    monkeypatch.setattr(enrolling, "broker_verdict", judged)
    assert not refused.bench.enrol().is_fallen_back
    assert refused.bench.seen() == refused.refused


@pytest.mark.parametrize("first", [Verdict.HUNG_UP, Verdict.NO_BROKER, Verdict.UNKNOWN])
def test_where_the_first_broker_has_no_verdict_the_next_one_is_asked(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, first: Verdict
) -> None:
    def judged(broker: MqttConfig, *, certificate: Path, key: Path) -> Verdict:
        if broker.host == "127.0.0.1":
            return first
        is_refused = certificate.read_bytes() == refused.refused["vehicle.pem"]
        return Verdict.REFUSED if is_refused else Verdict.TAKEN

    file = refused.bench.folder / "tcu.toml"
    further = '[mqtt]\nfurther_brokers = ["second.example:8883"]'
    file.write_text(file.read_text().replace("[mqtt]", further))
    monkeypatch.setattr(enrolling, "broker_verdict", judged)
    assert refused.bench.enrol().is_fallen_back


@pytest.mark.parametrize("step", range(STEPS))
def test_where_a_step_fails_all_is_as_it_was_or_as_it_shall_be(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    def judged(_: MqttConfig, *, certificate: Path, key: Path) -> Verdict:
        is_refused = certificate.read_bytes() == refused.refused["vehicle.pem"]
        return Verdict.REFUSED if is_refused else Verdict.TAKEN

    bench = refused.bench
    monkeypatch.setattr(enrolling, "broker_verdict", judged)
    with monkeypatch.context() as broken:
        broken.setattr(identity_directory, "os", failing_at(step))
        with pytest.raises(EnrolmentError, match="No space left"):
            bench.enrol()
    has_moved = step == LINK_MOVED
    assert bench.seen() == (refused.back if has_moved else refused.refused)
    assert bench.enrol().is_fallen_back is not has_moved
    assert bench.seen() == refused.back


def failing_at(step: int) -> SimpleNamespace:
    """Return `os` with the disk full at one of the steps that go to the disk, counted from 0."""
    done = 0

    def counted(really: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object) -> None:
            nonlocal done
            done += 1
            if done == step + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            really(*args)

        return call

    steps = {"fsync": counted(os.fsync), "replace": counted(os.replace)}
    return SimpleNamespace(**{**vars(os), **steps})
