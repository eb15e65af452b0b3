"""Every kind of key signs so that the protocol's own check agrees, and a key that others can read is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from tcu_agent.adapters.keys.sealer import HpkeSealer
from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.adapters.keys.signing_key import PrivateSigner, create_key, load_signer
from tcu_agent.errors import KeyStoreError
from tcu_agent.protocol.cose import VerificationKey
from tests.contract.tokens import a_token, key_in, needs_softhsm

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | X25519PrivateKey
PLAIN = NoEncryption()


def write(path: Path, key: PrivateKey, encryption: KeySerializationEncryption = PLAIN) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(0o600)
    return path


@pytest.fixture(params=["P-256", "Ed25519", pytest.param("token", marks=needs_softhsm)])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PrivateSigner]:
    """Yield every kind of signer that there is."""
    if request.param == "token":
        with a_token(tmp_path / "token") as token:
            create_key(key_in(token))
            yield load_signer(key_in(token))
    else:
        is_p256 = request.param == "P-256"
        key = generate_private_key(SECP256R1()) if is_p256 else Ed25519PrivateKey.generate()
        yield load_signer(write(tmp_path / "signing.pem", key))


def test_what_it_signs_the_protocol_verifies(signer: PrivateSigner) -> None:
    key = VerificationKey(alg=signer.alg, public_key=signer.public_key)
    signature = signer.sign(b"data")
    assert len(signature) == 64
    assert key.is_signature(signature, b"data")
    assert not key.is_signature(signature, b"other data")
    assert key.kid == signer.kid


@pytest.mark.parametrize("length", [0, 1, 32, 33, 8192, 65_536])
def test_it_signs_data_of_any_length(signer: PrivateSigner, length: int) -> None:
    key = VerificationKey(alg=signer.alg, public_key=signer.public_key)
    data = bytes(length)
    assert key.is_signature(signer.sign(data), data)


def test_a_key_is_made_private_and_never_in_the_place_of_one(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    kid = load_signer(path).kid
    with pytest.raises(KeyStoreError, match="there already"):
        create_key(path)
    assert load_signer(path).kid == kid
    with pytest.raises(KeyStoreError, match="No such file"):
        create_key(tmp_path / "none" / "signing.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o660, 0o644])
def test_a_key_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "signing.pem", Ed25519PrivateKey.generate())
    path.chmod(mode)
    with pytest.raises(KeyStoreError, match=f"mode {mode:04o} is too open"):
        load_signer(path)


def test_a_key_that_cannot_even_be_changed_is_fine(tmp_path: Path) -> None:
    path = write(tmp_path / "signing.pem", Ed25519PrivateKey.generate())
    path.chmod(0o400)
    assert load_signer(path).alg == -8


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (generate_private_key(SECP384R1()), "the curve is secp384r1"),
        (X25519PrivateKey.generate(), "neither a P-256 nor an Ed25519"),
    ],
)
def test_a_key_of_another_kind_is_refused(tmp_path: Path, key: PrivateKey, complaint: str) -> None:
    with pytest.raises(KeyStoreError, match=complaint):
        load_signer(write(tmp_path / "signing.pem", key))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    path = write(tmp_path / "signing.pem", key, BestAvailableEncryption(b"secret"))
    with pytest.raises(KeyStoreError, match="not an unencrypted private key"):
        load_signer(path)


def test_what_is_no_key_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    path.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(KeyStoreError) as caught:
        load_signer(path)
    assert "c2VjcmV0" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="No such file"):
        read_secret(tmp_path / "none.pem")
    with pytest.raises(KeyStoreError, match="directory"):
        read_secret(tmp_path)


def test_the_sealer_refuses_what_is_no_recipient() -> None:
    with pytest.raises(KeyStoreError, match="HPKE key cannot be used"):
        HpkeSealer().seal(b"fix", recipient=bytes(31), info=b"")
    with pytest.raises(KeyStoreError, match="HPKE key cannot be used"):
        HpkeSealer().seal(b"fix", recipient=bytes(32), info=b"")
