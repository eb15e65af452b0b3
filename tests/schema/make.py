"""`python -m tests.schema.make`: adds what today's code writes to golden.json. What is there already stays as it is.

Run it after a schema version was raised, or a record added. A version that boards have written is never changed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tcu_agent.adapters.storage.store import SCHEMA_VERSION
from tcu_agent.core.durable import records
from tcu_agent.protocol.messages import Event, Result
from tcu_agent.protocol.vocabulary import Service
from tcu_agent.runtime import freshness
from tests.core.driver import Driver
from tests.fuzz.state import good_records
from tests.schema.written import WRITERS, store_as_sql

PREFIXES = (records.OUTCOME_PREFIX, records.CASE_PREFIX)
FILE = Path(__file__).with_name("golden.json")


def main() -> None:
    """Add what is missing."""
    golden = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    written = {
        next((prefix for prefix in PREFIXES if key.startswith(prefix)), key): value
        for key, value in good_records().items()
    } | {freshness.KEY_PREFIX: freshness.write_freshness(64)}
    for key, writer in WRITERS.items():
        golden.setdefault("records", {}).setdefault(key, {}).setdefault(
            str(writer.schema), written[key].hex()
        )
    versions = {key: writer.schema for key, writer in sorted(WRITERS.items())}
    store = golden.setdefault("store", {}).setdefault(str(SCHEMA_VERSION), {})
    store["records"] = store.get("records", {}) | {
        key: version for key, version in versions.items() if key not in store.get("records", {})
    }
    if "sql" not in store:
        with tempfile.TemporaryDirectory() as folder:
            store["sql"] = store_as_sql(Path(folder) / "state", stored=stored(), outbox=outbox())
    FILE.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


def stored() -> dict[str, bytes]:
    """Return the records of a car that has sent a secured command."""
    return good_records() | {f"{freshness.KEY_PREFIX}body/00a0": freshness.write_freshness(64)}


def outbox() -> list[Result | Event]:
    """Return a result and some events, as a car with an executed unlock has them to tell."""
    car = Driver()
    car.provision()
    car.allow(Service.UNLOCK)
    car.pass_time(1)
    car.locks(False)
    car.pass_time(1)
    return list(car.outbox.values())


if __name__ == "__main__":
    main()
