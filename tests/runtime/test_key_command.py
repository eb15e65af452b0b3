"""`tcu-agent key`: makes a key where it will be used, and shows what the centre enrols and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tcu_agent.adapters.keys.signing_key import create_key
from tcu_agent.cli.main import main
from tcu_agent.protocol.cose import VerificationKey, kid_of
from tcu_sim.pki.ceremony import Plan, initialise
from tests.contract.tokens import a_token, key_in, needs_softhsm
from tests.runtime.files import minimal


def shown(*words: str, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["key", *words, "--json"]) == 0
    facts: dict[str, object] = json.loads(capsys.readouterr().out)
    return facts


def check(facts: dict[str, object]) -> None:
    """See that this is a public key as a trust bundle or a register of vehicles has it."""
    public_key = bytes.fromhex(str(facts["public_key"]))
    assert facts["kid"] == kid_of(public_key).hex()
    assert VerificationKey(alg=-7, public_key=public_key).kid.hex() == facts["kid"]
    assert facts["alg"] == -7


def test_a_key_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "signing.pem")
    made = shown("create", path, capsys=capsys)
    check(made)
    again = shown("show", path, capsys=capsys)
    assert {**made, "signs_in_ms": 0} == {**again, "signs_in_ms": 0}
    assert main(["key", "show", path]) == 0
    text = capsys.readouterr().out
    assert f"public key   {made['public_key']}" in text
    assert "PRIVATE" not in text
    assert main(["key", "create", path]) == 2
    assert "there already" in capsys.readouterr().err
    assert main(["key", "show", path]) == 0


@needs_softhsm
def test_a_key_in_a_token_by_its_name_and_by_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_token(tmp_path / "token") as token:
        rest = ["--module", str(token.module), "--pin-file", str(token.pin_file)]
        made = shown("create", token.uri("vehicle"), *rest, capsys=capsys)
        check(made)
        assert made["held_in"] == key_in(token).uri
        toml = tmp_path / "tcu.toml"
        toml.write_text(
            f'[keys]\nsigning = "{token.uri("vehicle")}"\n'
            f'pkcs11_module = "{token.module}"\npkcs11_pin_file = "token/pin"\n'
        )
        assert shown("show", "-c", str(toml), capsys=capsys)["kid"] == made["kid"]
        assert main(["key", "show", token.uri("none"), *rest]) == 2
        assert "no private keys of this label" in capsys.readouterr().err
        token.storage.rename(tmp_path / "away")
        assert main(["key", "show", "-c", str(toml)]) == 75
        capsys.readouterr()


def started(words: list[str]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tcu_agent", "run", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@needs_softhsm
def test_an_agent_whose_token_is_away_is_started_again_and_one_with_a_wrong_pin_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 is what the unit in deploy/ does not restart after."""
    vehicle = initialise(tmp_path / "bench", Plan(vehicles=["car-1"])).vehicle("car-1")
    with a_token(tmp_path / "token") as token:
        create_key(key_in(token))
        capsys.readouterr()
        text = minimal().replace("[trust]", '[keys.secoc]\ncentral-locking = "secoc.key"\n[trust]')
        named = f'"{token.uri("vehicle")}"\npkcs11_module = "{token.module}"'
        pin = f'pkcs11_pin_file = "{token.pin_file}"'
        text = text.replace('"signing.pem"', f"{named}\n{pin}")
        (vehicle / "tcu.toml").write_text(text)
        words = ["-c", str(vehicle / "tcu.toml")]
        assert main(["check", *words]) == 0
        assert "signing key" in capsys.readouterr().out
        away = token.storage.rename(tmp_path / "away")
        assert started(words).returncode == 75
        assert main(["check", *words]) == 2
        assert "does not answer" in capsys.readouterr().out
        away.rename(token.storage)
        token.pin_file.write_text("987654\n")
        refused = started(words)
        assert (refused.returncode, "PinIncorrect" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["show", "pkcs11:token=tcu;object=vehicle"], "--module and --pin-file"),
        (["show", "-c", "none.toml"], "none.toml: cannot be read"),
        (["show", "none.pem"], "none.pem: No such file"),
    ],
)
def test_a_mistake_is_one_clear_line(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["key", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert complaint in lines[0]


def test_which_key_has_to_be_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["a.pem", "-c", "tcu.toml"]):
        with pytest.raises(SystemExit) as caught:
            main(["key", "show", *words])
        assert caught.value.code == 2
        assert "usage" in capsys.readouterr().err
