"""What the messages share: the CDDL's own names for simple types, and the five common fields."""

from __future__ import annotations

from dataclasses import dataclass

from tcu_sim.wire import fields as f
from tcu_sim.wire.numbers import Service

VEHICLE_ID = f.text(r"[A-Za-z0-9_-]{1,32}")
ID16 = f.octets(16)
ID8 = f.octets(8)
HASH = f.octets(32)
UINT32 = f.uint(f.UINT32)
UINT53 = f.uint(f.UINT53)
NESTED = f.octets(80, 4096)
REASON = UINT32


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The five fields that tie challenge, evidence, approval, grant and result together."""

    vehicle_id: str = f.at(0, VEHICLE_ID)
    service: Service = f.at(1, f.one_of(Service))
    request_id: bytes = f.at(2, ID16)
    nonce: bytes = f.at(3, ID16)
    boot_id: bytes = f.at(4, ID8)
