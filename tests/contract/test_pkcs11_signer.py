"""A key in a real token: it cannot leave, what is missing is named, and a token that was pulled comes back."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import AttributeSensitive, KeyUnextractable
from pkcs11.util.ec import encode_named_curve_parameters

from tcu_agent.adapters.keys.pkcs11_signer import TokenSigner
from tcu_agent.adapters.keys.pkcs11_token import P256, find_private_key, open_session
from tcu_agent.adapters.keys.signing_key import create_key, load_signer
from tcu_agent.errors import KeyStoreError
from tcu_agent.protocol.cose import VerificationKey
from tcu_sim.pki.soft_token import SoftToken
from tests.contract.tokens import a_token, end_all_sessions, key_in, needs_softhsm

pytestmark = needs_softhsm
DATA = b"data"
STAYS = {"sensitive": True, "extractable": False}


@pytest.fixture
def token(tmp_path: Path) -> Iterator[SoftToken]:
    with a_token(tmp_path / "token") as made:
        yield made


@pytest.fixture
def signer(token: SoftToken) -> TokenSigner:
    create_key(key_in(token))
    return TokenSigner(key_in(token))


def is_good(signer: TokenSigner, signature: bytes) -> bool:
    key = VerificationKey(alg=signer.alg, public_key=signer.public_key)
    return key.is_signature(signature, DATA)


def make_pair(
    token: SoftToken, *, label: str = "vehicle", curve: str = "secp256r1", private: dict[str, bool]
) -> None:
    """Make a pair, perhaps as `create_key` never would. `private`: attributes of the private half."""
    with open_session(key_in(token), for_writing=True) as session:
        params = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        session.create_domain_parameters(KeyType.EC, params, local=True).generate_keypair(
            store=True,
            label=label,
            capabilities=MechanismFlag.SIGN,
            private_template={Attribute[name.upper()]: value for name, value in private.items()},
        )


def destroy(token: SoftToken, kind: ObjectClass) -> None:
    with open_session(key_in(token), for_writing=True) as session:
        for found in session.get_objects({Attribute.CLASS: kind}):
            found.destroy()


# ------------------------------------------------------------------ the key stays where it is


def test_the_private_key_can_be_neither_read_nor_wrapped_nor_made_extractable(
    token: SoftToken, signer: TokenSigner
) -> None:
    session = open_session(key_in(token), for_writing=True)
    key = find_private_key(session, key_in(token))
    assert key[Attribute.SENSITIVE] is True
    assert key[Attribute.EXTRACTABLE] is False
    assert key[Attribute.LOCAL] is True
    assert key[Attribute.ALWAYS_SENSITIVE] is True
    assert key[Attribute.NEVER_EXTRACTABLE] is True
    with pytest.raises(AttributeSensitive):
        _ = key[Attribute.VALUE]
    wrapping = session.generate_key(
        KeyType.AES, 256, capabilities=MechanismFlag.WRAP | MechanismFlag.ENCRYPT
    )
    with pytest.raises(KeyUnextractable):
        wrapping.wrap_key(key)  # type: ignore[attr-defined]  # an AES key that may wrap
    for name, value in ((Attribute.EXTRACTABLE, True), (Attribute.SENSITIVE, False)):
        with pytest.raises(pkcs11.PKCS11Error):
            key[name] = value
    with pytest.raises(pkcs11.PKCS11Error):
        key.copy({Attribute.EXTRACTABLE: True})
    session.close()


def test_wrapping_does_work_for_a_key_that_may_leave(token: SoftToken) -> None:
    """The attempt above can succeed: it fails because of the key."""
    make_pair(token, private={"extractable": True})
    session = open_session(key_in(token))
    [key] = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    wrapping = session.generate_key(
        KeyType.AES, 256, capabilities=MechanismFlag.WRAP | MechanismFlag.ENCRYPT
    )
    assert wrapping.wrap_key(key)  # type: ignore[attr-defined]  # an AES key that may wrap
    session.close()


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"extractable": True, "sensitive": True}, "can be taken out"),
        ({"extractable": False, "sensitive": False}, "can be read"),
    ],
)
def test_a_key_that_could_leave_is_refused(
    token: SoftToken, attributes: dict[str, bool], complaint: str
) -> None:
    make_pair(token, private=attributes)
    with pytest.raises(KeyStoreError, match=complaint) as caught:
        load_signer(key_in(token))
    assert not caught.value.temporary


def test_a_key_is_never_made_in_the_place_of_one(token: SoftToken, signer: TokenSigner) -> None:
    with pytest.raises(KeyStoreError, match="there already"):
        create_key(key_in(token))
    create_key(key_in(token, "another"))
    assert TokenSigner(key_in(token, "another")).kid != signer.kid
    assert TokenSigner(key_in(token)).kid == signer.kid


# ------------------------------------------------------------------ what can be missing or wrong


def refused(where: pytest.ExceptionInfo[KeyStoreError], *words: str, temporary: bool) -> None:
    assert [word for word in words if word not in str(where.value)] == []
    assert where.value.temporary is temporary


def test_a_missing_module_and_one_that_is_none(token: SoftToken, signer: TokenSigner) -> None:
    for module in ("/usr/lib/none/libnone.so", "/etc/hostname"):
        with pytest.raises(KeyStoreError) as caught:
            load_signer(key_in(token, module=Path(module)))
        refused(caught, module, "pkcs11_module", temporary=False)
    assert is_good(signer, signer.sign(DATA))


def test_a_missing_token(token: SoftToken) -> None:
    with pytest.raises(KeyStoreError) as caught:
        load_signer(key_in(token, token="other"))
    refused(caught, "pkcs11:token=other", "plugged in", temporary=True)


def test_two_tokens_of_one_label(token: SoftToken, tmp_path: Path) -> None:
    with a_token(tmp_path / "second") as second:
        for folder in second.storage.iterdir():
            folder.rename(token.storage / folder.name)
    with pytest.raises(KeyStoreError, match="2 tokens"):
        load_signer(key_in(token))


def test_a_wrong_pin_is_named_and_never_shown(token: SoftToken, signer: TokenSigner) -> None:
    signer.close()
    pin = token.pin_file.with_name("wrong")
    pin.write_text("987654\n")
    pin.chmod(0o600)
    with pytest.raises(KeyStoreError) as caught:
        load_signer(key_in(token, pin_file=pin))
    refused(caught, "PinIncorrect", str(pin), temporary=False)
    assert "987654" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("content", [b"", b"\n", b"1234\n5678\n", b"\xff\xfe\n"])
def test_a_pin_file_that_holds_no_pin(token: SoftToken, content: bytes) -> None:
    token.pin_file.write_bytes(content)
    with pytest.raises(KeyStoreError, match="on one line"):
        load_signer(key_in(token))


def test_a_pin_file_that_others_can_read(token: SoftToken) -> None:
    token.pin_file.chmod(0o644)
    with pytest.raises(KeyStoreError, match="mode 0644 is too open"):
        load_signer(key_in(token))


def test_a_missing_key_and_two_of_one_label(token: SoftToken) -> None:
    with pytest.raises(
        KeyStoreError, match=r"no private keys of this label .*tcu-agent key create"
    ):
        load_signer(key_in(token))
    for _ in range(2):
        make_pair(token, private=STAYS)
    with pytest.raises(KeyStoreError, match="2 private keys"):
        load_signer(key_in(token))


@pytest.mark.parametrize("curve", ["secp384r1", "secp521r1"])
def test_a_key_on_another_curve(token: SoftToken, curve: str) -> None:
    make_pair(token, curve=curve, private=STAYS)
    with pytest.raises(KeyStoreError, match="no P-256 key"):
        load_signer(key_in(token))


def test_a_key_that_is_no_curves(token: SoftToken) -> None:
    with open_session(key_in(token), for_writing=True) as session:
        session.generate_keypair(KeyType.RSA, 2048, store=True, label="vehicle")
    with pytest.raises(KeyStoreError, match="no key on an elliptic curve"):
        load_signer(key_in(token))


def test_a_public_key_that_is_missing_or_anothers(token: SoftToken, signer: TokenSigner) -> None:
    destroy(token, ObjectClass.PUBLIC_KEY)
    with pytest.raises(KeyStoreError, match="no public keys"):
        load_signer(key_in(token))
    point = generate_private_key(SECP256R1()).public_key().public_numbers()
    raw = b"\x04\x41\x04" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    with open_session(key_in(token), for_writing=True) as session:
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                Attribute.KEY_TYPE: KeyType.EC,
                Attribute.TOKEN: True,
                Attribute.LABEL: "vehicle",
                Attribute.EC_PARAMS: P256,
                Attribute.EC_POINT: raw,
            }
        )
    with pytest.raises(KeyStoreError, match="belongs to another private key"):
        load_signer(key_in(token))


def test_without_the_library_the_extra_is_named(
    token: SoftToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pkcs11_signer", "pkcs11_token"):
        monkeypatch.delitem(sys.modules, f"tcu_agent.adapters.keys.{name}")
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    for use in (load_signer, create_key):
        with pytest.raises(KeyStoreError, match=r"tcu-agent\[pkcs11\]"):
            use(key_in(token))


# ------------------------------------------------------------------ while it runs


def test_a_session_that_broke_is_opened_again(token: SoftToken, signer: TokenSigner) -> None:
    signer.close()
    assert is_good(signer, signer.sign(DATA))
    end_all_sessions(token)
    assert is_good(signer, signer.sign(DATA))


def test_a_token_that_is_pulled_says_so_and_signs_again_when_it_is_back(
    token: SoftToken, signer: TokenSigner
) -> None:
    kid = signer.kid
    for _ in range(2):
        away = token.storage.rename(token.folder / "away")
        for _ in range(3):
            with pytest.raises(KeyStoreError) as caught:
                signer.sign(DATA)
            assert caught.value.temporary
        away.rename(token.storage)
        assert is_good(signer, signer.sign(DATA))
    assert signer.kid == kid


def test_a_token_whose_slot_is_empty_now(token: SoftToken, signer: TokenSigner) -> None:
    [own] = token.storage.iterdir()
    away = own.rename(token.folder / own.name)
    for _ in range(2):
        with pytest.raises(KeyStoreError) as caught:
            signer.sign(DATA)
        assert caught.value.temporary
    away.rename(own)
    assert is_good(signer, signer.sign(DATA))


def test_a_token_that_comes_back_with_another_key_is_not_believed(
    token: SoftToken, signer: TokenSigner
) -> None:
    destroy(token, ObjectClass.PRIVATE_KEY)
    destroy(token, ObjectClass.PUBLIC_KEY)
    create_key(key_in(token))
    for _ in range(2):
        with pytest.raises(KeyStoreError, match="another key than at the start") as caught:
            signer.sign(DATA)
        assert not caught.value.temporary


def test_a_pin_that_is_wrong_now_is_tried_once(
    token: SoftToken, signer: TokenSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token locks itself after a few wrong PINs, and an agent asks often."""
    token.pin_file.write_text("987654\n")
    signer.close()
    with pytest.raises(KeyStoreError, match="PinIncorrect"):
        signer.sign(DATA)
    monkeypatch.setattr(pkcs11, "lib", lambda _: pytest.fail("asked the token again"))
    with pytest.raises(KeyStoreError, match="PinIncorrect"):
        signer.sign(DATA)
