"""Without a bench nothing here is collected; its fixtures are in tests/socketcan/fixtures.py."""

from __future__ import annotations

from tests.socketcan.bench import VirtualBench, bench_of_this_run, is_on_a_bench


def _ignored() -> list[str]:
    if not is_on_a_bench():
        return ["test_*.py"]
    return [] if isinstance(bench_of_this_run(), VirtualBench) else ["test_virtual.py"]


collect_ignore_glob = _ignored()
