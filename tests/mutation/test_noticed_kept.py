"""What survives a power cut, and what waits until it can: differences that no other test noticed."""

from __future__ import annotations

import pytest

from tcu_agent.core.durable import records
from tcu_agent.errors import StorageError


def reader(*fields: records.Scalar, schema: int = 3) -> records.RecordReader:
    return records.RecordReader(records.pack(schema, *fields), key="a-key", schema=3)


@pytest.mark.parametrize("number", [0, records.LARGEST])
def test_a_number_is_read_up_to_its_limits(number: int) -> None:
    assert reader(number).take_number() == number


@pytest.mark.parametrize("number", [-1, records.LARGEST + 1])
def test_a_number_beyond_its_limits_is_corrupt(number: int) -> None:
    with pytest.raises(StorageError):
        reader(number).take_number()


def test_an_optional_field_that_is_missing_is_not_null() -> None:
    assert reader(None).take_optional(int) is None
    with pytest.raises(StorageError):
        reader().take_optional(int)


def test_only_a_newer_schema_asks_for_another_agent() -> None:
    with pytest.raises(StorageError) as newer:
        reader(schema=4)
    assert str(newer.value).endswith(
        "a-key: schema version 4, this agent knows 3; start the agent that wrote it"
    )
    with pytest.raises(StorageError) as older:
        reader(schema=2)
    assert str(older.value).endswith("a-key: schema version 2, this agent knows 3")
