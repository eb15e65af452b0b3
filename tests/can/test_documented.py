"""Each row of docs/can.md names a test, and the test is there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.foreign_data import ROOT

DOCUMENT = ROOT / "docs" / "can.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROWS = [
    line
    for line in DOCUMENT.read_text().splitlines()
    if re.match(r"\| (?!-|on the|the kernel says|at the)", line)
]


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, functions)}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_a_test_that_exists(row: str) -> None:
    named = NAMED.findall(row)
    assert named != []
    for file, test in named:
        assert test in names_in(file)


def test_the_index_covers_every_kind() -> None:
    assert len(ROWS) >= 33
