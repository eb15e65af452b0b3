"""Test data from elsewhere is found where `TCU_TEST_DATA` says, and missed with a reason."""

from pathlib import Path

import pytest

from tests.foreign_data import DEFAULT, foreign_data


def test_the_folder_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cose").mkdir()
    monkeypatch.setenv("TCU_TEST_DATA", str(tmp_path))
    assert foreign_data("cose") == tmp_path / "cose"


@pytest.mark.parametrize("value", ["", None])
def test_it_lies_beside_the_checkout_otherwise(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("TCU_TEST_DATA", raising=False)
    else:
        monkeypatch.setenv("TCU_TEST_DATA", value)
    assert foreign_data("..") == DEFAULT / ".."


def test_what_is_missing_skips_and_names_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCU_TEST_DATA", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"no test data at .*cose"):
        foreign_data("cose")
