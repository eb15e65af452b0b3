"""A vehicle gets its identity, and a new one in time; keys are made in it and never leave."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from cryptography import x509

from tcu_agent.adapters.cloud.tls import client_context
from tcu_agent.adapters.keys.signing_key import load_signer
from tcu_agent.cli.check import examine
from tcu_agent.cli.main import main
from tcu_agent.enrolment.identity_directory import IdentityDirectory
from tcu_agent.errors import ConfigError, EnrolmentError, KeyStoreError
from tcu_sim.pki.ceremony import publish_trust, read_trust
from tcu_sim.pki.public import read_vehicles
from tests.enrolment.bench import CAR, DAY_S, Bench


def test_a_new_vehicle_gets_all_that_it_needs(bench: Bench) -> None:
    bench.invite()
    enrolled = bench.enrol()
    signer = load_signer(bench.folder / "signing.pem")
    assert enrolled.is_new
    assert enrolled.kid == signer.kid.hex()
    assert (enrolled.trust_epoch, enrolled.trust_version) == (1, 1)
    assert read_vehicles(bench.layout.vehicles).keys[CAR].raw == signer.public_key
    assert examine(bench.folder / "tcu.toml").problems == []
    config = bench.config
    assert config.mqtt.tls is not None
    client_context(config.mqtt.tls)


def test_the_certificate_is_for_this_vehicle_and_for_nothing_but_a_client(enrolled: Bench) -> None:
    certificate = x509.load_pem_x509_certificate(enrolled.seen()["vehicle.pem"])
    assert certificate.subject.rfc4514_string() == f"CN={CAR}"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [each._name for each in usage] == ["clientAuth"]


def test_no_private_key_is_open_to_others_or_the_same_twice(enrolled: Bench) -> None:
    for file in (enrolled.current / "vehicle.key", enrolled.folder / "signing.pem"):
        assert file.stat().st_mode & 0o777 == 0o600
    assert (enrolled.folder / "identity").stat().st_mode & 0o777 == 0o700
    before = enrolled.seen()["vehicle.key"]
    enrolled.lasting(100)
    enrolled.enrol(is_forced=True)
    assert enrolled.seen()["vehicle.key"] != before


def test_again_there_is_nothing_to_do(enrolled: Bench) -> None:
    before = enrolled.seen()
    assert not enrolled.enrol().is_new
    assert enrolled.seen() == before


@pytest.mark.parametrize(("days_later", "is_new"), [(59.9, False), (60.1, True), (89.0, True)])
def test_it_renews_before_the_end_and_not_earlier(
    enrolled: Bench, days_later: float, is_new: bool
) -> None:
    enrolled.lasting(365)
    assert enrolled.enrol(now_s=time.time() + days_later * DAY_S).is_new is is_new


def test_a_renewal_needs_no_password_and_keeps_the_signing_key(enrolled: Bench) -> None:
    before = enrolled.seen()
    enrolled.lasting(365)
    assert enrolled.enrol(is_forced=True).is_new
    after = enrolled.seen()
    assert after["vehicle.pem"] != before["vehicle.pem"]
    assert after["signing.pem"] == before["signing.pem"]
    assert enrolled.generations() == ["1", "2"]


def test_one_generation_before_is_kept_and_older_ones_are_not(enrolled: Bench) -> None:
    for days in (100, 110, 120):
        enrolled.lasting(days)
        enrolled.enrol(is_forced=True)
    assert enrolled.generations() == ["3", "4"]
    assert enrolled.current.readlink() == Path("4")


def test_after_the_end_only_a_new_password_helps(enrolled: Bench) -> None:
    later = time.time() + 100 * DAY_S
    with pytest.raises(ConfigError, match=r"No such file|no one-time|password") as missing:
        _without_password_file(enrolled, later)
    assert "password_file" in str(missing.value)
    enrolled.lasting(365)
    enrolled.invite()
    assert enrolled.enrol(now_s=later).is_new


def _without_password_file(bench: Bench, now_s: float) -> None:
    file = bench.folder / "tcu.toml"
    text = file.read_text()
    file.write_text(text.replace('password_file = "password"\n', ""))
    try:
        bench.enrol(now_s=now_s)
    finally:
        file.write_text(text)


def test_a_replaced_signing_key_needs_a_new_password(enrolled: Bench) -> None:
    (enrolled.folder / "signing.pem").unlink()
    with pytest.raises(KeyStoreError, match="password: No such file"):
        enrolled.enrol()
    enrolled.lasting(100)
    enrolled.invite()
    assert enrolled.enrol().is_new
    known = read_vehicles(enrolled.layout.vehicles).keys[CAR]
    assert known.raw == load_signer(enrolled.folder / "signing.pem").public_key


def test_a_signing_key_that_cannot_be_used_is_never_made_anew(enrolled: Bench) -> None:
    (enrolled.folder / "signing.pem").write_text("damaged")
    with pytest.raises(KeyStoreError, match="not an unencrypted private key"):
        enrolled.enrol(is_forced=True)
    assert (enrolled.folder / "signing.pem").read_text() == "damaged"


def test_a_newer_trust_bundle_comes_with_a_renewal(enrolled: Bench) -> None:
    trust = read_trust(enrolled.layout.root, "bench").trust
    newer = type(trust)(
        version=2, epoch=1, keys=trust.keys, revoked=(), issued_s=trust.issued_s + 1
    )
    publish_trust(enrolled.layout, newer)
    enrolled.lasting(100)
    assert enrolled.enrol(is_forced=True).trust_version == 2


def test_a_clock_that_is_known_to_be_wrong_decides_nothing(enrolled: Bench) -> None:
    before = enrolled.seen()
    assert not enrolled.enrol(now_s=0.0).is_new
    enrolled.lasting(100)
    assert enrolled.enrol(now_s=0.0, is_forced=True).is_new
    assert enrolled.seen()["vehicle.pem"] != before["vehicle.pem"]


def test_two_at_once_do_not_mix(enrolled: Bench) -> None:
    directory = IdentityDirectory(enrolled.folder / "identity")
    with (
        directory.alone(),
        pytest.raises(EnrolmentError, match="somebody enrols already") as caught,
    ):
        enrolled.enrol(is_forced=True)
    assert caught.value.temporary


# ---------------------------------------------------------------- the command


def at_command(bench: Bench, *words: str) -> int:
    return main(["enrol", "-c", str(bench.folder / "tcu.toml"), *words])


def test_the_command_says_what_there_is(
    enrolled: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert at_command(enrolled) == 0
    assert capsys.readouterr().out.startswith("nothing to do: certificate until ")
    assert at_command(enrolled, "--json") == 0
    assert json.loads(capsys.readouterr().out)["trust_version"] == 1


def test_a_server_out_of_reach_is_for_later(
    enrolled: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    before = enrolled.seen()
    assert at_command(enrolled, "--force") == 75
    assert "127.0.0.1:1: Connection refused" in capsys.readouterr().err
    assert enrolled.seen() == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("identity/current/vehicle.pem", "vehicle.pem", "write "),
        ("identity/current/vehicle.key", "vehicle.key", "mqtt.tls.key"),
        ("identity/current/trust.cbor", "trust.cbor", "trust.bundle"),
        ("https://127.0.0.1:1/", "http://127.0.0.1:1/", "url"),
        ("https://127.0.0.1:1/.well-known/est", "https:///x", "must be https://"),
        ("renew_before_days = 30", "renew_before_days = 0", "renew_before_days"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    bench: Bench, old: str, new: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.invite()
    file = bench.folder / "tcu.toml"
    file.write_text(file.read_text().replace(old, new))
    assert at_command(bench) == 2
    assert said in capsys.readouterr().err
    if new != "https:///x":  # what a URL is made of, only the client looks at
        assert any(said in problem for problem in examine(file).problems)
    assert not os.path.lexists(bench.current)


def test_without_the_section_there_is_nothing_to_enrol_at(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    file = bench.folder / "tcu.toml"
    head, tail = file.read_text().split("[enrolment]")
    file.write_text(head + tail[tail.index("[state]") :])
    assert at_command(bench) == 2
    assert "[enrolment]: is missing" in capsys.readouterr().err


def test_a_link_that_is_none_is_left_alone(bench: Bench) -> None:
    (bench.folder / "identity").mkdir(mode=0o700)
    bench.current.write_text("a file of somebody's")
    bench.invite()
    with pytest.raises(EnrolmentError, match="is not the link"):
        bench.enrol()
    assert bench.current.read_text() == "a file of somebody's"


def test_a_wrong_authority_is_said_even_when_nothing_is_due(
    enrolled: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    file = enrolled.folder / "tcu.toml"
    head, tail = file.read_text().split("[enrolment]")
    file.write_text(head + "[enrolment]" + tail.replace("/ca.pem", "/none.pem", 1))
    assert at_command(enrolled) == 2
    assert "none.pem: cannot be used" in capsys.readouterr().err
    assert any("none.pem: cannot be used" in problem for problem in examine(file).problems)
