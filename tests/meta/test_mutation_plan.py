"""Every module of what decides is in the mutation plan, or the plan's page says that it is not."""

import re
import tomllib
from pathlib import PurePosixPath

import pytest

from tests.meta.checkout import ROOT, modules

FOLDER = ROOT / "tests" / "mutation"
DECIDES = ("src/tcu_agent/core/", "src/tcu_agent/protocol/")
CODE = sorted(
    module.path
    for module in modules()
    if module.path.startswith(DECIDES) and not module.path.endswith("__init__.py")
)


def planned() -> set[str]:
    """Return the patterns of what is changed."""
    plan = tomllib.loads((FOLDER / "plan.toml").read_text(encoding="utf-8"))
    return {pattern for group in plan.values() for pattern in group["mutated"]}


def left_out() -> set[str]:
    """Return the patterns of what the page says is not changed."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = page.partition("## What is left out")[2].splitlines()
    said = [row for row in rows if row.startswith("| `")]
    return {
        f"src/tcu_agent/{name}"
        for row in said
        for name in re.findall(r"`([\w/*.]+)`", row.split("|")[1])
    }


def matches(path: str, patterns: set[str]) -> set[str]:
    return {pattern for pattern in patterns if PurePosixPath(path).match(pattern)}


@pytest.mark.parametrize("path", CODE)
def test_a_module_that_decides_is_changed_or_said_to_be_left_out(path: str) -> None:
    assert bool(matches(path, planned())) != bool(matches(path, left_out()))


def test_no_pattern_is_for_nothing() -> None:
    everything = [module.path for module in modules()]
    for pattern in planned() | left_out():
        assert any(matches(path, {pattern}) for path in everything), pattern
