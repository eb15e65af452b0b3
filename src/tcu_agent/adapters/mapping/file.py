"""Loads a mapping file (TOML, schema 1) and the DBC files it names; says every mistake at once.

Format: dbc/README.md, "The mapping file".
"""

from __future__ import annotations

from pathlib import Path

from tcu_agent.adapters.mapping.buses import read_bus
from tcu_agent.adapters.mapping.commands import read_commands
from tcu_agent.adapters.mapping.mapping import BusMapping, VehicleMapping
from tcu_agent.adapters.mapping.signals import read_signals
from tcu_agent.adapters.mapping.toml_lines import index_lines
from tcu_agent.adapters.mapping.toml_table import Problems, Table, near_miss
from tcu_agent.config import toml_file
from tcu_agent.errors import MappingError

SCHEMA = 1


def load_mapping(file: Path, *, dbc: Path | None = None) -> VehicleMapping:
    """Read and check a mapping. `dbc` replaces the database of its only bus.

    Raises:
        MappingError: the file or a DBC cannot be read, or anything in them does not fit together.
    """
    text = _text(file)
    try:
        data = toml_file.parse(text)
    except ValueError as error:
        raise MappingError(f"is not valid TOML: {error}", where=str(file)) from error
    problems = Problems(str(file), index_lines(text))
    root = Table(data, (), problems)
    _check_schema(root, problems)
    buses = _read_buses(root, file, dbc)
    signals, remarks = read_signals(root, buses)
    commands = read_commands(root, buses)
    root.close()
    problems.raise_if_any()
    return VehicleMapping(
        file=file,
        buses={name: bus for name, bus in buses.items() if bus is not None},
        signals=signals,
        commands=commands,
        remarks=remarks,
    )


def _text(file: Path) -> str:
    try:
        return toml_file.read_text(file)
    except OSError as error:
        raise MappingError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
    except ValueError as error:
        raise MappingError(str(error), where=str(file)) from error


def _check_schema(root: Table, problems: Problems) -> None:
    schema = root.take("schema")
    if schema == SCHEMA and type(schema) is int:
        return
    if schema is None:
        root.problem("schema", "key 'schema' is missing", f"write `schema = {SCHEMA}`")
    else:
        hint = "the mapping was written for another agent"
        what = f"schema {schema!r} is unknown, this agent reads {SCHEMA}"
        root.problem("schema", what, hint)
    problems.raise_if_any()


def _read_buses(root: Table, file: Path, dbc: Path | None) -> dict[str, BusMapping | None]:
    """Read each bus; one whose database cannot be loaded stays as None, so that its signals are not blamed."""
    below = root.table("bus")
    names = list(below or ())
    if not names:
        root.problem(
            "bus", "no bus: there must be a table such as [bus.body]", near_miss("bus", root)
        )
    if dbc is not None and len(names) > 1:
        raise MappingError(
            f"has {len(names)} buses ({', '.join(names)})",
            where=str(file),
            hint="a DBC can replace that of a single bus only",
        )
    return {name: read_bus(table, name, file.parent, dbc) for name, table in root.tables("bus")}
