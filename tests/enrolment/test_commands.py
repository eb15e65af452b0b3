"""What a person gets wrong at `tcu-sim est` is said in one line, with exit status 2."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.errors import BadInput
from tcu_sim.est.service import Asker, Refused
from tcu_sim.pki.ceremony import check_vehicle_id
from tests.enrolment.bench import CAR, Bench


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what is said when the command is refused."""
    status: object
    try:
        status = main(["est", *words])
    except SystemExit as ended:  # argparse
        status = ended.code
    assert status == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_an_invitation_is_for_a_vehicle_that_the_bench_knows(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(bench.layout.root)
    assert f"knows no vehicle car-9, but {CAR}" in refused(capsys, "invite", root, "car-9")
    assert main(["est", "invite", root, "car-9", "--new"]) == 0
    password = capsys.readouterr().out.strip()
    assert bench.service.invitations.admits("car-9", password)
    assert "knows no vehicle car-8" in refused(capsys, "revoke", root, "car-8")


@pytest.mark.parametrize("words", [("invite", CAR), ("revoke", CAR), ("serve",)])
def test_a_directory_that_is_no_bench_is_not_made_one(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "nowhere"
    assert "no bench" in refused(capsys, words[0], str(nowhere), *words[1:])
    assert not nowhere.exists()


def test_an_address_that_cannot_be_listened_on_is_said(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(bench.layout.root)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in refused(
            capsys, "serve", root, "--port", port
        )
    for option, value in (
        ("--port", "65536"), ("--port", "x"), ("--days", "0"), ("--days", "nan"), ("--days", "9e9"),
    ):  # fmt: skip
        assert f"{value!r} is no" in refused(capsys, "serve", root, option, value)
    assert "cannot listen on no.such.host.invalid" in refused(
        capsys, "serve", root, "--host", "no.such.host.invalid", "--port", "0"
    )


def test_revoking_says_how_many_and_where_the_list_is(
    enrolled: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["est", "revoke", str(enrolled.layout.root), CAR]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"2 certificate(s) of {CAR} revoked")
    assert (enrolled.service.authority.directory / "revoked.pem").exists()


@pytest.mark.parametrize("name", ["centre-command", "centre-desk", "centre-anything", "Centre-Pin"])
def test_no_vehicle_gets_a_name_of_the_centre(
    bench: Bench, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(bench.layout.root)
    said = refused(capsys, "invite", root, name, "--new")
    assert "the centre's own" in said
    assert "name the vehicle otherwise" in said
    assert main(["pki", "init", str(tmp_path / "other"), "--vehicle", name]) == 2
    assert "the centre's own" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_every_name_with_rights_at_the_shipped_broker_is_reserved() -> None:
    rules = Path(__file__).parents[2] / "deploy" / "mosquitto" / "tcu.acl"
    names = re.findall(r"(?m)^user (\S+)$", rules.read_text())
    assert names
    for name in names:
        with pytest.raises(BadInput, match="the centre's own"):
            check_vehicle_id(name)


def test_who_was_invited_under_a_name_of_the_centre_gets_no_certificate_but_can_be_revoked(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """An older simulator may have invited it, and entered it."""
    password = bench.service.invitations.make("centre-desk")
    for asker in (
        Asker(username="centre-desk", password=password),
        Asker(certified="centre-desk"),
    ):
        with pytest.raises(Refused, match="the centre's own") as caught:
            bench.service.trust(asker)
        assert caught.value.status == 403
    register = bench.layout.vehicles
    register.write_text(register.read_text().replace(f'"{CAR}"', '"centre-desk"'))
    assert main(["est", "revoke", str(bench.layout.root), "centre-desk"]) == 0
    assert not bench.service.invitations.admits("centre-desk", password), capsys.readouterr()
