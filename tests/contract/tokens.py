"""A real token for the tests: SoftHSM's, made anew for each, in this process and its children."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pkcs11
import pytest

from tcu_agent.config import TokenKey
from tcu_sim.pki.soft_token import MISSING, SoftToken, find_module, make_soft_token

needs_softhsm = pytest.mark.skipif(find_module() is None, reason=MISSING)


@contextmanager
def a_token(folder: Path, *, label: str = "tcu") -> Iterator[SoftToken]:
    """Make a token that this process sees, and no other."""
    token = make_soft_token(folder, label=label)
    before = dict(os.environ)
    os.environ.update(token.environment)
    end_all_sessions(token)
    try:
        yield token
    finally:
        end_all_sessions(token)
        os.environ.clear()
        os.environ.update(before)


def end_all_sessions(token: SoftToken) -> None:
    """End everything this process does with the module, which reads its configuration anew when it is used again."""
    with suppress(pkcs11.PKCS11Error):  # it does not even start while its storage is away
        pkcs11.lib(str(token.module)).finalize()


def key_in(made: SoftToken, label: str = "vehicle", /, **changes: object) -> TokenKey:
    """Return where a key of this token is; `changes` are fields to get wrong."""
    fields = {"token": made.label, "label": label, "module": made.module} | changes
    return TokenKey(**{"pin_file": made.pin_file} | fields)  # type: ignore[arg-type]  # a test names them
