"""The committed vectors: made anew they are the same, and the agent judges each as it is written."""

import ast
import json
from collections import Counter
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tcu_agent.protocol import cbor, codec
from tcu_agent.protocol.messages import Fix, Position
from tcu_sim.wire import messages as other
from tcu_sim.wire.envelope import open_signed
from tcu_sim.wire.errors import WireError
from tcu_sim.wire.keys import PublicKey
from tests.vectors import make
from tests.vectors.cases import reasons
from tests.vectors.judging import (
    FOLDER,
    FROM_THE_CAR,
    Car,
    Outcome,
    Vector,
    arriving,
    expected,
    files,
    judge_at_the_centre,
    load,
    payload_as_json,
)

MADE_BY = [path for path in FOLDER.glob("*.py") if not path.name.startswith(("test_", "judging"))]
CASES = [(name, vector) for name in files() for vector in load(name)["vectors"]]
IDS = [f"{name}: {vector['name']}" for name, vector in CASES]
LAST_REFUSAL = 40
"""Source: docs/protocol.md, "Reason codes": above it are failures and endings."""

HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM)


def good_one(name: str, vector: Vector) -> Vector:
    return next(
        each
        for each in load(name)["vectors"]
        if each["name"] == vector["spoilt_from"] and "spoilt_from" not in each
    )


def judge(message: str, vector: Vector, car: Car) -> Outcome:
    if message in FROM_THE_CAR:
        return judge_at_the_centre(message, bytes.fromhex(vector["bytes"]))
    return car.judge(*arriving(message, vector))


def test_the_committed_files_are_what_the_second_implementation_makes() -> None:
    made = {name: make.as_text(document) for name, document in make.documents()}
    assert {path.name for path in FOLDER.glob("*.json")} == set(made)
    for name, text in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name}: run python -m tests.vectors.make"
        )
        assert json.loads(text)["format"] == make.FORMAT


@pytest.mark.parametrize("path", MADE_BY, ids=lambda path: path.name)
def test_nothing_of_the_agent_takes_part_in_making_them(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert names.isdisjoint({"tests.vectors.judging"})
    assert [name for name in names if name.split(".")[0] == "tcu_agent"] == []


@pytest.mark.parametrize(("name", "vector"), CASES, ids=IDS)
def test_the_agent_judges_a_vector_as_it_is_written(name: str, vector: Vector) -> None:
    message = load(name)["message"]
    car = Car(load("cars.json")["cars"][vector["car"]])
    waiting = len(car.table)
    assert judge(message, vector, car) == expected(vector)
    if vector["outcome"] == "accept":
        assert payload_as_json(bytes.fromhex(vector["bytes"])) == vector["fields"]
    if vector["outcome"] != "refuse":
        return
    good = good_one(name, vector)
    if vector["car"] == good["car"]:
        assert len(car.table) == waiting
        assert judge(message, good, car) == "accept"


CENTRES_WORDS = {"unsupported-type": "wrong-type", "too-large": "malformed"}
READ_BY_THE_CENTRE = [
    (load(name)["message"], vector)
    for name in files()
    if load(name)["message"] in FROM_THE_CAR
    for vector in load(name)["vectors"]
]


@pytest.mark.parametrize(
    ("message", "vector"),
    READ_BY_THE_CENTRE,
    ids=[f"{message}: {vector['name']}" for message, vector in READ_BY_THE_CENTRE],
)
def test_the_centre_takes_what_it_should_and_nothing_else(message: str, vector: Vector) -> None:
    """What the car says is read by the other implementation alone: it is held to the same words."""
    kind = next(each for each in vars(other).values() if getattr(each, "TYP", None) == message)
    vehicle = load("keys.json")["keys"]["vehicle car-1"]
    key = PublicKey(vehicle["alg"], bytes.fromhex(vehicle["public"]))
    data, environment = bytes.fromhex(vector["bytes"]), load("keys.json")["environment"]
    if vector["outcome"] == "accept":
        open_signed(data, kind, key, environment)
        return
    with pytest.raises(WireError) as caught:
        open_signed(data, kind, key, environment)
    wanted = vector["reason"]["word"]
    assert caught.value.word == CENTRES_WORDS.get(wanted, wanted)


@pytest.mark.parametrize(
    "vector", [each for each in load("position.json")["vectors"] if "opens" in each]
)
def test_a_position_opens_or_not(vector: Vector) -> None:
    opens, data = vector["opens"], bytes.fromhex(vector["bytes"])
    desk = load("keys.json")["keys"][opens["with"]]
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(desk["hpke_private"]))
    sealed = bytes.fromhex(vector["fields"]["7"]["hex"])
    info = bytes.fromhex(opens["info"])
    if opens["fix"] is None:
        with pytest.raises(InvalidTag):
            HPKE.decrypt(sealed, private, info=info)
        return
    plain = HPKE.decrypt(sealed, private, info=info)
    fix = cbor.decode(plain)
    assert isinstance(fix, dict)
    assert {str(key): value for key, value in fix.items()} == opens["fix"]
    assert codec.encode(codec.decode(Fix, plain)) == plain
    position = codec.decode(Position, make_payload(data))
    expected_info = codec.position_info(
        environment=load("keys.json")["environment"],
        vehicle_id=position.vehicle_id,
        case_id=position.case_id,
        seq=position.seq,
    )
    assert info == expected_info


def make_payload(message: bytes) -> bytes:
    items = cbor.decode(message[1:])
    assert isinstance(items, list)
    assert isinstance(items[2], bytes)
    return items[2]


def test_every_message_has_good_and_bad_vectors() -> None:
    assert {load(name)["message"] for name in files()} == {each.name for each in codec.MESSAGES}
    for name in files():
        outcomes = Counter(vector["outcome"] for vector in load(name)["vectors"])
        assert outcomes["accept"] >= 1, name
        assert outcomes["refuse"] >= 20, name


def test_a_name_means_one_vector() -> None:
    for name in files():
        names = Counter((each["name"], "spoilt_from" in each) for each in load(name)["vectors"])
        assert [each for each, count in names.items() if count > 1] == [], name


NOT_FROM_BYTES_ALONE = {
    # Reasons that need a running agent, not a verifier: the scenarios and tests/core play them.
    "busy",
    "retained",
    "service-not-available",
    "signals-unknown",
    "state-corrupt",
    "usage-mode",
    "vehicle-moving",
    "vehicle-refused",
    "window-out-of-range",
}


def test_every_reason_that_bytes_can_earn_has_a_vector() -> None:
    given = {vector["reason"]["word"] for _, vector in CASES if "reason" in vector}
    refusals = {word for word, code in reasons().items() if 1 <= code <= LAST_REFUSAL}
    assert refusals - given == NOT_FROM_BYTES_ALONE


def test_the_description_knows_how_many_there_are() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert text.count(f"{len(CASES):,} messages") == 1
