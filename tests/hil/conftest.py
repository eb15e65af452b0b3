"""Without a bench nothing here is collected; its fixtures are in tests/socketcan/fixtures.py."""

from __future__ import annotations

from tests.socketcan.bench import is_on_a_bench

collect_ignore_glob = [] if is_on_a_bench() else ["test_*.py"]
