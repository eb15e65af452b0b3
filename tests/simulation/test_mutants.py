"""The table of mutants fits the code: a table that has rotted would break nothing, and prove nothing."""

from pathlib import Path

import pytest

from tests.meta.checkout import ROOT
from tests.simulation.mutants import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code(mutant: Mutant, tmp_path: Path) -> None:
    copy = tmp_path / mutant.path
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / mutant.path).read_text())
    mutant.apply(tmp_path)
    assert copy.read_text() != (ROOT / mutant.path).read_text()
    compile(copy.read_text(), mutant.path, "exec")
