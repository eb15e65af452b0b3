"""Figures: what a percentile is, and when a fleet is complete."""

from __future__ import annotations

import io
import math
import os

import pytest

from tcu_sim.fleet.measures import Memory, each, percentile, phase, resident_kib
from tcu_sim.fleet.report import Report


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([1.0], 50, 1.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 101)], 100, 100.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(
    values: list[float], percent: int, expected: float
) -> None:
    assert percentile(values, percent) == expected


def test_nobody_has_no_percentile() -> None:
    assert math.isnan(percentile([], 50))


def test_a_phase_counts_from_the_order() -> None:
    found = phase("connect", cars=3, wanted=3, started_s=100.0, ended_s=[102.0, 101.0])
    assert (found.done, found.seconds, found.p50_s, found.worst_s) == (2, 2.0, 1.0, 2.0)
    assert (found.rate, found.is_complete) == (1.0, False)


def test_one_who_was_left_behind_is_seen_and_growth_is_told() -> None:
    out = io.StringIO()
    report = Report(out)
    report.take(each("unlock", cars=1, wanted=1, took_s=[1.0], seconds=2.0))
    report.take(each("unlock", cars=10, wanted=10, took_s=[3.0] * 9, seconds=9.0))
    assert not report.is_complete
    report.take_memory(Memory(cars=10, car_kib=450.4, broker_kib=8000, centre_kib=9000))
    report.tell_growth()
    said = out.getvalue().splitlines()
    assert said[2].split()[:3] == ["10", "unlock", "9/10"]
    assert "450 KiB a car" in said[3]
    assert said[-1].split() == [
        "unlock",
        "p50",
        "x",
        "3.0,",
        "p99",
        "x",
        "3.0,",
        "rate",
        "x",
        "2.0",
    ]


def test_a_fleet_that_did_everything_is_complete() -> None:
    report = Report(io.StringIO())
    report.take(each("unlock", cars=1, wanted=1, took_s=[1.0], seconds=2.0))
    assert report.is_complete


def test_memory_is_read_from_the_kernel() -> None:
    assert resident_kib(os.getpid()) > 1000
    assert resident_kib(2**22 + 1) == 0
