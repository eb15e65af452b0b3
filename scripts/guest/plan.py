"""What a guest is asked to do, and how that is told to its first process."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CANNOT_START: Final = 125
"""Exit status when the guest could not do what it was asked, so that the command never ran (as `env` has it)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One command and its surroundings.

    `results`: the one folder that outlives the guest; the guest's output and console are logged there too.
    `limit_s`: seconds from start to end, boot included. `modules` are loaded in this order, with what they need.
    `interfaces`: virtual CAN interfaces to be there and up.
    """

    command: tuple[str, ...]
    directory: Path
    results: Path
    limit_s: float
    memory_mb: int = 1536
    modules: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def as_shell(self, *, modules_folder: Path, output: str) -> str:
        """Return the plan as assignments for bash.

        `modules_folder`: where the guest's kernel finds ``<release>/modules.dep``; `output`: the terminal device
        inside the guest that takes the command's output.
        """
        return "\n".join(
            [
                f"cannot_start={CANNOT_START}",
                f"modules_folder={shlex.quote(str(modules_folder))}",
                f"output={shlex.quote(output)}",
                f"results={shlex.quote(str(self.results))}",
                f"directory={shlex.quote(str(self.directory))}",
                _array("modules", self.modules),
                _array("interfaces", self.interfaces),
                _array(
                    "environment", (f"{name}={text}" for name, text in self.environment.items())
                ),
                _array("command", self.command),
                "",
            ]
        )


def _array(name: str, values: Iterable[str]) -> str:
    return f"{name}=({' '.join(shlex.quote(value) for value in values)})"
