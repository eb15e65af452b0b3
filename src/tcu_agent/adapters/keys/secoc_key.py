"""A SecOC key as it stands in its file: the bytes and nothing else. What is there instead is told by its form."""

from __future__ import annotations

import base64
import string
from pathlib import Path

from tcu_agent.adapters.can.secoc import KEY_BYTES
from tcu_agent.adapters.keys.secret_file import read_secret
from tcu_agent.errors import KeyStoreError

_PEM = b"-----BEGIN "
_PRINTABLE = frozenset(string.printable.encode())
_ITSELF = f"the file has to hold the {KEY_BYTES} bytes themselves"


def load_secoc_key(path: Path) -> bytes:
    """Return one SecOC key, 16 bytes.

    Raises:
        KeyStoreError: the file is missing, open to others, or holds something else. No part of it is told.
    """
    content = read_secret(path)
    if len(content) != KEY_BYTES:
        raise KeyStoreError(f"{path}: {_form(content)}")
    return content


def _form(content: bytes) -> str:
    if content.startswith(_PEM):
        return f"a PEM file; {_ITSELF}"
    if len(content.rstrip(b"\r\n")) == KEY_BYTES:
        return f"{KEY_BYTES} bytes and the end of a line; {_ITSELF}, and nothing else"
    if _is_hex(content):
        return f"the key in hex digits; {_ITSELF}: xxd -r -p makes them of that"
    if _is_base64(content):
        return f"the key in base64; {_ITSELF}: base64 -d makes them of that"
    if content and _PRINTABLE.issuperset(content):
        return f"text of {len(content)} bytes; {_ITSELF}, no text"
    return f"{len(content)} bytes; a SecOC key has {KEY_BYTES}"


def _is_hex(content: bytes) -> bool:
    digits = b"".join(content.replace(b":", b"").split()).removeprefix(b"0x")
    return len(digits) == 2 * KEY_BYTES and set(digits) <= set(string.hexdigits.encode())


def _is_base64(content: bytes) -> bool:
    try:
        return len(base64.b64decode(b"".join(content.split()), validate=True)) == KEY_BYTES
    except ValueError:
        return False
