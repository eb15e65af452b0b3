"""Targets: what people write and what lies on the board. Configuration, roots, mapping, DBC, keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from unittest import mock

from cantools.database.can import Database
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tcu_agent.adapters.cloud.tls import client_context
from tcu_agent.adapters.keys.signing_key import load_signer
from tcu_agent.adapters.mapping import buses
from tcu_agent.adapters.mapping.dbc_names import load_database
from tcu_agent.adapters.mapping.file import load_mapping
from tcu_agent.cli import assembly
from tcu_agent.config import TlsConfig
from tcu_agent.config.load import load
from tcu_agent.config.roots import read_roots
from tcu_agent.config.table import Findings
from tcu_agent.errors import BadInput, KeyStoreError
from tests.contract.certificates import Authority
from tests.foreign_data import ROOT
from tests.fuzz.target import Target, scratch, written
from tests.runtime.files import ROOTS, minimal

EXAMPLE = ROOT / "deploy" / "tcu.example.toml"
REFERENCE = ROOT / "dbc" / "reference.toml"


def _attempt(action: Callable[[], object]) -> bool:
    try:
        action()
    except (BadInput, KeyStoreError):
        return False
    return True


# ------------------------------------------------------------------ configuration


def read_config(data: bytes) -> bool:
    """A tcu.toml, beside roots that are good."""
    written("roots.toml", ROOTS.encode())
    file = written("tcu.toml", data)
    return _attempt(lambda: load(file))


def configs() -> Iterable[bytes]:
    """The smallest configuration, and the example with every setting."""
    yield minimal().encode()
    yield EXAMPLE.read_bytes()
    yield (
        minimal().encode()
        + b"[keys.secoc]\ncentral-locking = 'secoc.key'\n[unlock]\nwindow_s = 60\n"
    )
    yield minimal().replace('id = "car-1"', 'id = "car-1"\nservices = ["unlock", "state"]').encode()


def read_root_keys(data: bytes) -> bool:
    """A roots file."""
    file = written("only-roots.toml", data)
    findings = Findings(file)
    read_roots(file, findings)
    return not findings.problems


# ------------------------------------------------------------------ the mapping and its DBC


@cache
def _reference_database(file: Path, *, strict: bool) -> Database:
    return load_database(file, strict=strict)


def read_mapping(data: bytes) -> bool:
    """A mapping beside the reference DBC, which is parsed once: it has a target of its own."""
    _reference_dbc_beside()
    file = written("mapping.toml", data)
    with mock.patch.object(buses, "load_database", _load_known):
        return _attempt(lambda: load_mapping(file))


def _load_known(file: Path, *, strict: bool = True) -> Database:
    if file.name == "reference.dbc" and file.exists():
        return _reference_database(file, strict=strict)
    return load_database(file, strict=strict)


@cache
def _reference_dbc_beside() -> None:
    shutil.copyfile(REFERENCE.with_suffix(".dbc"), scratch() / "reference.dbc")


def mappings() -> Iterable[bytes]:
    """The reference mapping, the examples', and a small one."""
    yield REFERENCE.read_bytes()
    for file in sorted((ROOT / "examples").glob("*.toml")):
        yield file.read_bytes()
    yield SMALL_MAPPING.encode()


SMALL_MAPPING = """\
schema = 1
[bus.body]
dbc = "reference.dbc"
asleep_after_ms = 2000
[[signal]]
path = "Vehicle.Speed"
bus = "body"
message = "VehicleMotion"
signal = "VehicleSpeed"
timeout_ms = 1000
"""


def read_dbc(data: bytes) -> bool:
    """A DBC as an OEM hands it over."""
    file = written("oem.dbc", data)
    return _attempt(lambda: load_database(file)) | _attempt(
        lambda: load_database(file, strict=False)
    )


def databases() -> Iterable[bytes]:
    """The reference DBC, whole and a part of it."""
    content = REFERENCE.with_suffix(".dbc").read_bytes()
    yield content
    yield content[: content.index(b"BO_ ")]
    yield b'VERSION ""\n\nBO_ 1 M: 8 X\n SG_ S m0 : 0|8@1+ (1,0) [0|1] "" X\n SG_ T M : 8|8@1+ (1,0) [0|0] "" X\n'


# ------------------------------------------------------------------ keys


def read_signing_key(data: bytes) -> bool:
    """The vehicle's signing key."""
    file = written("signing.pem", data)
    return _attempt(lambda: load_signer(file).sign(b"x"))


def read_secoc_key(data: bytes) -> bool:
    """A SecOC key."""
    file = written("secoc.key", data)
    return _attempt(lambda: assembly.read_secoc_key("central-locking", file))


def read_authority(data: bytes) -> bool:
    """The certificates of the broker's authority."""
    config = TlsConfig(ca=written("ca.pem", data), certificate=None, key=None)
    return _attempt(lambda: client_context(config))


def private_keys() -> Iterable[bytes]:
    """Keys of the two kinds that are taken, and of some that are not."""
    seed = bytes(range(32))
    kept = ec.derive_private_key(7, ec.SECP256R1())
    others = (
        ed25519.Ed25519PrivateKey.from_private_bytes(seed),
        x25519.X25519PrivateKey.from_private_bytes(seed),
        ec.derive_private_key(7, ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    )
    for key in (kept, *others):
        yield key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    yield kept.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    yield kept.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


def authorities() -> Iterable[bytes]:
    """A certificate of a throw-away authority."""
    yield Authority.make(scratch(), "authority").file.read_bytes()


TARGETS = (
    Target(
        name="config",
        run=read_config,
        seeds=configs,
        decoder="tcu_agent.config.table.Table.finish",
        max_bytes=8192,
    ),
    Target(
        name="roots",
        run=read_root_keys,
        seeds=lambda: (ROOTS.encode(),),
        decoder="tcu_agent.config.table.Table.finish",
    ),
    Target(
        name="mapping",
        run=read_mapping,
        seeds=mappings,
        decoder="tcu_agent.adapters.mapping.toml_table.Table.close",
        max_bytes=8192,
    ),
    Target(
        name="dbc",
        run=read_dbc,
        seeds=databases,
        decoder="tests.fuzz.files.load_database",
        max_bytes=16_384,
    ),
    Target(
        name="signing-key",
        run=read_signing_key,
        seeds=private_keys,
        decoder="tcu_agent.adapters.keys.signing_key.P256Signer.sign",
    ),
    Target(
        name="secoc-key",
        run=read_secoc_key,
        seeds=lambda: (bytes(range(16)),),
        decoder="tcu_agent.cli.assembly.read_secoc_key",
        max_bytes=256,
    ),
    Target(
        name="authority",
        run=read_authority,
        seeds=authorities,
        decoder="tests.fuzz.files.client_context",
    ),
)
