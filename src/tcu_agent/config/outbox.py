"""How much may wait for the centre: [outbox]. What the shares mean: core.reports.classes."""

from __future__ import annotations

from tcu_agent.config.table import Table
from tcu_agent.core.reports.classes import OutboxBounds

_KIB = 1024
_MOST_KIB = 65_536
_DAY_S = 86_400
_USUAL = OutboxBounds()


def read_outbox(table: Table) -> OutboxBounds:
    """Return the bounds of the outbox."""
    telemetry_kib = table.integer(
        "telemetry_kib", _USUAL.telemetry_bytes // _KIB, low=16, high=_MOST_KIB
    )
    protected_kib = table.integer(
        "protected_kib", _USUAL.protected_bytes // _KIB, low=64, high=_MOST_KIB
    )
    telemetry_days = table.integer(
        "telemetry_days", int(_USUAL.telemetry_age_s / _DAY_S), low=1, high=365
    )
    table.finish()
    return OutboxBounds(
        telemetry_bytes=telemetry_kib * _KIB,
        protected_bytes=protected_kib * _KIB,
        telemetry_age_s=float(telemetry_days * _DAY_S),
    )
