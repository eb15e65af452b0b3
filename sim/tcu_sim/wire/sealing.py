"""Positions, sealed by the vehicle to the theft desk's HPKE key and opened there alone.

HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM; `info` binds environment,
vehicle, case and sequence number. Source: RFC 9180; docs/protocol.cddl, `position` and `fix`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tcu_sim.wire import cbor
from tcu_sim.wire import fields as f
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.messages import Position
from tcu_sim.wire.numbers import Quality

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What a sealed position holds. Angles 1e-7 degree, heading 0.1 degree, speed 0.01 km/h."""

    quality: Quality = f.at(0, f.one_of(Quality))
    wall_time_ms: int = f.at(1, f.uint(f.UINT53))
    latitude_e7: int | None = field(
        default=None, repr=False, metadata={"key": 2, "kind": f.uint(900_000_000, -900_000_000)}
    )
    longitude_e7: int | None = field(
        default=None, repr=False, metadata={"key": 3, "kind": f.uint(1_800_000_000, -1_800_000_000)}
    )
    age_ms: int | None = f.at(4, f.uint(f.UINT32), optional=True)
    accuracy_cm: int | None = f.at(5, f.uint(f.UINT32), optional=True)
    heading_ddeg: int | None = f.at(6, f.uint(3599), optional=True)
    speed_ckmh: int | None = f.at(7, f.uint(f.UINT32), optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a sealed position is bound to."""

    environment: str
    vehicle_id: str
    case_id: bytes
    seq: int

    @property
    def info(self) -> bytes:
        """HPKE's `info`."""
        return cbor.encode(
            ["tcu-position", 1, self.environment, self.vehicle_id, self.case_id, self.seq]
        )


def label_of(position: Position, environment: str) -> Label:
    """Return what a position message says it is bound to."""
    return Label(
        environment=environment,
        vehicle_id=position.vehicle_id,
        case_id=position.case_id,
        seq=position.seq,
    )


def seal(fix: Fix, label: Label, recipient: bytes) -> bytes:
    """Return enc || ciphertext for the X25519 public key `recipient` (32 bytes)."""
    public = X25519PublicKey.from_public_bytes(recipient)
    return _SUITE.encrypt(cbor.encode(f.pack(fix)), public, info=label.info)


def unseal(sealed: bytes, label: Label, private: X25519PrivateKey) -> Fix:
    """Return the fix inside.

    Raises:
        WireError: not sealed to this key with this label (``sealed``), or no fix inside.
    """
    try:
        plain = _SUITE.decrypt(sealed, private, info=label.info)
    except (InvalidTag, ValueError) as error:
        raise WireError("cannot be opened with this key and label", word="sealed") from error
    return f.unpack(Fix, cbor.decode(plain))
