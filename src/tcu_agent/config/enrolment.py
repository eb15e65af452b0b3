"""Where the vehicle's certificate comes from: [enrolment]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tcu_agent.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentConfig:
    """`url`: of the EST server; `ca` alone is believed to have signed for it. `directory`: what `current` lies in."""

    url: str
    ca: Path
    directory: Path
    password_file: Path | None = None
    """With the one-time password of the first enrolment; mode 0600."""
    renew_before_days: int = 30


def read_enrolment(top: Table) -> EnrolmentConfig | None:
    """Return [enrolment], None where there is none."""
    if "enrolment" not in top:
        top.table("enrolment")
        return None
    table = top.table("enrolment")
    wanted = EnrolmentConfig(
        url=table.text("url", pattern="https://.+"),
        ca=table.path("ca"),
        directory=table.path("directory"),
        password_file=table.optional_path("password_file"),
        renew_before_days=table.integer("renew_before_days", 30, low=1, high=365),
    )
    table.finish()
    return wanted
