"""Where CI promises a part (broker, CAN, recordings) and it is missing, the run fails.

Outside CI a skip is printed with its reason and changes nothing. CI is the environment variable
`CI` with any value but the empty one, `0` and `false`.
"""

import os

import pytest


def is_ci() -> bool:
    """Whether this run has to be complete."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


class SkipLedger:
    """Keeps every skip of the run, of single tests and of whole modules."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """An expected failure is reported as skipped too, and is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that skips itself never reports its tests."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turns a run that would have passed into a failed one."""
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says why a run without a failed test failed; the reasons stand above."""
        if self.skipped:
            terminalreporter.section("skipped, and in CI a skip is a failure", red=True, bold=True)
            terminalreporter.write_line("\n".join(self.skipped))


def pytest_configure(config: pytest.Config) -> None:
    """Registers the ledger where it counts."""
    if is_ci():
        config.pluginmanager.register(SkipLedger(), "skip-ledger")
