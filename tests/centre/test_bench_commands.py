"""What a new user gets wrong on the command line of a bench is said before anything waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.pki.ceremony import Plan, initialise


@pytest.mark.parametrize(
    "words",
    [
        ["centre", "--dir", "{}"],
        ["app", "--dir", "{}", "sign-in", "anna"],
        ["operator", "--dir", "{}", "incidents"],
        ["pki", "show", "{}"],
        ["est", "revoke", "{}", "car-1"],
    ],
)
def test_a_directory_that_is_no_bench_is_named_with_how_to_make_one(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    nope = tmp_path / "nope"
    assert main([word.format(nope) for word in words]) == 2
    said = capsys.readouterr().err
    assert f"{nope}: no bench (make one: tcu-sim pki init {nope}" in said


@pytest.mark.parametrize("port", ["0", "99999", "-1", "x"])
def test_a_port_that_cannot_be_is_refused(
    tmp_path: Path, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["centre", "--dir", str(tmp_path), "--broker-port", port])
    assert ended.value.code == 2
    assert "1..65535" in capsys.readouterr().err


@pytest.mark.parametrize("hold_s", ["nan", "inf", "-1", "2592001", "soon"])
def test_a_hold_that_would_never_end_or_never_begin_is_refused(
    tmp_path: Path, hold_s: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["centre", "--dir", str(tmp_path), f"--keeper-hold-s={hold_s}"])
    assert ended.value.code == 2
    assert f"'{hold_s}' is no number of seconds in 0..2592000" in capsys.readouterr().err


@pytest.mark.parametrize("hold_s", ["0", "0.5", "259200", "2592000"])
def test_a_hold_within_its_range_is_taken(
    tmp_path: Path, hold_s: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["centre", "--dir", str(tmp_path / "nope"), "--keeper-hold-s", hold_s]) == 2
    assert "no bench" in capsys.readouterr().err, "the next thing that is wrong"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["unlock", "car-1", "00", "--window", "5"], "'5' is no whole number in 10..1800"),
        (["unlock", "car-1", "00", "--window", "soon"], "'soon' is no whole number in 10..1800"),
        (["incidents", "--wait", "nan"], "'nan' is no number of seconds in 0..86400"),
        (["incidents", "--wait=-1"], "'-1' is no number of seconds in 0..86400"),
    ],
)
def test_a_number_outside_its_range_is_refused(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["operator", "--dir", str(tmp_path), *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_only_an_invitation_advises_what_only_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = tmp_path / "bench"
    initialise(bench, Plan(vehicles=("car-1",)))
    for act, has_new in (("invite", True), ("revoke", False)):
        assert main(["est", act, str(bench), "car-9"]) == 2
        said = capsys.readouterr().err
        assert "knows no vehicle car-9, but car-1" in said
        assert ("--new" in said) is has_new
