"""Wrong options of `tcu-sim demo` and `tcu-sim observe` are told in words, with exit status 2."""

from importlib.metadata import version
from pathlib import Path

import pytest

from tcu_sim.cli.main import main
from tcu_sim.pki.ceremony import Plan, initialise


def observe(folder: Path, *, can: str = "slcan:nowhere", mqtt: str = "127.0.0.1:1") -> list[str]:
    argv = ["observe", "--can", can, "--mqtt", mqtt, "--public", str(folder)]
    return [*argv, "--out", str(folder / "out.jsonl")]


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    initialise(tmp_path / "centre", Plan(vehicles=["car-1"]))
    return tmp_path / "centre"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mqtt": "localhost"}, "write host:port"),
        ({"mqtt": "localhost:port"}, "write host:port"),
        ({"mqtt": "127.0.0.1:1"}, "broker 127.0.0.1:1"),
    ],
)
def test_a_wrong_option_is_told(
    bench: Path, options: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(observe(bench, **options)) == 2
    assert words in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tcu-sim {version('tcu-sim')}\n"


def test_a_folder_without_public_keys_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(observe(tmp_path)) == 2
    assert "vehicles.toml" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "observe"])
def test_help_says_what_it_is_for(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "broker" in capsys.readouterr().out
