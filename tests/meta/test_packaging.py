"""The two distributions and the files they are made and installed from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.meta.checkout import ROOT

PINNED_FILES = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"[a-z0-9][a-z0-9.\-]*==[^\s;]+(?: ; [a-z_]+ .*)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def project(folder: str) -> dict[str, Any]:
    with (ROOT / folder / "pyproject.toml").open("rb") as file:
        table: dict[str, Any] = tomllib.load(file)["project"]
    return table


def test_both_versions_agree_and_the_simulator_asks_for_that_agent() -> None:
    version = project(".")["version"]
    assert project("sim")["version"] == version
    assert f"tcu-agent=={version}" in project("sim")["dependencies"]


def test_both_distributions_carry_the_same_licence() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert (ROOT / "sim" / "LICENSE").read_text(encoding="utf-8") == licence


def test_the_changelog_knows_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(
        rf"^## \[(?:Unreleased|{re.escape(project('.')['version'])})\]", changelog, re.MULTILINE
    )


def test_the_agent_finds_its_can_database_where_a_wheel_has_it() -> None:
    link = ROOT / "src" / "tcu_agent" / "dbc"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "dbc"
    assert list(link.glob("*.dbc"))


@pytest.mark.parametrize("path", PINNED_FILES, ids=lambda path: path.name)
def test_a_pinned_file_holds_names_versions_and_hashes_only(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if not (PIN.fullmatch(line) or HASH.fullmatch(line))] == []


@pytest.mark.parametrize(
    ("pinned", "folders"),
    [("agent.txt", ["."]), ("agent-pkcs11.txt", ["."]), ("dev.txt", [".", "sim"])],
    ids=lambda value: value,
)
def test_every_declared_dependency_is_pinned(pinned: str, folders: list[str]) -> None:
    text = (ROOT / "requirements" / pinned).read_text(encoding="utf-8")
    names = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    declared = {
        Requirement(item).name for folder in folders for item in project(folder)["dependencies"]
    }
    assert declared - {"tcu-agent"} <= names


@pytest.mark.parametrize("pinned", ["agent.txt", "agent-pkcs11.txt"])
def test_a_board_gets_nothing_of_the_bench(pinned: str) -> None:
    text = (ROOT / "requirements" / pinned).read_text(encoding="utf-8")
    names = {line.split("==")[0] for line in text.splitlines() if "==" in line}
    assert names.isdisjoint({"aiohttp", "amqtt", "argon2-cffi", "pytest", "mypy", "ruff"})
    assert ("python-pkcs11" in names) == (pinned == "agent-pkcs11.txt")
