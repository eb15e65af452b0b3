"""Each durable record has a schema version, and what was ever written under it is read for ever.

golden.json holds the bytes. A change of form without a new version fails here; a new version without a way up from the
old one fails here as well. A newer version than the agent's own is refused, and the file says so first.
"""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.adapters.storage.store import FILE_NAME, SCHEMA_VERSION, SqliteState
from tcu_agent.config.load import load
from tcu_agent.config.roots import read_roots
from tcu_agent.config.table import Findings
from tcu_agent.core.durable import records
from tcu_agent.errors import ConfigError, MappingError, StorageError
from tcu_agent.protocol import cbor
from tcu_agent.runtime import freshness
from tcu_sim.centre.store import SCHEMA_VERSION as CENTRE_SCHEMA_VERSION
from tcu_sim.centre.store import open_store
from tcu_sim.errors import BadInput
from tests.core.driver import Driver
from tests.runtime.files import ROOTS, minimal
from tests.schema.make import FILE
from tests.schema.written import POSITION, WRITERS, store_as_sql

GOLDEN: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
CASES = [
    (key, int(version), bytes.fromhex(data))
    for key, versions in GOLDEN["records"].items()
    for version, data in versions.items()
]
PROTECTED_BY_ITS_SIGNATURES = records.TRUST


def test_every_record_and_its_version_are_in_the_golden_file() -> None:
    """If this fails after a change: raise the version, add a way up, `python -m tests.schema.make`."""
    keys = {
        value for name, value in vars(records).items() if name.isupper() and isinstance(value, str)
    }
    assert keys | {freshness.KEY_PREFIX} == WRITERS.keys()
    for key, writer in WRITERS.items():
        assert str(writer.schema) in GOLDEN["records"][key], f"{key}: version {writer.schema}"
    newest = GOLDEN["store"][str(SCHEMA_VERSION)]
    now = {key: writer.schema for key, writer in WRITERS.items()}
    assert newest["records"] == now, "a record's new version needs a new version of the store"


@pytest.mark.parametrize(("key", "version", "data"), CASES, ids=lambda value: str(value)[:16])
def test_what_was_written_once_is_read_and_today_written_the_same(
    key: str, version: int, data: bytes
) -> None:
    again = WRITERS[key].rewrite(data)
    if version == WRITERS[key].schema:
        assert again == data


@pytest.mark.parametrize("key", sorted(WRITERS.keys() - {PROTECTED_BY_ITS_SIGNATURES}))
def test_a_newer_record_is_refused_by_name_and_version(key: str) -> None:
    data = bytes.fromhex(GOLDEN["records"][key][str(WRITERS[key].schema)])
    fields = cbor.decode(data)
    assert isinstance(fields, list)
    assert fields[0] == WRITERS[key].schema
    newer = WRITERS[key].schema + 1
    with pytest.raises(StorageError, match=rf"{key}.*: schema version {newer}, .* start the agent"):
        WRITERS[key].rewrite(cbor.encode([newer, *fields[1:]]))


# ------------------------------------------------------------------ the store


def made_of(version: str, folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / FILE_NAME)) as database:
        database.executescript("\n".join(GOLDEN["store"][version]["sql"]))
    return folder


@pytest.mark.parametrize("version", GOLDEN["store"])
def test_a_store_of_each_version_opens_with_all_that_is_in_it(tmp_path: Path, version: str) -> None:
    state = SqliteState(made_of(version, tmp_path / "state"))
    try:
        stored = dict(state.load())
        outbox = state.outbox(after_seq=0, limit=100)
        assert state.positions() == [POSITION]
    finally:
        state.close()
    assert len(outbox) >= 3
    car = Driver(stored=stored)
    assert car.core.snapshot()["is_corrupt"] is False
    assert car.core._parts.knowledge.account is not None


def test_todays_store_is_written_as_the_golden_one(tmp_path: Path) -> None:
    state = SqliteState(made_of(str(SCHEMA_VERSION), tmp_path / "golden"))
    stored, outbox = dict(state.load()), state.outbox(after_seq=0, limit=100)
    state.close()
    again = store_as_sql(tmp_path / "again", stored=stored, outbox=outbox)
    assert again == GOLDEN["store"][str(SCHEMA_VERSION)]["sql"]


def test_a_newer_store_is_refused_with_file_version_and_what_to_do(tmp_path: Path) -> None:
    folder = made_of(str(SCHEMA_VERSION), tmp_path / "state")
    with closing(sqlite3.connect(folder / FILE_NAME)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = (folder / FILE_NAME).read_bytes()
    file = re.escape(str(folder / FILE_NAME))
    expected = rf"{file}: schema {SCHEMA_VERSION + 1} is newer .* {SCHEMA_VERSION}; start the agent"
    with pytest.raises(StorageError, match=expected):
        SqliteState(folder)
    assert (folder / FILE_NAME).read_bytes() == before, "left as it is, for the agent that wrote it"


# ------------------------------------------------------------------ what people and the ceremony write


def test_a_newer_configuration_is_refused_with_file_and_version(tmp_path: Path) -> None:
    file = tmp_path / "tcu.toml"
    file.write_text(minimal().replace("schema = 1", "schema = 2"), encoding="utf-8")
    expected = f"{re.escape(str(file))}: schema: this agent reads schema 1, not 2 .*agent that it was written for"
    with pytest.raises(ConfigError, match=expected):
        load(file)


def test_a_newer_mapping_is_refused_with_file_and_version(tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text("schema = 2\n", encoding="utf-8")
    expected = f"{re.escape(str(file))}, line 1, schema: schema 2 is unknown, this agent reads 1"
    with pytest.raises(MappingError, match=expected):
        load_mapping(file)


@pytest.mark.parametrize(
    ("head", "is_read"), [("", True), ("schema = 1\n", True), ("schema = 2\n", False)]
)
def test_a_newer_roots_file_is_refused_and_one_without_a_version_is_the_first(
    tmp_path: Path, head: str, is_read: bool
) -> None:
    file = tmp_path / "roots.toml"
    file.write_text(head + ROOTS, encoding="utf-8")
    findings = Findings(file)
    read_roots(file, findings)
    said = [str(each) for each in findings.problems]
    assert bool(said) is not is_read
    assert is_read or f"{file}: schema: this agent reads schema 1, not 2" in said[0]


def test_every_version_of_the_store_has_its_golden_one() -> None:
    assert sorted(map(int, GOLDEN["store"])) == list(range(1, SCHEMA_VERSION + 1))


def test_a_newer_database_of_the_centre_is_refused_too(tmp_path: Path) -> None:
    file = tmp_path / "service" / "data.sqlite3"
    open_store(file, "CREATE TABLE IF NOT EXISTS t (x);").close()
    open_store(file, "CREATE TABLE IF NOT EXISTS t (x);").close()
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA user_version = {CENTRE_SCHEMA_VERSION + 1}")
    newer = CENTRE_SCHEMA_VERSION + 1
    expected = (
        rf"data.sqlite3: schema {newer} is newer than this simulator's {CENTRE_SCHEMA_VERSION}"
    )
    with pytest.raises(BadInput, match=expected):
        open_store(file, "CREATE TABLE IF NOT EXISTS t (x);")
