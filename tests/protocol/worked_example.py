"""The worked example of docs/protocol.md: made here, kept there.

`python -m tests.protocol.worked_example` writes it into the document again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tcu_agent.protocol import codec, cose
from tcu_agent.protocol.messages import Account, Challenge, Common, Grant, Request, Result
from tcu_agent.protocol.vocabulary import LockState, Outcome, Reason, Relock, Service
from tests.protocol.signing import (
    BOOT_ID,
    DIRECT,
    ENVIRONMENT,
    ROLE_KEYS,
    ROOTS,
    STREAM_ID,
    VEHICLE,
    VEHICLE_ID,
    Centre,
    account_state,
    id16,
    sign,
    trust_container,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
BEGIN, END = "<!-- worked example: begin -->\n", "<!-- worked example: end -->\n"
WIDTH = 96


def request() -> Request:
    """Return the request of the example: a direct unlock."""
    return Centre().request(Service.UNLOCK)


def account() -> Account:
    """Return the first account state of the car, without users."""
    return account_state(users=())


def challenge() -> Challenge:
    """Return the car's answer to the request."""
    asked, known = request(), account()
    return Challenge(
        common=Common(
            vehicle_id=VEHICLE_ID,
            service=asked.service,
            request_id=asked.request_id,
            nonce=id16("nonce"),
            boot_id=BOOT_ID,
        ),
        request_hash=codec.payload_hash(codec.encode(asked)),
        trust_version=1,
        trust_epoch=1,
        account_version=known.version,
        ownership_generation=known.ownership_generation,
        pin_generation=known.pin_generation,
        ttl_s=30,
    )


def grant() -> Grant:
    """Return the grant with the evidence inside."""
    return Centre().grant(challenge(), DIRECT, max_age_s=30)


def result() -> Result:
    """Return the car's result: four doors and the tailgate unlocked."""
    return Result(
        common=challenge().common,
        outcome=Outcome.EXECUTED,
        reason=Reason.NONE,
        grant_hash=codec.payload_hash(codec.encode(grant())),
        locks=dict.fromkeys(range(5), LockState.UNLOCKED),
        relock=Relock.AGENT,
        seq=2,
        stream_id=STREAM_ID,
    )


def items() -> Mapping[str, bytes]:
    """Return every item of the example, in the order of the document."""
    keys = {
        f"public key of {each.name}": each.public_key for each in (*ROOTS[:2], *ROLE_KEYS, VEHICLE)
    }
    evidence = Centre().evidence(challenge())
    signed = cose.prepare(
        typ=codec.typ_of(Request),
        payload=codec.encode(request()),
        alg=ROLE_KEYS[0].alg,
        kid=ROLE_KEYS[0].kid,
        environment=ENVIRONMENT,
    )
    return {
        **keys,
        "external_aad": cose.external_aad(ENVIRONMENT),
        "trust container": trust_container(),
        "account message": sign(account()),
        "request payload": codec.encode(request()),
        "request, what is signed": signed.signing_input,
        "request message": sign(request()),
        "challenge payload": codec.encode(challenge()),
        "challenge message": sign(challenge()),
        "evidence payload": codec.encode(evidence),
        "evidence message": sign(evidence),
        "grant message": sign(grant()),
        "result message": sign(result()),
    }


def in_document() -> Mapping[str, bytes]:
    """Return the items as the document has them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    block = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    found = re.findall(r"^([A-Za-z].*):\n((?:  [0-9a-f]+\n)+)", block, re.MULTILINE)
    return {name: bytes.fromhex(hexadecimal) for name, hexadecimal in found}


def _block() -> str:
    lines = ["```\n"]
    for name, data in items().items():
        text = data.hex()
        lines.append(f"{name}:\n")
        lines.extend(f"  {text[at : at + WIDTH]}\n" for at in range(0, len(text), WIDTH))
    return "".join([*lines, "```\n"])


if __name__ == "__main__":
    whole = DOCUMENT.read_text(encoding="utf-8")
    head, rest = whole.split(BEGIN)
    DOCUMENT.write_text(head + BEGIN + _block() + END + rest.split(END)[1], encoding="utf-8")
