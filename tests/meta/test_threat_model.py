"""docs/threat-model.md is held to what it says: its tests exist, its sums hold, nothing lacks an answer."""

import ast
import re
from functools import cache

import pytest

from tests.meta.checkout import ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
IMPACTS = ("neg", "mod", "maj", "sev")
FEASIBILITIES = ("very low", "low", "medium", "high")
R155_ASKED_FOR = {"4.1", "6.1", "6.2", "6.3", "7.1", "7.2", "16.1", "16.2"}


@cache
def document() -> str:
    return (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    start = document().index(f"\n## {title}\n")
    end = document().find("\n## ", start + 1)
    return document()[start : end if end > 0 else None]


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def threats() -> list[list[str]]:
    return rows("Threats and ratings")


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def missing(text: str) -> list[str]:
    """Return the tests that a text names and that are not there."""
    return [
        f"{file}::{test}"
        for file, test in NAMED.findall(text)
        if not (ROOT / file).is_file() or test not in names_in(file)
    ]


def test_every_named_test_exists() -> None:
    named = NAMED.findall(document())
    assert len(named) > 100
    assert len(named) == document().count("::test_")
    assert missing(document()) == []


def test_a_test_that_is_not_there_is_seen() -> None:
    here = "tests/meta/test_threat_model.py"
    assert missing(f"`{here}::test_every_named_test_exists` `{here}::test_nothing`") == [
        f"{here}::test_nothing"
    ]
    assert missing("`tests/meta/test_gone.py::test_x`") == ["tests/meta/test_gone.py::test_x"]


def matrix() -> dict[tuple[str, str], int]:
    table = rows("Method")
    return {
        (row[0], feasibility): int(number)
        for row in table
        for feasibility, number in zip(FEASIBILITIES, row[1:], strict=True)
    }


def test_the_matrix_never_falls_as_things_get_worse() -> None:
    risk = matrix()
    assert set(risk) == {(impact, each) for impact in IMPACTS for each in FEASIBILITIES}
    for impact in IMPACTS:
        row = [risk[impact, each] for each in FEASIBILITIES]
        assert row == sorted(row)
    for each in FEASIBILITIES:
        column = [risk[impact, each] for impact in IMPACTS]
        assert column == sorted(column)


@pytest.mark.parametrize("row", threats(), ids=lambda row: row[0])
def test_each_risk_follows_from_impact_and_feasibility(row: list[str]) -> None:
    impact = max(row[4:8], key=IMPACTS.index)
    before, after = row[8], row[9]
    assert FEASIBILITIES.index(after) <= FEASIBILITIES.index(before)
    assert [matrix()[impact, before], matrix()[impact, after]] == [int(row[10]), int(row[11])]


@pytest.mark.parametrize("row", threats(), ids=lambda row: row[0])
def test_each_threat_names_assets_and_attackers_that_are_introduced(row: list[str]) -> None:
    assets = {cells[0] for cells in rows("Assets")}
    attackers = {name for cells in rows("Attackers") for name in cells[0].split(", ")}
    assert set(row[2].split()) <= assets
    assert set(row[3].split()) <= attackers


@pytest.mark.parametrize("row", threats(), ids=lambda row: row[0])
def test_each_threat_has_an_answer_and_what_remains_is_said(row: list[str]) -> None:
    answers = dict(
        re.findall(
            r"^\*\*(T\d+)\*\* (.*?)(?=\n\n|\Z)",
            section("What stands against them"),
            re.MULTILINE | re.DOTALL,
        )
    )
    assert set(answers) == {each[0] for each in threats()}
    assert len(NAMED.findall(answers[row[0]])) >= 3
    regulation = " ".join(cells[2] for cells in rows("UN R155, Annex 5")).split()
    assert row[0] in regulation
    if int(row[11]) > 1:
        assert re.search(rf"\b{row[0]}\b", section("Residual risks")), "nothing says what remains"


def test_every_attacker_asset_and_threat_is_used() -> None:
    used = " ".join(" ".join(row[2:4]) for row in threats()).split()
    introduced = [cells[0] for cells in rows("Assets")]
    introduced += [name for cells in rows("Attackers") for name in cells[0].split(", ")]
    assert set(introduced) == set(used)


@pytest.mark.parametrize("row", rows("UN R155, Annex 5"), ids=lambda row: row[0])
def test_each_row_of_the_regulation_has_threat_mitigation_and_test(row: list[str]) -> None:
    number, words, named, here, shown = row
    assert re.fullmatch(r"\d+\.\d", number)
    assert set(named.split()) <= {each[0] for each in threats()}
    assert words
    assert here
    assert len(NAMED.findall(shown)) == 1
    for residual in re.findall(r"\bR\d+\b", here):
        assert f"**{residual} " in section("Residual risks")


def test_the_rows_that_matter_most_are_there_in_order() -> None:
    numbers = [row[0] for row in rows("UN R155, Annex 5")]
    assert set(numbers) >= R155_ASKED_FOR
    order = [tuple(map(int, number.split("."))) for number in numbers]
    assert order == sorted(set(order))
