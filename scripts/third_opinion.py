"""Put the vectors of tests/vectors to a COSE and an HPKE library that nobody here wrote.

Runs in an environment of its own (`make vectors-third-opinion`); reads the JSON files and nothing else of the project.
What is verified, and what these libraries cannot judge: tests/vectors/README.md.
"""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
from cwt import COSE, COSEKey
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "vectors"
KEYS = json.loads((FOLDER / "keys.json").read_text(encoding="utf-8"))
AAD = cbor2.dumps(["tcu-agent", 1, KEYS["environment"]])
SUITE = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES128_GCM)
LAX = {
    # Called bad by their vectors, and taken by cwt 3.3: it goes by the key's alg and does not look at the header's.
    ("envelope.json", "alg of Ed25519 for a P-256 key"),
    ("envelope.json", "alg ES384"),
    ("envelope.json", "alg HMAC 256/256"),
}
EDDSA, EC2, OKP, P256, ED25519 = -8, 2, 1, 1, 6
"""Source: RFC 9053, 2.2, 7.1 and 7.2."""


def public_key(entry: dict[str, Any]) -> Any:
    """Return a key of keys.json as cwt has it."""
    common = {2: bytes.fromhex(entry["kid"]), 3: entry["alg"], 4: [2]}
    if entry["alg"] == EDDSA:
        return COSEKey.new({1: OKP, -1: ED25519, -2: bytes.fromhex(entry["public"]), **common})
    point = bytes.fromhex(entry["public_uncompressed"])
    return COSEKey.new({1: EC2, -1: P256, -2: point[1:33], -3: point[33:], **common})


BY_KID = {bytes.fromhex(each["kid"]): public_key(each) for each in KEYS["keys"].values()}


def holds(message: bytes) -> bool:
    """Whether cwt takes the message for signed by the key that its header names."""
    try:
        protected = cbor2.loads(cbor2.loads(message).value[0])
        key = BY_KID[protected[4]]
        COSE.new().decode(message, key, external_aad=AAD)
    except Exception:  # noqa: BLE001 -- a library that stumbles over a bad message has refused it
        return False
    return True


def messages_in(data: bytes) -> list[bytes]:
    """Return the messages of a container, or the one."""
    return [data] if data[:1] == b"\xd2" else list(cbor2.loads(data))


def nested_in(vector: dict[str, Any], message: str) -> Iterator[bytes]:
    """Yield evidence and approval inside an accepted message."""
    for key in {"grant": ("5", "6"), "account": ("10",)}.get(message, ()):
        if key in vector.get("fields", {}):
            yield bytes.fromhex(vector["fields"][key]["hex"])


def opened(vector: dict[str, Any]) -> object:
    """Return the fix that pyhpke finds in a position, None if it does not open."""
    opens = vector["opens"]
    private = bytes.fromhex(KEYS["keys"][opens["with"]]["hpke_private"])
    key = KEMKey.from_jwk(
        {"kty": "OKP", "crv": "X25519", "x": url(opens["with"]), "d": base64url(private)}
    )
    sealed = bytes.fromhex(vector["fields"]["7"]["hex"])
    try:
        context = SUITE.create_recipient_context(
            sealed[:32], key, info=bytes.fromhex(opens["info"])
        )
        plain = context.open(sealed[32:])
    except Exception:  # noqa: BLE001 -- as above
        return None
    return {str(name): value for name, value in cbor2.loads(plain).items()}


def url(name: str) -> str:
    """Return a theft desk's public HPKE key for a JWK."""
    return base64url(bytes.fromhex(KEYS["keys"][name]["hpke_public"]))


def base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def judge(message: str, vector: dict[str, Any], seen: Counter[str]) -> str | None:
    """Count a vector; return what the libraries say otherwise."""
    data, said = bytes.fromhex(vector["bytes"]), vector["signature"]
    if said == "good":
        inside = [*messages_in(data), *nested_in(vector, message)]
        seen["signatures verified"] += len(inside)
        if not all(holds(each) for each in inside):
            return "a signature that is called good does not hold"
    elif said == "bad":
        seen["wrong signatures found wrong"] += 1
        if all(holds(each) for each in messages_in(data)):
            return "a signature that is called bad holds"
    elif said == "none":
        seen["outside the strict profile"] += 1
        seen["of these taken by the library all the same"] += data[:1] == b"\xd2" and holds(data)
    if "opens" in vector:
        seen["sealed positions opened, or found not to open"] += 1
        if opened(vector) != vector["opens"]["fix"]:
            return "the sealed position holds something else"
    return None


def main() -> int:
    """Judge every vector; return 1 if one is judged otherwise."""
    seen: Counter[str] = Counter()
    wrong = []
    for path in sorted(FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for vector in document.get("vectors", ()):
            seen["vectors read"] += 1
            complaint = judge(document["message"], vector, seen)
            if (complaint is not None) is not ((path.name, vector["name"]) in LAX):
                wrong.append(f"{path.name}: {vector['name']}: {complaint or 'no longer lax'}")
    for what, count in seen.items():
        print(f"{count:5} {what}")
    print("\n".join(wrong) or "third opinion: the same")
    return 1 if wrong or seen["signatures verified"] == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
