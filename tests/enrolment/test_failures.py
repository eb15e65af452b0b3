"""Whatever goes wrong on the way, what was in force stays in force, and the next attempt works."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from typing_extensions import override

from tcu_agent.enrolment import identity_directory
from tcu_agent.errors import ConfigError, EnrolmentError
from tcu_sim.est.authority import Authority
from tcu_sim.est.invitations import INVITED_FOR_S
from tcu_sim.est.revocations import Revocations
from tcu_sim.est.service import Asker, EnrolmentService, Refused
from tcu_sim.pki.ceremony import Plan, initialise, publish_trust, read_trust
from tests.enrolment.bench import CAR, DAY_S, Bench

Answer = Callable[["Faulty", bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Faulty(EnrolmentService):
    """A server that answers a request, or all that ask for trust, as a test wants."""

    answers: Answer | None = None
    answers_signing: Answer | None = None
    answers_trust: bytes | None = None

    @override
    def enrol(self, asker: Asker, request: bytes, *, is_signing: bool, again: bool) -> bytes:
        answer = self.answers_signing if is_signing else self.answers
        if answer is not None:
            return answer(self, request)
        return super().enrol(asker, request, is_signing=is_signing, again=again)

    @override
    def trust(self, asker: Asker) -> bytes:
        return super().trust(asker) if self.answers_trust is None else self.answers_trust


def faulty(**faults: Any) -> Callable[[EnrolmentService], EnrolmentService]:
    def make(service: EnrolmentService) -> EnrolmentService:
        return Faulty(
            layout=service.layout,
            authority=service.authority,
            invitations=service.invitations,
            days=service.days,
            **faults,
        )

    return make


def packed(certificates: Sequence[x509.Certificate]) -> bytes:
    return pkcs7.serialize_certificates(list(certificates), Encoding.DER)


def refuses(status: int) -> Answer:
    def answer(_: Faulty, __: bytes) -> bytes:
        raise Refused(status, "not \x1b[31mnow")

    return answer


def another_key(service: Faulty, _: bytes) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return packed([service.authority.certify(key, CAR, days=365)])


def another_name(service: Faulty, request: bytes) -> bytes:
    key = x509.load_der_x509_csr(request).public_key()
    return packed([service.authority.certify(key, "car-2", days=365)])


def two_certificates(service: Faulty, request: bytes) -> bytes:
    key = x509.load_der_x509_csr(request).public_key()
    return packed([service.authority.certify(key, CAR, days=365)] * 2)


def not_longer(service: Faulty, request: bytes) -> bytes:
    key = x509.load_der_x509_csr(request).public_key()
    return packed([service.authority.certify(key, CAR, days=89)])


def not_yet(service: Faulty, request: bytes) -> bytes:
    key = x509.load_der_x509_csr(request).public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, CAR)])
    tomorrow = datetime.now(tz=UTC) + timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key, 1, tomorrow, tomorrow + timedelta(days=365))
    return packed([builder.sign(service.authority.key, hashes.SHA256())])


def garbage(_: Faulty, __: bytes) -> bytes:
    return b"no certificate"


def much(_: Faulty, __: bytes) -> bytes:
    return b"x" * 70_000


FAULTS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("refused", {"answers": refuses(403)}, "127.0.0.1 says 403: not [31mnow", False),
    ("later", {"answers": refuses(503)}, "says 503", True),
    ("wait", {"answers": refuses(202)}, "says 202", True),
    ("moved", {"answers": refuses(302)}, "says 302", False),
    ("garbage", {"answers": garbage}, "no certificate", False),
    ("much", {"answers": much}, "too much", False),
    ("two", {"answers": two_certificates}, "2 certificates instead of one", False),
    ("another key", {"answers": another_key}, "is for another key", False),
    ("another name", {"answers": another_name}, "is not for car-1", False),
    ("not longer", {"answers": not_longer}, "does not outlast", False),
    ("not yet", {"answers": not_yet}, "is not in force now", False),
    ("no trust", {"answers_trust": b""}, "not to be believed", False),
    ("spoilt trust", {"answers_trust": b"\x82\x01\x02"}, "not to be believed", False),
]


@pytest.mark.parametrize(
    ("faults", "said", "temporary"),
    [pytest.param(*fault, id=name) for name, *fault in FAULTS],
)
def test_what_the_server_gets_wrong_changes_nothing(
    enrolled: Bench, faults: dict[str, Any], said: str, temporary: bool
) -> None:
    before = enrolled.seen()
    enrolled.faulty = faulty(**faults)
    enrolled.lasting(365)
    with pytest.raises(EnrolmentError) as caught:
        enrolled.enrol(is_forced=True)
    assert said in str(caught.value)
    assert caught.value.temporary is temporary
    assert enrolled.seen() == before
    enrolled.faulty = None
    assert enrolled.enrol(is_forced=True).is_new
    assert enrolled.generations() == ["1", "2"]


def test_the_signing_key_is_looked_at_as_closely(bench: Bench) -> None:
    bench.invite()
    bench.faulty = faulty(answers_signing=another_key)
    with pytest.raises(EnrolmentError, match="is for another key"):
        bench.enrol()
    assert not bench.current.exists()
    bench.faulty = None
    bench.invite()
    assert bench.enrol().is_new


def test_trust_of_other_roots_is_not_installed(enrolled: Bench, tmp_path: Path) -> None:
    other = initialise(tmp_path / "other", Plan(vehicles=(CAR,)))
    enrolled.faulty = faulty(answers_trust=other.trust.read_bytes())
    enrolled.lasting(365)
    before = enrolled.seen()
    with pytest.raises(EnrolmentError, match="not to be believed"):
        enrolled.enrol(is_forced=True)
    assert enrolled.seen() == before


def test_older_trust_never_takes_the_place_of_newer(enrolled: Bench) -> None:
    old = enrolled.seen()["trust.cbor"]
    trust = read_trust(enrolled.layout.root, "bench").trust
    publish_trust(enrolled.layout, replace(trust, version=2, issued_s=trust.issued_s + 1))
    enrolled.lasting(100)
    assert enrolled.enrol(is_forced=True).trust_version == 2
    enrolled.faulty = faulty(answers_trust=old)
    enrolled.lasting(200)
    again = enrolled.enrol(is_forced=True)
    assert (again.is_new, again.trust_version) == (True, 2)


@pytest.mark.parametrize("step", ["put", "install"])
def test_a_disk_that_fails_changes_nothing(
    enrolled: Bench, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = enrolled.seen()
    enrolled.lasting(365)

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        of_step = {"put": "fsync", "install": "replace"}[step]
        full = SimpleNamespace(**{**vars(os), of_step: fails})
        broken.setattr(identity_directory, "os", full)
        with pytest.raises(EnrolmentError, match="No space left") as caught:
            enrolled.enrol(is_forced=True)
    assert caught.value.temporary
    assert enrolled.seen() == before
    assert enrolled.enrol(is_forced=True).is_new


def test_a_directory_that_cannot_be_made_is_said(bench: Bench) -> None:
    (bench.folder / "identity").write_text("in the way")
    bench.invite()
    with pytest.raises(EnrolmentError, match="identity"):
        bench.enrol()


def test_a_damaged_generation_is_said_and_mended(enrolled: Bench) -> None:
    (enrolled.current / "trust.cbor").write_bytes(b"damaged")
    with pytest.raises(EnrolmentError, match="damaged"):
        enrolled.enrol()
    enrolled.lasting(100)
    assert enrolled.enrol(is_forced=True).is_new


# ---------------------------------------------------------------- who may enrol


def test_a_password_is_good_for_one_vehicles_first_keys_and_for_some_days(bench: Bench) -> None:
    bench.invite()
    bench.enrol()
    shutil.rmtree(bench.folder / "identity")
    with pytest.raises(EnrolmentError, match="401: this one-time password was shown with another"):
        bench.enrol()
    password = (bench.folder / "password").read_text().strip()
    assert bench.service.invitations.admits(CAR, password)
    late = replace(bench.service.invitations, now_s=lambda: time.time() + INVITED_FOR_S + 1)
    assert not late.admits(CAR, password)


def stops(service: EnrolmentService, request: bytes) -> bytes:
    """Certify, and let the answer be lost: the car has been switched off meanwhile."""
    EnrolmentService.enrol(
        service, Asker(username=CAR, password=PASSWORD[0]), request, is_signing=False, again=False
    )
    raise Refused(503, "gone")


PASSWORD: list[str] = []


@pytest.mark.parametrize("where", ["answers", "answers_signing", "answers_trust"])
def test_a_first_enrolment_that_stops_half_way_goes_on_with_the_same_password(
    bench: Bench, where: str
) -> None:
    bench.invite()
    PASSWORD[:] = [(bench.folder / "password").read_text().strip()]
    faults: dict[str, dict[str, Any]] = {
        "answers": {"answers": stops},
        "answers_signing": {"answers_signing": refuses(503)},
        "answers_trust": {"answers_trust": b""},
    }
    bench.faulty = faulty(**faults[where])
    with pytest.raises(EnrolmentError):
        bench.enrol()
    assert not bench.current.exists()
    bench.faulty = None
    assert bench.enrol().is_new
    issued = json.loads((bench.service.authority.directory / "issued.json").read_text())[CAR]
    assert len(issued) == 2, "one for each key, and each answered again with the same"


def test_a_key_that_was_half_written_is_made_anew(bench: Bench) -> None:
    (bench.folder / "identity" / "1").mkdir(parents=True)
    (bench.folder / "identity" / "1" / "vehicle.key").write_text("half")
    bench.invite()
    assert bench.enrol().is_new


def test_a_car_that_was_parked_for_longer_than_its_certificate_lasts_comes_back(
    bench: Bench,
) -> None:
    """The way back is a new password from the back end; its signing key is still the one that the centre knows."""
    bench.invite()
    parked = time.time() - 120
    bench.lasting(-60 / DAY_S)
    before = bench.enrol(now_s=parked)
    bench.lasting(90)
    with pytest.raises(
        EnrolmentError, match=r"401: .*ask the back end for a new one-time password"
    ):
        bench.enrol()
    bench.invite()
    after = bench.enrol()
    assert after.is_new
    assert after.kid == before.kid
    assert not bench.enrol().is_new


def test_what_is_revoked_renews_nothing_and_a_new_password_does(enrolled: Bench) -> None:
    Revocations(enrolled.service.authority).revoke(CAR)
    enrolled.service.invitations.withdraw(CAR)
    before = enrolled.seen()
    enrolled.lasting(365)
    with pytest.raises(EnrolmentError, match="403: this certificate is revoked: ask the back end"):
        enrolled.enrol(is_forced=True)
    assert enrolled.seen() == before
    enrolled.invite()
    assert enrolled.enrol(with_password=True).is_new
    enrolled.lasting(700)
    assert enrolled.enrol(is_forced=True).is_new, "the new one is not revoked"
    revoked = x509.load_pem_x509_crl(Revocations(enrolled.service.authority).list_file.read_bytes())
    old = x509.load_pem_x509_certificate(before["vehicle.pem"]).serial_number
    new = x509.load_pem_x509_certificate(enrolled.seen()["vehicle.pem"]).serial_number
    assert revoked.get_revoked_certificate_by_serial_number(old) is not None
    assert revoked.get_revoked_certificate_by_serial_number(new) is None


@pytest.mark.parametrize("content", ["wrong", "", "\x00"])
def test_a_wrong_password_is_refused(bench: Bench, content: str) -> None:
    bench.invite()
    (bench.folder / "password").write_text(content)
    with pytest.raises(EnrolmentError, match="says 401"):
        bench.enrol()
    assert not bench.current.exists()


def test_a_certificate_that_has_ended_is_no_way_in(enrolled: Bench) -> None:
    enrolled.faulty = None
    with pytest.raises(ConfigError):
        _without_password(enrolled).enrol(now_s=time.time() + 100 * DAY_S)


def _without_password(bench: Bench) -> Bench:
    file = bench.folder / "tcu.toml"
    file.write_text(file.read_text().replace('password_file = "password"\n', ""))
    return bench


def test_a_server_of_another_authority_is_not_told_the_password(
    bench: Bench, tmp_path: Path
) -> None:
    other = Authority.open(tmp_path / "other")
    bench.invite()
    asked: list[str] = []

    def spy(service: EnrolmentService) -> EnrolmentService:
        asked.append("made")
        return replace(service, authority=other)

    bench.faulty = spy
    with pytest.raises(EnrolmentError, match=r"certificate|issuer"):
        bench.enrol()
    assert asked == ["made"]


def test_a_stolen_tls_key_does_not_make_another_signing_key_the_vehicles(enrolled: Bench) -> None:
    service = enrolled.service
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, CAR)])
    request = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    thief = Asker(certified=CAR)
    with pytest.raises(Refused, match="another signing key"):
        service.enrol(thief, request.public_bytes(Encoding.DER), is_signing=True, again=True)
    with pytest.raises(Refused, match="for another name"):
        service.enrol(
            Asker(certified="car-2"),
            request.public_bytes(Encoding.DER),
            is_signing=False,
            again=True,
        )


def test_a_request_that_its_own_key_has_not_signed_is_refused(enrolled: Bench) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, CAR)])
    request = bytearray(
        x509.CertificateSigningRequestBuilder(name)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    request[-1] ^= 1
    with pytest.raises(Refused):
        enrolled.service.enrol(Asker(certified=CAR), bytes(request), is_signing=False, again=True)
    for nobody in (Asker(), Asker(username=CAR, password="guessed"), Asker(username="car-2")):
        with pytest.raises(Refused, match="one-time password"):
            enrolled.service.trust(nobody)
