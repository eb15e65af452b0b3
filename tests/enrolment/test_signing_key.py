"""The vehicle's own key: made in the token where there is none, and no try at a PIN more than a person would make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tcu_agent.adapters.keys import pkcs11_signer, pkcs11_token
from tcu_agent.adapters.keys.signing_key import create_key, load_signer
from tcu_agent.config import TokenKey
from tcu_agent.enrolment.enrolling import enrol
from tcu_agent.errors import EnrolmentError, KeyStoreError
from tcu_sim.pki.soft_token import SoftToken
from tests.contract.tokens import a_token, end_all_sessions, key_in, needs_softhsm
from tests.enrolment.bench import Bench

pytestmark = needs_softhsm


@pytest.fixture
def token(tmp_path: Path) -> Iterator[SoftToken]:
    with a_token(tmp_path / "token") as made:
        yield made


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[TokenKey]:
    """Return what is tried at the token, as it is tried."""
    tried: list[TokenKey] = []
    really = pkcs11_token.open_session

    def counted(where: TokenKey, *, for_writing: bool = False) -> object:
        tried.append(where)
        return really(where, for_writing=for_writing)

    for module in (pkcs11_token, pkcs11_signer):
        monkeypatch.setattr(module, "open_session", counted)
    return tried


def call_enrol(bench: Bench, where: TokenKey) -> None:
    bench.invite()
    config = bench.config
    enrol(replace(config, keys=replace(config.keys, signing=where)))


def test_a_wrong_pin_is_tried_once(
    bench: Bench, token: SoftToken, logins: list[TokenKey], tmp_path: Path
) -> None:
    create_key(key_in(token))
    end_all_sessions(token)
    logins.clear()
    wrong = tmp_path / "wrong"
    wrong.write_text("000000\n")
    wrong.chmod(0o600)
    with pytest.raises(KeyStoreError, match="refuses the PIN"):
        call_enrol(bench, key_in(token, pin_file=wrong))
    assert len(logins) == 1


def test_no_second_key_is_made_beside_one_that_cannot_be_used(
    bench: Bench, token: SoftToken, logins: list[TokenKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key(key_in(token))
    logins.clear()
    monkeypatch.setattr(pkcs11_signer, "find_public_key", _damaged)
    with pytest.raises(KeyStoreError, match="damaged"):
        call_enrol(bench, key_in(token))
    assert len(logins) == 1


def test_a_key_is_made_where_the_token_has_none(bench: Bench, token: SoftToken) -> None:
    with pytest.raises(
        EnrolmentError, match=r"127\.0\.0\.1"
    ):  # no server runs: the key comes first
        call_enrol(bench, key_in(token))
    assert load_signer(key_in(token)).public_key


def _damaged(*_: object) -> bytes:
    raise KeyStoreError("damaged")
