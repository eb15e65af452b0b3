"""Ctrl-C while a command line is still loading: status 130 and not a word, whatever is being loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SWALLOWING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name != {module!r}:
            return None
        try:  # as a library may do that is being loaded
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            pass
        return None

signal.signal(signal.SIGINT, signal.{heard})
sys.meta_path.insert(0, Interrupting())
sys.argv[1:] = {words!r}
from {package}.__main__ import main
sys.exit(main())
"""
"""A signal is delivered before os.kill returns to Python code of the same thread."""
CASES = [
    ("tcu_agent", "tcu_agent.cli.main", ["--version"]),
    ("tcu_agent", "tcu_agent.cli.doctor", ["--version"]),
    ("tcu_sim", "tcu_sim.cli.main", ["pki", "--help"]),
    ("tcu_sim", "tcu_sim.pki.cli", ["pki", "--help"]),
]


def interrupted(package: str, module: str, words: list[str], heard: str) -> tuple[int, str]:
    code = _SWALLOWING.format(package=package, module=module, words=words, heard=heard)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(("package", "module", "words"), CASES)
def test_an_interruption_while_loading_ends_it_at_once(
    package: str, module: str, words: list[str]
) -> None:
    assert interrupted(package, module, words, "default_int_handler") == (130, "")


@pytest.mark.parametrize(("package", "module", "words"), CASES[::2])
def test_one_that_is_ignored_stays_ignored(package: str, module: str, words: list[str]) -> None:
    assert interrupted(package, module, words, "SIG_IGN") == (0, "")
