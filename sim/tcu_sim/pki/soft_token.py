"""A PKCS#11 token made of files (SoftHSM), for benches and tests that want a vehicle key which cannot be taken out.

Not a safe place: whoever reads the folder and the PIN has the key. A car has a secure element, with the same interface.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcu_sim.errors import BadInput
from tcu_sim.pki.files import make_private_directory, write_secret

PROGRAM = "softhsm2-util"
MISSING = "SoftHSM is not here (Debian: apt-get install softhsm2)"
_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/*/softhsm/libsofthsm2.so",
    "/usr/lib*/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftToken:
    """A token and how to use it. `label`: its own; the keys in it have labels of theirs."""

    label: str
    folder: Path
    module: Path
    pin_file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs in its environment to see the token."""
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @property
    def storage(self) -> Path:
        """Where its objects are: moved away, the token is pulled."""
        return self.folder / "tokens"

    def uri(self, key_label: str) -> str:
        """Return the name of a key in it (RFC 7512)."""
        return f"pkcs11:token={self.label};object={key_label}"


def find_module() -> Path | None:
    """Return SoftHSM's PKCS#11 library, or None where SoftHSM is not installed as a whole."""
    if shutil.which(PROGRAM) is None:
        return None
    found = (path for place in _PLACES for path in Path("/").glob(place.removeprefix("/")))
    return next(found, None)


def make_soft_token(folder: Path, *, label: str) -> SoftToken:
    """Make an empty token under `folder`, which must be new. `label`: letters, digits, - and _, up to 32.

    Raises:
        BadInput: SoftHSM is not here, or refuses.
    """
    module = find_module()
    if module is None:
        raise BadInput(MISSING)
    token = SoftToken(label=label, folder=folder, module=module, pin_file=folder / "pin")
    make_private_directory(token.storage)
    conf = folder / "softhsm2.conf"
    conf.write_text(
        f"directories.tokendir = {token.storage}\nlog.level = ERROR\n", encoding="utf-8"
    )
    pin = secrets.token_hex(8)
    write_secret(token.pin_file, f"{pin}\n".encode())
    _initialise(token, pin)
    return token


def _initialise(token: SoftToken, pin: str) -> None:
    # SoftHSM takes PINs from its command line only: they are a bench's own, and thrown away with it.
    done = subprocess.run(
        [
            *(PROGRAM, "--init-token", "--free", "--label", token.label),
            *("--pin", pin, "--so-pin", secrets.token_hex(8)),
        ],
        env={**os.environ, **token.environment},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise BadInput(f"{PROGRAM}: {done.stderr.strip() or done.stdout.strip()}")
