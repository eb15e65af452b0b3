"""The models in formal/ move as the core's tables say, and Spin finds what it should (short form)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from formal import catalogue, run, tables
from formal.catalogue import Kind, Run

from tcu_agent.core import tables as core_tables
from tests.meta.checkout import ROOT

FORMAL = ROOT / "formal"
MODELS = {path.stem: path.read_text(encoding="utf-8") for path in FORMAL.glob("*.pml")}
MACHINE_OF = {"at_most_once": "unlock", "relock": "relock", "tracking": "position"}
QUICK = [each for each in catalogue.RUNS if each.is_quick]


@pytest.fixture
def spin() -> None:
    if missing := run.missing_tools():
        pytest.skip(f"{', '.join(missing)} missing (Debian: apt-get install spin gcc)")


def test_the_tables_of_the_models_are_the_cores() -> None:
    committed = tables.TARGET.read_text(encoding="utf-8")
    assert committed == tables.text(), "run .venv/bin/python -m formal.tables"
    rows = {
        f"{name}: {state}, {trigger} -> {new}"
        for name in tables.MACHINES
        for state, trigger, new in core_tables.rows(name)
    }
    assert run.table_rows() == rows


@pytest.mark.parametrize(("model", "machine"), MACHINE_OF.items())
def test_a_model_moves_by_its_table_alone(model: str, machine: str) -> None:
    source = MODELS[model]
    assert '#include "tables.pml"' in source
    assert f"#define MACHINE_{machine.upper()}\n" in source
    # A restart puts the machine where the durable record says (core.durable.restore); nothing else sets a state.
    assigned = set(re.findall(rf"\b{machine} = ([^;\n]+)", source))
    allowed = {
        "unlock": {
            "UNLOCK_IDLE",
            "(d_intent == IS_FIRING -> UNLOCK_FIRING : UNLOCK_ARMED)",
        },
        "relock": {
            "(r_record == NONE -> RELOCK_IDLE : RELOCK_COUNTING)",
            (
                "(r_record == NONE -> RELOCK_IDLE : "
                "(r_record == ATTEMPTED -> RELOCK_WAITING : RELOCK_COUNTING))"
            ),
        },
        "position": {
            "POSITION_IDLE",
            "(tracking -> POSITION_TRACKING : POSITION_LOOKING)",
        },
    }
    assert assigned == allowed[machine]


@pytest.mark.parametrize(("model", "machine"), MACHINE_OF.items())
def test_a_model_uses_every_trigger(model: str, machine: str) -> None:
    triggers = {trigger for _, trigger, _ in core_tables.rows(machine)}
    used = set(re.findall(rf"\b{machine.upper()}_ON_(\w+)", MODELS[model]))
    assert used == triggers


@pytest.mark.parametrize("model", [*MACHINE_OF, "authorisation"])
def test_every_mutant_of_a_model_is_run(model: str) -> None:
    written = set(re.findall(r"\bMUTANT_\w+", MODELS[model]))
    mutants = {
        name
        for each in catalogue.RUNS
        if each.model == model and each.kind is Kind.MUTANT
        for name in each.defines
        if name.startswith("MUTANT_")
    }
    assert written - {"MUTANT_"} == mutants


def test_every_mutant_names_a_place_that_exists() -> None:
    files = {path.name for folder in ("src", "sim") for path in (ROOT / folder).rglob("*.py")}
    for each in catalogue.RUNS:
        named = re.findall(r"[\w/]+\.py", each.says)
        assert named or each.kind is not Kind.MUTANT, each.name
        for name in named:
            assert Path(name).name in files, each.name


@pytest.mark.usefixtures("spin")
@pytest.mark.parametrize("each", QUICK, ids=lambda each: each.name.replace(" ", "+"))
def test_quick_form(each: Run) -> None:
    found = run.search(each)
    assert found.is_as_expected, found


REPORT = """
State-vector 76 byte, depth reached 551, errors: {errors}
      427 states, stored
     1398 transitions (= stored+matched)
"""
HELD = REPORT.format(errors=0)
MODEL = Run("relock", Kind.MODEL, (), "")
MUTANT = Run("relock", Kind.MUTANT, ("MUTANT_X",), "")
VIOLATION = "pan:1: assertion violated x (at depth 3)\n" + REPORT.format(errors=1)


def test_a_report_is_read() -> None:
    found = run.read(MODEL, "row a: B, C -> D\n" + HELD, took_s=1.0)
    assert (found.states, found.transitions, found.depth) == (427, 1398, 551)
    assert found.rows == {"a: B, C -> D"}
    assert found.is_as_expected
    assert run.read(MUTANT, VIOLATION, took_s=1.0).is_as_expected


@pytest.mark.parametrize(
    ("which", "said"),
    [
        (MODEL, VIOLATION),
        (MUTANT, HELD),
        (MODEL, "error: max search depth too small\n" + HELD),
        (MODEL, "Warning: Search not completed\n" + HELD),
        (MODEL, "pan: reached -DMEMLIM bound\n" + HELD),
        (MODEL, "Hash-Compact 4 search for:\n" + HELD),
        (MODEL, "Bit statespace search for:\n" + HELD),
        (MODEL, ""),
        (MUTANT, "pan:1: invalid end state (at depth 3)\n" + REPORT.format(errors=1)),
    ],
)
def test_a_search_that_proves_nothing_does_not_count(which: Run, said: str) -> None:
    assert not run.read(which, said, took_s=1.0).is_as_expected


def test_a_row_that_no_model_takes_is_noticed() -> None:
    every = run.table_rows() - catalogue.ROWS_NEVER_TAKEN
    assert run.rows_missed([run.Found(run=MODEL, took_s=0, rows=frozenset(every))]) == []
    some = frozenset(sorted(every)[1:])
    assert run.rows_missed([run.Found(run=MODEL, took_s=0, rows=some)]) == sorted(every)[:1]
