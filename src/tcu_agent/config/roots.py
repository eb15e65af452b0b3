"""The roots file: the keys that sign trust bundles, and how many of them must.

```toml
schema = 1          # may be left out
threshold = 2
[[root]]
alg = -7            # COSE: -7 ES256 on P-256, -8 Ed25519
public_key = "02..." # hex: 33 bytes (compressed P-256 point) or 32 bytes (Ed25519)
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tcu_agent.config.table import Findings, Table, read_toml
from tcu_agent.errors import ConfigError, MalformedError
from tcu_agent.protocol.cose import VerificationKey

SCHEMA = 1
MOST_ROOTS = 8  # docs/protocol.cddl, trust-container


@dataclass(frozen=True, slots=True)
class Roots:
    """Root keys as the protocol encodes them, and the number that must sign."""

    threshold: int
    keys: tuple[bytes, ...]


def read_roots(file: Path, findings: Findings) -> Roots:
    """Return the root keys; problems are noted in `findings` under the roots file's own name."""
    own = Findings(file)
    try:
        top = Table(read_toml(file), key="", findings=own)
    except ConfigError as error:
        findings.problems.append(error)
        return Roots(2, ())
    schema = top.integer("schema", SCHEMA, low=1, high=2**31)
    if schema != SCHEMA:
        hint = "start the agent that it was written for"
        top.problem("schema", f"this agent reads schema {SCHEMA}, not {schema}", hint)
        findings.problems.extend(own.problems)
        return Roots(2, ())
    keys = tuple(_read_key(entry) for entry in top.array("root"))
    threshold = top.integer("threshold", low=2, high=MOST_ROOTS)
    top.finish()
    if not own.problems and not threshold <= len(set(keys)) <= MOST_ROOTS:
        top.problem("root", f"{len(set(keys))} different keys; needed: {threshold} to {MOST_ROOTS}")
    findings.problems.extend(own.problems)
    return Roots(threshold, keys)


def _read_key(entry: Table) -> bytes:
    alg = entry.integer("alg", low=-8, high=-7)
    text = entry.text("public_key", pattern="[0-9a-fA-F]+")
    entry.finish()
    try:
        key = bytes.fromhex(text)
        VerificationKey(alg=alg, public_key=key)
    except (ValueError, MalformedError) as error:
        entry.problem("public_key", f"is no public key of algorithm {alg}: {error}")
        return b""
    return key
