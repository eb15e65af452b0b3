"""docs/protocol.md is held to what it says: its tables, its tests, its bytes."""

import re
from functools import cache
from pathlib import Path

import pytest

from tcu_agent.core.verify.authorisation import UnlockAuthorisation
from tcu_agent.core.verify.challenges import ChallengeTable, Outstanding
from tcu_agent.core.verify.steps import SIGNERS
from tcu_agent.core.verify.verifier import AcceptedAccount, AcceptedRequest, AcceptedTrust
from tcu_agent.protocol import cbor, codec, cose, trust
from tcu_agent.protocol.messages import Result
from tcu_agent.protocol.vocabulary import EventKind, Reason, Role
from tests.protocol import worked_example
from tests.protocol.signing import (
    COMMAND,
    ENVIRONMENT,
    PIN_AUTHORITY,
    ROLE_KEYS,
    ROOTS,
    VEHICLE,
    Party,
    verifier,
)

ROOT = Path(__file__).parents[2]


@cache
def document() -> str:
    return worked_example.DOCUMENT.read_text(encoding="utf-8")


def section(title: str) -> str:
    start = document().index(f"\n## {title}\n")
    end = document().find("\n## ", start + 1)
    return document()[start : end if end > 0 else None]


def numbered_rows(title: str) -> dict[int, str]:
    rows = re.findall(r"^\| (\d+) \| `([a-z0-9-]+)` \| .*\w.* \|$", section(title), re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\| \d", section(title), re.MULTILINE))
    return {int(number): word for number, word in rows}


def test_the_table_of_reasons_is_the_enumeration() -> None:
    assert numbered_rows("Reason codes") == {int(each): each.code for each in Reason}


def test_the_table_of_event_kinds_is_the_enumeration() -> None:
    expected = {int(each): each.name.lower().replace("_", "-") for each in EventKind}
    assert numbered_rows("Event kinds") == expected


def test_every_contents_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(#([a-z-]+)\)", document())
    titles = {
        line.lower().replace(" ", "-")
        for line in re.findall(r"^## (.*)$", document(), re.MULTILINE)
    }
    assert len(links) > 15
    assert set(links) <= titles
    assert titles <= set(links)


def test_every_guarantee_names_tests_that_exist() -> None:
    rows = re.findall(r"^\| (G\d) \| .* \| (.*) \|$", section("Guarantees"), re.MULTILINE)
    assert [name for name, _ in rows] == [f"G{number}" for number in range(1, 9)]
    for name, cell in rows:
        tests = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", cell)
        assert len(tests) >= 3, name
        assert len(tests) == cell.count("`") // 2, name
        for file, test in tests:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


SPOILT = (
    "a field flipped, each of each message", "every truncation of every message", "oversize", "duplicate keys",
    "non-minimal integers", "trailing bytes", "unknown crit", "alg elsewhere", "wrong role", "swapped keys",
    "other environment", "wrong vehicle, service, request, boot id", "wrong generation",
    "parameters that differ from the request's", "replayed request", "forged or foreign acknowledgement",
    "forged or foreign call control", "PIN of the owner's other car", "ttl at -1, 0, +1", "wall clock 10 years off",
    "suspend", "retained", "duplicate", "two back ends at once", "revoked key", "rotated key",
    "trust bundle rolled back", "trust bundle frozen", "one root signature of two",
)  # fmt: skip
"""What the negative catalogue must hold; nothing leaves it because its row was lost."""


def test_everything_that_can_be_spoilt_names_tests_that_exist() -> None:
    rows = dict(
        re.findall(r"^\| ([^|]+) \| (`tests/.*`) \|$", section("What is refused"), re.MULTILINE)
    )
    assert tuple(rows) == SPOILT
    for name, cell in rows.items():
        tests = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", cell)
        assert len(tests) == cell.count("`") // 2 > 0, name
        for file, test in tests:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


WORDS = {
    Role.COMMAND: "command",
    Role.PIN_AUTHORITY: "PIN authority",
    Role.ACCOUNT: "account service",
    Role.THEFT_DESK: "theft desk",
}


def test_the_table_of_messages_says_who_signs() -> None:
    rows = dict(re.findall(r"^\| ([a-z-]+) \| ([^|]+) \| ", section("Messages"), re.MULTILINE))
    del rows["message"]
    assert set(rows) == {table.name for table in codec.MESSAGES}
    for kind, roles in SIGNERS.items():
        said = rows[codec.topic_type(kind)]
        assert {role for role, word in WORDS.items() if word in said} == roles, said
    vehicles = {"challenge", "refusal", "result", "event", "position", "availability"}
    assert {name for name, signer in rows.items() if signer == "vehicle"} == vehicles


def test_every_word_in_code_letters_that_looks_like_a_reason_is_one() -> None:
    known = {each.code for each in Reason}
    told = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section("Order of work in the car")))
    told |= set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section("Account") + section("Trust")))
    assert len(told) > 25
    assert told <= known, told - known


# ----------------------------------------------------------------------- the worked example


def test_the_bytes_in_the_document_are_these() -> None:
    """If a message changed on purpose: python -m tests.protocol.worked_example."""
    assert dict(worked_example.in_document()) == dict(worked_example.items())


def test_the_car_takes_the_example_from_trust_to_grant() -> None:
    said = worked_example.in_document()
    by_name = {party.name: party for party in (*ROOTS, *ROLE_KEYS, VEHICLE)}
    for name, data in said.items():
        if name.startswith("public key of "):
            assert by_name[name.removeprefix("public key of ")].public_key == data
    roots = [data for name, data in said.items() if name.startswith("public key of root")]
    car = verifier(roots=trust.root_keys(roots))
    bundle = car.verify_trust(said["trust container"], keyring=None)
    assert isinstance(bundle, AcceptedTrust)
    keyring, table = bundle.keyring, ChallengeTable()
    adopted = car.verify_account(
        said["account message"], keyring=keyring, account=None, challenges=table, now=0.0
    )
    assert isinstance(adopted, AcceptedAccount)
    account = adopted.account
    asked = car.verify_request(
        said["request message"], keyring=keyring, account=account, marks={}, answered=()
    )
    assert isinstance(asked, AcceptedRequest)
    challenge = car.challenge_for(
        asked,
        keyring=keyring,
        account=account,
        nonce=worked_example.challenge().common.nonce,
        ttl_s=30,
    )
    assert codec.encode(challenge) == said["challenge payload"]
    entry = table.issue(asked.request, challenge, account_epoch=account.epoch, now=0.0)
    assert isinstance(entry, Outstanding)
    granted = car.verify_grant(
        said["grant message"],
        keyring=keyring,
        account=account,
        challenges=table,
        answered=(),
        now=5.0,
    )
    assert isinstance(granted, UnlockAuthorisation)
    result = cose.verify(
        cose.parse(said["result message"]), key=VEHICLE.verification_key, environment=ENVIRONMENT
    )
    assert result is not None
    assert codec.decode(Result, result.content).grant_hash == granted.grant_hash


@pytest.mark.parametrize(
    ("name", "party"),
    [
        ("request message", COMMAND),
        ("evidence message", PIN_AUTHORITY),
        ("challenge message", VEHICLE),
    ],
)
def test_the_example_fits_together(name: str, party: Party) -> None:
    said = worked_example.in_document()
    envelope = cose.parse(said[name])
    assert envelope.claimed_payload == said[name.replace("message", "payload")]
    assert envelope.kid == party.kid
    assert said["external_aad"] == cose.external_aad("bench")
    assert said["evidence message"] in said["grant message"]
    assert said["request payload"] in said["request, what is signed"]


def test_the_limits_are_those_of_the_document() -> None:
    assert f"more than {cbor.MESSAGE_LIMIT} bytes for a message" in section("Encoding")
    assert f"more than {trust.CONTAINER_LIMIT} for a trust-container" in section("Encoding")
    assert f"more than {cbor.MAX_DEPTH} levels" in section("Encoding")
