"""What a person gets wrong at `tcu-sim est` is said in one line, with exit status 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
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
